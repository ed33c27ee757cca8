"""Analysis by synthesis: what the rendered head still lacks of the photo is put back into its textures.

Where hair ends on skin, the hair's alpha is what explains the photo best between the two; what remains, anywhere, goes
to the colours of whatever shows, in proportion to how much of it shows (the simultaneous iterative reconstruction
technique, after Gilbert, 1972).
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.heads.head import Head
from perse_engine.portraits.parts import disc, eye_openings, mouth_opening
from perse_engine.portraits.portrait import HairShell
from perse_engine.portraits.skin import beside_ears, straightness
from perse_engine.portraits.window import Window
from perse_engine.surfaces.shading import render_textured
from perse_engine.surfaces.unproject import Sight, Texels

Texture = NDArray[np.float32]
ROUNDS = 4
LARGEST = 0.3  # of a correction, sRGB
RIM = 0.02  # of the eyes' distance: nearer to the outline the photo is mixed with what lies behind
BORDER = 0.05  # of the eyes' distance: how far from the border of hair and skin the border may be moved
NEARBY = 8  # texels by which the hair may grow
PAINTED = 0.2  # sRGB by which painted lids, eyes and teeth may still follow the photo
ASTRAY = 4.0  # texels between where a texel lies and what is drawn there
ALIKE = 0.1  # sRGB by which hair and skin must differ for a pixel to tell how much of it is hair
ALL_HAIR = 0.93  # alpha from which on nothing shows through: neither masks nor photos tell that better
INSIDE = 0.08  # of the eyes' distance: so far from its border hair is nothing else
GLANCED = 0.05  # sRGB by which what is seen at a glance may be corrected
STRAIGHT = 0.25  # confidence from which a correction is believed
SLIGHT = 0.05  # share of a pixel below which what shows of a surface tells little of it


def refine_textures(
    head: Head,
    vertices: NDArray[np.floating],
    shell: HairShell,
    shell_vertices: NDArray[np.floating],
    texture: Texture,
    hair_texture: Texture,
    head_view: tuple[Texels, Sight],
    hair_sight: Sight,
    window: Window,
    kept: Texture,
) -> tuple[Texture, Texture]:
    """Both textures, corrected where the photo shows them.

    Args:
        vertices, shell_vertices: (V, 3) and (H, 3) as in the photo.
        texture: (T, T, 3) of the head.
        hair_texture: (T, T, 4) of the shell.
        head_view, hair_sight: where the window's camera sees the texels of either.
        kept: (T, T) in [0, 1]: how far a texel of the head is painted, and hardly the photo's to change.
    """
    scene = _Scene(head, vertices, shell, shell_vertices, window)
    photo = window.pixels.astype(np.float32) / np.float32(255)
    inside = _sure(window)
    texels, sight = head_view
    allowed = _allowed(head, texels, sight, window) * scene.shown(sight) * straightness(head, texels, sight)
    allowed *= beside_ears(head, texels, sight, window)
    hair_allowed = _weight(hair_sight)
    hair_texture = _moved_border(scene, photo, inside, texture, hair_texture, hair_sight, window)
    shares = scene.shares(texture, hair_texture)
    scale = inside / np.maximum(shares**2 @ np.ones(2, np.float32), SLIGHT)
    darkest, brightest = _hair_colors(photo, window, hair_texture[..., :3], hair_sight)
    bound = (1 - (1 - PAINTED) * kept)[..., None]
    least, most = np.clip(texture - bound, 0, 1), np.clip(texture + bound, 0, 1)
    for _ in range(ROUNDS):
        color, alpha = scene.drawn(texture, hair_texture)
        lacking = np.clip(photo - color, -LARGEST, LARGEST) * (scale * (alpha > 0.9))[..., None]
        texture = np.clip(texture + sight.read(lacking * shares[..., :1]) * allowed[..., None], least, most)
        corrected = hair_texture[..., :3] + hair_sight.read(lacking * shares[..., 1:]) * hair_allowed[..., None]
        hair_texture = np.dstack([np.clip(corrected, darkest, brightest), hair_texture[..., 3]])
    return texture.astype(np.float32), hair_texture.astype(np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class _Scene:
    """Head and shell as in the photo: what `refine_textures` has them."""

    head: Head
    vertices: NDArray[np.floating]
    shell: HairShell
    shell_vertices: NDArray[np.floating]
    window: Window

    def drawn(self, texture: Texture, hair_texture: Texture) -> tuple[Texture, Texture]:
        """(S, S, 3) and alpha (S, S) of both together."""
        head, shell = self.head, self.shell
        faces = np.concatenate([head.faces, shell.faces + len(self.vertices)])
        points = np.concatenate([self.vertices, self.shell_vertices])
        uv = np.concatenate([head.uv * [0.5, 1], shell.uv * [0.5, 1] + [0.5, 0]])
        uv_faces = np.concatenate([head.uv_faces, shell.faces + len(head.uv)])
        opaque = np.ones((*texture.shape[:2], 1), np.float32)
        atlas = np.concatenate([np.concatenate([texture, opaque], -1), hair_texture], 1)
        rendered = render_textured(points, faces, uv, uv_faces, atlas, self.window.camera, samples=1)
        return rendered.color, rendered.alpha

    def shares(self, texture: Texture, hair_texture: Texture) -> Texture:
        """(S, S, 2) how much of each pixel is the head, and how much the shell."""
        marked = np.zeros_like(hair_texture)
        marked[..., 1], marked[..., 3] = 1, hair_texture[..., 3]
        color, alpha = self.drawn(np.broadcast_to(np.array([1, 0, 0], np.float32), texture.shape), marked)
        return color[..., :2] * alpha[..., None]

    def shown(self, sight: Sight) -> Texture:
        """(T, T) whether what is drawn where a texel of the head lies is that texel, not what lies just before it."""
        side = sight.x.shape[0]
        u, v = np.meshgrid((np.arange(side) + 0.5) / side, (np.arange(side) + 0.5) / side)
        layout = np.stack([u, v, 0 * u], -1).astype(np.float32)
        head, camera = self.head, self.window.camera
        drawn = render_textured(self.vertices, head.faces, head.uv, head.uv_faces, layout, camera, samples=1)
        off = np.linalg.norm(sight.read(drawn.color) - layout, axis=-1) * side
        return np.asarray(np.clip(2 - off / ASTRAY, 0, 1), np.float32)

    def apart(self, texture: Texture, hair_texture: Texture) -> tuple[Texture, Texture, Texture]:
        """(S, S, 3) the head without hair, (S, S, 3) the shell as if it were opaque, and (S, S) where both are."""
        camera = self.window.camera
        head, shell = self.head, self.shell
        bare = render_textured(self.vertices, head.faces, head.uv, head.uv_faces, texture, camera, samples=1)
        full = render_textured(
            self.shell_vertices, shell.faces, shell.uv, shell.faces, hair_texture[..., :3], camera, samples=1
        )
        return bare.color, full.color, bare.alpha * full.alpha


def _moved_border(
    scene: _Scene,
    photo: Texture,
    inside: Texture,
    texture: Texture,
    hair_texture: Texture,
    hair_sight: Sight,
    window: Window,
) -> Texture:
    """The shell's texture, its alpha changed near the border of hair and skin to what the photo shows of either."""
    bare, full, both = scene.apart(texture, hair_texture)
    hair = window.masks["hair"]
    kernel = disc(BORDER * _eyes(window))
    band = np.minimum(cv2.dilate(hair, kernel), cv2.dilate(window.bare, kernel)) * inside * (both > 0.9)
    shown = scene.shares(texture, hair_texture)[..., 1]
    unlike = full - bare
    told = (unlike**2).mean(-1)
    wanted = ((photo - bare) * unlike).mean(-1) / np.maximum(told, 1e-6)
    change = np.clip(wanted, 0, 1) - shown
    change *= told / (told + ALIKE**2) * band
    moved = hair_sight.read(change) * _weight(hair_sight)
    # hair grows on from hair only: beside the face the shell is left open
    nearby = cv2.dilate(hair_texture[..., 3], disc(NEARBY))
    alpha = (hair_texture[..., 3] + np.where(moved > 0, moved * nearby, moved)) / ALL_HAIR
    return np.dstack([hair_texture[..., :3], np.clip(alpha, 0, 1)]).astype(np.float32)


def _hair_colors(photo: Texture, window: Window, before: Texture, sight: Sight) -> tuple[Texture, Texture]:
    """(T, T, 3) each: the range of colours that hair may get, where it was `before`; at the outline shows what is not.

    It is the range of all that is seen of it well inside the outline, and narrower where it is seen at a glance.
    """
    hair = cv2.erode(window.masks["hair"], disc(INSIDE * _eyes(window))) > 0.9
    if hair.sum() < 100:
        return before, before
    low, high = np.quantile(photo[hair], (0.002, 0.99), axis=0).astype(np.float32)
    reach = (GLANCED + np.clip(sight.confidence / STRAIGHT, 0, 1))[..., None]
    return np.minimum(before, np.maximum(low, before - reach)), np.maximum(before, np.minimum(high, before + reach))


def _weight(sight: Sight) -> Texture:
    """(T, T) how far a texel is corrected: not where its surface is seen at a glance only."""
    return np.asarray(np.clip((sight.confidence - 0.006) / 0.03, 0, 1), np.float32)


def _eyes(window: Window) -> float:
    """Pixels between the outer corners of the eyes."""
    return float(np.linalg.norm(window.landmarks[33, :2] - window.landmarks[263, :2]))


def _sure(window: Window) -> Texture:
    """(S, S) well inside the person: at the outline the photo is mixed with what lies behind."""
    return np.asarray(cv2.erode((window.person > 0.5).astype(np.float32), disc(_eyes(window) * RIM)), np.float32)


def _allowed(head: Head, texels: Texels, sight: Sight, window: Window) -> Texture:
    """(T, T) skin takes no correction from eyeballs and teeth, nor they from it."""
    shape = window.pixels.shape[:2]
    part = np.where(texels.triangle >= 0, head.face_parts[texels.triangle], 255)
    named = {name: part == k for k, name in enumerate(head.parts)}
    eyes, mouth = eye_openings(shape, window.landmarks), mouth_opening(shape, window.landmarks)
    # at the rims of eyes both are seen; teeth are much brighter than lips
    skin = np.clip(2 * window.bare - 1, 0, 1) * (1 - cv2.erode(eyes, disc(RIM * _eyes(window)))) * (1 - mouth)
    allowed = np.where(named["skin"] | named.get("bust", named["skin"]), sight.read(skin), 0)
    # an eyeball turns under its lids and teeth move behind the lips: what hides them in the photo is not theirs
    within = sight.read(np.maximum(eyes, mouth))
    for name in ("eyes", "teeth" if "teeth" in named else "mouth"):
        if name in named:
            allowed = np.where(named[name], within, allowed)
    return np.asarray(np.clip(allowed, 0, 1), np.float32)
