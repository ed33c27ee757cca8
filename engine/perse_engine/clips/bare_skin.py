"""The skin under the hair: a photo never shows it, and a haircut does."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from perse_engine.clips.anatomy import Anatomy
from perse_engine.clips.canvas import KNOWN, Canvas, dilated
from perse_engine.clips.noise import blurred, smoothstep
from perse_engine.heads.figure import Figure
from perse_engine.heads.figure_posing import skin
from perse_engine.heads.posing import pose_head
from perse_engine.portraits.portrait import Portrait
from perse_engine.surfaces.colors import Floats, srgb_to_oklab
from perse_engine.surfaces.filling import fill_holes
from perse_engine.surfaces.grain import find_example, grain
from perse_engine.surfaces.lighting import encoded, linear
from perse_engine.surfaces.shading import render_textured
from perse_engine.surfaces.unproject import Texels

UNLIKE = 0.5  # natural logarithms of reflectance by which what is next to hair is no longer plain skin
TRACE = 0.1  # of hair on a texel
GRAIN, STRONGEST_GRAIN = 3.5, 0.08  # texels that skin's grain is finer than, and its largest deviation
GREY = np.full(3, 0.5, np.float32)


def prepared_canvas(portrait: Portrait, anatomy: Anatomy, figure: Figure, base: Floats, texels: Texels) -> Canvas:
    """A canvas whose base has skin under the hair, so that tan, haircuts and hats agree on what is there.

    Only hair that the photo shows beside the shell stays painted on the skin.

    Args:
        portrait, anatomy, figure, base, texels: as in `Canvas`; the base with whatever the portrait has under the hair.
    """
    raw = Canvas(portrait, anatomy, figure, base, texels, base[..., :3], np.zeros(base.shape[:2], np.float32))
    hair = _hair_on_skin(raw)
    color, covered = _bare_skin(raw, hair)
    shown = dilated(raw.confidence > 0.01, 8)
    beside = dilated(hair, 1) * shown * (1 - _behind_shell(raw))
    kept = smoothstep(0.1, 0.5, blurred(beside, 1.5)) * raw.part("skin")
    bare = base.copy()
    bare[..., :3] += (covered * (1 - kept))[..., None] * (color - bare[..., :3])
    under = base[..., :3] + covered[..., None] * (color - base[..., :3])
    return dataclasses.replace(raw, base=bare, bare_skin=under, painted_hair=kept * covered)


def _behind_shell(canvas: Canvas) -> Floats:
    """(A, B) in [0, 1]: how far the hair's shell hides a texel from the photo's camera."""
    figure, portrait = canvas.figure, canvas.portrait
    head = pose_head(portrait.head, portrait.state)
    posed = skin(figure.vertices, figure.weights, head.transforms)
    posed[: len(head.vertices)] = head.vertices
    camera = portrait.camera
    marked = canvas.base.copy()
    marked[..., :3] = canvas.part("hair")[..., None]
    drawn = render_textured(posed, figure.faces, figure.uv, figure.uv_faces, marked, camera, samples=1)
    pixels = camera.project(canvas.texels.interpolate(figure.faces, posed).reshape(-1, 3)).astype(np.float32)
    x, y = (np.nan_to_num(pixels[:, k] - 0.5, posinf=-1e3, neginf=-1e3).reshape(canvas.base.shape[:2]) for k in (0, 1))
    return np.asarray(cv2.remap(drawn.color[..., 0] * drawn.alpha, x, y, cv2.INTER_LINEAR, borderValue=0), np.float32)


def _bare_skin(canvas: Canvas, hair: Floats) -> tuple[Floats, Floats]:
    """The skin under the `hair` (A, B): colour (A, B, 3), and (A, B) in [0, 1] where it has to be filled in.

    The reflectance of the skin around it carried on, with the face's grain, in the photo's light.
    """
    surface = canvas.part("skin")
    hairy = np.where(dilated(canvas.photo_masks["brows"], 2) > 0.02, 0, dilated(hair, 4))
    covered = blurred(smoothstep(0.05, 0.4, hairy) * surface, 2.0) * surface
    features = np.maximum.reduce([canvas.lips, dilated(canvas.photo_masks["brows"], 3), canvas.region("eyelids")])
    clean = surface & (canvas.exposed > 0.5) & (features < 0.05) & (canvas.photo_masks["clothes"] < 0.1)
    clean &= dilated(hairy, 4) < 0.02
    matter = _matter(canvas)
    level = matter.mean(-1)
    usual = np.median(level[clean]) if clean.any() else 0.0
    clean &= np.abs(level - usual) < UNLIKE
    filled = blurred(fill_holes(matter, clean.astype(np.float32)), 3.0)
    example = find_example(level[..., None], clean & (canvas.confidence > 0.3), GRAIN, STRONGEST_GRAIN, canvas.position)
    texels = np.flatnonzero(covered > 0)
    if example is not None:
        filled.reshape(-1, 3)[texels] += grain(example, canvas.flat_position[texels], canvas.flat_normal[texels], 11)
    color = canvas.base[..., :3].copy()
    arriving = linear(canvas.lit(texels, GREY)) / linear(GREY)
    color.reshape(-1, 3)[texels] = encoded(np.exp(filled.reshape(-1, 3)[texels]) * arriving)
    return color, covered.astype(np.float32)


def _matter(canvas: Canvas) -> Floats:
    """(A, B, 3) logarithms of the skin's reflectance."""
    texels = np.flatnonzero(canvas.part("skin"))
    arriving = linear(canvas.lit(texels, GREY)) / linear(GREY)
    matter = np.zeros_like(canvas.base[..., :3])
    matter.reshape(-1, 3)[texels] = np.log((linear(canvas.flat_base[texels, :3]) + 1e-3) / np.maximum(arriving, 0.02))
    return matter


def _hair_on_skin(canvas: Canvas) -> Floats:
    """(A, B) in [0, 1]: skin texels that show hair: where the photo does, and its remains around the hairline."""
    a = canvas.anatomy
    skin = canvas.part("skin")
    eye_y, side_z = a.eyes[:, 1].mean(), a.eyes[:, 2].mean() - 0.04
    y, z = canvas.position[..., 1], canvas.position[..., 2]
    above = smoothstep(eye_y + 0.012, eye_y + 0.028, y)
    beside = smoothstep(side_z, side_z - 0.02, z) * smoothstep(a.mouth[1], a.mouth[1] + 0.015, y)
    lab = srgb_to_oklab(encoded(np.exp(_matter(canvas))))
    typical = np.median(lab[skin & (canvas.region("face") > 0.8) & (canvas.lips < 0.1)], 0)
    darker = typical[0] - lab[..., 0]
    hue = np.hypot(lab[..., 1] - typical[1], lab[..., 2] - typical[2])
    unlike = np.maximum(smoothstep(0.09, 0.17, darker), smoothstep(0.05, 0.09, hue))
    remains = unlike * np.maximum(above, beside) * (dilated(canvas.photo_masks["brows"], 4) < 0.02)
    remains *= canvas.region("ears") < 0.3
    hair = np.clip(canvas.photo_masks["hair"], 0, 1)
    return np.maximum(hair, dilated(_hanging_together(remains, hair, canvas.confidence), 2)) * skin


def _hanging_together(remains: Floats, hair: Floats, confidence: Floats) -> Floats:
    """`remains` (A, B) without what the photo shows to be apart from all `hair`: a mole, or a crack in old paint."""
    count, labels = cv2.connectedComponents((np.maximum(remains, hair) > TRACE).astype(np.uint8))
    kept = np.zeros(count, np.bool_)
    kept[labels[(hair > 0.5) | ((confidence < KNOWN) & (labels > 0))]] = True
    return remains * kept[labels]
