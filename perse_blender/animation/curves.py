"""Animation curves as arrays: writing many keys at once, thinning them out, moving them in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import bpy
import numpy as np
from numpy.typing import NDArray

from .. import compat

Channel = tuple[str, int]
"""A data path and the index in its array; 0 for single values."""
_LINEAR = 1  # Keyframe.interpolation, as a number
_EXACT = 1e-5


def write_channels(
    owner: bpy.types.ID,
    times: NDArray[np.float64],
    channels: Mapping[Channel, NDArray[np.float64]],
    groups: Mapping[Channel, str],
) -> None:
    """Put linear keys into `owner`'s action, made where there is none; what a channel had between the ends gives way.

    Args:
        times: (N,) frames, rising, N > 0; they may lie between whole frames.
        channels: (N,) values of each; keys on a straight line between others are left out.
        groups: the channel's group in the animation editors.
    """
    bag = compat.curves_for_writing(owner)
    for channel, values in channels.items():
        kept = thinned(times, values)
        curve = bag.fcurves.find(channel[0], index=channel[1])
        if curve is None:
            curve = bag.fcurves.new(channel[0], index=channel[1])
            name = groups[channel]
            curve.group = bag.groups.get(name) or bag.groups.new(name)
        else:
            _clear(curve, times[0], times[-1])
        _add(curve, times[kept], values[kept])
    owner.update_tag()


def thinned(times: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.intp]:
    """The indices of the keys that are needed: the others lie on the straight line between those that stay.

    A key also goes where whole runs of them lie on one line; nothing moves by more than 0.00001.
    """
    if len(values) < 3:
        return np.arange(len(values))
    slopes = np.diff(values) / np.diff(times)
    bends = np.abs(np.diff(slopes)) * np.minimum(np.diff(times)[:-1], np.diff(times)[1:]) > _EXACT
    kept = np.flatnonzero(np.concatenate([[True], bends, [True]]))
    while True:  # a bend too slight to see may add up along a run
        off = np.abs(np.interp(times, times[kept], values[kept]) - values) > _EXACT
        if not off.any():
            return kept
        kept = np.union1d(kept, np.flatnonzero(off))


def key_times(curve: bpy.types.FCurve) -> NDArray[np.float64]:
    """The frames of the keys of `curve`, (N,)."""
    points = np.empty(2 * len(curve.keyframe_points), np.float32)
    curve.keyframe_points.foreach_get("co", points)
    return points[::2].astype(np.float64)


def retime(curves: Sequence[bpy.types.FCurve], start: float, end: float) -> None:
    """Stretch and move all keys of `curves` together, handles too, so that the first is at `start`, the last at `end`.

    Raises:
        ValueError: they have no two keys at different frames, or `end` is not after `start`.
    """
    first, last = key_range(curves)
    if last <= first or end <= start:
        raise ValueError(f"keys from {first:g} to {last:g} cannot be moved to {start:g} to {end:g}")
    factor = (end - start) / (last - first)
    for curve in curves:
        points = curve.keyframe_points
        for name in ("co", "handle_left", "handle_right"):
            values = np.empty(2 * len(points), np.float32)
            points.foreach_get(name, values)
            values[::2] = start + (values[::2] - first) * factor
            points.foreach_set(name, values)
        curve.update()


def key_range(curves: Sequence[bpy.types.FCurve]) -> tuple[float, float]:
    """The frames of the first and the last key of all `curves`; (0, 0) where there are none."""
    times = [key_times(curve) for curve in curves if len(curve.keyframe_points)]
    if not times:
        return 0.0, 0.0
    return float(min(each.min() for each in times)), float(max(each.max() for each in times))


def _clear(curve: bpy.types.FCurve, first: float, last: float) -> None:
    times = key_times(curve)
    for index in np.flatnonzero((times >= first - 1e-3) & (times <= last + 1e-3))[::-1]:
        curve.keyframe_points.remove(curve.keyframe_points[index], fast=True)


def _add(curve: bpy.types.FCurve, times: NDArray[np.float64], values: NDArray[np.float64]) -> None:
    """Add linear keys to `curve`, which has none between them."""
    points = curve.keyframe_points
    before = len(points)
    points.add(len(times))
    coordinates = np.empty(2 * len(points), np.float32)
    points.foreach_get("co", coordinates)
    coordinates[2 * before :] = np.stack([times, values], -1).ravel()
    points.foreach_set("co", coordinates)
    kinds = np.empty(len(points), np.int32)
    points.foreach_get("interpolation", kinds)
    kinds[before:] = _LINEAR
    points.foreach_set("interpolation", kinds)
    curve.update()
