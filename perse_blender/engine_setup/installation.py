"""The installation, from the first check to the stamp that makes the new environment count."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .bundles import check_bundle, read_bundle, unpack_bundle
from .commands import run, say
from .machine import check_machine, platform_tag, this_machine
from .packages import Tool, command_in, install_packages, make_environment, python_in
from .pip_settings import has_own_index, pip_settings, uv_arguments, uv_environment
from .plan import Plan
from .problem import SetupProblem
from .pythons import choose_python
from .uv_tool import find_uv

Progress = Callable[[str, float], None]
PARTIAL = "perse-partial.json"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
_CHECK_LIMIT_S = 300.0
_MEGABYTES = {"player": 1100, "builder": 2500, "cuda": 9000}
"""What is needed on the disk while installing: the packages and, for a while, their wheels."""


@dataclass(frozen=True)
class Engine:
    """`engine.json`: the engine that the add-on carries.

    Attributes:
        version: its own.
        key: version and hash of the wheel and the lock files.
        torch: requirement for the PyTorch of the builder.
        pythons: minor versions that it runs in, the best first.
    """

    version: str
    key: str
    torch: str
    pythons: tuple[str, ...]


def read_engine(carried: Path) -> Engine:
    """The engine in the folder `carried`.

    Raises:
        SetupProblem: no-engine-carried.
    """
    try:
        content: Any = json.loads((carried / "engine.json").read_text(encoding="utf-8"))
        return Engine(content["version"], content["key"], content["torch"], tuple(content["pythons"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SetupProblem(
            "no-engine-carried",
            "this copy of the add-on carries no engine",
            "install the zip that build.py package makes",
        ) from error


def install(plan: Plan, progress: Progress) -> Path:
    """Make a new environment next to those that are there, check it and stamp it.

    Nothing that is in use is touched: until the stamp is written the old environment is the one that counts, and a
    start after a cancelled one goes on in the folder that was left.

    Returns:
        The environment's folder.

    Raises:
        SetupProblem: whatever stops it.
    """
    check_machine(*this_machine())
    root, carried = Path(plan.root), Path(plan.carried)
    engine = read_engine(carried)
    _check_space(root, "cuda" if plan.tier == "builder" and not plan.bundle and _has_nvidia() else plan.tier)
    unpacked, versions = _unpack(plan, engine, root, progress)
    settings = pip_settings()
    environment = uv_environment(settings, root / "cache")
    progress("Getting uv", 0.15)
    uv = find_uv(carried / "uv.lock", root, unpacked, plan.online, environment)
    progress("Looking for a Python", 0.18)
    python = choose_python(plan.python, versions, uv, root, plan.online, environment)
    if unpacked is None:
        tool = Tool(uv, environment, tuple(uv_arguments(settings)) if uv is not None else (), root / "cache")
    else:
        tool = Tool(uv, _alone(environment), ("--no-index", "--find-links", str(unpacked)), root / "cache")
    folder = _folder(root, plan, engine, python)
    progress("Making the environment", 0.22)
    make_environment(tool, python, folder)
    torch = _torch_arguments(engine.torch, plan.online, has_own_index(settings), uv is not None)
    _fill(tool, folder, carried, torch if plan.tier == "builder" else [], unpacked, progress)
    progress("Checking the engine", 0.93)
    _stamp(folder, plan, engine, _check(folder, plan.tier, environment))
    if plan.tier == "builder" or plan.bundle:  # a later builder takes what a player has downloaded
        shutil.rmtree(root / "cache", ignore_errors=True)
    shutil.rmtree(root / "install" / "bundle", ignore_errors=True)
    return folder


def _unpack(plan: Plan, engine: Engine, root: Path, progress: Progress) -> tuple[Path | None, tuple[str, ...]]:
    """The folder with the bundle's files, where there is one, and the versions of Python that will do."""
    if plan.bundle:
        bundle = read_bundle(Path(plan.bundle))
        check_bundle(bundle, engine.key, platform_tag())
        folder = root / "install" / "bundle"
        unpack_bundle(bundle, folder, lambda done: progress("Unpacking the bundle", 0.15 * done))
        return folder, bundle.pythons
    if not plan.online:
        raise SetupProblem(
            "offline",
            "Blender's Allow Online Access is off, so nothing may be downloaded",
            "switch it on in Preferences, System, or install from an offline bundle",
        )
    return None, engine.pythons


def _fill(tool: Tool, folder: Path, carried: Path, torch: list[str], unpacked: Path | None, progress: Progress) -> None:
    """Install packages, PyTorch where `torch` says how, and the engine."""
    middle = 0.5 if torch else 0.9
    lock = carried / ("builder.lock" if torch else "player.lock")
    torch_bytes = _bytes(unpacked, "torch-*.whl")

    def within(start: float, end: float) -> Progress:
        return lambda text, part: progress(text, start + (end - start) * part)

    locked = ["--no-deps", "--require-hashes", "-r", str(lock)]
    others = _bytes(unpacked, "*.whl") - torch_bytes
    install_packages(tool, folder, "packages", locked, within(0.25, middle), others)
    if torch:
        install_packages(tool, folder, "PyTorch", torch, within(middle, 0.9), torch_bytes)
    wheel = next(carried.glob("perse_engine-*.whl"))
    install_packages(tool, folder, "the engine", ["--no-deps", str(wheel)], within(0.9, 0.93))


def _alone(environment: dict[str, str]) -> dict[str, str]:
    """`environment` without whatever would add to what a bundle holds."""
    kept = {k: v for k, v in environment.items() if k != "UV_FIND_LINKS" and not k.startswith("PIP_")}
    return kept | {"PIP_CONFIG_FILE": os.devnull}


def _check_space(root: Path, kind: str) -> None:
    root.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(root).free / 1e6
    if free < _MEGABYTES[kind]:
        raise SetupProblem(
            "no-space", f"{root} has {free:.0f} MB left, and {_MEGABYTES[kind]} are needed", "free some space"
        )


def _has_nvidia() -> bool:
    return shutil.which("nvidia-smi") is not None


def _bytes(folder: Path | None, pattern: str) -> float:
    return float(sum(file.stat().st_size for file in folder.glob(pattern))) if folder is not None else 0.0


def _folder(root: Path, plan: Plan, engine: Engine, python: Path) -> Path:
    """A new folder, or the one in which the same was begun; what else was begun and left is deleted."""
    wanted = {"key": engine.key, "tier": plan.tier, "python": str(python)}
    found = None
    for partial in sorted(root.glob(f"*/{PARTIAL}")):
        folder = partial.parent
        if (folder / plan.stamp).exists():
            partial.unlink()
        elif found is None and json.loads(partial.read_text(encoding="utf-8") or "{}") == wanted:
            found = folder
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if found is None:
        number = next(n for n in range(1, 10_000) if not (root / f"{engine.key}-{n}").exists())
        found = root / f"{engine.key}-{number}"
        found.mkdir()
        (found / PARTIAL).write_text(json.dumps(wanted), encoding="utf-8")
    else:
        say(f"going on in {found}")
    return found


def _torch_arguments(requirement: str, online: bool, own_index: bool, with_uv: bool) -> list[str]:
    """Which build of PyTorch: what the person's index has; else CUDA's with an NVIDIA driver, or without it CPU's."""
    if not online:
        return ["--no-deps", requirement]
    if sys.platform.startswith("linux") and not _has_nvidia() and not own_index:
        return ["--no-deps", "--default-index" if with_uv else "--index-url", CPU_INDEX, requirement]
    return [requirement]


def _check(folder: Path, tier: str, environment: dict[str, str]) -> dict[str, Any]:
    """Let the new engine examine itself. Returns what the stamp tells of it."""
    command = [command_in(folder), "doctor", "--json"]
    lines = run("checking the engine", command, environment, timeout=_CHECK_LIMIT_S, statuses=(0, 1))
    try:
        findings = {f["name"]: f for f in json.loads("\n".join(lines[lines.index("[") :]))}
    except ValueError as error:
        last = lines[-1] if lines else "it said nothing"
        raise SetupProblem("engine-unfit", f"the new engine does not start: {last[:200]}", "see the log") from error
    missing = [f"{name} ({f['detail']})" for name, f in findings.items() if f["state"] == "missing"]
    if missing:
        raise SetupProblem("engine-unfit", f"the new engine lacks {', '.join(missing)}", "see the log")
    facts = {
        "python": findings["python"]["detail"].split()[0],
        "threads": int(findings["threads"]["detail"].split()[0]),
        "torch": "",
        "device": "CPU",
    }
    if tier == "builder":
        code = (
            "import torch; print(torch.__version__);"
            "print(torch.cuda.get_device_name(0) if torch.cuda.is_available() else 'CPU')"
        )
        said = run("loading PyTorch", [python_in(folder), "-I", "-c", code], environment, timeout=_CHECK_LIMIT_S)
        facts |= {"torch": said[-2], "device": said[-1]}
    return facts


def _stamp(folder: Path, plan: Plan, engine: Engine, facts: dict[str, Any]) -> None:
    content = {"key": engine.key, "tier": plan.tier, "made": time.time()} | facts
    temporary = folder / f"{plan.stamp}.partial"
    temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
    os.replace(temporary, folder / plan.stamp)
    (folder / PARTIAL).unlink(missing_ok=True)
