"""Looks, before a render without a window, whether PERSE can render the open file; ends Blender with 1 where not.

    blender -b shot.blend --python-exit-code 1 -P perse_preflight.py -E PERSE -a

Needs nothing but Blender: that the extension is missing is what it is for. A copy of this file works anywhere. With
`-- --inside FOLDER` only files in FOLDER count, and neither extension nor engine are asked for.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import bpy

ENGINE = "PERSE"


def problems(arguments: list[str]) -> list[str]:
    """One line for each thing that is wrong: code, what it is, what to do."""
    if "--inside" in arguments:
        return _files(Path(arguments[arguments.index("--inside") + 1]).resolve())
    package = _package()
    if package is None:
        absent = f"no-extension: the PERSE extension is not enabled in this Blender ({bpy.app.version_string})"
        return [f"{absent}; install it for the user who renders", *_files(None)]
    found = [
        str(failure)
        for failure in importlib.import_module(f"{package}.rendering.preflight").problems(bpy.context.scene)
    ]
    # a scene of another engine may compose one of ours
    chosen = any(scene.render.engine == ENGINE for scene in bpy.data.scenes)
    if not chosen and not _engine_is_asked_for():
        found.append("other-engine-chosen: no scene of this file renders with PERSE; add -E PERSE")
    return found


def _package() -> str | None:
    """The extension's package, from whatever repository it comes."""
    for engine in bpy.types.RenderEngine.__subclasses__():
        if getattr(engine, "bl_idname", "") == ENGINE:
            return engine.__module__.rpartition(".")[0]
    return None


def _engine_is_asked_for() -> bool:
    return any(a in ("-E", "--engine") and b == ENGINE for a, b in zip(sys.argv, sys.argv[1:], strict=False))


def _files(folder: Path | None) -> list[str]:
    """Libraries and avatars that are not there, or not inside `folder`."""
    found = []
    for library in bpy.data.libraries:
        path = Path(bpy.path.abspath(library.filepath)).resolve()
        if not _counts(path, folder):
            found.append(f"missing-library: {library.name} is not at {path}; collect the shot again")
    for thing in bpy.data.objects:
        if thing.type != "ARMATURE" or "perse_path" not in thing:
            continue
        named, home = str(thing["perse_path"]), Path(bpy.data.filepath).parent
        override = thing.override_library
        owner = override.reference if override and override.reference else thing
        beside = home / Path(named.replace("\\", "/").removeprefix("//")).name
        candidates = [
            bpy.path.abspath(named, library=owner.library),
            str(thing.get("perse_last_seen", "")),
            str(beside),
        ]
        if not any(_counts(Path(path).resolve(), folder) for path in candidates if path):
            found.append(f"missing-avatar: the file of {thing.name} is not at {candidates[0]}; copy it there")
    return found


def _counts(path: Path, folder: Path | None) -> bool:
    return path.is_file() and (folder is None or path.is_relative_to(folder))


def main() -> None:
    """Print the problems and end Blender with 1, or say that there are none."""
    given = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
    found = problems(given)
    for line in found:
        sys.stderr.write(f"PERSE preflight: {line}\n")
    if not found:
        sys.stdout.write("PERSE preflight: all is there\n")
        sys.stdout.flush()
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)  # sys.exit would let Blender go on where a Python without signals swallows it


if __name__ == "__main__":
    main()
