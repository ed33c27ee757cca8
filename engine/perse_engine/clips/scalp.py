"""The scalp as hairdos are laid on it: rays from inside the skull, ordered around the whorl, out to the hairline."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.ndimage import gaussian_filter1d

from perse_engine.clips.anatomy import Anatomy
from perse_engine.clips.outer_skin import OuterSkin, body_skin, skull_skin
from perse_engine.heads.head import NECK, Head
from perse_engine.surfaces.colors import Floats

COLUMNS = 49
"""Around the whorl; the last repeats the first."""
WHORL = np.radians(28.0)
"""How far behind the highest point the whorl lies."""


@dataclasses.dataclass(frozen=True, eq=False)
class Skull:
    """What the sheets are laid on. C columns.

    Attributes:
        anatomy: of the head.
        center: (3,) from which the columns fan out.
        azimuth: (C,) of each column, 0 in front, the person's left positive; the last repeats the first.
        hairline: (C,) angle from the whorl at which the column leaves the scalp.
        skull, body: the surfaces without and with ears and shoulders.
        neck: height of the neck's joint.
    """

    anatomy: Anatomy
    center: Floats
    azimuth: Floats
    hairline: Floats
    skull: OuterSkin
    body: OuterSkin
    neck: float

    def directions(self, angle: Floats, azimuth: Floats) -> Floats:
        """(..., 3) from the centre at `angle` from the whorl and `azimuth` (...)."""
        up = np.array([0.0, np.cos(WHORL), -np.sin(WHORL)])
        front = np.array([0.0, np.sin(WHORL), np.cos(WHORL)])
        side = np.array([1.0, 0.0, 0.0])
        out = np.cos(angle)[..., None] * up
        out = out + (np.sin(angle) * np.sin(azimuth))[..., None] * side
        return np.asarray(out + (np.sin(angle) * np.cos(azimuth))[..., None] * front)

    def on_skin(self, directions: Floats) -> Floats:
        """(n, 3) where rays from the centre along `directions` (n, 3) leave the skull."""
        radius = np.full(len(directions), 0.1 * self.anatomy.size)
        for _ in range(7):
            gap, normal = self.skull.gap(self.center + directions * radius[:, None])
            radius = radius - gap / np.clip(np.einsum("nc,nc->n", normal, directions), 0.45, 1)
        return np.asarray(self.center + directions * radius[:, None])


def skull_center(anatomy: Anatomy) -> Floats:
    """(3,) from which the columns fan out: between the ears, a little above the eyes."""
    eye_y = float(anatomy.eyes[:, 1].mean())
    return np.array([0.0, eye_y + 0.2 * (anatomy.skull_top - eye_y), anatomy.ear_tops[:, 2].mean()])


def find_skull(head: Head, anatomy: Anatomy) -> Skull:
    """Measure `head` for hairdos."""
    skull = skull_skin(head)
    center = skull_center(anatomy)
    azimuth = np.linspace(-np.pi, np.pi, COLUMNS)
    bare = Skull(anatomy, center, azimuth, np.zeros(COLUMNS), skull, body_skin(head), float(head.joints[NECK, 1]))
    angle = np.linspace(0.35, 2.5, 90)
    grid = np.stack(np.meshgrid(angle, azimuth, indexing="ij"), -1)
    on_skin = bare.on_skin(bare.directions(grid[..., 0], grid[..., 1]).reshape(-1, 3))
    grown = skull.scalp_at(on_skin).reshape(len(angle), COLUMNS) > 0.5
    leaves = np.where(grown.all(0), len(angle) - 1, (~grown).argmax(0))
    edge = gaussian_filter1d(angle[leaves][:-1], 0.9, mode="wrap")
    return dataclasses.replace(bare, hairline=np.append(edge, edge[0]))
