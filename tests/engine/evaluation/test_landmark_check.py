"""Landmarks found again on drawn faces."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from perse_engine.avatars.state import AvatarState
from perse_engine.cameras import Camera, front_camera
from perse_engine.evaluation.landmark_check import BAR, refind
from perse_engine.heads.head import LEFT_EYE, RIGHT_EYE, Head
from perse_engine.heads.posing import rest_head
from perse_engine.portraits.correspondence import find_correspondence, paint_head
from perse_engine.portraits.landmarks import Tracker


class Painted:
    """The open head, painted; its picture may be moved sideways by so many pixels, or be blank."""

    def __init__(self, head: Head, moved: int = 0, blank: bool = False) -> None:
        self.head, self.moved, self.blank = head, moved, blank

    def __call__(self, state: AvatarState, camera: Camera) -> NDArray[np.float32]:
        amounts = [state.sliders.get(f"expr_{name}", 0.0) for name in self.head.expression_names]
        vertices, _ = rest_head(self.head, np.zeros(0, np.float32), np.array(amounts, np.float32))
        picture = paint_head(self.head, vertices, camera).astype(np.float32) / 255
        picture = np.full_like(picture, 0.5) if self.blank else np.roll(picture, self.moved, 1)
        return np.concatenate([picture, np.ones_like(picture[..., :1])], -1)


def front(head: Head) -> Camera:
    center = head.joints[[LEFT_EYE, RIGHT_EYE]].mean(0).astype(np.float64) + [0, -0.02, -0.05]
    return front_camera(center, 1.0, 1200.0, 512, 512)


@pytest.mark.parametrize("units", [{}, {"mouthsmileleft": 0.8, "mouthsmileright": 0.8}])
def test_landmarks_are_found_where_the_geometry_has_them(open_head: Head, units: Mapping[str, float]) -> None:
    tracker = Tracker()
    correspondence = find_correspondence(open_head, tracker)
    camera = front(open_head)
    again = refind(open_head, Painted(open_head), camera, units, correspondence, tracker)
    assert again is not None
    assert set(again.excess) == {"eyes", "brows", "nose", "lips"}
    assert np.mean(list(again.excess.values())) < BAR
    beside = refind(open_head, Painted(open_head, moved=12), camera, units, correspondence, tracker)
    assert beside is not None
    assert np.mean(list(beside.excess.values())) > BAR


def test_a_picture_without_a_face_is_said_to_have_none(open_head: Head) -> None:
    tracker = Tracker()
    correspondence = find_correspondence(open_head, tracker)
    assert refind(open_head, Painted(open_head, blank=True), front(open_head), {}, correspondence, tracker) is None
