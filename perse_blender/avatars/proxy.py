"""The mesh that stands for an avatar in the viewport: shape keys for expressions and styles, skinned to the rig."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from .. import compat
from ..axes import BLENDER_FROM_HEAD
from ..rig.arkit import key_name, slider_name
from ..rig.drivers import Weight, drive, normalized
from ..rig.lids import drive_expression
from ..rig.rig import DEFORMERS
from .avatar_file import AvatarFile
from .looks import part_switches, vertex_colors

COLORS = "Color"
"""The colour attribute."""
_SMALLEST_SHAPE = 1e-5  # metres; styles that displace less only recolour
_SMALLEST_WEIGHT = 1e-4


def new_proxy(avatar: AvatarFile, name: str) -> bpy.types.Object:
    """The proxy of `avatar`, not yet in a scene, not yet tied to a rig."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(_to_blender(avatar.vertices).tolist(), [], avatar.faces.tolist())
    mesh.polygons.foreach_set("use_smooth", np.ones(len(avatar.faces), bool))
    proxy = bpy.data.objects.new(name, mesh)
    _paint(mesh, avatar)
    _add_shape_keys(proxy, avatar)
    for joint, group_name in enumerate(DEFORMERS):
        _add_group(proxy, group_name, avatar.weights[:, joint])
    return proxy


def tie_to_rig(proxy: bpy.types.Object, rig: bpy.types.Object, avatar: AvatarFile) -> None:
    """Parent and skin `proxy` to `rig`, and let the rig's sliders drive it."""
    proxy.parent = rig
    modifier = proxy.modifiers.new("Armature", "ARMATURE")
    modifier.object = rig
    drive_shapes(proxy, rig, avatar)


def drive_shapes(proxy: bpy.types.Object, rig: bpy.types.Object, avatar: AvatarFile) -> None:
    """Let the sliders of `rig` drive the shape keys of `proxy`, and which of its parts are seen."""
    _drive_expressions(proxy, rig)
    _drive_styles(proxy, rig, avatar)
    _drive_parts(proxy, rig, avatar)


def proxy_display(scene: bpy.types.Scene) -> Any:
    """How proxies are displayed: as a box where the avatar itself is shown, since they would hide it."""
    return "BOUNDS" if scene.perse_viewport else "TEXTURED"


def _to_blender(points: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(points @ np.asarray(BLENDER_FROM_HEAD.to_3x3(), np.float32).T)


def _add_shape_keys(proxy: bpy.types.Object, avatar: AvatarFile) -> None:
    proxy.shape_key_add(name="Basis", from_mix=False)
    for index, slider in enumerate(avatar.expressions):
        directions = avatar.expression_directions[:, :, index]
        _add_key(proxy, key_name(slider.name), slider.hard_min, slider.hard_max, avatar, directions)
    for index, style in enumerate(avatar.styles):
        directions = avatar.style_directions[:, :, index]
        if np.abs(directions).max(initial=0.0) > _SMALLEST_SHAPE:
            _add_key(proxy, style.name, style.hard_min, style.hard_max, avatar, directions)


def _add_key(
    proxy: bpy.types.Object, name: str, low: float, high: float, avatar: AvatarFile, directions: NDArray[np.float32]
) -> None:
    key = proxy.shape_key_add(name=name, from_mix=False)
    key.data.foreach_set("co", _to_blender(avatar.vertices + directions).ravel())
    key.slider_min, key.slider_max = low, high
    key.value = 0.0


def _add_group(proxy: bpy.types.Object, name: str, weights: NDArray[np.float32]) -> None:
    group = proxy.vertex_groups.new(name=name)
    rounded = np.round(weights, 3)
    for weight in np.unique(rounded[rounded > _SMALLEST_WEIGHT]):
        group.add(np.flatnonzero(rounded == weight).tolist(), float(weight), "REPLACE")


def _drive_expressions(proxy: bpy.types.Object, rig: bpy.types.Object) -> None:
    for key, slider in expression_keys(proxy, rig):
        drive_expression(key, slider, rig)


def expression_keys(proxy: bpy.types.Object, rig: bpy.types.Object) -> Iterator[tuple[bpy.types.ShapeKey, str]]:
    """Every shape key of `proxy` that is an expression, and the slider of `rig` that it belongs to."""
    for key in proxy.data.shape_keys.key_blocks:
        slider = slider_name(key.name)
        if slider.startswith("expr_") and slider in rig:
            yield key, slider


def _drive_styles(proxy: bpy.types.Object, rig: bpy.types.Object, avatar: AvatarFile) -> None:
    keys = proxy.data.shape_keys.key_blocks
    for category in avatar.categories:
        styles = [style for style in avatar.styles if style.group == category.name]
        weights = [Weight(style.name, style.hard_min, style.hard_max) for style in styles]
        sources = [(rig, f'["{style.name}"]') for style in styles]
        for index, style in enumerate(styles):
            if style.name in keys:
                drive(keys[style.name].driver_add("value"), normalized(weights, index), sources)


def _drive_parts(proxy: bpy.types.Object, rig: bpy.types.Object, avatar: AvatarFile) -> None:
    """Hide what nobody wears: a part that is transparent until a style shows it, or that a style takes away."""
    for switch in part_switches(avatar):
        vertices = np.unique(avatar.faces[avatar.face_parts == avatar.parts.index(switch.part)])
        group = proxy.vertex_groups.new(name=f"part {switch.part}")
        group.add(vertices.tolist(), 1.0, "REPLACE")
        mask = proxy.modifiers.new(f"Hide {switch.part}", "MASK")
        mask.vertex_group = group.name
        mask.invert_vertex_group = True
        mask.show_expanded = False
        sources = [(rig, f'["{style}"]') for style in switch.styles]
        for path in ("show_viewport", "show_render"):
            drive(mask.driver_add(path), switch.hidden, sources)


def _paint(mesh: bpy.types.Mesh, avatar: AvatarFile) -> None:
    """Vertex colours for the viewport's Attribute mode, and a material for every part for the other modes."""
    colors = vertex_colors(avatar)
    attribute = mesh.color_attributes.new(COLORS, "FLOAT_COLOR", "POINT")
    linear = np.ones((len(colors), 4), np.float32)
    linear[:, :3] = _to_linear(colors)
    attribute.data.foreach_set("color", linear.ravel())
    mesh.color_attributes.active_color = attribute
    for index, part in enumerate(avatar.parts):
        of_part = np.unique(avatar.faces[avatar.face_parts == index])
        mean = linear[of_part, :3].mean(0) if len(of_part) else linear[:, :3].mean(0)
        mesh.materials.append(_material(f"{mesh.name} {part}", mean.tolist()))
    mesh.polygons.foreach_set("material_index", avatar.face_parts.astype(np.int32))


def _material(name: str, viewport_color: Sequence[float]) -> bpy.types.Material:
    material = bpy.data.materials.new(name)
    material.diffuse_color = (*viewport_color, 1.0)  # type: ignore[assignment]
    material.roughness = 0.6
    tree = compat.give_shader_nodes(material)
    nodes, links = tree.nodes, tree.links
    shader = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Roughness"].default_value = 0.6
    color = nodes.new("ShaderNodeVertexColor")
    color.layer_name = COLORS
    color.location = (-220, 200)
    links.new(color.outputs["Color"], shader.inputs["Base Color"])
    return material


def _to_linear(srgb: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(srgb <= 0.04045, srgb / 12.92, ((np.maximum(srgb, 0) + 0.055) / 1.055) ** 2.4).astype(np.float32)
