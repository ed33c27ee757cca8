"""Posing a figure fast enough for playback: compiled, allocation-light, and the same equations as `posing`."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from perse_engine.heads.figure import Figure
from perse_engine.heads.head import Floats, Ints
from perse_engine.heads.posing import joint_transforms


def pose_figure(figure: Figure, style_weights: NDArray[Any], expression: NDArray[Any], pose: NDArray[Any]) -> Floats:
    """Style, express and pose a figure.

    Args:
        figure: the person.
        style_weights: (K,) weight of each style.
        expression: (E,) expression coefficients.
        pose: (5, 3) axis-angle of each joint, radians.

    Returns:
        (V, 3) posed vertices, metres.
    """
    vertices, joints = rest_figure(figure, style_weights, expression)
    return skin(vertices, figure.weights, joint_transforms(joints, pose))


def rest_figure(figure: Figure, style_weights: NDArray[Any], expression: NDArray[Any]) -> tuple[Floats, Floats]:
    """The styled and expressing figure before any joint turns.

    Args:
        figure: the person.
        style_weights: (K,) weight of each style.
        expression: (E,) expression coefficients.

    Returns:
        Vertices (V, 3) and joints (5, 3), metres.

    Raises:
        ValueError: the coefficients are not as many as the figure's directions.
    """
    styles = np.ascontiguousarray(style_weights, np.float32)
    units = np.ascontiguousarray(expression, np.float32)
    if styles.shape != figure.style_directions.shape[2:] or units.shape != figure.expression_directions.shape[2:]:
        raise ValueError(
            f"{styles.shape} style weights and {units.shape} expression coefficients for "
            f"{figure.style_directions.shape[2]} styles and {figure.expression_directions.shape[2]} expressions"
        )
    vertices = figure.vertices.copy()
    for shapes, amounts in ((figure.expression_moves, units), (figure.style_moves, styles)):
        _add(shapes.starts, shapes.vertices, shapes.moves, amounts, vertices)
    return vertices, figure.joints + figure.joint_style_directions @ styles


def skin(vertices: Floats, weights: Floats, transforms: Floats) -> Floats:
    """Linear blend skinning.

    Args:
        vertices: (V, 3) rest vertices, metres.
        weights: (V, 5), rows sum to 1.
        transforms: (5, 4, 4) skinning transforms of the joints, affine.

    Returns:
        (V, 3) posed vertices, metres.
    """
    posed = np.empty_like(vertices)
    _skin(vertices, weights, np.ascontiguousarray(transforms, np.float32), posed)
    return posed


@numba.njit(cache=True, nogil=True)
def _add(starts: Ints, vertices: Ints, moves: Floats, amounts: Floats, out: Floats) -> None:
    for shape in range(amounts.shape[0]):
        if amounts[shape] != np.float32(0):
            for row in range(starts[shape], starts[shape + 1]):
                for axis in range(3):
                    out[vertices[row], axis] += amounts[shape] * moves[row, axis]


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _skin(vertices: Floats, weights: Floats, transforms: Floats, out: Floats) -> None:
    for vertex in range(vertices.shape[0]):
        x, y, z = vertices[vertex, 0], vertices[vertex, 1], vertices[vertex, 2]
        for axis in range(3):
            value = np.float32(0)
            for joint in range(5):
                row = transforms[joint, axis]
                value += weights[vertex, joint] * (row[0] * x + row[1] * y + row[2] * z + row[3])
            out[vertex, axis] = value
