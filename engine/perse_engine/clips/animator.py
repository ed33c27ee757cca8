"""The geometric animator's camera: a wardrobe in a state, rendered with the labels of what is seen."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.styles import expression_weights
from perse_engine.cameras import Camera
from perse_engine.clips.wardrobe import Wardrobe
from perse_engine.heads.figure_posing import rest_figure, skin
from perse_engine.heads.posing import joint_transforms
from perse_engine.surfaces.mipmaps import Mipmap
from perse_engine.surfaces.rasterize import spans_of, triangle_edges
from perse_engine.surfaces.shading import render_mipmapped


@dataclasses.dataclass(frozen=True, eq=False)
class Frame:
    """A rendered frame of H x W pixels.

    Attributes:
        color: (H, W, 3) float32 straight sRGB.
        alpha: (H, W) float32.
        parts: (H, W) uint8, index into `Wardrobe.labels` of what covers most of the pixel.
    """

    color: NDArray[np.float32]
    alpha: NDArray[np.float32]
    parts: NDArray[np.uint8]


@dataclasses.dataclass(frozen=True, eq=False)
class Look:
    """A wardrobe at fixed style weights, ready to be rendered in many poses.

    Attributes:
        weights: (K,) of the styles.
        texture: the atlas.
        faces: the faces of which something shows.
    """

    weights: NDArray[np.float32]
    texture: Mipmap
    faces: NDArray[np.int64]


def look_of(wardrobe: Wardrobe, state: AvatarState) -> Look:
    """What the attribute sliders of `state` make of a wardrobe."""
    weights = wardrobe.weights(state.sliders)
    texture = wardrobe.painted(weights)
    return Look(weights, texture, wardrobe.visible_faces(texture))


def posed_vertices(wardrobe: Wardrobe, state: AvatarState, weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """(V, 3) the figure in `state`, at style `weights` (K,)."""
    figure = wardrobe.figure
    expression = expression_weights(figure.expression_names, state.sliders)
    vertices, joints = rest_figure(figure, weights, expression)
    transforms = joint_transforms(joints, state.pose) if state.transforms is None else state.transforms
    return skin(vertices, figure.weights, transforms)


def changed_spans(
    wardrobe: Wardrobe, look: Look, state: AvatarState, camera: Camera, *, samples: int = 2
) -> NDArray[np.int32]:
    """Where a look can differ from the bare person in the same state: (H, 2) columns of each row, half open.

    It is what lies between the faces that a style repaints or moves, where they are and where they would be without it.
    """
    figure = wardrobe.figure
    reached = figure.faces[wardrobe.reach[look.weights != 0].any(0)]
    fine = camera.resized(camera.width * samples, camera.height * samples)
    places = [look.weights]
    if figure.style_directions[:, :, look.weights != 0].any() or figure.joint_style_directions.any():
        places.append(np.zeros_like(look.weights))
    boxes = [triangle_edges(posed_vertices(wardrobe, state, weights), reached, fine)[1] for weights in places]
    spans = spans_of(np.concatenate(boxes), fine.height).reshape(camera.height, samples, 2)
    empty = spans[..., 0] == spans[..., 1]
    left = np.where(empty, fine.width, spans[..., 0]).min(1) // samples
    right = -(-spans[..., 1].max(1) // samples)
    return np.stack([np.minimum(left, right), right], -1).astype(np.int32)


def render_frame(
    wardrobe: Wardrobe,
    state: AvatarState,
    camera: Camera,
    *,
    look: Look | None = None,
    spans: NDArray[np.int32] | None = None,
    samples: int = 2,
) -> Frame:
    """Render `wardrobe` in `state` as `camera` sees it.

    Args:
        look: `look_of(wardrobe, state)`, for callers that render many frames of one look.
        spans: (H, 2) the columns of each row that are drawn, half open; all by default.
        samples: antialiasing, samples x samples points in a pixel.
    """
    look = look or look_of(wardrobe, state)
    figure = wardrobe.figure
    rendered = render_mipmapped(
        posed_vertices(wardrobe, state, look.weights),
        figure.faces[look.faces],
        figure.uv,
        figure.uv_faces[look.faces],
        look.texture,
        camera,
        samples=samples,
        spans=spans,
    )
    labels = np.append(wardrobe.face_labels[look.faces], 0).astype(np.uint8)
    return Frame(rendered.color, rendered.alpha, labels[rendered.face])
