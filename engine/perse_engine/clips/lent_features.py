"""What somebody lends that lies on the skin: brows, beard, lips, complexion, irises, clothes.

Every head of one model has the same texture layout, so a texel means the same place of both. What is taken is
reflectance, or how much darker hair is than the skin around it; the light stays the person's own.
"""

from __future__ import annotations

import numpy as np

from perse_engine.avatars.toning import in_tone
from perse_engine.clips.anatomy import MILLIMETRE
from perse_engine.clips.brow_edit import own_brows
from perse_engine.clips.canvas import Canvas, Edit, dilated, sparse_layer
from perse_engine.clips.lent import Lender
from perse_engine.clips.mouth_edit import mouth
from perse_engine.clips.noise import blurred, in_waves, layered_noise, smoothstep
from perse_engine.clips.parameters import Eyes, Mouth
from perse_engine.clips.wardrobe import Layer
from perse_engine.errors import InputError
from perse_engine.heads.head import NECK
from perse_engine.surfaces.colors import Floats, srgb_to_hex
from perse_engine.surfaces.filling import fill_holes
from perse_engine.surfaces.lighting import encoded, irradiance, linear

SEEN = (0.04, 0.25)
"""Natural logarithm by which a feature must differ from the skin around it to be taken wholly."""
DARKEST, LIGHTEST = 0.03, 3.0
"""Reflectance of a feature, relative to the skin around it."""
GROWN = 0.10
"""Mean logarithm by which a face with a beard is darker where beards grow."""
WAVES = 10
"""Groups of hairs that come through one after another."""
LIPS = 0.85
"""How far the own colour of the lips is covered."""
COARSE, FINEST = 14.0, (-0.5, 0.25)
"""Texels: what is coarser on a face is its shape in the light; natural logarithms of spots and lines."""
OPENING = (0.10, 0.16)
"""Metres from the foot of the neck within which a bust may be bare."""
WHITE = 0.62
"""Linear reflectance of the lightest iris."""


def lent_brows(canvas: Canvas, lender: Lender) -> Layer:
    """The other person's brows in place of the own ones."""
    own, theirs = (np.clip(own_brows(c), 0, 1) for c in (canvas, lender.canvas))
    wide = blurred(dilated(own, 4), 1.5)  # the hairs at its border lie outside the landmarks
    return _feature(canvas, lender, wide, blurred(dilated(_theirs(canvas, theirs), 3), 1.5), 3)


def lent_lips(canvas: Canvas, lender: Lender) -> Layer:
    """The colour of the other person's lips, on the relief of the own ones."""
    side = lender.portrait.albedo.shape[0]
    red = (lender.canvas.lips[:side, :side] > 0.8) & (lender.canvas.confidence[:side, :side] > 0.15)
    if not red.any():
        red = lender.canvas.lips[:side, :side] > 0.5
    color = srgb_to_hex(np.median(lender.portrait.albedo[red], 0))
    return mouth(canvas, Mouth(label="lent", color=color, opacity=LIPS)).layer


def lent_beard(canvas: Canvas, lender: Lender) -> Layer:
    """The other person's beard, hair by hair as the photo shows it, over whatever beard the person has.

    Raises:
        InputError: nothing-to-lend, where no beard is seen.
    """
    a = lender.anatomy
    grows = blurred(lender.canvas.region("beard") * lender.canvas.part("skin"), 3.0) * (1 - lender.canvas.lips)
    grows *= smoothstep(a.eyes[:, 1].mean() - 0.02, a.nose_base[1] + 0.004, lender.canvas.position[..., 1])
    darker = -_contrast(lender, grows, 10).mean(-1)
    shown = grows > 0.5
    if not shown.any() or float(darker[shown].mean()) < GROWN:
        raise InputError("nothing-to-lend", "the picture shows no beard", "choose a picture of somebody with one")
    theirs = _theirs(canvas, grows * smoothstep(0.08, 0.3, blurred(darker, 1.0)))
    layer = _feature(canvas, lender, np.zeros_like(theirs), theirs, 10)
    patch = layered_noise(canvas.flat_position[layer.texels][:, :2] / (3 * MILLIMETRE), 7)
    onset = in_waves(patch, layer.strength / 255, WAVES)
    return sparse_layer(layer.texels, layer.target[:, :3] / 255, 1.0, layer.strength / 255, onset, 1 / WAVES)


def lent_skin(canvas: Canvas, lender: Lender) -> Edit:
    """The other person's complexion: the face's spots and lines where the photo shows them, its tone everywhere."""
    texels = np.flatnonzero(canvas.part("skin", "bust"))
    hair = np.clip(lender.canvas.photo_masks["hair"], 0, 1)
    features = np.maximum.reduce([_features(canvas), _theirs(canvas, np.maximum(_features(lender.canvas), hair))])
    plain = blurred(canvas.region("face") * canvas.part("skin") * (dilated(features, 3) < 0.1), 4.0)
    own, theirs = canvas.portrait.albedo, lender.portrait.albedo
    side = own.shape[0]
    face = (plain[:side, :side] > 0.9) & (lender.canvas.confidence[:side, :side] > 0.2)
    if not face.any():
        face = plain[:side, :side] > 0.5
    ratio = np.median(linear(theirs[face]), 0) / np.maximum(np.median(linear(own[face]), 0), 0.02)
    toned = in_tone(linear(canvas.flat_base[texels, :3]), ratio)
    # spots and lines: what is finer than the light on a face, and is not sharper than the person's own skin was
    fine = np.zeros((*canvas.base.shape[:2], 1), np.float32)
    fine[:side, :side, 0] = _fine(lender.canvas.lightness[:side, :side]) - _fine(canvas.lightness[:side, :side])
    detail = np.exp(np.clip(fine.reshape(-1, 1)[texels], *FINEST) * plain.reshape(-1, 1)[texels])
    color = encoded(np.clip(toned * detail, 0, 1))
    bare = 1 - np.clip(canvas.photo_masks["clothes"].reshape(-1)[texels], 0, 1)
    on_bust = canvas.part("bust").reshape(-1)[texels]
    bare = np.where(on_bust, bare * canvas.skin_likeness.reshape(-1)[texels], bare)
    layer = sparse_layer(texels, color, 1.0, bare.astype(np.float32))
    still = (np.zeros_like(canvas.figure.vertices), np.zeros((5, 3), np.float32))
    return Edit(layer, *still, (float(ratio[0]), float(ratio[1]), float(ratio[2])))


def lent_clothes(canvas: Canvas, lender: Lender) -> Layer:
    """What the other person's bust and neck wear; where they show skin there, the person's own skin."""
    body = canvas.part("bust") | (canvas.part("skin") & (canvas.region("neck") > 0.3))
    theirs = lender.canvas
    foot = lender.portrait.head.joints[NECK] + np.array([0, -0.02, 0.04], np.float32)
    near = smoothstep(OPENING[1], OPENING[0], np.linalg.norm(theirs.position - foot, axis=-1))
    worn = 1 - near * smoothstep(0.4, 0.7, blurred(theirs.skin_likeness, 2.0))
    worn = np.where(theirs.part("bust"), worn, np.clip(theirs.photo_masks["clothes"], 0, 1))
    chin = canvas.anatomy.chin[1]
    low = smoothstep(chin - 0.008, chin - 0.022, canvas.position[..., 1])
    cloth = smoothstep(0.3, 0.7, blurred(_theirs(canvas, worn.astype(np.float32)), 1.5)) * low
    own = np.maximum(np.clip(canvas.photo_masks["clothes"], 0, 1), canvas.part("bust"))
    texels = np.flatnonzero(body & (np.maximum(cloth, own * low) > 0.01))
    side = canvas.portrait.albedo.shape[0]
    face = (canvas.part("skin") & (canvas.region("face") > 0.7) & (canvas.lips < 0.1))[:side, :side]
    tone = np.median(canvas.portrait.albedo[face], 0)
    flat = np.zeros((*canvas.base.shape[:2], 3), np.float32)
    flat[:side, :side] = lender.portrait.albedo
    share = cloth.reshape(-1)[texels][:, None]
    albedo = tone + share * (flat.reshape(-1, 3)[texels] - tone)
    strength = np.maximum(cloth, own * low).reshape(-1)[texels]
    return sparse_layer(texels, canvas.lit(texels, albedo.astype(np.float32)), 1.0, strength)


def lent_irises(lender: Lender, label: str) -> Eyes:
    """The other person's irises as the editor's parameters: their colour in white light."""
    ahead = np.array([[0, 0, 1]], np.float32)
    falls = irradiance(lender.portrait.light, ahead)[0]
    color = linear(lender.portrait.iris.color.mean(0)) / np.clip(falls, 0.35, 1.5) * 1.25  # the upper lid's shade
    return Eyes(label=label, color=srgb_to_hex(encoded(np.clip(color, 0, WHITE))))


def _fine(lightness: Floats) -> Floats:
    """(T, T) three times the logarithm of OKLab lightness, which is about that of light, without what is coarse."""
    logs = 3 * np.log(np.maximum(lightness, 0.05))
    return np.asarray(blurred(logs, 0.8) - blurred(logs, COARSE), np.float32)


def _features(canvas: Canvas) -> Floats:
    """(A, B) in [0, 1] lips, brows and lids."""
    brows = dilated(np.clip(own_brows(canvas), 0, 1), 2)
    return np.maximum.reduce([canvas.lips, brows, canvas.region("eyelids")])


def _theirs(canvas: Canvas, field: Floats) -> Floats:
    """A field of the lender's atlas (A', B', …) on the person's: the head's tile is the same, the rest is zero."""
    side = canvas.portrait.texture.shape[0]
    out = np.zeros((*canvas.base.shape[:2], *field.shape[2:]), np.float32)
    out[:side, :side] = field[:side, :side]
    return out


def _contrast(lender: Lender, mask: Floats, margin: int) -> Floats:
    """(A', B', 3) logarithm of what the lender's skin sends back, relative to the skin around `mask`, under it."""
    logs = np.log(linear(lender.canvas.base[..., :3]) + np.float32(1e-3))
    return np.asarray(logs - _under(lender.canvas, logs, mask, margin), np.float32)


def _under(canvas: Canvas, field: Floats, mask: Floats, margin: int) -> Floats:
    """`field` (A, B, C) with what lies under `mask` (A, B) filled in from the plain skin around it."""
    plain = canvas.part("skin") & (canvas.exposed > 0.5) & (dilated(mask, margin) < 0.05)
    plain &= (canvas.region("eyelids") < 0.3) & (np.clip(canvas.photo_masks["hair"], 0, 1) < 0.1)
    plain &= (canvas.lips < 0.1) & (np.clip(own_brows(canvas), 0, 1) < 0.05)
    filled: Floats = np.where((mask > 0.004)[..., None], fill_holes(field, plain.astype(np.float32)), field)
    return filled


def _feature(canvas: Canvas, lender: Lender, own: Floats, theirs: Floats, margin: int) -> Layer:
    """The feature under `theirs` (A, B) on the person's skin, from which their `own` (A, B) is taken."""
    change = _theirs(canvas, _contrast(lender, theirs[: lender.canvas.base.shape[0]], margin))
    bare = _under(canvas, linear(canvas.base[..., :3]), own, margin)
    relative = np.clip(np.exp(change * np.clip(theirs * 1.5, 0, 1)[..., None]), DARKEST, LIGHTEST)
    texels = np.flatnonzero(np.maximum(own, theirs) > 0.01)
    color = encoded(np.clip(bare * relative, 0, 1)).reshape(-1, 3)[texels]
    differs = smoothstep(*SEEN, np.abs(change).mean(-1))
    strength = np.maximum(smoothstep(0.02, 0.3, own), smoothstep(0.02, 0.4, theirs) * np.maximum(differs, own))
    return sparse_layer(texels, color, 1.0, strength.reshape(-1)[texels])
