"""Layered, bounded appearance: what the styles' colours, coverages and offsets make of each Gaussian, and back.

Per category, in layer order, with P the sum of its presences, s = presence / P a style's share, o a Gaussian's onset:

    a = s x gate x clip((P - o) / softness, 0, 1),    x <- (1 - sum a) x + sum a target.

This is what the clips' wardrobe does to its texture. The shares sum to one, so every step is a convex blend: whatever
the sliders say, nothing leaves what was trained.

Coverage is how much of what lies behind the surface hides, as the alpha of a texture is. Gaussians overlap, so each
must hide less than they do together: with a sum `OVERLAP` of their kernels at any point, a coverage A needs an opacity
of about 1 - (1 - A)^(1 / OVERLAP). Only so does a half transparent surface look half transparent.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.correctives import correct, correct_backward
from perse_engine.avatars.toning import active_tones, toned, toned_backward

if TYPE_CHECKING:
    from perse_engine.avatars.avatar import Avatar

OVERLAP = 3.25
"""Sum of the Gaussians' kernels on a surface: 2 pi s^2 for a standard deviation of s = `laying.COVERING` spacings."""
_SHARE = np.float32(1 / OVERLAP)

BLOCK = 64
"""Elements in a loop of constant length. Compilers handle the rest of a loop of any length otherwise than its vectors,
so that a Gaussian's opacity would depend, in its last bits, on how many others there are."""

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


@dataclasses.dataclass(frozen=True, eq=False)
class Painted:
    """N Gaussians after all layers.

    Attributes:
        colors: (N, 3).
        coverages: (N,) in [0, 1].
        opacities: (N,) in [0, 1], of each Gaussian alone.
        offsets: (N, 3) metres, bind axes.
        kept: for each painted category its styles and how much of what was below remains, (N,).
    """

    colors: Floats
    coverages: Floats
    opacities: Floats
    offsets: Floats
    kept: tuple[tuple[Ints, Floats], ...]


@dataclasses.dataclass(frozen=True, eq=False)
class PaintGradients:
    """Gradients of the painted parameters; those of styles that were not active are zero."""

    colors: Floats
    coverage_logits: Floats
    offsets: Floats
    style_colors: Floats
    style_coverage_logits: Floats
    style_offsets: Floats
    corrective_offsets: Floats
    corrective_colors: Floats


def paint(avatar: Avatar, weights: Floats, presence: Floats, drivers: Floats) -> Painted:
    """Apply the correctives at `drivers` (D,), then the layers at style `weights` (K,) and `presence` (K,)."""
    colors = avatar.colors.copy()
    offsets = avatar.offsets.copy()
    blocks = _in_blocks(avatar.coverage_logits)
    _sigmoid(blocks, blocks)
    coverages = blocks[: avatar.count]
    correct(avatar.correctives, drivers, colors, offsets)
    looks = avatar.appearance
    shades, kept = _shades(avatar, presence), []
    for styles in avatar.painting_order:
        active = np.array([k for k in styles if weights[k] != 0.0 or presence[k] != 0.0], np.int32)
        if not len(active):
            continue
        remains = np.ones(avatar.count, np.float32)
        sums = np.zeros((avatar.count, 4), np.float32)
        amounts = _amounts(avatar, active, presence)
        _gather(
            active, looks.starts, looks.gaussians, amounts, looks.gates, shades, looks.coverage_logits,
            looks.offsets, weights, remains, sums, offsets,
        )  # fmt: skip
        _blend(remains, sums, colors, coverages)
        kept.append((active, remains))
    opacities = np.zeros_like(blocks)
    _thin(blocks, opacities)
    return Painted(colors, coverages, opacities[: avatar.count], offsets, tuple(kept))


def paint_backward(
    avatar: Avatar,
    weights: Floats,
    presence: Floats,
    drivers: Floats,
    painted: Painted,
    colors: Floats,
    opacities: Floats,
    offsets: Floats,
) -> PaintGradients:
    """Gradients from those of the painted `colors` (N, 3), `opacities` (N,) and `offsets` (N, 3)."""
    looks = avatar.appearance
    entries = len(looks.gaussians)
    style_colors = np.zeros((entries, 3), np.float32)
    style_logits = np.zeros(entries, np.float32)
    style_offsets = np.zeros((entries, 3), np.float32)
    colors, coverages = colors.copy(), np.empty_like(opacities)
    _thin_backward(painted.coverages, opacities, coverages)
    for active, remains in reversed(painted.kept):
        amounts = _amounts(avatar, active, presence)
        _scatter(
            active, looks.starts, looks.gaussians, amounts, looks.gates, looks.coverage_logits, weights,
            colors, coverages, offsets, style_colors, style_logits, style_offsets,
        )  # fmt: skip
        colors *= remains[:, None]
        coverages *= remains
    blocks = _in_blocks(avatar.coverage_logits)
    _sigmoid(blocks, blocks)
    logits = blocks[: avatar.count]
    logits *= (1 - logits) * coverages
    corrections = correct_backward(avatar.correctives, drivers, colors, offsets)
    bare = _toning(avatar, presence)
    if bare is not None:
        tones = active_tones(avatar.styles, presence)
        style_colors[bare] = toned_backward(looks.colors[bare], avatar.bare_skin[bare], tones, style_colors[bare])
    return PaintGradients(colors, logits, offsets, style_colors, style_logits, style_offsets, *corrections)


def _toning(avatar: Avatar, presence: Floats) -> Ints | None:
    """The entries of present styles that take on another tone of skin; None where the skin has its own."""
    if not active_tones(avatar.styles, presence):
        return None
    present = np.repeat(presence > 0, np.diff(avatar.appearance.starts))
    return np.flatnonzero(present & (avatar.bare_skin > 0)).astype(np.int32)


def _shades(avatar: Avatar, presence: Floats) -> Floats:
    """(M, 3) what each entry paints: skin that is laid bare in the tone that the skin has."""
    bare, looks = _toning(avatar, presence), avatar.appearance
    if bare is None or not len(bare):
        return looks.colors
    shades = looks.colors.copy()
    shades[bare] = toned(looks.colors[bare], avatar.bare_skin[bare], active_tones(avatar.styles, presence))
    return shades


def _amounts(avatar: Avatar, active: Ints, presence: Floats) -> Floats:
    """(M,) how far each entry of the `active` styles of one category blends; others are not set."""
    looks = avatar.appearance
    total = presence[active].sum()
    shares = presence / max(total, np.float32(1e-12))
    amounts = np.empty(len(looks.gates), np.float32)
    _ramp(active, looks.starts, looks.gates, looks.onsets, looks.softness, shares, total, amounts)
    return amounts


@numba.njit(fastmath=True, cache=True, nogil=True)
def _ramp(
    active: Ints, starts: Ints, gates: Floats, onsets: Floats, softness: Floats, shares: Floats, total: np.float32,
    amounts: Floats,
) -> None:  # fmt: skip
    for n in range(active.shape[0]):
        k = active[n]
        for e in range(starts[k], starts[k + 1]):
            ramp = (total - onsets[e]) / softness[k]
            amounts[e] = shares[k] * gates[e] * min(max(ramp, np.float32(0.0)), np.float32(1.0))


def _in_blocks(values: Floats) -> Floats:
    """A copy of `values` (n,), filled up with zeros to whole blocks."""
    blocks = np.zeros(-(-len(values) // BLOCK) * BLOCK, np.float32)
    blocks[: len(values)] = values
    return blocks


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)
def _sigmoid(logits: Floats, out: Floats) -> None:
    for block in numba.prange(logits.shape[0] // BLOCK):
        for k in range(BLOCK):
            i = block * BLOCK + k
            out[i] = np.float32(1.0) / (np.float32(1.0) + math.exp(-logits[i]))


@numba.njit(fastmath=True, cache=True, nogil=True)
def _gather(
    active: Ints, starts: Ints, gaussians: Ints, amounts: Floats, gates: Floats, colors: Floats, logits: Floats,
    shifts: Floats, weights: Floats, remains: Floats, sums: Floats, offsets: Floats,
) -> None:  # fmt: skip
    for n in range(active.shape[0]):
        k = active[n]
        for e in range(starts[k], starts[k + 1]):
            i = gaussians[e]
            amount = amounts[e]
            remains[i] -= amount
            for c in range(3):
                sums[i, c] += amount * colors[e, c]
                offsets[i, c] += weights[k] * gates[e] * shifts[e, c]
            sums[i, 3] += amount / (np.float32(1.0) + math.exp(-logits[e]))


@numba.njit(fastmath=True, cache=True, nogil=True)
def _blend(remains: Floats, sums: Floats, colors: Floats, coverages: Floats) -> None:
    for i in range(remains.shape[0]):
        keep = max(remains[i], np.float32(0.0))
        remains[i] = keep
        if keep < np.float32(1.0):
            for c in range(3):
                colors[i, c] = keep * colors[i, c] + sums[i, c]
            coverages[i] = keep * coverages[i] + sums[i, 3]


@numba.njit(fastmath=True, cache=True, nogil=True)
def _scatter(
    active: Ints, starts: Ints, gaussians: Ints, amounts: Floats, gates: Floats, logits: Floats, weights: Floats,
    colors: Floats, coverages: Floats, offsets: Floats, to_colors: Floats, to_logits: Floats, to_offsets: Floats,
) -> None:  # fmt: skip
    for n in range(active.shape[0]):
        k = active[n]
        for e in range(starts[k], starts[k + 1]):
            i = gaussians[e]
            amount = amounts[e]
            for c in range(3):
                to_colors[e, c] = amount * colors[i, c]
                to_offsets[e, c] = weights[k] * gates[e] * offsets[i, c]
            coverage = np.float32(1.0) / (np.float32(1.0) + math.exp(-logits[e]))
            to_logits[e] = amount * coverages[i] * coverage * (np.float32(1.0) - coverage)


@numba.njit(inline="always")
def _log_open(coverage: Any) -> Any:
    """log(1 - coverage), kept away from the pole."""
    return math.log(max(np.float32(1.0) - coverage, np.float32(1e-6)))


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)
def _thin(coverages: Floats, opacities: Floats) -> None:
    for block in numba.prange(coverages.shape[0] // BLOCK):
        for k in range(BLOCK):
            i = block * BLOCK + k
            opacities[i] = np.float32(1.0) - math.exp(_SHARE * _log_open(coverages[i]))


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)
def _thin_backward(coverages: Floats, to_opacities: Floats, to_coverages: Floats) -> None:
    for i in numba.prange(coverages.shape[0]):
        steepness = _SHARE * math.exp((_SHARE - np.float32(1.0)) * _log_open(coverages[i]))
        to_coverages[i] = to_opacities[i] * steepness
