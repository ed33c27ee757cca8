"""A style that a picture shows: the category's region is taken from it, and the rest stays the person."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from perse_engine.avatars.parts import BROUGHT
from perse_engine.cameras import Camera
from perse_engine.clips.anatomy import MILLIMETRE, Anatomy
from perse_engine.clips.brought import Brought
from perse_engine.clips.canvas import SPREAD, Canvas, Edit, dilated, merged, sparse_layer
from perse_engine.clips.noise import blurred, smoothstep
from perse_engine.clips.pieces import Piece
from perse_engine.clips.relief import relief_mesh, relief_points, relief_texture
from perse_engine.clips.wardrobe import LEAST_MOVE, Layer
from perse_engine.heads.head import NECK, ROOT
from perse_engine.heads.posing import pose_head
from perse_engine.portraits.again import Sighting
from perse_engine.portraits.correspondence import Correspondence
from perse_engine.portraits.matting import guided_filter
from perse_engine.portraits.portrait import Portrait
from perse_engine.surfaces.colors import Floats, srgb_to_oklab
from perse_engine.surfaces.lighting import encoded, linear
from perse_engine.surfaces.unproject import Texels, look

WORN = ("hair", "clothes", "glasses", "earrings", "headphones", "hat")
"""Categories whose styles reach beyond the head; they get a relief of their own."""
SHAPED = ("face", "nose", "mouth")
"""Categories whose styles move the skin."""
SURFACES = {"clothes": ("bust",), "eyes": ("skin", "eyes"), "mouth": ("skin", "teeth")}
"""Parts of the head that a category paints, where it is not the skin alone."""
DIFFERENT = (0.035, 0.09)
"""OKLab distance between which a pixel passes from the person's own to the picture's."""
KERNEL = 0.016
"""Metres over which a landmark's move spreads on the skin."""
MOST_MOVE = 0.012
LEAST_AREA = 0.02
"""Part of the largest patch of change below which another one is noise."""


@dataclasses.dataclass(frozen=True, eq=False)
class Bare:
    """The person without the style, as the picture's camera sees them: colour (H, W, 3), alpha and depth (H, W)."""

    color: Floats
    alpha: Floats
    depth: Floats


Draw = Callable[[Sighting], Bare]


@dataclasses.dataclass(frozen=True, eq=False)
class Taken:
    """What is taken from a picture.

    Attributes:
        style: whose.
        sighting: the person in it, in the portrait's exposure.
        mask: (H, W) in [0, 1] what differs from the person within the category's region.
        depth: (H, W) of the person.
    """

    style: Brought
    sighting: Sighting
    mask: Floats
    depth: Floats


def take(style: Brought, sighting: Sighting, portrait: Portrait, anatomy: Anatomy, draw: Draw) -> Taken:
    """Find what the picture changes."""
    bare = draw(sighting)
    if sighting.in_place:
        size = (sighting.camera.width, sighting.camera.height)
        own = cv2.resize(portrait.photo, size, interpolation=cv2.INTER_AREA).astype(np.float32) / np.float32(255)
        alpha = cv2.resize(portrait.matte, size, interpolation=cv2.INTER_AREA)
        difference = _unlike(sighting, own, alpha)
    else:
        sighting = exposed_alike(sighting, bare.color, bare.alpha)
        difference = _difference(sighting, bare.color, bare.alpha)
    return Taken(style, sighting, _region_of(style.category, sighting, difference, anatomy), bare.depth)


def changed(category: str, sighting: Sighting, color: Floats, alpha: Floats, anatomy: Anatomy) -> Floats:
    """(H, W) in [0, 1] what differs within the category's region from the person without it.

    Args:
        sighting: of another picture than the portrait, in its exposure: see `exposed_alike`.
        color, alpha: (H, W, 3) and (H, W) the person as the picture's camera sees them.
    """
    return _region_of(category, sighting, _difference(sighting, color, alpha), anatomy)


def _difference(sighting: Sighting, color: Floats, alpha: Floats) -> Floats:
    """(H, W) OKLab; a rendering is not as sharp as a photo, and outside it only the matte is known."""
    difference = cv2.GaussianBlur(_unlike(sighting, color, alpha), (0, 0), 2.0)
    return np.asarray(np.where(alpha < 0.3, sighting.matte, difference), np.float32)


def _unlike(sighting: Sighting, color: Floats, alpha: Floats) -> Floats:
    """(H, W) the OKLab distance between picture and person, wherever one of them is."""
    distance = np.linalg.norm(srgb_to_oklab(sighting.pixels) - srgb_to_oklab(color), axis=-1)
    return np.asarray(np.where(np.maximum(alpha, sighting.matte) > 0.3, distance, 0), np.float32)


def _region_of(category: str, sighting: Sighting, difference: Floats, anatomy: Anatomy) -> Floats:
    """(H, W) in [0, 1] where `difference` says that the category is."""
    solid = _cleaned(smoothstep(*DIFFERENT, difference) * _zone(category, sighting, anatomy))
    mask = np.clip(guided_filter(sighting.pixels, solid, radius=3, epsilon=1e-4), 0, 1) * (dilated(solid, 3) > 0.5)
    return np.asarray(mask, np.float32)


def reliefs(taken: Sequence[Taken], category: str) -> Piece:
    """The piece that carries every brought style of a category; the styles are its shapes, in order."""
    joint = ROOT if category == "clothes" else NECK
    shapes = np.stack([relief_points(category, t.mask, t.depth, t.sighting, joint) for t in taken])
    weights = np.zeros((shapes.shape[1], 5), np.float32)
    weights[:, joint] = 1
    return Piece(piece_name(category), relief_mesh(shapes), weights)


def piece_name(category: str) -> str:
    """The name of a category's relief, of its part and of its tile."""
    return f"{BROUGHT}{category}"


def brought(canvas: Canvas, taken: Taken, shape: Floats | None, correspondence: Correspondence) -> Edit:
    """Paint and move what the picture shows.

    Args:
        shape: (V, 3) the style's relief as worn, or None for categories that lie on the skin.
        correspondence: of landmarks and the head.
    """
    category = taken.style.category
    layers = [] if category in WORN and category != "clothes" else [_on_skin(canvas, taken)]
    move = np.zeros_like(canvas.figure.vertices)
    if shape is not None:
        name = piece_name(category)
        vertices = np.flatnonzero(canvas.part_vertices(name))
        move[vertices] = shape - canvas.figure.vertices[vertices]
        layers.append(_relief_layer(canvas, taken, name))
    if category in SHAPED:
        move += _reshaped(canvas, taken, correspondence)
    if category == "hair" and taken.mask.max() > 0.5:
        layers.append(_cut(canvas))
    move[np.linalg.norm(move, axis=1) < LEAST_MOVE] = 0
    return Edit(merged(layers), move.astype(np.float32), np.zeros((5, 3), np.float32))


def exposed_alike(sighting: Sighting, color: Floats, alpha: Floats) -> Sighting:
    """The picture with the portrait's exposure and white balance: the face's median, channel by channel.

    Args:
        color, alpha: (H, W, 3) and (H, W) the person as the picture's camera sees them.
    """
    both = (alpha > 0.9) & (sighting.matte > 0.9)
    inner = cv2.erode(both.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    if inner.sum() < 200:
        return sighting
    ratio = linear(color[inner]) / np.maximum(linear(sighting.pixels[inner]), 0.01)
    gain = np.clip(np.median(ratio, 0), 0.4, 2.5)
    return dataclasses.replace(sighting, pixels=encoded(linear(sighting.pixels) * gain))


def _zone(category: str, sighting: Sighting, anatomy: Anatomy) -> Floats:
    """(H, W) in [0, 1]: where on the plane through the head a category can be."""
    camera = sighting.camera
    head = camera.view @ np.asarray(sighting.transforms[NECK], np.float64)
    back = np.linalg.inv(head)
    u, v = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    middle = anatomy.eyes.mean(0) - [0, 0, 0.05]
    z = float((head[:3, :3] @ middle + head[:3, 3])[2])
    seen = np.stack([(u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z, np.full_like(u, z)], -1)
    place = seen @ back[:3, :3].T + back[:3, 3]
    unit = MILLIMETRE * anatomy.size
    x, y = np.abs(place[..., 0]) / unit, (place[..., 1] - anatomy.eyes[:, 1].mean()) / unit
    mouth, chin = ((p[1] - anatomy.eyes[:, 1].mean()) / unit for p in (anatomy.mouth, anatomy.chin))
    top = (anatomy.skull_top - anatomy.eyes[:, 1].mean()) / unit
    wing = float(np.abs(anatomy.eyes[:, 0]).mean()) / unit

    def near(value: Floats, low: float, high: float, soft: float = 6.0) -> Floats:
        return smoothstep(low - soft, low, value) * smoothstep(high + soft, high, value)

    zones = {
        "hat": near(y, 16, 400),
        "glasses": near(y, -34, 30) * near(x, -10, 95),
        "earrings": near(y, chin - 60, -8) * near(x, 48, 120),
        "headphones": np.maximum(near(y, chin, 400) * near(x, 52, 400), near(y, top - 45, 400)),
        "hair": np.maximum(near(x, 48, 400), near(y, 34, 400)),
        "clothes": near(y, -1000, chin - 14),
        "beard": near(y, chin - 45, mouth + 34) * near(x, -10, 80),
        "mouth": near(y, mouth - 20, mouth + 15) * near(x, -10, 42),
        "nose": near(y, mouth + 10, 8) * near(x, -10, 30),
        "eyebrows": near(y, 8, 40) * near(x, -10, wing + 42),
        "eyes": near(y, -14, 14) * near(np.abs(x - wing), -10, 24),
    }
    return np.asarray(zones.get(category, np.ones_like(x)), np.float32)


def _cleaned(changed: Floats) -> Floats:
    """The patches of change without specks and pinholes."""
    mask = (changed > 0.5).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    if count < 2:
        return np.zeros(changed.shape, np.float32)
    areas = stats[1:, cv2.CC_STAT_AREA]
    kept = 1 + np.flatnonzero(areas > LEAST_AREA * areas.max())
    return np.isin(labels, kept).astype(np.float32)


def _relief_layer(canvas: Canvas, taken: Taken, name: str) -> Layer:
    inside = canvas.part(name)
    rows, columns = np.nonzero(inside)
    y, x = int(rows.min()), int(columns.min())
    height, width = int(rows.max()) - y + 1, int(columns.max()) - x + 1
    texture = relief_texture(taken.mask, taken.sighting, width, height)
    tile = np.zeros((*canvas.base.shape[:2], 4), np.float32)
    tile[y : y + height, x : x + width] = texture
    texels = np.flatnonzero(inside)
    values = tile.reshape(-1, 4)[texels]
    shown = values[:, 3] > 0.004
    return sparse_layer(texels[shown], values[shown, :3], values[shown, 3], np.ones(int(shown.sum()), np.float32))


def _on_skin(canvas: Canvas, taken: Taken) -> Layer:
    """What the picture shows on the skin, and on the far side what its mirror image changes."""
    figure, head = canvas.figure, canvas.portrait.head
    count = int(figure.face_parts.searchsorted(len(head.parts)))
    on_head = Texels(np.where(canvas.texels.triangle < count, canvas.texels.triangle, -1), canvas.texels.barycentric)
    posed = np.array(figure.vertices)
    posed[: len(head.template)] = taken.sighting.vertices
    sight = look(posed, figure.faces[:count], taken.sighting.camera, on_head)
    names = SURFACES.get(taken.style.category, ("skin",))
    surface = canvas.part(*(name for name in names if name in figure.parts))
    known = np.clip((sight.confidence - 0.03) / 0.12, 0, 1) * surface
    color, mask = sight.read(taken.sighting.pixels), sight.read(taken.mask)
    base = canvas.base[..., :3]
    change = linear(color) / np.maximum(linear(base), 0.004)  # what the style does to the light that comes back
    here = blurred(mask * known, 1.0)
    texels = np.flatnonzero((here > 0.01) & surface)
    target = color.reshape(-1, 3)[texels]
    strength = np.clip(here.reshape(-1)[texels], 0, 1)
    unseen = np.flatnonzero(surface & (known < 0.4) & (dilated(surface & (known > 0.4), 1) < 2))
    return merged([sparse_layer(texels, target, 1.0, strength), _mirrored(canvas, change, mask * known, unseen, known)])


def _mirrored(canvas: Canvas, change: Floats, shown: Floats, unseen: NDArray[np.intp], known: Floats) -> Layer:
    """The change at `unseen` texels, taken from the other side of the face."""
    seen = np.flatnonzero(shown > 0.3)
    if not len(seen) or not len(unseen):
        return sparse_layer(np.zeros(0, np.int64), np.zeros((0, 3), np.float32), 1.0, np.zeros(0, np.float32))
    other = canvas.flat_position[unseen] * np.array([-1, 1, 1], np.float32)
    distance, index = cKDTree(canvas.flat_position[seen]).query(other, distance_upper_bound=SPREAD / 2)
    found = np.isfinite(distance)
    texels, source = unseen[found], seen[index[found]]
    color = encoded(linear(canvas.flat_base[texels, :3]) * np.clip(change.reshape(-1, 3)[source], 0, 4))
    weight = shown.reshape(-1)[source] * (1 - known.reshape(-1)[texels]) * (1 - distance[found] / SPREAD * 2)
    return sparse_layer(texels, color, 1.0, np.clip(weight, 0, 1))


def _cut(canvas: Canvas) -> Layer:
    """The own hair goes: it is the relief that is seen from now on."""
    shell = np.flatnonzero(canvas.part("hair") & (canvas.base[..., 3] > 0))
    painted = np.flatnonzero(canvas.painted_hair > 0.004)
    gone = sparse_layer(shell, canvas.flat_base[shell, :3], 0.0, np.ones(len(shell), np.float32))
    wiped = sparse_layer(painted, canvas.bare_skin.reshape(-1, 3)[painted], 1.0, np.ones(len(painted), np.float32))
    return merged([gone, wiped])


def _reshaped(canvas: Canvas, taken: Taken, correspondence: Correspondence) -> Floats:
    """(V, 3): the skin follows the landmarks that the picture moves, less what they miss in the portrait itself."""
    portrait, sighting = canvas.portrait, taken.sighting
    head = portrait.head
    before = correspondence.points(head, pose_head(head, portrait.state).vertices)
    own = _misses(before, portrait.landmarks, portrait.camera)
    now = _misses(correspondence.points(head, sighting.vertices), sighting.landmarks, sighting.camera)
    turn = np.asarray(sighting.transforms[NECK], np.float64)[:3, :3].T @ sighting.camera.view[:3, :3].T
    wanted = (now - own) @ turn.T
    anchors = correspondence.points(head, head.template)
    amount = _region(canvas, taken.style.category, anchors)
    wanted = np.where((amount > 0.05)[:, None], wanted, 0)
    length = np.linalg.norm(wanted, axis=1, keepdims=True)
    wanted *= np.minimum(1, MOST_MOVE / np.maximum(length, 1e-9))
    skin = np.flatnonzero(canvas.part_vertices("skin")[: len(head.template)])
    kernel = lambda a, b: np.exp(-((np.linalg.norm(a[:, None] - b[None], axis=-1) / KERNEL) ** 2))  # noqa: E731
    gram = kernel(anchors, anchors) + 0.15 * np.eye(len(anchors))
    spread = kernel(head.template[skin].astype(np.float64), anchors) @ np.linalg.solve(gram, wanted)
    move = np.zeros_like(canvas.figure.vertices)
    move[skin] = spread * _region(canvas, taken.style.category, head.template[skin].astype(np.float64))[:, None]
    return move


def _misses(points: NDArray[np.float64], landmarks: Floats, camera: Camera) -> NDArray[np.float64]:
    """(468, 3) metres in the camera's axes by which the head's landmarks miss the picture's, in its plane."""
    seen = camera.project(points)
    off = landmarks[:, :2] - seen[:, :2]
    return np.stack([off[:, 0] / camera.fx, off[:, 1] / camera.fy, np.zeros(len(off))], 1) * seen[:, 2:]


def _region(canvas: Canvas, category: str, points: NDArray[np.float64]) -> Floats:
    """(n,) in [0, 1]: how far points (n, 3) of the head at rest belong to a category that moves the skin."""
    a = canvas.anatomy
    unit = MILLIMETRE * a.size
    x, y = np.abs(points[:, 0]) / unit, (points[:, 1] - a.mouth[1]) / unit
    nose = (a.nose_base[1] - a.mouth[1]) / unit
    eyes = (a.eyes[:, 1].mean() - a.mouth[1]) / unit
    front = smoothstep(a.ear_tops[:, 2].mean(), a.ear_tops[:, 2].mean() + 0.03, points[:, 2])
    if category == "mouth":
        return front * smoothstep(46, 32, x) * smoothstep(-26, -14, y) * smoothstep(nose, nose - 7, y)
    if category == "nose":
        return front * smoothstep(34, 20, x) * smoothstep(nose - 10, nose - 1, y) * smoothstep(eyes + 12, eyes, y)
    return front * smoothstep(eyes + 70, eyes + 45, y)
