"""Reading a texture atlas at every Gaussian's place, averaged over about its footprint."""

from __future__ import annotations

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.sampling import LEAST_AREA, triangle_areas, widest_styles
from perse_engine.clips.wardrobe import Layer

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Ints = NDArray[np.int32]

LEVELS = 4
BLOCK = 1 << (LEVELS - 1)
"""Texels of the side of a cell of the coarsest level."""
WIDTH = 1.5
"""Of a footprint, in standard deviations."""
WAITING = 1e-4
"""Share of its largest area below which a triangle has none."""
HIDDEN = 0.02
"""What a transparent texel's colour counts in a mean, where an opaque one's counts 1: it is seen while it appears."""
LEAST_GATE = 0.02
CHANNELS = 11


class Footprints:
    """The places of N Gaussians on an atlas of A x B texels, both multiples of 8.

    Attributes:
        colors: (N, 3) sRGB in [0, 1], and
        coverages: (N,) in [0, 1], of the base.
    """

    def __init__(self, avatar: Avatar, base: Bytes) -> None:
        """Read `base` (A, B, 4), sRGB and straight alpha, at the places of `avatar`."""
        figure = avatar.figure
        corners = figure.uv[figure.uv_faces[avatar.triangles]]
        uv = (corners * avatar.barycentric[..., None]).sum(1)
        height, width = self._shape = base.shape[:2]
        self._place = np.stack([uv[:, 0] * width, (1 - uv[:, 1]) * height], -1).astype(np.float32)
        pixels = corners * [width, height]
        first, second = pixels[:, 1] - pixels[:, 0], pixels[:, 2] - pixels[:, 0]
        texels = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2
        areas, widest = triangle_areas(figure)[avatar.triangles], widest_styles(figure).areas[avatar.triangles]
        # What waits without an area is laid as large as it will be; everything else stretches to that.
        density = np.sqrt(texels / np.maximum(np.where(areas < WAITING * widest, widest, areas), LEAST_AREA))
        footprint = density * np.exp(avatar.log_scales[:, :2]).mean(1) * WIDTH
        self._level = np.clip(np.round(np.log2(np.maximum(footprint, 1e-6))), 0, LEVELS - 1).astype(np.int32)
        self._slots = np.full(height * width, -1, np.int32)
        self._alpha = np.ascontiguousarray(base[..., 3]).ravel()
        image = base.astype(np.float32) * np.float32(1 / 255)
        shown = np.maximum(image[..., 3:], HIDDEN)
        rows = self._sample(np.concatenate([image[..., :3] * shown, image[..., 3:], shown], -1))
        self.colors: Floats = (rows[:, :3] / rows[:, 4:]).clip(0, 1)
        self._mean_alpha, self._shown = rows[:, 3], rows[:, 4]
        # A mean reaches over the border of a tile; what is hidden must not begin to show there.
        self.coverages: Floats = np.minimum(rows[:, 3], bilinear(image[..., 3:], self._place - 0.5)[:, 0])

    def _sample(self, image: Floats) -> Floats:
        """(N, C) of an image (A, B, C)."""
        out = np.empty((len(self._place), image.shape[2]), np.float32)
        for level in range(LEVELS):
            chosen = self._level == level
            scaled = image
            if level:
                size = (image.shape[1] >> level, image.shape[0] >> level)
                planes = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in np.moveaxis(image, -1, 0)]
                scaled = np.stack(planes, -1)
            out[chosen] = bilinear(scaled, self._place[chosen] / 2**level - 0.5)
        return out

    def entries(self, layer: Layer) -> tuple[Ints, Floats]:
        """The Gaussians that a layer reaches, ascending, and for each r, g, b, alpha, gate, onset in [0, 1]."""
        height, width = self._shape
        blocks = np.zeros((height // BLOCK, width // BLOCK), np.bool_)
        rows, columns = np.divmod(layer.texels, width)
        blocks[rows // BLOCK, columns // BLOCK] = True
        self._slots[layer.texels] = np.arange(len(layer.texels), dtype=np.int32)
        sums = np.zeros((len(self._place), CHANNELS), np.float32)
        _gather(
            self._slots, blocks, width, self._place, self._level,
            layer.target, layer.strength, layer.onset, self._alpha, np.float32(HIDDEN), sums,
        )  # fmt: skip
        self._slots[layer.texels] = -1
        gaussians = np.flatnonzero(sums[:, 4] > LEAST_GATE).astype(np.int32)
        color, alpha, mean_gate, onset, shown, sharp, visible, more, hidden = np.split(
            sums[gaussians], [3, 4, 5, 6, 7, 8, 9, 10], 1
        )
        # Of what is seen with the layer or without it: beyond a rim there is nothing that could be left over. The mean
        # widens a region; it must not weaken its edge.
        gate = np.maximum(visible / (self._shown[gaussians, None] + more), sharp).clip(0, 1)
        painted = self._mean_alpha[gaussians, None] - hidden + alpha
        coverage = (painted - (1 - gate) * self.coverages[gaussians, None]) / gate
        return gaussians, np.concatenate([color / shown, coverage, gate, onset / mean_gate], 1).clip(0, 1)


def bilinear(image: Floats, place: NDArray[np.floating]) -> Floats:
    """(n, C) of an image (A, B, C) at `place` (n, 2), x and y in pixel centres; beyond the border is the border."""
    limit = np.array([image.shape[1] - 1, image.shape[0] - 1])
    place = np.clip(place, 0, limit)
    low = np.minimum(place.astype(np.int64), np.maximum(limit - 1, 0))
    share = (place - low).astype(np.float32)
    high = np.minimum(low + 1, limit)
    x, y = share[:, :1], share[:, 1:]
    above = image[low[:, 1], low[:, 0]] * (1 - x) + image[low[:, 1], high[:, 0]] * x
    below = image[high[:, 1], low[:, 0]] * (1 - x) + image[high[:, 1], high[:, 0]] * x
    blended: Floats = above * (1 - y) + below * y
    return blended


@numba.njit(parallel=True, cache=True, nogil=True)
def _gather(
    slots: Ints, blocks: NDArray[np.bool_], width: int, place: Floats, level: Ints,
    target: Bytes, strength: Bytes, onset: Bytes, base: Bytes, hidden: np.float32, out: Floats,
) -> None:  # fmt: skip
    """Weighted sums over the texels of a layer, as `Footprints` reads an image that is zero outside the layer.

    Of gate x (colour x alpha, alpha, 1, onset, alpha); of the gate between the four nearest texels alone; of gate x
    the larger alpha of layer and base; of how much larger that is than the base's; and of gate x the base's.
    """
    unit = np.float32(1 / 255)
    height = slots.shape[0] // width
    for n in numba.prange(place.shape[0]):
        for sharply in range(2):
            size = 1 if sharply else 1 << level[n]
            share = np.float32(1.0) / (size * size)
            wide, high = width // size, height // size
            x = min(max(place[n, 0] / size - np.float32(0.5), np.float32(0)), np.float32(wide - 1))
            y = min(max(place[n, 1] / size - np.float32(0.5), np.float32(0)), np.float32(high - 1))
            left, top = min(int(x), wide - 2), min(int(y), high - 2)
            for cell in range(4):
                column, row = left + cell % 2, top + cell // 2
                amount = share * (np.float32(1) - abs(x - column)) * (np.float32(1) - abs(y - row))
                if amount <= 0 or not blocks[row * size // BLOCK, column * size // BLOCK]:
                    continue
                for v in range(row * size, row * size + size):
                    for u in range(column * size, column * size + size):
                        m = slots[v * width + u]
                        if m < 0:
                            continue
                        gate = amount * strength[m] * unit
                        if sharply:
                            out[n, 7] += gate
                            continue
                        shown = gate * max(target[m, 3] * unit, hidden)
                        for c in range(3):
                            out[n, c] += shown * target[m, c] * unit
                        out[n, 3] += gate * target[m, 3] * unit
                        out[n, 4] += gate
                        out[n, 5] += gate * onset[m] * unit
                        out[n, 6] += shown
                        below = max(base[v * width + u] * unit, hidden)
                        seen = max(below, target[m, 3] * unit)
                        out[n, 8] += gate * seen
                        out[n, 9] += amount * (seen - below)
                        out[n, 10] += gate * base[v * width + u] * unit
