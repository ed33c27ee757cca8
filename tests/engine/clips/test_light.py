"""What editors paint is seen in the photo's light."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from perse_engine.clips.anatomy import find_anatomy
from perse_engine.clips.atlas import layout
from perse_engine.clips.canvas import Canvas
from perse_engine.clips.editor import _assembled, _base
from perse_engine.surfaces.lighting import flat_light, linear
from perse_engine.surfaces.unproject import texel_map


@pytest.fixture(scope="module")
def canvas(portrait) -> Canvas:
    atlas = layout(portrait.texture.shape[0])
    figure = _assembled(portrait, [], atlas)
    base = _base(portrait, atlas)
    texels = texel_map(figure.uv, figure.uv_faces, (atlas.height, atlas.width))
    return Canvas(
        portrait, find_anatomy(portrait.head), figure, base, texels, base[..., :3], np.zeros(base.shape[:2], np.float32)
    )


def in_light(canvas: Canvas, light: np.ndarray) -> Canvas:
    return dataclasses.replace(canvas, portrait=dataclasses.replace(canvas.portrait, light=light))


def from_the_side() -> np.ndarray:
    light = flat_light(0.5)
    light[3] = [1.0, 0.8, 0.5]  # more, and warmer, towards +x
    return light


def test_a_piece_is_brighter_where_it_faces_the_light(canvas):
    lit = in_light(canvas, from_the_side())
    texels = np.flatnonzero(canvas.part("hair"))[:2]
    left, right = lit.lit(texels, np.array([0.5, 0.5, 0.5]), np.array([[1, 0, 0], [-1, 0, 0.0]], np.float32))
    assert (left > right + 0.1).all()
    assert left[0] - left[2] > 0.02  # and takes on its colour


def test_skin_of_a_colour_of_its_own_keeps_the_heads_own_shade(canvas):
    skin = np.flatnonzero(canvas.part("skin"))
    color = canvas.lit(skin, np.array([0.6, 0.6, 0.6]))
    open_share = canvas.occlusion.reshape(-1)[skin]
    expected = linear(np.array([0.6])) * open_share
    np.testing.assert_allclose(linear(color)[:, 0], expected, atol=2e-3)
    cheek = canvas.region("face") > 0.9
    assert np.median(canvas.occlusion[cheek & canvas.part("skin")]) > 0.8
    assert canvas.occlusion[canvas.part("skin")].min() < 0.3  # inside the nose


def test_light_keeps_to_the_skull_and_the_body_turns_under_it(canvas):
    """What follows the shoulders met the light as the photo had them turned."""
    portrait = canvas.portrait
    pose = portrait.state.pose.copy()
    pose[1] = [0, np.pi / 2, 0]  # the head looks to its left, +x of the shoulders
    turned = dataclasses.replace(portrait, state=dataclasses.replace(portrait.state, pose=pose))
    light = in_light(dataclasses.replace(canvas, portrait=turned), from_the_side())
    bust = np.flatnonzero(canvas.part("bust") & (np.abs(canvas._skull_share.reshape(canvas.base.shape[:2])) < 1e-3))
    back = np.array([[0, 0, -1.0]], np.float32)
    front = -back
    grey = np.array([0.5, 0.5, 0.5])
    # the person's left is behind them when the face has turned to where the left shoulder was
    assert light.lit(bust[:1], grey, back)[0, 0] > light.lit(bust[:1], grey, front)[0, 0] + 0.1


def test_clothes_go_around_to_where_the_photo_does_not_look(canvas):
    def worn(share: float) -> np.ndarray:
        parts = {**canvas.portrait.parts, "clothes": np.full_like(canvas.portrait.parts["clothes"], share)}
        return dataclasses.replace(canvas, portrait=dataclasses.replace(canvas.portrait, parts=parts)).photo_masks[
            "clothes"
        ]

    lower = canvas.part("bust") | (canvas.part("skin") & (canvas.region("neck") > 0.5))
    assert worn(1.0)[lower].min() > 0.9
    assert not worn(0.0).any()
    back_of_head = canvas.part("skin") & (canvas.region("scalp") > 0.9) & (canvas.region("neck") < 0.01)
    assert not worn(1.0)[back_of_head & (canvas.position[..., 2] < -0.02)].any()
