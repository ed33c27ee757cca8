"""Pictures lie where Blender's own geometry lies: an opaque avatar against rays that meet its proxy mesh."""

from __future__ import annotations

import bpy
import numpy as np
from conftest import HERE, import_avatar, run_engine
from exr import combined, depth
from mathutils import Vector
from mathutils.bvhtree import BVHTree

SIZE = 288
"""Pixels, at which the head is at least 200 tall before every camera. Each is looked at."""
CAMERAS = 40


def met(tree: BVHTree, camera: bpy.types.Object, to_local: np.ndarray) -> np.ndarray:
    """Planar depth of the mesh at centres of pixels, (n, n), rows from the top down; infinite beside it."""
    data, matrix = camera.data, np.array(camera.matrix_world)
    scale = data.sensor_width / data.lens / SIZE
    offsets = np.arange(SIZE) + 0.5 - SIZE / 2
    x, y = np.meshgrid(offsets + data.shift_x * SIZE, -offsets + data.shift_y * SIZE)
    rays = np.stack([x * scale, y * scale, -np.ones_like(x)], -1) @ (to_local[:3, :3] @ matrix[:3, :3]).T
    origin = Vector(to_local[:3, :3] @ matrix[:3, 3] + to_local[:3, 3])
    depths = np.full(x.shape, np.inf)
    for row in range(len(x)):
        for column in range(len(x)):
            ray = rays[row, column]
            *_, distance = tree.ray_cast(origin, Vector(ray))
            if distance is not None:
                depths[row, column] = distance / np.linalg.norm(ray)
    return depths


def test_silhouettes_and_depths_are_those_of_the_mesh(scene, render, tmp_path):
    file = tmp_path / "calibration.perse"
    run_engine(HERE / "make_avatar.py", "calibration", file)
    avatar = import_avatar(file)
    scene.render.resolution_x = scene.render.resolution_y = SIZE
    graph = bpy.context.evaluated_depsgraph_get()
    proxy = avatar.children[0].evaluated_get(graph)
    tree = BVHTree.FromObject(proxy, graph)
    to_local = np.array(proxy.matrix_world.inverted())
    source = np.random.default_rng(5)
    overlaps, errors = [], []
    for _ in range(CAMERAS):
        direction = Vector(source.normal(size=3) * [1, 1, 0.5]).normalized()
        aim = Vector((*source.uniform(-0.03, 0.03, 2), source.uniform(0.0, 0.08)))
        distance = source.uniform(0.6, 2.0)
        scene.camera.location = aim + direction * distance
        scene.camera.rotation_euler = (-direction).to_track_quat("-Z", "Y").to_euler()
        scene.camera.data.lens = float(source.uniform(85, 110) * distance)
        scene.camera.data.shift_x, scene.camera.data.shift_y = source.uniform(-0.1, 0.1, 2).tolist()
        bpy.context.view_layer.update()
        picture = render()
        there, seen = met(tree, scene.camera, to_local), combined(picture)[..., 3] > 0.5
        hit = np.isfinite(there)
        overlaps.append((hit & seen).sum() / (hit | seen).sum())
        errors.append(np.median(np.abs(depth(picture) - there)[hit & seen]))
    assert min(overlaps) > 0.98
    assert max(errors) < 0.001
