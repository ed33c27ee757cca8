"""Arrays out of the records that `restricted_pickle` leaves: numpy's, scipy's sparse ones and chumpy's."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perse_engine.heads.restricted_pickle import Call, Global

_TYPES = re.compile(r"[<>=|]?(f[248]|[iu][1248]|b1|\?)")
_LARGEST = 1 << 28
"""Elements of the largest array that is made: thirty times FLAME's largest."""


def array_of(value: Any) -> NDArray[Any]:
    """The array that a value of a pickle stands for; sparse ones come back dense.

    Args:
        value: an array, number, list of numbers, or a `Call` record of a numpy array, a chumpy array (its stored
            value `x`) or a scipy sparse matrix.

    Raises:
        ValueError: it is nothing of these, or its bytes do not fit its shape.
    """
    for _ in range(8):  # chumpy may wrap chumpy
        if not (isinstance(value, Call) and _class_of(value).module.startswith("chumpy.")):
            break
        if not isinstance(value.state, dict) or "x" not in value.state:
            raise ValueError(f"{_class_of(value).name} holds no values")
        value = value.state["x"]
    if isinstance(value, (np.ndarray, int, float)):
        return np.asarray(value)
    if isinstance(value, (list, tuple)) and all(isinstance(item, (int, float)) for item in value):
        return np.asarray(value, np.float64)
    if not isinstance(value, Call):
        raise ValueError(f"{type(value).__name__} is no array")
    kind = _class_of(value)
    if kind.module.startswith("scipy.sparse"):
        return _dense(kind.name, value.state)
    if kind.name == "_frombuffer":
        buffer, dtype, shape, order = value.arguments
        return _from_bytes(_bytes_of(buffer), _dtype_of(dtype), shape, order == "F")
    if kind.name == "scalar":
        dtype, content = value.arguments
        return _from_bytes(_bytes_of(content), _dtype_of(dtype), (), False)
    if kind.name in ("_reconstruct", "ndarray") and isinstance(value.state, tuple) and len(value.state) == 5:
        _, shape, dtype, fortran, content = value.state
        return _from_bytes(_bytes_of(content), _dtype_of(dtype), shape, bool(fortran))
    raise ValueError(f"{kind.name} is no array")


def _class_of(call: Call) -> Global:
    """The class that a call makes; `copyreg._reconstructor` names it first."""
    if call.function.name == "_reconstructor" and call.arguments and isinstance(call.arguments[0], Global):
        return call.arguments[0]
    return call.function


def _dtype_of(value: Any) -> np.dtype[Any]:
    if not (isinstance(value, Call) and value.function.name == "dtype" and value.arguments):
        raise ValueError("an array has no type")
    code = value.arguments[0]
    if not isinstance(code, str) or not _TYPES.fullmatch(code):
        raise ValueError(f"an array is of type {str(code)[:20]!r}, not of numbers")
    dtype = np.dtype(code)
    if isinstance(value.state, tuple) and len(value.state) > 1 and value.state[1] in ("<", ">"):
        dtype = dtype.newbyteorder(value.state[1])
    return dtype


def _bytes_of(value: Any) -> bytes:
    """Bytes as the pickle protocols write them: strings of Python 2, and `_codecs.encode(text, "latin1")`."""
    if isinstance(value, Call) and value.function.name in ("encode", "bytes", "bytearray"):
        value = value.arguments[0] if value.arguments else b""
    if isinstance(value, str):
        return value.encode("latin-1")
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    raise ValueError("an array holds objects, not numbers")


def _from_bytes(content: bytes, dtype: np.dtype[Any], shape: Any, fortran: bool) -> NDArray[Any]:
    count = _count(shape)
    if count * dtype.itemsize != len(content):
        raise ValueError(f"{len(content)} bytes do not fill an array of shape {shape}")
    array = np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
    return array.astype(dtype.newbyteorder("="))


def _count(shape: Any) -> int:
    if not isinstance(shape, tuple) or len(shape) > 4 or not all(isinstance(side, int) and side >= 0 for side in shape):
        raise ValueError("an array has no sensible shape")
    count = math.prod(shape)
    if count > _LARGEST:
        raise ValueError(f"an array of shape {shape} is too large")
    return count


def _dense(name: str, state: Any) -> NDArray[Any]:
    """A dense matrix from the stored state of a scipy sparse one."""
    if not isinstance(state, dict):
        raise ValueError("a sparse matrix has no content")
    shape: Any = state.get("_shape", state.get("shape"))
    if _count(shape) == 0 or len(shape) != 2 or "data" not in state:
        raise ValueError("a sparse matrix has no sensible shape")
    data = array_of(state["data"])
    if name.startswith("coo"):
        parts = state["coords"] if "coords" in state else (state.get("row"), state.get("col"))
        rows, columns = (array_of(part) for part in parts)
    else:
        inner, starts = array_of(state.get("indices")), array_of(state.get("indptr"))
        major = shape[1] if name.startswith("csc") else shape[0]
        if starts.ndim != 1 or len(starts) != major + 1 or (np.diff(starts) < 0).any() or starts[-1] != len(inner):
            raise ValueError("a sparse matrix contradicts itself")
        outer = np.repeat(np.arange(major), np.diff(starts))
        rows, columns = (inner, outer) if name.startswith("csc") else (outer, inner)
    dense = np.zeros(shape, np.float64)
    if data.shape != rows.shape or data.shape != columns.shape or not np.issubdtype(rows.dtype, np.integer):
        raise ValueError("a sparse matrix contradicts itself")
    if data.size and (min(rows.min(), columns.min()) < 0 or rows.max() >= shape[0] or columns.max() >= shape[1]):
        raise ValueError("a sparse matrix has entries outside itself")
    np.add.at(dense, (rows, columns), data)
    return dense
