"""Handing the proxy's shape keys to face-capture software, and taking what it has keyed back to the sliders.

A shape key that a slider drives ignores its own keyframes. Release takes the drivers away, so that other add-ons key
`jawOpen`, `eyeBlinkLeft` …; a frame shows the keys' values either way. Bake writes what the keys do to the sliders.
"""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np
from numpy.typing import NDArray

from .. import compat
from ..avatars.avatars import active_rig, proxy_of
from ..avatars.on_avatar import OnLocalAvatar
from ..avatars.proxy import expression_keys
from ..rig.arkit import key_name
from ..rig.lids import drive_expression
from .curves import key_range, key_times, write_channels
from .sampling import sampled

Keys = Sequence[tuple[bpy.types.ShapeKey, str]]
GROUP = "PERSE"


def free_keys(rig: bpy.types.Object) -> Keys:
    """The expression keys of the proxy of `rig` that no slider drives, each with its slider."""
    proxy = proxy_of(rig)
    if proxy is None or proxy.data.shape_keys is None:
        return ()
    keys = {_path(key): (key, slider) for key, slider in expression_keys(proxy, rig)}
    animation = proxy.data.shape_keys.animation_data
    for curve in animation.drivers if animation else ():
        if curve.data_path in keys and _reads(curve.driver, rig):
            del keys[curve.data_path]
    return tuple(keys.values())


def release(rig: bpy.types.Object) -> None:
    """Take the drivers of all expression keys away; the keys stay where the sliders have them."""
    for key, slider in expression_keys(proxy_of(rig), rig):
        key.driver_remove("value")
        key.name = key_name(slider)
        key.value = float(rig[slider])
    proxy_of(rig).data.shape_keys.update_tag()


def bake(rig: bpy.types.Object, scene: bpy.types.Scene) -> tuple[int, float, float]:
    """Write what the free keys do to the sliders, as keys, or a value where they stand still; then drive them.

    Returns:
        How many sliders got keys, and the first and the last frame.
    """
    shape = proxy_of(rig).data.shape_keys
    keys = free_keys(rig)
    times = _moments(shape, keys, scene)
    if _plain(shape, keys):
        values = _read(shape, keys, times)
    else:
        values = list(sampled(shape, [_path(key) for key, _ in keys], times))
    moving = {slider: row for (_, slider), row in zip(keys, values) if np.ptp(row) > 0}
    for (_, slider), row in zip(keys, values):
        rig[slider] = float(row[0])
    if moving:
        channels = {(f'["{slider}"]', 0): row for slider, row in moving.items()}
        write_channels(rig, times, channels, dict.fromkeys(channels, GROUP))
    if shape.animation_data is not None:
        compat.keep_action(shape)
        for track in shape.animation_data.nla_tracks:
            track.mute = True
    for key, slider in keys:
        drive_expression(key, slider, rig)
    rig.update_tag()
    return len(moving), float(times[0]), float(times[-1])


def _reads(driver: bpy.types.Driver, rig: bpy.types.Object) -> bool:
    return any(target.id == rig for variable in driver.variables for target in variable.targets)


def _path(key: bpy.types.ShapeKey) -> str:
    return f'key_blocks["{key.name}"].value'


def _plain(shape: bpy.types.Key, keys: Keys) -> bool:
    """Whether nothing but the action moves `keys`, so that its curves say all."""
    animation = shape.animation_data
    if animation is None:
        return True
    paths = {_path(key) for key, _ in keys}
    return not animation.nla_tracks and not any(curve.data_path in paths for curve in animation.drivers)


def _moments(shape: bpy.types.Key, keys: Keys, scene: bpy.types.Scene) -> NDArray[np.float64]:
    """The frames to look at: all whole ones from the first key to the last, and those between on which keys are."""
    curves = _curves(shape, keys)
    ranges = [key_range(curves)] if curves else []
    animation = shape.animation_data
    if animation is not None:
        ranges += [(strip.frame_start, strip.frame_end) for track in animation.nla_tracks for strip in track.strips]
        if not _plain(shape, keys):
            ranges.append((scene.frame_start, scene.frame_end))
    if not ranges:
        return np.array([float(scene.frame_current)])
    first, last = min(low for low, _ in ranges), max(high for _, high in ranges)
    whole = np.arange(np.ceil(first), np.floor(last) + 1)
    return np.unique(np.concatenate([[first, last], whole, *(key_times(curve) for curve in curves)]))


def _curves(shape: bpy.types.Key, keys: Keys) -> list[bpy.types.FCurve]:
    paths = {_path(key) for key, _ in keys}
    return [curve for curve in compat.fcurves(shape) if curve.data_path in paths and len(curve.keyframe_points)]


def _read(shape: bpy.types.Key, keys: Keys, times: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    curves = {curve.data_path: curve for curve in _curves(shape, keys)}
    values = []
    for key, _ in keys:
        curve = curves.get(_path(key))
        row = [curve.evaluate(time) for time in times] if curve and not curve.mute else [key.value] * len(times)
        values.append(np.clip(row, key.slider_min, key.slider_max))
    return values


class _OnShapeKeys(OnLocalAvatar):
    """Needs an active avatar whose shape keys belong to this file."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        proxy = proxy_of(active_rig(context))
        if proxy is None or proxy.data.shape_keys is None:
            cls.poll_message_set("The avatar has lost its proxy mesh")
            return False
        shape = proxy.data.shape_keys
        if shape.library is not None or shape.override_library is not None or proxy.data.library is not None:
            cls.poll_message_set("The avatar's mesh is linked; make it local first")
            return False
        return True


class PERSE_OT_release(_OnShapeKeys, bpy.types.Operator):
    """Take the sliders' drivers off the expression's shape keys, so that face-capture add-ons can key jawOpen,
    eyeBlinkLeft and the others. The sliders of the expression rest until Bake to Sliders"""

    bl_idname = "perse.release"
    bl_label = "Release for Capture"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        rig = active_rig(context)
        if len(free_keys(rig)) == len(tuple(expression_keys(proxy_of(rig), rig))):
            cls.poll_message_set("The shape keys are free already")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        rig = active_rig(context)
        release(rig)
        self.report({"INFO"}, f"The shape keys of {proxy_of(rig).name} are free to be keyed")
        return {"FINISHED"}


class PERSE_OT_bake(_OnShapeKeys, bpy.types.Operator):
    """Write the animation of the shape keys to the sliders as keyframes, and let the sliders drive the keys again.
    The captured action is kept"""

    bl_idname = "perse.bake"
    bl_label = "Bake to Sliders"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        if not free_keys(active_rig(context)):
            cls.poll_message_set("The sliders drive the shape keys; Release for Capture comes first")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        count, first, last = bake(active_rig(context), context.scene)
        where = f" from frame {first:g} to {last:g}" if count else ""
        self.report({"INFO"}, f"{count} sliders keyed{where}")
        return {"FINISHED"}


CLASSES = (PERSE_OT_release, PERSE_OT_bake)
