"""How Gaussians begin: round on what is smooth, drawn out along strands."""

import dataclasses

import numpy as np
from scipy.spatial.transform import Rotation

from perse_engine.avatars.initial import initial_avatar
from perse_engine.avatars.laying import ALONG


def laid(avatar, part):
    """Of Gaussians on the cap, which is called `part`: places, axes and sizes, the longest first."""
    figure = dataclasses.replace(avatar.figure, parts=("skin", part))
    start = initial_avatar(figure, avatar.categories, avatar.styles, count=4000, seed=3)
    own = figure.face_parts[start.triangles] == 1
    axes = Rotation.from_quat(start.quaternions, scalar_first=True).as_matrix()[own]
    return figure.vertices[start.corners[own]].mean(1), axes, np.exp(start.log_scales[own])


def test_on_strands_they_are_long_the_way_the_strands_go(avatar):
    places, axes, sizes = laid(avatar, "locks")
    np.testing.assert_allclose(sizes[:, 0] / sizes[:, 1], ALONG["locks"], rtol=0.25)
    away = places / np.linalg.norm(places, axis=1, keepdims=True)
    up = np.array([0, 1, 0]) - away * away[:, 1:2]
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    assert np.median(np.abs((axes[:, :, 0] * up).sum(1))) > 0.97
    assert np.median(np.abs((axes[:, :, 2] * away).sum(1))) > 0.97


def test_they_cover_as_much_as_round_ones(avatar):
    (_, _, long), (_, _, plain) = laid(avatar, "locks"), laid(avatar, "cap")
    np.testing.assert_allclose(plain[:, 0], plain[:, 1], rtol=0.25)
    np.testing.assert_allclose(long[:, :2].prod(1), plain[:, :2].prod(1), rtol=0.05)
    np.testing.assert_allclose(long[:, 2], plain[:, 2], rtol=0.05)
