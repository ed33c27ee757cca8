"""What an avatar's Gaussians say about its proxy: the colour of each vertex, and which parts are worn when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..rig.drivers import variables
from .avatar_file import AvatarFile

_SEEN = 0.3
"""Mean coverage from which a part counts as there."""


@dataclass(frozen=True)
class PartSwitch:
    """When a part of the mesh is hidden.

    Attributes:
        part: its name.
        styles: sliders that decide.
        hidden: the driver's expression; true where the part is to be hidden.
    """

    part: str
    styles: tuple[str, ...]
    hidden: str


def vertex_colors(avatar: AvatarFile) -> NDArray[np.float32]:
    """The sRGB colour of every vertex, (V, 3): of the Gaussians around it, as opaque as any style makes them."""
    count = len(avatar.vertices)
    corners = avatar.faces[avatar.triangles]  # (N, 3)
    colors, coverages = _shown(avatar)
    weights = avatar.barycentric * (coverages + 1e-3)[:, None]
    total = np.bincount(corners.ravel(), weights.ravel(), count)
    sums = [np.bincount(corners.ravel(), (weights * colors[:, channel, None]).ravel(), count) for channel in range(3)]
    means = np.stack(sums, -1) / np.maximum(total, 1e-12)[:, None]
    return np.clip(_filled(means, total > 1e-6, avatar.faces), 0, 1).astype(np.float32)


def part_switches(avatar: AvatarFile) -> tuple[PartSwitch, ...]:
    """The parts that come or go with styles."""
    part_of_gaussian = avatar.face_parts[avatar.triangles]
    base = _sigmoid(avatar.coverage_logits)
    switches = []
    for index, part in enumerate(avatar.parts):
        members = np.flatnonzero(part_of_gaussian == index)
        if len(members) == 0:
            continue
        worn = base[members].mean() > _SEEN
        changed_by = [
            style.name
            for k, style in enumerate(avatar.styles)
            if (_with_style(avatar, k, base)[members].mean() > _SEEN) != worn
        ]
        if worn and changed_by:
            switches.append(PartSwitch(part, tuple(changed_by), f"{_sum(changed_by)}>0.5"))
        elif not worn:
            switches.append(PartSwitch(part, tuple(changed_by), f"{_sum(changed_by)}<0.01" if changed_by else "1"))
    return tuple(switches)


def _sum(names: Sequence[str]) -> str:
    return "+".join(variables(len(names)))


def _with_style(avatar: AvatarFile, style: int, base: NDArray[np.float32]) -> NDArray[np.float32]:
    """Coverages (N,) with one style fully on."""
    looks = avatar.appearance
    entries = slice(int(looks.starts[style]), int(looks.starts[style + 1]))
    coverages = base.copy()
    gates, touched = looks.gates[entries], looks.gaussians[entries]
    coverages[touched] += gates * (_sigmoid(looks.coverage_logits[entries]) - base[touched])
    return coverages


def _shown(avatar: AvatarFile) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Colour (N, 3) and coverage (N,) of each Gaussian in the state in which it covers most."""
    colors, coverages = avatar.colors.copy(), _sigmoid(avatar.coverage_logits)
    base = coverages.copy()
    looks = avatar.appearance
    for style in range(len(avatar.styles)):
        entries = slice(int(looks.starts[style]), int(looks.starts[style + 1]))
        touched = looks.gaussians[entries]
        there = _with_style(avatar, style, base)[touched]
        better = (there > coverages[touched] + 0.1) & (base[touched] < _SEEN)
        coverages[touched[better]] = there[better]
        colors[touched[better]] = looks.colors[entries][better]
    return colors, coverages


def _filled(values: NDArray[np.float64], known: NDArray[np.bool_], faces: NDArray[np.int32]) -> NDArray[np.float64]:
    """`values` (V, 3) with unknown vertices filled from their neighbours, ring by ring."""
    values, known = values.copy(), known.copy()
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.concatenate([edges, edges[:, ::-1]])
    if known.any():
        values[~known] = values[known].mean(0)
    for _ in range(32):
        rim = edges[known[edges[:, 0]] & ~known[edges[:, 1]]]
        if len(rim) == 0:
            break
        count = np.bincount(rim[:, 1], minlength=len(values))
        reached = count > 0
        for channel in range(3):
            total = np.bincount(rim[:, 1], values[rim[:, 0], channel], len(values))
            values[reached, channel] = total[reached] / count[reached]
        known |= reached
    return values


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return (1 / (1 + np.exp(-logits.astype(np.float64)))).astype(np.float32)
