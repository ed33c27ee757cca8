"""What differs between Blender 4.5 and 5.2, said once."""

from __future__ import annotations

from collections.abc import Callable

import bpy

NEWEST = (5, 2)
"""The newest Blender that PERSE was tried with."""


def notice() -> str:
    """What people should know of a Blender that PERSE was never tried with; empty for others."""
    if bpy.app.version[:2] <= NEWEST:
        return ""
    return f"Blender {bpy.app.version_string} is newer than {'.'.join(map(str, NEWEST))}, which PERSE was tried with"


def shader_nodes(owner: bpy.types.Material | bpy.types.World) -> bpy.types.NodeTree | None:
    """The node tree that `owner` is shaded with, or None; since 5.0 there always is one."""
    if bpy.app.version >= (5, 0, 0) or owner.use_nodes:
        return owner.node_tree
    return None


def give_shader_nodes(owner: bpy.types.Material | bpy.types.World) -> bpy.types.NodeTree:
    """Have `owner` shaded by nodes, as it is since 5.0."""
    if bpy.app.version < (5, 0, 0):
        owner.use_nodes = True
    assert owner.node_tree is not None
    return owner.node_tree


def collections_of(layer: bpy.types.ViewLayer) -> bpy.types.LayerCollection:
    """How `layer` shows its scene's collections; 5.2 works that out when asked for the active one, and not before."""
    _ = layer.active_layer_collection
    return layer.layer_collection


def compositor(scene: bpy.types.Scene) -> bpy.types.NodeTree | None:
    """The compositor's nodes of `scene`, or None; since 5.0 they are a node group of their own."""
    return scene.compositing_node_group if bpy.app.version >= (5, 0, 0) else scene.node_tree


def composites(scene: bpy.types.Scene) -> bool:
    """Whether the nodes of `scene` are in use, apart from the output's own switch; since 5.0 there is no other."""
    return bool(bpy.app.version >= (5, 0, 0) or scene.use_nodes)


def give_compositor(scene: bpy.types.Scene) -> bpy.types.NodeTree:
    """Have `scene` composited: by the nodes that are there, or by new ones that give out what is rendered."""
    if bpy.app.version < (5, 0, 0):
        scene.use_nodes = True
    elif scene.compositing_node_group is None:
        scene.compositing_node_group = bpy.data.node_groups.new(f"{scene.name} Compositor", "CompositorNodeTree")
    tree = compositor(scene)
    assert tree is not None
    if not tree.nodes:
        layers, result = tree.nodes.new("CompositorNodeRLayers"), compositor_output(tree)
        layers.scene = scene
        layers.location.x, result.location.x = -320, 320
        tree.links.new(layers.outputs["Image"], result.inputs[0])
    return tree


def take_compositor(scene: bpy.types.Scene) -> None:
    """Undo `give_compositor` where it made the nodes."""
    tree = compositor(scene)
    if tree is None:
        return
    if bpy.app.version < (5, 0, 0):
        tree.nodes.clear()
        scene.use_nodes = False
        return
    scene.compositing_node_group = None
    if tree.users == 0:
        bpy.data.node_groups.remove(tree)


def compositor_output(tree: bpy.types.NodeTree) -> bpy.types.Node:
    """The node of the compositor `tree` that gives out the picture; made where there is none."""
    kind = "NodeGroupOutput" if bpy.app.version >= (5, 0, 0) else "CompositorNodeComposite"
    found = [node for node in tree.nodes if node.bl_idname == kind]
    active = [node for node in found if getattr(node, "is_active_output", True)]
    if found:
        return (active or found)[0]
    given_out = [item for item in tree.interface.items_tree if getattr(item, "in_out", "") == "OUTPUT"]
    if kind == "NodeGroupOutput" and not given_out:
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    return tree.nodes.new(kind)


def fcurves(owner: bpy.types.ID) -> list[bpy.types.FCurve]:
    """The animation curves of `owner`'s own action; of the slot that it uses."""
    animation = owner.animation_data
    action = animation.action if animation else None
    if action is None:
        return []
    slot = animation.action_slot
    if slot is None:
        return []
    return [
        curve
        for layer in action.layers
        for strip in layer.strips
        if strip.type == "KEYFRAME"
        for bag in strip.channelbags
        if bag.slot_handle == slot.handle
        for curve in bag.fcurves
    ]


def curves_for_writing(owner: bpy.types.ID) -> bpy.types.ActionChannelbag:
    """What has the `fcurves` and `groups` of `owner`'s action; an action is made where there is none."""
    animation = owner.animation_data or owner.animation_data_create()
    action = animation.action or new_action(owner, f"{owner.name} action")
    if animation.action_slot is None:
        animation.action_slot = action.slots.new(id_type=owner.id_type, name=owner.name)
    return _channelbag(action, animation.action_slot)


def curves_of(action: bpy.types.Action, owner: bpy.types.ID) -> bpy.types.ActionChannelbag:
    """What has the `fcurves` and `groups` of a new, empty `action` that is meant for things like `owner`."""
    return _channelbag(action, action.slots.new(id_type=owner.id_type, name=owner.name))


def _channelbag(action: bpy.types.Action, slot: bpy.types.ActionSlot) -> bpy.types.ActionChannelbag:
    layer = action.layers[0] if action.layers else action.layers.new("Layer")
    strip = layer.strips[0] if layer.strips else layer.strips.new(type="KEYFRAME")
    return strip.channelbag(slot, ensure=True)


def select_bone(bone: bpy.types.PoseBone, selected: bool) -> None:
    """Select a bone in pose mode, or not; since 5.0 that is a matter of the pose."""
    (bone if hasattr(bone, "select") else bone.bone).select = selected


def new_action(owner: bpy.types.ID, name: str) -> bpy.types.Action:
    """Give `owner` a new, empty action in place of its own, which is kept."""
    animation = owner.animation_data or owner.animation_data_create()
    keep_action(owner)
    action = bpy.data.actions.new(name)
    animation.action = action
    animation.action_slot = action.slots.new(id_type=owner.id_type, name=owner.name)
    return action


def keep_action(owner: bpy.types.ID) -> None:
    """Take `owner`'s action away without losing it: what nobody uses is not saved, unless it is told to stay."""
    animation = owner.animation_data
    if animation is not None and animation.action is not None:
        if animation.action.library is None:
            animation.action.use_fake_user = True
        animation.action = None


def working_space() -> str:
    """The file's scene-linear colour space: "Linear Rec.709", "Linear Rec.2020" or "ACEScg"; fixed before 5.0."""
    colorspace = getattr(bpy.data, "colorspace", None)
    return colorspace.working_space if colorspace else "Linear Rec.709"


def on_exit(function: Callable[..., None]) -> None:
    """Call `function` when Blender quits, where Blender tells (5.1 and later)."""
    handlers = getattr(bpy.app.handlers, "exit_pre", None)
    if handlers is not None and function not in handlers:
        handlers.append(function)


def forget_on_exit(function: Callable[..., None]) -> None:
    """Undo `on_exit`."""
    handlers = getattr(bpy.app.handlers, "exit_pre", None)
    if handlers is not None and function in handlers:
        handlers.remove(function)
