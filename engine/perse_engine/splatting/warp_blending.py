"""Splats over one another, nearest first, and the gradients of that, as Warp kernels with one thread a pixel.

Threads that run in step share a patch of eight by four pixels, so that they mostly meet the same splats.
"""

from __future__ import annotations

import warp as wp

from perse_engine.splatting.blending import FAR, TRANSMITTANCE_MIN
from perse_engine.splatting.projection import ENERGY_MAX
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
from perse_engine.splatting.warp_lanes import LANES, any_lane, is_first_lane, lane_max, lane_sum
from perse_engine.splatting.warp_projection import TILE, View, tiles_across
from perse_engine.splatting.warp_projection_backward import Gradient

wp.set_module_options({"enable_backward": False})

TILE_PIXELS = TILE * TILE
_PATCH = 8


@wp.func
def pixel_of(view: View, thread: int) -> wp.vec2i:
    """Column and row; past the picture's edge for some threads of the last tiles."""
    tile, inside = thread // TILE_PIXELS, thread % TILE_PIXELS
    patch, lane = inside // LANES, inside % LANES
    across = tiles_across(view)
    return wp.vec2i(
        tile % across * TILE + patch % (TILE // _PATCH) * _PATCH + lane % _PATCH,
        tile // across * TILE + patch // (TILE // _PATCH) * (LANES // _PATCH) + lane // _PATCH,
    )


@wp.func
def energy_at(ellipse: wp.vec4, offset: wp.vec2) -> float:
    """-ln(alpha) at `offset` pixels from the centre."""
    across = offset[0] - ellipse[1] * offset[1]
    return ellipse[0] * across * across + ellipse[2] * offset[1] * offset[1] + ellipse[3]


@wp.kernel
def blend(
    view: View,
    centers: wp.array[wp.vec2],
    ellipses: wp.array[wp.vec4],
    depths: wp.array[wp.float32],
    colors: wp.array[wp.vec3],
    starts: wp.array[wp.int32],
    stops: wp.array[wp.int32],
    splats: wp.array[wp.int32],
    color: wp.array2d[wp.vec3],
    alpha: wp.array2d[wp.float32],
    depth: wp.array2d[wp.float32],
    used: wp.array2d[wp.int32],
) -> None:
    """Draw the binned splats.

    Args:
        color: (H, W) out, premultiplied on black.
        alpha: (H, W) out.
        depth: (H, W) out: depth of the splat that takes accumulated opacity past one half, else `FAR`.
        used: (H, W) out, how many of its tile's pairs a pixel saw before it was full.
    """
    thread = wp.tid()
    pixel = pixel_of(view, thread)
    x, y = pixel[0], pixel[1]
    if x >= view.width or y >= view.height:
        return
    tile = thread // TILE_PIXELS
    here = wp.vec2(float(x) + 0.5, float(y) + 0.5)
    start, stop = starts[tile], stops[tile]
    # Plain numbers would be constants, which Warp lets no loop change.
    through, near = wp.float32(1.0), wp.float32(FAR)
    total = wp.vec3(0.0)
    seen = stop - start
    for index in range(start, stop):
        splat = splats[index]
        energy = energy_at(ellipses[splat], here - centers[splat])
        if energy <= ENERGY_MAX:
            weight = wp.exp(-energy) * through
            total += weight * colors[splat]
            if through > 0.5:
                near = depths[splat]
            through -= weight
            if through < TRANSMITTANCE_MIN:
                seen = index + 1 - start
                break
    color[y, x] = total
    alpha[y, x] = 1.0 - through
    depth[y, x] = wp.where(through <= 0.5, near, FAR)
    used[y, x] = seen


@wp.kernel
def blend_backward(
    view: View,
    centers: wp.array[wp.vec2],
    ellipses: wp.array[wp.vec4],
    colors: wp.array[wp.vec3],
    starts: wp.array[wp.int32],
    splats: wp.array[wp.int32],
    color: wp.array2d[wp.vec3],
    alpha: wp.array2d[wp.float32],
    used: wp.array2d[wp.int32],
    to_color: wp.array2d[wp.vec3],
    to_alpha: wp.array2d[wp.float32],
    gradients: wp.array[Gradient],
) -> None:
    """Add to each splat's gradients, (N,), what the gradients of the picture, (H, W), say.

    Walks front to back once more; `behind` is the gradient times the colour of all that is still to come, see
    `blending_backward`.
    """
    thread = wp.tid()
    pixel = pixel_of(view, thread)
    x, y = pixel[0], pixel[1]
    here = wp.vec2(float(x) + 0.5, float(y) + 0.5)
    seen = wp.int32(0)
    to_pixel = wp.vec3(0.0)
    behind, through = wp.float32(0.0), wp.float32(1.0)
    if x < view.width and y < view.height:
        seen = used[y, x]
        to_pixel = to_color[y, x]
        behind = wp.dot(to_pixel, color[y, x]) - to_alpha[y, x] * (1.0 - alpha[y, x])
    start = starts[thread // TILE_PIXELS]
    # As far as the last of the threads that run in step: they add up their shares together.
    for number in range(lane_max(seen)):
        splat = splats[start + number]
        offset = here - centers[splat]
        energy = energy_at(ellipses[splat], offset)
        hit = number < seen and energy <= ENERGY_MAX
        if any_lane(hit):
            share = Gradient()
            if hit:
                opacity = wp.exp(-energy)
                weight = opacity * through
                along = weight * wp.dot(to_pixel, colors[splat])
                behind -= along
                through -= weight
                to_energy = opacity * behind / (1.0 - opacity) - along
                share[MOMENT] = to_energy
                share[MOMENT_X] = to_energy * offset[0]
                share[MOMENT_Y] = to_energy * offset[1]
                share[MOMENT_XX] = to_energy * offset[0] * offset[0]
                share[MOMENT_XY] = to_energy * offset[0] * offset[1]
                share[MOMENT_YY] = to_energy * offset[1] * offset[1]
                share[TO_RED] = weight * to_pixel[0]
                share[TO_GREEN] = weight * to_pixel[1]
                share[TO_BLUE] = weight * to_pixel[2]
            for column in range(GRADIENT_COLUMNS):
                share[column] = lane_sum(share[column])
            if is_first_lane():
                wp.atomic_add(gradients, splat, share)
