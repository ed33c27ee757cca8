"""Rendering where nobody watches: the run stops with an error instead of leaving a blank, short or missing frame."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy

from .. import session
from ..handlers import unwatch, watch
from ..saying import complain, say
from . import preflight
from .frame_files import half_written, is_whole

ENGINE = "PERSE"
_SETTLED = 5.0
"""Seconds in which a half-written frame grows where another machine is writing it."""

_checked: set[int] = set()
"""Scenes that passed the preflight, by session id."""
_begun = [0.0]
"""When the frame began that is being rendered."""
_rendered = [0]
"""The scene that is being rendered, by session id; its compositor may have had another one rendered first."""
_left_to_caller = [False]
_failed: list[str] = []
"""What went wrong with a scene that the compositor of this frame puts into it."""


def check_once(scene: bpy.types.Scene) -> None:
    """Before the first frame that is rendered in background mode: the preflight.

    Raises:
        EngineFailure: something would keep it from being rendered.
    """
    if bpy.app.background and scene.session_uid not in _checked:
        preflight.refuse(scene)
        _checked.add(scene.session_uid)


def written_files(scene: bpy.types.Scene, frame: int) -> list[Path]:
    """Where Blender writes `frame` of `scene`: as a frame of an animation, or as a still named without its number."""
    render = scene.render
    if render.is_movie_format:
        return []
    still = bpy.path.abspath(render.filepath)
    if render.use_file_extension and not still.endswith(render.file_extension):
        still += render.file_extension
    return [Path(bpy.path.abspath(render.frame_path(frame=frame))), Path(still)]


@contextmanager
def left_to_caller() -> Iterator[None]:
    """Meanwhile whoever renders looks at what was written, and nothing ends Blender."""
    _left_to_caller[0] = True
    try:
        yield
    finally:
        _left_to_caller[0] = False


def fail_composition(scene: bpy.types.Scene, sentence: str) -> None:
    """`scene` could not be rendered. Blender goes on where it was for another scene's compositor; we do not."""
    if bpy.app.background and scene.session_uid != _rendered[0]:
        _failed.append(sentence)
        if not _left_to_caller[0]:
            _stop(sentence)


def failures() -> list[str]:
    """What `fail_composition` was told in this frame."""
    return list(_failed)


@bpy.app.handlers.persistent
def _forget(*_arguments: object) -> None:
    _checked.clear()


@bpy.app.handlers.persistent
def _before_all(scene: bpy.types.Scene) -> None:
    """What a killed Blender has left half-written would be skipped as done: delete it."""
    if _is_ours(scene) and not scene.render.use_overwrite:
        frames = range(scene.frame_start, scene.frame_end + 1)
        left = half_written(path for frame in frames for path in written_files(scene, frame)[:1])
        if left:
            time.sleep(_SETTLED)
        for path, _ in left.items() & half_written(left).items():
            path.unlink()
            say(f"PERSE: {path} was only half written, and is rendered again")


@bpy.app.handlers.persistent
def _before_frame(scene: bpy.types.Scene) -> None:
    _begun[0] = time.time()
    _rendered[0] = scene.session_uid
    _failed.clear()


@bpy.app.handlers.persistent
def _after_writing(scene: bpy.types.Scene) -> None:
    """Blender goes on when a disk is full, or when another scene could not be rendered; we do not."""
    if not bpy.app.background or _left_to_caller[0]:
        return
    if _failed:
        for path in written_files(scene, scene.frame_current):
            if path.is_file() and path.stat().st_mtime >= _begun[0] - 2:
                path.unlink()
        return
    if scene.render.engine != ENGINE:
        return
    for path in written_files(scene, scene.frame_current):
        try:
            if path.stat().st_mtime < _begun[0] - 2 or is_whole(path):
                continue
            path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            _stop(f"unreadable-frame: {path} cannot be read again ({error.strerror}); look at that disk")
        else:
            _stop(f"no-space: {path} could not be written whole and was deleted; free some space and render it again")


def _is_ours(scene: bpy.types.Scene) -> bool:
    return bpy.app.background and scene.render.engine == ENGINE and not _left_to_caller[0]


def _stop(sentence: str) -> None:
    """End Blender with exit status 1; a handler has no other way. Python that imported bpy goes on: it is its own."""
    complain(f"Error: PERSE: {sentence}")
    if bpy.app.binary_path:
        session.stop()
        sys.stdout.flush()
        os._exit(1)


CLASSES = ()
_HANDLERS = (
    ("load_post", _forget),
    ("render_init", _before_all),
    ("render_pre", _before_frame),
    ("render_write", _after_writing),
)


def register() -> None:
    """Watch renders; in the interface nothing comes of it."""
    watch(_HANDLERS)


def unregister() -> None:
    """Stop watching."""
    unwatch(_HANDLERS)
