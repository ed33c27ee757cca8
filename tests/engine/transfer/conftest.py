"""An avatar of the painted head that was never trained, and somebody else who lends."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from painted_head import painted_portrait

from perse_engine.avatars.state import AvatarState
from perse_engine.clips.catalogue import parse_catalogue
from perse_engine.clips.editor import dress, lender_of
from perse_engine.heads.posing import pose_head
from perse_engine.portraits.correspondence import find_correspondence
from perse_engine.portraits.tasks import open_tracker
from perse_engine.training.starting import start_avatar
from perse_engine.transfer import learning, lessons

FEW = b"""
[hair]
label = "Hair"
layer = "hair"
[hair.styles.black]
label = "Black"
color = "#101010"
[hair.styles.bald]
label = "Bald"
cut = "bald"
[hat]
label = "Hat"
layer = "hat"
[hat.styles.beanie]
label = "Beanie"
between = "appear"
height = 22.0
cuff = 46.0
color = "#a03030"
weave = "knit"
[face]
label = "Face"
layer = "shape"
[face.styles.wide]
label = "Wide"
width = 0.1
"""


@pytest.fixture(autouse=True)
def brief(monkeypatch):
    """Fewer pictures and steps: what is tested is that the right numbers move, not how far they come."""
    monkeypatch.setattr(lessons, "VIEWS", 12)
    monkeypatch.setattr(learning, "PRESET", dataclasses.replace(learning.PRESET, steps=80))


@pytest.fixture(scope="session")
def portrait():
    return painted_portrait(1024)


@pytest.fixture(scope="session")
def wardrobe(portrait):
    return dress(portrait, parse_catalogue(FEW, "few"))


@pytest.fixture(scope="session")
def avatar(portrait, wardrobe):
    units = dict(zip(wardrobe.figure.expression_names, portrait.state.expression, strict=True))
    state = AvatarState({f"expr_{name}": float(value) for name, value in units.items()}, portrait.state.pose)
    return start_avatar(
        wardrobe,
        (),
        count=20_000,
        seed=0,
        name="painted",
        photo_camera=portrait.camera,
        photo_state=state,
        provenance={},
    )


@pytest.fixture(scope="session")
def lender(open_head):
    """A person with another face, a beard and lighter hair."""
    person = painted_portrait(1024)
    identity = np.zeros(open_head.shape_directions.shape[2], np.float32)
    identity[:6] = [1.5, -1.2, 1.0, 0.8, -1.0, 1.2]
    move = open_head.shape_directions @ identity
    head = dataclasses.replace(
        person.head,
        template=person.head.template + move,
        joints=person.head.joints + person.head.joint_shape_directions @ identity,
    )
    texture = person.texture.copy()
    shell = dataclasses.replace(person.hair_shell, vertices=person.hair_shell.vertices * np.float32(1.12))
    hair = np.concatenate(
        [np.clip(person.hair_texture[..., :3] * [1.9, 1.5, 0.9], 0, 1), person.hair_texture[..., 3:]], -1
    )
    texels = _bearded(person, head)
    texture = texture * (1 - 0.7 * texels[..., None])
    landmarks = find_correspondence(open_head, open_tracker()).points(head, pose_head(head, person.state).vertices)
    return lender_of(
        dataclasses.replace(
            person,
            head=head,
            hair_shell=shell,
            texture=texture.astype(np.float32),
            albedo=texture.astype(np.float32),
            hair_texture=hair.astype(np.float32),
            iris=dataclasses.replace(person.iris, color=np.tile(np.float32([0.5, 0.24, 0.06]), (2, 1))),
            landmarks=person.camera.project(landmarks).astype(np.float32),
        )
    )


def _bearded(person, head):
    from perse_engine.surfaces.unproject import texel_map

    side = person.texture.shape[0]
    texels = texel_map(head.uv, head.uv_faces, (side, side))
    return np.clip(texels.interpolate(head.faces, head.regions["beard"][:, None])[..., 0] * 1.5, 0, 1)
