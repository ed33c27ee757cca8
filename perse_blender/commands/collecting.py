"""Collect for a Farm: one folder that holds a shot whole, and is looked at in a fresh process before it is believed.

The folder repeats the folders that the shot, its libraries and its other files lie in, so that every relative path
still holds; avatars lie beside the shot, where each is found by its name whatever names it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import bpy

from ..avatars.avatars import LAST_SEEN, PATH, avatar_path, rigs
from ..extension import FOLDER
from ..perse_protocol import EngineFailure
from ..rendering.second_scene import second_of

PREFLIGHT = "perse_preflight.py"
_README = """\
{name}, collected for rendering with PERSE {version}.

Every machine needs Blender {blender} or later with the PERSE extension and its engine. In this folder, run:

    blender -b "{blend}" --python-exit-code 1 -P {preflight} {engine}-a

It ends with exit status 0 when every frame is written, and with another one where anything is missing.
"""


@dataclass(frozen=True)
class Collected:
    """What was collected.

    Attributes:
        folder: that holds it.
        blend: the shot in it.
        files: how many files came along.
        left: files that the shot names by absolute paths, which another machine will not find.
    """

    folder: Path
    blend: Path
    files: int
    left: tuple[Path, ...]


def collect(folder: Path) -> Collected:
    """Copy the open shot and what it needs into `folder`; the open file stays as it is.

    Raises:
        EngineFailure: "unsaved-shot", "missing-files" with all of them, "not-empty", "same-name", "other-drives",
            "no-place".
    """
    if not bpy.data.filepath:
        raise EngineFailure("unsaved-shot", "this file was never saved", "save it first")
    shot, folder = Path(bpy.data.filepath).resolve(), folder.resolve()
    avatars, others, left = _avatars(), *_others()
    root = _common_folder([shot, *others])
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise EngineFailure("not-empty", f"{folder} is there and not empty", "name a new folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            _fill(partial, shot.relative_to(root), avatars, {path: path.relative_to(root) for path in others})
            if folder.exists():
                folder.rmdir()
            partial.chmod(0o755)
            os.replace(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise EngineFailure("no-place", f"{folder} cannot be filled ({reason})", "choose another") from error
    blend = folder / shot.relative_to(root)
    return Collected(folder, blend, 1 + len(set(avatars.values())) + len(others), tuple(left))


def checking_command(collected: Collected) -> list[str]:
    """What opens the collected shot in a fresh process; its exit status is 0 where all is there, inside the folder."""
    script, tail = str(collected.folder / PREFLIGHT), ["--", "--inside", str(collected.folder)]
    if bpy.app.binary_path:
        return [bpy.app.binary_path, "-b", "--factory-startup", str(collected.blend), "-P", script, *tail]
    opens = "import bpy, runpy, sys; bpy.ops.wm.open_mainfile(filepath=sys.argv[1]); runpy.run_path(sys.argv[2], "
    finish = "run_name='__main__'); import os; sys.stdout.flush(); os._exit(0)"
    return [sys.executable, "-c", opens + finish, str(collected.blend), script, *tail]


def missing_from(output: str) -> EngineFailure:
    """What the fresh process said that is missing."""
    marked = [line.partition("PERSE preflight: ")[2] for line in output.splitlines() if "PERSE preflight: " in line]
    what = "; ".join(marked) or "the collected file cannot be opened"
    return EngineFailure("not-collected", f"the collected shot is not whole: {what}", "make those paths relative")


def _avatars() -> dict[str, Path]:
    """The file of every avatar, by the armature's name; all that are missing are told at once."""
    found: dict[str, Path] = {}
    missing = [f"library {library.name}" for library in bpy.data.libraries if not _library_path(library).is_file()]
    for rig in rigs():
        try:
            found[rig.name_full] = avatar_path(rig).resolve()
        except EngineFailure as failure:
            missing.append(failure.message)
    if missing:
        raise EngineFailure("missing-files", "; ".join(missing), "relink them and collect again")
    places: dict[str, Path] = {}
    for path in found.values():
        if not places.setdefault(path.name.lower(), path).samefile(path):
            other = places[path.name.lower()].parent
            raise EngineFailure(
                "same-name", f"two avatars are both named {path.name}, in {other} and {path.parent}", "rename one"
            )
    return found


def _others() -> tuple[list[Path], list[Path]]:
    """The libraries and other files that exist and are named relatively, and those that are named absolutely."""
    paths = bpy.utils.blend_paths(absolute=False, packed=False, local=True)
    named = {Path(bpy.path.abspath(path)).resolve(): path.startswith("//") for path in paths}
    for library in bpy.data.libraries:
        named[_library_path(library)] = library.filepath.startswith("//")
    existing = [path for path in named if path.is_file()]
    return [path for path in existing if named[path]], [path for path in existing if not named[path]]


def _library_path(library: bpy.types.Library) -> Path:
    return Path(bpy.path.abspath(library.filepath)).resolve()


def _common_folder(paths: list[Path]) -> Path:
    try:
        return Path(os.path.commonpath([path.parent for path in paths]))
    except ValueError as error:
        raise EngineFailure(
            "other-drives", "the shot and its files are on several drives", "move them onto one drive"
        ) from error


def _fill(folder: Path, shot: Path, avatars: dict[str, Path], others: dict[Path, Path]) -> None:
    from ..avatars.versions import addon_version

    blend = folder / shot
    for source, place in others.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, folder / place)
    blend.parent.mkdir(parents=True, exist_ok=True)
    for source in set(avatars.values()):
        shutil.copy2(source, blend.parent / source.name)
    _save_copy(blend, avatars)
    shutil.copy2(FOLDER / PREFLIGHT, folder / PREFLIGHT)
    text = _README.format(
        name=shot.name,
        version=addon_version(),
        blender=".".join(map(str, bpy.app.version[:2])),
        blend=shot.as_posix(),
        preflight=PREFLIGHT,
        engine="" if second_of(bpy.context.scene) else "-E PERSE ",  # which would replace the first scene's own
    )
    (folder / "README.txt").write_text(text, encoding="utf-8")


def _save_copy(blend: Path, avatars: dict[str, Path]) -> None:
    """Save the open file as `blend` with its own avatars beside it; libraries keep the paths that they have."""
    own = [rig for rig in rigs() if rig.library is None]
    before = [(rig, rig[PATH], rig.get(LAST_SEEN)) for rig in own]
    try:
        for rig in own:
            beside = str(blend.parent / avatars[rig.name_full].name)
            rig[PATH] = rig[LAST_SEEN] = beside
        bpy.ops.wm.save_as_mainfile(filepath=str(blend), copy=True, relative_remap=False, compress=False)
    finally:
        for rig, path, seen in before:
            rig[PATH] = path
            if seen is not None:
                rig[LAST_SEEN] = seen


@dataclass(frozen=True)
class Check:
    """A fresh process that opens a collected shot, and what it says; leaving the block forgets both."""

    child: subprocess.Popen[bytes]
    log: IO[bytes]

    def __enter__(self) -> Check:
        return self

    def __exit__(self, *exception: object) -> None:
        self.child.kill()
        self.child.wait()
        self.log.close()

    def finish(self) -> None:
        """Wait for it and read what it said.

        Raises:
            EngineFailure: "not-collected", with all that is missing.
        """
        status = self.child.wait()
        self.log.seek(0)
        output = self.log.read().decode("utf-8", "replace")
        if status != 0 or "PERSE preflight: all is there" not in output:
            raise missing_from(output)


def start_check(collected: Collected) -> Check:
    """Open the collected shot in a fresh process."""
    log = cast(IO[bytes], tempfile.TemporaryFile())  # noqa: SIM115, the check closes it
    command = checking_command(collected)
    return Check(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT), log)


def summary(collected: Collected) -> str:
    """What was collected, as one sentence."""
    sentence = f"{collected.files} files are in {collected.folder}, and the shot opens there"
    if collected.left:
        names = ", ".join(path.name for path in collected.left[:3]) + (" …" if len(collected.left) > 3 else "")
        sentence += f"; {len(collected.left)} named by absolute paths are not: {names}"
    return sentence
