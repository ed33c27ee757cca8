"""`perse style …`: the commands, their options and their examples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from perse_engine.cli.arguments import AvatarFile, HeadModel, Json, Seed

style_app = typer.Typer(
    name="style",
    help="Change which styles an avatar has.",
    epilog='Example: perse style mix me.perse attr_hair_bob=0.5 attr_hair_long=0.5 --name "Half long"',
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Slider = Annotated[str, typer.Argument(metavar="SLIDER", help="A style's slider, such as attr_hair_bob.")]
StyleName = Annotated[str, typer.Option("--name", help="What people will read; the slider is named after it.")]
Elsewhere = Annotated[Path | None, typer.Option("--out", help="Write here instead of changing the file itself.")]
JobFolder = Annotated[
    Path | None, typer.Option("--work", metavar="FOLDER", help="Keep a folder that tells how far it is, as builds do.")
]
CategoryName = Annotated[str, typer.Option("--category", help="Such as hair, beard, nose: perse styles lists them.")]
Lender = Annotated[Path | None, typer.Option("--image", metavar="PICTURE", help="A portrait of somebody who has it.")]
Words = Annotated[
    str | None, typer.Option("--text", metavar="WORDS", help='What it is like, such as "short curly red hair".')
]
StyleMask = Annotated[
    Path | None, typer.Option("--mask", metavar="PICTURE", help="White where on the portrait a hat, glasses, … are.")
]
Clip = Annotated[
    Path | None, typer.Option("--clip", metavar="FOLDER", help="A CLIP model that says which styles are alike.")
]


@style_app.command(epilog="Example: perse style add me.perse --category hair --image you.jpg")
def add(
    avatar: AvatarFile,
    category: CategoryName,
    image: Lender = None,
    text: Words = None,
    name: Annotated[
        str | None, typer.Option("--name", help="What people will read; the slider is named after it.")
    ] = None,
    mask: StyleMask = None,
    out: Elsewhere = None,
    head: HeadModel = "open",
    seed: Seed = 0,
    work: JobFolder = None,
    json: Json = False,
) -> None:
    """Make a new slider from somebody else's portrait, or from words; nothing else about the avatar changes."""
    from perse_engine.cli.restyle import run_add
    from perse_engine.service.new_style import Wish

    run_add(avatar, Wish(category, image, text, name, mask), out, head, seed, work, json)


@style_app.command(epilog='Example: perse style match me.perse --category hair --text "long black hair"')
def match(
    avatar: AvatarFile,
    category: CategoryName,
    image: Lender = None,
    text: Words = None,
    mask: StyleMask = None,
    clip: Clip = None,
    head: HeadModel = "open",
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Say which sliders that there are come nearest to somebody's portrait or to words; nothing is trained."""
    from perse_engine.cli.restyle import run_match
    from perse_engine.service.new_style import Wish

    run_match(avatar, Wish(category, image, text, None, mask), head, seed, clip, json)


@style_app.command(epilog="Example: perse style axes me.perse --category hair --count 2")
def axes(
    avatar: AvatarFile,
    category: CategoryName,
    count: Annotated[int, typer.Option(min=1, max=8, help="How many axes; each has two ends.")] = 2,
    clip: Clip = None,
    out: Elsewhere = None,
) -> None:
    """Add sliders along which the styles of a category differ most, for exploring."""
    from perse_engine.cli.restyle import run_axes

    run_axes(avatar, category, count, clip, out)


@style_app.command("random", epilog="Example: perse style random me.perse --count 12 --out people.png")
def random_styles(
    avatar: AvatarFile,
    out: Annotated[Path, typer.Option(help="The picture to draw them on.")],
    count: Annotated[int, typer.Option(min=1, max=400, help="How many.")] = 12,
    clip: Clip = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Draw random people out of the avatar's space, and say how their sliders stand."""
    from perse_engine.cli.restyle import run_random

    run_random(avatar, count, seed, clip, out, json)


@style_app.command(epilog='Example: perse style mix me.perse attr_hair_bob=0.5 attr_hair_long=0.5 --name "Half long"')
def mix(
    avatar: AvatarFile,
    parts: Annotated[list[str], typer.Argument(metavar="SLIDER=SHARE...", help="Two or more styles of one category.")],
    name: StyleName,
    out: Elsewhere = None,
) -> None:
    """Make a slider of its own out of several styles of one category."""
    from perse_engine.cli.restyle import run_mix

    run_mix(avatar, parts, name, out)


@style_app.command(epilog="Example: perse style remove me.perse attr_hat_beanie")
def remove(avatar: AvatarFile, slider: Slider, out: Elsewhere = None, work: JobFolder = None) -> None:
    """Take a style out; the others stay as they are."""
    from perse_engine.cli.restyle import run_remove

    run_remove(avatar, slider, out, work)


@style_app.command(epilog='Example: perse style rename me.perse attr_hair_bob --name "Page boy"')
def rename(avatar: AvatarFile, slider: Slider, name: StyleName, out: Elsewhere = None, work: JobFolder = None) -> None:
    """Give a style another name; its slider is named likewise."""
    from perse_engine.cli.restyle import run_rename

    run_rename(avatar, slider, name, out, work)
