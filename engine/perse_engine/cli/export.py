"""`perse export`."""

from __future__ import annotations

import json as json_text
from collections.abc import Sequence
from pathlib import Path

import typer

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.file import load_avatar
from perse_engine.cli.options import one_of, parse_settings
from perse_engine.cli.picture import STATES, moved, state_of
from perse_engine.cli.watching import watched
from perse_engine.clips.captures import fitting, load_performance
from perse_engine.errors import InputError
from perse_engine.exporting.export import BLENDSHAPES, MESH, content_of, export_blendshapes, export_moment
from perse_engine.exporting.states import Moment, read_states
from perse_engine.service.threads import apply_thread_budget


def run_export(
    path: Path,
    out: Path,
    what: str | None,
    up: str | None,
    settings: Sequence[str],
    state: str,
    motion: Path | None,
    states: Path | None,
    json: bool,
) -> None:
    """Write the avatar at `path` to `out` in the format that its ending names, or each frame beside it.

    Args:
        what: splats, mesh or blendshapes; by the ending where it is None.
        up: a key of `exporting.axes.UP`, or None.
        motion: a capture or sequence, as `clips.captures` reads it.
        states: a file of states, as `exporting.states` reads it.

    Raises:
        InputError: an option or the file cannot be used.
    """
    content = content_of(out, what, up)
    sliders = parse_settings(settings)
    one_of("state", state, STATES)
    chosen = sum((bool(sliders) or state != STATES[0], states is not None))
    if chosen > 1 or (states is not None and motion is not None):
        raise InputError("two-states", "--states leaves nothing to set", "leave out --set, --state and --motion")
    if content == BLENDSHAPES and (chosen or motion is not None):
        raise InputError(
            "stateless-content", "blendshapes hold every slider and no state", "leave out --set, --state, --motion"
        )
    if content == MESH and motion is not None:
        raise InputError(
            "stateless-content", "a mesh holds every expression and no sequence", "leave out --motion, or export splats"
        )
    apply_thread_budget()
    avatar = load_avatar(path)
    with watched() as progress:
        if content == BLENDSHAPES:
            files = [export_blendshapes(avatar, out, progress)]
        else:
            moments = _moments(avatar, sliders, state, motion, states)
            files = []
            for done, moment in enumerate(moments):
                if len(moments) > 1:
                    progress("export", done, len(moments))
                files.append(export_moment(avatar, moment, out, content, up))
    if json:
        typer.echo(json_text.dumps({"content": content, "files": [str(file) for file in files]}))
        return
    typer.echo(str(files[0]) if len(files) == 1 else f"{files[0]} … {files[-1].name}")


def _moments(
    avatar: Avatar, sliders: dict[str, float], state: str, motion: Path | None, states: Path | None
) -> list[Moment]:
    if states is not None:
        return read_states(states)
    if motion is None:
        return [Moment(state_of(avatar, state, sliders))]
    performance = load_performance(motion)
    fitting(performance, avatar.figure.expression_names)
    return [Moment(moved(avatar, performance, frame, sliders), frame) for frame in range(len(performance))]
