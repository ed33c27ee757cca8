"""Setup Compositing: avatars in the pictures of Cycles and EEVEE.

A second scene renders the avatars, cut by the other meshes; in the compositor they lie over what the user's own engine
renders, where the proxy throws the shadow and is seen in mirrors. Remove Compositing leaves nothing of it.
"""

from __future__ import annotations

import json

import bpy

from .. import compat
from ..perse_protocol import EngineFailure
from .color import view_keeps_colors
from .preflight import rendered_rigs
from .second_scene import locked_proxies, new_second, release_proxies, second_of

GROUP = "PERSE Avatars Over"
_BEFORE = "perse_before"
"""On the second scene: what Remove Compositing brings back."""
_BELOW = 320
"""How far below the picture's own nodes ours lie."""


def set_up(scene: bpy.types.Scene, *, connect: bool) -> bpy.types.Scene:
    """Have the compositor of `scene` put its avatars over the picture; the second scene.

    Args:
        scene: renders with another engine than PERSE.
        connect: in a compositor that is there already, lay them over what goes to the output; otherwise our nodes only
            stand in it.

    Raises:
        EngineFailure: "shared-compositor", "compositor-off".
    """
    tree = compat.compositor(scene)
    made = tree is None or not tree.nodes
    if tree is not None and sum(compat.compositor(other) == tree for other in bpy.data.scenes) > 1:
        raise EngineFailure("shared-compositor", "another scene has the same compositor", "make it a single-user copy")
    if not made and not (scene.render.use_compositing and compat.composites(scene)):
        raise EngineFailure("compositor-off", "this scene has a compositor, turned off", "turn it on, or delete it")
    second = new_second(scene)
    before = {"use_compositing": scene.render.use_compositing}
    scene.render.use_compositing = True
    tree = compat.give_compositor(scene)
    second[_BEFORE] = json.dumps({**before, "made": [node.name for node in tree.nodes] if made else []})
    over = _add_nodes(tree, second)
    if made or connect:
        _connect(tree, over, scene)
    return second


def remove(scene: bpy.types.Scene) -> None:
    """Undo `set_up`: links go where they went, the second scene and our nodes go, the camera sees the proxies."""
    second = second_of(scene)
    assert second is not None
    before = json.loads(str(second.get(_BEFORE, "{}")))
    tree = compat.compositor(scene)
    if tree is not None:
        _remove_nodes(tree, second)
        if before.get("made") == [node.name for node in tree.nodes]:  # nobody has added to what was made
            compat.take_compositor(scene)
    scene.render.use_compositing = bool(before.get("use_compositing", True))
    release_proxies(scene)
    bpy.data.scenes.remove(second)


def draw_compositing(layout: bpy.types.UILayout, scene: bpy.types.Scene) -> None:
    """What the Render panel says of it, in a scene of another engine."""
    column = layout.column(align=True)
    if second_of(scene) is not None:
        column.label(text="Avatars are composited", icon="CHECKMARK")
        column.operator("perse.remove_compositing", icon="X")
        if not view_keeps_colors(scene):
            column.label(text=f"{scene.view_settings.view_transform} changes their colours", icon="INFO")
        return
    tree = compat.compositor(scene)
    column.operator("perse.setup_compositing", icon="NODE_COMPOSITING").connect = False
    if tree is not None and tree.nodes:
        column.operator("perse.setup_compositing", text="Set Up and Connect", icon="LINKED").connect = True


class PERSE_OT_setup_compositing(bpy.types.Operator):
    """Put avatars into the pictures of this scene's own engine: a second scene renders them with PERSE, and the
    compositor lays them over. What is in the compositor already stays as it is"""

    bl_idname = "perse.setup_compositing"
    bl_label = "Setup Compositing"
    bl_options = {"REGISTER", "UNDO"}

    connect: bpy.props.BoolProperty(
        name="Connect",
        description="Lay avatars over what your compositor gives out; otherwise the new nodes are not connected",
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        scene = context.scene
        if scene.render.engine == "PERSE":
            cls.poll_message_set("This scene renders with PERSE; choose Cycles or EEVEE for everything else first")
        elif second_of(scene) is not None:
            cls.poll_message_set("This scene is set up already")
        elif not rendered_rigs(scene):
            cls.poll_message_set("This scene has no avatar")
        else:
            return True
        return False

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene = context.scene
        try:
            second = set_up(scene, connect=self.connect)
        except EngineFailure as failure:
            self.report({"ERROR"}, str(failure))
            return {"CANCELLED"}
        locked = locked_proxies(scene)
        if locked:
            self.report({"WARNING"}, f"{locked[0].name} is linked and will be seen; make a library override of it")
        else:
            self.report({"INFO"}, f"{second.name} renders the avatars; F12 shows them in the picture")
        return {"FINISHED"}


class PERSE_OT_remove_compositing(bpy.types.Operator):
    """Take the second scene and its nodes away, and leave the compositor and the avatars as they were before"""

    bl_idname = "perse.remove_compositing"
    bl_label = "Remove Compositing"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if second_of(context.scene) is None:
            cls.poll_message_set("This scene is not set up")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        remove(context.scene)
        return {"FINISHED"}


def _over_group() -> bpy.types.NodeTree:
    """The group that lays avatars over a picture; both premultiplied."""
    for found in bpy.data.node_groups:
        if found.name == GROUP and found.is_editable:
            return found
    group = bpy.data.node_groups.new(GROUP, "CompositorNodeTree")
    assert group is not None
    for name, direction in (("Image", "INPUT"), ("Avatars", "INPUT"), ("Image", "OUTPUT")):
        group.interface.new_socket(name, in_out=direction, socket_type="NodeSocketColor")
    given, over, result = (
        group.nodes.new(kind) for kind in ("NodeGroupInput", "CompositorNodeAlphaOver", "NodeGroupOutput")
    )
    given.location.x, result.location.x = -240, 240
    below, above = (socket for socket in over.inputs if socket.type == "RGBA")
    group.links.new(given.outputs[0], below)
    group.links.new(given.outputs[1], above)
    group.links.new(over.outputs[0], result.inputs[0])
    return group


def _add_nodes(tree: bpy.types.NodeTree, second: bpy.types.Scene) -> bpy.types.Node:
    """Add Render Layers of `second` and the group to `tree`, tied to each other; the group's node."""
    lowest = min(node.location.y for node in tree.nodes)
    middle = sum(node.location.x for node in tree.nodes) / len(tree.nodes)
    layers = tree.nodes.new("CompositorNodeRLayers")
    layers.scene = second
    layers.label = "Avatars"
    over = tree.nodes.new("CompositorNodeGroup")
    over.node_tree = _over_group()
    layers.location, over.location = (middle - 160, lowest - _BELOW), (middle + 160, lowest - _BELOW)
    tree.links.new(layers.outputs["Image"], over.inputs["Avatars"])
    return over


def _connect(tree: bpy.types.NodeTree, over: bpy.types.Node, scene: bpy.types.Scene) -> None:
    """Put `over` between what is given out and the output."""
    output = compat.compositor_output(tree)
    target = output.inputs[0]
    if target.is_linked:
        source = target.links[0].from_socket
    else:
        own = [node for node in tree.nodes if node.type == "R_LAYERS" and node.scene == scene]
        layers = own[0] if own else tree.nodes.new("CompositorNodeRLayers")
        source = layers.outputs["Image"]
    tree.links.new(source, over.inputs["Image"])
    tree.links.new(over.outputs["Image"], target)


def _remove_nodes(tree: bpy.types.NodeTree, second: bpy.types.Scene) -> None:
    for node in list(tree.nodes):
        if node.type == "GROUP" and node.node_tree is not None and node.node_tree.name == GROUP:
            below = node.inputs["Image"].links[0].from_socket if node.inputs["Image"].is_linked else None
            for target in [link.to_socket for link in node.outputs["Image"].links] if below is not None else ():
                tree.links.new(below, target)
            group = node.node_tree
            tree.nodes.remove(node)
            if group.users == 0:
                bpy.data.node_groups.remove(group)
        elif node.type == "R_LAYERS" and node.scene == second:
            tree.nodes.remove(node)


CLASSES = (PERSE_OT_setup_compositing, PERSE_OT_remove_compositing)
