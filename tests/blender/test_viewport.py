"""What viewports show, without their windows: they never wait, ask for the newest state, sharpen at rest."""

from __future__ import annotations

import os
import signal
import time
import types

import bpy
import numpy as np
import pytest
from exr import combined
from mathutils import Matrix, Vector


@pytest.fixture
def viewport(part, monkeypatch):
    module = part("viewport.viewport")
    monkeypatch.setattr(module, "to_card", lambda picture, camera: picture.color.copy())
    return module


def looking_through(camera: bpy.types.Object, size: int) -> types.SimpleNamespace:
    """What `bpy.context` is to a viewport that looks as `camera` does."""
    bpy.context.view_layer.update()
    projection = camera.calc_matrix_camera(bpy.context.evaluated_depsgraph_get(), x=size, y=size)
    view = types.SimpleNamespace(window_matrix=projection, view_matrix=camera.matrix_world.inverted())
    region = types.SimpleNamespace(width=size, height=size)
    space = next(area.spaces.active for screen in bpy.data.screens for area in screen.areas if area.type == "VIEW_3D")
    space.clip_start = camera.data.clip_start
    return types.SimpleNamespace(region=region, region_data=view, space_data=space)


def settle(view, context) -> None:
    """Redraw until there is nothing to wait for, as Blender would."""
    end = time.monotonic() + 60
    while view.update(context, bpy.context.evaluated_depsgraph_get()):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_it_shows_what_a_render_shows(scene, avatar, render, viewport):
    final = combined(render())
    view = viewport.View("test")
    settle(view, looking_through(scene.camera, 96))
    assert np.abs(view.card[::-1] - final).max() < 1e-3
    assert view.message == ""


def test_it_starts_the_engine_without_waiting_for_it(scene, avatar, viewport, part):
    part("session").stop()
    view = viewport.View("test")
    begin = time.monotonic()
    assert view.update(looking_through(scene.camera, 96), bpy.context.evaluated_depsgraph_get())
    assert time.monotonic() - begin < 0.5
    assert view.message == "Starting the engine"
    while view.ticket is None:
        assert view.update(looking_through(scene.camera, 96), bpy.context.evaluated_depsgraph_get())
        time.sleep(0.01)
    assert view.message == "Drawing the first picture"
    settle(view, looking_through(scene.camera, 96))
    assert view.card is not None
    assert view.message == ""


def test_it_follows_sliders_and_asks_for_nothing_at_rest(scene, avatar, viewport):
    view = viewport.View("test")
    context = looking_through(scene.camera, 96)
    settle(view, context)
    before, shown = view.card, view.shown
    settle(view, context)
    assert view.shown is shown
    assert view.ticket is None
    avatar["attr_hair_red"] = 1.0
    avatar.update_tag()
    settle(view, context)
    assert np.abs(view.card - before).max() > 0.1


def test_it_asks_for_a_slider_before_blender_draws(scene, avatar, viewport):
    view = viewport.View("test")
    context = looking_through(scene.camera, 96)
    assert not view.ask_ahead(context.space_data, bpy.context.evaluated_depsgraph_get())  # nothing is drawn there yet
    settle(view, context)
    before, shown = view.card, view.shown
    avatar["attr_hair_red"] = 1.0
    avatar.update_tag()
    assert view.ask_ahead(context.space_data, bpy.context.evaluated_depsgraph_get())
    ticket = view.ticket
    end = time.monotonic() + 60
    while not ticket.done:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert view.ask_ahead(context.space_data, bpy.context.evaluated_depsgraph_get())
    assert view.shown is shown  # what has come is for drawing to take
    assert view.ticket is ticket
    assert not view.update(context, bpy.context.evaluated_depsgraph_get())
    assert view.shown is not shown
    assert np.abs(view.card - before).max() > 0.1


def test_slow_pictures_are_coarse_while_something_moves_and_full_at_rest(scene, avatar, viewport):
    view = viewport.View("test")
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
    view = viewport.View("test")
    assert not view.update(looking_through(scene.camera, 96), bpy.context.evaluated_depsgraph_get())
    assert "missing-avatar" in view.message


def test_what_moves_on_beside_the_avatar_asks_for_nothing(scene, avatar, viewport):
    view = viewport.View("test")
    context = looking_through(scene.camera, 96)
    settle(view, context)
    shown = view.shown
    light = bpy.data.objects.new("light", bpy.data.lights.new("light", "POINT"))
    scene.collection.objects.link(light)
    light.location.x = 1.0
    bpy.context.view_layer.update()
    assert not view.update(context, bpy.context.evaluated_depsgraph_get())
    assert view.shown is shown


def test_a_picture_at_rest_does_not_keep_the_engine(scene, avatar, viewport, part):
    view = viewport.View("test")
    context = looking_through(scene.camera, 96)
    settle(view, context)
    session = part("session")
    session.stop()
    assert not view.update(context, bpy.context.evaluated_depsgraph_get())
    assert session.status().startswith("Not running")
    avatar["attr_hair_red"] = 1.0
    avatar.update_tag()
    settle(view, context)
    assert session.client().pid is not None


def test_an_engine_that_dies_is_started_again(scene, avatar, viewport, part):
    view = viewport.View("test")
    context = looking_through(scene.camera, 96)
    settle(view, context)
    avatar["attr_hair_red"] = 1.0
    avatar.update_tag()
    view.update(context, bpy.context.evaluated_depsgraph_get())
    os.kill(part("session").client().pid, signal.SIGTERM)
    settle(view, context)
    assert view.message == ""
    assert view.ticket is None


def test_hidden_avatars_are_not_shown(scene, avatar, viewport):
    view = viewport.View("test")
    context = looking_through(scene.camera, 96)
    settle(view, context)
    assert view.card is not None
    avatar.children[0].hide_set(True)
    bpy.context.view_layer.update()
    settle(view, context)
    assert view.card is None
    assert view.shown is None


def test_object_types_that_the_viewport_leaves_out_are_not_shown(scene, avatar, viewport):
    view = viewport.View("test")
    context = looking_through(scene.camera, 96)
    settle(view, context)
    context.space_data.show_object_viewport_mesh = False
    settle(view, context)
    assert view.card is None
    context.space_data.show_object_viewport_mesh = True


def test_a_view_that_moves_gives_up_a_slow_full_picture(scene, avatar, viewport):
    view = viewport.View("test")
    settle(view, looking_through(scene.camera, 96))
    view.full_ms = 1000.0
    view.shown = view.asked.reduced(2)
    context = looking_through(scene.camera, 96)
    view.update(context, bpy.context.evaluated_depsgraph_get())
    assert view.asked.camera.width == 96
    scene.camera.location.x = 0.1
    context = looking_through(scene.camera, 96)
    view.update(context, bpy.context.evaluated_depsgraph_get())
    assert view.asked.camera.width == 48
    settle(view, context)
    assert view.shown.camera == viewport.view_camera(context)


def test_the_proxy_is_a_box_where_the_avatar_itself_is_shown(scene, avatar):
    proxy = avatar.children[0]
    assert proxy.display_type == "BOUNDS"
    scene.perse_viewport = False
    assert proxy.display_type == "TEXTURED"
    scene.perse_viewport = True
    assert proxy.display_type == "BOUNDS"


@pytest.mark.parametrize(
    ("shading", "engine", "wanted", "shown"),
    [
        ("SOLID", "PERSE", True, True),
        ("MATERIAL", "PERSE", True, True),
        ("RENDERED", "PERSE", True, False),
        ("RENDERED", "CYCLES", True, True),
        ("WIREFRAME", "CYCLES", True, False),
        ("SOLID", "CYCLES", False, False),
    ],
)
def test_where_the_card_is_drawn(part, shading, engine, wanted, shown):
    scene = types.SimpleNamespace(perse_viewport=wanted, render=types.SimpleNamespace(engine=engine))
    assert part("viewport.overlay").shows_card(scene, types.SimpleNamespace(type=shading)) is shown


def test_an_idle_engine_is_ended(scene, avatar, render, part, monkeypatch):
    session, idle = part("session"), part("viewport.idle")
    render()
    assert not idle.release_if_idle()
    monkeypatch.setattr(session._session, "used", time.monotonic() - 601)
    bpy.context.preferences.addons[part("extension").NAME].preferences.idle_minutes = 0
    assert not idle.release_if_idle()
    bpy.context.preferences.addons[part("extension").NAME].preferences.idle_minutes = 10
    assert idle.release_if_idle()
    assert session.idle_seconds() == 0.0
    assert session.status().startswith("Not running")
    assert combined(render())[48, 48, 3] > 0.95


def test_a_border_in_the_camera_view_is_where_the_frame_is(scene, part):
    scene.render.use_border = True
    scene.render.border_min_x, scene.render.border_max_x = 0.25, 0.75
    scene.render.border_min_y, scene.render.border_max_y = 0.5, 1.0
    context = looking_through(scene.camera, 96)
    context.region_data.view_perspective = "CAMERA"
    context.region_data.perspective_matrix = context.region_data.window_matrix @ context.region_data.view_matrix
    assert part("rendering.camera").border_in_view(context, scene) == (24, 48, 48, 48)
    context.region_data.view_perspective = "PERSP"
    context.space_data.use_render_border = False
    assert part("rendering.camera").border_in_view(context, scene) is None


def test_the_part_that_is_uploaded_holds_all_that_shows(part):
    card = part("viewport.card")
    alpha = np.zeros((90, 120), np.float32)
    assert card.shown_part(alpha) == (slice(0, 0), slice(0, 0))
    alpha[31:52, 44:80] = 0.5
    rows, columns = card.shown_part(alpha)
    assert rows.start <= 31
    assert 52 <= rows.stop < 60
    assert columns.start <= 44
    assert 80 <= columns.stop < 88
    assert card.shown_part(np.ones((90, 120), np.float32)) == (slice(0, 90), slice(0, 120))
    whole = part("rendering.camera").from_projection(Matrix.Identity(4) * 0.5, Matrix.Identity(4), 120, 90, 0.01)
    small = card.cropped(whole, rows, columns)
    assert (small.width, small.height) == (columns.stop - columns.start, rows.stop - rows.start)
    assert (whole.cx - small.cx, whole.cy - small.cy) == (columns.start, 90 - rows.stop)


@pytest.mark.parametrize("flat", [False, True])
def test_a_cards_pixels_go_back_to_where_they_were_seen(part, flat):
    """What the card's shader does: pixel and depth of the picture's camera to the clip space of any later view."""
    projection = Matrix(((3, 0, 0, 0.1), (0, 4, 0, -0.2), (0, 0, -0.002, 0), (0, 0, 0, 1)))
    if not flat:
        projection = Matrix(((3, 0, 0.1, 0), (0, 4, -0.2, 0), (0, 0, -1.002, -0.02), (0, 0, -1, 0)))
    to_view = Matrix.Translation((0, 0, -2)) @ Matrix.Rotation(0.4, 4, "X")
    camera = part("rendering.camera").from_projection(projection, to_view.inverted(), 400, 300, 0.01)
    later = Matrix(((2, 0, 0, 0), (0, 2, 0, 0), (0, 0, -1.002, -0.02), (0, 0, -1, 0))) @ Matrix.Translation((0, 0, -1))
    to_clip, lens = part("viewport.card").card_matrix(camera, later), part("viewport.card").card_lens(camera)
    for point in (Vector((0, 0, 0)), Vector((0.05, -0.1, 0.1)), Vector((-0.1, 0.1, -0.1))):
        x, y, z, _ = np.reshape(camera.view, (4, 4)) @ [*point, 1]
        across = (camera.fx * x / z + camera.cx) / 400
        upwards = 1 - (camera.fy * y / z + camera.cy) / 300
        ray = Vector(((across - lens[2]) / lens[0], (1 - upwards - lens[3]) / lens[1], 1))
        assert list(to_clip @ (ray * z).to_4d()) == pytest.approx(list(later @ point.to_4d()), abs=1e-3)


def test_orthographic_views_have_no_perspective(part):
    projection = Matrix(((3, 0, 0, 0.1), (0, 4, 0, -0.2), (0, 0, -0.002, 0), (0, 0, 0, 1)))
    to_view = Matrix.Rotation(0.4, 4, "X") @ Matrix.Translation((0.1, 0.2, 0.3))
    pinhole = part("rendering.camera").from_projection(projection, to_view.inverted(), 400, 300, 0.01)
    view = np.reshape(pinhole.view, (4, 4))
    for point in (Vector((0, 0, 0)), Vector((0.05, -0.1, 0.1)), Vector((-0.1, 0.1, -0.1))):
        expected = projection @ (to_view @ point)
        x, y, z, _ = view @ [*point, 1]
        drawn = pinhole.fx * x / z + pinhole.cx, pinhole.fy * y / z + pinhole.cy
        assert drawn == pytest.approx(((expected.x + 1) * 200, (1 - expected.y) * 150), abs=0.3)
