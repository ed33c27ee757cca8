"""A dressed person: one figure, one texture atlas, and what every style paints on it at any strength.

`Wardrobe.texture` is the one definition of what lies between styles. Per category, in layer order, with P the sum of
the category's presences, s_k = presence_k / P a style's share, and for each texel an onset o:

    a_k = s_k x strength x clip((P - o) / softness, 0, 1),    x <- (1 - sum a_k) x + sum a_k target_k

so a style alone grows along its onsets, two styles of a category blend without a gap, and nothing is ever unbounded.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import cv2
import numba
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from perse_engine.avatars.styles import Category, Style, presence, style_weights
from perse_engine.avatars.toning import active_tones, toned
from perse_engine.clips.reach import CELL, Cells, cells_of, marked, shows
from perse_engine.errors import InputError
from perse_engine.files import atomic_write
from perse_engine.heads.figure import Figure
from perse_engine.surfaces.mipmaps import Mipmap, mipmap, repainted

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

LEAST_SHOWN = 0.03
"""Alpha from which on something is seen."""
LEAST_MOVE = 2e-5
"""Metres below which a style does not move a vertex: a fiftieth of a pixel in the finest clips."""


@dataclasses.dataclass(frozen=True, eq=False)
class Layer:
    """What one style paints: M texels of the atlas.

    Attributes:
        texels: (M,) int32, row-major, ascending.
        target: (M, 4) uint8 sRGB and alpha, towards which the atlas is blended.
        strength: (M,) uint8, how far at full presence, 255 is all the way.
        onset: (M,) uint8, the presence x 255 at which this texel begins.
        softness: presence from a texel's onset until it is full, in (0, 1]; onset + softness <= 1.
        bare: (M,) uint8, how much of the target is skin laid bare, which takes on the tone of the skin's styles; 255 is
            all of it. None where nothing is.
    """

    texels: NDArray[np.int32]
    target: Bytes
    strength: Bytes
    onset: Bytes
    softness: float
    bare: Bytes | None = None

    def shade(self, tones: Sequence[tuple[float, Floats]]) -> Bytes:
        """The target (M, 4) where the skin has other `tones`, as `avatars.toning.active_tones`."""
        if self.bare is None or not tones:
            return self.target
        skin = np.flatnonzero(self.bare)
        shade, unit = self.target.copy(), np.float32(1 / 255)
        changed = toned(self.target[skin, :3] * unit, self.bare[skin] * unit, tones)
        shade[skin, :3] = np.round(np.clip(changed, 0, 1) * 255)
        return shade


@dataclasses.dataclass(frozen=True, eq=False)
class Wardrobe:
    """A person with everything that they may wear. K styles; the atlas is A x B texels.

    Attributes:
        figure: the bind mesh with hair, glasses, lenses and hat as parts of their own; its `uv` lies on the atlas.
        categories: in layer order.
        styles: K styles, as `figure.style_names`.
        base: (A, B, 4) uint8, the person with no style: sRGB and alpha. Parts that a style puts on have alpha 0.
        layers: K layers.
        labels: names of what a pixel can show.
        face_labels: (F,) uint8, index into `labels`, for each face of the figure.
        head: name of the head model.
        licence: of the head model.
    """

    figure: Figure
    categories: tuple[Category, ...]
    styles: tuple[Style, ...]
    base: Bytes
    layers: tuple[Layer, ...]
    labels: tuple[str, ...]
    face_labels: Bytes
    head: str
    licence: str

    def weights(self, sliders: Mapping[str, float]) -> Floats:
        """The weight (K,) of each style; see `avatars.styles.style_weights`."""
        return style_weights(self.styles, sliders)

    def texture(self, weights: NDArray[np.floating]) -> Floats:
        """The atlas (A, B, 4), sRGB and straight alpha in [0, 1], at style `weights` (K,)."""
        atlas = self.base.reshape(-1, 4) * np.float32(1 / 255)
        self._paint(atlas, presence(self.styles, weights))
        return atlas.reshape(self.base.shape)

    def painted(self, weights: NDArray[np.floating]) -> Mipmap:
        """`mipmap(texture(weights))`, for the cost of what the styles change."""
        presences = presence(self.styles, weights)
        active = [layer for layer, amount in zip(self.layers, presences, strict=True) if amount > 0]
        if not active:
            return self.bare
        texels = np.concatenate([layer.texels for layer in active])
        base = self.base.reshape(-1, 4)
        atlas = np.empty(base.shape, np.float32)
        _lay(atlas, base, texels)
        self._paint(atlas, presences)
        return repainted(self.bare, texels, atlas)

    @cached_property
    def bare(self) -> Mipmap:
        """The mip levels of the person with no style."""
        return mipmap(self.base * np.float32(1 / 255))

    def _paint(self, atlas: Floats, presences: Floats) -> None:
        """Paint over the base in `atlas` (A B, 4), of which only the texels of present layers are looked at."""
        tones = active_tones(self.styles, presences)
        for category in self.categories:
            active = [k for k, s in enumerate(self.styles) if s.category == category.name and presences[k] > 0]
            total = float(presences[active].sum())
            alone = len(active) == 1
            before = [np.empty((0, 4), np.float32) if alone else atlas[self.layers[k].texels] for k in active]
            for k, below in zip(active, before, strict=True):
                layer = self.layers[k]
                _blend(
                    atlas,
                    layer.texels,
                    below,
                    layer.shade(tones),
                    layer.strength,
                    layer.onset,
                    np.float32(presences[k] / total),
                    np.float32(total),
                    np.float32(layer.softness),
                )

    def layer_image(self, style: int) -> Floats:
        """(A, B, 5): the target's sRGB and alpha, and the strength, of one style; zero where it paints nothing."""
        layer = self.layers[style]
        image = np.zeros((self.base.shape[0] * self.base.shape[1], 5), np.float32)
        image[layer.texels, :4] = layer.target * np.float32(1 / 255)
        image[layer.texels, 4] = layer.strength * np.float32(1 / 255)
        return image.reshape(*self.base.shape[:2], 5)

    def gate(self, style: int) -> Floats:
        """(A, B) in {0, 1}: where anything of `style` can differ from the person without it, dilated by 3 texels."""
        image = np.zeros(self.base.shape[:2], np.uint8)
        image.reshape(-1)[self.layers[style].texels] = 1
        moved = np.linalg.norm(self.figure.style_directions[:, :, style], axis=1) > 0
        image |= self._moved_texels(moved)
        return cv2.dilate(image, np.ones((7, 7), np.uint8)).astype(np.float32)

    def _moved_texels(self, moved: NDArray[np.bool_]) -> Bytes:
        """(A, B) the texels of every face of which a vertex moves."""
        image = np.zeros(self.base.shape[:2], np.uint8)
        faces = moved[self.figure.faces].any(1)
        size = np.array([self.base.shape[1], self.base.shape[0]])
        corners = self.figure.uv[self.figure.uv_faces[faces]]
        pixels = np.stack([corners[..., 0], 1 - corners[..., 1]], -1) * size - 0.5
        for triangle in np.round(pixels * 16).astype(np.int32):
            cv2.fillConvexPoly(image, triangle, 1, shift=4)
        return image

    def visible_faces(self, texture: Mipmap) -> NDArray[np.int64]:
        """The faces, ascending, of which some texel of `texture` shows: only these need be drawn."""
        height, width = self.base.shape[:2]
        alpha = texture.alpha(len(texture.sizes) - 1)
        rows, columns = height // CELL, width // CELL
        most = alpha.reshape(rows, alpha.shape[0] // rows, columns, alpha.shape[1] // columns).max((1, 3))
        return np.flatnonzero(shows(most > 0, self._cells))

    @cached_property
    def reach(self) -> NDArray[np.bool_]:
        """(K, F) can a style change how a face looks or where it is?"""
        faces, figure = self._cells_read, self.figure
        reached = np.zeros((len(self.styles), len(figure.faces)), np.bool_)
        for k, layer in enumerate(self.layers):
            if figure.joint_style_directions[:, :, k].any():  # a joint that moves takes everything with it
                reached[k] = True
                continue
            moved = np.abs(figure.style_directions[:, :, k]).max(1) > 0
            painted = shows(marked(layer.texels[layer.strength > 0], self.base.shape[:2]), faces)
            reached[k] = painted | moved[figure.faces].any(1)
        return reached

    @cached_property
    def shown(self) -> NDArray[np.bool_]:
        """(K + 1, F) does a face show anything in each style alone, and, the last, without any?"""
        shape, least = self.base.shape[:2], 255 * LEAST_SHOWN
        shown = np.empty((len(self.styles) + 1, len(self.figure.faces)), np.bool_)
        shown[-1] = shows(marked(np.flatnonzero(self.base[..., 3] > least), shape), self._cells)
        for k, layer in enumerate(self.layers):
            alpha = layer.target[:, 3].astype(np.float32) * layer.strength / 255
            shown[k] = shown[-1] | shows(marked(layer.texels[alpha > least], shape), self._cells)
        return shown

    @cached_property
    def _cells(self) -> Cells:
        """The cells that each face covers."""
        return cells_of(self.figure.uv, self.figure.uv_faces, self.base.shape[:2], 0.0)

    @cached_property
    def _cells_read(self) -> Cells:
        """The cells that each face reads: bilinear, up to the coarsest level, whose texels are as large as cells."""
        return cells_of(self.figure.uv, self.figure.uv_faces, self.base.shape[:2], 1.0)


@numba.njit(parallel=True, cache=True, nogil=True)
def _blend(
    atlas: Floats,
    texels: NDArray[np.int32],
    below: Floats,
    target: Bytes,
    strength: Bytes,
    onset: Bytes,
    share: np.float32,
    total: np.float32,
    softness: np.float32,
) -> None:
    """Blend a layer over `below` (M, 4), what the atlas held before its category; empty for what it holds now."""
    unit = np.float32(1 / 255)
    for m in numba.prange(texels.shape[0]):
        ramp = (total - onset[m] * unit) / softness
        amount = share * strength[m] * unit * min(max(ramp, np.float32(0)), np.float32(1))
        if amount > 0:
            for c in range(4):
                before = below[m, c] if below.shape[0] else atlas[texels[m], c]
                atlas[texels[m], c] += amount * (target[m, c] * unit - before)


@numba.njit(parallel=True, cache=True, nogil=True)
def _lay(atlas: Floats, base: Bytes, texels: NDArray[np.int32]) -> None:
    """Copy the `texels` of the base into the atlas, as [0, 1]."""
    for m in numba.prange(texels.shape[0]):
        for c in range(4):
            atlas[texels[m], c] = base[texels[m], c] * np.float32(1 / 255)


_LAYER_ARRAYS = ("texels", "target", "strength", "onset")
_FIGURE_ARRAYS = (
    "vertices",
    "faces",
    "uv",
    "uv_faces",
    "face_parts",
    "expression_directions",
    "style_directions",
    "joint_style_directions",
    "weights",
    "joints",
)
_VERSION = 2


def save_wardrobe(wardrobe: Wardrobe, path: Path) -> None:
    """Write `wardrobe` to one safetensors file, atomically.

    Raises:
        OSError: the file cannot be written.
    """
    figure = wardrobe.figure
    tensors = {f"figure.{name}": np.ascontiguousarray(getattr(figure, name)) for name in _FIGURE_ARRAYS}
    tensors |= {"base": wardrobe.base, "face_labels": wardrobe.face_labels}
    for k, layer in enumerate(wardrobe.layers):
        for name in _LAYER_ARRAYS:
            tensors[f"layer.{k}.{name}"] = np.ascontiguousarray(getattr(layer, name))
        if layer.bare is not None:
            tensors[f"layer.{k}.bare"] = layer.bare
    document = {
        "version": _VERSION,
        "parts": figure.parts,
        "expressions": figure.expression_names,
        "categories": [dataclasses.asdict(category) for category in wardrobe.categories],
        "styles": [dataclasses.asdict(style) for style in wardrobe.styles],
        "softness": [layer.softness for layer in wardrobe.layers],
        "labels": wardrobe.labels,
        "head": wardrobe.head,
        "licence": wardrobe.licence,
    }
    # one entry only: safetensors writes several in an order that changes from run to run
    content = save(tensors, {"wardrobe": json.dumps(document)})
    with atomic_write(path) as stream:
        stream.write(content)


def load_wardrobe(path: Path) -> Wardrobe:
    """Read what `save_wardrobe` wrote.

    Raises:
        InputError: not-a-wardrobe where the file is missing, cut short or another version's.
    """
    try:
        content = path.read_bytes()
        length = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + length])["__metadata__"]
        document = json.loads(metadata["wardrobe"])
        if document["version"] != _VERSION:
            raise ValueError(f"version {document['version']}")
        tensors = load_file(path)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise InputError(
            "not-a-wardrobe", f"{path} cannot be read as a wardrobe ({error})", "synthesize the clips again"
        ) from error
    styles = tuple(Style(**{**style, "tone": tuple(style["tone"])}) for style in document["styles"])
    figure = Figure(
        **{name: tensors[f"figure.{name}"] for name in _FIGURE_ARRAYS},
        parts=tuple(document["parts"]),
        expression_names=tuple(document["expressions"]),
        style_names=tuple(style.slider for style in styles),
    )
    layers = tuple(
        Layer(
            **{name: tensors[f"layer.{k}.{name}"] for name in _LAYER_ARRAYS},
            softness=softness,
            bare=tensors.get(f"layer.{k}.bare"),
        )
        for k, softness in enumerate(document["softness"])
    )
    return Wardrobe(
        figure,
        tuple(Category(**category) for category in document["categories"]),
        styles,
        tensors["base"],
        layers,
        tuple(document["labels"]),
        tensors["face_labels"],
        document["head"],
        document["licence"],
    )
