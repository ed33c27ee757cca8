"""The last step of a request: a drawn picture, maybe finer than asked for, into its client's memory."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.fineness import averaged
from perse_engine.service.channels import normalised
from perse_engine.service.hand_over import hand_over_linear, hand_over_srgb
from perse_engine.splatting.blending import FAR
from perse_engine.splatting.rasterize import Image
from perse_protocol.frames import Planes
from perse_protocol.messages import Render

Floats = NDArray[np.float32]

REC709 = np.eye(3, dtype=np.float32)


def write_picture(image: Image, extra: Floats | None, render: Render, times: int, out: Planes) -> None:
    """Write rows of a picture, turned upside down; what is drawn finer is averaged down.

    Args:
        image: rows from the top down, `times` as wide and high as `out`.
        extra: (E, H, W) likewise, the channels of `channels.channels_of`; None where there are none.
        out: of the rows, from the bottom up.
    """
    if extra is not None:
        coverage = extra[-1]
        if any(instance.holdout for instance in render.instances):
            image = dataclasses.replace(image, alpha=coverage)
            image.depth[coverage < 0.5] = FAR
        means = averaged(extra, times)
        if "normal" in render.passes:
            means[:3] = normalised(means[:3], means[-1])
        masks = render.extra - len(render.masks)
        out.extra[:masks] = means[:masks, ::-1]
        np.clip(means[masks : render.extra, ::-1], 0, 1, out=out.extra[masks:])
    if times == 1:
        _hand_over(image, render, out.color, out.depth)
        return
    color = np.empty((*image.alpha.shape, 4), np.float32)
    depth = np.empty_like(image.depth)
    _hand_over(image, render, color, depth)
    out.color[:] = np.moveaxis(averaged(np.moveaxis(color, -1, 0), times), 0, -1)
    out.depth[:] = _nearest(depth, times)


def _nearest(depth: Floats, times: int) -> Floats:
    """The least depth of squares of `times` pixels a side, where at least half of the square has one."""
    height, width = depth.shape
    squares = depth.reshape(height // times, times, width // times, times)
    has = (squares < FAR).mean((1, 3)) >= 0.5
    nearest: Floats = np.where(has, squares.min((1, 3)), np.float32(FAR))
    return nearest


def _hand_over(image: Image, render: Render, color: Floats, depth: Floats) -> None:
    background = np.array(render.background or (0, 0, 0, 0), np.float32)
    if render.color == "srgb":
        hand_over_srgb(image.color, image.alpha, image.depth, background, color, depth)
    else:
        matrix = REC709 if render.matrix is None else np.reshape(render.matrix, (3, 3)).astype(np.float32)
        hand_over_linear(image.color, image.alpha, image.depth, matrix, background, color, depth)
