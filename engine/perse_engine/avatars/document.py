"""avatar.json: what an avatar file says in words. The names here are the file format; see docs/avatar-file.md."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.styles import LAYERS, Category, Style, expression_label, expression_range
from perse_engine.cameras import Camera
from perse_engine.heads.head import JOINTS

FORMAT = "perse-avatar"
VERSION = 3

SliderName = Annotated[str, msgspec.Meta(pattern="^(attr|expr)_[a-z0-9_]+$", max_length=48)]
Text = Annotated[str, msgspec.Meta(max_length=200)]
Tone = Annotated[float, msgspec.Meta(gt=0.0, le=100.0)]
PartName = Annotated[str, msgspec.Meta(pattern="^[a-z0-9_]+$", max_length=48)]
_FURTHEST = 1e9
"""Pixels or metres; what a camera says beyond it, or below one part in so many, overflows what is computed from it."""


class Header(msgspec.Struct):
    """The first look at any version."""

    format: str
    version: int


class CategoryEntry(msgspec.Struct, forbid_unknown_fields=True):
    """One `Category`."""

    name: PartName
    label: Text
    layer: Literal[LAYERS]  # type: ignore[valid-type]


class SliderEntry(msgspec.Struct, forbid_unknown_fields=True):
    """One slider: ranges as in `styles.Style`."""

    slider: SliderName
    label: Text
    soft_min: float
    soft_max: float
    hard_min: float
    hard_max: float


class StyleEntry(SliderEntry, forbid_unknown_fields=True):
    """One `Style`."""

    category: PartName
    between: Literal["morph", "grow", "appear"]
    tone: Annotated[list[Tone], msgspec.Meta(min_length=3, max_length=3)]


class CameraEntry(msgspec.Struct, forbid_unknown_fields=True):
    """One `Camera`."""

    view: list[list[float]]
    fx: float
    fy: float
    cx: float
    cy: float
    width: Annotated[int, msgspec.Meta(ge=1, le=65536)]
    height: Annotated[int, msgspec.Meta(ge=1, le=65536)]
    near: float


class StateEntry(msgspec.Struct, forbid_unknown_fields=True):
    """One `AvatarState` without transforms."""

    sliders: dict[SliderName, float]
    pose: list[list[float]]


class Document(msgspec.Struct, forbid_unknown_fields=True):
    """The whole of avatar.json."""

    format: Literal["perse-avatar"]
    version: Literal[3]
    content: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    name: Text
    head: PartName
    count: Annotated[int, msgspec.Meta(ge=1)]
    low_pass: Annotated[float, msgspec.Meta(ge=0, le=1)]
    layers: list[str]
    categories: Annotated[list[CategoryEntry], msgspec.Meta(max_length=256)]
    styles: Annotated[list[StyleEntry], msgspec.Meta(max_length=1024)]
    expressions: Annotated[list[SliderEntry], msgspec.Meta(max_length=1024)]
    joints: list[str]
    parts: Annotated[list[PartName], msgspec.Meta(max_length=256)]
    photo_camera: CameraEntry
    photo_state: StateEntry
    neutral_camera: CameraEntry
    provenance: dict[str, Any]


def describe(avatar: Avatar, content: str) -> Document:
    """The document of `avatar`, whose other files have the hash `content`."""
    styles = [
        StyleEntry(
            slider=s.slider,
            label=s.label,
            category=s.category,
            between=s.between,
            soft_min=s.soft_min,
            soft_max=s.soft_max,
            hard_min=s.hard_min,
            hard_max=s.hard_max,
            tone=list(s.tone),
        )
        for s in avatar.styles
    ]
    expressions = []
    for name in avatar.figure.expression_names:
        r = expression_range(name)
        entry = SliderEntry(f"expr_{name}", expression_label(name), r.soft_min, r.soft_max, r.hard_min, r.hard_max)
        expressions.append(entry)
    return Document(
        format="perse-avatar",
        version=3,
        content=content,
        name=avatar.name,
        head=avatar.head,
        count=avatar.count,
        low_pass=float(avatar.low_pass),
        layers=list(LAYERS),
        categories=[CategoryEntry(c.name, c.label, c.layer) for c in avatar.categories],
        styles=styles,
        expressions=expressions,
        joints=list(JOINTS),
        parts=list(avatar.figure.parts),
        photo_camera=_camera_entry(avatar.photo_camera),
        photo_state=StateEntry(
            {name: float(value) for name, value in avatar.photo_state.sliders.items()},
            np.asarray(avatar.photo_state.pose, np.float64).tolist(),
        ),
        neutral_camera=_camera_entry(avatar.neutral_camera),
        provenance=dict(avatar.provenance),
    )


def check(document: Document) -> None:
    """Hold what types alone cannot.

    Raises:
        ValueError: with what is wrong.
    """
    names = [style.slider for style in document.styles] + [entry.slider for entry in document.expressions]
    if len(set(names)) != len(names):
        raise ValueError("two sliders have the same name")
    for style in document.styles:
        if not re.fullmatch(r"attr_[a-z0-9_]+", style.slider):
            raise ValueError(f"the style {style.slider} does not begin with attr_")
    for entry in document.expressions:
        if not entry.slider.startswith("expr_"):
            raise ValueError(f"the expression {entry.slider} does not begin with expr_")
    groups = [category.name for category in document.categories]
    if len(set(groups)) != len(groups):
        raise ValueError("two categories have the same name")
    if any(style.category not in groups for style in document.styles):
        raise ValueError("a style is in a category that is not listed")
    for slider in (*document.styles, *document.expressions):
        if not slider.hard_min <= slider.soft_min <= slider.soft_max <= slider.hard_max:
            raise ValueError(f"the ranges of {slider.slider} contradict each other")
    if document.layers != list(LAYERS) or document.joints != list(JOINTS):
        raise ValueError("its layers or joints are not those of this version")
    if any(name not in names for name in document.photo_state.sliders):
        raise ValueError("the photo's state names a slider that is not listed")
    if np.shape(document.photo_state.pose) != (len(JOINTS), 3):
        raise ValueError("the photo's pose does not have three numbers for each joint")
    for camera in (document.photo_camera, document.neutral_camera):
        _check_camera(camera)


def categories_of(document: Document) -> tuple[Category, ...]:
    """The categories as the engine's own type."""
    return tuple(Category(c.name, c.label, c.layer) for c in document.categories)


def styles_of(document: Document) -> tuple[Style, ...]:
    """The styles as the engine's own type."""
    return tuple(
        Style(
            s.slider,
            s.label,
            s.category,
            s.between,
            s.soft_min,
            s.soft_max,
            s.hard_min,
            s.hard_max,
            (s.tone[0], s.tone[1], s.tone[2]),
        )
        for s in document.styles
    )


def state_of(entry: StateEntry) -> AvatarState:
    """A state as the engine's own type."""
    return AvatarState(dict(entry.sliders), np.array(entry.pose, np.float32))


def camera_of(entry: CameraEntry) -> Camera:
    """A camera as the engine's own type."""
    view = np.array(entry.view, np.float64)
    return Camera(view, entry.fx, entry.fy, entry.cx, entry.cy, entry.width, entry.height, entry.near)


def _camera_entry(camera: Camera) -> CameraEntry:
    return CameraEntry(
        np.asarray(camera.view, np.float64).tolist(),
        float(camera.fx),
        float(camera.fy),
        float(camera.cx),
        float(camera.cy),
        int(camera.width),
        int(camera.height),
        float(camera.near),
    )


def _check_camera(entry: CameraEntry) -> None:
    if np.shape(entry.view) != (4, 4):
        raise ValueError("a camera's view is not a 4 x 4 matrix")
    view = np.array(entry.view, np.float64)
    turn = view[:3, :3]
    rigid = np.allclose(turn @ turn.T, np.eye(3), atol=1e-4) and np.allclose(view[3], [0, 0, 0, 1], atol=1e-6)
    if not np.isfinite(view).all() or not rigid or not np.linalg.det(turn) > 0:
        raise ValueError("a camera's view is not a rigid transform")
    lengths = (entry.fx, entry.fy, entry.near)
    if not all(1 / _FURTHEST < length < _FURTHEST for length in lengths):
        raise ValueError("a camera has no focal length or no near distance")
    if not (np.abs([entry.cx, entry.cy, *view[:3, 3]]) < _FURTHEST).all():
        raise ValueError("a camera looks from nowhere")
