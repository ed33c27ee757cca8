"""Sliders: named float properties of the armature object, that keyframes, drivers and other add-ons reach by name."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass

import bpy

from .avatar_file import AvatarFile, Slider

INDEX = "perse_sliders"
"""The property that says how sliders are grouped and labelled, so that panels need neither avatar file nor engine."""
LIGHT = "light"
"""The property that says how much of the scene's light falls on the avatar."""
FAVOURITES = "perse_favourites"
"""The property that lists the sliders which people want on top; it travels with the avatar."""

_REGIONS = {
    "brow": "Brows",
    "eye": "Eyes",
    "nose": "Nose and cheeks",
    "cheek": "Nose and cheeks",
    "jaw": "Jaw",
    "mouth": "Mouth",
    "tongue": "Mouth",
}


@dataclass(frozen=True)
class Group:
    """Sliders that a panel shows together.

    Attributes:
        kind: "attribute" or "expression".
        label: what people read.
        sliders: name and label of each.
    """

    kind: str
    label: str
    sliders: tuple[tuple[str, str], ...]


def add_sliders(rig: bpy.types.Object, avatar: AvatarFile) -> None:
    """Give `rig` every slider of `avatar`, with its limits, and the index of them; new ones are at rest."""
    labels = {category.name: category.label for category in avatar.categories}
    for slider in avatar.styles:
        _add(rig, slider, f"{labels[slider.group]}: how much of “{slider.label}”; 0 is the person as photographed")
    for slider in avatar.expressions:
        _add(rig, slider, f"Expression: {slider.label}; 0 is at rest")
    add_light(rig)
    if FAVOURITES not in rig:
        rig[FAVOURITES] = "[]"
        rig.property_overridable_library_set(f'["{FAVOURITES}"]', True)
    rig[INDEX] = json.dumps(_index(avatar), ensure_ascii=False, separators=(",", ":"))


def add_light(rig: bpy.types.Object) -> None:
    """Give `rig` the slider of its light, which is the avatar's and no style; at rest where it is new."""
    if LIGHT not in rig:
        rig[LIGHT] = 0.0
    rig.id_properties_ui(LIGHT).update(
        min=0.0,
        max=1.0,
        soft_min=0.0,
        soft_max=1.0,
        default=0.0,
        step=1.0,
        precision=2,
        description="How much of Blender's lamps and world is in the avatar's light; 0 is the portrait's own light",
    )
    rig.property_overridable_library_set(f'["{LIGHT}"]', True)


def groups(rig: bpy.types.Object) -> tuple[Group, ...]:
    """The groups of the sliders of `rig`, attributes first; empty for what is no avatar."""
    return _parsed(str(rig.get(INDEX, "[]")))


def names(rig: bpy.types.Object) -> tuple[str, ...]:
    """The names of all sliders of `rig`."""
    return tuple(name for group in groups(rig) for name, _ in group.sliders)


def _add(rig: bpy.types.Object, slider: Slider, description: str) -> None:
    if slider.name not in rig:
        rig[slider.name] = 0.0
    rig.id_properties_ui(slider.name).update(
        min=slider.hard_min,
        max=slider.hard_max,
        soft_min=slider.soft_min,
        soft_max=slider.soft_max,
        default=0.0,
        step=1.0,
        precision=2,
        description=description,
    )
    rig.property_overridable_library_set(f'["{slider.name}"]', True)


def _index(avatar: AvatarFile) -> list[list[object]]:
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for category in avatar.categories:
        members = [(style.name, style.label) for style in avatar.styles if style.group == category.name]
        if members:
            found["attribute", category.label] = members
    for slider in avatar.expressions:
        name = slider.name.removeprefix("expr_")
        region = next((label for prefix, label in _REGIONS.items() if name.startswith(prefix)), "Expression")
        found.setdefault(("expression", region), []).append((slider.name, slider.label))
    return [[kind, label, members] for (kind, label), members in found.items()]


@functools.lru_cache(maxsize=64)
def _parsed(text: str) -> tuple[Group, ...]:
    try:
        content = json.loads(text)
        return tuple(
            Group(kind, label, tuple((name, text) for name, text in members)) for kind, label, members in content
        )
    except (ValueError, TypeError):
        return ()
