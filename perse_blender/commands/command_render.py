"""`blender --command perse render`: the frames of a shot, with PERSE whatever the file says, or an exit status.

A frame appears under its name when it is whole: it is written into a folder beside its place and renamed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

import bpy

from ..perse_protocol import EngineFailure
from ..rendering import headless
from ..rendering.frame_files import is_whole
from ..rendering.second_scene import second_of
from ..saying import say
from .frame_list import parse_frames

HELP = "render frames of a shot"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes; letters as Blender's own."""
    parser.add_argument("blend", type=Path, metavar="SHOT.blend")
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("-f", "--frames", metavar="FRAMES", help="these: 12, 1..24 or 1-10,20-24")
    chosen.add_argument("-a", "--animation", action="store_true", help="all from the scene's start to its end")
    parser.add_argument("--step", type=_positive, metavar="N", help="of a range only every N-th; the scene's own by -a")
    parser.add_argument("-o", "--output", metavar="PATH", help="where to, as in the output properties: //frames/####")
    parser.add_argument("--skip-existing", action="store_true", help="leave frames that are there, and whole")
    parser.add_argument("--scene", help="another than the one the file was saved with")


def run(options: argparse.Namespace) -> int:
    """Render; 0 when every frame is there.

    Raises:
        EngineFailure: the first thing that went wrong; frames before it are there.
    """
    open_blend(options.blend)
    scene = _scene(options.scene)
    if second_of(scene) is None:  # another engine's picture with our avatars in it stays that
        scene.render.engine = headless.ENGINE  # type: ignore[assignment]
    if options.output is not None:
        scene.render.filepath = options.output
    if scene.render.is_movie_format:
        name = scene.render.image_settings.file_format
        raise EngineFailure("movie-format", f"{name} is a film, which cannot be rendered again in part", "choose PNG")
    headless.check_once(scene)
    frames = _frames(scene, options)
    for count, frame in enumerate(frames, 1):
        path = Path(bpy.path.abspath(scene.render.frame_path(frame=frame)))
        if options.skip_existing and path.is_file() and is_whole(path):
            say(f"perse: {count}/{len(frames)} frame {frame} is there")
            continue
        started = time.monotonic()
        render_frame(scene, frame, path)
        say(f"perse: {count}/{len(frames)} {path} {time.monotonic() - started:.2f} s")
    return 0


def open_blend(path: Path) -> None:
    """Open a .blend.

    Raises:
        EngineFailure: "no-shot", it is not there or not a .blend.
    """
    try:
        bpy.ops.wm.open_mainfile(filepath=str(path.resolve()), load_ui=False)
    except RuntimeError as error:
        sentence = " ".join(str(error).removeprefix("Error: ").split())
        raise EngineFailure("no-shot", f"{path} cannot be opened ({sentence})", "name a .blend file") from error


def render_frame(scene: bpy.types.Scene, frame: int, path: Path) -> None:
    """Render one frame into a hidden folder beside `path`, and move it and what came with it there.

    Raises:
        EngineFailure: "render-failed", with Blender's report or ours; "no-space".
    """
    render = scene.render
    output, first, last, step = render.filepath, scene.frame_start, scene.frame_end, scene.frame_step
    overwrite, placeholder = render.use_overwrite, render.use_placeholder
    folder = _folder_beside(path)
    try:
        render.filepath = str(folder / Path(bpy.path.abspath(output)).name)
        scene.frame_start, scene.frame_end, scene.frame_step = frame, frame, 1
        render.use_overwrite, render.use_placeholder = True, False
        with headless.left_to_caller():
            bpy.ops.render.render(animation=True, scene=scene.name)
        for sentence in headless.failures():
            raise RuntimeError(f"PERSE: {sentence}")
        written = folder / path.name
        if not written.is_file() or not is_whole(written):
            raise EngineFailure("no-space", f"{path} could not be written whole", "free some space and render again")
        for file in sorted(folder.iterdir(), key=lambda file: file == written):  # the frame itself last
            os.replace(file, path.with_name(file.name))
    except RuntimeError as error:
        raise _told(error, frame) from error
    except OSError as error:
        raise EngineFailure("no-place", f"{path} cannot be written ({error.strerror})", "choose another -o") from error
    finally:
        render.filepath, scene.frame_start, scene.frame_end, scene.frame_step = output, first, last, step
        render.use_overwrite, render.use_placeholder = overwrite, placeholder
        shutil.rmtree(folder, ignore_errors=True)


def _folder_beside(path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".perse-", dir=path.parent))
    except OSError as error:
        raise EngineFailure(
            "no-place", f"{path.parent} cannot be written ({error.strerror})", "choose another -o"
        ) from error


def _told(error: RuntimeError, frame: int) -> EngineFailure:
    """Blender's report of a failed render; one of ours keeps its code."""
    sentence = " ".join(str(error).removeprefix("Error: ").split())
    parts = sentence.removeprefix("PERSE: ").split(": ", 1)
    if sentence.startswith("PERSE: ") and len(parts) == 2:
        message, _, hint = parts[1].rpartition("; ")
        return EngineFailure(parts[0], f"frame {frame}: {message}", hint)
    return EngineFailure("render-failed", f"frame {frame}: {sentence}", "correct it and render again")


def _scene(name: str | None) -> bpy.types.Scene:
    scene = bpy.context.scene if name is None else bpy.data.scenes.get(name)
    if scene is None:
        known = ", ".join(scene.name for scene in bpy.data.scenes)
        raise EngineFailure("no-scene", f"there is no scene {name!r}", f"choose one of {known}")
    return scene


def _frames(scene: bpy.types.Scene, options: argparse.Namespace) -> list[int]:
    if options.animation:
        return list(range(scene.frame_start, scene.frame_end + 1, options.step or scene.frame_step))
    return parse_frames(options.frames, options.step or 1)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number
