"""What people choose for renders with PERSE: samples, and the passes of a view layer; with the panels that show it."""

from __future__ import annotations

from typing import Any

import bpy

from ..handlers import unwatch, watch
from .passes import MaskPass, mask_passes

ENGINE = "PERSE"


class PerseRenderSettings(bpy.types.PropertyGroup):
    """Of a scene."""

    motion_samples: bpy.props.IntProperty(
        name="Motion Samples",
        description="Moments of the shutter's time whose pictures are averaged. More make fast movement smoother, and "
        "each takes as long as a frame without blur",
        default=8,
        min=2,
        max=256,
        soft_max=64,
    )
    lens_samples: bpy.props.IntProperty(
        name="Lens Samples",
        description="Points of the lens whose pictures are averaged for depth of field. More make strong blur "
        "smoother, and each takes as long as a frame without blur",
        default=16,
        min=2,
        max=1024,
        soft_max=128,
    )
    supersampling: bpy.props.EnumProperty(
        name="Anti-Aliasing",
        description="How finely a picture is drawn before it is averaged down to its size",
        items=[
            ("1", "1 × 1", "Gaussians are filtered to the size of a pixel; right for nearly everything"),
            ("2", "2 × 2", "Four times the pixels: truer edges of fine hair, about three times as slow"),
        ],
        default="1",
    )


def _tell_passes(settings: Any, context: bpy.types.Context) -> None:
    """Have the compositor's Render Layers nodes show the sockets that there are now."""
    for scene in bpy.data.scenes:
        for layer in scene.view_layers:
            if layer.perse == settings:
                layer.update_render_passes()


class PerseLayerSettings(bpy.types.PropertyGroup):
    """Of a view layer."""

    category_masks: bpy.props.BoolProperty(
        name="Attributes",
        description="A mask for each category of attributes, such as “PERSE hair” and “PERSE glasses”, and for skin "
        "and eyes: how much of each pixel it covers",
        update=_tell_passes,
    )
    avatar_masks: bpy.props.BoolProperty(
        name="Avatars",
        description="A mask for each avatar, such as “Mask Anna”: how much of each pixel it covers. Together they are "
        "the alpha",
        update=_tell_passes,
    )


class _Properties:
    bl_space_type: Any = "PROPERTIES"
    bl_region_type: Any = "WINDOW"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.engine == ENGINE


class PERSE_PT_sampling(_Properties, bpy.types.Panel):
    """How finely is rendered."""

    bl_label = "Sampling"
    bl_context = "render"
    bl_order = 0

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(context.scene.perse, "supersampling")
        layout.prop(context.scene.perse, "lens_samples")


class PERSE_PT_motion_blur(_Properties, bpy.types.Panel):
    """Whether and how movement blurs."""

    bl_label = "Motion Blur"
    bl_context = "render"
    bl_order = 1
    bl_options = {"DEFAULT_CLOSED"}

    def draw_header(self, context: bpy.types.Context) -> None:
        self.layout.prop(context.scene.render, "use_motion_blur", text="")

    def draw(self, context: bpy.types.Context) -> None:
        layout, render = self.layout, context.scene.render
        layout.use_property_split = True
        layout.active = render.use_motion_blur
        layout.prop(context.scene.perse, "motion_samples", text="Samples")
        layout.prop(render, "motion_blur_position")
        layout.prop(render, "motion_blur_shutter")


class PERSE_PT_passes(_Properties, bpy.types.Panel):
    """What a view layer holds beside the picture."""

    bl_label = "Passes"
    bl_context = "view_layer"

    def draw(self, context: bpy.types.Context) -> None:
        draw_passes(self.layout, context.view_layer)


def draw_passes(layout: bpy.types.UILayout, layer: bpy.types.ViewLayer) -> None:
    """The passes of `layer`, to be ticked."""
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    ticks = column.column(heading="Passes", align=True)
    ticks.prop(layer, "use_pass_z", text="Depth")
    ticks.prop(layer, "use_pass_normal", text="Normal")
    ticks = column.column(heading="Masks", align=True)
    ticks.prop(layer.perse, "category_masks")
    ticks.prop(layer.perse, "avatar_masks")


_offered: dict[tuple[int, str], tuple[MaskPass, ...]] = {}
"""The masks that view layers had when they were looked at last, by scene and name."""


@bpy.app.handlers.persistent
def _follow_avatars(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
    """Offer the masks of avatars that come, go or are renamed."""
    if scene.render.engine != ENGINE or not depsgraph.id_type_updated("OBJECT"):
        return
    for layer in scene.view_layers:
        key, masks = (scene.session_uid, layer.name), mask_passes(scene, layer)
        if _offered.get(key, ()) != masks:
            _offered[key] = masks
            layer.update_render_passes()


CLASSES = (PerseRenderSettings, PerseLayerSettings, PERSE_PT_sampling, PERSE_PT_motion_blur, PERSE_PT_passes)
_HANDLERS = (("depsgraph_update_post", _follow_avatars),)


def register() -> None:
    """Give scenes and view layers their settings."""
    bpy.types.Scene.perse = bpy.props.PointerProperty(type=PerseRenderSettings)
    bpy.types.ViewLayer.perse = bpy.props.PointerProperty(type=PerseLayerSettings)
    watch(_HANDLERS)


def unregister() -> None:
    """Take them away."""
    unwatch(_HANDLERS)
    _offered.clear()
    for owner in (bpy.types.Scene, bpy.types.ViewLayer):
        if hasattr(owner, "perse"):
            del owner.perse
