"""Avatar files of earlier versions, brought up to today's in memory; the files themselves stay as they are.

A later version adds a step here and keeps the earlier ones, so every file that was ever written is still read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import safetensors.numpy

from perse_engine.heads.moves import moves_of

Plain = dict[str, Any]
"""avatar.json as plain JSON."""


def upgraded(document: Plain, tensors: bytes, version: int) -> tuple[Plain, bytes]:
    """`document` and tensors.safetensors of today, from those of an earlier `version`.

    Args:
        version: one of `STEPS`, or later.

    Raises:
        ValueError, KeyError, TypeError: the file is not as its version is written.
        safetensors.SafetensorError: likewise.
    """
    while version in STEPS:
        document, tensors = STEPS[version](document, tensors)
        version = int(document["version"])
    return document, tensors


def _from_1(document: Plain, tensors: bytes) -> tuple[Plain, bytes]:
    """Version 2 lists what expressions and styles move; version 1 had a number for every vertex."""
    arrays = safetensors.numpy.load(tensors)
    for kind in ("expression", "style"):
        directions = arrays.pop(f"figure.{kind}_directions", None)
        expected = (len(arrays["figure.vertices"]), 3, len(document[f"{kind}s"]))
        if directions is None or directions.dtype != np.float16 or directions.shape != expected:
            raise ValueError(f"it lacks the {kind}s' directions")
        moves = moves_of(directions)
        for name in ("starts", "vertices", "moves"):
            arrays[f"figure.{kind}_{name}"] = getattr(moves, name)
    return {**document, "version": 2}, safetensors.numpy.save(arrays)


def _from_2(document: Plain, tensors: bytes) -> tuple[Plain, bytes]:
    """Version 3 says what tone each style gives skin that other styles lay bare; until then they did not."""
    styles = [{**style, "tone": [1.0, 1.0, 1.0]} for style in document["styles"]]
    return {**document, "version": 3, "styles": styles}, tensors


STEPS: Mapping[int, Callable[[Plain, bytes], tuple[Plain, bytes]]] = {1: _from_1, 2: _from_2}
"""From each earlier version to a later one."""
