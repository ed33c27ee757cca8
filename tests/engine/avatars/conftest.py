"""A small figure with everything an avatar can have: two parts, expressions, styles of every kind, moving joints."""

import dataclasses

import numpy as np
import pytest

from perse_engine.avatars.avatar import Appearance, Avatar
from perse_engine.avatars.initial import initial_avatar
from perse_engine.avatars.styles import Category, Style
from perse_engine.heads.figure import Figure

CATEGORIES = (Category("hat", "Hat", "hat"), Category("hair", "Hair", "hair"), Category("shape", "Shape", "shape"))
STYLES = (
    Style("attr_shape_long", "Long face", "shape", "morph", hard_min=-0.5),
    Style("attr_hair_red", "Red hair", "hair", "morph"),
    Style("attr_hair_blue", "Blue hair", "hair", "grow"),
    Style("attr_hat_cap", "Cap", "hat", "appear"),
)


def _ball(radius: float, rows: int, columns: int, top: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices, faces and uv of the part of a sphere whose polar angle is at most `top`."""
    v, u = np.meshgrid(np.linspace(1e-3, 1, rows + 1), np.linspace(0, 1, columns + 1), indexing="ij")
    polar, around = v * top, u * 2 * np.pi
    points = radius * np.stack(
        [np.sin(polar) * np.sin(around), np.cos(polar), np.sin(polar) * np.cos(around)], -1
    ).reshape(-1, 3)
    corner = (np.arange(rows)[:, None] * (columns + 1) + np.arange(columns)).ravel()
    below = corner + columns + 1
    faces = np.concatenate([np.stack([corner, below, below + 1], 1), np.stack([corner, below + 1, corner + 1], 1)])
    return points, faces, np.stack([u, 1 - v], -1).reshape(-1, 2)


def make_figure() -> Figure:
    skin, skin_faces, skin_uv = _ball(0.1, 14, 20, np.pi * 0.98)
    cap, cap_faces, cap_uv = _ball(0.112, 5, 16, np.pi * 0.35)
    vertices = np.concatenate([skin, cap]).astype(np.float32)
    faces = np.concatenate([skin_faces, cap_faces + len(skin)]).astype(np.int32)
    uv = np.concatenate([skin_uv * [0.5, 1.0], cap_uv * [0.5, 1.0] + [0.5, 0.0]]).astype(np.float32)
    count = len(vertices)
    expressions = np.zeros((count, 3, 2), np.float32)
    expressions[:, 1, 0] = -0.03 * np.clip(-vertices[:, 1] / 0.1, 0, 1)
    expressions[:, 2, 1] = 0.02 * np.exp(-((vertices - [0.03, 0, 0.09]) ** 2).sum(1) / 0.03**2)
    styles = np.zeros((count, 3, 4), np.float32)
    styles[:, 1, 0] = 0.3 * vertices[:, 1]
    styles[len(skin) :, 1, 3] = -0.004
    turn = np.clip(0.5 + vertices[:, 1] / 0.1, 0, 1)
    weights = np.stack([1 - turn, turn * 0.8, turn * 0.2, 0 * turn, 0 * turn], 1).astype(np.float32)
    joints = np.array([[0, -0.1, 0], [0, -0.05, 0], [0, 0, 0], [0.03, 0.02, 0.08], [-0.03, 0.02, 0.08]], np.float32)
    joint_styles = np.zeros((5, 3, 4), np.float32)
    joint_styles[:, 1, 0] = 0.3 * joints[:, 1]
    return Figure(
        vertices=vertices,
        faces=faces,
        uv=uv,
        uv_faces=faces,
        parts=("skin", "cap"),
        face_parts=np.repeat([0, 1], [len(skin_faces), len(cap_faces)]).astype(np.uint8),
        expression_directions=expressions,
        expression_names=("jawopen", "mouthsmileleft"),
        style_directions=styles,
        joint_style_directions=joint_styles,
        style_names=tuple(style.slider for style in STYLES),
        weights=weights,
        joints=joints,
    )


def make_avatar(count: int = 600, seed: int = 0) -> Avatar:
    """An avatar with every number its own, as training would leave it."""
    plain = initial_avatar(make_figure(), CATEGORIES, STYLES, count=count, seed=seed)
    rng = np.random.default_rng(seed)
    site = plain.figure.vertices[plain.corners].mean(1)
    on_cap = plain.figure.face_parts[plain.triangles] == 1
    top = ~on_cap & (site[:, 1] > 0.03)
    gated = [np.flatnonzero(~on_cap), np.flatnonzero(top), np.flatnonzero(top), np.flatnonzero(on_cap | top)]
    hidden_by_cap = [np.zeros(len(g), bool) for g in gated[:3]] + [~on_cap[gated[3]]]
    gaussians = np.concatenate(gated).astype(np.int32)
    n = len(gaussians)
    tints = np.repeat([[0.8, 0.6, 0.5], [0.8, 0.1, 0.1], [0.1, 0.2, 0.8], [0.1, 0.6, 0.2]], [len(g) for g in gated], 0)
    looks = Appearance(
        starts=np.cumsum([0] + [len(g) for g in gated]).astype(np.int32),
        gaussians=gaussians,
        gates=rng.uniform(0.3, 1, n).astype(np.float32),
        colors=(tints + rng.normal(0, 0.03, (n, 3))).clip(0, 1).astype(np.float32),
        coverage_logits=np.where(np.concatenate(hidden_by_cap), -6, rng.normal(5, 0.5, n)).astype(np.float32),
        offsets=rng.normal(0, 5e-4, (n, 3)).astype(np.float32),
        onsets=np.where(gaussians % 2, 0, rng.uniform(0, 0.4, n)).astype(np.float32),
        softness=np.array([1.0, 0.5, 0.5, 0.4], np.float32),
    )
    stripes = 0.5 + 0.25 * np.sin(site * 80)
    return dataclasses.replace(
        plain,
        offsets=rng.normal(0, 1e-3, (count, 3)).astype(np.float32),
        log_scales=plain.log_scales + rng.normal(0, 0.2, (count, 3)).astype(np.float32),
        quaternions=plain.quaternions * 1.3 + rng.normal(0, 0.1, (count, 4)).astype(np.float32),
        coverage_logits=np.where(on_cap, -9, rng.normal(5, 0.5, count)).astype(np.float32),
        colors=stripes.astype(np.float32),
        low_pass=3e-4,
        appearance=looks,
        provenance={"seed": seed, "licences": ["none"]},
    )


@pytest.fixture(scope="session")
def avatar() -> Avatar:
    return make_avatar()
