"""Where a training stands, on disk: numbers only, written atomically, so that a killed run goes on as if unbroken."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from perse_engine.files import atomic_write

logger = logging.getLogger(__name__)

Arrays = Mapping[str, NDArray[np.float32]]


def save_checkpoint(path: Path, step: int, fingerprint: str, arrays: Arrays) -> None:
    """Write `arrays` as they stand before `step`.

    Args:
        path: the file.
        step: the next step.
        fingerprint: of what is trained and how; another training does not take this checkpoint up.
        arrays: everything that a step changes.

    Raises:
        OSError: the disk is full or the folder cannot be written; the old checkpoint is as it was.
    """
    metadata = {"training": json.dumps({"step": step, "fingerprint": fingerprint})}
    with atomic_write(path) as stream:
        # safetensors writes an array's memory as it lies, whatever its strides.
        rows = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        stream.write(safetensors.numpy.save(rows, metadata))


def load_checkpoint(path: Path, fingerprint: str, arrays: Arrays) -> int:
    """Fill `arrays` in place from the checkpoint at `path` and return its step.

    Zero is returned, and `arrays` left alone, where there is no checkpoint of this very training.
    """
    try:
        with safetensors.safe_open(path, "np") as file:
            told = json.loads((file.metadata() or {})["training"])
            if told["fingerprint"] != fingerprint:
                logger.info("the checkpoint is of another training; starting afresh")
                return 0
            loaded = {name: file.get_tensor(name) for name in arrays}
            step = int(told["step"])
    except FileNotFoundError:
        return 0
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError, OSError) as error:
        logger.warning("the checkpoint cannot be read (%s); starting afresh", error)
        return 0
    if any(loaded[name].shape != array.shape or loaded[name].dtype != array.dtype for name, array in arrays.items()):
        logger.warning("the checkpoint has other shapes; starting afresh")
        return 0
    for name, array in arrays.items():
        array[...] = loaded[name]
    return step
