"""Eyes that close and lips that meet on heads that are not the mean one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from perse_engine.cameras import front_camera
from perse_engine.heads.head import JAW, LEFT_EYE, RIGHT_EYE, Head
from perse_engine.heads.posing import rest_head
from perse_engine.portraits.lids import closing_lids, lid_margins
from perse_engine.portraits.lips import closing_lips, lip_rims
from perse_engine.surfaces.rasterize import rasterize_mesh

VIEWS = ((0, 0), (30, 0), (-30, 0), (0, 20), (0, -20))


def person(head: Head, seed: int) -> Head:
    """A random identity whose upper lids lie higher than the model's, as detail fitted to wide eyes leaves them."""
    identity = np.random.default_rng(seed).normal(0, 0.8, 150).astype(np.float32)
    vertices, joints = rest_head(head, identity, np.zeros(0, np.float32))
    lids = head.regions["eyelids"] * (head.template[:, 1] > head.joints[LEFT_EYE, 1])
    return dataclasses.replace(head, template=vertices + lids[:, None] * np.float32([0, 0.002, 0]), joints=joints)


def shown(head: Head, units: dict[str, float], parts: tuple[str, ...], yaw: float = 0, pitch: float = 0) -> int:
    """Pixels of `parts` between lids or lips, 0.25 mm each."""
    expression = np.zeros(len(head.expression_names), np.float32)
    for name, value in units.items():
        expression[head.expression_names.index(name)] = value
    vertices, _ = rest_head(head, np.zeros(0, np.float32), expression)
    lashes = head.face_parts == head.parts.index("lashes")
    faces, labels = head.faces[~lashes], head.face_parts[~lashes]
    center = head.joints[[LEFT_EYE, RIGHT_EYE]].mean(0).astype(np.float64) - [0, 0.025, 0]
    camera = front_camera(center, 1.0, 1.0 * 520 / 0.13, 520, 520).orbited(center, yaw, pitch, 0)
    seen = rasterize_mesh(vertices, faces, camera).triangle
    wanted = [head.parts.index(part) for part in parts]
    return int(np.isin(labels[seen[seen >= 0]], wanted).sum())


BLINK = {"eyeblinkleft": 1.0, "eyeblinkright": 1.0}


@pytest.mark.parametrize("seed", range(3))
def test_a_blink_hides_the_eyeballs_from_every_side(open_head: Head, seed: int) -> None:
    head = closing_lids(person(open_head, seed))
    opened, closed = ([shown(head, units, ("eyes", "sockets"), *view) for view in VIEWS] for units in ({}, BLINK))
    assert closed[0] == 0
    assert max(closed) < 0.008 * min(opened)  # from below a corner shows a speck


def test_half_a_blink_is_half_an_eye(open_head: Head) -> None:
    head = closing_lids(person(open_head, 4))
    wide, half = (shown(head, dict.fromkeys(BLINK, share), ("eyes",)) for share in (0.0, 0.5))
    assert 0.2 < half / wide < 0.75


def test_closed_lids_end_on_the_lower_margin(open_head: Head) -> None:
    head = closing_lids(person(open_head, 1))
    for side in (0, 1):
        margins = lid_margins(head, side)
        assert margins is not None
        over = margins.lower[:, 0] - margins.closed[:, 0]
        assert np.median(np.abs(over)) < 0.001
        assert (margins.upper[:, 0] > margins.lower[:, 0]).all()


def test_only_blinks_change_and_only_around_the_eyes(open_head: Head) -> None:
    head = closing_lids(open_head)
    changed = np.abs(head.expression_directions - open_head.expression_directions).max((0, 1)) > 0
    assert {name for name, new in zip(head.expression_names, changed, strict=True) if new} <= set(BLINK)
    moved = np.abs(head.expression_directions - open_head.expression_directions).max((1, 2)) > 0
    far = np.linalg.norm(head.template[moved] - head.joints[LEFT_EYE], axis=1)
    other = np.linalg.norm(head.template[moved] - head.joints[RIGHT_EYE], axis=1)
    assert np.minimum(far, other).max() < 0.06


def test_a_head_without_blinks_stays_as_it_is(open_head: Head) -> None:
    names = tuple(f"flame_{k:03d}" for k in range(len(open_head.expression_names)))
    head = dataclasses.replace(open_head, expression_names=names)
    assert closing_lids(head).expression_directions is head.expression_directions


def test_lips_meet_where_detail_has_parted_them(open_head: Head) -> None:
    lower = open_head.regions["lips"] * (open_head.weights[:, JAW] > 0.5)
    parted = dataclasses.replace(open_head, template=open_head.template - lower[:, None] * np.float32([0, 0.003, 0]))
    inside = ("mouth", "teeth", "tongue")
    assert shown(parted, {}, inside) > 100
    head = closing_lips(parted)
    assert shown(head, {}, inside) <= 4
    upper, _ = lip_rims(head)
    assert len(upper) > 10
    assert np.abs(head.template - parted.template).max() < 0.0045
    assert shown(head, {"jawopen": 0.5}, inside) > 1000


def test_teeth_are_single_and_keep_to_their_jaw(open_head: Head) -> None:
    teeth = np.unique(open_head.faces[open_head.face_parts == open_head.parts.index("teeth")])
    lower = open_head.weights[teeth, JAW] > 0.5
    opened = open_head.expression_directions[teeth, 1, open_head.expression_names.index("jawopen")]
    assert np.abs(opened[~lower]).max() < 1e-4
    assert opened[lower].max() < -0.005
    assert shown(open_head, {"jawopen": 0.4}, ("teeth",)) > 200
    assert shown(closing_lips(open_head), {}, ("teeth",)) == 0
