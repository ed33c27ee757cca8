"""Weights with random numbers, in the files and under the names that the networks' makers publish."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from perse_engine.evaluation import inception
from perse_engine.evaluation.lpips import ALEXNET, VGG16

INCEPTION_FILE = "pt_inception-2015-12-05-6726825d"


def random_weights(shapes, seed=0):
    """Numbers by which pictures neither vanish nor explode on their way through a network."""
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in shapes.items():
        if name.endswith("running_var") or (len(shape) == 4 and shape[0] == 1):
            values = rng.uniform(0.5, 1.5, shape)
        elif len(shape) == 4:
            values = rng.uniform(-1, 1, shape) * (6 / np.prod(shape[1:])) ** 0.5
        else:
            values = rng.uniform(0.5, 1.5, shape) if name.endswith("bn.weight") else rng.uniform(-0.2, 0.2, shape)
        weights[name] = torch.from_numpy(values.astype(np.float32))
    return weights


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A folder with LPIPS through AlexNet in torch's older and newer format, and Inception as safetensors."""
    folder = tmp_path_factory.mktemp("weights")
    network = random_weights(ALEXNET.shapes()) | {"classifier.6.bias": torch.zeros(1000)}
    torch.save(network, folder / "alexnet-owt-7be5be79.pth")
    heads = random_weights(ALEXNET.head_shapes())
    torch.save(heads, folder / "alex.pth", _use_new_zipfile_serialization=False)
    save_file(random_weights(inception.shapes()), folder / f"{INCEPTION_FILE}.safetensors")
    return folder


@pytest.fixture(scope="session")
def vgg_weights(tmp_path_factory):
    """A folder with LPIPS through VGG16."""
    folder = tmp_path_factory.mktemp("vgg")
    save_file(random_weights(VGG16.shapes()), folder / "vgg16-397923af.safetensors")
    torch.save(random_weights(VGG16.head_shapes()), folder / "vgg.pth")
    return folder
