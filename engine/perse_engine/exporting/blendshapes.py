"""An avatar as Gaussian blendshapes: the Gaussians at rest and, for each slider, what changes where it stands at one.

Whoever adds them up needs no head model, no painting and no skinning: see docs/exporting.md, which also says how far a
sum is from the avatar itself. A slider that stands alone at one is exact to half precision; in between, turning, scaling
and the layers of appearance are not linear, and neither are several styles that meet on one Gaussian.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.decoding import take_stance
from perse_engine.avatars.painting import paint
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
    "opacities": 5e-4,
}
"""What changes by less than this is left out."""
_FULL_AT = {"morph": 1.0, "grow": GROW_FULL_AT, "appear": APPEAR_FULL_AT}


def write_blendshapes(stream: BinaryIO, avatar: Avatar, origin: Origin, progress: Progress) -> None:
    """Write the blendshapes of `avatar` as a compressed .npz, which `numpy.load` reads without pickle."""
    sliders = [*(f"expr_{name}" for name in avatar.figure.expression_names), *(s.slider for s in avatar.styles)]
    rest = every_gaussian(avatar, AvatarState())
    rows: list[NDArray[np.int32]] = []
    deltas: list[Arrays] = []
    for number, slider in enumerate(sliders):
        progress("blendshapes", number, len(sliders))
        found, delta = changes(rest, every_gaussian(avatar, AvatarState({slider: 1.0})))
        rows.append(found)
        deltas.append(delta)
    progress("blendshapes", len(sliders), len(sliders))
    about = {
        "format": "perse-blendshapes",
        "version": VERSION,
        "generator": origin.generator,
        "avatar": origin.avatar,
        "licences": list(origin.licences),
        "photograph": origin.photo,
    }
    content: Arrays = {
        "about": np.array(json.dumps(about)),
        "sliders": np.array(sliders, np.str_),
        "full_at": np.array(
            [1.0] * len(avatar.figure.expression_names) + [_FULL_AT[style.between] for style in avatar.styles],
            np.float32,
        ),
        **rest,
        "starts": np.cumsum([0, *map(len, rows)], dtype=np.int64),
        "gaussians": np.concatenate([np.zeros(0, np.int32), *rows]),
    }
    for name, values in rest.items():
        of_none = np.zeros((0, *values.shape[1:]), np.float16)
        content[f"delta_{name}"] = np.concatenate([of_none, *(delta[name] for delta in deltas)])
    np.savez_compressed(stream, allow_pickle=False, **content)  # type: ignore[arg-type]


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
        "opacities": painted.opacities,
    }


def changes(rest: Arrays, posed: Arrays) -> tuple[NDArray[np.int32], Arrays]:
    """Which Gaussians differ, ascending, and by how much, in half precision; what shows in neither is left out."""
    aligned = np.where((rest["quaternions"] * posed["quaternions"]).sum(1, keepdims=True) < 0, -1, 1)
    posed = {**posed, "quaternions": posed["quaternions"] * aligned}
    delta = {name: posed[name] - rest[name] for name in LEAST}
    count = len(rest["means"])
    differs = [np.abs(delta[name].reshape(count, -1)).max(1) > least for name, least in LEAST.items()]
    seen = (rest["opacities"] > LEAST["opacities"]) | (posed["opacities"] > LEAST["opacities"])
    rows = np.flatnonzero(np.any(differs, 0) & seen).astype(np.int32)
    return rows, {name: values[rows].astype(np.float16) for name, values in delta.items()}
