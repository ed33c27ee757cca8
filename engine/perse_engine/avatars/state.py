"""Where an avatar is in its space: what sliders, keyframes and Blender's bones say for one frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


def _rest_pose() -> NDArray[np.float32]:
    return np.zeros((5, 3), np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class AvatarState:
    """One frame of an avatar. The default is the person at rest.

    Attributes:
        sliders: "attr_<category>_<style>" and "expr_<name>" to value; what is absent is zero.
        pose: (5, 3) axis-angle of each joint relative to its parent, radians, order of `heads.head.JOINTS`.
        transforms: (5, 4, 4) skinning transforms in head space that take rest points to posed points, or None.
            They come from Blender's bones and replace `pose`.
    """

    sliders: Mapping[str, float] = dataclasses.field(default_factory=dict)
    pose: NDArray[np.float32] = dataclasses.field(default_factory=_rest_pose)
    transforms: NDArray[np.float32] | None = None
