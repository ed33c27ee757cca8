"""What the picture itself says of a head: drawn with plain colours in a fitted light, it should look like the photo.

Shading tells shape and turn, the borders of lips, lids and teeth tell expressions, and the outline of bare skin tells
all three. Photometric refinement after Blanz, Vetter, "A morphable model for the synthesis of 3D faces", 1999, with
derivatives by difference of softened drawings, so that borders count as well as surfaces.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.cameras import Camera
from perse_engine.heads.head import LEFT_EYE, RIGHT_EYE, Head
from perse_engine.heads.posing import rotation_matrices
from perse_engine.portraits.fit import Fit
from perse_engine.portraits.landmarks import Face
from perse_engine.portraits.parts import Mask, disc
from perse_engine.surfaces.lighting import BANDS, harmonics
from perse_engine.surfaces.normals import vertex_normals
from perse_engine.surfaces.rasterize import rasterize_mesh
from perse_engine.surfaces.shading import interpolate

Image = NDArray[np.float32]

EYES_PX = 44.0  # between the outer corners of the eyes, in the pictures compared
SIDES, ABOVE, BELOW = 1.75, 2.0, 1.75  # how far these reach from the middle of the face, in distances of the eyes
SOFT = 1.5  # pixels by which both are blurred: a border then moves smoothly over them
INDEPENDENT = 0.01  # share of the pixels that say something of their own
COLOR_NOISE, OUTLINE_NOISE = 0.06, 0.15  # sRGB; coverage
LENIENT = 2.5  # noises from which a pixel counts less
GAMMA = 2.2
DARKEST = 0.03  # of the light, relative to its mean
UNEVEN = np.array([0.0, 0.002, 0.008])[BANDS]  # how firmly each order of the light is held at none
LEAST_PIXELS = 12  # of a part, for its colour to be read
STEPS = (0.015, 0.0012, 0.006, 0.6, 0.25)  # turn, shift across and along the view, standard deviations, unit
DIRECTIONS = 60  # of identity that a picture can tell
PARTS = {
    "skin": 1.0,
    "lips": 0.6,
    "sclera": 1.0,
    "iris": 0.2,
    "mouth": 0.1,
    "teeth": 0.8,
    "tongue": 0.4,
    "sockets": 0.4,
}
"""What is drawn, with its usual brightness relative to skin where too little of it is seen."""


class PictureEvidence:
    """What a picture says of a head, as normal equations of a Gauss–Newton step."""

    def __init__(
        self, head: Head, face: Face, lens: Camera, pixels: NDArray[np.uint8], matte: Mask, parts: Mapping[str, Mask]
    ) -> None:
        """
        Args:
            lens: of the whole picture.
            pixels: (H, W, 3) sRGB.
            matte: (H, W) the person's alpha.
            parts: masks (H, W) as a parser finds them.
        """
        self.head = head
        named = {name: k for k, name in enumerate(head.parts)}
        shown = head.face_parts != named.get("lashes", 255)
        self.faces, self.face_parts, self.named = head.faces[shown], head.face_parts[shown], named
        self.lips = np.clip(head.regions["lips"] * 1.6 - 0.6, 0, 1)[:, None]
        self.camera, warp = _window(face, lens)
        scale = EYES_PX / face.eye_distance
        centered = warp + [[0, 0, scale / 2 - 0.5]] * 2  # OpenCV's pixels have their centres at whole numbers

        def read(field: NDArray) -> Image:
            field = np.asarray(field, np.float32)
            if scale < 1:
                field = cv2.GaussianBlur(field, (0, 0), 0.4 / scale)
            size = (self.camera.width, self.camera.height)
            return np.asarray(cv2.warpAffine(field, centered, size, borderMode=cv2.BORDER_REPLICATE), np.float32)

        alpha = np.clip(read(matte), 0, 1)
        self.pixels = read(pixels) / 255
        self.target = _soft(np.dstack([self.pixels * alpha[..., None], alpha]))
        skin = np.clip(read(parts["skin"]) + read(parts["ears"]), 0, 1) * (1 - read(parts["brows"]))
        covered = np.clip(read(parts["hair"]) + read(parts["clothes"]) + read(parts["neck"]), 0, 1)
        self.bare = cv2.erode(skin, disc(2))
        self.open = 1 - _soft(cv2.dilate(covered, disc(4)))
        y, x = np.mgrid[: self.camera.height, : self.camera.width] + 0.5
        centers = face.iris_centers @ warp[:, :2].T + warp[:, 2]
        away = [np.hypot(x - cx, y - cy) / (r * scale) for (cx, cy), r in zip(centers, face.iris_radii, strict=True)]
        self.iris = np.minimum(*away) < 1
        face_only = head.shape_directions[head.regions["face"] > 0.5].reshape(-1, head.shape_directions.shape[2])
        _, directions = np.linalg.eigh((face_only.T @ face_only).astype(np.float64))
        self.directions = directions[:, -DIRECTIONS:]
        self.shapes = np.tensordot(head.shape_directions, self.directions.astype(np.float32), 1)

    def system(self, fit: Fit, free: NDArray[np.bool_], high: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
        """Hessian and gradient over 3 of turn, 3 of shift, S of identity and E of expression, at `fit`.

        Args:
            free: (E,) units that may act.
            high: (E,) their bounds.
        """
        head = self.head
        vertices = fit.vertices(head) @ fit.rotation.T + fit.translation
        shares, normals = self._surfaces(vertices)
        look = self._look(shares, normals)
        drawn = _soft(look.drawn(shares, normals))
        residual = drawn - self.target
        weight = self._weight(residual)

        columns: list[Image] = []
        for moved, step in self._moves(fit, vertices, free, high):
            columns.append((_soft(look.drawn(*self._surfaces(moved))) - drawn) / np.float32(step))
        brightening = look.brightening(shares, normals)
        columns += [_soft(brightening[..., k, :]) for k in range(brightening.shape[2])]
        flat = np.stack([column.ravel() for column in columns], 1)
        weighted = flat * weight.reshape(-1, 1)
        hessian = (weighted.T @ flat).astype(np.float64)
        gradient = (weighted.T @ residual.ravel()).astype(np.float64)
        # the light follows whatever the head does
        lights = brightening.shape[2]
        inner = hessian[-lights:, -lights:] + np.eye(lights)
        across = hessian[:-lights, -lights:]
        share = np.linalg.solve(inner, np.column_stack([across.T, gradient[-lights:]]))
        return self._spread(
            fit, hessian[:-lights, :-lights] - across @ share[:, :-1], gradient[:-lights] - across @ share[:, -1], free
        )

    def _middle(self, fit: Fit) -> NDArray:
        """Between the eyes, in the camera's axes: about it heads are turned, as that hardly shifts them."""
        eyes = self.head.joints[[LEFT_EYE, RIGHT_EYE]].mean(0).astype(np.float64)
        return fit.rotation @ eyes + fit.translation

    def _moves(
        self, fit: Fit, vertices: NDArray, free: NDArray[np.bool_], high: NDArray[np.float64]
    ) -> list[tuple[NDArray, float]]:
        """Vertices after each small change, and its size."""
        turn, across, along, deviations, amount = STEPS
        moves = []
        middle = self._middle(fit)
        for axis in np.eye(3):
            turned = (vertices - middle) @ rotation_matrices(turn * axis).T + middle
            moves.append((turned, turn))
        for axis, step in zip(np.eye(3), (across, across, along), strict=True):
            moves.append((vertices + step * axis, step))
        rotation = fit.rotation.T.astype(np.float32)
        moves += [(vertices + deviations * (self.shapes[:, :, k] @ rotation), deviations) for k in range(DIRECTIONS)]
        for k in np.flatnonzero(free):
            change = amount if fit.expression[k] + amount <= high[k] else -amount
            moves.append((vertices + change * (self.head.expression_directions[:, :, k] @ rotation), change))
        return moves

    def _spread(
        self, fit: Fit, hessian: NDArray, gradient: NDArray, free: NDArray[np.bool_]
    ) -> tuple[NDArray, NDArray]:
        """From what was moved to all of the parameters; a fit turns about the head's origin."""
        shapes = len(self.directions)
        size = 6 + shapes + len(free)
        back = np.zeros((size, len(gradient)))
        back[:6, :6] = np.eye(6)
        back[:3, 3:6] = np.cross(fit.translation - self._middle(fit), np.eye(3))
        back[6 : 6 + shapes, 6 : 6 + DIRECTIONS] = self.directions
        back[6 + shapes + np.flatnonzero(free), np.arange(6 + DIRECTIONS, len(gradient))] = 1
        return back @ hessian @ back.T, back @ gradient

    def _surfaces(self, vertices: NDArray) -> tuple[Image, Image]:
        """(H, W, len(PARTS) + 1) how much of each pixel is which of `PARTS`, or other; (H, W, 3) its normal."""
        fragments = rasterize_mesh(vertices, self.faces, self.camera)
        normals = vertex_normals(vertices, self.faces)
        field = interpolate(fragments, self.faces, np.concatenate([normals, self.lips], 1).astype(np.float32))
        part = np.where(fragments.triangle >= 0, self.face_parts[fragments.triangle], 255)
        shares = np.zeros((*part.shape, len(PARTS) + 1), np.float32)
        skin, eyes = part == self.named["skin"], part == self.named["eyes"]
        shares[..., 0], shares[..., 1] = skin * (1 - field[..., 3]), skin * field[..., 3]
        shares[..., 2], shares[..., 3] = eyes & ~self.iris, eyes & self.iris
        for k, name in enumerate(list(PARTS)[4:], 4):
            shares[..., k] = part == self.named.get(name, 254)
        shares[..., -1] = (part != 255) - shares[..., :-1].sum(-1)
        length = np.linalg.norm(field[..., :3], axis=-1, keepdims=True)
        return shares, field[..., :3] / np.maximum(length, np.float32(1e-6))

    def _look(self, shares: Image, normals: Image) -> _Look:
        """The colours and the light in which these surfaces look most like the picture."""
        lit = np.maximum(self.pixels, 0.01) ** np.float32(GAMMA)
        basis = harmonics(normals)
        skin = (self.bare > 0.5) & (shares[..., 0] > 0.95)
        if skin.sum() < LEAST_PIXELS:
            skin = shares[..., 0] > 0.95
        color = np.median(lit[skin], 0)
        light = np.zeros(9, np.float32)
        light[0] = 1 / 0.282095
        tone = lit[skin] @ np.ones(3, np.float32) / color.sum()
        facing = basis[skin]
        for _ in range(6):
            predicted = np.maximum(facing @ light, DARKEST)
            trust = (1 / (1 + ((tone - predicted) / (0.25 * predicted)) ** 2)) / predicted**2
            system = facing.T @ (facing * trust[:, None]) + np.diag(UNEVEN * trust.sum())
            light = np.linalg.solve(system, facing.T @ (tone * trust)).astype(np.float32)
        fallen = np.maximum(basis @ light, DARKEST)[..., None]
        colors = np.stack([color * usual for usual in [*PARTS.values(), 1.0]])
        colors[0] = np.median((lit / fallen)[skin], 0)
        for k in range(1, len(PARTS)):
            own = shares[..., k] > 0.9
            if own.sum() >= LEAST_PIXELS:
                colors[k] = np.median((lit / fallen)[own], 0)
        return _Look(colors.astype(np.float32), light)

    def _weight(self, residual: Image) -> Image:
        """(H, W, 4) precision of colours and coverage."""
        color = np.linalg.norm(residual[..., :3], axis=-1) / np.sqrt(np.float32(3))
        colors = self.bare / COLOR_NOISE**2 / (1 + (color / (LENIENT * COLOR_NOISE)) ** 2) / 3
        outline = self.open / OUTLINE_NOISE**2 / (1 + (residual[..., 3] / (LENIENT * OUTLINE_NOISE)) ** 2)
        return (INDEPENDENT * np.dstack([colors, colors, colors, outline])).astype(np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class _Look:
    """`colors` (P + 1, 3) linear, and `light` (9,) in the camera's axes."""

    colors: Image
    light: Image

    def drawn(self, shares: Image, normals: Image) -> Image:
        """(H, W, 4) sRGB times coverage, and coverage."""
        fallen = np.maximum(harmonics(normals) @ self.light, DARKEST)
        color = np.maximum((shares @ self.colors) * fallen[..., None], 1e-5) ** np.float32(1 / GAMMA)
        cover = shares.sum(-1, keepdims=True)
        return np.concatenate([color * cover, cover], -1).astype(np.float32)

    def brightening(self, shares: Image, normals: Image) -> Image:
        """(H, W, 9, 4) derivative of `drawn` by the light."""
        basis = harmonics(normals)
        fallen = basis @ self.light
        slope = basis * (fallen > DARKEST)[..., None] / np.maximum(fallen, DARKEST)[..., None] / np.float32(GAMMA)
        color = self.drawn(shares, normals)
        color[..., 3] = 0
        return slope[..., None] * color[..., None, :]


def _soft(image: Image) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), SOFT), np.float32)


def _window(face: Face, lens: Camera) -> tuple[Camera, NDArray[np.float64]]:
    """The lens of a small picture of the face, and (2, 3) what takes pixels of the whole one there."""
    eyes = face.eye_distance
    scale = EYES_PX / eyes
    middle = (face.landmarks[:, :2].min(0) + face.landmarks[:, :2].max(0)) / 2
    low = np.maximum(middle - [SIDES * eyes, ABOVE * eyes], 0)
    high = np.minimum(middle + [SIDES * eyes, BELOW * eyes], [lens.width, lens.height])
    width, height = (int(n) for n in np.ceil((high - low) * scale))
    camera = dataclasses.replace(
        lens, fx=lens.fx * scale, fy=lens.fy * scale, cx=(lens.cx - low[0]) * scale, cy=(lens.cy - low[1]) * scale,
        width=width, height=height,
    )  # fmt: skip
    return camera, np.array([[scale, 0, -low[0] * scale], [0, scale, -low[1] * scale]])
