"""An untrained avatar of the open head with a style of every kind, and what tests compare."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "blender"))
sys.path.insert(0, str(Path(__file__).parent))

from make_avatar import make_avatar

from perse_engine.avatars.file import load_avatar, save_avatar
from perse_engine.splatting.gaussians import Gaussians
from perse_engine.splatting.rasterize import rasterize


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


def psnr(first, second):
    return float(-10 * np.log10(np.mean((first - second) ** 2) + 1e-20))
