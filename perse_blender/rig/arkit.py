"""ARKit's 52 units, spelt as face-capture software spells them; a slider is "expr_" and the same in small letters."""

from __future__ import annotations

UNITS = (
    "eyeBlinkLeft",
    "eyeLookDownLeft",
    "eyeLookInLeft",
    "eyeLookOutLeft",
    "eyeLookUpLeft",
    "eyeSquintLeft",
    "eyeWideLeft",
    "eyeBlinkRight",
    "eyeLookDownRight",
    "eyeLookInRight",
    "eyeLookOutRight",
    "eyeLookUpRight",
    "eyeSquintRight",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawRight",
    "jawOpen",
    "mouthClose",
    "mouthFunnel",
    "mouthPucker",
    "mouthLeft",
    "mouthRight",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "noseSneerLeft",
    "noseSneerRight",
    "tongueOut",
)
_KEYS = {f"expr_{unit.lower()}": unit for unit in UNITS}
_SLIDERS = {unit: slider for slider, unit in _KEYS.items()}


def key_name(slider: str) -> str:
    """The proxy's shape key of `slider`: ARKit's spelling where it is a unit of ARKit, else the slider's own name."""
    return _KEYS.get(slider, slider)


def slider_name(key: str) -> str:
    """The slider of the shape key `key`. Avatars imported by earlier versions have keys named as their sliders."""
    return _SLIDERS.get(key, key)


def mirrored(slider: str) -> str:
    """The slider of the face's other side; itself where there is none."""
    for side, other in (("left", "right"), ("right", "left")):
        if slider.startswith("expr_") and slider.endswith(side):
            return slider.removesuffix(side) + other
    return slider
