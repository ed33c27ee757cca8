"""Other meshes in final renders: they hide what is behind them, softly at their edges, and are sent once."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest
from exr import combined, depth
from mathutils import Matrix


def plane(name: str, left: float, right: float, y: float) -> bpy.types.Object:
    """A wall across the camera's view from x = left to right, a vertex for each corner."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([(left, 0, -1), (right, 0, -1), (right, 0, 1), (left, 0, 1)], [], [(0, 1, 2, 3)])
    thing = bpy.data.objects.new(name, mesh)
    thing.location.y = y
    bpy.context.scene.collection.objects.link(thing)
    bpy.context.view_layer.update()
    return thing


@pytest.fixture
def free(avatar, render) -> np.ndarray:
    """The picture without other meshes."""
    return combined(render())


def test_a_wall_before_half_the_face_cuts_that_half(free, avatar, render):
    plane("wall", 0.0, 1.0, -0.5)
    cut = combined(file := render())
    assert not cut[:, 48:].any()
    assert (depth(file)[:, 48:] == np.float32(1e10)).all()
    assert np.abs(cut[:, :48] - free[:, :48]).max() < 1e-4


def test_its_edge_is_as_soft_as_the_pixels_share(free, avatar, render):
    pixel = 0.5 * 36 / 85 / 96  # metres, half a metre before the camera
    plane("wall", 0.25 * pixel, 1.0, -0.5)
    cut = combined(render())
    rows = free[:, 48, 3] > 0.999
    assert np.allclose(cut[rows, 48, 3], 0.25, atol=0.01)
    assert np.allclose(cut[rows, 48, :3], 0.25 * free[rows, 48, :3], atol=0.01)
    assert not cut[:, 49:].any()


def test_a_slanted_edge_has_many_levels(free, avatar, render):
    plane("wall", 0.0, 1.0, -0.5).rotation_euler.y = 0.3
    bpy.context.view_layer.update()
    cut = combined(render())
    share = (cut[..., 3] / np.maximum(free[..., 3], 1e-6))[free[..., 3] > 0.999]
    assert len(np.unique(np.round(share * 8))) == 9


def test_a_mesh_behind_cuts_nothing(free, avatar, render):
    plane("wall", -1.0, 1.0, 0.5)
    assert np.abs(combined(render()) - free).max() < 1e-4


def hide(thing: bpy.types.Object) -> None:
    thing.hide_render = True


def leave_to_the_camera(thing: bpy.types.Object) -> None:
    thing.visible_camera = False


def put_into_an_indirect_collection(thing: bpy.types.Object) -> None:
    collection = bpy.data.collections.new("indirect")
    bpy.context.scene.collection.children.link(collection)
    bpy.context.scene.collection.objects.unlink(thing)
    collection.objects.link(thing)
    bpy.context.view_layer.layer_collection.children["indirect"].indirect_only = True


@pytest.mark.parametrize("put_away", [hide, leave_to_the_camera, put_into_an_indirect_collection])
def test_what_the_camera_does_not_see_cuts_nothing(free, avatar, render, put_away):
    put_away(plane("wall", -1.0, 1.0, -0.5))
    bpy.context.view_layer.update()
    assert np.abs(combined(render()) - free).max() < 1e-4


def test_holdouts_curves_and_instances_cut(free, avatar, render):
    wall = plane("wall", -1.0, 1.0, -0.5)
    wall.is_holdout = True
    assert not combined(render()).any()
    bpy.data.objects.remove(wall)
    curve = bpy.data.curves.new("square", "CURVE")
    curve.dimensions = "2D"
    curve.fill_mode = "BOTH"
    spline = curve.splines.new("POLY")
    spline.points.add(3)
    for point, place in zip(spline.points, ((-1, -1), (1, -1), (1, 1), (-1, 1))):
        point.co = (*place, 0, 1)
    spline.use_cyclic_u = True
    thing = bpy.data.objects.new("square", curve)
    thing.matrix_world = Matrix.Translation((0, -0.5, 0)) @ Matrix.Rotation(np.pi / 2, 4, "X")
    collection = bpy.data.collections.new("inside")
    collection.objects.link(thing)
    instancer = bpy.data.objects.new("instances", None)
    instancer.instance_type, instancer.instance_collection = "COLLECTION", collection
    bpy.context.scene.collection.objects.link(instancer)
    bpy.context.view_layer.update()
    assert not combined(render()).any()


def test_the_proxy_cuts_nothing_of_its_own_avatar(free):
    assert free[48, 48, 3] > 0.95


def meshes_of(part) -> dict[str, int]:
    """The mesh files that the engine has been given, and when each was written."""
    folder = Path(part("session").client()._open_folder())
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.mesh")}


def test_meshes_are_sent_once_and_moving_sends_nothing(scene, avatar, render, part):
    wall = plane("wall", 0.0, 1.0, -0.5)
    corner = wall.data.vertices[0].co
    corner.z = -2.0  # no other test's wall
    render()
    sent = meshes_of(part)
    wall.location.x = 0.02
    wall.keyframe_insert("location", frame=1)
    wall.location.x = 0.2
    wall.keyframe_insert("location", frame=2)
    scene.frame_start, scene.frame_end = 1, 2
    first, second = (combined(file) for file in sorted(render(animation=True).iterdir()))
    assert meshes_of(part) == sent
    assert second[..., 3].sum() > first[..., 3].sum() + 100
    corner.z = -3.0
    render()
    assert len(meshes_of(part)) == len(sent) + 1


def test_an_engine_that_was_restarted_gets_them_again(free, avatar, render, part):
    plane("wall", 0.0, 1.0, -0.5)
    before = combined(render())
    part("session").stop()
    assert np.abs(combined(render()) - before).max() < 1e-4


def test_moving_an_object_leaves_its_geometry_and_bending_it_does_not(scene, part):
    changes = part("viewport.changes")
    wall = plane("wall", 0.0, 1.0, -0.5)
    before = changes.count()
    wall.location.x = 1.0
    bpy.context.view_layer.update()
    assert changes.count() > before
    assert changes.geometry_of(wall.session_uid) <= before
    wall.data.vertices[0].co.z = -2.0
    wall.data.update()
    bpy.context.view_layer.update()
    assert changes.geometry_of(wall.session_uid) > before


def test_viewports_leave_out_what_is_displayed_as_lines(scene, avatar, part):
    space = next(area.spaces.active for screen in bpy.data.screens for area in screen.areas if area.type == "VIEW_3D")

    def shown() -> list[str]:
        depsgraph = bpy.context.evaluated_depsgraph_get()
        return [solid.thing.name for solid in part("rendering.meshes").solids(depsgraph, space)]

    wall = plane("wall", 0.0, 1.0, -0.5)
    assert shown() == ["wall"]
    wall.display_type = "WIRE"
    bpy.context.view_layer.update()
    assert shown() == []
    wall.display_type = "TEXTURED"
    wall.hide_set(True)
    bpy.context.view_layer.update()
    assert shown() == []
