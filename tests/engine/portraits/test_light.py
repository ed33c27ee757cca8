"""The light is told from skin, and what no photo shows is completed without it."""

from __future__ import annotations

import numpy as np
import pytest

from perse_engine.heads.head import Head
from perse_engine.heads.open_head import load_open_head
from perse_engine.heads.posing import neutral_state, pose_head
from perse_engine.portraits.completion import Seen, complete
from perse_engine.portraits.light import Relief, albedo_of, fallen, fit_light, photo_relief
from perse_engine.portraits.mirroring import Opposite, opposite
from perse_engine.surfaces.grain import find_example, grain
from perse_engine.surfaces.lighting import encoded, flat_light, linear, shade
from perse_engine.surfaces.unproject import Texels, texel_map

SIDE = 256
SKIN = np.array([0.52, 0.29, 0.19])  # linear


@pytest.fixture(scope="module")
def head() -> Head:
    return load_open_head()


@pytest.fixture(scope="module")
def texels(head: Head) -> Texels:
    return texel_map(head.uv, head.uv_faces, (SIDE, SIDE))


@pytest.fixture(scope="module")
def relief(head: Head, texels: Texels) -> Relief:
    state = neutral_state(head)
    return photo_relief(head, state, pose_head(head, state).vertices, texels)


@pytest.fixture(scope="module")
def other(head: Head, texels: Texels) -> Opposite:
    return opposite(head, texels)


def region(head: Head, texels: Texels, name: str) -> np.ndarray:
    return texels.interpolate(head.faces, head.regions[name][:, None])[..., 0]


def part(head: Head, texels: Texels, name: str) -> np.ndarray:
    return (texels.triangle >= 0) & (head.face_parts[texels.triangle] == head.parts.index(name))


def face(head: Head, texels: Texels, relief: Relief) -> np.ndarray:
    """Plain skin of the face that a camera in front sees."""
    shown = part(head, texels, "skin") & (region(head, texels, "face") > 0.8) & (relief.normal[..., 2] > 0.1)
    for name in ("lips", "eyelids", "brows"):
        shown &= region(head, texels, name) < 0.05
    return np.asarray(shown & (relief.occlusion > 0.45), np.float32)


def from_one_side(strength: float = 0.9) -> np.ndarray:
    light = flat_light(0.55)
    light[3] = np.array([1.0, 0.95, 0.85]) * strength
    light[1] = 0.35
    light[2] = 0.4
    return light


def photographed(relief: Relief, light: np.ndarray, matter: np.ndarray = SKIN) -> np.ndarray:
    return encoded(matter * fallen(light, relief))


def test_what_is_lit_is_lit_again_the_same(relief: Relief) -> None:
    light = from_one_side()
    color = photographed(relief, light)
    again = linear(albedo_of(color, light, relief)) * fallen(light, relief)
    shown = (relief.occlusion > 0.2) & (color.max(-1) < 0.99)
    np.testing.assert_allclose(again[shown], linear(color)[shown], atol=0.02)


@pytest.mark.parametrize("strength", [0.9, -0.9])
def test_light_from_one_side_leaves_both_cheeks_alike(
    head: Head, texels: Texels, relief: Relief, other: Opposite, strength: float
) -> None:
    shown = face(head, texels, relief)
    color = photographed(relief, from_one_side(strength))
    told = fit_light(color, shown, relief, other)
    sides = [(shown > 0) & (sign * relief.normal[..., 0] > 0.5) & (color.max(-1) < 0.98) for sign in (1, -1)]
    before = [linear(color)[side].mean() for side in sides]
    after = [linear(albedo_of(color, told, relief))[side].mean() for side in sides]
    assert abs(np.log(before[0] / before[1])) > 0.5
    assert abs(np.log(after[0] / after[1])) < 0.1


def test_a_beard_and_a_shine_do_not_turn_the_light(head: Head, texels: Texels, relief: Relief, other: Opposite) -> None:
    shown = face(head, texels, relief)
    color = photographed(relief, from_one_side())
    clean = fit_light(color, shown, relief, other)
    position = texels.interpolate(head.faces, head.template)
    marked = color.copy()
    marked[region(head, texels, "beard") > 0.5] *= 0.35
    marked[np.linalg.norm(position - position[shown > 0][position[shown > 0][:, 2].argmax()], axis=-1) < 0.012] = 1.0
    told = fit_light(marked, shown, relief, other)
    way = np.array([[1, 0, 0], [-1, 0, 0], [0, 0, 1], [0.6, 0, 0.8], [-0.6, 0, 0.8]], np.float32)
    gray = np.array([0.5, 0.5, 0.5])
    np.testing.assert_allclose(shade(gray, told, way), shade(gray, clean, way), atol=0.08)


def test_warm_light_goes_into_the_light_and_skin_keeps_the_hue_of_skin(
    head: Head, texels: Texels, relief: Relief, other: Opposite
) -> None:
    shown = face(head, texels, relief)
    candle = from_one_side(0.3) * np.array([1.0, 0.72, 0.38], np.float32)
    told = fit_light(photographed(relief, candle), shown, relief, other)
    front = linear(shade(np.array([0.5, 0.5, 0.5]), told, np.array([0, 0, 1], np.float32)))
    assert front[0] > 1.3 * front[2]
    matter = linear(albedo_of(photographed(relief, candle), told, relief))[shown > 0.5]
    hue = np.median(matter[:, 0] / matter[:, 2])
    assert hue < 0.75 * (SKIN[0] / 0.38 / SKIN[2])


def test_too_little_skin_gives_light_from_everywhere(relief: Relief, other: Opposite) -> None:
    none = np.zeros((SIDE, SIDE), np.float32)
    np.testing.assert_array_equal(fit_light(np.ones((SIDE, SIDE, 3)), none, relief, other), flat_light())


def seen_from_the_left(head: Head, texels: Texels, relief: Relief, color: np.ndarray) -> Seen:
    """As if turned: the person's right half of the face is hidden."""
    position = texels.interpolate(head.faces, head.template)
    own = face(head, texels, relief) * (position[..., 0] > -0.01)
    return Seen(color, own.astype(np.float32), np.zeros_like(own), np.ones_like(own))


def test_the_hidden_side_is_completed_in_its_own_light(head: Head, texels: Texels, relief: Relief) -> None:
    light = from_one_side(-0.5)  # the hidden side is the lit one
    truth = photographed(relief, light)
    rng = np.random.default_rng(0)
    rough = encoded(linear(truth) * np.exp(rng.normal(0, 0.05, (SIDE, SIDE, 1))))
    seen = seen_from_the_left(head, texels, relief, rough)
    skin, lips, bust = part(head, texels, "skin"), np.zeros((SIDE, SIDE), bool), part(head, texels, "bust")
    painted = complete(head, texels, seen, (skin, lips, bust), light, relief, 3)
    np.testing.assert_array_equal(painted[seen.own == 1], rough[seen.own == 1])
    position = texels.interpolate(head.faces, head.template)
    hidden = (face(head, texels, relief) > 0) & (position[..., 0] < -0.03)
    off = linear(painted)[hidden].mean(-1) / linear(truth)[hidden].mean(-1)
    assert 0.75 < np.median(off) < 1.15
    # never one colour: the grain of what is seen
    assert 0.02 < np.log(np.maximum(off, 1e-3)).std() < 0.3
    again = complete(head, texels, seen, (skin, lips, bust), light, relief, 3)
    np.testing.assert_array_equal(painted, again)


def test_a_collar_goes_on_around_the_neck(head: Head, texels: Texels, relief: Relief) -> None:
    """Dark cloth that covers the seen side of the bust covers the other, and the face stays skin."""
    bust = part(head, texels, "bust")
    color = photographed(relief, flat_light())
    color[bust] = 0.15
    seen = seen_from_the_left(head, texels, relief, color)
    position = texels.interpolate(head.faces, head.template)
    worn = bust & (position[..., 0] > -0.01) & (position[..., 2] > 0)
    seen = Seen(color, np.maximum(seen.own, worn), worn.astype(np.float32), seen.plain)
    areas = (part(head, texels, "skin"), np.zeros_like(bust), bust)
    painted = complete(head, texels, seen, areas, flat_light(), relief, 3)
    assert np.median(painted[bust & (position[..., 0] < -0.05)]) < 0.25
    assert np.median(painted[bust & (position[..., 2] < -0.05)]) < 0.25
    assert np.median(painted[(face(head, texels, relief) > 0) & (position[..., 0] < -0.03)]) > 0.35


def test_grain_is_as_rough_as_its_example_and_repeats_by_seed() -> None:
    rng = np.random.default_rng(1)
    field = rng.normal(0, 0.05, (160, 160, 1)).astype(np.float32)
    rows, columns = np.mgrid[:160, :160]
    position = np.stack([columns, rows, 0 * rows], -1).astype(np.float32) * 1e-3
    example = find_example(field, np.ones((160, 160), bool), 4.0, 1.0, position)
    assert example is not None
    points = rng.uniform(-0.1, 0.1, (20_000, 3)).astype(np.float32)
    normals = np.tile(np.array([0, 0, 1], np.float32), (20_000, 1))
    laid = grain(example, points, normals, 7)
    # bilinear reading between texels takes some of it
    assert 0.5 * example.values.std() < laid.std() < 1.1 * example.values.std()
    assert abs(laid.mean()) < 0.01
    np.testing.assert_array_equal(laid, grain(example, points, normals, 7))
    assert (laid != grain(example, points, normals, 8)).any()


def test_no_example_where_nothing_good_is_wide_enough() -> None:
    good = np.zeros((160, 160), bool)
    good[:10] = True
    position = np.zeros((160, 160, 3), np.float32)
    assert find_example(np.zeros((160, 160, 1), np.float32), good, 4.0, 0.1, position) is None
