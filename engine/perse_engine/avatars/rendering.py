"""From states to pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.decoding import decode
from perse_engine.avatars.fineness import averaged, extent, fineness, finer
from perse_engine.avatars.state import AvatarState
from perse_engine.cameras import Camera
from perse_engine.splatting.gaussians import Gaussians
from perse_engine.splatting.rasterize import Image, rasterize

Floats = NDArray[np.float32]


def render_avatar(
    avatar: Avatar,
    state: AvatarState,
    camera: Camera,
    background: Sequence[float] | None = None,
    *,
    backend: str = "auto",
) -> Floats:
    """A picture of one avatar, (H, W, 4) sRGB; a small one is drawn finer and averaged down.

    Args:
        avatar: whom.
        state: sliders and pose.
        camera: in the avatar's head space.
        background: sRGB colour that is put behind, or None for premultiplied colour over nothing.
        backend: as in `rasterize`.

    Raises:
        InputError: unknown-slider, not-a-number, no-backend.
    """
    gaussians, times = decode(avatar, state, camera.position()), fineness(avatar, camera)
    if times == 1:
        picture = _drawn(gaussians, camera, backend)
    else:
        part = extent(gaussians, camera)
        picture = np.zeros((camera.height, camera.width, 4), np.float32)
        if part.width and part.height:
            window = camera.cropped(part.x, part.y, part.width, part.height)
            planes = averaged(np.moveaxis(_drawn(gaussians, finer(window, times), backend), -1, 0), times)
            picture[part.y : part.y + part.height, part.x : part.x + part.width] = np.moveaxis(planes, 0, -1)
    if background is not None:
        picture[..., :3] += (1 - picture[..., 3:]) * np.asarray(background, np.float32)
        picture[..., 3] = 1.0
    return picture


def _drawn(gaussians: Gaussians, camera: Camera, backend: str) -> Floats:
    image = rasterize(gaussians, camera, backend=backend)
    return np.dstack([image.color, image.alpha])


def render_avatars(avatars: Sequence[tuple[Avatar, AvatarState, NDArray[np.floating]]], camera: Camera) -> Image:
    """Several avatars in one picture, hiding each other as their depth says, of one sample a pixel.

    Args:
        avatars: avatar, state, and (4, 4) affine model matrix from its head space to the camera's world.
        camera: of that world.

    Raises:
        InputError: unknown-slider, not-a-number.
    """
    eye = camera.position()
    parts = [transformed(decode(avatar, state, seen_from(eye, model)), model) for avatar, state, model in avatars]
    return rasterize(joined(parts), camera)


def seen_from(eye: NDArray[np.floating], model: NDArray[np.floating]) -> NDArray[np.floating]:
    """`eye` (3,) of the world in the space whose (4, 4) affine `model` leads to the world; of a flat one, any."""
    linear, shift = np.asarray(model, np.float64)[:3, :3], np.asarray(model, np.float64)[:3, 3]
    return np.linalg.pinv(linear) @ (eye - shift)


def transformed(gaussians: Gaussians, model: NDArray[np.floating]) -> Gaussians:
    """`gaussians` under the (4, 4) affine `model`; a shear is followed by stretching along the Gaussians' own axes."""
    if np.array_equal(model, np.eye(4)):
        return gaussians
    linear = np.asarray(model, np.float64)[:3, :3]
    left, singular, right = np.linalg.svd(linear)
    rotation = left @ right
    if np.linalg.det(rotation) < 0:  # a mirror: Gaussians are symmetric, so turning suffices
        rotation = left @ np.diag([1.0, 1.0, -1.0]) @ right
    turned = _multiply(_quaternion(rotation), gaussians.quaternions)
    if np.ptp(singular) < 1e-6 * singular[0]:
        scales = gaussians.scales * np.float32(singular.mean())
    else:
        axes = _matrices(gaussians.quaternions)
        scales = gaussians.scales * np.linalg.norm(linear.astype(np.float32) @ axes, axis=1)
    means = gaussians.means @ linear.T.astype(np.float32) + np.asarray(model, np.float32)[:3, 3]
    return Gaussians(means, turned, scales, gaussians.opacities, gaussians.colors)


def joined(parts: Sequence[Gaussians]) -> Gaussians:
    """All Gaussians of `parts` as one set."""
    if len(parts) == 1:
        return parts[0]
    empty = Gaussians(*(np.zeros(shape, np.float32) for shape in ((0, 3), (0, 4), (0, 3), (0,), (0, 3))))
    every = [empty, *parts]
    return Gaussians(
        np.concatenate([g.means for g in every]),
        np.concatenate([g.quaternions for g in every]),
        np.concatenate([g.scales for g in every]),
        np.concatenate([g.opacities for g in every]),
        np.concatenate([g.colors for g in every]),
    )


def _quaternion(rotation: NDArray[np.float64]) -> Floats:
    """(4,) w x y z of a (3, 3) rotation: the eigenvector of its largest squared component (Bar-Itzhack 2000)."""
    m = rotation
    k = np.array(
        [
            [m[0, 0] + m[1, 1] + m[2, 2], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], m[0, 0] - m[1, 1] - m[2, 2], m[0, 1] + m[1, 0], m[0, 2] + m[2, 0]],
            [m[0, 2] - m[2, 0], m[0, 1] + m[1, 0], m[1, 1] - m[0, 0] - m[2, 2], m[1, 2] + m[2, 1]],
            [m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], m[2, 2] - m[0, 0] - m[1, 1]],
        ]
    )
    return np.linalg.eigh(k)[1][:, -1].astype(np.float32)


def _multiply(left: Floats, right: Floats) -> Floats:
    """The quaternion product of `left` (4,) with each of `right` (N, 4)."""
    w, x, y, z = left
    matrix = np.array([[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]], np.float32)
    return right @ matrix.T


def _matrices(quaternions: Floats) -> Floats:
    """(N, 3, 3) rotations of unit `quaternions` (N, 4)."""
    w, x, y, z = quaternions.T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows, np.float32), -1, 0)
