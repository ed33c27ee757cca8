"""Three-dimensional Gaussians to ellipses in the picture, as Warp kernels: what `projection` computes, for CUDA.

Sources are those of `projection`: Zwicker et al., 2002; Kerbl et al., 2023; Yu et al., 2024. Kernels run on Warp's CPU
device as well, where the tests hold them to the reference.
"""

from __future__ import annotations

import warp as wp

from perse_engine.cameras import Camera
from perse_engine.splatting.projection import ALPHA_MAX, ALPHA_MIN, DILATION, ENERGY_MAX, lens_of, view_of

wp.set_module_options({"enable_backward": False})

TILE = 16

_FARTHEST = 1e9
_LARGEST_DETERMINANT = 1e36
_TINY = 1e-20


@wp.struct
class View:
    """A camera: world to camera, and the numbers of `projection.Lens`."""

    rotation: wp.mat33
    position: wp.vec3
    fx: wp.float32
    fy: wp.float32
    cx: wp.float32
    cy: wp.float32
    left: wp.float32
    right: wp.float32
    top: wp.float32
    bottom: wp.float32
    near: wp.float32
    width: wp.int32
    height: wp.int32


@wp.struct
class Footprint:
    """A Gaussian on its way into the picture.

    `a` and `b` are the rows of a 2x3 square root of the covariance there; `u` and `v` those of the Jacobian times the
    view's rotation, from which it is made.
    """

    quaternion: wp.vec4
    inverse_length: wp.float32
    rotation: wp.mat33
    u: wp.vec3
    v: wp.vec3
    a: wp.vec3
    b: wp.vec3


def warp_view_of(camera: Camera) -> View:
    """A camera in the numbers that the kernels use."""
    matrix, lens = view_of(camera), lens_of(camera)
    view = View()
    view.rotation = wp.mat33(*matrix[:, :3].ravel().tolist())
    view.position = wp.vec3(*matrix[:, 3].tolist())
    for name in ("fx", "fy", "cx", "cy", "left", "right", "top", "bottom", "near"):
        setattr(view, name, float(getattr(lens, name)))
    view.width, view.height = camera.width, camera.height
    return view


@wp.func
def tiles_across(view: View) -> int:
    """How many tiles a row of them has."""
    return (view.width + TILE - 1) // TILE


@wp.func
def slope_of(view: View, place: wp.vec3) -> wp.vec2:
    """x / z and y / z, clamped to a margin about the picture."""
    return wp.vec2(
        wp.clamp(place[0] / place[2], view.left, view.right), wp.clamp(place[1] / place[2], view.top, view.bottom)
    )


@wp.func
def footprint_of(view: View, place: wp.vec3, quaternion: wp.vec4, scale: wp.vec3) -> Footprint:
    """Project a Gaussian whose mean is at `place`, camera axes."""
    foot = Footprint()
    # A quaternion of no length counts as no rotation.
    foot.inverse_length = 1.0 / wp.sqrt(wp.max(wp.dot(quaternion, quaternion), _TINY))
    foot.quaternion = quaternion * foot.inverse_length
    w, x, y, z = foot.quaternion[0], foot.quaternion[1], foot.quaternion[2], foot.quaternion[3]
    foot.rotation = wp.mat33(
        1.0 - 2.0 * (y * y + z * z),
        2.0 * (x * y - w * z),
        2.0 * (x * z + w * y),
        2.0 * (x * y + w * z),
        1.0 - 2.0 * (x * x + z * z),
        2.0 * (y * z - w * x),
        2.0 * (x * z - w * y),
        2.0 * (y * z + w * x),
        1.0 - 2.0 * (x * x + y * y),
    )
    slope = slope_of(view, place)
    forward = view.rotation[2]
    foot.u = (view.fx / place[2]) * (view.rotation[0] - slope[0] * forward)
    foot.v = (view.fy / place[2]) * (view.rotation[1] - slope[1] * forward)
    to_axes = wp.transpose(foot.rotation)
    foot.a = wp.cw_mul(to_axes * foot.u, scale)
    foot.b = wp.cw_mul(to_axes * foot.v, scale)
    return foot


@wp.kernel
def project(
    view: View,
    means: wp.array[wp.vec3],
    quaternions: wp.array[wp.vec4],
    scales: wp.array[wp.vec3],
    opacities: wp.array[wp.float32],
    colors: wp.array[wp.vec3],
    centers: wp.array[wp.vec2],
    ellipses: wp.array[wp.vec4],
    depths: wp.array[wp.float32],
    tiles: wp.array[wp.vec4i],
    counts: wp.array[wp.int64],
) -> None:
    """Fill the last five, each (N,); of what cannot be seen `counts` alone is written, and is 0.

    Args:
        centers: out, pixels, pixel centres at halves.
        ellipses: out, alpha at (dx, dy) pixels from the centre is exp(-energy), energy = e0 (dx - e1 dy)^2 + e2 dy^2 +
            e3: a sum of squares loses no digits far from the centre, where a quadratic form's terms cancel.
        depths: out, planar camera z.
        tiles: out, first column and row of tiles, then the column and row after the last.
        counts: out, how many tiles that is.
    """
    i = wp.tid()
    counts[i] = wp.int64(0)
    mean, scale, color = means[i], scales[i], colors[i]
    place = view.rotation * mean + view.position
    opacity = wp.min(opacities[i], ALPHA_MAX)
    # Written so that NaN fails too, here and below.
    if not (place[2] >= view.near and place[2] < _FARTHEST and opacity > ALPHA_MIN):
        return
    total = mean[0] + mean[1] + mean[2] + scale[0] + scale[1] + scale[2] + color[0] + color[1] + color[2]
    if not wp.isfinite(total + opacities[i]):
        return
    foot = footprint_of(view, place, quaternions[i], scale)
    # The determinant as a sum of squared minors: no cancellation, so thin Gaussians stay exact.
    normal = wp.cross(foot.a, foot.b)
    sharp = wp.dot(normal, normal)
    aa, ab, bb = wp.dot(foot.a, foot.a), wp.dot(foot.a, foot.b), wp.dot(foot.b, foot.b)
    determinant = sharp + DILATION * (aa + bb) + DILATION * DILATION
    if not (determinant < _LARGEST_DETERMINANT):
        return
    opacity = opacity * wp.sqrt(sharp / determinant)
    if not (opacity > ALPHA_MIN):
        return
    rest = -wp.log(opacity)
    level = 2.0 * (ENERGY_MAX - rest)
    reach_x, reach_y = wp.sqrt(level * (aa + DILATION)), wp.sqrt(level * (bb + DILATION))
    x = view.fx * place[0] / place[2] + view.cx
    y = view.fy * place[1] / place[2] + view.cy
    width, height = float(view.width), float(view.height)
    if not (x + reach_x >= 0.0 and x - reach_x <= width and y + reach_y >= 0.0 and y - reach_y <= height):
        return
    across, down = tiles_across(view), (view.height + TILE - 1) // TILE
    first_x = int(wp.max(x - reach_x, 0.0)) // TILE
    first_y = int(wp.max(y - reach_y, 0.0)) // TILE
    past_x = wp.min(int(wp.min(x + reach_x, width)) // TILE + 1, across)
    past_y = wp.min(int(wp.min(y + reach_y, height)) // TILE + 1, down)
    centers[i] = wp.vec2(x, y)
    variance = bb + DILATION
    ellipses[i] = wp.vec4(0.5 * variance / determinant, ab / variance, 0.5 / variance, rest)
    depths[i] = place[2]
    tiles[i] = wp.vec4i(first_x, first_y, past_x, past_y)
    counts[i] = wp.int64(wp.max(past_x - first_x, 0) * wp.max(past_y - first_y, 0))
