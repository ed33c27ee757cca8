"""What requests are made of: cameras, windows, masks, and the files that pictures and meshes travel in."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

from .errors import require

LARGEST_SIDE = 16384
LARGEST_MESH = 1 << 28

Pass = Literal["combined", "depth", "normal"]
Numbers = tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Camera:
    """A camera with OpenCV's axes: x right, y down, z forward; the first pixel's centre is (0.5, 0.5).

    Attributes:
        view: 16 numbers, world to camera, rigid.
        fx, fy: focal lengths, pixels; of an orthographic camera pixels in a world unit; > 0.
        cx, cy: principal point, pixels from the upper left corner.
        width, height: the whole picture, pixels.
        near: distance below which nothing is drawn, world units, > 0.
        orthographic: whether rays are parallel instead of meeting in the camera.
    """

    view: Numbers
    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    near: float = 0.01
    orthographic: bool = False

    def __post_init__(self) -> None:
        require(len(self.view) == 16, "camera.view must have 16 numbers")
        require(self.fx > 0 and self.fy > 0, "camera.fx and camera.fy must be positive")
        require(self.near > 0, "camera.near must be positive")
        require(
            0 < self.width <= LARGEST_SIDE and 0 < self.height <= LARGEST_SIDE,
            f"a picture of {self.width} x {self.height} is not between 1 and {LARGEST_SIDE} pixels a side",
        )


@dataclasses.dataclass(frozen=True)
class Region:
    """A window of the picture: upper left corner and size, pixels from the picture's upper left corner."""

    x: int
    y: int
    width: int
    height: int


@dataclasses.dataclass(frozen=True)
class FrameFile:
    """Where the engine writes the picture; see `frames.FrameBuffer`.

    Attributes:
        path: a file that the client made and keeps mapped.
        generation: changes whenever the client makes a larger file.
    """

    path: str
    generation: int


@dataclasses.dataclass(frozen=True)
class MeshFile:
    """Where the client has put a mesh; see `meshes.MeshStore`.

    Attributes:
        path: a file that the client made, named after its content.
        corners, triangles: how many are in it.
    """

    path: str
    corners: int
    triangles: int

    def __post_init__(self) -> None:
        require(
            0 <= self.corners <= LARGEST_MESH and 0 <= self.triangles <= LARGEST_MESH,
            f"a mesh may have at most {LARGEST_MESH} corners and triangles",
        )


@dataclasses.dataclass(frozen=True)
class Mask:
    """A plane that says how much of each pixel something covers, in [0, 1]: avatars, or a region of them.

    Attributes:
        instances: indices of `Render.instances`, or None for all.
        region: a category of the avatars' files, "skin" or "eyes"; None for all of them.
    """

    instances: tuple[int, ...] | None = None
    region: str | None = None


def extra_planes(passes: Sequence[Pass], masks: Sequence[Mask]) -> int:
    """How many planes a picture has beyond colour and depth: three of the normal if asked for, then one a mask."""
    return 3 * ("normal" in passes) + len(masks)
