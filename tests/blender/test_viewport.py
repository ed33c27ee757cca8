"""The viewport in Rendered mode, without its window: it never waits, asks for the newest state, sharpens at rest."""

from __future__ import annotations

import time
import types

import bpy
import numpy as np
import pytest
from exr import combined
from mathutils import Matrix, Vector


@pytest.fixture
def viewport(part, monkeypatch):
    module = part("viewport")
    monkeypatch.setattr(module, "to_texture", lambda picture: picture.color.copy())
    return module


def looking_through(camera: bpy.types.Object, size: int) -> types.SimpleNamespace:
    """What `bpy.context` is to a viewport that looks as `camera` does."""
    bpy.context.view_layer.update()
    projection = camera.calc_matrix_camera(bpy.context.evaluated_depsgraph_get(), x=size, y=size)
    view = types.SimpleNamespace(window_matrix=projection, view_matrix=camera.matrix_world.inverted())
    region = types.SimpleNamespace(width=size, height=size)
    return types.SimpleNamespace(
        region=region, region_data=view, space_data=types.SimpleNamespace(clip_start=camera.data.clip_start)
    )


def settle(view, context) -> None:
    """Redraw until there is nothing to wait for, as Blender would."""
    end = time.monotonic() + 60
    while view.update(context, bpy.context.evaluated_depsgraph_get()):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_it_shows_what_a_render_shows(scene, avatar, render, viewport):
    final = combined(render())
    view = viewport.View()
    settle(view, looking_through(scene.camera, 96))
    assert np.abs(view.texture[::-1] - final).max() < 1e-3
    assert view.message == ""


def test_it_starts_the_engine_without_waiting_for_it(scene, avatar, viewport, part):
    part("session").stop()
    view = viewport.View()
    begin = time.monotonic()
    assert view.update(looking_through(scene.camera, 96), bpy.context.evaluated_depsgraph_get())
    assert time.monotonic() - begin < 0.5
    assert view.message == "Starting the engine"
    settle(view, looking_through(scene.camera, 96))
    assert view.texture is not None


def test_it_follows_sliders_and_asks_for_nothing_at_rest(scene, avatar, viewport):
    view = viewport.View()
    context = looking_through(scene.camera, 96)
    settle(view, context)
    before, shown = view.texture, view.shown
    settle(view, context)
    assert view.shown is shown
    avatar["attr_hair_red"] = 1.0
    avatar.update_tag()
    settle(view, context)
    assert np.abs(view.texture - before).max() > 0.1


def test_slow_pictures_are_coarse_while_something_moves_and_full_at_rest(scene, avatar, viewport):
    view = viewport.View()
    context = looking_through(scene.camera, 96)
    settle(view, context)
    view.full_ms = 1000.0
    scene.camera.location.x = 0.1
    context = looking_through(scene.camera, 96)
    view.update(context, bpy.context.evaluated_depsgraph_get())
    assert view.asked.camera.width == 48
    settle(view, context)
    assert view.shown.camera.width == 96


def test_what_is_wrong_is_said(scene, avatar, viewport, tmp_path):
    avatar["perse_path"] = avatar["perse_last_seen"] = str(tmp_path / "gone.perse")
    view = viewport.View()
    assert not view.update(looking_through(scene.camera, 96), bpy.context.evaluated_depsgraph_get())
    assert "missing-avatar" in view.message


def test_orthographic_views_have_no_perspective(part):
    projection = Matrix(((3, 0, 0, 0.1), (0, 4, 0, -0.2), (0, 0, -0.002, 0), (0, 0, 0, 1)))
    to_view = Matrix.Rotation(0.4, 4, "X") @ Matrix.Translation((0.1, 0.2, 0.3))
    pinhole = part("camera").from_projection(projection, to_view.inverted(), 400, 300, 0.01)
    view = np.reshape(pinhole.view, (4, 4))
    for point in (Vector((0, 0, 0)), Vector((0.05, -0.1, 0.1)), Vector((-0.1, 0.1, -0.1))):
        expected = projection @ (to_view @ point)
        x, y, z, _ = view @ [*point, 1]
        drawn = pinhole.fx * x / z + pinhole.cx, pinhole.fy * y / z + pinhole.cy
        assert drawn == pytest.approx(((expected.x + 1) * 200, (1 - expected.y) * 150), abs=0.3)
