"""The skin under the hair: a photo never shows it, and a haircut does."""

from __future__ import annotations

import numpy as np

from perse_engine.clips.canvas import Canvas, dilated
from perse_engine.clips.colors import Floats, oklab_to_srgb
from perse_engine.clips.noise import blurred, smoothstep
from perse_engine.surfaces.filling import fill_holes


def bare_skin(canvas: Canvas) -> tuple[Floats, Floats]:
    """The skin under the hair: colour (A, B, 3), and (A, B) in [0, 1] how much hair covers it in the base.

    The face's own albedo carried on over the skull, in the photo's light, with the face's own grain.
    """
    skin = canvas.part("skin")
    hairy = np.maximum(dilated(_hair_on_skin(canvas), 4), canvas.region("scalp"))
    hairy = np.where(dilated(canvas.photo_masks["brows"], 2) > 0.02, 0, hairy)
    covered = blurred(smoothstep(0.05, 0.4, hairy) * skin, 2.0) * skin
    side = canvas.portrait.texture_confidence.shape[0]
    trusted = np.zeros(canvas.base.shape[:2], np.float32)
    trusted[:side, :side] = canvas.portrait.texture_confidence
    known = skin & (canvas.region("face") > 0.5) & (trusted > 0.2) & (covered < 0.02) & (canvas.skin_likeness > 0.7)
    known &= (canvas.lips < 0.02) & (dilated(canvas.photo_masks["brows"], 3) < 0.02) & (canvas.region("eyelids") < 0.1)
    light = canvas.shade(canvas.normal)[..., None]
    albedo = canvas.flat_lab.reshape(*canvas.base.shape[:2], 3) / np.maximum(light, 0.2)
    filled = blurred(fill_holes(albedo, known.astype(np.float32)), 3.0) * light
    spread = float(np.std((canvas.lightness - canvas.soft_lightness)[known])) if known.any() else 0.01
    grain = np.random.default_rng(11).normal(0, min(spread, 0.012), canvas.base.shape[:2]).astype(np.float32)
    filled[..., 0] += blurred(grain, 0.8) * 1.6
    return oklab_to_srgb(filled), covered.astype(np.float32)


def _hair_on_skin(canvas: Canvas) -> Floats:
    """(A, B) in [0, 1]: skin texels that show hair: where the photo does, and its remains around the hairline."""
    a = canvas.anatomy
    skin = canvas.part("skin")
    eye_y, side_z = a.eyes[:, 1].mean(), a.eyes[:, 2].mean() - 0.04
    y, z = canvas.position[..., 1], canvas.position[..., 2]
    above = smoothstep(eye_y + 0.012, eye_y + 0.028, y)
    beside = smoothstep(side_z, side_z - 0.02, z) * smoothstep(a.mouth[1], a.mouth[1] + 0.015, y)
    typical = np.median(canvas.flat_lab[(skin & (canvas.region("face") > 0.8) & (canvas.lips < 0.1)).reshape(-1)], 0)
    lab = canvas.flat_lab.reshape(*canvas.base.shape[:2], 3)
    darker = typical[0] - lab[..., 0] / np.maximum(canvas.shade(canvas.normal), 0.5)
    hue = np.hypot(lab[..., 1] - typical[1], lab[..., 2] - typical[2])
    unlike = np.maximum(smoothstep(0.09, 0.17, darker), smoothstep(0.05, 0.09, hue))
    remains = unlike * np.maximum(above, beside) * (dilated(canvas.photo_masks["brows"], 4) < 0.02)
    remains *= canvas.region("ears") < 0.3
    return np.maximum(np.clip(canvas.photo_masks["hair"], 0, 1), dilated(remains, 2)) * skin
