"""What the packaging tests share: the zip that `build.py test` has just made, and build.py itself."""

from __future__ import annotations

import importlib.util
import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def build() -> ModuleType:
    """build.py as a module."""
    specification = importlib.util.spec_from_file_location("build", ROOT / "build.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["build"] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def archive_path() -> Path:
    """The extension's zip."""
    if "PERSE_TEST_ZIP" not in os.environ:
        pytest.skip("run it as: python3 build.py test tests/packaging")
    return Path(os.environ["PERSE_TEST_ZIP"])


@pytest.fixture(scope="session")
def archive(archive_path: Path) -> Iterator[zipfile.ZipFile]:
    """The extension's zip, open."""
    with zipfile.ZipFile(archive_path) as opened:
        yield opened


@pytest.fixture(scope="session")
def blender_python() -> Path:
    """The interpreter that has bpy."""
    if "PERSE_TEST_BLENDER" not in os.environ:
        pytest.skip("run it as: python3 build.py test tests/packaging")
    return Path(os.environ["PERSE_TEST_BLENDER"])
