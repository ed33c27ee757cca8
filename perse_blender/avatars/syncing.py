"""Sync Sliders: an avatar takes on what its file has become since it was imported."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import bpy

from .. import compat
from ..perse_protocol import EngineFailure
from ..rig.arkit import key_name, slider_name
from ..rig.rig import move_pivots
from .avatar_file import AvatarFile, read_avatar
from .avatars import CONTENT, active_rig, avatar_path, content_hash, file_path, is_proxy, rigs
from .on_avatar import OnAvatar
from .packed import packed_image
from .proxy import drive_shapes, new_proxy
from .sliders import add_sliders, groups, names

_DRIVEN = (
    "objects", "armatures", "meshes", "shape_keys", "curves", "lattices", "lights", "cameras", "materials",
    "node_groups", "worlds", "scenes",
)  # fmt: skip
"""Kinds of data that drivers are looked for in."""
GONE = "perse_gone"
"""The property that lists sliders which the file has no more, but which are animated, driven or read by something."""


def sync(rig: bpy.types.Object, avatar: AvatarFile) -> tuple[int, int, int]:
    """Give `rig` the sliders of `avatar`, and its proxy the shapes; how many are new, deleted, and kept though gone.

    Values, keyframes and drivers of what stays are left as they are.
    """
    before = {name: label for group in groups(rig) for name, label in group.sliders} | gone_sliders(rig)
    _replace_proxies(rig, avatar)
    add_sliders(rig, avatar)
    present = set(names(rig))
    lost = {name: label for name, label in before.items() if name not in present and name in rig}
    kept = {name: label for name, label in lost.items() if is_used(rig, name)}
    for name in lost.keys() - kept.keys():
        del rig[name]
    for name in kept:
        rig.id_properties_ui(name).update(description="Gone: the avatar's file has no such style any more")
    if kept:
        rig[GONE] = json.dumps(kept, ensure_ascii=False)
    elif GONE in rig:
        del rig[GONE]
    rig.update_tag()
    return len(present - before.keys()), len(lost) - len(kept), len(kept)


def gone_sliders(rig: bpy.types.Object) -> dict[str, str]:
    """The sliders that stay on `rig` although its file has them no more: label by name."""
    try:
        content = json.loads(str(rig.get(GONE, "{}")))
    except ValueError:
        return {}
    return {str(name): str(label) for name, label in content.items()} if isinstance(content, dict) else {}


def rename_slider(rig: bpy.types.Object, old: str, new: str) -> None:
    """Let the slider `old` of `rig`, with its value, keyframes and drivers, be called `new`."""
    if old not in rig or new in rig:
        return
    rig[new] = float(rig[old])
    before, after = f'["{old}"]', f'["{new}"]'
    for curve in _own_curves(rig):
        if curve.data_path == before:
            curve.data_path = after
    for _, target in _driver_targets():
        if target.id == rig and target.data_path == before:
            target.data_path = after
    del rig[old]


def is_used(rig: bpy.types.Object, name: str) -> bool:
    """Whether the slider `name` of `rig` is animated or driven, or something other than its proxy reads it."""
    path = f'["{name}"]'
    if any(curve.data_path == path for curve in _own_curves(rig)):
        return True
    own = {id_ for proxy in proxies(rig) for id_ in (proxy, proxy.data.shape_keys)}
    return any(
        target.id == rig and target.data_path == path and owner not in own for owner, target in _driver_targets()
    )


def proxies(rig: bpy.types.Object) -> list[bpy.types.Object]:
    """The meshes that stand for `rig`."""
    return [thing for thing in rig.children if is_proxy(thing)]


def _own_curves(rig: bpy.types.Object) -> Iterator[bpy.types.FCurve]:
    """Drivers of `rig`, and curves of every action and slot that it uses or that its NLA strips use."""
    animation = rig.animation_data
    if animation is None:
        return
    yield from animation.drivers
    actions = [animation.action, *(strip.action for track in animation.nla_tracks for strip in track.strips)]
    for action in dict.fromkeys(action for action in actions if action is not None):
        for layer in action.layers:
            for strip in layer.strips:
                for bag in strip.channelbags if strip.type == "KEYFRAME" else ():
                    yield from bag.fcurves


def _driver_targets() -> Iterator[tuple[bpy.types.ID, Any]]:
    """Every driver variable's target of this .blend, and what it drives."""
    for kind in _DRIVEN:
        for thing in getattr(bpy.data, kind):
            tree = getattr(thing, "node_tree", None)
            for owner in (thing, tree) if tree is not None else (thing,):
                for curve in owner.animation_data.drivers if owner.animation_data else ():
                    for variable in curve.driver.variables:
                        for target in variable.targets:
                            yield owner, target


def _replace_proxies(rig: bpy.types.Object, avatar: AvatarFile) -> None:
    """Let each proxy of `rig` have the mesh of `avatar`, and drivers of its own; materials and animation stay."""
    for proxy in proxies(rig):
        old = proxy.data
        fresh = new_proxy(avatar, proxy.name)
        mesh, keys = fresh.data, fresh.data.shape_keys
        bpy.data.objects.remove(fresh)
        _keep_materials(old, mesh)
        for modifier in [m for m in proxy.modifiers if m.type == "MASK" and m.name.startswith("Hide ")]:
            for path in ("show_viewport", "show_render"):
                modifier.driver_remove(path)
            proxy.modifiers.remove(modifier)
        _still_pivots(rig, old.shape_keys)
        released = _released(old.shape_keys, avatar)
        proxy.data = mesh
        drive_shapes(proxy, rig, avatar)
        styles = [style.name for style in avatar.styles]
        move_pivots(rig, keys, styles, avatar.joint_style_directions)
        _hand_over(old.shape_keys, keys, released)
        name = old.name
        if old.users == 0:
            bpy.data.meshes.remove(old)
            mesh.name = name


def _keep_materials(old: bpy.types.Mesh, mesh: bpy.types.Mesh) -> None:
    for number, material in enumerate(list(old.materials)[: len(mesh.materials)]):
        made = mesh.materials[number]
        if material is not None and made is not None:
            mesh.materials[number] = material
            bpy.data.materials.remove(made)


def _still_pivots(rig: bpy.types.Object, keys: bpy.types.Key) -> None:
    """Take away the drivers by which the shapes `keys` move the joints of `rig`."""
    for bone in rig.pose.bones:
        path = f'pose.bones["{bone.name}"].location'
        for curve in list(rig.animation_data.drivers) if rig.animation_data else ():
            axis = curve.array_index
            variables = curve.driver.variables if curve.data_path == path else ()
            if any(target.id == keys for variable in variables for target in variable.targets):
                bone.driver_remove("location", axis)
                bone.location[axis] = 0.0


def _released(keys: bpy.types.Key, avatar: AvatarFile) -> list[str]:
    """The shapes of expressions that are not driven any more, for people key them themselves."""
    paths = {curve.data_path for curve in (keys.animation_data.drivers if keys.animation_data else ())}
    sliders = {slider.name for slider in avatar.expressions}
    shapes = [key.name for key in keys.key_blocks if slider_name(key.name) in sliders]
    return [name for name in shapes if f'key_blocks["{name}"].value' not in paths]


def _hand_over(old: bpy.types.Key, keys: bpy.types.Key, released: Iterable[str]) -> None:
    """Let `keys` have what is not ours of `old`: its action, values that people set, and who reads it."""
    for name in released:
        fresh = keys.key_blocks[key_name(slider_name(name))]
        fresh.driver_remove("value")
        fresh.value = old.key_blocks[name].value
        fresh.name = name  # the action finds it by the name that it had
    animation = old.animation_data
    if animation is not None and animation.action is not None:
        own = keys.animation_data or keys.animation_data_create()
        own.action = animation.action
        own.action_slot = animation.action_slot
    for _, target in _driver_targets():
        if target.id == old:
            target.id = keys


class PERSE_OT_sync_sliders(OnAvatar, bpy.types.Operator):
    """Take on what the avatar's file has become: new styles get sliders, names and ranges are renewed, and the proxy
    gets its shapes. What is animated, driven or read by a driver stays, even where the file has it no more"""

    bl_idname = "perse.sync_sliders"
    bl_label = "Sync Sliders"
    bl_options = {"REGISTER", "UNDO"}

    file: bpy.props.StringProperty(
        name="File", description="Every avatar of this file; the active one where it is empty", options={"SKIP_SAVE"}
    )
    old: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"}, description="A slider that has another name now")
    new: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"}, description="Its name now")

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        chosen = users_of(Path(self.file)) if self.file else [active_rig(context)]
        chosen = [rig for rig in chosen if rig is not None]
        if not chosen:
            self.report({"ERROR"}, "no-avatar: no avatar is selected; select one")
            return {"CANCELLED"}
        for rig in chosen:
            if rig.library is not None or rig.override_library is not None:
                self.report({"WARNING"}, f"{rig.name} is linked from another .blend; sync it there")
                continue
            if any(proxy.mode != "OBJECT" for proxy in proxies(rig)):  # their mesh cannot be exchanged
                self.report({"WARNING"}, f"mesh-in-use: the mesh of {rig.name} is being edited; leave that, then sync")
                continue
            try:
                path = avatar_path(rig)
                avatar = read_avatar(path)
            except EngineFailure as failure:
                self.report({"ERROR"}, str(failure))
                return {"CANCELLED"}
            if self.old and self.new:
                rename_slider(rig, self.old, self.new)
            added, deleted, kept = sync(rig, avatar)
            rig[CONTENT] = content_hash(path)
            stays = f", {kept} kept though gone" if kept else ""
            self.report({"INFO"}, f"{rig.name}: {added} new sliders, {deleted} deleted{stays}")
        return {"FINISHED"}


def users_of(path: Path) -> list[bpy.types.Object]:
    """The avatars of this .blend that show the file at `path`."""
    found = []
    for rig in rigs():
        with contextlib.suppress(EngineFailure, OSError):
            if packed_image(rig) is None and file_path(rig).samefile(path):
                found.append(rig)
    return found


class PERSE_OT_delete_gone(OnAvatar, bpy.types.Operator):
    """Delete a slider that the avatar's file has no more, with its keyframes and driver"""

    bl_idname = "perse.delete_gone"
    bl_label = "Delete Slider"
    bl_options = {"REGISTER", "UNDO"}

    slider: bpy.props.StringProperty(options={"HIDDEN"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        rig = active_rig(context)
        left = gone_sliders(rig)
        if self.slider not in left or self.slider not in rig:
            return {"CANCELLED"}
        path = f'["{self.slider}"]'
        if rig.animation_data is not None and rig.animation_data.drivers.find(path):
            rig.driver_remove(path)
        for curve in compat.fcurves(rig):
            if curve.data_path == path:
                for key in reversed(curve.keyframe_points):
                    rig.keyframe_delete(path, frame=key.co[0])
                break
        del rig[self.slider], left[self.slider]
        rig[GONE] = json.dumps(left, ensure_ascii=False)
        return {"FINISHED"}


CLASSES = (PERSE_OT_sync_sliders, PERSE_OT_delete_gone)
