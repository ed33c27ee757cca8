"""Gaussians from the bind pose into a posed mesh, and the gradients of that.

With F and R the barycentric means of the vertices' deformation gradients and rotations: mean = p + R offset,
rotation = R q, and the standard deviation along axis i of q follows the stretch |F q_i|, clamped.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

LEAST_STRETCH = np.float32(0.4)
MOST_STRETCH = np.float32(3.0)


@dataclasses.dataclass(frozen=True, eq=False)
class Placed:
    """n posed Gaussians: means (n, 3) metres, quaternions (n, 4) of unit length, scales (n, 3) metres."""

    means: Floats
    quaternions: Floats
    scales: Floats


def place(
    frames: Floats, corners: Ints, barycentric: Floats, offsets: Floats, quaternions: Floats, log_scales: Floats,
    low_pass: float, chosen: Ints,
) -> Placed:  # fmt: skip
    """Pose the `chosen` (n,) Gaussians.

    Args:
        frames: (V, FRAME) of `binding.vertex_frames`.
        corners: (N, 3) vertices of each Gaussian's triangle.
        barycentric, offsets, quaternions, log_scales: as in `Avatar`, (N, ...).
        low_pass: metres, added in quadrature to every standard deviation.
    """
    count = len(chosen)
    placed = Placed(*(np.empty((count, width), np.float32) for width in (3, 4, 3)))
    _place(
        frames, corners, barycentric, offsets, quaternions, log_scales, np.float32(low_pass), chosen,
        placed.means, placed.quaternions, placed.scales,
    )  # fmt: skip
    return placed


def place_backward(
    frames: Floats, corners: Ints, barycentric: Floats, quaternions: Floats, log_scales: Floats, low_pass: float,
    chosen: Ints, to_means: Floats, to_quaternions: Floats, to_scales: Floats,
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """Gradients of offsets (N, 3), quaternions (N, 4) and log_scales (N, 3); zero for Gaussians not chosen."""
    count = len(corners)
    out = tuple(np.zeros((count, width), np.float32) for width in (3, 4, 3))
    _place_backward(
        frames, corners, barycentric, quaternions, log_scales, np.float32(low_pass), chosen,
        to_means, to_quaternions, to_scales, *out,
    )  # fmt: skip
    return out[0], out[1], out[2]


@numba.njit(inline="always")
def _stretch(squared: Any) -> Any:
    return min(max(math.sqrt(squared), LEAST_STRETCH), MOST_STRETCH)


@numba.njit(inline="always")
def _rotation_at(frames: Floats, a: Any, b: Any, c: Any, u: Any, v: Any, t: Any) -> tuple[Any, ...]:
    """The normalised mean of three vertices' quaternions, signs aligned to the first."""
    one = np.float32(1.0)
    w, x, y, z = frames[a, 12] * u, frames[a, 13] * u, frames[a, 14] * u, frames[a, 15] * u
    for vertex, share in ((b, v), (c, t)):
        dot = (
            frames[a, 12] * frames[vertex, 12]
            + frames[a, 13] * frames[vertex, 13]
            + frames[a, 14] * frames[vertex, 14]
            + frames[a, 15] * frames[vertex, 15]
        )
        signed = share if dot >= 0 else -share
        w += signed * frames[vertex, 12]
        x += signed * frames[vertex, 13]
        y += signed * frames[vertex, 14]
        z += signed * frames[vertex, 15]
    scale = one / (math.sqrt(w * w + x * x + y * y + z * z) + np.float32(1e-12))
    return w * scale, x * scale, y * scale, z * scale


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)
def _place(
    frames: Floats, corners: Ints, barycentric: Floats, offsets: Floats, quaternions: Floats, log_scales: Floats,
    low_pass: np.float32, chosen: Ints, means: Floats, rotations: Floats, scales: Floats,
) -> None:  # fmt: skip
    one, two = np.float32(1.0), np.float32(2.0)
    for n in numba.prange(chosen.shape[0]):
        i = chosen[n]
        a, b, c = corners[i, 0], corners[i, 1], corners[i, 2]
        u, v, t = barycentric[i, 0], barycentric[i, 1], barycentric[i, 2]
        rw, rx, ry, rz = _rotation_at(frames, a, b, c, u, v, t)

        ox, oy, oz = offsets[i, 0], offsets[i, 1], offsets[i, 2]
        cx, cy, cz = two * (ry * oz - rz * oy), two * (rz * ox - rx * oz), two * (rx * oy - ry * ox)
        means[n, 0] = u * frames[a, 0] + v * frames[b, 0] + t * frames[c, 0] + ox + rw * cx + ry * cz - rz * cy
        means[n, 1] = u * frames[a, 1] + v * frames[b, 1] + t * frames[c, 1] + oy + rw * cy + rz * cx - rx * cz
        means[n, 2] = u * frames[a, 2] + v * frames[b, 2] + t * frames[c, 2] + oz + rw * cz + rx * cy - ry * cx

        w, x, y, z = quaternions[i, 0], quaternions[i, 1], quaternions[i, 2], quaternions[i, 3]
        length = one / math.sqrt(w * w + x * x + y * y + z * z + np.float32(1e-20))
        w, x, y, z = w * length, x * length, y * length, z * length
        rotations[n, 0] = rw * w - rx * x - ry * y - rz * z
        rotations[n, 1] = rw * x + rx * w + ry * z - rz * y
        rotations[n, 2] = rw * y - rx * z + ry * w + rz * x
        rotations[n, 3] = rw * z + rx * y - ry * x + rz * w

        s0 = s1 = s2 = np.float32(0.0)
        for row in range(3):
            k = 3 + 3 * row
            f = u * frames[a, k] + v * frames[b, k] + t * frames[c, k]
            g = u * frames[a, k + 1] + v * frames[b, k + 1] + t * frames[c, k + 1]
            h = u * frames[a, k + 2] + v * frames[b, k + 2] + t * frames[c, k + 2]
            p = f * (one - two * (y * y + z * z)) + g * two * (x * y + w * z) + h * two * (x * z - w * y)
            q = f * two * (x * y - w * z) + g * (one - two * (x * x + z * z)) + h * two * (y * z + w * x)
            r = f * two * (x * z + w * y) + g * two * (y * z - w * x) + h * (one - two * (x * x + y * y))
            s0 += p * p
            s1 += q * q
            s2 += r * r
        s0 = _stretch(s0) * math.exp(log_scales[i, 0])
        s1 = _stretch(s1) * math.exp(log_scales[i, 1])
        s2 = _stretch(s2) * math.exp(log_scales[i, 2])
        floor = low_pass * low_pass
        scales[n, 0] = math.sqrt(s0 * s0 + floor)
        scales[n, 1] = math.sqrt(s1 * s1 + floor)
        scales[n, 2] = math.sqrt(s2 * s2 + floor)


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)
def _place_backward(
    frames: Floats, corners: Ints, barycentric: Floats, quaternions: Floats, log_scales: Floats,
    low_pass: np.float32, chosen: Ints, to_means: Floats, to_rotations: Floats, to_scales: Floats,
    to_offsets: Floats, to_quaternions: Floats, to_log_scales: Floats,
) -> None:  # fmt: skip
    one, two = np.float32(1.0), np.float32(2.0)
    for n in numba.prange(chosen.shape[0]):
        i = chosen[n]
        a, b, c = corners[i, 0], corners[i, 1], corners[i, 2]
        u, v, t = barycentric[i, 0], barycentric[i, 1], barycentric[i, 2]
        rw, rx, ry, rz = _rotation_at(frames, a, b, c, u, v, t)

        gx, gy, gz = to_means[n, 0], to_means[n, 1], to_means[n, 2]
        cx, cy, cz = two * (rz * gy - ry * gz), two * (rx * gz - rz * gx), two * (ry * gx - rx * gy)
        to_offsets[i, 0] = gx + rw * cx - ry * cz + rz * cy
        to_offsets[i, 1] = gy + rw * cy - rz * cx + rx * cz
        to_offsets[i, 2] = gz + rw * cz - rx * cy + ry * cx

        w, x, y, z = quaternions[i, 0], quaternions[i, 1], quaternions[i, 2], quaternions[i, 3]
        length = one / math.sqrt(w * w + x * x + y * y + z * z + np.float32(1e-20))
        w, x, y, z = w * length, x * length, y * length, z * length
        q0, q1, q2, q3 = to_rotations[n, 0], to_rotations[n, 1], to_rotations[n, 2], to_rotations[n, 3]
        dw = rw * q0 + rx * q1 + ry * q2 + rz * q3
        dx = rw * q1 - rx * q0 - ry * q3 + rz * q2
        dy = rw * q2 + rx * q3 - ry * q0 - rz * q1
        dz = rw * q3 - rx * q2 + ry * q1 - rz * q0

        # stretched[row, axis] = (F q_axis)[row]
        f00 = u * frames[a, 3] + v * frames[b, 3] + t * frames[c, 3]
        f01 = u * frames[a, 4] + v * frames[b, 4] + t * frames[c, 4]
        f02 = u * frames[a, 5] + v * frames[b, 5] + t * frames[c, 5]
        f10 = u * frames[a, 6] + v * frames[b, 6] + t * frames[c, 6]
        f11 = u * frames[a, 7] + v * frames[b, 7] + t * frames[c, 7]
        f12 = u * frames[a, 8] + v * frames[b, 8] + t * frames[c, 8]
        f20 = u * frames[a, 9] + v * frames[b, 9] + t * frames[c, 9]
        f21 = u * frames[a, 10] + v * frames[b, 10] + t * frames[c, 10]
        f22 = u * frames[a, 11] + v * frames[b, 11] + t * frames[c, 11]
        for axis in range(3):
            if axis == 0:
                ax, ay, az = one - two * (y * y + z * z), two * (x * y + w * z), two * (x * z - w * y)
            elif axis == 1:
                ax, ay, az = two * (x * y - w * z), one - two * (x * x + z * z), two * (y * z + w * x)
            else:
                ax, ay, az = two * (x * z + w * y), two * (y * z - w * x), one - two * (x * x + y * y)
            p = f00 * ax + f01 * ay + f02 * az
            q = f10 * ax + f11 * ay + f12 * az
            r = f20 * ax + f21 * ay + f22 * az
            stretch = math.sqrt(p * p + q * q + r * r)
            clamped = _stretch(p * p + q * q + r * r)
            own = math.exp(log_scales[i, axis])
            size = own * clamped
            to_size = to_scales[n, axis] * size / math.sqrt(size * size + low_pass * low_pass)
            to_log_scales[i, axis] = to_size * size
            if stretch != clamped:
                continue
            g = to_size * own / stretch
            hx = g * (f00 * p + f10 * q + f20 * r)
            hy = g * (f01 * p + f11 * q + f21 * r)
            hz = g * (f02 * p + f12 * q + f22 * r)
            if axis == 0:
                dw += two * (z * hy - y * hz)
                dx += two * (y * hy + z * hz)
                dy += two * (x * hy - two * y * hx - w * hz)
                dz += two * (w * hy - two * z * hx + x * hz)
            elif axis == 1:
                dw += two * (x * hz - z * hx)
                dx += two * (y * hx - two * x * hy + w * hz)
                dy += two * (x * hx + z * hz)
                dz += two * (y * hz - w * hx - two * z * hy)
            else:
                dw += two * (y * hx - x * hy)
                dx += two * (z * hx - w * hy - two * x * hz)
                dy += two * (w * hx + z * hy - two * y * hz)
                dz += two * (x * hx + y * hy)
        along = w * dw + x * dx + y * dy + z * dz
        to_quaternions[i, 0] = (dw - w * along) * length
        to_quaternions[i, 1] = (dx - x * along) * length
        to_quaternions[i, 2] = (dy - y * along) * length
        to_quaternions[i, 3] = (dz - z * along) * length
