"""Detail beyond the shape space."""

from __future__ import annotations

import numpy as np
import pytest

from perse_engine.cameras import front_camera
from perse_engine.heads.head import Head
from perse_engine.portraits.details import turned_away


@pytest.mark.parametrize(("yaw", "far"), [(35.0, -1), (-35.0, 1)])
def test_of_a_turned_face_the_far_cheek_is_not_read(open_head: Head, yaw: float, far: int) -> None:
    center = open_head.joints[3:].mean(0).astype(np.float64)
    camera = front_camera(center, 1.0, 1000.0, 512, 512)
    assert not turned_away(open_head, camera).any()
    away = turned_away(open_head, camera.orbited(np.zeros(3), yaw, 0, 0))
    side = far * open_head.template[:, 0]
    cheek = (side > 0.03) & (open_head.regions["eyelids"] == 0)
    assert (away[cheek] == 1).all()
    assert (away[side <= 0] == 0).all()
