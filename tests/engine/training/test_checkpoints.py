"""A checkpoint gives back what went in, however the arrays lie in memory."""

import numpy as np

from perse_engine.training.checkpoints import load_checkpoint, save_checkpoint


def test_arrays_of_any_memory_order_come_back(tmp_path):
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    arrays = {"rows": values.copy(), "columns": np.asfortranarray(values), "turned": values.T, "sparse": values[:, ::2]}
    save_checkpoint(tmp_path / "checkpoint.safetensors", 7, "same", arrays)
    empty = {name: np.zeros_like(array) for name, array in arrays.items()}
    assert load_checkpoint(tmp_path / "checkpoint.safetensors", "same", empty) == 7
    for name, array in arrays.items():
        assert (empty[name] == array).all(), name


def test_another_training_does_not_take_it_up(tmp_path):
    save_checkpoint(tmp_path / "checkpoint.safetensors", 7, "one", {"a": np.ones(3, np.float32)})
    arrays = {"a": np.zeros(3, np.float32)}
    assert load_checkpoint(tmp_path / "checkpoint.safetensors", "another", arrays) == 0
    assert not arrays["a"].any()
