"""The commands, their options and their examples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from perse_engine.cli.arguments import (
    AvatarFile,
    Categories,
    Footage,
    HeadModel,
    HoldOut,
    Json,
    Masks,
    Motion,
    Photo,
    PhotoOrVideo,
    Preset,
    Seed,
    Styles,
    Weights,
)
from perse_engine.cli.style_commands import style_app

app = typer.Typer(
    name="perse",
    help="From one portrait to an animatable head of 3D Gaussians.",
    epilog="Example: perse build me.jpg --out me.perse && perse render me.perse --out me.png",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(style_app)


@app.command(epilog="Example: perse portrait me.jpg --out me.portrait")
def portrait(
    photo: Photo,
    out: Annotated[Path, typer.Option(help="Folder for the crop, matte, parts, landmarks and fit.")],
    head: HeadModel = "open",
    seed: Seed = 0,
    masks: Masks = None,
    json: Json = False,
) -> None:
    """Read a photo and fit the head to it."""
    from perse_engine.cli.stages import run_portrait

    run_portrait(photo, out, head, seed, masks, json)


@app.command(epilog="Example: perse check me.jpg --json")
def check(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="A portrait photograph, or a video.")],
    json: Json = False,
) -> None:
    """Say, before anything is built, whether a photo will do, and what would make a better one."""
    from perse_engine.cli.looking import run_check

    run_check(photo, json)


@app.command(epilog="Example: perse build me.jpg --out me.perse --preset draft")
def build(
    photo: PhotoOrVideo = None,
    *,
    out: Annotated[Path, typer.Option(help="The avatar file to write.")],
    preset: Preset = "standard",
    seed: Seed = 0,
    work: Annotated[Path | None, typer.Option(help="Folder of the job; beside --out by default.")] = None,
    head: HeadModel = "open",
    styles: Styles = None,
    masks: Masks = None,
    video: Footage = None,
    hold_out: HoldOut = None,
    edits: Annotated[
        Path | None,
        typer.Option(help="A folder of edited portraits or videos, named by category and style: hat_red_fez.png, …"),
    ] = None,
    motion: Motion = None,
    categories: Categories = None,
    json: Json = False,
) -> None:
    """Turn a photo, a video or both into an avatar. Run the same command again to resume."""
    from perse_engine.cli.stages import run_build
    from perse_engine.service.sources import Sources

    sources = Sources(styles, masks, video, hold_out, edits, motion, categories)
    run_build(photo, out, preset, seed, work, head, sources, json)


@app.command(epilog="Example: perse synthesize me.portrait --out me.dataset --preset draft")
def synthesize(
    portrait: Annotated[Path, typer.Argument(metavar="PORTRAIT", help="What `perse portrait` wrote.")],
    out: Annotated[Path, typer.Option(help="Folder for the clips.")],
    preset: Preset = "standard",
    seed: Seed = 0,
    styles: Styles = None,
    motion: Motion = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what the clips would cost.")] = False,
    json: Json = False,
) -> None:
    """Make the clips: the person with one attribute changed at a time, moving."""
    from perse_engine.cli.stages import run_synthesize

    run_synthesize(portrait, out, preset, seed, styles, motion, dry_run, json)


@app.command(epilog="Example: perse train me.dataset --out me.perse --preset draft")
def train(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="What `perse synthesize` wrote.")],
    out: Annotated[Path, typer.Option(help="The avatar file to write.")],
    preset: Preset = "standard",
    seed: Seed = 0,
    work: Annotated[Path | None, typer.Option(help="Folder for checkpoints; beside --out by default.")] = None,
    json: Json = False,
) -> None:
    """Train an avatar on clips. Run the same command again to resume.

    On several GPUs: torchrun --nproc-per-node 2 -m perse_engine.cli train DATASET --out X.perse
    """
    from perse_engine.cli.stages import run_train

    run_train(dataset, out, preset, seed, work, json)


@app.command(
    epilog="Example: perse render me.perse --out me.png --size 1024x1024 --set expr_jawopen=0.4 attr_hat_cap=1 --yaw 20"
)
def render(
    avatar: AvatarFile,
    out: Annotated[Path, typer.Option(help="The PNG to write; with --motion, a folder for one PNG a frame.")],
    size: Annotated[str | None, typer.Option(metavar="WxH", help="Pixels; 512x512, or the photo's own.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="SLIDER=VALUE", help="A slider's value; several may follow.")
    ] = None,
    state: Annotated[str, typer.Option(help="What to start from: neutral, or photo.")] = "neutral",
    yaw: Annotated[float, typer.Option(help="Degrees the camera moves towards the person's left.")] = 0.0,
    pitch: Annotated[float, typer.Option(help="Degrees the camera moves up.")] = 0.0,
    roll: Annotated[float, typer.Option(help="Degrees the picture turns clockwise.")] = 0.0,
    camera: Annotated[str, typer.Option(help="front, or portrait: the photo's own view and framing.")] = "front",
    background: Annotated[str, typer.Option(metavar="none|RRGGBB", help="What lies behind.")] = "none",
    motion: Motion = None,
    json: Json = False,
) -> None:
    """Draw an avatar."""
    from perse_engine.cli.picture import run_render

    run_render(avatar, out, size, settings or [], state, (yaw, pitch, roll), camera, background, motion, json)


@app.command(epilog="Example: perse export me.perse --out me.ply --set expr_jawopen=0.4 attr_hat_cap=1")
def export(
    avatar: AvatarFile,
    out: Annotated[
        Path, typer.Option(metavar="FILE.ply|.spz|.glb|.npz", help="The file; of several frames each gets its number.")
    ],
    what: Annotated[
        str | None, typer.Option(metavar="splats|mesh|blendshapes", help="What a .glb holds; splats by default.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="SLIDER=VALUE", help="A slider's value; several may follow.")
    ] = None,
    state: Annotated[str, typer.Option(help="What to start from: neutral, or photo.")] = "neutral",
    up: Annotated[
        str | None, typer.Option(metavar="y-down|y|z", help="Of a .ply; y-down, as 3DGS has it, by default.")
    ] = None,
    motion: Motion = None,
    states: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="States of your own, one or many, as Blender writes them.")
    ] = None,
    json: Json = False,
) -> None:
    """Write an avatar for other programs: as Gaussians, as a mesh, or as Gaussian blendshapes."""
    from perse_engine.cli.export import run_export

    run_export(avatar, out, what, up, settings or [], state, motion, states, json)


@app.command(epilog="Example: perse evaluate me.perse --report me.report")
def evaluate(
    subject: Annotated[
        Path, typer.Argument(metavar="AVATAR|DATASET", help="An avatar file, or clips: then what clips alone can show.")
    ],
    report: Annotated[Path, typer.Option(help="Folder for report.json and report.html.")],
    dataset: Annotated[
        Path | None, typer.Option(help="The clips, or the job's folder; found beside the avatar by default.")
    ] = None,
    sitters: Annotated[Path | None, typer.Option(help="Folder with portraits of other people, to compare.")] = None,
    weights: Weights = None,
    footage: Annotated[
        bool, typer.Option("--footage", help="Only against footage that was held out (perse build --hold-out).")
    ] = False,
    json: Json = False,
) -> None:
    """Measure an avatar against its bars."""
    from perse_engine.cli.measuring import run_evaluate

    run_evaluate(subject, report, dataset, sitters, weights, footage, json)


@app.command(epilog="Example: perse ablate me.draft-0.work --report ablations --preset draft --seeds 3")
def ablate(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="The clips, or the job's folder.")],
    report: Annotated[Path, typer.Option(help="Folder for report.html, report.json and what is trained.")],
    preset: Preset = "draft",
    seeds: Annotated[int, typer.Option(min=1, max=20, help="Trainings of each variant.")] = 1,
    json: Json = False,
) -> None:
    """Train variants of the method on the same clips and hold them beside each other."""
    from perse_engine.cli.measuring import run_ablate

    run_ablate(dataset, report, preset, seeds, json)


@app.command(epilog="Example: perse fitcheck")
def fitcheck(json: Json = False) -> None:
    """Fit sixty random heads whose truth is known, and say how far off it is."""
    from perse_engine.cli.measuring import run_fitcheck

    run_fitcheck(json)


@app.command(epilog="Example: perse gallery portraits --out gallery --preset draft")
def gallery(
    portraits: Annotated[list[Path], typer.Argument(metavar="PORTRAITS…", help="Pictures, and folders of pictures.")],
    out: Annotated[Path, typer.Option(help="Folder for the avatars, the sheets and gallery.html.")],
    preset: Preset = "draft",
    seed: Seed = 0,
    styles: Styles = None,
) -> None:
    """Build many portraits and show them on one page. Run the same command again to resume."""
    from perse_engine.cli.showing import run_gallery
    from perse_engine.service.sources import Sources

    run_gallery(portraits, out, preset, seed, Sources(styles=styles))


@app.command(epilog="Example: perse between me.portrait you.portrait --out between --steps 7")
def between(
    first: Annotated[Path, typer.Argument(metavar="PORTRAIT", help="What `perse portrait` wrote.")],
    last: Annotated[Path, typer.Argument(metavar="PORTRAIT", help="Another one.")],
    out: Annotated[Path, typer.Option(help="Folder for the pictures and the mask of what changes.")],
    steps: Annotated[int, typer.Option(min=2, max=1000, help="How many pictures, both ends included.")] = 5,
    size: Annotated[int, typer.Option(min=16, max=4096, help="Side of a picture in pixels.")] = 512,
) -> None:
    """Draw the faces between two people."""
    from perse_engine.cli.showing import run_between

    run_between(first, last, out, steps, size)


@app.command(epilog="Example: perse styles --vary hair=20 --out mine.toml")
def styles(
    styles: Styles = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(metavar="CATEGORY=COUNT", help="Combine words to so many styles; may be repeated."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The file to write combinations to.")] = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """List the styles that an avatar can learn, or write new ones."""
    from perse_engine.cli.styles import run_styles

    run_styles(styles, vary or [], out, seed, json)


@app.command(epilog="Example: perse info me.perse --json")
def info(avatar: AvatarFile, json: Json = False) -> None:
    """Say what an avatar file holds: its sliders, ranges and origin."""
    from perse_engine.cli.looking import run_info

    run_info(avatar, json)


@app.command(epilog="Example: perse doctor --json")
def doctor(json: Json = False) -> None:
    """Say what this installation can do, and what it lacks."""
    from perse_engine.cli.looking import run_doctor

    run_doctor(json)


@app.command(epilog="Example: perse serve (Blender starts it; it speaks on standard input and output)")
def serve(
    threads: Annotated[int | None, typer.Option(min=1, help="At most so many; PERSE_THREADS goes before.")] = None,
) -> None:
    """Run the session that Blender talks to."""
    from perse_engine.service.session import serve as run_serve

    run_serve(threads)


@app.command(epilog="Example: perse bench --json > bench.json")
def bench(json: Json = False) -> None:
    """Time what people wait for, on this machine."""
    from perse_engine.cli.measuring import run_bench

    run_bench(json)
