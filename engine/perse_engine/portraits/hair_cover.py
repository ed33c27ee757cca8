"""Where the shell is hair: what the photo shows of it, and how hair usually grows where no photo shows anything."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from perse_engine.heads.head import LEFT_EYE, Head
from perse_engine.portraits.hair_shell import ShellGrid, hair_bottoms
from perse_engine.portraits.hair_strands import wrapped_fill
from perse_engine.portraits.parts import disc
from perse_engine.portraits.window import Window
from perse_engine.surfaces.rasterize import rasterize_mesh
from perse_engine.surfaces.unproject import Sight

HALO = 0.10  # of the eyes' distance: how far beside the person the shell may show; less tears holes into its far side
ENDING = 0.07  # of the shell's height, above its lower edge, in which hair ends that goes on below
BEHIND_RIM = 0.03  # metres within which hair looks like what lies before it
Texture = NDArray[np.float32]


@dataclasses.dataclass(frozen=True, eq=False)
class Surface:
    """What is known of each texel of the shell.

    Attributes:
        position: (S, S, 3) head space.
        lift: (S, S) metres off the skin.
        sight: where the window's camera sees it, the skull at rest.
        scalp: (S, S) in [0, 1] whether hair grows on the skin below.
    """

    position: Texture
    lift: Texture
    sight: Sight
    scalp: Texture


def cover(surface: Surface, grid: ShellGrid, head: Head, window: Window, seed: int) -> Texture:
    """(S, S) the shell's alpha.

    Args:
        window: of the photo, its camera seeing the skull's rest space.
        seed: of ragged ends.
    """
    sight, lift = surface.sight, surface.lift
    hair = window.masks["hair"]
    # where the person's outline is soft, hair is no thinner for it
    mask = np.clip(sight.read(hair) / np.maximum(sight.read(window.person), 0.1), 0, 1)
    # where the photo looks at the shell straight enough, it decides; what it hides is like the other side, like what
    # lies before it at the rim, and like hair usually grows
    person = sight.read(_around_person(window, 0.0))
    trust = np.clip((sight.confidence - 0.02) / 0.10, 0, 1) * person
    trust = trust * (1 - _beside_face(surface, head, window))
    close = np.clip((0.035 - lift) / 0.01, 0, 1)
    mirror_trust = trust[:, ::-1] * close * close[:, ::-1] * (1 - trust)
    away = (surface.position - grid.center.astype(np.float32)) @ window.camera.view[2, :3].astype(np.float32)
    at_rim = np.exp(-((np.maximum(away, 0) / BEHIND_RIM) ** 2))
    at_side = away > -0.02
    mirror_trust *= 1 - at_rim * mask * at_side
    # what hangs free of the head has no other shape than the one that is seen
    grows, above = _usual(surface, grid, head, window, seed)
    # between hair that is seen there is hair
    told = trust + mirror_trust
    shown = (trust * mask + mirror_trust * mask[:, ::-1]) / np.maximum(told, 1e-6)
    between = np.clip((wrapped_fill(shown[..., None], told)[..., 0] - 0.35) / 0.3, 0, 1) * above * surface.scalp
    rim = mask * np.maximum(at_rim, 1 - close) * at_side
    usual = np.maximum.reduce([grows, between, rim]) * float(hair.max() > 0.5)
    usual *= 1 - _beside_face(surface, head, window)
    alpha = trust * mask + mirror_trust * mask[:, ::-1] + (1 - trust - mirror_trust) * usual
    # hair that stands off the head is not, near or far, where the photo shows the background
    alpha *= 1 - (1 - sight.read(_around_person(window, HALO))) * np.clip((lift - 0.008) / 0.008, 0, 1)
    return np.asarray(np.clip(alpha, 0, 1) * np.maximum(_ends(alpha.shape[0], seed), trust), np.float32)


def scalp_of(grid: ShellGrid, head: Head) -> NDArray[np.float32]:
    """(R, C) in [0, 1]: how much of the skin under each node of the grid is scalp."""
    skin = grid.origins + grid.directions * grid.skin[..., None]
    used = np.unique(head.faces[head.face_parts == head.parts.index("skin")])
    distance, nearest = cKDTree(head.template[used]).query(skin.reshape(-1, 3), k=3)
    share = 1 / (distance + 2e-3)
    share /= share.sum(1, keepdims=True)
    return np.asarray((head.regions["scalp"][used[nearest]] * share).sum(1).reshape(grid.skin.shape), np.float32)


def _beside_face(surface: Surface, head: Head, window: Window) -> Texture:
    """(S, S) where the shell stands beside cheek and jaw in the photo: hair that shows there hangs behind them."""
    ears = head.template[head.regions["ears"] > 0.5]
    if not len(ears):
        return np.zeros(surface.lift.shape, np.float32)
    before = _step(surface.position[..., 2], float(ears[:, 2].mean()) - 0.004, 0.003)
    below = _step(-surface.position[..., 1], -float(ears[:, 1].mean()), 0.004)
    drawn = (rasterize_mesh(head.template.astype(np.float64), head.faces, window.camera).triangle >= 0).astype(np.uint8)
    eyes = float(np.linalg.norm(window.landmarks[33, :2] - window.landmarks[263, :2]))
    over = surface.sight.read(cv2.erode(drawn, disc(0.06 * eyes)).astype(np.float32))
    return np.asarray(before * below * (1 - over), np.float32)


def _around_person(window: Window, margin: float) -> NDArray[np.float32]:
    """(S, S) the person and what lies within `margin`, a share of the eyes' distance."""
    eyes = float(np.linalg.norm(window.landmarks[33, :2] - window.landmarks[263, :2]))
    # narrow notches between locks are no way through
    closed = cv2.morphologyEx(window.person, cv2.MORPH_CLOSE, disc(eyes * 0.1))
    grown = cv2.dilate(closed, disc(eyes * margin)) if margin else closed
    return np.asarray(cv2.GaussianBlur(grown, (0, 0), max(eyes * 0.008, 0.5)), np.float32)


def _usual(surface: Surface, grid: ShellGrid, head: Head, window: Window, seed: int) -> tuple[Texture, Texture]:
    """Where hair grows that the photo cannot show: over the scalp, and down to where it ends at the sides.

    Returns:
        (S, S) that alpha, and what lies above the hair's lower end.
    """
    nape = float(head.template[head.regions["scalp"] > 0.5, 1].min())
    bottoms = hair_bottoms(grid.center, window.camera, window.masks["hair"])
    lower = min(float(np.mean(bottoms)), nape) if bottoms else nape
    y, z = surface.position[..., 1], surface.position[..., 2]
    ragged = _locks(surface.lift.shape[0], seed)
    above = _step(y + 0.004 * ragged, lower, 0.0015)
    # in front of the ears it ends at a line that rises to the temples
    temple = float(head.joints[LEFT_EYE, 1]) + 0.008
    line = _step(y + 0.004 * ragged, temple + np.minimum((z - (grid.center[2] + 0.005)) * 1.3, 0.09), 0.004)
    scalp = np.maximum(_step(surface.scalp + 0.06 * ragged, 0.5, 0.06), line)
    # hair that hangs below the ears covers them, and the neck behind them
    ear = head.template[head.regions["ears"] > 0.5]
    level = float(ear[:, 1].mean()) if len(ear) else lower
    hangs = float(np.clip((level - lower - 0.01) / 0.03, 0, 1))
    edge = (float(ear[:, 2].min()) if len(ear) else float(grid.center[2])) - 0.012 + 0.03 * hangs
    back = _step(0.004 * ragged - z, -edge, 0.003) * above
    return np.asarray(np.maximum(scalp * above, back), np.float32), above


def _ends(side: int, seed: int) -> Texture:
    """(side, side) in [0, 1]: locks that reach the lower edge of the shell end raggedly, not all along one line."""
    height = (side - 0.5 - np.arange(side, dtype=np.float32)[:, None]) / side
    return np.asarray(np.clip((height / ENDING - 0.5 - 0.25 * _locks(side, seed)) / 0.5, 0, 1), np.float32)


def _locks(side: int, seed: int) -> Texture:
    """(side, side) noise of unit deviation, long along v and continuous around u."""
    rng = np.random.default_rng(seed)
    total = np.zeros((side, side), np.float32)
    for width, length in ((1.2, 61), (3.0, 121), (9.0, 181)):
        noise = rng.normal(size=(side // 4, side)).astype(np.float32)
        noise = np.concatenate([noise[:, -64:], noise, noise[:, :64]], 1)
        for _ in range(2):
            noise = cv2.blur(noise, (1, length // 4 | 1), borderType=cv2.BORDER_REFLECT)
        noise = cv2.GaussianBlur(noise, (0, 0), sigmaX=width, sigmaY=0.3)[:, 64:-64]
        total += cv2.resize(noise / noise.std(), (side, side), interpolation=cv2.INTER_LINEAR)
    return np.asarray(total / total.std(), np.float32)


def _step(values: NDArray[np.floating], edge: NDArray[np.floating] | float, width: float) -> Texture:
    """A soft step from 0 below `edge` to 1 above it."""
    return np.asarray(1 / (1 + np.exp(-np.clip((values - edge) / width, -30, 30))), np.float32)
