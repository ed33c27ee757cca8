"""The light of a photograph, read from the skin that it falls on."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from perse_engine.heads.head import NECK, Head, HeadState
from perse_engine.heads.posing import joint_transforms
from perse_engine.surfaces.lighting import BANDS, encoded, flat_light, harmonics, irradiance, linear
from perse_engine.surfaces.normals import vertex_normals
from perse_engine.surfaces.occlusion import ambient_occlusion
from perse_engine.surfaces.unproject import Texels

REACH = 0.06
"""Metres within which the head shades itself."""
LEAST_SKIN = 500  # texels from which a light can be told
ROUGHNESS = 0.18  # natural logarithms by which skin's reflectance differs from place to place
BRIGHTNESS = 1.0  # irradiance where the light falls brightest: faces are exposed so
STIFFNESS = np.array([1e-4, 4e-3, 2e-2])[BANDS]  # how firmly each order is held at nothing
ROUNDS = 8
Floats = NDArray[np.floating]


@dataclasses.dataclass(frozen=True, eq=False)
class Relief:
    """How the light meets each texel of the head in the photo.

    Attributes:
        normal: (T, T, 3) unit length, in the axes of the skull; zero where the layout is empty.
        occlusion: (T, T) in [0, 1], 1 open; how much of the light from all around the head itself lets through.
    """

    normal: Floats
    occlusion: Floats


def photo_relief(head: Head, state: HeadState, vertices: Floats, texels: Texels) -> Relief:
    """The relief of `head` posed by `state`.

    Args:
        vertices: (V, 3) as `pose_head` has them.
        texels: of the head's layout.
    """
    turn = joint_transforms(head.joints, state.pose)[NECK][:3, :3]
    posed = vertex_normals(vertices, head.faces)
    outside = [k for k, name in enumerate(head.parts) if name in ("skin", "bust")]
    surface = head.faces[np.isin(head.face_parts, outside)]
    occlusion = ambient_occlusion(vertices, posed, vertices, surface, REACH)
    field = texels.interpolate(head.faces, np.concatenate([posed @ turn, occlusion[:, None]], 1).astype(np.float32))
    normal = field[..., :3] / np.maximum(np.linalg.norm(field[..., :3], axis=-1, keepdims=True), 1e-9)
    return Relief(normal, field[..., 3])


def fit_light(color: Floats, weight: Floats, relief: Relief) -> NDArray[np.float32]:
    """(9, 3) second-order light in the skull's axes that best explains skin of one reflectance.

    Least squares in linear RGB, each sample weighted by how well it agreed the round before, so that highlights, beards
    and cast shadows do not count; a photo with too little skin gets light from everywhere.

    Args:
        color: (T, T, 3) sRGB that the photo shows.
        weight: (T, T) in [0, 1] where that is bare skin.
    """
    chosen = weight > 0.3
    if chosen.sum() < LEAST_SKIN:
        return flat_light()
    samples = linear(color[chosen]).astype(np.float64)
    basis = (harmonics(relief.normal[chosen]) * relief.occlusion[chosen][:, None]).astype(np.float64)
    trust = weight[chosen].astype(np.float64)
    scale = float(np.median(samples))
    ridge = np.diag(STIFFNESS) * trust.sum()
    share = trust
    fitted = np.zeros((9, 3))
    for _ in range(ROUNDS):
        weighted = basis * share[:, None]
        fitted = np.linalg.solve(weighted.T @ basis + ridge, weighted.T @ samples)
        predicted = np.maximum(basis @ fitted, 0.02 * scale)
        off = np.log(np.maximum(samples, 1e-4) / predicted).mean(1)
        share = trust / (1 + (off / ROUGHNESS) ** 2) / predicted.mean(1) * scale
    skin = _reflectance(fitted, basis)
    return (fitted / skin).astype(np.float32)


def _reflectance(fitted: Floats, basis: Floats) -> Floats:
    """(3,) linear reflectance of the skin: brightest light is `BRIGHTNESS`, and its hue is white."""
    lit = np.maximum(basis @ fitted, 1e-4)
    return np.asarray(np.quantile(lit, 0.9, axis=0) / BRIGHTNESS)


def albedo_of(texture: Floats, light: Floats, relief: Relief) -> NDArray[np.float32]:
    """(T, T, 3) sRGB-encoded reflectance that looks like `texture` (T, T, 3) in `light`."""
    fallen = irradiance(light, relief.normal) * np.maximum(relief.occlusion, 0.1)[..., None]
    return encoded(linear(texture) / fallen)
