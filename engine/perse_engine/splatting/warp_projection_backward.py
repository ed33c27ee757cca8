"""Gradients of projection as a Warp kernel: from those to the ellipses to those of the Gaussians in the world."""

from __future__ import annotations

import warp as wp

from perse_engine.splatting.projection import ALPHA_MAX, DILATION
from perse_engine.splatting.projection_backward import (
    GRADIENT_COLUMNS,
    MOMENT,
    MOMENT_X,
    MOMENT_XX,
    MOMENT_XY,
    MOMENT_Y,
    MOMENT_YY,
    TO_BLUE,
    TO_GREEN,
    TO_RED,
)
from perse_engine.splatting.warp_projection import View, footprint_of, slope_of

wp.set_module_options({"enable_backward": False})

# The columns that `projection_backward` names.
Gradient = wp.types.vector(GRADIENT_COLUMNS, wp.float32)


@wp.func
def quaternion_gradient(q: wp.vec4, to_rotation: wp.mat33) -> wp.vec4:
    """Gradient to a unit quaternion w x y z, from that to its rotation matrix, without what would change its length."""
    w, x, y, z = q[0], q[1], q[2], q[3]
    turn_x = to_rotation[2, 1] - to_rotation[1, 2]
    turn_y = to_rotation[0, 2] - to_rotation[2, 0]
    turn_z = to_rotation[1, 0] - to_rotation[0, 1]
    xy = to_rotation[0, 1] + to_rotation[1, 0]
    xz = to_rotation[0, 2] + to_rotation[2, 0]
    yz = to_rotation[1, 2] + to_rotation[2, 1]
    xx, yy, zz = to_rotation[0, 0], to_rotation[1, 1], to_rotation[2, 2]
    to_q = 2.0 * wp.vec4(
        x * turn_x + y * turn_y + z * turn_z,
        w * turn_x + y * xy + z * xz - 2.0 * x * (yy + zz),
        w * turn_y + x * xy + z * yz - 2.0 * y * (xx + zz),
        w * turn_z + x * xz + y * yz - 2.0 * z * (xx + yy),
    )
    return to_q - wp.dot(to_q, q) * q


@wp.kernel
def project_backward(
    view: View,
    means: wp.array[wp.vec3],
    quaternions: wp.array[wp.vec4],
    scales: wp.array[wp.vec3],
    opacities: wp.array[wp.float32],
    counts: wp.array[wp.int64],
    gradients: wp.array[Gradient],
    to_means: wp.array[wp.vec3],
    to_quaternions: wp.array[wp.vec4],
    to_scales: wp.array[wp.vec3],
    to_opacities: wp.array[wp.float32],
    to_colors: wp.array[wp.vec3],
) -> None:
    """Write the last five, each (N,), where `counts` says that a Gaussian is seen; the others are left as they are.

    Args:
        gradients: (N,) sums over the pixels, see `warp_blending.blend_backward`.
    """
    i = wp.tid()
    if counts[i] == wp.int64(0):
        return
    gradient = gradients[i]
    to_colors[i] = wp.vec3(gradient[TO_RED], gradient[TO_GREEN], gradient[TO_BLUE])

    # The forward pass again, for the numbers that were not kept.
    scale = scales[i]
    place = view.rotation * means[i] + view.position
    foot = footprint_of(view, place, quaternions[i], scale)
    a, b, u, v = foot.a, foot.b, foot.u, foot.v
    normal = wp.cross(a, b)
    sharp = wp.dot(normal, normal)
    aa, ab, bb = wp.dot(a, a), wp.dot(a, b), wp.dot(b, b)
    inverse = 1.0 / (sharp + DILATION * (aa + bb) + DILATION * DILATION)
    conic = wp.mat22(bb + DILATION, -ab, -ab, aa + DILATION) * inverse

    # The energy's constant is -ln(min(opacity, ALPHA_MAX) * compensation).
    to_log = -gradient[MOMENT]
    if opacities[i] <= ALPHA_MAX:
        to_opacities[i] = to_log / opacities[i]

    # To the dilated covariance: -Q G Q from the energy, -1/2 Q from the compensation's denominator.
    to_conic = 0.5 * wp.mat22(gradient[MOMENT_XX], gradient[MOMENT_XY], gradient[MOMENT_XY], gradient[MOMENT_YY])
    to_covariance = -(conic * to_conic * conic) - (0.5 * to_log) * conic
    # To its square root's rows; through the compensation's numerator |n|, n = a x b, with the gradients
    # b x n / |n| and n x a / |n|.
    share = to_log / sharp
    to_a = 2.0 * (to_covariance[0, 0] * a + to_covariance[0, 1] * b) + share * wp.cross(b, normal)
    to_b = 2.0 * (to_covariance[0, 1] * a + to_covariance[1, 1] * b) + share * wp.cross(normal, a)
    to_axes = wp.transpose(foot.rotation)
    to_scales[i] = wp.cw_mul(to_a, to_axes * u) + wp.cw_mul(to_b, to_axes * v)
    to_a, to_b = wp.cw_mul(to_a, scale), wp.cw_mul(to_b, scale)

    to_rotation = wp.outer(u, to_a) + wp.outer(v, to_b)
    to_quaternions[i] = quaternion_gradient(foot.quaternion, to_rotation) * foot.inverse_length

    # To the position: through the centre, through the Jacobian's focal length over z, and through its slopes.
    to_u, to_v = foot.rotation * to_a, foot.rotation * to_b
    inverse_z = 1.0 / place[2]
    jx, jy = view.fx * inverse_z, view.fy * inverse_z
    to_center = -(conic * wp.vec2(gradient[MOMENT_X], gradient[MOMENT_Y]))
    to_x, to_y = jx * to_center[0], jy * to_center[1]
    to_z = -(to_x * place[0] + to_y * place[1] + wp.dot(to_u, u) + wp.dot(to_v, v)) * inverse_z
    slope, forward = slope_of(view, place), view.rotation[2]
    if slope[0] > view.left and slope[0] < view.right:
        to_slope = -jx * wp.dot(to_u, forward) * inverse_z
        to_x += to_slope
        to_z -= to_slope * slope[0]
    if slope[1] > view.top and slope[1] < view.bottom:
        to_slope = -jy * wp.dot(to_v, forward) * inverse_z
        to_y += to_slope
        to_z -= to_slope * slope[1]
    to_means[i] = wp.transpose(view.rotation) * wp.vec3(to_x, to_y, to_z)
