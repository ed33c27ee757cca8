"""An untrained avatar of the open head with a style of every kind, and what tests compare."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from perse_engine.avatars.file import load_avatar, save_avatar
from perse_engine.splatting.gaussians import Gaussians
from perse_engine.splatting.rasterize import rasterize

BESIDE = [str(Path(__file__).parents[2] / "blender"), str(Path(__file__).parent)]
sys.path[:0] = BESIDE
importlib.import_module("readers")  # for the tests
make_avatar = importlib.import_module("make_avatar").make_avatar
for folder in BESIDE:
    sys.path.remove(folder)  # other folders have modules of the same names


@pytest.fixture(scope="session")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("avatars") / "me.perse"
    save_avatar(make_avatar("Zoë  Müller"), path)
    return path


@pytest.fixture(scope="session")
def avatar(file):
    return load_avatar(file)


@pytest.fixture(scope="session")
def picture(avatar):
    """The picture of Gaussians, given as their five arrays, from the front."""
    camera = avatar.neutral_camera.fitted(128, 128)

    def draw(arrays):
        gaussians = Gaussians(*(np.asarray(array, np.float32) for array in arrays))
        image = rasterize(gaussians, camera, backend="numba")
        return np.dstack([image.color, image.alpha])

    return draw
