"""An avatar as Gaussian blendshapes: the Gaussians at rest and, for each slider, what changes where it stands at one.

Whoever adds them up needs no head model, no painting and no skinning: see docs/exporting.md, which also says how far a
sum is from the avatar itself. A slider that stands alone at one is exact to half precision. Where places, rotations and
scales follow the slider, colour and coverage follow how far a style has come there: they fade between two values of it.
What is an approximation: turning and scaling in between, and several styles that meet on one Gaussian.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.decoding import take_stance
from perse_engine.avatars.painting import OVERLAP, paint
from perse_engine.avatars.placing import place
from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.styles import APPEAR_FULL_AT, GROW_FULL_AT
from perse_engine.exporting.origin import Origin
from perse_engine.progress import Progress

Arrays = dict[str, NDArray[Any]]

VERSION = 1
LEAST: Mapping[str, float] = {
    "means": 2e-6,
    "quaternions": 2e-4,
    "log_scales": 1e-3,
    "colors": 5e-4,
    "coverages": 5e-4,
}
"""What changes by less than this is left out."""
_FULL_AT = {"morph": 1.0, "grow": GROW_FULL_AT, "appear": APPEAR_FULL_AT}
_SHORTEST = 1e-3
"""Of a fade, in units of its slider."""


def write_blendshapes(stream: BinaryIO, avatar: Avatar, origin: Origin, progress: Progress) -> None:
    """Write the blendshapes of `avatar` as a compressed .npz, which `numpy.load` reads without pickle."""
    expressions = len(avatar.figure.expression_names)
    sliders = [*(f"expr_{name}" for name in avatar.figure.expression_names), *(s.slider for s in avatar.styles)]
    rest = every_gaussian(avatar, AvatarState())
    rows: list[NDArray[np.int32]] = []
    deltas: list[Arrays] = []
    spans: list[NDArray[np.float32]] = [np.zeros((0, 2), np.float32)]
    seen = rest["coverages"] > LEAST["coverages"]
    for number, slider in enumerate(sliders):
        progress("blendshapes", number, len(sliders))
        posed = every_gaussian(avatar, AvatarState({slider: 1.0}))
        seen |= posed["coverages"] > LEAST["coverages"]
        found, delta = changes(rest, posed)
        rows.append(found)
        deltas.append(delta)
        spans.append(fades(avatar, number - expressions)[found] if number >= expressions else _whole(len(found)))
    progress("blendshapes", len(sliders), len(sliders))
    about = {
        "format": "perse-blendshapes",
        "version": VERSION,
        "generator": origin.generator,
        "avatar": origin.avatar,
        "licences": list(origin.licences),
        "photograph": origin.photo,
        "overlap": OVERLAP,
    }
    # A hat that nobody wears follows the face, for another slider may show it; what none shows can be left out.
    kept = [seen[found] for found in rows]
    faded = np.concatenate([spans[0], *(span[keep] for span, keep in zip(spans[1:], kept, strict=True))])
    content: Arrays = {
        "about": np.array(json.dumps(about)),
        "sliders": np.array(sliders, np.str_),
        **rest,
        "starts": np.cumsum([0, *(int(keep.sum()) for keep in kept)], dtype=np.int64),
        "gaussians": np.concatenate([np.zeros(0, np.int32), *(f[keep] for f, keep in zip(rows, kept, strict=True))]),
        "fades_from": faded[:, 0],
        "fades_to": faded[:, 1],
    }
    for name, values in rest.items():
        of_none = np.zeros((0, *values.shape[1:]), np.float16)
        moved = (delta[name][keep] for delta, keep in zip(deltas, kept, strict=True))
        content[f"delta_{name}"] = np.concatenate([of_none, *moved])
    np.savez_compressed(stream, allow_pickle=False, **content)


def every_gaussian(avatar: Avatar, state: AvatarState) -> Arrays:
    """All N Gaussians in `state`, also those that do not show: the arrays named in `LEAST`, float32."""
    stance = take_stance(avatar, state)
    painted = paint(avatar, stance.weights, stance.presence, stance.drivers)
    placed = place(
        stance.frames,
        avatar.corners,
        avatar.barycentric,
        painted.offsets,
        avatar.quaternions,
        avatar.log_scales,
        avatar.low_pass,
        np.arange(avatar.count, dtype=np.int32),
    )
    return {
        "means": placed.means,
        "quaternions": placed.quaternions,
        "log_scales": np.log(placed.scales),
        "colors": painted.colors,
        "coverages": painted.coverages,
    }


def changes(rest: Arrays, posed: Arrays) -> tuple[NDArray[np.int32], Arrays]:
    """Which Gaussians differ, ascending, and by how much, in half precision."""
    aligned = np.where((rest["quaternions"] * posed["quaternions"]).sum(1, keepdims=True) < 0, -1, 1)
    posed = {**posed, "quaternions": posed["quaternions"] * aligned}
    delta = {name: posed[name] - rest[name] for name in LEAST}
    count = len(rest["means"])
    differs = [np.abs(delta[name].reshape(count, -1)).max(1) > least for name, least in LEAST.items()]
    rows = np.flatnonzero(np.any(differs, 0)).astype(np.int32)
    return rows, {name: values[rows].astype(np.float16) for name, values in delta.items()}


def fades(avatar: Avatar, style: int) -> NDArray[np.float32]:
    """(N, 2) values of the slider of `style` between which its colour and coverage come to each Gaussian."""
    looks, own = avatar.appearance, avatar.appearance.of(style)
    spans = _whole(avatar.count)
    spans[looks.gaussians[own], 0] = looks.onsets[own]
    spans[looks.gaussians[own], 1] = np.minimum(looks.onsets[own] + looks.softness[style], 1)
    spans *= np.float32(_FULL_AT[avatar.styles[style].between])
    spans[:, 1] = np.maximum(spans[:, 1], spans[:, 0] + np.float32(_SHORTEST))
    return spans


def _whole(count: int) -> NDArray[np.float32]:
    return np.tile(np.array([0, 1], np.float32), (count, 1))
