"""Drivers of the expression's shape keys: each follows its slider, and the lids follow the gaze, too.

Where a target has the eyes look up or down, lids that stay would cover the iris or leave white above it. How far they
go is how far the open head's own units of gaze, which turn the eyeball and carry the lids along, move them.
"""

from __future__ import annotations

from dataclasses import dataclass

import bpy

from .drivers import drive


@dataclass(frozen=True)
class _Lid:
    """A unit that moves a lid, when the hidden bone `eye` turns up (+) or down (-)."""

    eye: str
    blink: str
    expression: str


_RAISE = "a+2.1*max(0,p)*(1-clamp(b))"  # eyeLookUp: 1.24 mm in 10 degrees; eyeWide: 3.3 mm
_LOWER = "a+max(0,-p)*(1-clamp(b))"  # eyeLookDown: 3.25 mm in 15.5 degrees; eyeBlink: 12.2 mm
_LIDS = {
    f"expr_eye{unit}{side}": _Lid(f"MCH-eye.{side[0].upper()}", f"expr_eyeblink{side}", expression)
    for side in ("left", "right")
    for unit, expression in (("wide", _RAISE), ("blink", _LOWER))
}


def is_lid(slider: str) -> bool:
    """Whether `slider` moves a lid that follows the gaze."""
    return slider in _LIDS


def drive_expression(key: bpy.types.ShapeKey, slider: str, rig: bpy.types.Object) -> None:
    """Let `slider` of `rig` drive `key`, in place of what drives it."""
    key.driver_remove("value")
    curve = key.driver_add("value")
    own = (rig, f'["{slider}"]')
    lid = _LIDS.get(slider)
    if lid is None or lid.blink not in rig:
        drive(curve, "a", [own])
        return
    drive(curve, "a+b", [own, (rig, f'["{lid.blink}"]')])
    pitch = curve.driver.variables.new()
    pitch.name = "p"
    pitch.type = "TRANSFORMS"
    target = pitch.targets[0]
    target.id, target.bone_target = rig, lid.eye
    target.transform_type, target.transform_space, target.rotation_mode = "ROT_X", "LOCAL_SPACE", "XYZ"
    curve.driver.expression = lid.expression
