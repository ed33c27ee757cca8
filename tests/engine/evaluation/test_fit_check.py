"""How well known heads are recovered, and landmarks found again on what is drawn."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from perse_engine.errors import InputError
from perse_engine.evaluation.fit_check import compare, fit_rows, random_fit_rows, recover
from perse_engine.evaluation.random_heads import random_head
from perse_engine.heads.head import Head
from perse_engine.heads.posing import rest_head
from perse_engine.portraits.correspondence import find_correspondence
from perse_engine.portraits.fit import Fit
from perse_engine.portraits.landmarks import Tracker


def test_the_same_number_is_the_same_picture_of_the_same_person(open_head: Head) -> None:
    first, again, other = random_head(open_head, 3), random_head(open_head, 3), random_head(open_head, 4)
    np.testing.assert_array_equal(first.picture, again.picture)
    np.testing.assert_array_equal(first.vertices, again.vertices)
    assert not np.array_equal(first.picture, other.picture)
    assert first.picture.shape == (512, 512, 3)
    vertices, _ = rest_head(open_head, first.identity, first.expression)
    face = open_head.regions["face"] > 0.9
    assert np.median(np.linalg.norm((vertices - first.vertices)[face], axis=1)) < 1e-6


def test_the_truth_has_no_error_and_a_turned_shrunk_truth_only_its_turn(open_head: Head) -> None:
    truth = random_head(open_head, 5)
    view = truth.camera.view
    exact = Fit(truth.identity, truth.expression, 0.0, view[:3, :3], view[:3, 3], 0.0)
    found = compare(open_head, truth, exact)
    assert found.turn_deg < 0.01
    assert found.vertices_mm < 0.01
    assert max([*found.active, *found.inactive]) < 1e-6
    angle = np.radians(5)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    turned = compare(open_head, truth, dataclasses.replace(exact, rotation=turn @ view[:3, :3]))
    assert turned.turn_deg == pytest.approx(5, abs=0.05)
    assert turned.vertices_mm > 1


def test_a_face_that_was_not_found_fails_every_bar(open_head: Head) -> None:
    lost = InputError("no-face", "no face", "look again")
    assert not any(row.passed for row in fit_rows([lost, lost]) if row.passed is not None)


@pytest.mark.slow
def test_random_heads_are_recovered(open_head: Head) -> None:
    tracker = Tracker()
    correspondence = find_correspondence(open_head, tracker)
    found = [recover(open_head, random_head(open_head, number), correspondence, tracker) for number in range(4)]
    rows = {row.name: row for row in fit_rows(found)}
    assert rows["units at rest below 0.1"].passed
    assert max(head.vertices_mm for head in found) < 6
    assert max(head.turn_deg for head in found) < 8


@pytest.mark.slow
def test_sixty_random_heads_are_all_tracked_and_their_faces_found(open_head: Head) -> None:
    rows = {row.name: row for row in random_fit_rows(open_head, Tracker())}
    assert rows["units at rest below 0.1"].passed
    assert np.isfinite([row.value for row in rows.values()]).all()
