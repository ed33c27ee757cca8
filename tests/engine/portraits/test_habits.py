"""What the landmark tracker says when the fitted head itself moves its lids."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from perse_engine.portraits.habits import measured_units
from perse_engine.portraits.landmarks import INNER_LIPS, LEFT_LIDS, RIGHT_LIDS

UPPER, LOWER = slice(11, 14), slice(3, 6)


@pytest.fixture(scope="module")
def answers(portrait, tracker):
    return measured_units(portrait, tracker)


@pytest.mark.parametrize(
    ("unit", "own", "other"), [("eyeblinkleft", LEFT_LIDS, RIGHT_LIDS), ("eyeblinkright", RIGHT_LIDS, LEFT_LIDS)]
)
def test_a_blink_closes_the_lids_of_its_side(answers, portrait, unit, own, other):
    moved = answers[portrait.head.expression_names.index(unit)]
    closing = {
        name: (moved[list(lids[LOWER]), 1] - moved[list(lids[UPPER]), 1]).mean()
        for name, lids in (("own", own), ("other", other))
    }
    assert closing["own"] > 2e-3  # metres: lids stand about a centimetre apart
    assert abs(closing["other"]) < 0.4 * closing["own"]
    assert not moved[list(INNER_LIPS)].any()


def test_a_head_whose_drawing_is_no_face_answers_nothing(portrait, tracker):
    blank = dataclasses.replace(
        portrait, texture=np.zeros_like(portrait.texture), hair_texture=np.zeros_like(portrait.hair_texture)
    )
    assert measured_units(blank, tracker) == {}
