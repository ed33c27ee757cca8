"""`perse style`: which styles an avatar has, and which come nearest to a wish."""

from __future__ import annotations

import dataclasses
import json as json_text
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from perse_engine.cli.options import refuse_other_pictures
from perse_engine.cli.watching import watched
from perse_engine.errors import InputError
from perse_engine.progress import silent
from perse_engine.service.threads import apply_thread_budget

if TYPE_CHECKING:
    from perse_engine.avatars.avatar import Avatar
    from perse_engine.service.new_style import Wish


def run_add(path: Path, wish: Wish, out: Path | None, head: str, seed: int, work: Path | None, json: bool) -> None:
    """Give the avatar at `path` a style from somebody's picture or from words."""
    from perse_engine.cli.stages import report
    from perse_engine.service.job import Order
    from perse_engine.service.new_style import add_style
    from perse_engine.service.recorded import recorded

    target = out if out is not None else path
    wished = {name: str(value) for name, value in dataclasses.asdict(wish).items()}
    apply_thread_budget()
    with watched() as bars, recorded(work, Order("", head, "style add", seed, wished), bars) as progress:
        added = add_style(path, wish, target, seed=seed, head=head, progress=progress)
    report({"slider": added.style.slider, "avatar": str(target)}, added.seconds, json)


def run_match(path: Path, wish: Wish, head: str, seed: int, clip: Path | None, json: bool) -> None:
    """Say which of the sliders of the avatar at `path` come nearest to somebody's picture or to words."""
    from perse_engine.service.new_style import match_style

    apply_thread_budget()
    with watched() as progress:
        values = match_style(path, wish, seed=seed, head=head, clip=clip, progress=progress)
    if json:
        typer.echo(json_text.dumps(values))
        return
    for slider, value in sorted(values.items(), key=lambda item: -item[1]):
        typer.echo(f"{slider}={value:.2f}")


def run_axes(path: Path, category: str, count: int, clip: Path | None, out: Path | None) -> None:
    """Give the avatar at `path` sliders along which the styles of a category differ most."""
    from perse_engine.transfer.codes import with_axes
    from perse_engine.transfer.encoders import encoder_of

    apply_thread_budget()
    encoder = encoder_of(clip)
    _change(path, out, lambda avatar: with_axes(avatar, category, count, encoder), f"added {count} axes of {category}")


def run_random(path: Path, count: int, seed: int, clip: Path | None, out: Path, json: bool) -> None:
    """Draw random faces of the avatar at `path` onto one sheet, and say how the sliders stand."""
    from perse_engine.avatars.file import load_avatar
    from perse_engine.files import atomic_write
    from perse_engine.transfer.encoders import encoder_of
    from perse_engine.transfer.random_faces import random_faces

    refuse_other_pictures(out)
    apply_thread_budget()
    with watched() as progress:
        sheet, states = random_faces(load_avatar(path), count, seed, encoder_of(clip), progress)
    with atomic_write(out) as stream:
        sheet.save(stream, "PNG")
    if json:
        typer.echo(json_text.dumps(states))
        return
    for number, state in enumerate(states):
        typer.echo(f"{number}: {' '.join(f'{slider}={value:.2f}' for slider, value in state.items())}")
    typer.echo(str(out))


def run_mix(path: Path, parts: Sequence[str], name: str, out: Path | None) -> None:
    """Give the avatar at `path` one more style, a mixture of `parts`, each slider=share."""
    from perse_engine.avatars.restyling import with_mixture

    shares = [_share(text) for text in parts]
    weights = dict(shares)
    if len(weights) < len(shares):
        raise InputError("bad-share", "a style is named twice", "name each style once")
    _change(path, out, lambda avatar: with_mixture(avatar, weights, name), f"mixed {' '.join(parts)} as {name}")


def run_remove(path: Path, slider: str, out: Path | None, work: Path | None = None) -> None:
    """Take one style out of the avatar at `path`."""
    from perse_engine.avatars.restyling import without_style

    _change(path, out, lambda avatar: without_style(avatar, slider), f"removed {slider}", work)


def run_rename(path: Path, slider: str, name: str, out: Path | None, work: Path | None = None) -> None:
    """Give one style of the avatar at `path` another name."""
    from perse_engine.avatars.restyling import renamed_style

    _change(path, out, lambda avatar: renamed_style(avatar, slider, name), f"renamed {slider} to {name}", work)


def _change(
    path: Path, out: Path | None, change: Callable[[Avatar], Avatar], what: str, work: Path | None = None
) -> None:
    from perse_engine.avatars.file import load_avatar, save_avatar
    from perse_engine.service.job import Order
    from perse_engine.service.recorded import recorded

    target = out if out is not None else path
    with recorded(work, Order("", "", what, 0, {}), silent) as progress:
        before = load_avatar(path)
        progress("write", 0, 1)
        avatar = change(before)
        known = before.provenance.get("restyled", [])
        history = [*(known if isinstance(known, list) else []), what]
        save_avatar(dataclasses.replace(avatar, provenance={**before.provenance, "restyled": history}), target)
        progress("write", 1, 1)
    for style in avatar.styles:
        if style not in before.styles:
            typer.echo(f"{style.slider}  {style.label}")
    typer.echo(str(target))


def _share(text: str) -> tuple[str, float]:
    slider, _, value = text.partition("=")
    try:
        return slider, float(value)
    except ValueError:
        raise InputError("bad-share", f"{text!r} is not SLIDER=SHARE", "write it as attr_hair_bob=0.5") from None
