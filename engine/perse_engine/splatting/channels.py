"""What of a pixel belongs to what: further channels of Gaussians, blended as their colours are. CPU only.

A channel's plane is the sum over the splats of a pixel of their weight times their value in that channel. The lists are
the picture's own, so that a channel which is 1 everywhere is exactly the picture's alpha.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from perse_engine.cameras import Camera
from perse_engine.splatting.binning import TILE_HEIGHT, TILE_WIDTH
from perse_engine.splatting.blending import blend
from perse_engine.splatting.cpu import Binned, bin_gaussians, kernels
from perse_engine.splatting.gaussians import Gaussians
from perse_engine.splatting.occluded import Barrier, Window, blend_before, window_of
from perse_engine.splatting.projection import BLUE, RED
from perse_engine.splatting.rasterize import Image, contiguous

_AT_ONCE = BLUE - RED + 1


def rasterize_channels(
    gaussians: Gaussians, camera: Camera, channels: NDArray[np.float32], barrier: Barrier | None
) -> tuple[Image, NDArray[np.float32]]:
    """Draw Gaussians, and the planes of their channels.

    Args:
        gaussians: N of them.
        channels: (N, E) float32, any numbers.
        barrier: what hides them, see `occluded.rasterize_before`; or None.

    Returns:
        The picture, and (E, H, W) float32.
    """
    workers = numba.get_num_threads()
    with kernels:
        binned = bin_gaussians(contiguous(gaussians), camera, workers)
    window = None if barrier is None else window_of(binned, camera, barrier)
    image = _blended(binned, camera, barrier, window, workers)
    planes = np.empty((channels.shape[1], camera.height, camera.width), np.float32)
    for first in range(0, len(planes), _AT_ONCE):
        group = channels[binned.order, first : first + _AT_ONCE]
        count = group.shape[1]
        binned.splats[:, RED : RED + count] = group
        planes[first : first + count] = np.moveaxis(
            _blended(binned, camera, barrier, window, workers).color[..., :count], -1, 0
        )
    return image, planes


def _blended(binned: Binned, camera: Camera, barrier: Barrier | None, window: Window | None, workers: int) -> Image:
    if barrier is not None:
        return blend_before(binned, camera, window, workers)
    height, width = camera.height, camera.width
    image = Image(
        np.empty((height, width, 3), np.float32),
        np.empty((height, width), np.float32),
        np.empty((height, width), np.float32),
    )
    used = np.empty(-(-width // TILE_WIDTH) * -(-height // TILE_HEIGHT), np.int64)
    with kernels:
        blend(
            binned.splats,
            binned.tile_starts,
            binned.pair_splats,
            image.color,
            image.alpha,
            image.depth,
            used,
            workers,
        )
    return image
