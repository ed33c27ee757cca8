"""What a change of shape does to the light on it: the photo's shading follows the new surface."""

from __future__ import annotations

import numpy as np

from perse_engine.clips.canvas import Canvas, nothing, sparse_layer
from perse_engine.clips.wardrobe import Layer
from perse_engine.surfaces.colors import Floats
from perse_engine.surfaces.lighting import encoded, irradiance, linear
from perse_engine.surfaces.normals import vertex_normals

LEAST = 0.012
"""Relative change of brightness below which nothing is painted."""
LIMITS = (0.6, 1.5)


def relit(canvas: Canvas, move: Floats) -> Layer:
    """The skin's layer when the figure's vertices move by `move` (V, 3): lighter where it turns towards the light."""
    figure = canvas.figure
    moved = np.linalg.norm(move, axis=1) > 0
    touched = moved[figure.faces].any(1) & (figure.face_parts == figure.parts.index("skin"))
    if not touched.any():
        return nothing()
    texels = np.flatnonzero(np.append(touched, False)[canvas.texels.triangle])
    turned = vertex_normals(figure.vertices + move, figure.faces) - canvas.vertex_normal
    change = canvas.texels.interpolate(figure.faces, turned).reshape(-1, 3)[texels]
    before = canvas.flat_normal[texels]
    after = before + change
    after /= np.maximum(np.linalg.norm(after, axis=1, keepdims=True), 1e-6)
    light = canvas.portrait.light
    ratio = np.clip(irradiance(light, after) / np.maximum(irradiance(light, before), 1e-3), *LIMITS)
    painted = np.abs(ratio - 1).max(1) > LEAST
    color = encoded(linear(canvas.flat_base[texels[painted], :3]) * ratio[painted])
    return sparse_layer(texels[painted], color, 1.0, np.ones(int(painted.sum()), np.float32))
