"""The passes of a view layer: what they are called, what is in them, and how they get from a picture to Blender."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import bpy

from ..avatars.sliders import names
from ..perse_protocol import Mask
from ..perse_protocol.messages import Pass
from .frame import Shown
from .preflight import rendered_rigs

COMBINED, DEPTH, NORMAL = "Combined", "Depth", "Normal"

_ALWAYS = ("skin", "eyes")
_SHAPES = {"face", "nose", "shape"}
"""Categories that change shapes, and so have no region of their own."""
_LONGEST = 60
"""Bytes that Blender keeps of a pass's name, a little less."""


@dataclass(frozen=True)
class MaskPass:
    """A mask.

    Attributes:
        name: of the pass.
        region: a category of attributes, "skin" or "eyes"; None for all of an avatar.
        avatars: names of the armature objects; None for every avatar.
    """

    name: str
    region: str | None = None
    avatars: frozenset[str] | None = None

    def asked(self, shown: Sequence[Shown]) -> Mask:
        """What the engine is to draw, where `shown` are the picture's avatars."""
        if self.avatars is None:
            return Mask(None, self.region)
        return Mask(tuple(k for k, avatar in enumerate(shown) if avatar.name in self.avatars), self.region)


def mask_passes(scene: bpy.types.Scene, layer: bpy.types.ViewLayer) -> tuple[MaskPass, ...]:
    """The masks that `layer` asks for: regions first, then avatars by name."""
    settings, found = layer.perse, []
    rigs = rendered_rigs(scene) if settings.category_masks or settings.avatar_masks else []
    if settings.category_masks:
        own = [name.split("_")[1] for rig in rigs for name in names(rig) if name.startswith("attr_")]
        regions = [region for region in dict.fromkeys((*_ALWAYS, *own)) if region not in _SHAPES]
        found += [MaskPass(f"PERSE {region}", region) for region in regions]
    if settings.avatar_masks:
        members: dict[str, set[str]] = {}
        for name in sorted(rig.name for rig in rigs):
            members.setdefault(avatar_pass(name), set()).add(name)
        found += [MaskPass(name, None, frozenset(avatars)) for name, avatars in members.items()]
    return tuple(found)


def avatar_pass(name: str) -> str:
    """The name of the mask of the avatar `name`. Dots would end a name in an EXR file."""
    return f"Mask {name.replace('.', '_')}".encode()[:_LONGEST].decode(errors="ignore")


def wanted_passes(layer: bpy.types.ViewLayer) -> tuple[Pass, ...]:
    """What the engine is asked for, beside masks."""
    passes: list[Pass] = ["combined"]
    if layer.use_pass_z:
        passes.append("depth")
    if layer.use_pass_normal:
        passes.append("normal")
    return tuple(passes)
