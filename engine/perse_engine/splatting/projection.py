"""Three-dimensional Gaussians to ellipses in the picture.

The covariance goes through the local affine approximation of perspective (Zwicker et al., "EWA Splatting", 2002), with
the direction clamped to 1.3 of the field of view as Kerbl et al. do. The ellipse is then convolved with a pixel-sized
Gaussian and its opacity lowered so that its integral stays the same (the 2D filter of Yu et al., "Mip-Splatting",
2024): a face keeps its look at every resolution.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from perse_engine.cameras import Camera
from perse_engine.splatting.jit import KERNEL, Floats, f32

# Variance added to both image axes, square pixels: that of a box one pixel wide. Mip-Splatting takes 0.1; against
# pictures averaged down from larger ones this is 0.5 to 1 dB nearer, and 0.3 (gsplat's default) 5 dB farther.
DILATION = 1.0 / 12.0
# An alpha below this leaves no trace in 8 bits and bounds the ellipse; an opacity above the other hides everything.
ALPHA_MIN = 1.0 / 255.0
ALPHA_MAX = 0.999
# Energy is -ln(alpha); beyond this one, alpha is below ALPHA_MIN.
ENERGY_MAX = math.log(255.0)

_FRUSTUM_MARGIN = 0.3
_LARGEST_DETERMINANT = 1e36
_TINY = 1e-20

# Columns of a splat: an ellipse in the picture whose alpha at offset (dx, dy) pixels from its centre is
# exp(-energy), energy = XX dx^2 + XY dx dy + YY dy^2 + REST.
X, Y, XX, XY, YY, REST, RED, GREEN, BLUE, DEPTH = range(10)
# Its outline energy = ENERGY_MAX: row dy spans SLOPE dy +- sqrt(SPAN - BEND dy^2), it reaches REACH_Y up and down and
# REACH_X left and right, rightmost at dy = CORNER.
SLOPE, SPAN, BEND, REACH_Y, REACH_X, CORNER = range(10, 16)
SPLAT_COLUMNS = 16


class Lens(NamedTuple):
    """A camera in the numbers that the kernels use, all float32. `left` … `bottom` clamp x/z and y/z.

    `perspective` is 1, or 0 for an orthographic camera.
    """

    fx: Any
    fy: Any
    cx: Any
    cy: Any
    left: Any
    right: Any
    top: Any
    bottom: Any
    near: Any
    width: Any
    height: Any
    perspective: Any


def lens_of(camera: Camera) -> Lens:
    """The numbers of a camera that projection needs."""
    margin_x = _FRUSTUM_MARGIN * 0.5 * camera.width / camera.fx
    margin_y = _FRUSTUM_MARGIN * 0.5 * camera.height / camera.fy
    numbers = (
        camera.fx,
        camera.fy,
        camera.cx,
        camera.cy,
        -camera.cx / camera.fx - margin_x,
        (camera.width - camera.cx) / camera.fx + margin_x,
        -camera.cy / camera.fy - margin_y,
        (camera.height - camera.cy) / camera.fy + margin_y,
        camera.near,
        camera.width,
        camera.height,
        0 if camera.orthographic else 1,
    )
    return Lens(*(f32(number) for number in numbers))


def view_of(camera: Camera) -> NDArray[np.float32]:
    """(3, 4) float32 world to camera."""
    return np.ascontiguousarray(camera.view[:3], np.float32)


@njit(inline="always", **KERNEL)
def rotation_of(qw: f32, qx: f32, qy: f32, qz: f32) -> tuple[f32, ...]:
    """The nine numbers of a unit quaternion's rotation matrix, row by row."""
    one, two = f32(1), f32(2)
    return (
        one - two * (qy * qy + qz * qz),
        two * (qx * qy - qw * qz),
        two * (qx * qz + qw * qy),
        two * (qx * qy + qw * qz),
        one - two * (qx * qx + qz * qz),
        two * (qy * qz - qw * qx),
        two * (qx * qz - qw * qy),
        two * (qy * qz + qw * qx),
        one - two * (qx * qx + qy * qy),
    )


@njit(inline="always", **KERNEL)
def inverse_length(qw: f32, qx: f32, qy: f32, qz: f32) -> f32:
    """1 / |q|; a quaternion of no length counts as no rotation."""
    return f32(1) / math.sqrt(max(qw * qw + qx * qx + qy * qy + qz * qz, f32(_TINY)))


@njit(**KERNEL)
def _project_run(
    start: int,
    stop: int,
    means: Floats,
    quaternions: Floats,
    scales: Floats,
    opacities: Floats,
    colors: Floats,
    view: Floats,
    lens: Lens,
    splats: Floats,
    depths: Floats,
) -> None:
    """`project` of the Gaussians from `start` to `stop`."""
    one, two = f32(1), f32(2)
    for i in range(start, stop):
        depths[i] = f32(-1)
        px, py, pz = means[i, 0], means[i, 1], means[i, 2]
        x = view[0, 0] * px + view[0, 1] * py + view[0, 2] * pz + view[0, 3]
        y = view[1, 0] * px + view[1, 1] * py + view[1, 2] * pz + view[1, 3]
        z = view[2, 0] * px + view[2, 1] * py + view[2, 2] * pz + view[2, 3]
        opacity = min(opacities[i], f32(ALPHA_MAX))
        s0, s1, s2 = scales[i, 0], scales[i, 1], scales[i, 2]
        red, green, blue = colors[i, 0], colors[i, 1], colors[i, 2]
        # Written so that NaN fails too.
        if not (z >= lens.near and z < f32(1e9) and opacity > f32(ALPHA_MIN)):
            continue
        if not abs(px + py + pz + s0 + s1 + s2 + opacities[i] + red + green + blue) < f32(np.inf):
            continue
        qw, qx, qy, qz = quaternions[i, 0], quaternions[i, 1], quaternions[i, 2], quaternions[i, 3]
        unit = inverse_length(qw, qx, qy, qz)
        r00, r01, r02, r10, r11, r12, r20, r21, r22 = rotation_of(qw * unit, qx * unit, qy * unit, qz * unit)
        inverse_z = one / z if lens.perspective > f32(0) else one
        dx = lens.perspective * min(max(x * inverse_z, lens.left), lens.right)
        dy = lens.perspective * min(max(y * inverse_z, lens.top), lens.bottom)
        jx, jy = lens.fx * inverse_z, lens.fy * inverse_z
        # Rows of Jacobian times view rotation, then times rotation times scale: a 2x3 square root of the covariance.
        u0 = jx * (view[0, 0] - dx * view[2, 0])
        u1 = jx * (view[0, 1] - dx * view[2, 1])
        u2 = jx * (view[0, 2] - dx * view[2, 2])
        v0 = jy * (view[1, 0] - dy * view[2, 0])
        v1 = jy * (view[1, 1] - dy * view[2, 1])
        v2 = jy * (view[1, 2] - dy * view[2, 2])
        a0 = (u0 * r00 + u1 * r10 + u2 * r20) * s0
        a1 = (u0 * r01 + u1 * r11 + u2 * r21) * s1
        a2 = (u0 * r02 + u1 * r12 + u2 * r22) * s2
        b0 = (v0 * r00 + v1 * r10 + v2 * r20) * s0
        b1 = (v0 * r01 + v1 * r11 + v2 * r21) * s1
        b2 = (v0 * r02 + v1 * r12 + v2 * r22) * s2
        # The determinant as a sum of squared minors: no cancellation, so thin Gaussians stay exact.
        n0, n1, n2 = a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0
        sharp = n0 * n0 + n1 * n1 + n2 * n2
        aa = a0 * a0 + a1 * a1 + a2 * a2
        bb = b0 * b0 + b1 * b1 + b2 * b2
        ab = a0 * b0 + a1 * b1 + a2 * b2
        determinant = sharp + f32(DILATION) * (aa + bb) + f32(DILATION * DILATION)
        if not determinant < f32(_LARGEST_DETERMINANT):
            continue
        opacity *= math.sqrt(sharp / determinant)
        if not opacity > f32(ALPHA_MIN):
            continue
        aa += f32(DILATION)
        bb += f32(DILATION)
        rest = -math.log(opacity)
        level = two * (f32(ENERGY_MAX) - rest)
        reach_x, reach_y = math.sqrt(level * aa), math.sqrt(level * bb)
        cx = lens.fx * x * inverse_z + lens.cx
        cy = lens.fy * y * inverse_z + lens.cy
        # Likewise: a centre that is not finite would be written to a tile that is not there.
        if not (cx + reach_x >= f32(0) and cx - reach_x <= lens.width):
            continue
        if not (cy + reach_y >= f32(0) and cy - reach_y <= lens.height):
            continue
        inverse = one / determinant
        splat = splats[i]
        # Pixel centres are at halves; from here on pixel (0, 0) is at (0, 0).
        splat[X] = cx - f32(0.5)
        splat[Y] = cy - f32(0.5)
        splat[XX] = f32(0.5) * bb * inverse
        splat[XY] = -ab * inverse
        splat[YY] = f32(0.5) * aa * inverse
        splat[REST] = rest
        splat[RED], splat[GREEN], splat[BLUE] = red, green, blue
        splat[DEPTH] = z
        splat[SLOPE] = ab / bb
        splat[SPAN] = level * determinant / bb
        splat[BEND] = determinant / (bb * bb)
        splat[REACH_Y] = reach_y
        splat[REACH_X] = reach_x
        splat[CORNER] = reach_x * ab / aa
        depths[i] = z


@njit(parallel=True, **KERNEL)
def project(
    means: Floats,
    quaternions: Floats,
    scales: Floats,
    opacities: Floats,
    colors: Floats,
    view: Floats,
    lens: Lens,
    splats: Floats,
    depths: Floats,
    workers: int,
) -> None:
    """Fill `splats` (N, 16) and `depths` (N,); the depth of what cannot be seen is -1 and its splat is not written."""
    count = means.shape[0]
    for worker in prange(workers):
        start, stop = count * worker // workers, count * (worker + 1) // workers
        _project_run(start, stop, means, quaternions, scales, opacities, colors, view, lens, splats, depths)
