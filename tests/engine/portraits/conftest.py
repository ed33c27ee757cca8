"""One real portrait, fitted once: scikit-image's astronaut, a public domain photograph that ships with that package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from PIL import Image

from perse_engine.heads.head import Head
from perse_engine.portraits.correspondence import Correspondence, find_correspondence
from perse_engine.portraits.fitting import fit_portrait
from perse_engine.portraits.landmarks import Face, Tracker
from perse_engine.portraits.portrait import Portrait


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is read from or left in the cache of whoever runs the tests."""
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


@pytest.fixture(scope="session")
def astronaut() -> NDArray[np.uint8]:
    return np.ascontiguousarray(skimage.data.astronaut())


@pytest.fixture(scope="session")
def astronaut_file(astronaut: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "astronaut.png"
    Image.fromarray(astronaut).save(path)
    return path


@pytest.fixture(scope="session")
def tracker() -> Tracker:
    return Tracker()


@pytest.fixture(scope="session")
def astronaut_face(tracker: Tracker, astronaut: NDArray[np.uint8]) -> Face:
    return tracker.track(astronaut)


@pytest.fixture(scope="session")
def correspondence(open_head: Head, tracker: Tracker) -> Correspondence:
    return find_correspondence(open_head, tracker)


@pytest.fixture(scope="session")
def portrait(astronaut_file: Path, open_head: Head, correspondence: Correspondence) -> Portrait:
    return fit_portrait(astronaut_file, open_head, seed=0)
