"""An engine of three small wheels: what is installed is real, and so are the tools, but it takes a second."""

from __future__ import annotations

import hashlib
import json
import subprocess
import zipfile
from pathlib import Path

from conftest import ROOT, engine_python

DOCTOR = """
import json, os, pathlib, sys, time

def main():
    here = pathlib.Path(__file__).parent
    wait = pathlib.Path(os.environ.get("PERSE_TEST_WAIT", here / "never"))
    while wait.exists():
        time.sleep(0.05)
    state = "missing" if SICK else "ok"
    python = "%d.%d.%d at x" % sys.version_info[:3]
    rows = [("python", "ok", python), ("threads", "ok", "2 of 2"), ("open head", state, "gone")]
    print(json.dumps([{"name": n, "state": s, "detail": d, "hint": ""} for n, s, d in rows], indent=1))
    sys.exit(SICK)
"""
TORCH = """
__version__ = "0.0.1"
class cuda:
    is_available = staticmethod(lambda: False)
"""


def wheel(folder: Path, name: str, version: str, code: str, script: str = "") -> Path:
    """A pure wheel with one module."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if script:
        files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{script}\n"
    files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(path, "w") as archive:
        for file, content in files.items():
            archive.writestr(zipfile.ZipInfo(file), content)
    return path


def carried(folder: Path, key: str, *, sick: bool = False) -> Path:
    """What an add-on with the engine `key` carries."""
    folder.mkdir(parents=True)
    wheel(folder, "perse_engine", key.partition("-")[0], f"SICK = {sick}\n{DOCTOR}", "perse = perse_engine:main")
    helper = wheel(folder.parent, "tiny_helper", "1.0", "")
    digest = hashlib.sha256(helper.read_bytes()).hexdigest()
    for tier in ("player", "builder"):
        (folder / f"{tier}.lock").write_text(f"tiny-helper==1.0 \\\n    --hash=sha256:{digest}\n")
    (folder / "uv.lock").write_bytes((ROOT / "engine" / "locks" / "uv.lock").read_bytes())
    content = {
        "version": key.partition("-")[0],
        "key": key,
        "torch": "torch==0.0.1",
        "pythons": ["3.11", "3.12", "3.13"],
    }
    (folder / "engine.json").write_text(json.dumps(content))
    return folder


def uv_wheel(folder: Path) -> Path | None:
    """The pinned uv's wheel, from the package index that pip knows; None where there is none."""
    command = [engine_python(), "-m", "pip", "download", "-q", "--no-deps", "--require-hashes", "--only-binary=:all:"]
    lock = ROOT / "engine" / "locks" / "uv.lock"
    done = subprocess.run([*map(str, command), "-r", str(lock), "-d", str(folder)], capture_output=True, timeout=120)
    return next(iter(folder.glob("uv-*.whl")), None) if done.returncode == 0 else None


def bundle(
    path: Path, carried: Path, uv: Path | None, platform_tag: str, *, tier: str = "player", **other: object
) -> Path:
    """An offline bundle of the engine in `carried`."""
    wheels = [*carried.glob("*.whl"), carried.parent / "tiny_helper-1.0-py3-none-any.whl", *([uv] if uv else [])]
    if tier == "builder":
        wheels.append(wheel(carried.parent, "torch", "0.0.1", TORCH))
    key = json.loads((carried / "engine.json").read_text())["key"]
    content = {
        "format": 1, "version": key.partition("-")[0], "key": key, "tier": tier, "platform": platform_tag,
        "pythons": ["3.11", "3.12", "3.13"],
        "files": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in wheels},
    } | other  # fmt: skip
    with zipfile.ZipFile(path, "w") as archive:
        for file in wheels:
            archive.write(file, file.name)
        archive.writestr("bundle.json", json.dumps(content))
    return path
