"""An avatar before training: Gaussians laid on the figure like scales, one plain colour for each part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.avatar import Appearance, Avatar
from perse_engine.avatars.laying import lay_flat
from perse_engine.avatars.sampling import Sites, Widest, sample_sites
from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.styles import Category, Style
from perse_engine.cameras import Camera, front_camera
from perse_engine.heads.figure import Figure
from perse_engine.heads.head import LEFT_EYE, RIGHT_EYE, Head

PART_IMPORTANCE: Mapping[str, float] = {
    "eyes": 2.0,
    "teeth": 0.8,
    "tongue": 0.4,
    "lashes": 1.0,
    "bust": 0.25,
    "clothes": 0.25,
    "hair": 0.8,
}
"""How densely parts are covered, relative to the skin's 1."""
PART_COLORS: Mapping[str, tuple[float, float, float]] = {
    "eyes": (0.92, 0.91, 0.9),
    "teeth": (0.9, 0.87, 0.8),
    "tongue": (0.7, 0.35, 0.35),
    "lashes": (0.1, 0.08, 0.07),
    "hair": (0.3, 0.2, 0.13),
}
SKIN = (0.78, 0.6, 0.5)
LEAST_DISPLACEMENT = 1e-4
"""Metres by which a style must move a Gaussian's triangle to paint it too."""
OPAQUE = 9.0
"""The logit of a Gaussian that covers what is behind it."""


def initial_avatar(
    figure: Figure,
    categories: Sequence[Category],
    styles: Sequence[Style],
    *,
    count: int,
    seed: int,
    name: str = "avatar",
    head: str = "open",
    importance: NDArray[np.floating] | None = None,
    widest: Widest | None = None,
    photo_camera: Camera | None = None,
    photo_state: AvatarState | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Avatar:
    """Lay `count` Gaussians on `figure`.

    Args:
        figure: the bind mesh; its `style_names` are the sliders of `styles`.
        categories: the groups of `styles`.
        styles: K styles. Each gates the Gaussians that it displaces by more than a tenth of a millimetre.
        count: N > 0.
        seed: of the sites.
        importance: (F,) relative density of each triangle; by part where not given.
        widest: of `figure`, where not every triangle shows in every style.
        photo_camera, photo_state: the photo's; the neutral front where not given.
        provenance: plain JSON, added to the seed.

    Raises:
        ValueError: the figure's styles are not `styles`.
    """
    if tuple(style.slider for style in styles) != figure.style_names:
        raise ValueError(f"the figure has the styles {figure.style_names}, not {[s.slider for s in styles]}")
    if importance is None:
        importance = np.array([PART_IMPORTANCE.get(part, 1.0) for part in figure.parts])[figure.face_parts]
    sites = sample_sites(figure, importance, count, seed, widest)
    quaternions, log_scales = lay_flat(figure, sites, widest)
    tints = np.array([PART_COLORS.get(part, SKIN) for part in figure.parts], np.float32)
    neutral = neutral_camera(figure)
    return Avatar(
        name=name,
        head=head,
        figure=figure,
        categories=tuple(categories),
        styles=tuple(styles),
        triangles=sites.triangles,
        barycentric=sites.barycentric,
        offsets=np.zeros((count, 3), np.float32),
        log_scales=log_scales,
        quaternions=quaternions,
        coverage_logits=np.full(count, OPAQUE, np.float32),
        colors=tints[figure.face_parts[sites.triangles]],
        low_pass=0.0,
        appearance=_displaced(figure, sites, tints),
        photo_camera=photo_camera or neutral,
        photo_state=photo_state or AvatarState(),
        neutral_camera=neutral,
        provenance={"seed": seed, **(provenance or {})},
    )


def bare_figure(head: Head) -> Figure:
    """The figure of a head that wears nothing and has no style."""
    count = len(head.template)
    return Figure(
        vertices=head.template,
        faces=head.faces,
        uv=head.uv,
        uv_faces=head.uv_faces,
        parts=head.parts,
        face_parts=head.face_parts,
        expression_directions=head.expression_directions,
        expression_names=head.expression_names,
        style_directions=np.zeros((count, 3, 0), np.float32),
        joint_style_directions=np.zeros((5, 3, 0), np.float32),
        style_names=(),
        weights=head.weights,
        joints=head.joints,
    )


def neutral_camera(figure: Figure, size: int = 512) -> Camera:
    """A square picture of the whole head from straight ahead, as a portrait lens sees it."""
    return front_camera(head_center(figure), 1.2, 1.2 * size / 0.36, size, size)


def head_center(figure: Figure) -> NDArray[np.float64]:
    """The middle of the head, about which cameras orbit, (3,) head space."""
    eyes = (figure.joints[LEFT_EYE] + figure.joints[RIGHT_EYE]).astype(np.float64) / 2
    return eyes + [0.0, -0.02, -0.06]


def _displaced(figure: Figure, sites: Sites, tints: NDArray[np.float32]) -> Appearance:
    lengths = np.linalg.norm(figure.style_directions, axis=1)  # (V, K)
    touched = [
        np.flatnonzero((lengths[:, k] > LEAST_DISPLACEMENT)[figure.faces].any(1)[sites.triangles])
        for k in range(len(figure.style_names))
    ]
    gaussians = np.concatenate([np.zeros(0, np.int64), *touched]).astype(np.int32)
    count = len(gaussians)
    return Appearance(
        starts=np.cumsum([0] + [len(t) for t in touched]).astype(np.int32),
        gaussians=gaussians,
        gates=np.ones(count, np.float32),
        colors=tints[figure.face_parts[sites.triangles[gaussians]]],
        coverage_logits=np.full(count, OPAQUE, np.float32),
        offsets=np.zeros((count, 3), np.float32),
        onsets=np.zeros(count, np.float32),
        softness=np.ones(len(touched), np.float32),
    )
