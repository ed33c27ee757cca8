"""tensors.safetensors: the numbers of an avatar file, half precision where that is exact enough; their checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.avatar import Appearance, Avatar
from perse_engine.avatars.correctives import Correctives, no_correctives
from perse_engine.heads.figure import Figure
from perse_engine.heads.moves import Moves, directions_of, moves_of

Arrays = Mapping[str, NDArray[Any]]

# Dimensions: V vertices, F faces, T texture coordinates, E expressions that move X vertices in all, K styles that move
# Y, N Gaussians, M style entries.
SHAPES: Mapping[str, tuple[str, tuple[str | int, ...]]] = {
    "figure.vertices": ("float32", ("V", 3)),
    "figure.faces": ("int32", ("F", 3)),
    "figure.uv": ("float32", ("T", 2)),
    "figure.uv_faces": ("int32", ("F", 3)),
    "figure.face_parts": ("uint8", ("F",)),
    "figure.expression_starts": ("int32", ("E+1",)),
    "figure.expression_vertices": ("int32", ("X",)),
    "figure.expression_moves": ("float16", ("X", 3)),
    "figure.style_starts": ("int32", ("K+1",)),
    "figure.style_vertices": ("int32", ("Y",)),
    "figure.style_moves": ("float16", ("Y", 3)),
    "figure.joint_style_directions": ("float32", (5, 3, "K")),
    "figure.weights": ("float32", ("V", 5)),
    "figure.joints": ("float32", (5, 3)),
    "gaussians.triangles": ("int32", ("N",)),
    "gaussians.barycentric": ("float16", ("N", 2)),
    "gaussians.offsets": ("float16", ("N", 3)),
    "gaussians.log_scales": ("float16", ("N", 3)),
    "gaussians.quaternions": ("float16", ("N", 4)),
    "gaussians.coverage_logits": ("float16", ("N",)),
    "gaussians.colors": ("float16", ("N", 3)),
    "styles.starts": ("int32", ("K+1",)),
    "styles.gaussians": ("int32", ("M",)),
    "styles.gates": ("float16", ("M",)),
    "styles.colors": ("float16", ("M", 3)),
    "styles.coverage_logits": ("float16", ("M",)),
    "styles.offsets": ("float16", ("M", 3)),
    "styles.onsets": ("float16", ("M",)),
    "styles.softness": ("float32", ("K",)),
}
OPTIONAL: Mapping[str, tuple[str, tuple[str | int, ...]]] = {
    "correctives.mixing": ("float32", ("D", "E+3")),
    "correctives.low": ("float32", ("D",)),
    "correctives.high": ("float32", ("D",)),
    "correctives.gaussians": ("int32", ("C",)),
    "correctives.offsets": ("float16", ("C", "D", 3)),
    "correctives.colors": ("float16", ("C", "D", 3)),
}
"""All of them, or none: an avatar that was built from a photograph alone has no expression correctives."""

MOST_DIRECTIONS = 30_000_000
"""Vertices times sliders that displace them: in memory each has three numbers, however few a file lists."""


def pack(avatar: Avatar) -> dict[str, NDArray[Any]]:
    """The arrays of `avatar` by name, as `SHAPES` says, and those of `OPTIONAL` where it has them."""
    figure, looks = avatar.figure, avatar.appearance
    values: dict[str, NDArray[Any]] = {
        **{f"figure.{name}": getattr(figure, name) for name in _FIGURE},
        **_moves("expression", figure.expression_directions),
        **_moves("style", figure.style_directions),
        **{f"gaussians.{name}": getattr(avatar, name) for name in _GAUSSIANS},
        "gaussians.barycentric": avatar.barycentric[:, 1:],
        **{f"styles.{name}": getattr(looks, name) for name in _STYLES},
    }
    shapes = dict(SHAPES)
    if len(avatar.correctives.gaussians):
        values |= {name: getattr(avatar.correctives, name.removeprefix("correctives.")) for name in OPTIONAL}
        shapes |= OPTIONAL
    return {name: np.ascontiguousarray(values[name], dtype) for name, (dtype, _) in shapes.items()}


def check_tensors(arrays: Arrays, *, expressions: int, styles: int, parts: int, count: int) -> None:
    """Hold shapes, types, finite numbers and index ranges.

    Raises:
        ValueError: with what is wrong.
    """
    corrected = not set(OPTIONAL).isdisjoint(arrays)
    shapes = {**SHAPES, **OPTIONAL} if corrected else SHAPES
    if set(arrays) != set(shapes):
        raise ValueError("it lacks tensors or has unknown ones")
    sizes: dict[str | int, int] = {"E": expressions, "E+1": expressions + 1, "E+3": expressions + 3}
    sizes |= {"K": styles, "K+1": styles + 1, "N": count}
    for name, (dtype, shape) in shapes.items():
        array = arrays[name]
        expected = tuple(d if isinstance(d, int) else sizes.setdefault(d, n) for d, n in zip(shape, array.shape))
        if array.dtype != np.dtype(dtype) or array.ndim != len(shape) or array.shape != expected:
            raise ValueError(f"the tensor {name} is {array.dtype} {array.shape}, not {dtype} {expected}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"the tensor {name} has numbers that are not finite")
    if sizes["V"] * (expressions + styles) > MOST_DIRECTIONS:
        raise ValueError(f"it has {sizes['V']} vertices for {expressions + styles} sliders")
    _within(arrays, "figure.faces", sizes["V"])
    _within(arrays, "figure.uv_faces", sizes["T"])
    _within(arrays, "figure.face_parts", parts)
    _within(arrays, "gaussians.triangles", sizes["F"])
    _within(arrays, "styles.gaussians", count)
    if np.abs(arrays["figure.vertices"]).max(initial=0) > 10:
        raise ValueError("the figure is larger than ten metres")
    if np.abs(arrays["figure.weights"].sum(1) - 1).max(initial=0) > 0.01:
        raise ValueError("the skinning weights do not sum to one")
    plane = arrays["gaussians.barycentric"].astype(np.float32)
    if plane.min(initial=0) < 0 or plane.sum(1).max(initial=0) > 1.002:
        raise ValueError("a Gaussian lies outside its triangle")
    if np.abs(arrays["gaussians.log_scales"]).max(initial=0) > 30:
        raise ValueError("a Gaussian's size is out of range")
    if np.abs(arrays["gaussians.quaternions"]).max(1).min(initial=1) < 1e-3:
        raise ValueError("a Gaussian's rotation is zero")
    for kind in _MOVING:
        _within(arrays, f"figure.{kind}_vertices", sizes["V"])
        _check_rows(arrays[f"figure.{kind}_starts"], arrays[f"figure.{kind}_vertices"], f"{kind}s' vertices")
    _check_entries(arrays)
    if corrected:
        _check_correctives(arrays, count)


def unpack_figure(
    arrays: Arrays, parts: tuple[str, ...], expression_names: tuple[str, ...], style_names: tuple[str, ...]
) -> Figure:
    """The figure in checked `arrays`."""
    fields: dict[str, Any] = {name: _working(arrays[f"figure.{name}"]) for name in _FIGURE}
    for kind in _MOVING:
        moves = Moves(*(_working(arrays[f"figure.{kind}_{name}"]) for name in _MOVES))
        fields[f"{kind}_directions"] = directions_of(moves, len(fields["vertices"]))
    return Figure(**fields, parts=parts, expression_names=expression_names, style_names=style_names)


def unpack_gaussians(arrays: Arrays) -> dict[str, NDArray[Any]]:
    """The per-Gaussian fields of `Avatar` in checked `arrays`."""
    fields = {name: _working(arrays[f"gaussians.{name}"]) for name in _GAUSSIANS}
    plane = _working(arrays["gaussians.barycentric"])
    fields["barycentric"] = np.column_stack([np.maximum(1 - plane.sum(1), 0), plane]).astype(np.float32)
    return fields


def unpack_appearance(arrays: Arrays) -> Appearance:
    """The styles' appearance in checked `arrays`."""
    return Appearance(**{name: _working(arrays[f"styles.{name}"]) for name in _STYLES})


def unpack_correctives(arrays: Arrays) -> Correctives:
    """The expression correctives in checked `arrays`, or none."""
    if not set(OPTIONAL) <= set(arrays):
        return no_correctives()
    return Correctives(**{name.removeprefix("correctives."): _working(arrays[name]) for name in OPTIONAL})


_MOVING, _MOVES = ("expression", "style"), ("starts", "vertices", "moves")
_FIGURE = tuple(
    name.removeprefix("figure.")
    for name in SHAPES
    if name.startswith("figure.") and name not in {f"figure.{kind}_{row}" for kind in _MOVING for row in _MOVES}
)
_GAUSSIANS = tuple(
    name.removeprefix("gaussians.")
    for name in SHAPES
    if name.startswith("gaussians.") and name != "gaussians.barycentric"
)
_STYLES = tuple(name.removeprefix("styles.") for name in SHAPES if name.startswith("styles."))


def _moves(kind: str, directions: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """What of `directions` (V, 3, K) is not zero in half precision."""
    moves = moves_of(directions.astype(np.float16))
    return {f"figure.{kind}_{name}": getattr(moves, name) for name in _MOVES}


def _working(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _within(arrays: Arrays, name: str, limit: int) -> None:
    indices = arrays[name]
    if indices.size and (indices.min() < 0 or indices.max() >= limit):
        raise ValueError(f"the tensor {name} points outside what it indexes")


def _check_correctives(arrays: Arrays, count: int) -> None:
    gaussians = arrays["correctives.gaussians"]
    _within(arrays, "correctives.gaussians", count)
    if (np.diff(gaussians.astype(np.int64)) <= 0).any():
        raise ValueError("the correctives list a Gaussian twice")
    if arrays["correctives.low"].max(initial=0) > 0 or arrays["correctives.high"].min(initial=0) < 0:
        raise ValueError("the correctives are not zero at rest")
    if max(np.abs(arrays[f"correctives.{name}"]).max(initial=0) for name in ("mixing", "low", "high", "offsets")) > 1e3:
        raise ValueError("the correctives are out of range")


def _check_rows(starts: NDArray[Any], listed: NDArray[Any], what: str) -> None:
    """Hold that `starts` cut `listed` into runs, each strictly ascending."""
    starts = starts.astype(np.int64)
    if starts[0] != 0 or starts[-1] != len(listed) or (np.diff(starts) < 0).any():
        raise ValueError(f"the {what} are not in order")
    ascending = np.diff(listed.astype(np.int64)) > 0
    fresh = starts[1:-1] - 1  # the step from one run's last to the next one's first may go down
    ascending[fresh[(fresh >= 0) & (fresh < len(ascending))]] = True
    if not ascending.all():
        raise ValueError(f"the {what} list one twice")


def _check_entries(arrays: Arrays) -> None:
    _check_rows(arrays["styles.starts"], arrays["styles.gaussians"], "styles' entries")
    for name in ("gates", "onsets", "softness"):
        values = arrays[f"styles.{name}"]
        if values.min(initial=0) < 0 or values.max(initial=0) > 1:
            raise ValueError(f"the styles' {name} are not between 0 and 1")
    if arrays["styles.softness"].min(initial=1) < 1e-3:
        raise ValueError("a style's softness is zero")
    for values in (arrays["styles.colors"], arrays["gaussians.colors"]):
        if np.abs(values).max(initial=0) > 16:
            raise ValueError("a colour is out of range")
