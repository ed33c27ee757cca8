#!/usr/bin/env python3
"""Every chore of the house: setup, demo, test, lint, bench, package, bundle, lock. Standard library, Python 3.11+.

Two environments, because there are two processes: `.venv/engine` (Python 3.11 to 3.13) and `.venv/blender` (the Python
of the bpy wheel). Each is made by `setup`, which the other chores call; it takes seconds when nothing changed.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit("build.py: old-python: this Python is too old; run build.py with Python 3.11 or newer")

import argparse
import concurrent.futures
import ctypes
import dataclasses
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
import threading
import time
import tomllib
import xml.etree.ElementTree
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
sys.path.append(str(ROOT / "perse_blender"))
from engine_setup import bundles, interpreters, machine  # noqa: E402 - what the add-on installs with needs no Blender

BUILD = ROOT / "build"
LOCKS = ROOT / "engine" / "locks"
ENGINE = ROOT / ".venv" / "engine"
VERSION = "0.1.0"
ZIP = BUILD / f"perse-{VERSION}.zip"

ENGINE_PYTHONS = ("3.11", "3.12", "3.13")
TORCH = "torch==2.13.0"
UV = "uv==0.13.9"
PYTEST = "pytest==9.2.0"
SUITES = ("engine", "packaging", "blender", "end_to_end")
SUITE_LIMIT_S = 1800

LIBRARIES = {
    "libX11.so.6": "libx11-6", "libXext.so.6": "libxext6", "libXfixes.so.3": "libxfixes3", "libXi.so.6": "libxi6",
    "libXrender.so.1": "libxrender1", "libXxf86vm.so.1": "libxxf86vm1", "libxkbcommon.so.0": "libxkbcommon0",
    "libSM.so.6": "libsm6", "libICE.so.6": "libice6", "libGL.so.1": "libgl1", "libEGL.so.1": "libegl1",
    "libgomp.so.1": "libgomp1",
}  # fmt: skip
"""What the bpy wheels load from the system, and the Debian package that has it."""


class Problem(Exception):
    """A chore cannot go on: a stable code, what was wrong, and what to do."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(f"{code}: {message}; {hint}")


@dataclasses.dataclass(frozen=True)
class Bpy:
    """A Blender release that PyPI carries as the bpy wheel, and the one Python that it fits."""

    series: str
    version: str
    python: str


BPYS = {
    bpy.series: bpy for bpy in (Bpy("5.2", "5.2.3", "3.13"), Bpy("5.0", "5.0.1", "3.11"), Bpy("4.5", "4.5.15", "3.11"))
}
DEFAULT_BPYS = ("5.2", "5.0")


# --- running things ---------------------------------------------------------------------------------------------------

Part = str | Path


def say(text: str) -> None:
    """Print a line at once, so that it stands before what a child prints next."""
    print(text, flush=True)


def clean_environment(**extra: Part) -> dict[str, str]:
    """This process's environment without what would leak another Python into a child's."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    return kept | {"PYTHONUNBUFFERED": "1"} | {k: str(v) for k, v in extra.items()}


def run(what: str, *command: Part, **extra: Part) -> None:
    """Run a command from the repository's root and raise `Problem` when it fails."""
    status = subprocess.run([str(part) for part in command], cwd=ROOT, env=clean_environment(**extra)).returncode
    if status != 0:
        raise Problem("failed", f"{what} ended with exit status {status}", "read what it printed above")


def words(*parts: Part) -> list[Part]:
    """A part of a command line."""
    return list(parts)


def python_of(environment: Path) -> Path:
    """The interpreter of a virtual environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def tool(name: str) -> Path:
    """A command of the engine's environment."""
    return python_of(ENGINE).with_name(f"{name}.exe" if os.name == "nt" else name)


def pip(what: str, environment: Path, command: str, *arguments: Part, **extra: Part) -> None:
    """Run one of pip's commands in an environment, with the person's own pip configuration."""
    run(what, python_of(environment), "-m", "pip", command, "-qq", "--disable-pip-version-check", *arguments, **extra)


# --- finding Pythons --------------------------------------------------------------------------------------------------


def probe(interpreter: str | Path) -> str | None:
    """The "3.11" of an interpreter that can make virtual environments, or None."""
    return interpreters.probe(interpreter, "venv", "ensurepip")


def find_python(version: str) -> Path | None:
    """An installed interpreter of exactly this minor version that can make virtual environments."""
    return next((p for p in interpreters.installed_pythons(version) if p.is_file() and probe(p) == version), None)


def running_version() -> str:
    """The "3.11" of the Python that runs this file."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def offers_cpu_torch(interpreter: Path) -> bool:
    """Whether pip, configured as it is, would give this interpreter a torch without gigabytes of CUDA libraries."""
    if platform.system() != "Linux":
        return True
    options = ["--dry-run", "--no-deps", "--ignore-installed", "-q", "--report", "-"]
    command = [str(interpreter), "-m", "pip", "install", *options, TORCH]
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment())
    if done.returncode != 0:
        return False
    return all("+cpu" in item["metadata"]["version"] for item in json.loads(done.stdout)["install"])


def engine_interpreter() -> Path:
    """The engine's Python: this one or another that fits, but first one for which pip has a CPU build of torch."""
    order = sorted(ENGINE_PYTHONS, key=lambda version: version != running_version())
    found = [python for python in map(find_python, order) if python]
    if not found:
        raise Problem(
            "no-python",
            "the engine takes Python 3.11, 3.12 or 3.13 with its venv module, and none was found",
            "install one (Debian: apt-get install python3.11 python3.11-venv; or: uv python install 3.11)",
        )
    if shutil.which("nvidia-smi"):
        return found[0]
    return next(filter(offers_cpu_torch, found), found[0])


def choose_bpy(series: str | None) -> tuple[Bpy, Path]:
    """The bpy wheel to use and its interpreter: what was asked for, else what fits the Python that runs this."""
    names = [series] if series else sorted(DEFAULT_BPYS, key=lambda name: BPYS[name].python != running_version())
    for bpy in (BPYS[name] for name in names):
        if interpreter := find_python(bpy.python):
            return bpy, interpreter
    needed = " or ".join(f"Python {BPYS[name].python} (for bpy {BPYS[name].version})" for name in names)
    raise Problem(
        "no-python", f"no bpy wheel fits the Pythons found here; it takes {needed}",
        f"install one with its venv module (for example: uv python install {BPYS[names[0]].python})",
    )  # fmt: skip


def blender_environment(bpy: Bpy) -> Path:
    """`.venv/blender` for the release that it was first made for, `.venv/blender-X.Y` for the others."""
    first = ROOT / ".venv" / "blender"
    stamped = read_stamp(first).get("series", bpy.series)
    return first if stamped == bpy.series else first.with_name(f"blender-{bpy.series}")


def is_loadable(library: str) -> bool:
    """Whether the system's loader finds a shared library."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def missing_libraries() -> dict[str, str]:
    """The system libraries that bpy loads and this system lacks, with their Debian packages. Linux only."""
    wanted = LIBRARIES if platform.system() == "Linux" else {}
    return {library: package for library, package in wanted.items() if not is_loadable(library)}


# --- setup ------------------------------------------------------------------------------------------------------------


def read_stamp(environment: Path) -> dict[str, str]:
    """What an environment was made from; empty where it is not complete."""
    try:
        return dict(json.loads((environment / "perse-stamp.json").read_text()))
    except (OSError, ValueError):
        return {}


def write_stamp(environment: Path, interpreter: Path, key: str, series: str) -> None:
    """Say that an environment is complete, and what it was made from."""
    content = {"key": key, "base": str(interpreter), "series": series}
    (environment / "perse-stamp.json").write_text(json.dumps(content))


def is_current(environment: Path, key: str) -> bool:
    """Whether an environment was completed from these very files and its Python is still there."""
    stamp = read_stamp(environment)
    return stamp.get("key") == key and python_of(environment).exists() and Path(stamp["base"]).exists()


def key_of(*files: Path, project: object = None) -> str:
    """A hash of what an environment is made from."""
    content = [file.read_text() for file in files]
    return hashlib.sha256(json.dumps(["recipe 1", content, project]).encode()).hexdigest()


def make_environment(environment: Path, interpreter: Path, *locks: Path) -> None:
    """Create or update a virtual environment from hashed lock files."""
    (environment / "perse-stamp.json").unlink(missing_ok=True)
    if probe(python_of(environment)) != probe(interpreter):
        shutil.rmtree(environment, ignore_errors=True)
        run("making a virtual environment", interpreter, "-m", "venv", environment)
    wanted = [part for lock in locks for part in ("-r", lock)]
    # A lock names every package, so pip has nothing to resolve.
    pip(f"installing {environment.name}", environment, "install", "--no-deps", "--require-hashes", *wanted)


def setup_engine() -> None:
    """The engine's environment, with the engine itself installed in place."""
    project = tomllib.loads((ROOT / "engine" / "pyproject.toml").read_text())["project"]
    locks = [LOCKS / f"{name}.lock" for name in ("builder", "evaluation", "dev")]
    key = key_of(*locks, project=project)
    if is_current(ENGINE, key):
        return
    existing = python_of(ENGINE)
    interpreter = existing.resolve() if probe(existing) in ENGINE_PYTHONS else engine_interpreter()
    say(f"engine environment: Python {probe(interpreter)} ({interpreter})")
    make_environment(ENGINE, interpreter, *locks)
    # Which build of torch fits (CPU or CUDA) is the machine's matter and pip's configuration, so it is not hashed.
    pip("installing torch", ENGINE, "install", TORCH)
    pip("installing the engine", ENGINE, "install", "--no-deps", "--no-build-isolation", "-e", ROOT / "engine")
    write_stamp(ENGINE, interpreter, key, "")


def setup_models() -> None:
    """The four landmark and matting models, read out of one fixed wheel. Nothing is left behind when it fails."""
    sys.path.insert(0, str(ROOT / "engine"))
    from perse_engine.portraits import models  # it needs nothing but the standard library

    if models.models_present():
        return
    version, tag, _, system = models.WHEEL.removesuffix(".whl").split("-")[1:]
    say(f"landmark models: from the mediapipe {version} wheel")
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "mediapipe.lock"
        wanted.write_text(f"mediapipe=={version} --hash=sha256:{models.WHEEL_SHA256}\n")
        fixed = words("--only-binary=:all:", "--python-version", f"{tag[2]}.{tag[3:]}", "--platform", system)
        wheel = words("--no-deps", "--require-hashes", "-r", wanted, "-d", folder)
        pip("downloading mediapipe", ENGINE, "download", *fixed, *wheel)
        try:
            models.extract_models(Path(folder) / models.WHEEL)
        except models.InputError as error:
            raise Problem(error.code, error.message, error.hint) from error


def setup_blender(series: str | None) -> tuple[Bpy, Path]:
    """The environment of a bpy wheel. Returns the release and the environment's folder."""
    bpy, interpreter = choose_bpy(series)
    environment = blender_environment(bpy)
    lock = LOCKS / f"bpy-{bpy.series}.lock"
    if not is_current(environment, key_of(lock)):
        if missing := missing_libraries():
            raise Problem(
                "missing-libraries",
                f"bpy {bpy.version} loads {', '.join(missing)}, which this system lacks",
                f"install them (Debian: apt-get install {' '.join(missing.values())})",
            )
        say(f"{environment.name} environment: bpy {bpy.version}, Python {bpy.python} ({interpreter})")
        make_environment(environment, interpreter, lock)
        run("loading bpy", python_of(environment), "-c", "import os, bpy; os._exit(0)")
        write_stamp(environment, interpreter, key_of(lock), bpy.series)
    return bpy, environment


def setup(series: str | None) -> tuple[Bpy, Path]:
    """Both environments and the models."""
    started = time.monotonic()
    setup_engine()
    setup_models()
    bpy, environment = setup_blender(series)
    say(f"setup: ready in {time.monotonic() - started:.1f} s (Blender {bpy.series})")
    return bpy, environment


def lock() -> None:
    """Resolve the dependencies of engine/pyproject.toml anew and write the hashed lock files, for all platforms."""
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder)
        run("making a virtual environment", sys.executable, "-m", "venv", own)
        pip("installing uv", own, "install", UV)
        resolve = ["-m", "uv", "pip", "compile", "-q", "--no-header", "--no-annotate", "--generate-hashes"]
        project = words(ROOT / "engine" / "pyproject.toml", "--universal", "--python-version", ENGINE_PYTHONS[0])
        for name in ("player", "builder", "cuda", "diffusion", "evaluation", "dev"):
            extra = [] if name == "player" else ["--extra", name]
            output = LOCKS / f"{name}.lock"
            run(f"locking {name}", python_of(own), *resolve, *project, *extra, "-o", output)
            output.write_text(without_torch(output.read_text()))
        (own / "uv.in").write_text(f"{UV}\n")
        anywhere = words("--universal", "--python-version", ENGINE_PYTHONS[0])
        run("locking uv", python_of(own), *resolve, own / "uv.in", *anywhere, "-o", LOCKS / "uv.lock")
        for bpy in BPYS.values():
            (own / "bpy.in").write_text(f"bpy=={bpy.version}\n{PYTEST}\n")
            output = LOCKS / f"bpy-{bpy.series}.lock"
            run(output.stem, python_of(own), *resolve, own / "bpy.in", "--python-version", bpy.python, "-o", output)


def without_torch(text: str) -> str:
    """A lock without torch and the CUDA libraries that its Linux build names: see `setup_engine`."""
    entries = re.split(r"(?m)^(?=\S)", text)
    return "".join(entry for entry in entries if not re.match(r"(torch==|triton==|cuda-|nvidia-)", entry))


# --- package ----------------------------------------------------------------------------------------------------------


def package(environment: Path) -> Path:
    """Stage the extension, check it and zip it with Blender's own tool. The same tree gives the same bytes."""
    stage = BUILD / "stage"
    shutil.rmtree(stage, ignore_errors=True)
    junk = shutil.ignore_patterns("__pycache__", "*.pyc", "perse_protocol", "py.typed")
    shutil.copytree(ROOT / "perse_blender", stage, ignore=junk)
    shutil.copytree(ROOT / "engine" / "perse_protocol", stage / "perse_protocol", ignore=junk)
    for name in ("blender_manifest.toml", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, stage / name)
    carry_engine(stage / "wheels")
    check = [python_of(environment), extension_tool(environment)]
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / ZIP.name
        run("Blender's check of the folder", *check, "validate", stage)
        run("Blender's build", *check, "build", "--source-dir", stage, "--output-filepath", built)
        normalise_zip(built, ZIP)
    run("Blender's check of the zip", *check, "validate", ZIP)
    say(f"package: {ZIP}, {ZIP.stat().st_size / 1e6:.1f} MB")
    return ZIP


def carry_engine(folder: Path) -> str:
    """Put into `folder` what the add-on makes an environment from. Returns its key: version and hash of all of it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("player.lock", "builder.lock", "cuda.lock", "uv.lock"):
        shutil.copy(LOCKS / name, folder / name)
    wheel = words("--no-deps", "--no-build-isolation", "-w", folder, ROOT / "engine")
    pip("building the engine's wheel", ENGINE, "wheel", *wheel, SOURCE_DATE_EPOCH="315532800")
    made_from = [folder / "player.lock", folder / "builder.lock", *folder.glob("perse_engine-*.whl")]
    digest = hashlib.sha256(TORCH.encode() + b"".join(file.read_bytes() for file in made_from)).hexdigest()
    key = f"{VERSION}-{digest[:8]}"
    content = {"version": VERSION, "key": key, "torch": TORCH, "pythons": ENGINE_PYTHONS}
    (folder / "engine.json").write_text(json.dumps(content, indent=1))
    return key


def bundle(*, player: bool) -> Path:
    """The offline bundle for this platform and the Python of `.venv/engine`: everything that an installation downloads.

    Args:
        player: without PyTorch, to play avatars but not to build them.
    """
    setup_engine()
    setup_models()
    tier, tag, python = "player" if player else "builder", machine.platform_tag(), str(probe(python_of(ENGINE)))
    target = BUILD / f"perse-bundle-{VERSION}-{tag}-py{python.replace('.', '')}{'-player' if player else ''}.zip"
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD) as temporary:
        folder = Path(temporary)
        key = carry_engine(folder)
        binary = words("--no-deps", "--only-binary=:all:", "-d", folder)
        for lock in (LOCKS / f"{tier}.lock", LOCKS / "uv.lock"):
            pip(f"downloading {lock.stem}", ENGINE, "download", *binary, "--require-hashes", "-r", lock)
        if not player:
            pip("downloading torch", ENGINE, "download", *binary, TORCH)
            check_cpu_torch(next(folder.glob("torch-*.whl")))
        files = sorted(file for file in folder.iterdir() if file.is_file())
        content = {
            "format": bundles.FORMAT, "version": VERSION, "key": key, "tier": tier, "platform": tag,
            "pythons": [python],
            "files": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
        }  # fmt: skip
        (folder / bundles.LIST).write_text(json.dumps(content, indent=1))
        write_bundle(folder, target)
    say(f"bundle: {target}, {target.stat().st_size / 1e6:.0f} MB, engine {key}, {tier}, Python {python}")
    return target


def check_cpu_torch(wheel: Path) -> None:
    """A Linux build of torch with CUDA needs gigabytes of libraries that a bundle does not carry."""
    if platform.system() == "Linux" and "+cpu" not in wheel.name.replace("%2B", "+"):
        raise Problem(
            "cuda-torch",
            f"pip, as it is configured, gives {wheel.name}, which needs CUDA's libraries",
            "set PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu and run it again, or make it with --player",
        )


def write_bundle(folder: Path, target: Path) -> None:
    """Zip every file of `folder`, stored: wheels are compressed already."""
    partial = target.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(folder.iterdir()):
            entry = zipfile.ZipInfo(file.name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            with file.open("rb") as source, archive.open(entry, "w", force_zip64=True) as inside:
                shutil.copyfileobj(source, inside, 1 << 20)
    os.replace(partial, target)


def extension_tool(environment: Path) -> Path:
    """Blender's own extension builder, which runs without Blender."""
    found = sorted(environment.glob("[Ll]ib/**/bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py"))
    if not found:
        raise Problem("no-extension-tool", f"{environment} has no bl_pkg", "remove that folder and run setup again")
    return found[0]


def normalise_zip(source: Path, target: Path) -> None:
    """Copy a zip with its entries in order and dated alike."""
    partial = target.with_suffix(".partial")
    with zipfile.ZipFile(source) as built, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as fixed:
        for name in sorted(entry for entry in built.namelist() if not entry.endswith("/")):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            fixed.writestr(entry, built.read(name))
    os.replace(partial, target)


# --- test and lint ----------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Suite:
    """One run of pytest: its name, its command, and what its environment has beside the usual."""

    name: str
    command: Sequence[Part]
    places: dict[str, Part]


@dataclasses.dataclass(frozen=True)
class SuiteResult:
    """What one run of pytest counted."""

    name: str
    passed: int
    failed: int
    skipped: int
    seconds: float


def test(series: str | None, arguments: Sequence[str], *, slow: bool) -> None:
    """Every suite, or those that the given paths name; other arguments go to pytest. Raises `Problem` on a failure."""
    if not slow and "-m" not in arguments:
        arguments = ["-m", "not slow", *arguments]
    paths = [argument for argument in arguments if suite_of(argument)]
    chosen = [suite for suite in SUITES if not paths or suite in map(suite_of, paths)]
    planned: list[Suite] = []
    for version in BPYS if series == "all" else [series]:
        bpy, environment = setup(version)
        places: dict[str, Part] = {"PERSE_ENGINE": tool("perse"), "PERSE_TEST_BLENDER": python_of(environment)}
        if chosen != ["engine"]:
            places["PERSE_TEST_ZIP"] = package(environment)
        for suite in chosen:
            # The engine knows no Blender, so one run serves every release.
            if (suite == "engine" and planned) or not any((ROOT / "tests" / suite).rglob("test_*.py")):
                continue
            name = suite if suite == "engine" else f"{suite} ({bpy.series})"
            interpreter = python_of(environment if suite == "blender" else ENGINE)
            mine = [argument for argument in arguments if suite_of(argument) in (suite, None)]
            whole = [] if paths else [f"tests/{suite}"]
            planned.append(Suite(name, words(interpreter, "-m", "pytest", "-q", *mine, *whole), places))
    results = run_suites(planned)
    say(f"\n{'suite':<20} passed  failed  skipped  seconds")
    for r in results:
        say(f"{r.name:<20} {r.passed:>6} {r.failed:>7} {r.skipped:>8} {r.seconds:>8.0f}")
    passed, failed, skipped = (sum(getattr(r, field) for r in results) for field in ("passed", "failed", "skipped"))
    say(f"\n{passed} passed, {failed} failed, {skipped} skipped")
    if failed or not passed:
        raise Problem("tests-failed", f"{failed} of {passed + failed} tests failed", "read the reports above")


def suite_of(argument: str) -> str | None:
    """The suite that an argument of pytest's names a part of (tests/engine/heads, a node id), or None."""
    path = (ROOT / argument.partition("::")[0]).resolve()
    inside = path.exists() and path.is_relative_to(ROOT / "tests") and path != ROOT / "tests"
    return path.relative_to(ROOT / "tests").parts[0] if inside else None


def run_suites(planned: Sequence[Suite]) -> list[SuiteResult]:
    """The engine's suite beside the others, which follow each other: neither knows of the other, and each waits often
    for what only one processor does. Every line then says whose it is."""
    lanes = [[suite for suite in planned if (suite.name == "engine") == first] for first in (True, False)]
    if not all(lanes):
        return [run_suite(suite) for suite in planned]
    with concurrent.futures.ThreadPoolExecutor(len(lanes)) as pool:
        done = list(pool.map(lambda lane: [run_suite(suite, f"{suite.name:<16}| ") for suite in lane], lanes))
    return [result for lane in done for result in lane]


def run_suite(suite: Suite, prefix: str = "") -> SuiteResult:
    """One pytest process, with per-user folders of its own so that nothing of the person's is read or written."""
    name = suite.name
    say(f"\n== {name}")
    report = BUILD / "tests" / f"{re.sub('[^a-z0-9.]+', '-', name).strip('-')}.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        private = clean_environment(BLENDER_USER_RESOURCES=folder, **suite.places)
        whole = [*map(str, suite.command), f"--junitxml={report}"]
        out, err = (subprocess.PIPE, subprocess.STDOUT) if prefix else (None, None)
        with subprocess.Popen(
            whole, cwd=ROOT, env=private, stdout=out, stderr=err, text=True, errors="replace"
        ) as process:
            timer = threading.Timer(SUITE_LIMIT_S, process.kill)
            timer.start()
            try:
                for line in process.stdout or ():
                    say(f"{prefix}{line.rstrip()}")
                status = process.wait()
            finally:
                timer.cancel()
        if time.monotonic() - started >= SUITE_LIMIT_S:
            say(f"{name}: stopped after {SUITE_LIMIT_S} s")
    seconds = time.monotonic() - started
    found = xml.etree.ElementTree.parse(report).getroot().find("testsuite") if report.exists() else None
    counts = {} if found is None else found.attrib
    total, failures, errors, skipped = (int(counts.get(key, 0)) for key in ("tests", "failures", "errors", "skipped"))
    # A crash after the report was written counts as a failure too; 5 means that the options chose no test.
    failed = failures + errors or int(status not in (0, 5))
    return SuiteResult(name, total - failures - errors - skipped, failed, skipped, seconds)


def lint() -> None:
    """Style, format, types and floors, over the whole tree; every check runs before the first failure is raised."""
    setup_engine()
    failed = []
    for line in (
        "ruff check .",
        "ruff format --check .",
        "mypy --config-file engine/pyproject.toml engine/perse_engine engine/perse_protocol",
        "mypy --config-file engine/pyproject.toml perse_blender",
        "mypy --config-file engine/pyproject.toml build.py",
        "lint-imports --config engine/pyproject.toml --no-cache",
    ):
        say(f"== {line}")
        name, *arguments = line.split()
        try:
            run(line, tool(name), *arguments)
        except Problem:
            failed.append(line)
    if failed:
        raise Problem("lint-failed", f"{', '.join(failed)} found something", "read the reports above")
    say("lint: clean")


# --- demo and bench ---------------------------------------------------------------------------------------------------


def demo(out: Path, *, render_only: bool) -> None:
    """The whole way: a photograph, its avatar, Blender with keyframes, an animation through our render engine."""
    avatar, blend, frames, photo = out / "avatar.perse", out / "demo.blend", out / "frames", out / "astronaut.png"
    if render_only and not (avatar.exists() and blend.exists()):
        raise Problem("no-demo", f"{out} holds no avatar and demo.blend", "run the demo without --render-only first")
    _, environment = setup(None)
    out.mkdir(parents=True, exist_ok=True)
    archive = package(environment)
    for folder in ("frames", "exr"):
        shutil.rmtree(out / folder, ignore_errors=True)
    scene, film = ROOT / "docs" / "demo" / "demo_scene.py", ROOT / "docs" / "demo" / "film.py"
    save = "import sys, PIL.Image, skimage.data as d; PIL.Image.fromarray(d.astronaut()).save(sys.argv[1])"
    places = words("--zip", archive, "--avatar", avatar, "--blend", blend, "--frames", frames)
    stages: dict[str, list[Part]] = {
        "portrait": [python_of(ENGINE), "-c", save, photo],
        "avatar": [tool("perse"), "build", photo, "--out", avatar, "--preset", "standard", "--work", out / "work"],
        "scene": [python_of(environment), scene, "make", *places],
        "frames": [python_of(environment), scene, "render", *places],
        "film": [python_of(ENGINE), film, frames, "--out", out],
    }
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for name in ("frames", "film") if render_only else stages:
            say(f"== {name}")
            started = time.monotonic()
            run(name, *stages[name], BLENDER_USER_RESOURCES=folder, PERSE_ENGINE=tool("perse"))
            seconds[name] = round(time.monotonic() - started, 1)
    seconds["total"] = round(sum(seconds.values()), 1)
    (out / "timings.json").write_text(json.dumps(seconds, indent=1))
    say("\n".join(["", "stage        seconds", *(f"{name:<12} {value:>7.1f}" for name, value in seconds.items())]))
    say(f"\n{len(list(frames.iterdir()))} frames, demo.mp4 and contact_sheet.png are in {out}")


def bench() -> None:
    """The engine's rows and Blender's, as a table and as bench.json."""
    _, environment = setup(None)
    archive = package(environment)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        say("== engine")
        done = subprocess.run([str(tool("perse")), "bench", "--json"], env=clean_environment(), stdout=subprocess.PIPE)
        if done.returncode != 0:
            raise Problem(
                "failed", f"perse bench ended with exit status {done.returncode}", "read what it printed above"
            )
        report = json.loads(done.stdout)
        say("== Blender")
        programs, avatar, rows = ROOT / "tests" / "benchmarks", Path(folder) / "bench.perse", Path(folder) / "rows.json"
        count = words("--gaussians", "30000")
        run("an avatar to measure", python_of(ENGINE), programs / "bench_avatar.py", *count, "--out", avatar)
        options = words("--zip", archive, "--avatar", avatar, *count, "--out", rows)
        command = words(python_of(environment), programs / "blender_frame.py", *options)
        run("Blender's benchmark", *command, BLENDER_USER_RESOURCES=folder, PERSE_ENGINE=tool("perse"))
        report["rows"] += json.loads(rows.read_text())
    (ROOT / "bench.json").write_text(json.dumps(report, indent=1))
    say("\n" + ", ".join(f"{key} {value}" for key, value in report["machine"].items()))
    say(f"\n{'name':<24} {'gaussians':>9} {'size':>11} {'median ms':>10} {'p95 ms':>8}")
    for row in report["rows"]:
        size = f"{row['width']}x{row['height']}" if row["width"] else ""
        times = f"{row['median_ms']:>10.2f} {row['p95_ms']:>8.2f}"
        say(f"{row['name']:<24} {row['gaussians'] or '':>9} {size:>11} {times}")


# --- command line -----------------------------------------------------------------------------------------------------


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The chore and its options, and what is left for pytest."""
    parser = argparse.ArgumentParser(prog="build.py", description=__doc__)
    chores = parser.add_subparsers(dest="chore", required=True, metavar="CHORE")
    made = chores.add_parser("setup", help="make both environments")
    tested = chores.add_parser("test", help="run the tests; paths and other arguments go to pytest")
    tested.add_argument("--slow", action="store_true", help="also those that take more than ten seconds each")
    packed = chores.add_parser("package", help="build the extension's zip")
    for chore, releases in ((made, [*BPYS, "all"]), (tested, [*BPYS, "all"]), (packed, [*BPYS])):
        chore.add_argument("--blender", choices=releases, help="which Blender (default: what fits this Python)")
    bundled = chores.add_parser("bundle", help="build the offline bundle that the add-on installs the engine from")
    bundled.add_argument("--player", action="store_true", help="without PyTorch: to play avatars, not to build them")
    shown = chores.add_parser("demo", help="photo to animation, the whole way")
    shown.add_argument("--out", type=Path, default=ROOT / "demo", help="folder for everything (default: demo)")
    shown.add_argument("--render-only", action="store_true", help="render the existing demo.blend again")
    chores.add_parser("lint", help="check style, format, types and floors")
    chores.add_parser("bench", help="measure, as a table and bench.json")
    chores.add_parser("lock", help="resolve the dependencies anew (maintainers)")
    options, rest = parser.parse_known_args(arguments)
    if rest and options.chore != "test":
        parser.error(f"unknown arguments: {' '.join(rest)}")
    return options, rest


def main(arguments: Sequence[str]) -> int:
    """Run one chore. Returns the exit status."""
    options, rest = parse(arguments)
    chores = {
        "setup": lambda: [setup(series) for series in (BPYS if options.blender == "all" else [options.blender])],
        "demo": lambda: demo(options.out.resolve(), render_only=options.render_only),
        "test": lambda: test(options.blender, rest, slow=options.slow),
        "lint": lint,
        "bench": bench,
        "package": lambda: package(setup(options.blender)[1]),
        "bundle": lambda: bundle(player=options.player),
        "lock": lock,
    }
    try:
        chores[options.chore]()
    except Problem as problem:
        print(f"build.py: {problem}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print("build.py: interrupted; run the same command again", file=sys.stderr, flush=True)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
