"""The whole portrait of a real photograph: what it promises, how faithful it is, and its folder."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from perse_engine.cameras import Camera, front_camera
from perse_engine.errors import Cancelled, InputError
from perse_engine.heads.head import Head, HeadState
from perse_engine.heads.posing import pose_head, rest_head
from perse_engine.portraits.correspondence import Correspondence, paint_head
from perse_engine.portraits.fitting import fit_portrait
from perse_engine.portraits.portrait import PART_NAMES, Portrait
from perse_engine.portraits.portrait_files import crop_image, load_portrait, save_portrait
from perse_engine.surfaces.shading import Rendered, render_textured


def draw(portrait: Portrait, state: HeadState, camera: Camera) -> Rendered:
    """Head and hair together."""
    posed = pose_head(portrait.head, state)
    shell = portrait.hair_shell
    blended = (shell.weights @ posed.transforms.reshape(5, 16)).reshape(-1, 4, 4)
    hair = np.einsum("vab,vb->va", blended[:, :3, :3], shell.vertices) + blended[:, :3, 3]
    opaque = np.ones((*portrait.texture.shape[:2], 1), np.float32)
    atlas = np.concatenate([np.concatenate([portrait.texture, opaque], -1), portrait.hair_texture], 1)
    return render_textured(
        np.concatenate([posed.vertices, hair]),
        np.concatenate([portrait.head.faces, shell.faces + len(posed.vertices)]),
        np.concatenate([portrait.head.uv * [0.5, 1], shell.uv * [0.5, 1] + [0.5, 0]]),
        np.concatenate([portrait.head.uv_faces, shell.faces + len(portrait.head.uv)]),
        atlas,
        camera,
    )


def over_white(rendered: Rendered) -> NDArray[np.float32]:
    return rendered.color * rendered.alpha[..., None] + (1 - rendered.alpha[..., None])


def neutral(portrait: Portrait, **units: float) -> HeadState:
    expression = np.zeros_like(portrait.state.expression)
    for name, amount in units.items():
        expression[portrait.head.expression_names.index(name)] = amount
    return dataclasses.replace(portrait.state, expression=expression, pose=np.zeros((5, 3), np.float32))


def test_shapes_and_ranges_are_as_documented(portrait: Portrait, astronaut: NDArray[np.uint8], open_head: Head) -> None:
    np.testing.assert_array_equal(portrait.photo, astronaut)
    assert tuple(portrait.parts) == PART_NAMES
    for mask in (portrait.matte, *portrait.parts.values()):
        assert mask.shape == astronaut.shape[:2]
        assert mask.dtype == np.float32
        assert mask.min() >= 0
        assert mask.max() <= 1 + 1e-5
    total = sum(portrait.parts[name] for name in ("skin", "hair", "ears", "neck", "clothes"))
    assert np.abs(total - portrait.matte).max() < 0.02
    assert portrait.head.template.shape == open_head.template.shape
    assert portrait.identity.shape == (open_head.shape_directions.shape[2],)
    assert not portrait.state.shape.any()
    assert portrait.texture.shape == (1024, 1024, 3)
    assert portrait.hair_texture.shape == (1024, 1024, 4)
    for texture in (portrait.texture, portrait.hair_texture, portrait.texture_confidence):
        assert np.isfinite(texture).all()
        assert texture.min() >= 0
        assert texture.max() <= 1
    assert portrait.iris.radius.min() > 0.004
    assert portrait.iris.radius.max() < 0.008
    shell = portrait.hair_shell
    np.testing.assert_allclose(shell.weights.sum(1), 1, atol=1e-5)
    assert np.isfinite(shell.vertices).all()
    assert shell.faces.max() < len(shell.vertices) == len(shell.uv) == len(shell.weights)


def test_the_landmarks_are_met(portrait: Portrait, correspondence: Correspondence) -> None:
    vertices = pose_head(portrait.head, portrait.state).vertices
    place = portrait.camera.project(correspondence.points(portrait.head, vertices))[:, :2]
    apart = np.linalg.norm(place - portrait.landmarks[:, :2], axis=1) * 256 / portrait.crop[2]
    assert np.median(apart) < 0.5
    assert np.quantile(apart, 0.9) < 1.5


def test_the_photo_state_is_the_photo(portrait: Portrait) -> None:
    rendered = over_white(draw(portrait, portrait.state, portrait.crop_camera(256)))
    photo = crop_image(portrait, portrait.photo, 256) / 255
    named = np.sum([portrait.parts[name] for name in ("skin", "hair", "ears", "neck")], axis=0)
    inside = crop_image(portrait, np.uint8(255) * (named > 0.5), 256)
    inside = cv2.erode(inside, np.ones((5, 5), np.uint8)) > 127
    error = ((rendered - photo)[inside] ** 2).mean()
    assert -10 * np.log10(error) > 28


def test_parts_lie_where_they_are(portrait: Portrait) -> None:
    parts, landmarks = portrait.parts, portrait.landmarks

    def at(name: str, x: float, y: float) -> float:
        return float(parts[name][int(y), int(x)])

    nose, chin = landmarks[4], landmarks[152]
    assert at("skin", nose[0], nose[1]) > 0.9
    assert at("hair", nose[0], landmarks[10, 1] - 30) > 0.9
    assert at("clothes", chin[0], chin[1] + 45) > 0.9
    assert at("lips", landmarks[17, 0], landmarks[17, 1] - 1) > 0.5
    assert at("eyes", *portrait.iris.center[0]) > 0.9
    assert portrait.matte[20, 500] < 0.1
    assert portrait.matte[int(nose[1]), int(nose[0])] > 0.99


def test_a_closed_mouth_shows_no_teeth_and_closed_lids_no_eyes(portrait: Portrait) -> None:
    camera = portrait.crop_camera(512)
    head = portrait.head
    faces_of = {name: head.face_parts == k for k, name in enumerate(head.parts)}

    def area(name: str, state: HeadState) -> int:
        seen = draw(portrait, state, camera).face
        own = seen[(seen >= 0) & (seen < len(head.faces))]
        return int(faces_of[name][own].sum())

    assert area("teeth", portrait.state) > 300  # she grins
    assert area("teeth", neutral(portrait)) < 100
    open_eyes = area("eyes", neutral(portrait))
    assert area("eyes", neutral(portrait, eyeblinkleft=1.0, eyeblinkright=1.0)) < 0.2 * open_eyes


def test_hair_has_a_back_and_sides(portrait: Portrait) -> None:
    center = portrait.head.joints[3:].mean(0).astype(np.float64) + np.array([0, 0.02, -0.08])
    count = len(portrait.head.faces)
    for yaw in (90, 180, 270):
        rendered = draw(portrait, neutral(portrait), portrait.crop_camera(128).orbited(center, yaw, 0, 0))
        hair = rendered.face >= count
        assert hair.mean() > 0.08
        color = rendered.color[hair]
        assert color.std(0).mean() > 0.02  # strands, not one flat colour


def test_a_saved_portrait_comes_back(portrait: Portrait, tmp_path: Path) -> None:
    save_portrait(portrait, tmp_path / "p")
    for name in ("crop", "matte", "parts", "fit_overlay"):
        assert Image.open(tmp_path / "p" / f"{name}.png").size == (512, 512)
    content = json.loads((tmp_path / "p" / "portrait.json").read_text())
    assert len(content["landmarks"]) == 468
    again = load_portrait(tmp_path / "p")
    np.testing.assert_array_equal(again.photo, portrait.photo)
    np.testing.assert_allclose(again.texture, portrait.texture, atol=0.51 / 255)
    np.testing.assert_allclose(again.hair_shell.vertices, portrait.hair_shell.vertices)
    np.testing.assert_allclose(again.state.expression, portrait.state.expression, atol=1e-3)
    np.testing.assert_allclose(again.head.template, portrait.head.template)
    np.testing.assert_allclose(again.camera.view, portrait.camera.view)
    assert again.crop == pytest.approx(portrait.crop)
    assert again.source == portrait.source


def test_a_folder_that_is_no_portrait_is_refused(portrait: Portrait, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not-a-portrait"):
        load_portrait(tmp_path)
    (tmp_path / "portrait.json").write_text('{"version": 2}')
    with pytest.raises(InputError, match="not-a-portrait"):
        load_portrait(tmp_path)
    (tmp_path / "portrait.json").write_text('{"version": 99}')
    with pytest.raises(InputError, match="portrait-version"):
        load_portrait(tmp_path)


def test_it_can_be_stopped(astronaut_file: Path, open_head: Head, correspondence: Correspondence) -> None:
    def stop(stage: str, done: int, total: int) -> None:
        if done >= 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        fit_portrait(astronaut_file, open_head, seed=0, progress=stop)


@pytest.mark.slow
def test_the_same_photograph_gives_the_same_portrait(portrait: Portrait, astronaut_file: Path, open_head: Head) -> None:
    again = fit_portrait(astronaut_file, open_head, seed=0)
    np.testing.assert_array_equal(again.texture, portrait.texture)
    np.testing.assert_array_equal(again.hair_texture, portrait.hair_texture)
    np.testing.assert_array_equal(again.head.template, portrait.head.template)


@pytest.mark.slow
def test_a_head_without_named_units_or_teeth_is_fitted_too(astronaut_file: Path, open_head: Head) -> None:
    parts = ("skin", "mouth", "eyes")
    kept = np.isin(open_head.face_parts, [open_head.parts.index(name) for name in parts])
    number = np.array([parts.index(name) if name in parts else 0 for name in open_head.parts], np.uint8)
    expressions = open_head.expression_directions.copy()
    expressions[:, :, open_head.expression_names.index("jawopen")] = 0
    plain = dataclasses.replace(
        open_head,
        name="plain",
        faces=open_head.faces[kept],
        uv_faces=open_head.uv_faces[kept],
        face_parts=number[open_head.face_parts[kept]],
        parts=parts,
        expression_directions=expressions,
        expression_names=tuple(f"flame_{k:03d}" for k in range(expressions.shape[2])),
    )
    fitted = fit_portrait(astronaut_file, plain, seed=0)
    assert fitted.state.pose[2, 0] > 0.02  # the jaw joint opens where no unit does
    rendered = draw(fitted, fitted.state, fitted.crop_camera(128))
    assert np.isfinite(rendered.color).all()
    assert rendered.alpha.mean() > 0.3


def cartoon() -> NDArray[np.uint8]:
    """A face in flat colours that the detector takes for one."""
    image = np.full((500, 400, 3), (150, 200, 255), np.uint8)
    cv2.ellipse(image, (200, 250), (120, 160), 0, 0, 360, (255, 205, 170), -1)
    for x in (150, 250):
        cv2.ellipse(image, (x, 220), (32, 24), 0, 0, 360, (255, 255, 255), -1)
        cv2.ellipse(image, (x, 220), (32, 24), 0, 0, 360, (0, 0, 0), 3)
        cv2.circle(image, (x, 222), 14, (60, 120, 60), -1)
        cv2.ellipse(image, (x, 175), (38, 10), 0, 180, 360, (60, 30, 10), 6)
    cv2.line(image, (200, 240), (190, 290), (150, 90, 60), 3)
    cv2.line(image, (190, 290), (208, 292), (150, 90, 60), 3)
    cv2.ellipse(image, (200, 335), (50, 18), 0, 0, 180, (200, 60, 60), -1)
    cv2.ellipse(image, (200, 120), (125, 80), 0, 180, 360, (80, 40, 10), -1)
    return image


def test_a_cartoon_is_refused(tmp_path: Path, open_head: Head, correspondence: Correspondence) -> None:
    Image.fromarray(cartoon()).save(tmp_path / "cartoon.png")
    with pytest.raises(InputError, match=r"not-a-photo|no-face"):
        fit_portrait(tmp_path / "cartoon.png", open_head, seed=0)


@pytest.mark.slow
def test_a_bald_head_stays_bald(tmp_path: Path, open_head: Head, correspondence: Correspondence) -> None:
    vertices = rest_head(open_head, np.zeros(0, np.float32), np.zeros(0, np.float32))[0]
    center = open_head.joints[3:].mean(0).astype(np.float64) + [0, -0.03, -0.05]
    picture = paint_head(open_head, vertices, front_camera(center, 1.0, 900.0, 512, 512).orbited(center, 10, 3, 0))
    Image.fromarray(picture).save(tmp_path / "bald.png")
    bald = fit_portrait(tmp_path / "bald.png", open_head, seed=0)
    assert bald.parts["hair"].max() < 0.5
    assert bald.hair_texture[..., 3].max() < 0.02
    assert np.isfinite(bald.hair_shell.vertices).all()
