"""What eyes, lips and brows of a style look like, and that lashes go along with the lids."""

from __future__ import annotations

import numpy as np
import pytest

from perse_engine.clips.catalogue import Catalogue
from perse_engine.clips.lashes import EYELASHES
from perse_engine.clips.wardrobe import Wardrobe
from perse_engine.heads.head import LEFT_EYE
from perse_engine.surfaces.unproject import texel_map


@pytest.fixture(scope="module")
def texels(wardrobe: Wardrobe):
    return texel_map(wardrobe.figure.uv, wardrobe.figure.uv_faces, wardrobe.base.shape[:2])


def style(wardrobe: Wardrobe, name: str) -> int:
    return [s.slider for s in wardrobe.styles].index(f"attr_{name}")


def atlas(wardrobe: Wardrobe, name: str | None = None) -> np.ndarray:
    return wardrobe.texture(wardrobe.weights({f"attr_{name}": 1.0} if name else {}))


def of_part(wardrobe: Wardrobe, texels, name: str) -> np.ndarray:
    part = wardrobe.figure.face_parts[texels.triangle]
    return (texels.triangle >= 0) & (part == wardrobe.figure.parts.index(name))


def left_iris(wardrobe: Wardrobe, texels, portrait) -> tuple[np.ndarray, np.ndarray]:
    """Texels of the left eye's front, and iris radii from its middle."""
    figure = wardrobe.figure
    place = texels.interpolate(figure.faces, figure.vertices) - figure.joints[LEFT_EYE]
    away = np.hypot(place[..., 0], place[..., 1]) / float(portrait.iris.radius[0])
    near = of_part(wardrobe, texels, "eyes") & (place[..., 2] > 0) & (np.abs(place).max(-1) < 0.02)
    return near, away


def test_irises_take_the_colour_and_nothing_else_does(wardrobe, texels, portrait) -> None:
    near, away = left_iris(wardrobe, texels, portrait)
    ring = near & (away > 0.5) & (away < 0.8)
    bare = atlas(wardrobe)
    tone = {}
    for name in ("blue", "green", "brown", "amber", "grey"):
        changed = atlas(wardrobe, f"eyes_{name}")
        tone[name] = np.median(changed[ring][:, :3], 0)
        differs = np.abs(changed - bare).max(-1) > 2 / 255
        assert not (differs & ~of_part(wardrobe, texels, "eyes")).any()
        assert not (differs & near & (away > 1.2)).any()
        assert changed[near & (away < 0.2)][:, :3].mean() < 0.5 * changed[ring][:, :3].mean()  # the pupil stays black
    red, green, blue = 0, 1, 2
    assert tone["blue"][blue] > tone["blue"][red] + 0.1
    assert tone["green"][green] > tone["green"][blue] + 0.05
    assert tone["brown"][red] > tone["brown"][blue] + 0.1
    assert tone["amber"].mean() > tone["brown"].mean() + 0.05
    assert np.ptp(tone["grey"]) < 0.1


def test_an_iris_has_fibres_and_a_dark_ring(wardrobe, texels, portrait) -> None:
    near, away = left_iris(wardrobe, texels, portrait)
    light = atlas(wardrobe, "eyes_blue")[..., :3].mean(-1)
    body, rim = near & (away > 0.55) & (away < 0.75), near & (away > 0.9) & (away < 0.98)
    assert light[body].std() > 0.02
    assert np.median(light[rim]) < 0.85 * np.median(light[body])


def test_lips_widen_thin_and_lift_without_the_skull(wardrobe: Wardrobe, portrait) -> None:
    figure, head = wardrobe.figure, portrait.head
    lips = np.flatnonzero(head.regions["lips"] > 0.8)
    rest = figure.vertices[lips]
    left = rest[:, 0] > 0.8 * rest[:, 0].max()

    def moved(name: str) -> np.ndarray:
        return figure.style_directions[:, :, style(wardrobe, name)]

    assert moved("mouth_wide")[lips][left, 0].mean() > 0.002
    assert moved("mouth_small")[lips][left, 0].mean() < -0.002
    assert moved("mouth_smiling")[lips][left, 1].mean() > 0.0015
    assert moved("mouth_sullen")[lips][left, 1].mean() < -0.0015
    middle = np.abs(rest[:, 0]) < 0.004
    assert np.ptp(rest[middle, 1] + moved("mouth_thin")[lips][middle, 1]) < np.ptp(rest[middle, 1])
    scalp = np.flatnonzero(head.regions["scalp"] > 0.5)
    for name in ("wide", "small", "bow", "smiling", "sullen", "thin", "full"):
        assert not moved(f"mouth_{name}")[scalp].any()
        assert np.abs(moved(f"mouth_{name}")).max() > 0.001


def test_brows_differ_in_how_much_hair_they_have(wardrobe: Wardrobe, texels) -> None:
    place = texels.interpolate(wardrobe.figure.faces, wardrobe.figure.vertices)
    bare = atlas(wardrobe)
    hair = {}
    for name in ("straight", "short", "bushy", "thin"):
        changed = atlas(wardrobe, f"eyebrows_{name}")
        hair[name] = (bare[..., :3].mean() > 0) & (changed[..., :3].mean(-1) < 0.48) & of_part(wardrobe, texels, "skin")
        hair[name] &= (place[..., 0] > 0.008) & (np.abs(changed - bare).max(-1) > 4 / 255)
        assert hair[name].sum() > 20, name
    assert hair["bushy"].sum() > 2 * hair["thin"].sum()
    assert hair["short"].sum() < 0.9 * hair["straight"].sum()


def test_lashes_turn_down_with_a_blink(wardrobe: Wardrobe) -> None:
    figure = wardrobe.figure
    own = np.unique(figure.faces[figure.face_parts == figure.parts.index(EYELASHES)])
    blink = figure.expression_directions[own, 1, figure.expression_names.index("eyeblinkleft")]
    left = figure.vertices[own, 0] > 0
    assert blink[left].min() < -0.006
    assert np.abs(blink[~left]).max() < 1e-5
    rows = figure.uv[np.unique(figure.uv_faces[figure.face_parts == figure.parts.index(EYELASHES)])]
    size = np.array([wardrobe.base.shape[1], wardrobe.base.shape[0]])
    low, high = (rows.min(0) * size).astype(int), (rows.max(0) * size).astype(int)
    alpha = wardrobe.base[size[1] - high[1] : size[1] - low[1], low[0] : high[0], 3]
    assert alpha.max() > 60
    assert (alpha < 30).mean() > 0.3  # hairs, not a strip


def test_there_are_styles_enough(catalogue: Catalogue) -> None:
    for category, least in (("eyes", 4), ("eyebrows", 5), ("mouth", 7)):
        assert len(catalogue.indices(category)) >= least
