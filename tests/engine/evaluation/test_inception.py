"""The Inception network against what a well-known implementation sees with the same weights."""

import numpy as np
import pytest

from perse_engine.evaluation import inception
from perse_engine.evaluation.inception import load_inception


@pytest.fixture(scope="module")
def network(weights):
    return load_inception(weights)


def test_it_has_the_tensors_of_the_published_file():
    shapes = inception.shapes()
    assert len(shapes) == 5 * 94
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 21_820_000  # of the published network without `fc`
    assert shapes["Mixed_6c.branch7x7dbl_4.conv.weight"] == (160, 160, 7, 1)
    assert shapes["Mixed_7c.branch3x3dbl_1.conv.weight"] == (448, 2048, 1, 1)


def test_it_sees_what_pytorch_fid_sees(network):
    """The numbers are those of pytorch-fid 0.3.0 with these weights, of a picture of this size."""
    ramp = np.linspace(0, 1, 96, dtype=np.float32)
    picture = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], np.float32(0.5)), -1)
    (seen,) = network.features(picture[None])
    assert seen.shape == (inception.FEATURES,)
    np.testing.assert_allclose(seen[::256], [0, 1.1746, 0.6572, 0, 0.6996, 0, 0.3073, 0.0657], atol=2e-3)
    assert np.linalg.norm(seen) == pytest.approx(16.8202, rel=1e-3)


def test_pictures_are_seen_one_by_one(network):
    pictures = np.random.default_rng(0).random((9, 80, 80, 3)).astype(np.float32)
    together = network.features(pictures)
    assert together.shape == (9, inception.FEATURES)
    np.testing.assert_allclose(network.features(pictures[8:])[0], together[8], rtol=1e-3, atol=1e-4)
