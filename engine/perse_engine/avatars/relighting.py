"""The avatar in another light: what a Gaussian's colour holds of its own light is divided out, the new one put in.

Matt surfaces and light from afar: nothing throws a shadow, and highlights stay where the photograph had them. After
the ratio images of Marschner, Greenberg, "Inverse lighting for photography", 1997.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from perse_engine.surfaces.lighting import BANDS, flat_light, harmonics, irradiance, linear
from perse_engine.surfaces.normals import vertex_normals

if TYPE_CHECKING:
    from perse_engine.avatars.avatar import Avatar

Floats = NDArray[np.float32]

LIGHT = "light"
"""The avatar's own light in its provenance: nine rows of three numbers, as `surfaces.lighting` has them."""
INNER = frozenset({"mouth", "sockets", "eyes", "teeth", "tongue", "lashes"})
"""Parts that are lit as the face is on the whole: the shade that lips and lids throw on them is not simulated."""
LEAST_OWN = 0.35
"""Share of the mean of its own light below which a surface is not brightened further: there colour is mostly noise."""
MOST_GAIN = 4.0
"""How many times as bright as it was a surface may become."""
VARIED = 0.14  # natural logarithm by which skin differs from place to place; as `portraits.light`
STRENGTH = np.array([1.0, 0.55, 0.35])[BANDS]  # usual size of each order of light, relative to the mean
INDEPENDENT = 150.0  # how many independent samples one face is worth
COMPLEXION, LIKELY = 0.29, 0.41  # luminance of the skins of the world; share of a difference that is the light's
ROUNDS = 8


@dataclasses.dataclass(frozen=True, eq=False)
class Light:
    """A light from afar, and how much of it is mixed in.

    Attributes:
        coefficients: (9, 3) linear RGB radiance, in head space, as `surfaces.lighting` has them.
        amount: 0 is the avatar's own light, 1 this one.
    """

    coefficients: Floats
    amount: float


def relit(avatar: Avatar, posed: Floats, chosen: NDArray[np.int32], colors: Floats, light: Light) -> Floats:
    """(n, 3) sRGB of the `chosen` (n,) Gaussians of `avatar` in `light`.

    Args:
        posed: (V, 3) the bind mesh as it is posed, head space.
        colors: (n, 3) sRGB as they are painted.
    """
    fallen = harmonics(_normals(avatar, posed, chosen)) @ np.asarray(light.coefficients, np.float32)
    gain = np.clip(fallen / avatar.own_irradiance[chosen], 0.0, MOST_GAIN)
    return _encoded(linear(colors) * (1 + np.float32(light.amount) * (gain - 1)))


def own_irradiance(avatar: Avatar) -> Floats:
    """(N, 3) what fell on each Gaussian of `avatar` when its colour was made, at rest; never quite nothing."""
    every = np.arange(avatar.count, dtype=np.int32)
    fallen = irradiance(avatar.own_light, _normals(avatar, avatar.figure.vertices, every))
    return np.maximum(fallen, np.float32(LEAST_OWN * fallen.mean()))


def own_light(avatar: Avatar) -> Floats:
    """(9, 3) the light that the colours of `avatar` hold: as its portrait's fit has found it, or estimated."""
    told = stored_light(avatar.provenance.get(LIGHT))
    return estimated_light(avatar) if told is None else told


def stored_light(content: Any) -> Floats | None:
    """The light that a file says, or None where it says none that could be one."""
    try:
        light = np.asarray(content, np.float32)
    except (TypeError, ValueError):
        return None
    if light.shape != (9, 3) or not np.isfinite(light).all() or not (light[0] > 0).all():
        return None
    return light


def estimated_light(avatar: Avatar) -> Floats:
    """(9, 3) white light that best explains how bright the skin of `avatar` is; from everywhere, where it has none.

    Robust least squares: brows, lips and what hair shades count less and less. How bright it is altogether cannot be
    told from how dark the skin is; priors decide, as in `portraits.light`.
    """
    figure = avatar.figure
    chosen = np.flatnonzero(figure.face_parts[avatar.triangles] == _skin(avatar)).astype(np.int32)
    if len(chosen) < INDEPENDENT:
        return flat_light()
    brightness = linear(avatar.colors[chosen]) @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    scale = max(float(np.median(brightness)), 1e-3)
    basis = harmonics(_normals(avatar, figure.vertices, chosen)).astype(np.float64) / 0.282095
    wanted, trust = brightness / scale, np.ones(len(chosen))
    found = np.eye(9)[0]
    for _ in range(ROUNDS):
        weight = trust * INDEPENDENT / trust.sum() / VARIED**2
        system = basis.T @ (basis * weight[:, None])
        system[1:, 1:] += np.diag(1 / STRENGTH[1:] ** 2)
        found = np.linalg.solve(system, basis.T @ (wanted * weight))
        trust = 1 / (1 + ((wanted - basis @ found) / (2 * VARIED)) ** 2)
    lit = scale * float(np.quantile(basis @ found, 0.8))
    level = np.exp(LIKELY * np.log(lit / COMPLEXION)) * scale / lit
    return np.repeat(found[:, None] * level / 0.282095, 3, 1).astype(np.float32)


def _normals(avatar: Avatar, vertices: Floats, chosen: NDArray[np.int32]) -> Floats:
    """(n, 3) unit normals of the figure, with its vertices at `vertices` (V, 3), where the `chosen` Gaussians are."""
    of_vertices = vertex_normals(vertices, avatar.figure.faces)
    corners, shares = avatar.corners[chosen], avatar.barycentric[chosen]
    normals = np.einsum("nk,nkc->nc", shares, of_vertices[corners])
    parts = avatar.figure.face_parts[avatar.triangles[chosen]]
    inner = np.isin(parts, [k for k, part in enumerate(avatar.figure.parts) if part in INNER])
    if inner.any():
        face = avatar.figure.face_parts == _skin(avatar)
        normals[inner] = of_vertices[np.unique(avatar.figure.faces[face])].mean(0)
    return np.asarray(normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9), np.float32)


def _skin(avatar: Avatar) -> int:
    return avatar.figure.parts.index("skin")


def _encoded(light: Floats) -> Floats:
    """Linear light to sRGB, unlimited above."""
    light = np.maximum(light, 0)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)
