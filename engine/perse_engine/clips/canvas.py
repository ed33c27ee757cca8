"""What an editor paints on: the dressed figure laid out on one atlas, with where and what every texel is."""

from __future__ import annotations

import dataclasses
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from perse_engine.avatars.toning import skin_likeness
from perse_engine.cameras import front_camera
from perse_engine.clips.anatomy import MILLIMETRE, Anatomy
from perse_engine.clips.noise import blurred, smoothstep
from perse_engine.clips.torso import Torso, find_torso
from perse_engine.clips.wardrobe import Layer
from perse_engine.heads.figure import Figure
from perse_engine.heads.head import NECK
from perse_engine.heads.posing import joint_transforms, pose_head
from perse_engine.portraits.light import REACH
from perse_engine.portraits.portrait import Portrait
from perse_engine.surfaces.colors import Floats, oklab_to_srgb, srgb_to_oklab
from perse_engine.surfaces.lighting import shade
from perse_engine.surfaces.normals import vertex_normals
from perse_engine.surfaces.occlusion import ambient_occlusion
from perse_engine.surfaces.rasterize import rasterize_mesh
from perse_engine.surfaces.unproject import Texels, unproject

SPREAD = 5 * MILLIMETRE
"""How far a mask reaches from what the photo shows onto skin that it hides."""
KNOWN = 0.12
"""Confidence from which on the photo shows a texel."""
NEAREST, SPARSE, AT_ONCE = 3, 8, 10_000
"""Known places that tell what an unseen one is; every how many of them count; how many are asked for in one call, which
nothing can interrupt."""


@dataclasses.dataclass(frozen=True, eq=False)
class Canvas:
    """The bare figure on its atlas of A x B texels, and the portrait that it came from.

    Attributes:
        portrait: the person.
        anatomy: features of the head at rest.
        figure: all parts, no style directions yet.
        base: (A, B, 4) float32 sRGB and alpha of the person with no style.
        texels: which triangle and where in it each texel is.
        bare_skin: (A, B, 3) what the skin looks like where no hair is.
        painted_hair: (A, B) in [0, 1] where the base shows hair on the skin itself, not on the shell.
        hairdos: (H, N, 3) the part "locks" in every style that shows it.
    """

    portrait: Portrait
    anatomy: Anatomy
    figure: Figure
    base: Floats
    texels: Texels
    bare_skin: Floats
    painted_hair: Floats
    hairdos: Floats = dataclasses.field(default_factory=lambda: np.zeros((0, 0, 3), np.float32))

    @cached_property
    def position(self) -> Floats:
        """(A, B, 3) metres, at rest."""
        return self.texels.interpolate(self.figure.faces, self.figure.vertices)

    @cached_property
    def normal(self) -> Floats:
        """(A, B, 3) unit length where the layout is used."""
        normal = self.texels.interpolate(self.figure.faces, self.vertex_normal)
        return normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)

    @cached_property
    def vertex_normal(self) -> Floats:
        """(V, 3) unit length."""
        return vertex_normals(self.figure.vertices, self.figure.faces)

    @cached_property
    def torso(self) -> Torso:
        """What the portrait's garments hang on."""
        return find_torso(self.portrait.head, self.anatomy)

    @cached_property
    def confidence(self) -> Floats:
        """(A, B) in [0, 1]: how well the photo shows a texel of the head."""
        side = self.portrait.texture_confidence.shape[0]
        confidence = np.zeros(self.base.shape[:2], np.float32)
        confidence[:side, :side] = self.portrait.texture_confidence
        return confidence

    @cached_property
    def flat_base(self) -> Floats:
        """(A B, 4) `base` by flat index."""
        return self.base.reshape(-1, 4)

    @cached_property
    def flat_position(self) -> Floats:
        """(A B, 3) `position` by flat index."""
        return self.position.reshape(-1, 3)

    @cached_property
    def flat_normal(self) -> Floats:
        """(A B, 3) `normal` by flat index."""
        return self.normal.reshape(-1, 3)

    @cached_property
    def soft_lightness(self) -> Floats:
        """(A, B) `lightness` without pores, strands and freckles."""
        return blurred(self.lightness, 4.0)

    @cached_property
    def flat_lab(self) -> Floats:
        """(A B, 3) OKLab of the base, by flat index."""
        return srgb_to_oklab(self.flat_base[:, :3])

    @cached_property
    def lightness(self) -> Floats:
        """(A, B) OKLab lightness of the base."""
        return np.ascontiguousarray(self.flat_lab[:, 0].reshape(self.base.shape[:2]))

    @cached_property
    def _texel_part(self) -> NDArray[np.uint8]:
        parts = self.figure.face_parts[self.texels.triangle]
        parts[self.texels.triangle < 0] = len(self.figure.parts)
        return parts

    @cached_property
    def _masks(self) -> dict[tuple[str, ...], NDArray[np.bool_]]:
        return {}

    def part(self, *names: str) -> NDArray[np.bool_]:
        """(A, B): the texels of these parts, read-only."""
        if names not in self._masks:
            wanted = np.array([*(name in names for name in self.figure.parts), False])
            self._masks[names] = wanted[self._texel_part]
            self._masks[names].flags.writeable = False
        return self._masks[names]

    def part_vertices(self, *names: str) -> NDArray[np.bool_]:
        """(V,): the vertices of these parts."""
        used = np.zeros(len(self.figure.vertices), bool)
        wanted = np.array([name in names for name in self.figure.parts])
        used[self.figure.faces[wanted[self.figure.face_parts]]] = True
        return used

    def region(self, name: str) -> Floats:
        """(A, B) the head model's soft mask of that name, zero off the head."""
        return self.texels.interpolate(self.figure.faces, self.vertex_region(name)[:, None])[..., 0]

    def vertex_region(self, name: str) -> Floats:
        """(V,) the head model's soft mask of that name, zero off the head."""
        mask = np.zeros(len(self.figure.vertices), np.float32)
        head = self.portrait.head
        mask[: len(head.template)] = head.regions[name]
        return mask

    def at_vertices(self, field: Floats) -> Floats:
        """(V, ...) an atlas field (A, B, ...) at each vertex of the figure, from one of its texture corners."""
        uv = np.zeros((len(self.figure.vertices), 2), np.float32)
        uv[self.figure.faces.reshape(-1)] = self.figure.uv[self.figure.uv_faces.reshape(-1)]
        height, width = field.shape[:2]
        column = np.clip((uv[:, 0] * width).astype(int), 0, width - 1)
        row = np.clip(((1 - uv[:, 1]) * height).astype(int), 0, height - 1)
        return field[row, column]

    @cached_property
    def exposed(self) -> Floats:
        """(A, B) in [0, 1]: skin that can be seen from outside with the mouth shut, not the inside of mouth or nose."""
        skin = self.figure.faces[self.figure.face_parts == self.figure.parts.index("skin")]
        center = self.anatomy.mouth.astype(np.float64) * [0, 1, 0] + [0, 0.02, 0.03]
        seen = np.zeros(len(self.figure.vertices), np.float32)
        for yaw, pitch in ((0, 0), (55, 0), (-55, 0), (110, 0), (-110, 0), (0, -50), (40, -40), (-40, -40), (0, 45)):
            camera = front_camera(center, 1.5, 1.5 * 320 / 0.34, 320, 320).orbited(center, yaw, pitch, 0)
            hit = rasterize_mesh(self.figure.vertices, skin, camera).triangle
            seen[skin[np.unique(hit[hit >= 0])]] = 1
        return self.texels.interpolate(self.figure.faces, seen[:, None])[..., 0]

    @cached_property
    def photo_masks(self) -> dict[str, Floats]:
        """(A, B) by name: lips, brows, hair, clothes as the photo shows them; all but hair go on beyond that."""
        names = ("lips", "brows", "hair", "clothes")
        portrait = self.portrait
        stack = np.ascontiguousarray(np.stack([portrait.parts[name] for name in names], -1), np.float32)
        head = portrait.head
        posed = np.array(self.figure.vertices)
        posed[: len(head.template)] = pose_head(head, portrait.state).vertices
        count = int(self.figure.face_parts.searchsorted(len(head.parts)))
        on_head = Texels(np.where(self.texels.triangle < count, self.texels.triangle, -1), self.texels.barycentric)
        seen, confidence = unproject(stack, posed, self.figure.faces[:count], portrait.camera, on_head)
        skin = self.part("skin", "bust")
        known = skin & (confidence > KNOWN)
        masks = {}
        for k, name in enumerate(names):
            field = np.where(known, seen[..., k], 0.0).astype(np.float32)
            if name in ("lips", "brows"):  # hair is not known from its mirror image
                self._carry(field, known, skin & ~known & (self.region(name) > 0.02))
            if name == "clothes":
                lower = self.part("bust") | (self.part("skin") & (self.region("neck") > 0.02))
                self._wrap(field, lower & known, lower & ~known)
            masks[name] = field
        return masks

    @cached_property
    def lips(self) -> Floats:
        """(A, B) in [0, 1]: the lips, where model and photo agree on them, and half where only one has them."""
        model = self.region("lips") * self.part("skin")
        photo = np.clip(self.photo_masks["lips"], 0, 1) * (dilated(model, 5) > 0.3)
        unseen = self.photo_masks["lips"][model > 0.5].mean() < 0.2  # a moustache or a hand may hide them
        return model if unseen else smoothstep(0.2, 0.8, 0.6 * model + 0.4 * photo)

    def _carry(self, field: Floats, known: NDArray[np.bool_], unknown: NDArray[np.bool_]) -> None:
        """Fill `field` at `unknown` texels from the nearest known place on either side of the face."""
        near = known & (field > 0.01)
        if not near.any() or not unknown.any():
            return
        places, values = self.position[near], field[near]
        tree = cKDTree(np.concatenate([places, places * np.array([-1, 1, 1], np.float32)]))
        distance, index = tree.query(self.position[unknown], distance_upper_bound=2 * SPREAD)
        index = np.where(np.isfinite(distance), index % len(values), 0)
        field[unknown] = values[index] * np.exp(-((np.minimum(distance, 1.0) / SPREAD) ** 2))

    def _wrap(self, field: Floats, known: NDArray[np.bool_], unknown: NDArray[np.bool_]) -> None:
        """Fill `field` at `unknown` texels as the nearest known places are, on either side: clothes go around."""
        told = np.flatnonzero(known)[::SPARSE]
        if len(told) < NEAREST or not unknown.any():
            return
        places = self.flat_position[told]
        tree = cKDTree(np.concatenate([places, places * np.array([-1, 1, 1], np.float32)]))
        values, asked = field.reshape(-1), np.flatnonzero(unknown)
        for texels in np.array_split(asked, len(asked) // AT_ONCE + 1):
            _, nearest = tree.query(self.flat_position[texels], k=NEAREST)
            values[texels] = values[told[nearest % len(told)]].mean(1)

    @cached_property
    def skin_lightness(self) -> float:
        """Typical OKLab lightness of this person's face."""
        face = self.part("skin") & (self.region("face") > 0.8) & (self.lips < 0.1)
        return float(np.median(self.lightness[face]))

    @cached_property
    def skin_likeness(self) -> Floats:
        """(A, B) in [0, 1]: how much a texel's colour is that of the face rather than of hair, lips or cloth."""
        return skin_likeness(self.flat_base[:, :3], self.skin_color).reshape(self.base.shape[:2])

    @cached_property
    def skin_color(self) -> Floats:
        """(3,) sRGB: the typical colour of this person's face."""
        face = self.part("skin") & (self.region("face") > 0.8) & (self.lips < 0.1)
        return np.asarray(oklab_to_srgb(np.median(self.flat_lab[face.reshape(-1)], 0)), np.float32)

    def lit(self, texels: NDArray[np.integer], albedo: Floats, normals: Floats | None = None) -> Floats:
        """(M, 3) sRGB of what is painted in a colour of its own, as it looks in the photo's light.

        Args:
            texels: (M,) flat indices.
            albedo: (M, 3) sRGB-encoded reflectance, or (3,).
            normals: (M, 3) unit length, of a piece as it is worn; None for those of the figure at rest.
        """
        normals = self.flat_normal[texels] if normals is None else normals
        # the photo's light keeps to the skull; what follows the shoulders met it as the body was turned in the photo
        turn = joint_transforms(self.figure.joints, self.portrait.state.pose)[NECK][:3, :3]
        follows = self._skull_share[texels][:, None]
        normals = follows * normals + (1 - follows) * (normals @ turn)
        normals = normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)
        return shade(albedo, self.portrait.light, normals, self.occlusion.reshape(-1)[texels])

    @cached_property
    def _skull_share(self) -> Floats:
        """(A B,) in [0, 1]: how far a texel turns with the skull rather than with the shoulders."""
        share = 1 - self.figure.weights[:, :1]
        return self.texels.interpolate(self.figure.faces, share).reshape(-1)

    @cached_property
    def occlusion(self) -> Floats:
        """(A, B) in [0, 1], 1 open: how the head and the bust shade their own skin; 1 on everything else."""
        faces = self.figure.faces
        outer = [k for k, name in enumerate(self.figure.parts) if name in ("skin", "bust")]
        skin = np.isin(self.figure.face_parts, outer)
        own = np.unique(faces[skin])
        vertices = self.figure.vertices
        openness = np.ones((len(vertices), 1), np.float32)
        openness[own, 0] = ambient_occlusion(vertices[own], self.vertex_normal[own], vertices, faces[skin], REACH)
        return np.where(self.part("skin", "bust"), self.texels.interpolate(faces, openness)[..., 0], np.float32(1))


@dataclasses.dataclass(frozen=True, eq=False)
class Edit:
    """What one style does: it paints `layer`, moves vertices by `move` (V, 3) and joints by `joint_move` (5, 3).

    `tone` is what it multiplies linear red, green and blue of skin by, wherever skin is laid bare.
    """

    layer: Layer
    move: Floats
    joint_move: Floats
    tone: tuple[float, float, float] = (1.0, 1.0, 1.0)


def sparse_layer(
    texels: NDArray[np.integer],
    color: Floats,
    alpha: Floats | float,
    strength: Floats,
    onset: Floats | None = None,
    softness: float = 1.0,
) -> Layer:
    """Of M texels those at which `strength` is not negligible.

    Args:
        texels: (M,) ascending, row-major.
        color: (M, 3) sRGB, or (3,).
        alpha: (M,) or one value.
        strength: (M,) in [0, 1].
        onset: (M,) in [0, 1 - softness], or None for zero.
        softness: in (0, 1].
    """
    rounded = np.round(np.clip(strength, 0, 1) * 255).astype(np.uint8)
    kept = np.flatnonzero(rounded)
    target = np.empty((len(texels), 4), np.float32)
    target[:, :3], target[:, 3] = color, alpha
    starts = np.zeros(len(kept), np.uint8)
    if onset is not None:
        starts = np.floor(np.clip(onset[kept], 0, 1 - softness) * 255).astype(np.uint8)
    colors = np.round(np.clip(target[kept], 0, 1) * 255).astype(np.uint8)
    return Layer(texels[kept].astype(np.int32), colors, rounded[kept], starts, softness)


def merged(layers: list[Layer]) -> Layer:
    """One layer of several that paint different texels; the first that paints a texel wins. One softness for all."""
    texels = np.concatenate([layer.texels for layer in layers])
    texels, first = np.unique(texels, return_index=True)
    target, strength, onset = (
        np.concatenate([getattr(layer, name) for layer in layers])[first] for name in ("target", "strength", "onset")
    )
    return Layer(texels, target, strength, onset, layers[0].softness)


def nothing() -> Layer:
    """A layer that paints nothing."""
    empty = np.zeros(0, np.uint8)
    return Layer(np.zeros(0, np.int32), empty.reshape(0, 4), empty, empty, 1.0)


def dilated(mask: NDArray, radius: int) -> Floats:
    """(A, B) in [0, 1]: `mask` grown by `radius` texels."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.dilate(np.asarray(mask, np.float32), kernel), np.float32)
