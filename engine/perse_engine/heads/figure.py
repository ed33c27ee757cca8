"""A figure: one person's bind mesh, dressed with every part that any style may show.

Teacher, trainer, playback and Blender's proxy all pose this one mesh, so that they agree to the last vertex.
"""

from __future__ import annotations

import dataclasses
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from perse_engine.heads.head import Floats, Ints
from perse_engine.heads.moves import Moves, moves_of


@dataclasses.dataclass(frozen=True, eq=False)
class Figure:
    """V vertices, F triangles, E expressions, K styles.

    Attributes:
        vertices: (V, 3) the person at rest, neutral expression, no style; head space, metres.
        faces: (F, 3).
        uv: (T, 2) in [0, 1], v up: one atlas for all parts.
        uv_faces: (F, 3).
        parts: names: the head's own, then hair, glasses, hat, …
        face_parts: (F,) uint8.
        expression_directions: (V, 3, E) added per unit of expression.
        expression_names: E names.
        style_directions: (V, 3, K) added per unit of style weight; zero columns for styles that only recolour.
        joint_style_directions: (5, 3, K) how a style moves the joints.
        style_names: K slider names, "attr_<category>_<style>".
        weights: (V, 5) skinning weights.
        joints: (5, 3) rest joints of this person.
    """

    vertices: Floats
    faces: Ints
    uv: Floats
    uv_faces: Ints
    parts: tuple[str, ...]
    face_parts: NDArray[np.uint8]
    expression_directions: Floats
    expression_names: tuple[str, ...]
    style_directions: Floats
    joint_style_directions: Floats
    style_names: tuple[str, ...]
    weights: Floats
    joints: Floats

    @cached_property
    def expression_moves(self) -> Moves:
        """What of `expression_directions` is not zero."""
        return moves_of(self.expression_directions)

    @cached_property
    def style_moves(self) -> Moves:
        """What of `style_directions` is not zero."""
        return moves_of(self.style_directions)
