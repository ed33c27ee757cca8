"""Which Python the engine gets."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from .commands import run, say
from .interpreters import installed_pythons, probe
from .problem import SetupProblem

_DOWNLOAD_LIMIT_S = 300.0


def choose_python(
    wanted: str, versions: Sequence[str], uv: Path | None, root: Path, online: bool, environment: Mapping[str, str]
) -> Path:
    """An interpreter of one of `versions`: the one that was chosen, uv's own, one of this computer's, Blender's.

    uv's is a fixed build that no update of the system takes away; it is downloaded only with the person's consent.

    Args:
        wanted: a path from the preferences; empty where none was chosen.
        versions: minor versions, the best first.
        root: folder under which uv keeps its Pythons.

    Raises:
        SetupProblem: bad-python or no-python.
    """
    listed = ", ".join(versions[:-1]) + " or " + versions[-1] if len(versions) > 1 else versions[0]
    needed = () if uv is not None else ("venv", "ensurepip")
    if wanted:
        path = Path(wanted).expanduser()
        if probe(path, *needed) in versions:
            return path
        raise SetupProblem("bad-python", f"{wanted} is no Python {listed}", "choose another one, or clear the field")
    if uv is not None and (found := _managed(versions[0], uv, root, online, environment)):
        return found
    for version in versions:
        for path in installed_pythons(version):
            if path != Path(sys.executable) and path.is_file() and probe(path, *needed) == version:
                return path
    if probe(sys.executable, *needed) in versions:
        return Path(sys.executable)
    raise SetupProblem(
        "no-python",
        f"no Python {listed} was found on this computer",
        "install one from python.org, or name one in the preferences",
    )


def _managed(version: str, uv: Path, root: Path, online: bool, environment: Mapping[str, str]) -> Path | None:
    own = dict(environment) | {"UV_PYTHON_INSTALL_DIR": str(root / "python"), "UV_PYTHON_INSTALL_BIN": "0"}
    find = [uv, "python", "find", "--managed-python", "--no-python-downloads", version]
    try:
        if online:
            quick = own | {"UV_HTTP_RETRIES": "0"}
            run("downloading Python", [uv, "python", "install", version], quick, timeout=_DOWNLOAD_LIMIT_S)
        elif not (root / "python").is_dir():
            return None
        path = Path(run("looking for Python", find, own, timeout=60)[-1])
    except (SetupProblem, IndexError) as error:
        say(f"uv has no Python of its own: {error}")
        return None
    return path if probe(path) == version else None
