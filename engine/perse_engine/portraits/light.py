"""The light of a photograph, read from the skin that it falls on.

Colour is reflectance times light, and neither is known: what decides are priors. Both sides of a face reflect alike,
skin varies little and has one of the hues of skin, light varies smoothly with where a surface faces. After Barron,
Malik, "Shape, illumination, and reflectance from shading", 2015, cut down to one matt material.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.heads.head import NECK, Head, HeadState
from perse_engine.heads.posing import joint_transforms
from perse_engine.portraits.mirroring import Opposite, opposite
from perse_engine.portraits.parts import disc
from perse_engine.portraits.skin import bare_skin, plain_skin
from perse_engine.portraits.window import Window
from perse_engine.surfaces.lighting import BANDS, encoded, flat_light, harmonics, irradiance, linear
from perse_engine.surfaces.normals import vertex_normals
from perse_engine.surfaces.occlusion import ambient_occlusion
from perse_engine.surfaces.unproject import Sight, Texels

REACH = 0.06
"""Metres within which the head shades itself."""
CLOSED = 0.12
"""Openness below which light from the sides and through the skin keeps it from being darker."""
DEEP = 0.45
"""Openness below which skin says little of the light."""
LEAST_SAMPLES = 60
COARSE = 8  # texels between samples
INDEPENDENT = 150.0  # how many independent samples one face is worth
VARIED = 0.14  # natural logarithms by which one face's skin differs from place to place
ALIKE = 0.08  # ... and from one side to the other
STRENGTH = np.array([1.0, 0.55, 0.35])[BANDS]  # usual size of each order of light, relative to the mean
TINTED = np.array([1.0, 0.06, 0.03])[BANDS]  # ... and how far its channels differ in that
DOUBT = 6.0  # how much less the hue of shade tells: dark skin and dark paint are redder than their light
COMPLEXION = np.log([0.48, 0.26, 0.17])  # linear reflectance in the middle of the skins of the world
OPPONENT = np.array([[1, 1, 1], [1, -1, 0], [1, 1, -2]]) / np.sqrt([[3], [2], [6]])
COMPLEXIONS = np.array([0.6, 0.14, 0.22])  # natural logarithms by which they differ: darkness, red-green, yellow-blue
TINTS = np.array([0.5, 0.10, 0.25])  # ... and lights, which are warm or cool before they are pink or green
UNSEEN = 60.0  # how firmly light from every direction is held near the mean: 1 / 0.13 squared
AROUND = harmonics(
    np.array([[x, y, z] for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1) if x or y or z])
    / np.sqrt([[x * x + y * y + z * z] for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1) if x or y or z])
).astype(np.float64)
"""(26, 9) light on surfaces that face every way."""
ROUNDS = 14
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
    own = np.unique(surface)
    occlusion = np.ones(len(vertices), np.float32)
    occlusion[own] = ambient_occlusion(vertices[own], posed[own], vertices, surface, REACH)
    field = texels.interpolate(head.faces, np.concatenate([posed @ turn, occlusion[:, None]], 1).astype(np.float32))
    normal = field[..., :3] / np.maximum(np.linalg.norm(field[..., :3], axis=-1, keepdims=True), 1e-9)
    return Relief(normal, field[..., 3])


def find_light(head: Head, texels: Texels, sight: Sight, window: Window, relief: Relief) -> NDArray[np.float32]:
    """(9, 3) the light that fell on the skin that `window` shows; arguments as in `paint_head_texture`."""
    skin = (texels.triangle >= 0) & (head.face_parts[texels.triangle] == head.parts.index("skin"))
    weight = skin * plain_skin(head, texels, sight, window) * (relief.occlusion > DEEP)
    weight *= np.clip((sight.confidence - 0.05) / 0.2, 0, 1) * (sight.read(bare_skin(window)) > 0.95)
    weight = cv2.erode(np.asarray(weight, np.float32), disc(2))
    return fit_light(sight.read(window.pixels), weight, relief, opposite(head, texels))


def fit_light(color: Floats, weight: Floats, relief: Relief, other: Opposite) -> NDArray[np.float32]:
    """(9, 3) second-order light in the skull's axes that best explains the skin's colours.

    A photo with too little skin gets light from everywhere.

    Args:
        color: (T, T, 3) sRGB that the photo shows.
        weight: (T, T) in [0, 1] where that is bare skin, lips and lids and what lies deep not counted.
        other: the other side.
    """
    samples = _samples(color, weight, relief, other)
    if len(samples.weight) < LEAST_SAMPLES:
        return flat_light()
    grey = _fitted(samples, samples.logs.mean(1), np.eye(9)[0], STRENGTH, 1.0)
    shape = grey / grey[0]
    bright = samples.basis @ grey
    share = np.clip(bright / np.quantile(bright, 0.8), 0.01, 1) ** 2
    samples = dataclasses.replace(
        samples, weight=samples.weight * share, pairing=samples.pairing * share[samples.first]
    )
    lights = np.stack([_fitted(samples, samples.logs[:, k], shape, TINTED, DOUBT) for k in range(3)], 1)
    whole = np.log(np.maximum(samples.basis @ lights, 1e-6))
    return (lights / _complexion(whole)).astype(np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class _Samples:
    """N of the face's texels: `logs` (N, 3) of their colours, `basis` (N, 9), `weight` (N,) that sums to `INDEPENDENT`.

    `first` and `second` (P,) index those that mirror each other, `pairing` (P,) is their weight.
    """

    logs: Floats
    basis: Floats
    weight: Floats
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    pairing: Floats


def _samples(color: Floats, weight: Floats, relief: Relief, other: Opposite) -> _Samples:
    every = slice(COARSE // 2, None, COARSE)
    chosen = np.zeros(weight.shape, bool)
    chosen[every, every] = weight[every, every] > 0.3
    mirrored = other.read(weight)
    paired = chosen & (mirrored > 0.3)
    rows = [
        (linear(color)[chosen], relief.normal[chosen], relief.occlusion[chosen], weight[chosen]),
        (
            linear(other.read(color))[paired],
            other.read(relief.normal)[paired],
            other.read(relief.occlusion)[paired],
            mirrored[paired],
        ),
    ]
    colors, normals, openness, trust = (np.concatenate([row[k] for row in rows]) for k in range(4))
    normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    basis = harmonics(normals).astype(np.float64) * np.maximum(openness, CLOSED)[:, None]
    first = np.flatnonzero(paired[chosen])
    second = int(chosen.sum()) + np.arange(len(first))
    total = max(float(trust[: int(chosen.sum())].sum()), 1e-9)
    own = np.where(np.arange(len(trust)) < chosen.sum(), trust, 0) * (INDEPENDENT / total)
    pairing = np.minimum(trust[first], trust[second]) * (INDEPENDENT / total)
    return _Samples(np.log(np.maximum(colors, 3e-3)), basis, own, first, second, pairing)


def _fitted(samples: _Samples, logs: Floats, shape: Floats, spread: Floats, doubt: float) -> Floats:
    """(9,) light times reflectance of one channel, drawn to `shape` (9,) times its mean by `spread` (9,).

    Gauss–Newton on logarithms; what does not agree counts less and less, as highlights, beards and shadows cast by what
    is not the head do.
    """
    inner = shape.copy()  # light is exp(level) times this; its first entry stays
    held = (doubt / spread[1:]) ** 2
    level = 0.0
    for k in range(ROUNDS):
        predicted = np.maximum(samples.basis @ inner, 0.04 * samples.basis[:, 0])
        off = logs - np.log(predicted)
        if k == 0:
            level = _weighted_median(off, samples.weight)
        off = off - level
        slope = np.concatenate([np.ones((len(off), 1)), samples.basis[:, 1:] / predicted[:, None]], 1)
        loose = 1 + 3 * 0.6**k
        trust = samples.weight / VARIED**2 / (1 + (off / (2 * VARIED * loose)) ** 2)
        apart = off[samples.first] - off[samples.second]
        turning = slope[samples.first] - slope[samples.second]
        pairing = samples.pairing / ALIKE**2 / (1 + (apart / (3 * ALIKE * loose)) ** 2)
        system = slope.T @ (slope * trust[:, None]) + turning.T @ (turning * pairing[:, None])
        wanted = slope.T @ (off * trust) + turning.T @ (apart * pairing)
        # from where nothing is seen comes about the mean light
        around = np.maximum(AROUND @ inner, 0.04 * AROUND[:, 0])
        off = np.log(AROUND[:, 0] / around)
        slope = AROUND[:, 1:] / around[:, None]
        system[1:, 1:] += slope.T @ slope * (UNSEEN / len(AROUND))
        wanted[1:] += slope.T @ off * (UNSEEN / len(AROUND))
        system[1:, 1:] += np.diag(held)
        wanted[1:] -= held * (inner - shape)[1:]
        step = np.linalg.solve(system, wanted)
        step *= min(1.0, 0.5 / float(np.abs(step).max()))
        level += step[0]
        inner[1:] += step[1:]
    return inner * np.exp(level)


def _weighted_median(values: Floats, weight: Floats) -> float:
    order = np.argsort(values)
    share = np.cumsum(weight[order])
    return float(values[order[np.searchsorted(share, share[-1] / 2)]])


def _complexion(whole: Floats) -> Floats:
    """(3,) linear reflectance of skin that sends back `whole` (N, 3) logarithms: its light is nearly white."""
    lit = whole.mean(1)
    brightest = np.median(whole[lit > np.quantile(lit, 0.8)], 0)
    off = OPPONENT @ (brightest - COMPLEXION)
    share = COMPLEXIONS**2 / (COMPLEXIONS**2 + TINTS**2)
    return np.asarray(np.exp(COMPLEXION + OPPONENT.T @ (share * off)))


def albedo_of(texture: Floats, light: Floats, relief: Relief) -> NDArray[np.float32]:
    """(T, T, 3) sRGB-encoded reflectance that looks like `texture` (T, T, 3) in `light`."""
    return encoded(linear(texture) / fallen(light, relief))


def fallen(light: Floats, relief: Relief) -> NDArray[np.float32]:
    """(T, T, 3) linear RGB that falls on each texel in the photo."""
    return irradiance(light, relief.normal) * np.maximum(relief.occlusion, CLOSED)[..., None].astype(np.float32)
