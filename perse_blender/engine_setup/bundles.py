"""The offline bundle: a zip with everything that an installation would download, and a list that says what it is.

`bundle.json` holds the version and key of the engine, the tier, the platform, the Pythons that its wheels fit, and the
SHA-256 of every other file.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from .problem import SetupProblem

LIST = "bundle.json"
FORMAT = 1
_BLOCK = 1 << 20
_AGAIN = "copy or download it again"


@dataclass(frozen=True)
class Bundle:
    """What `bundle.json` says.

    Attributes:
        path: of the zip.
        version: of the engine.
        key: what the engine is made from; it is installed only by an add-on of the same key.
        tier: "player" or "builder".
        platform: see `machine.platform_tag`.
        pythons: the minor versions that its wheels fit.
        files: SHA-256 of every file, by its name in the zip.
    """

    path: Path
    version: str
    key: str
    tier: str
    platform: str
    pythons: tuple[str, ...]
    files: dict[str, str]


def read_bundle(path: Path) -> Bundle:
    """Read what a bundle says of itself.

    Raises:
        SetupProblem: file-missing, not-a-bundle or bundle-version.
    """
    if not path.is_file():
        raise SetupProblem("file-missing", f"there is no file {path}", "choose the bundle again")
    try:
        with zipfile.ZipFile(path) as archive:
            content: Any = json.loads(archive.read(LIST))
        if content["format"] != FORMAT:
            raise SetupProblem(
                "bundle-version", f"{path.name} was made for another version of PERSE", "get the one for this add-on"
            )
        return Bundle(
            path,
            str(content["version"]),
            str(content["key"]),
            str(content["tier"]),
            str(content["platform"]),
            tuple(map(str, content["pythons"])),
            {str(name): str(digest) for name, digest in content["files"].items()},
        )
    except (zipfile.BadZipFile, EOFError) as error:
        raise SetupProblem("damaged-bundle", f"{path.name} is cut short, damaged or no zip", _AGAIN) from error
    except OSError as error:
        raise SetupProblem("no-permission", f"{path.name} cannot be read ({error.strerror})", _AGAIN) from error
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise SetupProblem("not-a-bundle", f"{path.name} is no PERSE bundle", "choose a perse-bundle-….zip") from error


def check_bundle(bundle: Bundle, key: str, platform: str) -> None:
    """Refuse a bundle that is for something else.

    Raises:
        SetupProblem: other-platform or bundle-version.
    """
    if bundle.platform != platform:
        raise SetupProblem(
            "other-platform",
            f"{bundle.path.name} is for {bundle.platform}, and this is {platform}",
            f"get the bundle for {platform}",
        )
    if bundle.key != key:
        raise SetupProblem(
            "bundle-version",
            f"{bundle.path.name} holds engine {bundle.key}, and this add-on needs {key}",
            "get the bundle and the add-on of one release",
        )


def unpack_bundle(bundle: Bundle, folder: Path, progress: Callable[[float], None]) -> None:
    """Copy every file into `folder`, flat, holding each to its hash.

    Args:
        progress: told the fraction that is done.

    Raises:
        SetupProblem: damaged-bundle; OSError where nothing can be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(bundle.path) as archive:
            total = sum(archive.getinfo(name).file_size for name in bundle.files) or 1
            done = 0
            for name, wanted in bundle.files.items():
                digest = hashlib.sha256()
                with archive.open(name) as source, (folder / PurePosixPath(name).name).open("wb") as target:
                    while block := source.read(_BLOCK):
                        digest.update(block)
                        target.write(block)
                        done += len(block)
                        progress(done / total)
                if digest.hexdigest() != wanted:
                    raise SetupProblem("damaged-bundle", f"{name} in {bundle.path.name} is damaged", _AGAIN)
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise SetupProblem("damaged-bundle", f"{bundle.path.name} is damaged or lacks a file", _AGAIN) from error
    except SetupProblem:
        shutil.rmtree(folder, ignore_errors=True)
        raise
