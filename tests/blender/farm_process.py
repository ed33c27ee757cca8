"""Another Blender: a process of bpy's interpreter that opens a shot, as a machine of a farm does.

farm_process.py EXTENSION(0 or 1) SHOT.blend CODE [OPTIONS …]
"""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path


def blender_command(code: str, shot: Path, *, extension: bool = True, options: Sequence[str] = ()) -> list[str]:
    """The process that runs `code` with `shot` open; `options` are in its sys.argv as Blender's own would be."""
    return [sys.executable, __file__, str(int(extension)), str(shot), code, *options]


def blender_process(
    code: str,
    shot: Path,
    *,
    extension: bool = True,
    options: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `code` there to its end."""
    return subprocess.run(
        blender_command(code, shot, extension=extension, options=options),
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **(environment or {})},
    )


def command_line(*arguments: object) -> str:
    """Code that runs `blender --command perse` with `arguments` and ends with its exit status."""
    return (
        "import importlib, os; commands = importlib.import_module('bl_ext.user_default.perse.commands.commands'); "
        f"os._exit(commands.run({[str(argument) for argument in arguments]!r}))"
    )


if __name__ == "__main__":
    import bpy

    status = 1
    try:
        if sys.argv[1] == "1":
            bpy.ops.preferences.addon_enable(module="bl_ext.user_default.perse")
        bpy.ops.wm.open_mainfile(filepath=sys.argv[2])
        exec(sys.argv[3], {"__name__": "__main__"})
        status = 0
    except Exception:  # noqa: BLE001, the exit status says it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # Blender before 5.0 hangs at exit while a render engine is registered
