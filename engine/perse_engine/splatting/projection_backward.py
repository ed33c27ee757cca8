"""Gradients of projection: from those to the splats in the picture to those of the Gaussians in the world."""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from perse_engine.splatting.jit import KERNEL, Floats, f32
from perse_engine.splatting.projection import ALPHA_MAX, DILATION, Lens, inverse_length, rotation_of

# What the backward pass of blending gives per pair of splat and tile: the gradients to energy summed over the pixels,
# plain and weighted with dx, dy, dx^2, dx dy, dy^2; then the gradient to the colour.
MOMENT, MOMENT_X, MOMENT_Y, MOMENT_XX, MOMENT_XY, MOMENT_YY, TO_RED, TO_GREEN, TO_BLUE = range(9)
GRADIENT_COLUMNS = 9


@njit(**KERNEL)
def _project_backward_run(
    start: int,
    stop: int,
    means: Floats,
    quaternions: Floats,
    scales: Floats,
    opacities: Floats,
    view: Floats,
    lens: Lens,
    visible: NDArray[np.bool_],
    gradients: Floats,
    to_means: Floats,
    to_quaternions: Floats,
    to_scales: Floats,
    to_opacities: Floats,
    to_colors: Floats,
) -> None:
    """`project_backward` of the Gaussians from `start` to `stop`."""
    one, two, half = f32(1), f32(2), f32(0.5)
    for i in range(start, stop):
        if not visible[i]:
            to_means[i, 0] = to_means[i, 1] = to_means[i, 2] = f32(0)
            to_quaternions[i, 0] = to_quaternions[i, 1] = to_quaternions[i, 2] = to_quaternions[i, 3] = f32(0)
            to_scales[i, 0] = to_scales[i, 1] = to_scales[i, 2] = to_opacities[i] = f32(0)
            to_colors[i, 0] = to_colors[i, 1] = to_colors[i, 2] = f32(0)
            continue
        gradient = gradients[i]
        to_colors[i, 0], to_colors[i, 1], to_colors[i, 2] = gradient[TO_RED], gradient[TO_GREEN], gradient[TO_BLUE]

        # The forward pass again, for the numbers that were not kept.
        px, py, pz = means[i, 0], means[i, 1], means[i, 2]
        x = view[0, 0] * px + view[0, 1] * py + view[0, 2] * pz + view[0, 3]
        y = view[1, 0] * px + view[1, 1] * py + view[1, 2] * pz + view[1, 3]
        z = view[2, 0] * px + view[2, 1] * py + view[2, 2] * pz + view[2, 3]
        qw, qx, qy, qz = quaternions[i, 0], quaternions[i, 1], quaternions[i, 2], quaternions[i, 3]
        unit = inverse_length(qw, qx, qy, qz)
        qw, qx, qy, qz = qw * unit, qx * unit, qy * unit, qz * unit
        r00, r01, r02, r10, r11, r12, r20, r21, r22 = rotation_of(qw, qx, qy, qz)
        inverse_z = one / z
        dx = min(max(x * inverse_z, lens.left), lens.right)
        dy = min(max(y * inverse_z, lens.top), lens.bottom)
        jx, jy = lens.fx * inverse_z, lens.fy * inverse_z
        u0 = jx * (view[0, 0] - dx * view[2, 0])
        u1 = jx * (view[0, 1] - dx * view[2, 1])
        u2 = jx * (view[0, 2] - dx * view[2, 2])
        v0 = jy * (view[1, 0] - dy * view[2, 0])
        v1 = jy * (view[1, 1] - dy * view[2, 1])
        v2 = jy * (view[1, 2] - dy * view[2, 2])
        s0, s1, s2 = scales[i, 0], scales[i, 1], scales[i, 2]
        m0 = u0 * r00 + u1 * r10 + u2 * r20
        m1 = u0 * r01 + u1 * r11 + u2 * r21
        m2 = u0 * r02 + u1 * r12 + u2 * r22
        w0 = v0 * r00 + v1 * r10 + v2 * r20
        w1 = v0 * r01 + v1 * r11 + v2 * r21
        w2 = v0 * r02 + v1 * r12 + v2 * r22
        a0, a1, a2 = m0 * s0, m1 * s1, m2 * s2
        b0, b1, b2 = w0 * s0, w1 * s1, w2 * s2
        n0, n1, n2 = a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0
        sharp = n0 * n0 + n1 * n1 + n2 * n2
        aa = a0 * a0 + a1 * a1 + a2 * a2
        bb = b0 * b0 + b1 * b1 + b2 * b2
        ab = a0 * b0 + a1 * b1 + a2 * b2
        inverse = one / (sharp + f32(DILATION) * (aa + bb) + f32(DILATION * DILATION))
        # Inverse of the dilated covariance.
        xx, xy, yy = (bb + f32(DILATION)) * inverse, -ab * inverse, (aa + f32(DILATION)) * inverse

        # Opacity: REST = -ln(min(opacity, ALPHA_MAX) * compensation).
        to_log = -gradient[MOMENT]
        to_opacities[i] = to_log / opacities[i] if opacities[i] <= f32(ALPHA_MAX) else f32(0)

        # Gradient to the dilated covariance: -Q G Q from the energy, -1/2 Q from the compensation's denominator.
        g00, g01, g11 = half * gradient[MOMENT_XX], half * gradient[MOMENT_XY], half * gradient[MOMENT_YY]
        e00, e01 = g00 * xx + g01 * xy, g00 * xy + g01 * yy
        e10, e11 = g01 * xx + g11 * xy, g01 * xy + g11 * yy
        c00 = -(xx * e00 + xy * e10) - half * to_log * xx
        c01 = -(xx * e01 + xy * e11) - half * to_log * xy
        c11 = -(xy * e01 + yy * e11) - half * to_log * yy

        # To its square root's rows a and b; through the compensation's numerator |n|, n = a x b, with the gradients
        # b x n / |n| and n x a / |n|.
        share = to_log / sharp
        to_a0 = two * (c00 * a0 + c01 * b0) + share * (b1 * n2 - b2 * n1)
        to_a1 = two * (c00 * a1 + c01 * b1) + share * (b2 * n0 - b0 * n2)
        to_a2 = two * (c00 * a2 + c01 * b2) + share * (b0 * n1 - b1 * n0)
        to_b0 = two * (c01 * a0 + c11 * b0) + share * (n1 * a2 - n2 * a1)
        to_b1 = two * (c01 * a1 + c11 * b1) + share * (n2 * a0 - n0 * a2)
        to_b2 = two * (c01 * a2 + c11 * b2) + share * (n0 * a1 - n1 * a0)

        to_scales[i, 0] = to_a0 * m0 + to_b0 * w0
        to_scales[i, 1] = to_a1 * m1 + to_b1 * w1
        to_scales[i, 2] = to_a2 * m2 + to_b2 * w2
        to_a0, to_a1, to_a2 = to_a0 * s0, to_a1 * s1, to_a2 * s2
        to_b0, to_b1, to_b2 = to_b0 * s0, to_b1 * s1, to_b2 * s2

        # To the rows u and v of Jacobian times view rotation, and through them to the position.
        to_u0 = to_a0 * r00 + to_a1 * r01 + to_a2 * r02
        to_u1 = to_a0 * r10 + to_a1 * r11 + to_a2 * r12
        to_u2 = to_a0 * r20 + to_a1 * r21 + to_a2 * r22
        to_v0 = to_b0 * r00 + to_b1 * r01 + to_b2 * r02
        to_v1 = to_b0 * r10 + to_b1 * r11 + to_b2 * r12
        to_v2 = to_b0 * r20 + to_b1 * r21 + to_b2 * r22
        to_dx = -jx * (to_u0 * view[2, 0] + to_u1 * view[2, 1] + to_u2 * view[2, 2])
        to_dy = -jy * (to_v0 * view[2, 0] + to_v1 * view[2, 1] + to_v2 * view[2, 2])
        to_x = -jx * (xx * gradient[MOMENT_X] + xy * gradient[MOMENT_Y])
        to_y = -jy * (xy * gradient[MOMENT_X] + yy * gradient[MOMENT_Y])
        to_z = -(to_x * x + to_y * y) * inverse_z
        to_z -= (to_u0 * u0 + to_u1 * u1 + to_u2 * u2 + to_v0 * v0 + to_v1 * v1 + to_v2 * v2) * inverse_z
        if x * inverse_z > lens.left and x * inverse_z < lens.right:
            to_x += to_dx * inverse_z
            to_z -= to_dx * dx * inverse_z
        if y * inverse_z > lens.top and y * inverse_z < lens.bottom:
            to_y += to_dy * inverse_z
            to_z -= to_dy * dy * inverse_z
        to_means[i, 0] = view[0, 0] * to_x + view[1, 0] * to_y + view[2, 0] * to_z
        to_means[i, 1] = view[0, 1] * to_x + view[1, 1] * to_y + view[2, 1] * to_z
        to_means[i, 2] = view[0, 2] * to_x + view[1, 2] * to_y + view[2, 2] * to_z

        # To the rotation matrix, then the quaternion, then its unnormalised source.
        t00, t01, t02 = u0 * to_a0 + v0 * to_b0, u0 * to_a1 + v0 * to_b1, u0 * to_a2 + v0 * to_b2
        t10, t11, t12 = u1 * to_a0 + v1 * to_b0, u1 * to_a1 + v1 * to_b1, u1 * to_a2 + v1 * to_b2
        t20, t21, t22 = u2 * to_a0 + v2 * to_b0, u2 * to_a1 + v2 * to_b1, u2 * to_a2 + v2 * to_b2
        to_w = two * (qx * (t21 - t12) + qy * (t02 - t20) + qz * (t10 - t01))
        to_qx = two * (qy * (t01 + t10) + qz * (t02 + t20) - two * qx * (t11 + t22) + qw * (t21 - t12))
        to_qy = two * (qx * (t01 + t10) + qz * (t12 + t21) - two * qy * (t00 + t22) + qw * (t02 - t20))
        to_qz = two * (qx * (t02 + t20) + qy * (t12 + t21) - two * qz * (t00 + t11) + qw * (t10 - t01))
        along = to_w * qw + to_qx * qx + to_qy * qy + to_qz * qz
        to_quaternions[i, 0] = (to_w - qw * along) * unit
        to_quaternions[i, 1] = (to_qx - qx * along) * unit
        to_quaternions[i, 2] = (to_qy - qy * along) * unit
        to_quaternions[i, 3] = (to_qz - qz * along) * unit


@njit(parallel=True, **KERNEL)
def project_backward(
    means: Floats,
    quaternions: Floats,
    scales: Floats,
    opacities: Floats,
    view: Floats,
    lens: Lens,
    visible: NDArray[np.bool_],
    gradients: Floats,
    to_means: Floats,
    to_quaternions: Floats,
    to_scales: Floats,
    to_opacities: Floats,
    to_colors: Floats,
    workers: int,
) -> None:
    """Gradients of the Gaussians from those of their splats.

    Args:
        visible: (N,) bool, which Gaussians were drawn; the others get zeros.
        gradients: (N, 9) see `binning.gather`.
    """
    count = means.shape[0]
    for worker in prange(workers):
        start, stop = count * worker // workers, count * (worker + 1) // workers
        _project_backward_run(
            start,
            stop,
            means,
            quaternions,
            scales,
            opacities,
            view,
            lens,
            visible,
            gradients,
            to_means,
            to_quaternions,
            to_scales,
            to_opacities,
            to_colors,
        )
