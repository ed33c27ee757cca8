"""The pinhole camera that portraits, meshes and Gaussians share.

Axes are OpenCV's: x right, y down, z forward. Pixel (0, 0) covers [0, 1) x [0, 1), so its centre is (0.5, 0.5).
The world is head space: metres, y up, z out of the face, x towards the person's left, origin at the neck joint.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

FAR_AWAY = 100.0
"""World units from where rays to something of a head's size are as good as parallel."""


@dataclasses.dataclass(frozen=True, eq=False)
class Camera:
    """A perspective or an orthographic camera.

    Attributes:
        view: (4, 4) float64, world to camera, a rigid transform.
        fx, fy: focal lengths, pixels; of an orthographic camera pixels in a world unit; > 0.
        cx, cy: principal point, pixels; may lie outside the image.
        width, height: image size, pixels, > 0.
        near: distance below which nothing is drawn, world units, > 0.
        orthographic: whether rays are parallel instead of meeting in the camera. Only the CPU backend draws that.
    """

    view: NDArray[np.float64]
    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    near: float = 0.01
    orthographic: bool = False

    def resized(self, width: int, height: int) -> Camera:
        """The same picture at another size."""
        sx, sy = width / self.width, height / self.height
        return dataclasses.replace(
            self, fx=self.fx * sx, fy=self.fy * sy, cx=self.cx * sx, cy=self.cy * sy, width=width, height=height
        )

    def cropped(self, x: float, y: float, width: int, height: int) -> Camera:
        """The window of this picture whose upper left corner is (x, y) in pixels; it may reach outside."""
        return dataclasses.replace(self, cx=self.cx - x, cy=self.cy - y, width=width, height=height)

    def fitted(self, width: int, height: int) -> Camera:
        """This picture scaled to fit inside width x height, centred; a wider frame shows more at its sides."""
        scale = min(width / self.width, height / self.height)
        return dataclasses.replace(
            self,
            fx=self.fx * scale,
            fy=self.fy * scale,
            cx=(self.cx - self.width / 2) * scale + width / 2,
            cy=(self.cy - self.height / 2) * scale + height / 2,
            width=width,
            height=height,
        )

    def orbited(self, center: NDArray[np.float64], yaw: float, pitch: float, roll: float) -> Camera:
        """The camera turned about `center` (3,) in the world, keeping its distance and its aim.

        Args:
            yaw: degrees; positive moves the camera towards the person's left.
            pitch: degrees; positive moves the camera up.
            roll: degrees; positive turns the picture clockwise.
        """
        to_center = np.eye(4)
        to_center[:3, 3] = self.view[:3, :3] @ center + self.view[:3, 3]
        from_center = np.linalg.inv(to_center)
        turn = np.eye(4)
        turn[:3, :3] = (
            _rotation(2, math.radians(roll)) @ _rotation(0, math.radians(pitch)) @ _rotation(1, math.radians(yaw))
        )
        return dataclasses.replace(self, view=to_center @ turn @ from_center @ self.view)

    def project(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """World points (..., 3) to (..., 3): x and y in pixels, planar depth z in world units."""
        local = points @ self.view[:3, :3].T + self.view[:3, 3]
        z = local[..., 2]
        away = np.ones_like(z) if self.orthographic else z
        return np.stack([self.fx * local[..., 0] / away + self.cx, self.fy * local[..., 1] / away + self.cy, z], -1)

    def position(self) -> NDArray[np.float64]:
        """Where the camera looks from in the world, (3,); an orthographic one from `FAR_AWAY` behind its centre."""
        at = -self.view[:3, :3].T @ self.view[:3, 3]
        return at - FAR_AWAY * self.view[2, :3] if self.orthographic else at

    def to_json(self) -> dict[str, object]:
        """Plain numbers and lists, for JSON."""
        return {**dataclasses.asdict(self), "view": self.view.tolist()}

    @classmethod
    def from_json(cls, content: dict[str, object]) -> Camera:
        """The inverse of `to_json`."""
        fields = dict(content)
        fields["view"] = np.asarray(fields["view"], np.float64)
        return cls(**fields)  # type: ignore[arg-type]


def front_camera(center: NDArray[np.float64], distance: float, focal: float, width: int, height: int) -> Camera:
    """A camera straight before the face at `distance` from `center` (3,), with `focal` in pixels."""
    view = np.diag([1.0, -1.0, -1.0, 1.0])
    view[:3, 3] = [-center[0], center[1], center[2] + distance]
    return Camera(view, focal, focal, width / 2, height / 2, width, height)


def _rotation(axis: int, angle: float) -> NDArray[np.float64]:
    """(3, 3) right-handed rotation about a coordinate axis, radians."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = math.cos(angle)
    matrix[i, j], matrix[j, i] = -math.sin(angle), math.sin(angle)
    return matrix
