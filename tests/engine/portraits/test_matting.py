"""The guided filter and the matte."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perse_engine.portraits.landmarks import Face
from perse_engine.portraits.matting import Matter, guided_filter


def test_the_guided_filter_moves_a_blurred_edge_to_the_guides() -> None:
    guide = np.full((60, 60, 3), 0.2, np.float32)
    guide[:, 30:] = [0.8, 0.6, 0.3]
    coarse = np.clip((np.arange(60) - 22) / 12, 0, 1).astype(np.float32)[None].repeat(60, 0)
    fine = guided_filter(guide, coarse, radius=6, epsilon=1e-4)
    assert np.abs(np.diff(fine[30])).argmax() == 29
    assert np.abs(np.diff(fine[30])).max() > 0.4


def test_a_flat_guide_only_blurs() -> None:
    image = np.random.default_rng(0).random((40, 40)).astype(np.float32)
    flat = guided_filter(np.full((40, 40, 3), 0.5, np.float32), image, radius=4, epsilon=1e-3)
    assert flat.std() < 0.3 * image.std()
    assert abs(flat.mean() - image.mean()) < 0.02


def test_the_matte_holds_the_person_only(astronaut: NDArray[np.uint8], astronaut_face: Face) -> None:
    twins = np.concatenate([astronaut[:400], astronaut[:400]], 1)
    alpha = Matter().matte(astronaut, astronaut_face.landmarks)
    assert alpha.shape == astronaut.shape[:2]
    x, y = astronaut_face.landmarks[4, :2].astype(int)
    assert alpha[y, x] > 0.99
    assert alpha[:200, 400:].max() < 0.3
    beside = Matter().matte(twins, astronaut_face.landmarks)
    assert beside[y, x + 512] < 0.3  # another person
