"""Soft masks of a photograph's parts: skin, hair, brows, eyes, lips, ears, neck, clothes.

Landmarks outline the face, the fitted head says where ears, neck and scalp are, the matte says what is the person, and
colour models (Rother, Kolmogorov, Blake, "GrabCut", 2004) divide what geometry leaves open.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.cameras import Camera
from perse_engine.heads.head import Head
from perse_engine.portraits.labelling import label_pixels
from perse_engine.portraits.landmarks import (
    INNER_LIPS,
    LEFT_BROW,
    LEFT_LIDS,
    OUTER_LIPS,
    OVAL,
    RIGHT_BROW,
    RIGHT_LIDS,
)
from perse_engine.portraits.matting import guided_filter
from perse_engine.surfaces.rasterize import rasterize_mesh
from perse_engine.surfaces.shading import interpolate

CLOSED = 0.035  # gap between the lips, as a share of the eyes' distance, below which they touch
CHEEKS = (50, 280, 205, 425, 4, 151)
BALD = 8.0  # difference of Lab colours, lightness counting less
SIDE = 288  # pixels of the square in which colour models are fitted
Mask = NDArray[np.float32]


def find_parts(
    pixels: NDArray[np.uint8],
    matte: Mask,
    landmarks: NDArray[np.floating],
    head: Head,
    vertices: NDArray[np.floating],
    camera: Camera,
) -> dict[str, Mask]:
    """Masks (H, W) in [0, 1]; skin, hair, ears, neck and clothes add up to the matte.

    Args:
        pixels: (H, W, 3) uint8.
        matte: (H, W).
        landmarks: (468, 3) pixels.
        vertices: (V, 3) the fitted head as in the photograph.
        camera: of the whole photograph.
    """
    height, width = matte.shape
    side = 3.6 * float(np.ptp(landmarks[:, 1]))
    x, y = landmarks[:, :2].min(0) * 0.5 + landmarks[:, :2].max(0) * 0.5 - side / 2
    scale = SIDE / side
    matrix = np.array([[scale, 0, -x * scale + scale / 2 - 0.5], [0, scale, -y * scale + scale / 2 - 0.5]])
    area = _shrunk(pixels, matrix, scale)
    alpha = cv2.warpAffine(matte, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
    points = landmarks[:, :2] * scale - np.array([x, y]) * scale
    small = _scaled_window(camera, x, y, scale)

    classes = _classify(area, np.asarray(alpha, np.float32), points, head, vertices, small)
    guide = area.astype(np.float32) / np.float32(255)
    names = ("hair", "clothes", "ears", "neck", "person")
    soft = np.stack([np.clip(guided_filter(guide, classes[name], radius=3, epsilon=4e-4), 0, 1) for name in names])
    soft[:4] /= np.maximum(soft[:4].sum(0), 1)
    inverse = np.array([[1 / scale, 0, x + 0.5 / scale - 0.5], [0, 1 / scale, y + 0.5 / scale - 0.5]])
    full = {
        name: np.asarray(
            cv2.warpAffine(mask, inverse, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        ).clip(0, 1)
        for name, mask in zip(names, soft, strict=True)
    }
    # what lies outside the square is far from the head
    inside = _inside(matte.shape, x, y, side)
    full["hair"] *= inside
    matte = matte * (1 - inside * (1 - full.pop("person")))
    crowded = np.maximum(sum(full.values()), 1)
    full = {name: mask / crowded for name, mask in full.items()}
    rest = np.clip(1 - full["hair"] - full["clothes"] - full["ears"] - full["neck"], 0, 1)
    parts = {name: (mask * matte).astype(np.float32) for name, mask in full.items()}
    parts["skin"] = (rest * matte).astype(np.float32)
    parts |= features_on(matte, landmarks)
    return {name: parts[name] for name in ("skin", "hair", "brows", "eyes", "lips", "ears", "neck", "clothes")}


def features_on(matte: Mask, landmarks: NDArray[np.floating]) -> dict[str, Mask]:
    """Masks (H, W) of brows, eyes and lips, as landmarks (468, 3) outline them, within `matte` (H, W)."""
    outlines = {
        "brows": (list(LEFT_BROW), list(RIGHT_BROW)),
        "eyes": (lid_outline(LEFT_LIDS), lid_outline(RIGHT_LIDS)),
        "lips": (list(OUTER_LIPS),),
    }
    masks: dict[str, Mask] = {}
    for name, closed in outlines.items():
        drawn = sum(polygon(matte.shape, landmarks[outline, :2]) for outline in closed)
        masks[name] = np.clip(np.asarray(drawn, np.float32), 0, 1) * matte
    masks["lips"] *= 1 - mouth_opening(matte.shape, landmarks)
    return masks


def mouth_opening(shape: tuple[int, int], landmarks: NDArray[np.floating]) -> Mask:
    """(H, W) what shows between the lips; nothing where they touch and only the tracker parts them."""
    eyes = float(np.linalg.norm(landmarks[33, :2] - landmarks[263, :2]))
    gap = np.median(np.linalg.norm(landmarks[[82, 13, 312], :2] - landmarks[[87, 14, 317], :2], axis=1))
    if gap < CLOSED * eyes:
        return np.zeros(shape, np.float32)
    return polygon(shape, landmarks[list(INNER_LIPS), :2])


def eye_openings(shape: tuple[int, int], landmarks: NDArray[np.floating]) -> Mask:
    """(H, W) what shows between the lids."""
    both = sum(polygon(shape, landmarks[lid_outline(lids), :2]) for lids in (LEFT_LIDS, RIGHT_LIDS))
    return np.clip(np.asarray(both, np.float32), 0, 1)


def polygon(shape: tuple[int, int], points: NDArray[np.floating]) -> Mask:
    """(H, W) antialiased filled outline; pixel centres at + 0.5."""
    drawn = np.zeros(shape, np.uint8)
    cv2.fillPoly(drawn, [np.round((points - 0.5) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return drawn.astype(np.float32) / np.float32(255)


def lid_outline(lids: tuple[int, ...]) -> list[int]:
    """Lower lid from one corner to the other, then the upper lid back."""
    return [*lids[:9], *lids[:8:-1]]


def _classify(
    area: NDArray[np.uint8],
    alpha: Mask,
    points: NDArray[np.floating],
    head: Head,
    vertices: NDArray[np.floating],
    camera: Camera,
) -> dict[str, Mask]:
    """Masks in the square, and "person": what of the matte is neither of them nor background seen through hair."""
    regions = _regions(head, vertices, camera)
    face_height = float(np.ptp(points[:, 1]))
    rows = np.arange(SIDE)[:, None] + 0.5
    chin, brows = points[152, 1], points[list(LEFT_BROW + RIGHT_BROW), 1].min()
    person = alpha > 0.5
    oval = polygon((SIDE, SIDE), points[list(OVAL)]) > 0.5
    inner = cv2.erode(oval.astype(np.uint8), disc(face_height * 0.10)) > 0
    low = rows > points[168, 1]  # below the bridge of the nose the oval is skin
    surely_face = inner | (oval & low & (cv2.erode(oval.astype(np.uint8), disc(face_height * 0.03)) > 0))
    drawn = regions.max(0) > 0.5
    beyond = ~(cv2.dilate(drawn.astype(np.uint8), disc(face_height * 0.04)) > 0)
    scalp = regions[0] > 0.5
    light = cv2.cvtColor(area, cv2.COLOR_RGB2LAB)[..., 0].astype(np.float32)
    forehead = np.median(light[_spots(points, (151, 9, 108, 337), face_height * 0.05)])
    above_mouth = rows < points[94, 1]
    surely_hair = _touching(person & (scalp | (beyond & above_mouth)) & ~oval, scalp)
    surely_hair = cv2.erode(surely_hair.astype(np.uint8), disc(2)) > 0
    surely_hair |= person & ~oval & (rows < brows) & (light < 0.8 * forehead) & (drawn | beyond)
    bald = _is_bald(area, surely_hair, points, face_height)

    expected = _expected(regions, alpha, oval, surely_face, rows, points, face_height)
    if bald:
        expected[1] += expected[2]
        expected[2] = 0
        surely_hair[:] = False
    features = eye_and_mouth_openings(points)
    teachers = np.stack(
        [
            alpha < 0.05,
            surely_face & ~features & (light > 0.35 * forehead),
            surely_hair & (alpha > 0.9),
            person & (rows > chin + 0.75 * face_height),
        ]
    )
    known = np.zeros((4, SIDE, SIDE), bool)
    known[0] = alpha < 0.03
    known[1] = surely_face
    labels = label_pixels(area, expected, teachers, known, face_height, motley=3, spread=(1.2, 0.1, 0.3, 0.4))
    _, skin, hair, clothes = labels
    # hair hangs from hair
    hanging = _touching(_hanging(hair > 0.5, chin - 0.25 * face_height), surely_hair)
    kept = cv2.dilate(hanging.astype(np.uint8), disc(2)).astype(np.float32)
    off_face = (rows > chin) | ((beyond | (regions[4] > 0.3)) & (rows > points[94, 1]))
    clothes, skin = clothes + hair * (1 - kept) * off_face, skin + hair * (1 - kept) * ~off_face
    hair = hair * kept
    # skin hangs together with the face: brooches, and dirt on a collar, do not
    bare = cv2.dilate(_touching((skin > 0.5) | surely_face, surely_face).astype(np.uint8), disc(2)).astype(np.float32)
    clothes, skin = clothes + skin * (1 - bare) * off_face, skin * np.where(off_face, bare, 1)
    # a brow, a pupil or a shadow inside the face is no cloth, nor is an earlobe
    worn = ((rows > chin - 0.12 * face_height) | off_face) & ~oval
    worn = cv2.dilate(worn.astype(np.uint8), disc(1)).astype(np.float32)
    skin, clothes = skin + clothes * (1 - worn), clothes * worn
    # skin is of the ears, of the neck or of the face by where the head has them
    near = [cv2.GaussianBlur(regions[k], (0, 0), face_height * 0.03) for k in (1, 2, 3)]
    ear = skin * _above(near[0] * 1.6, np.maximum(near[1], near[2])) * (rows > points[10, 1] + 0.2 * face_height)
    ear *= ~oval & (near[0] > 0.02)
    neck = (skin - ear) * ((rows > points[94, 1]) & ~oval) * _above(near[1] + 0.05, near[2])
    shown = np.clip(skin + hair + clothes, 0, 1)
    return {"hair": hair, "clothes": clothes, "ears": ear, "neck": neck, "person": shown}


def _regions(head: Head, vertices: NDArray[np.floating], camera: Camera) -> NDArray[np.float32]:
    """(5, SIDE, SIDE) where the fitted head shows scalp, ears, neck, face, and its bust."""
    fragments = rasterize_mesh(vertices, head.faces, camera)
    names = ("scalp", "ears", "neck", "face")
    regions = interpolate(fragments, head.faces, np.stack([head.regions[name] for name in names], 1))
    drawn = fragments.triangle >= 0
    bust = np.zeros_like(drawn)
    if "bust" in head.parts:
        bust = drawn & (head.face_parts[fragments.triangle] == head.parts.index("bust"))
    regions = np.moveaxis(regions, -1, 0) * ~bust
    # what of the head has no name, between them, counts as face
    regions[3] = np.maximum(regions[3], np.clip(drawn & ~bust, 0, 1) - np.clip(regions[:3].sum(0), 0, 1))
    return np.concatenate([regions, bust[None]]).astype(np.float32)


def _expected(
    regions: NDArray[np.float32],
    alpha: Mask,
    oval: NDArray[np.bool_],
    surely_face: NDArray[np.bool_],
    rows: NDArray[np.floating],
    points: NDArray[np.floating],
    face_height: float,
) -> NDArray[np.float32]:
    """(4, SIDE, SIDE) how likely background, skin, hair and clothes are at each pixel, before colours are looked at."""
    chin = points[152, 1]
    drawn = np.clip(regions.sum(0), 0, 1)
    fall = np.clip((rows - chin + 0.1 * face_height) / (0.5 * face_height), 0, 1)
    # skin, hair, clothes
    tables = {
        "scalp": (0.06, 0.90, 0.04),
        "ears": (0.62, 0.36, 0.02),
        "neck": (0.72, 0.05, 0.23),
        "face": (0.70, 0.29, 0.01),
        "bust": (0.14, 0.10, 0.76),
    }
    likely = sum(
        region[..., None] * np.array(table, np.float32) for region, table in zip(regions, tables.values(), strict=True)
    )
    away = np.array((0.03, 0.92, 0.05)) * (1 - fall[..., None]) + np.array((0.06, 0.34, 0.60)) * fall[..., None]
    likely = likely + (1 - drawn)[..., None] * np.broadcast_to(away, (SIDE, SIDE, 3))
    likely = np.where(oval[..., None] & (rows > points[168, 1])[..., None], (0.95, 0.04, 0.01), likely)
    likely = cv2.GaussianBlur(np.asarray(likely, np.float32), (0, 0), face_height * 0.025)
    likely /= np.maximum(likely.sum(-1, keepdims=True), 1e-6)
    # the matte may have closed what is seen between hair and shoulder
    open_to_doubt = np.clip(cv2.distanceTransform((drawn < 0.5).astype(np.uint8), cv2.DIST_L2, 5) / face_height, 0, 0.2)
    background = np.clip(1 - alpha, 0.004 + 1.5 * open_to_doubt * (1 - fall), 0.98)
    return np.concatenate([background[None], np.moveaxis(likely, -1, 0) * (1 - background)]).astype(np.float32)


def eye_and_mouth_openings(points: NDArray[np.floating]) -> NDArray[np.bool_]:
    """(SIDE, SIDE) what of the face is no bare skin: eyes, brows and mouth."""
    outlines = ([*LEFT_BROW], [*RIGHT_BROW], lid_outline(LEFT_LIDS), lid_outline(RIGHT_LIDS), [*OUTER_LIPS])
    drawn = sum(polygon((SIDE, SIDE), points[outline, :2]) for outline in outlines)
    return np.asarray(cv2.dilate(np.asarray(drawn, np.float32), disc(2)) > 0.1)


def _above(first: NDArray[np.floating], second: NDArray[np.floating]) -> Mask:
    """1 where `first` is greater, softly."""
    return np.asarray(np.clip((first - second) / 0.2 + 0.5, 0, 1), np.float32)


def _hanging(hair: NDArray[np.bool_], level: float) -> NDArray[np.bool_]:
    """Below the row `level`, hair hangs from hair: what has none right above it is clothing of the same colour."""
    result = hair.copy()
    reach = np.ones(5, bool)
    for row in range(max(1, int(level)), len(hair)):
        result[row] &= np.convolve(result[row - 1], reach, "same")
    return result


def _touching(mask: NDArray[np.bool_], seed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The connected pieces of `mask` that hold some of `seed`, and are not crumbs."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8))
    sizes = np.bincount(labels.ravel(), minlength=count)
    seeded = np.bincount(labels[seed], minlength=count) if seed.any() else np.zeros(count)
    keep = (seeded > 0.02 * sizes) & (sizes > 30)
    keep[0] = False
    return np.asarray(keep[labels])


def _spots(points: NDArray[np.floating], landmarks: tuple[int, ...], radius: float) -> NDArray[np.bool_]:
    """(SIDE, SIDE) discs around landmarks."""
    drawn = np.zeros((SIDE, SIDE), np.uint8)
    for k in landmarks:
        cv2.circle(drawn, (int(points[k, 0]), int(points[k, 1])), max(2, int(radius)), 1, -1)
    return drawn > 0


def _is_bald(
    area: NDArray[np.uint8], scalp: NDArray[np.bool_], points: NDArray[np.floating], face_height: float
) -> bool:
    """Whether what covers the scalp looks like the skin of the face."""
    if scalp.sum() < 30:
        return False
    lab = cv2.cvtColor(area, cv2.COLOR_RGB2LAB).astype(np.float32)
    face = lab[_spots(points, CHEEKS, face_height * 0.06)]
    above = lab[scalp]
    apart = np.median(above, 0) - np.median(face, 0)
    rough = above[:, 0].std() / max(float(face[:, 0].std()), 4.0)
    return bool(np.linalg.norm(apart * [0.25, 1, 1]) < BALD and rough < 2.6)


def _shrunk(pixels: NDArray[np.uint8], matrix: NDArray[np.float64], scale: float) -> NDArray[np.uint8]:
    if scale < 0.5:  # warpAffine does not average
        pixels = cv2.GaussianBlur(pixels, (0, 0), 0.4 / scale)
    warped = cv2.warpAffine(pixels, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.uint8)


def _scaled_window(camera: Camera, x: float, y: float, scale: float) -> Camera:
    return Camera(
        camera.view, camera.fx * scale, camera.fy * scale, (camera.cx - x) * scale, (camera.cy - y) * scale, SIDE, SIDE
    )


def _inside(shape: tuple[int, int], x: float, y: float, side: float) -> Mask:
    inside = np.zeros(shape, np.float32)
    inside[max(0, round(y)) : max(0, round(y + side)), max(0, round(x)) : max(0, round(x + side))] = 1
    return inside


def disc(radius: float) -> NDArray[np.uint8]:
    """A round kernel of at least 3 x 3 pixels."""
    size = 2 * max(1, round(radius)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)
