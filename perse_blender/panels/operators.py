"""What the panel's buttons do to an avatar and to the scene."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import bpy
from bpy_extras.io_utils import ImportHelper

from .. import compat
from ..animation.key_settings import Place, insert_keys
from ..avatars.avatar_file import read_avatar
from ..avatars.avatars import CONTENT, active_rig, content_hash, link_file
from ..avatars.on_avatar import OnAvatar
from ..avatars.sliders import Group, groups, names
from ..perse_protocol import EngineFailure

_TOLERANCE = 1e-6
_CHANGED, _MIXED = 0.5, 0.3
"""How often a random person has another hair cut, beard …, and how often it is a mixture of two."""


class PERSE_OT_reset(OnAvatar, bpy.types.Operator):
    """Set sliders of the active avatar back to 0, the person as photographed at rest. Keyframes stay"""

    bl_idname = "perse.reset"
    bl_label = "Reset Sliders"
    bl_options = {"REGISTER", "UNDO"}

    kind: bpy.props.EnumProperty(
        name="Which",
        items=[
            ("all", "All", "Every slider"),
            ("attribute", "Attributes", "Hair, beard, hat and the like"),
            ("expression", "Expression", "Everything that the face does"),
        ],
    )
    group: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"}, description="Only this group, by its label")

    def execute(self, context: bpy.types.Context) -> set[str]:
        rig = active_rig(context)
        for group in groups(rig):
            if self.kind in ("all", group.kind) and self.group in ("", group.label):
                for name, _ in group.sliders:
                    rig[name] = 0.0
        rig.update_tag()
        return {"FINISHED"}


class PERSE_OT_randomize(OnAvatar, bpy.types.Operator):
    """Give the avatar styles at random. Another seed in the panel of the last action gives another person"""

    bl_idname = "perse.randomize"
    bl_label = "Random Styles"
    bl_options = {"REGISTER", "UNDO"}

    seed: bpy.props.IntProperty(name="Seed", min=0, options={"SKIP_SAVE"})
    group: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"}, description="Only this group, by its label")

    def execute(self, context: bpy.types.Context) -> set[str]:
        rig = active_rig(context)
        chosen = [g for g in groups(rig) if g.kind == "attribute" and self.group in ("", g.label)]
        for name, value in random_styles(chosen, self.seed, sparse=not self.group).items():
            rig[name] = value
        rig.update_tag()
        return {"FINISHED"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if not self.properties.is_property_set("seed"):
            self.seed = random.randrange(1_000_000)
        return self.execute(context)


def random_styles(chosen: Sequence[Group], seed: int, *, sparse: bool) -> dict[str, float]:
    """A value for every slider of the `chosen` groups: one style of a group, or two mixed, and 0 for the others.

    Args:
        seed: the same one gives the same values.
        sparse: leave every other group, at random, as the person has it.
    """
    source = random.Random(seed)
    values = {name: 0.0 for group in chosen for name, _ in group.sliders}
    for group in chosen:
        changed, mixed, share = source.random() < _CHANGED or not sparse, source.random() < _MIXED, source.random()
        names = source.sample([name for name, _ in group.sliders], min(2, len(group.sliders)))
        if not changed:
            continue
        values[names[0]] = round(0.5 + 0.5 * share, 2)
        if mixed and len(names) == 2:
            values[names[1]] = round(1 - values[names[0]], 2)
    return values


class PERSE_OT_key_changed(OnAvatar, bpy.types.Operator):
    """Key, at this frame, every slider that is not where its animation has it, or has none and is not 0"""

    bl_idname = "perse.key_changed"
    bl_label = "Key Changed"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        rig = active_rig(context)
        count = key_changed(rig, context)
        self.report({"INFO"}, f"{count} sliders keyed at frame {context.scene.frame_current}")
        return {"FINISHED"}


def key_changed(rig: bpy.types.Object, context: bpy.types.Context) -> int:
    """Key the changed sliders of `rig` at the current frame; how many they were."""
    frame = context.scene.frame_current_final
    curves = {curve.data_path: curve for curve in compat.fcurves(rig)}
    driven = {curve.data_path for curve in rig.animation_data.drivers} if rig.animation_data else set()
    places: list[Place] = []
    for name in names(rig):
        path = f'["{name}"]'
        curve = curves.get(path)
        expected = curve.evaluate(frame) if curve else 0.0
        if name in rig and path not in driven and abs(float(rig[name]) - expected) > _TOLERANCE:
            places.append((rig, path, -1, "PERSE"))
    return insert_keys(rig, places, context)


class PERSE_OT_relink(OnAvatar, bpy.types.Operator, ImportHelper):  # type: ignore[misc]
    """Choose the avatar file of the active avatar again, where it was moved or built anew"""

    bl_idname = "perse.relink"
    bl_label = "Relink"
    bl_options = {"REGISTER", "UNDO"}

    filename_ext = ".perse"
    filter_glob: bpy.props.StringProperty(default="*.perse", options={"HIDDEN"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        rig = active_rig(context)
        path = Path(bpy.path.abspath(self.filepath))
        try:
            avatar = read_avatar(path)
        except EngineFailure as failure:
            self.report({"ERROR"}, str(failure))
            return {"CANCELLED"}
        known = {slider.name for slider in (*avatar.styles, *avatar.expressions)}
        lacking = [name for name in names(rig) if name not in known]
        if lacking:
            self.report({"ERROR"}, f"{path.name} has no slider {lacking[0]}; import it as an avatar of its own")
            return {"CANCELLED"}
        if content_hash(path) != rig.get(CONTENT):
            self.report({"WARNING"}, "This is not the file that the avatar was imported from; its proxy may differ")
        link_file(rig, path)
        return {"FINISHED"}


class PERSE_OT_use_engine(bpy.types.Operator):
    """Render this scene with PERSE"""

    bl_idname = "perse.use_engine"
    bl_label = "Render with PERSE"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.scene.render.engine = "PERSE"
        return {"FINISHED"}


class PERSE_OT_keep_colors(bpy.types.Operator):
    """Show avatars in the colours of their photograph: view transform Standard, without look, exposure and gamma"""

    bl_idname = "perse.keep_colors"
    bl_label = "Use the Photo's Colours"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.view_settings
        settings.view_transform = "Standard"
        settings.look = "None"
        settings.exposure = 0.0
        settings.gamma = 1.0
        return {"FINISHED"}


CLASSES = (
    PERSE_OT_reset,
    PERSE_OT_randomize,
    PERSE_OT_key_changed,
    PERSE_OT_relink,
    PERSE_OT_use_engine,
    PERSE_OT_keep_colors,
)
