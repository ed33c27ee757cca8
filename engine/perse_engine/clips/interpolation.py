"""Faces between two photographs: a blend in shape and texture, not of pictures, so that every in-between is a head.

Within a category the in-betweens are the wardrobe's own (`Wardrobe.texture` and linear moves of the figure): exact
where the editor is procedural, aware of geometry where both ends are pictures that people brought. This module is for
two whole people, on the same head model.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from perse_engine.clips.noise import blurred, smoothstep
from perse_engine.errors import InputError
from perse_engine.heads.head import LEFT_EYE, RIGHT_EYE
from perse_engine.portraits.portrait import HairShell, Iris, Portrait
from perse_engine.surfaces.colors import srgb_to_oklab
from perse_engine.surfaces.unproject import texel_map

Floats = NDArray[np.float32]

SEEN = (0.02, 0.08)
"""OKLab distance between which a change passes from invisible to plain."""
MOVED = (0.0005, 0.003)
"""Metres between which a move passes from invisible to plain."""

BEHIND = np.array([0.0, 0.02, -0.08])
"""Metres from between the eyes to the middle of the skull."""
APART = 0.004
"""Metres that the coming shell lies before the going one half way, so that they do not flicker through each other."""
REACH = 0.1
"""Radians within which two shells count as lying in one direction."""


def between(first: Portrait, last: Portrait, share: float) -> Portrait:
    """The person `share` of the way from `first` to `last`, in the camera of `first`.

    Shape, joints, expression, pose and the skin's sRGB are blended linearly, as the layers of a wardrobe are; of hair,
    which has no common layout, each end's own shell takes on the other's shape and fades as that one comes.

    Args:
        share: in [0, 1].

    Raises:
        InputError: bad-share; other-head, where the two were fitted with different head models or texture sizes.
    """
    if not 0 <= share <= 1:
        raise InputError("bad-share", f"{share} does not lie between 0 and 1", "give a share from 0 to 1")
    _check_alike(first, last)

    def mixed(a: NDArray[np.generic], b: NDArray[np.generic]) -> Floats:
        return ((1 - share) * np.asarray(a, np.float32) + share * np.asarray(b, np.float32)).astype(np.float32)

    head = dataclasses.replace(
        first.head,
        template=mixed(first.head.template, last.head.template),
        joints=mixed(first.head.joints, last.head.joints),
    )
    state = dataclasses.replace(
        first.state,
        expression=mixed(first.state.expression, last.state.expression),
        pose=mixed(first.state.pose, last.state.pose),
    )
    shell, hair = _both_hairs(first, last, share)
    return dataclasses.replace(
        first,
        head=head,
        state=state,
        identity=mixed(first.identity, last.identity),
        offsets=mixed(first.offsets, last.offsets),
        texture=mixed(first.texture, last.texture),
        albedo=mixed(first.albedo, last.albedo),
        light=mixed(first.light, last.light),
        texture_confidence=mixed(first.texture_confidence, last.texture_confidence),
        hair_shell=shell,
        hair_texture=hair,
        iris=Iris(
            mixed(first.iris.color, last.iris.color), mixed(first.iris.radius, last.iris.radius), first.iris.center
        ),
        source={"between": [dict(first.source), dict(last.source)], "share": share},
    )


def changed(first: Portrait, last: Portrait) -> Floats:
    """(T, T) in [0, 1]: where on the head's texture the two differ, in colour or in shape beyond size and place.

    Raises:
        InputError: other-head.
    """
    _check_alike(first, last)
    color = np.linalg.norm(srgb_to_oklab(first.texture) - srgb_to_oklab(last.texture), axis=-1)
    a, b = (np.asarray(p.head.template, np.float64) for p in (first, last))
    move = b - b.mean(0) - (a - a.mean(0)) * np.linalg.norm(b - b.mean(0)) / np.linalg.norm(a - a.mean(0))
    texels = texel_map(first.head.uv, first.head.uv_faces, first.texture.shape[:2])
    moved = texels.interpolate(first.head.faces, np.linalg.norm(move, axis=1, keepdims=True))[..., 0]
    mask = np.maximum(smoothstep(*SEEN, blurred(color.astype(np.float32), 2.0)), smoothstep(*MOVED, moved))
    return np.asarray(mask * (texels.triangle >= 0), np.float32)


def _check_alike(first: Portrait, last: Portrait) -> None:
    same = first.head.template.shape == last.head.template.shape and np.array_equal(first.head.faces, last.head.faces)
    if not same or first.texture.shape != last.texture.shape:
        raise InputError(
            "other-head", "the two portraits were fitted with different heads", "fit both with the same --head"
        )


def _both_hairs(first: Portrait, last: Portrait, share: float) -> tuple[HairShell, Floats]:
    """Both shells as one mesh, their textures side by side, each as opaque as its share says."""
    a, b = first.hair_shell, last.hair_shell
    center = (first.head.joints[[LEFT_EYE, RIGHT_EYE]].mean(0) + BEHIND).astype(np.float32)
    lift = APART * 4 * share * (1 - share)
    shell = HairShell(
        np.concatenate([_towards(a, b, center, share, 0.0), _towards(b, a, center, 1 - share, lift)]).astype(
            np.float32
        ),
        np.concatenate([a.faces, b.faces + len(a.vertices)]).astype(np.int32),
        np.concatenate([a.uv * [0.5, 1], b.uv * [0.5, 1] + [0.5, 0]]).astype(np.float32),
        np.concatenate([a.weights, b.weights]).astype(np.float32),
    )
    # the one behind stays mostly there half way, so that hardly any skin shines through where both have hair
    there = [np.clip(1.5 * (1 - share), 0, 1), share]
    height = max(first.hair_texture.shape[0], last.hair_texture.shape[0])
    halves = []
    for texture, opacity in ((first.hair_texture, there[0]), (last.hair_texture, there[1])):
        rows = np.linspace(0, texture.shape[0] - 1, height).round().astype(int)
        half = texture[rows].copy()
        half[..., 3] *= np.float32(opacity)
        halves.append(half)
    return shell, np.concatenate(halves, 1).astype(np.float32)


def _towards(shell: HairShell, other: HairShell, center: Floats, share: float, lift: float) -> Floats:
    """(H, 3) the shell's vertices `share` of the way to where the other one lies, and `lift` metres further out."""
    own, theirs = shell.vertices - center, other.vertices - center
    radius, far = np.linalg.norm(own, axis=1), np.linalg.norm(theirs, axis=1)
    if not len(theirs):
        return shell.vertices
    direction = own / np.maximum(radius, 1e-6)[:, None]
    apart, index = cKDTree(theirs / np.maximum(far, 1e-6)[:, None]).query(direction, k=min(4, len(theirs)))
    apart, index = apart.reshape(len(own), -1), index.reshape(len(own), -1)
    weight = 1 / (apart + 0.01) ** 2
    wanted = (far[index] * weight).sum(1) / weight.sum(1)
    near = smoothstep(2 * REACH, REACH, apart[:, 0])  # where the other has no hair, this one keeps its place
    return np.asarray(center + direction * (radius + share * near * (wanted - radius) + lift)[:, None], np.float32)
