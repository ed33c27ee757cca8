"""How far a photo is believed: of a face that is turned away, the far side is told by the near one."""

import numpy as np
import pytest

from perse_engine.cameras import front_camera
from perse_engine.heads.posing import rest_head
from perse_engine.portraits.landmarks import OVAL
from perse_engine.portraits.skin import beside_ears, straightness
from perse_engine.portraits.window import Window
from perse_engine.surfaces.unproject import look, texel_map


@pytest.fixture(scope="module")
def texels(open_head):
    return texel_map(open_head.uv, open_head.uv_faces, (256, 256))


def believed(head, texels, yaw):
    """(256, 256) straightness, the face's texels, and where on the head they lie."""
    vertices, _ = rest_head(head, np.zeros(head.shape_directions.shape[2], np.float32), np.zeros(0, np.float32))
    center = head.joints[3:5].mean(0).astype(np.float64)
    camera = front_camera(center, 1.2, 900.0, 400, 400).orbited(center, yaw, 0, 0)
    sight = look(vertices, head.faces, camera, texels)
    face = texels.interpolate(head.faces, head.regions["face"][:, None])[..., 0] > 0.9
    skin = (texels.triangle >= 0) & (head.face_parts[texels.triangle] == head.parts.index("skin"))
    return straightness(head, texels, sight), face & skin, texels.interpolate(head.faces, head.template)


def test_from_ahead_both_sides_are_believed(open_head, texels):
    trust, face, place = believed(open_head, texels, 0)
    left, right = face & (place[..., 0] > 0.02), face & (place[..., 0] < -0.02)
    assert trust[face].mean() > 0.8
    assert abs(trust[left].mean() - trust[right].mean()) < 0.03


@pytest.mark.parametrize("yaw", [-38, 38])
def test_the_far_side_of_a_turned_face_is_not(open_head, texels, yaw):
    trust, face, place = believed(open_head, texels, yaw)
    near = face & (np.sign(yaw) * place[..., 0] > 0.03)
    far = face & (np.sign(yaw) * place[..., 0] < -0.03)
    middle = face & (np.abs(place[..., 0]) < 0.005)
    assert max(trust[near].mean(), trust[far].mean()) > 0.75
    assert min(trust[near].mean(), trust[far].mean()) < 0.35
    assert trust[middle].mean() > 0.5


def test_what_is_hidden_is_not_believed(open_head, texels):
    trust, _, place = believed(open_head, texels, 0)
    skull = texels.interpolate(open_head.faces, open_head.regions["scalp"][:, None])[..., 0] > 0.9
    behind = skull & (place[..., 2] < open_head.joints[3, 2] - 0.12)
    assert behind.any()
    assert not trust[behind].any()


def test_a_cheek_is_never_painted_with_the_photos_ear(open_head, texels):
    """Of what lies outside the face's outline at the height of the ears only the head's own ears take colour."""
    center = open_head.joints[3:5].mean(0).astype(np.float64)
    camera = front_camera(center, 1.2, 900.0, 400, 400)
    vertices, _ = rest_head(
        open_head, np.zeros(open_head.shape_directions.shape[2], np.float32), np.zeros(0, np.float32)
    )
    sight = look(vertices, open_head.faces, camera, texels)
    angles = np.linspace(0, 2 * np.pi, len(OVAL), endpoint=False)
    landmarks = np.zeros((468, 3), np.float32)
    landmarks[:, :2] = 200
    landmarks[list(OVAL), 0] = 200 + 30 * np.sin(angles)  # a face much narrower than the head
    landmarks[list(OVAL), 1] = 205 - 60 * np.cos(angles)
    landmarks[33, 0], landmarks[263, 0] = 170, 230
    window = Window(np.zeros((400, 400, 3), np.uint8), {}, landmarks, camera, 1.0)
    kept = beside_ears(open_head, texels, sight, window)
    face = (texels.triangle >= 0) & (sight.confidence > 0.2)
    ears = texels.interpolate(open_head.faces, open_head.regions["ears"][:, None])[..., 0]
    skin = face & (open_head.face_parts[texels.triangle] == open_head.parts.index("skin"))
    beyond = skin & (np.abs(sight.x - 200) > 35) & (np.abs(sight.y - 192) < 14)
    assert (beyond & (ears < 0.05)).any()
    assert kept[beyond & (ears < 0.05)].max() < 0.1
    assert kept[beyond & (ears > 0.6)].min(initial=1.0) > 0.9
    assert kept[skin & (np.abs(sight.x - 200) < 20) & (np.abs(sight.y - 205) < 20)].min() > 0.9
