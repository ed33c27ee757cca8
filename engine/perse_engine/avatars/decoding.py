"""Playback: an avatar and a state in, Gaussians out. Compiled, without torch."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.binding import vertex_frames
from perse_engine.avatars.painting import Painted, paint
from perse_engine.avatars.placing import Placed, place
from perse_engine.avatars.precedence import set_back
from perse_engine.avatars.relighting import Light, relit
from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.styles import expression_weights, presence, style_weights
from perse_engine.heads.figure_posing import rest_figure, skin
from perse_engine.heads.posing import joint_transforms
from perse_engine.splatting.gaussians import Gaussians

Floats = NDArray[np.float32]

INVISIBLE = 1 / 255
"""Opacity below which a Gaussian is not drawn."""


@dataclasses.dataclass(frozen=True, eq=False)
class Stance:
    """A state resolved against one avatar.

    Attributes:
        frames: (V, FRAME) of every vertex, see `binding`.
        weights: (K,) style weights.
        presence: (K,) how far their appearance has come.
        drivers: (D,) of the expression correctives.
        eye: (3,) head space, metres, where the avatar is seen from; None where that is not known.
    """

    frames: Floats
    weights: Floats
    presence: Floats
    drivers: Floats
    eye: NDArray[np.floating] | None = None


def decode(
    avatar: Avatar, state: AvatarState, eye: NDArray[np.floating] | None = None, light: Light | None = None
) -> Gaussians:
    """The Gaussians of `avatar` in `state`, in head space; those that are fully transparent are left out.

    Args:
        avatar: whom.
        state: sliders and pose.
        eye: (3,) head space, metres, where it is seen from, for the order of thin layers (`precedence`); None leaves
            everything where it is.
        light: in which it is seen; None, or nothing of it, leaves colours as they were trained.

    Raises:
        InputError: unknown-slider, not-a-number.
    """
    return decode_visible(avatar, state, eye, light)[0]


def decode_visible(
    avatar: Avatar, state: AvatarState, eye: NDArray[np.floating] | None = None, light: Light | None = None
) -> tuple[Gaussians, NDArray[np.int32], Painted]:
    """As `decode`; with the indices (M,) in the avatar of those that show, and all Gaussians' looks.

    Raises:
        InputError: unknown-slider, not-a-number.
    """
    stance = take_stance(avatar, state, eye)
    painted, visible, placed, _ = paint_and_place(avatar, stance)
    colors = painted.colors[visible]
    if light is not None and light.amount > 0:
        colors = relit(avatar, stance.frames[:, :3], visible, colors, light)
    gaussians = Gaussians(placed.means, placed.quaternions, placed.scales, painted.opacities[visible], colors)
    return gaussians, visible, painted


def take_stance(avatar: Avatar, state: AvatarState, eye: NDArray[np.floating] | None = None) -> Stance:
    """Resolve the sliders of `state` and pose the bind mesh, seen from `eye` (3,) in head space.

    Raises:
        InputError: unknown-slider, not-a-number.
    """
    weights = style_weights(avatar.styles, state.sliders)
    vertices = _posed(avatar, state, weights)
    drivers = avatar.correctives.drivers(avatar.figure.expression_names, state)
    return Stance(vertex_frames(avatar.binding, vertices), weights, presence(avatar.styles, weights), drivers, eye)


def posed_vertices(avatar: Avatar, state: AvatarState) -> Floats:
    """The bind mesh of `avatar` in `state`, (V, 3) metres, head space.

    Raises:
        InputError: unknown-slider, not-a-number.
    """
    return _posed(avatar, state, style_weights(avatar.styles, state.sliders))


def _posed(avatar: Avatar, state: AvatarState, weights: Floats) -> Floats:
    figure = avatar.figure
    expression = expression_weights(figure.expression_names, state.sliders)
    rest, joints = rest_figure(figure, weights, expression)
    transforms = joint_transforms(joints, state.pose) if state.transforms is None else state.transforms
    return skin(rest, figure.weights, transforms)


def paint_and_place(avatar: Avatar, stance: Stance) -> tuple[Painted, NDArray[np.int32], Placed, Floats | None]:
    """Every Gaussian's look, the indices (M,) of those that show, where these M lie, and how many times as far away and
    as large as they are each was drawn for the sake of order; None where that is nobody's matter."""
    painted = paint(avatar, stance.weights, stance.presence, stance.drivers)
    visible = np.flatnonzero(painted.opacities > INVISIBLE).astype(np.int32)
    placed = place(
        stance.frames,
        avatar.corners,
        avatar.barycentric,
        painted.offsets,
        avatar.quaternions,
        avatar.log_scales,
        avatar.low_pass,
        visible,
    )
    times = None
    if stance.eye is not None and avatar.thin.any():
        times = set_back(placed, avatar.thin[visible], stance.eye)
    return painted, visible, placed, times
