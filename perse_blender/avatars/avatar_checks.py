"""Whether what an avatar file says can be used: Blender crashes of indices that point outside a mesh."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]

MOST_DIRECTIONS = 30_000_000
"""Vertices times sliders that displace them."""
SLIDER = re.compile(r"(attr|expr)_[a-z0-9_]{1,43}")

# V vertices, F faces, K styles, N Gaussians, M entries of styles.
_SHAPES: Mapping[str, tuple[str, tuple[str | int, ...]]] = {
    "figure.vertices": ("f", ("V", 3)),
    "figure.faces": ("i", ("F", 3)),
    "figure.face_parts": ("u", ("F",)),
    "figure.weights": ("f", ("V", 5)),
    "figure.joints": ("f", (5, 3)),
    "figure.joint_style_directions": ("f", (5, 3, "K")),
    "gaussians.triangles": ("i", ("N",)),
    "gaussians.barycentric": ("f", ("N", 2)),
    "gaussians.coverage_logits": ("f", ("N",)),
    "gaussians.colors": ("f", ("N", 3)),
    "styles.starts": ("i", ("K+1",)),
    "styles.gaussians": ("i", ("M",)),
    "styles.gates": ("f", ("M",)),
    "styles.colors": ("f", ("M", 3)),
    "styles.coverage_logits": ("f", ("M",)),
}


def check_arrays(arrays: Arrays, *, expressions: int, styles: int, parts: int) -> None:
    """Hold kinds, shapes, finite numbers and index ranges.

    Raises:
        KeyError: an array is missing.
        ValueError: with what is wrong.
    """
    sizes: dict[str | int, int] = {"K": styles, "K+1": styles + 1}
    for name, (kind, shape) in _SHAPES.items():
        array = arrays[name]
        expected = tuple(d if isinstance(d, int) else sizes.setdefault(d, n) for d, n in zip(shape, array.shape))
        if array.dtype.kind != kind or array.ndim != len(shape) or array.shape != expected:
            raise ValueError(f"{name} has another shape")
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name} has numbers that are not finite")
    vertices = sizes["V"]
    if vertices * (expressions + styles) > MOST_DIRECTIONS:
        raise ValueError(f"it has {vertices} vertices for {expressions + styles} sliders")
    _within(arrays, "figure.faces", vertices)
    _within(arrays, "figure.face_parts", parts)
    _within(arrays, "gaussians.triangles", sizes["F"])
    _within(arrays, "styles.gaussians", sizes["N"])
    _check_starts(arrays["styles.starts"], sizes["M"], "styles.starts")
    for kind, count in (("expression", expressions), ("style", styles)):
        _check_moves(arrays, kind, count, vertices)


def check_names(sliders: list[str]) -> None:
    """Hold that sliders can be properties of an object, each its own.

    Raises:
        ValueError: with the name that cannot.
    """
    for name in sliders:
        if not SLIDER.fullmatch(name):
            raise ValueError(f"{name[:60]!r} is no slider")
    if len(set(sliders)) < len(sliders):
        raise ValueError("two sliders have the same name")


def _check_moves(arrays: Arrays, kind: str, count: int, vertices: int) -> None:
    whole = arrays.get(f"figure.{kind}_directions")  # as version 1 has them
    if whole is not None:
        if whole.dtype.kind != "f" or whole.shape != (vertices, 3, count):
            raise ValueError(f"the {kind}s' directions have another shape")
        return
    starts, moved, moves = (arrays[f"figure.{kind}_{name}"] for name in ("starts", "vertices", "moves"))
    if starts.dtype.kind != "i" or starts.shape != (count + 1,) or moved.dtype.kind != "i" or moved.ndim != 1:
        raise ValueError(f"the {kind}s' moves have another shape")
    if moves.dtype.kind != "f" or moves.shape != (len(moved), 3):
        raise ValueError(f"the {kind}s' moves have another shape")
    _check_starts(starts, len(moved), f"figure.{kind}_starts")
    _within(arrays, f"figure.{kind}_vertices", vertices)


def _check_starts(starts: NDArray[Any], total: int, name: str) -> None:
    wide = starts.astype(np.int64)
    if wide[0] != 0 or wide[-1] != total or (np.diff(wide) < 0).any():
        raise ValueError(f"{name} is not in order")


def _within(arrays: Arrays, name: str, limit: int) -> None:
    indices = arrays[name]
    if indices.size and (indices.min() < 0 or indices.max() >= limit):
        raise ValueError(f"{name} points outside what it indexes")
