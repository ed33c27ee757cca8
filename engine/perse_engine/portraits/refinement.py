"""Analysis by synthesis: what the rendered head still lacks of the photo is put back into its textures."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.heads.head import Head
from perse_engine.portraits.parts import disc, eye_openings, mouth_opening
from perse_engine.portraits.portrait import HairShell
from perse_engine.portraits.window import Window
from perse_engine.surfaces.shading import render_textured
from perse_engine.surfaces.unproject import Sight, Texels

Texture = NDArray[np.float32]
ROUNDS = 2
LARGEST = 0.3  # of a correction, sRGB


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
        kept: (T, T) in [0, 1]: how far a texel of the head is not the photo's to change.
    """
    faces = np.concatenate([head.faces, shell.faces + len(vertices)])
    points = np.concatenate([vertices, shell_vertices])
    uv = np.concatenate([head.uv * [0.5, 1], shell.uv * [0.5, 1] + [0.5, 0]])
    uv_faces = np.concatenate([head.uv_faces, shell.faces + len(head.uv)])
    photo = window.pixels.astype(np.float32) / np.float32(255)
    inside = _sure(window)
    texels, sight = head_view
    allowed = _allowed(head, texels, sight, window) * (1 - kept)
    for _ in range(ROUNDS):
        opaque = np.ones((*texture.shape[:2], 1), np.float32)
        atlas = np.concatenate([np.concatenate([texture, opaque], -1), hair_texture], 1)
        rendered = render_textured(points, faces, uv, uv_faces, atlas, window.camera, samples=1)
        lacking = np.clip(photo - rendered.color, -LARGEST, LARGEST) * (inside * (rendered.alpha > 0.9))[..., None]
        of_head = (rendered.face < len(head.faces)).astype(np.float32)
        texture = np.clip(texture + _back(sight, lacking, of_head) * allowed[..., None], 0, 1)
        correction = _back(hair_sight, lacking, 1 - of_head)
        hair_texture = np.dstack([np.clip(hair_texture[..., :3] + correction, 0, 1), hair_texture[..., 3]])
    return texture.astype(np.float32), hair_texture.astype(np.float32)


def _back(sight: Sight, lacking: Texture, mask: Texture) -> Texture:
    """What lacks, brought to the texels that show it."""
    weight = np.clip((sight.confidence - 0.006) / 0.05, 0, 1)
    return np.asarray(sight.read(lacking * mask[..., None]) * weight[..., None], np.float32)


def _sure(window: Window) -> Texture:
    """(S, S) well inside the person: at the outline the photo is mixed with what lies behind."""
    masks = window.masks
    person = np.clip(sum(masks[name] for name in ("hair", "skin", "ears", "neck", "clothes")), 0, 1)
    eyes = float(np.linalg.norm(window.landmarks[33, :2] - window.landmarks[263, :2]))
    return np.asarray(cv2.erode(np.asarray(person, np.float32), disc(eyes * 0.012)) > 0.9, np.float32)


def _allowed(head: Head, texels: Texels, sight: Sight, window: Window) -> Texture:
    """(T, T) skin takes no correction from eyeballs and teeth, nor they from it."""
    shape = window.pixels.shape[:2]
    part = np.where(texels.triangle >= 0, head.face_parts[texels.triangle], 255)
    named = {name: part == k for k, name in enumerate(head.parts)}
    eyes = float(np.linalg.norm(window.landmarks[33, :2] - window.landmarks[263, :2]))
    openings = np.maximum(eye_openings(shape, window.landmarks), mouth_opening(shape, window.landmarks))
    person = np.clip(sum(window.masks[name] for name in ("skin", "ears", "neck", "clothes")), 0, 1)
    skin = person * (1 - openings)
    allowed = np.where(named["skin"] | named.get("bust", named["skin"]), sight.read(skin), 0)
    # an eyeball turns under its lids and teeth move behind the lips: what hides them in the photo is not theirs
    within = sight.read(cv2.erode(openings, disc(0.008 * eyes)))
    for name in ("eyes", "teeth" if "teeth" in named else "mouth"):
        if name in named:
            allowed = np.where(named[name], within, allowed)
    return np.asarray(np.clip(allowed, 0, 1), np.float32)
