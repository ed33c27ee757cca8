"""Weights that somebody has: which file is taken, and what a bad one gets."""

import os
import pickle

import pytest
import torch
from safetensors.torch import save_file

from perse_engine.errors import InputError
from perse_engine.evaluation.networks import load_networks
from perse_engine.evaluation.weights import find_weights, read_weights

SHAPES = {"a.weight": (2, 3), "a.bias": (2,)}
GOOD = {"a.weight": torch.ones(2, 3), "a.bias": torch.zeros(2), "other": torch.zeros(9)}


class Hostile:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def refusal(path):
    with pytest.raises(InputError) as refused:
        read_weights(path, SHAPES, "a small network")
    assert path.name in refused.value.message
    return refused.value


def save(content, path, **form):
    save_file(content, path) if path.suffix == ".safetensors" else torch.save(content, path, **form)


@pytest.mark.parametrize("name", ["net.safetensors", "net.pth", "net.pt"])
def test_what_is_asked_for_is_read(tmp_path, name):
    save(GOOD | {"a.bias": torch.zeros(2, dtype=torch.float16)}, tmp_path / name)
    read = read_weights(find_weights(tmp_path, "net"), SHAPES, "a small network")
    assert {key: tuple(tensor.shape) for key, tensor in read.items()} == SHAPES
    assert all(tensor.dtype == torch.float32 for tensor in read.values())


def test_safetensors_go_before_pickles(tmp_path):
    for name in ("net-2.pth", "net-1.pt", "net-9.safetensors"):
        save(GOOD, tmp_path / name)
    (tmp_path / "net-0.safetensors").mkdir()
    assert find_weights(tmp_path, "net*").name == "net-9.safetensors"
    assert find_weights(tmp_path, "net") is None


@pytest.mark.parametrize("form", ["zip", "legacy", "bare", "bare of protocol 2"])
def test_a_hostile_pickle_is_refused_and_does_nothing(tmp_path, form):
    path, mark = tmp_path / "net.pth", tmp_path / "it ran"
    if form.startswith("bare"):
        path.write_bytes(pickle.dumps(Hostile(mark), 2 if "2" in form else None))
    else:
        torch.save(GOOD | {"a.bias": Hostile(mark)}, path, _use_new_zipfile_serialization=form == "zip")
    error = refusal(path)
    assert error.code == "hostile-file"
    assert ("names of its own" if form == "bare" else "mkdir") in error.message
    assert not mark.exists()


@pytest.mark.parametrize("name", ["net.safetensors", "net.pth", "legacy.pth"])
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.95])
def test_a_file_cut_short_is_damaged(tmp_path, name, share):
    path = tmp_path / name
    save(GOOD, path, **({"_use_new_zipfile_serialization": False} if name == "legacy.pth" else {}))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert refusal(path).code == "damaged-weights"


@pytest.mark.parametrize("name", ["net.safetensors", "net.pth"])
def test_a_page_that_says_not_found_is_no_weights(tmp_path, name):
    (tmp_path / name).write_text("<!DOCTYPE html><html><body>404</body></html>")
    assert refusal(tmp_path / name).code == "damaged-weights"


@pytest.mark.parametrize(
    "content",
    [
        {"b": torch.zeros(2)},
        GOOD | {"a.weight": torch.zeros(3, 2)},
        GOOD | {"a.bias": torch.zeros(2, dtype=torch.int64)},
        GOOD | {"a.bias": 3.0},
        [torch.zeros(2)],
    ],
    ids=["names", "shape", "integers", "no tensor", "no dictionary"],
)
def test_another_network_is_told_apart(tmp_path, content):
    torch.save(content, tmp_path / "net.pth")
    error = refusal(tmp_path / "net.pth")
    assert error.code == "other-weights"
    assert "a small network" in error.message


def test_numbers_must_be_finite(tmp_path):
    save(GOOD | {"a.bias": torch.tensor([0.0, torch.nan])}, tmp_path / "net.safetensors")
    assert refusal(tmp_path / "net.safetensors").code == "damaged-weights"


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(InputError) as refused:
        load_networks(tmp_path / "nowhere")
    assert refused.value.code == "file-missing"


def test_a_trunk_without_its_heads_is_absent(weights, tmp_path):
    (tmp_path / "alexnet-owt-7be5be79.pth").symlink_to(weights / "alexnet-owt-7be5be79.pth")
    networks = load_networks(tmp_path)
    assert networks.lpips is None
    assert networks.inception is None
