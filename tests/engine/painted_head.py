"""A portrait of a painted open head: what tests need of a person, without a photograph."""

from __future__ import annotations

import numpy as np

from perse_engine.cameras import front_camera
from perse_engine.heads.head import LEFT_EYE, NECK, RIGHT_EYE, Head, HeadState
from perse_engine.heads.open_head import load_open_head
from perse_engine.heads.posing import neutral_state, pose_head
from perse_engine.portraits.portrait import HairShell, Iris, Portrait
from perse_engine.surfaces.lighting import flat_light
from perse_engine.surfaces.shading import render_textured
from perse_engine.surfaces.unproject import texel_map

SKIN, LIPS, BROWS, HAIR = (
    (0.80, 0.60, 0.50),
    (0.70, 0.36, 0.36),
    (0.24, 0.16, 0.12),
    (0.42, 0.28, 0.16),
)


def painted_portrait(side: int = 512, expression: dict[str, float] | None = None) -> Portrait:
    """A portrait whose photograph is a picture of the painted head itself."""
    head = load_open_head()
    state = neutral_state(head)
    for name, value in (expression or {}).items():
        state.expression[head.expression_names.index(name)] = value
    texture = _painted(head, side)
    shell = _shell(head)
    hair_texture = _hair_texture(side // 2)
    center = (head.joints[LEFT_EYE] + head.joints[RIGHT_EYE]).astype(np.float64) / 2 + [
        0,
        -0.01,
        -0.05,
    ]
    camera = front_camera(center, 1.0, 1.0 * 384 / 0.40, 384, 384)

    def seen(head_texture: np.ndarray, shell_color: np.ndarray) -> np.ndarray:
        posed = pose_head(head, state).vertices
        tall = np.concatenate([head_texture, np.ones_like(head_texture[..., :1])], -1)
        hair = np.concatenate(
            [
                np.broadcast_to(shell_color, (*hair_texture.shape[:2], 3)),
                hair_texture[..., 3:],
            ],
            -1,
        )
        hair = np.pad(hair, ((0, side - hair.shape[0]), (0, 0), (0, 0)))
        both = np.concatenate([tall, hair], 1).astype(np.float32)
        scale = np.array([side / both.shape[1], 1.0])
        hair_uv = shell.uv * [1 / 3, 0.5] + [2 / 3, 0.5]
        return render_textured(
            np.concatenate([posed, shell.vertices]),
            np.concatenate([head.faces, shell.faces + len(posed)]),
            np.concatenate([head.uv * scale, hair_uv]),
            np.concatenate([head.uv_faces, shell.faces + len(head.uv)]),
            both,
            camera,
        )

    photo = seen(texture, hair_texture[..., :3])
    pixels = photo.color * photo.alpha[..., None] + 0.6 * (1 - photo.alpha[..., None])
    texels = texel_map(head.uv, head.uv_faces, (side, side))

    def mask(region: str) -> np.ndarray:
        field = texels.interpolate(head.faces, head.regions[region][:, None])
        shown = seen(np.repeat(field, 3, -1), np.zeros(3))
        return shown.color[..., 0] * shown.alpha

    hair = seen(np.zeros_like(texture), np.ones(3))
    return Portrait(
        photo=np.round(pixels * 255).astype(np.uint8),
        matte=photo.alpha,
        landmarks=np.zeros((468, 3), np.float32),
        camera=camera,
        crop=(0.0, 0.0, 384.0),
        parts={
            "skin": mask("face"),
            "hair": hair.color[..., 0] * hair.alpha,
            "brows": mask("brows"),
            "eyes": mask("eyelids"),
            "lips": mask("lips"),
            "ears": mask("ears"),
            "neck": mask("neck"),
            "clothes": np.zeros_like(photo.alpha),
        },
        head=head,
        identity=np.zeros(head.shape_directions.shape[2], np.float32),
        state=HeadState(state.shape * 0, state.expression, state.pose, state.translation),
        offsets=np.zeros_like(head.template),
        hair_shell=shell,
        texture=texture,
        light=flat_light(),
        albedo=texture,
        texture_confidence=np.ones((side, side), np.float32) * (texels.triangle >= 0),
        hair_texture=hair_texture,
        iris=Iris(
            np.full((2, 3), 0.3, np.float32),
            np.full(2, 0.006, np.float32),
            np.zeros((2, 2), np.float32),
        ),
        source={"name": "painted", "sha256": "0" * 64, "size": [384, 384]},
    )


def _painted(head: Head, side: int) -> np.ndarray:
    color = np.tile(np.float32(SKIN), (len(head.template), 1))
    light = 0.85 + 0.15 * np.clip(head.template[:, 2:] / 0.1, -1, 1)
    for region, paint in (("lips", LIPS), ("brows", BROWS)):
        amount = head.regions[region][:, None]
        color = color * (1 - amount) + np.float32(paint) * amount
    color *= light
    for part, paint in (
        ("eyes", (0.93, 0.92, 0.9)),
        ("teeth", (0.9, 0.87, 0.8)),
        ("tongue", (0.7, 0.35, 0.35)),
    ):
        used = np.unique(head.faces[head.face_parts == head.parts.index(part)])
        color[used] = paint
    texels = texel_map(head.uv, head.uv_faces, (side, side))
    texture = texels.interpolate(head.faces, color)
    eyes = (texels.triangle >= 0) & (head.face_parts[texels.triangle] == head.parts.index("eyes"))
    where = texels.interpolate(head.faces, head.template)
    for joint in (LEFT_EYE, RIGHT_EYE):
        off = where - head.joints[joint]
        radius = np.hypot(off[..., 0], off[..., 1])
        texture[eyes & (off[..., 2] > 0) & (radius < 0.0058)] = (0.25, 0.35, 0.42)
        texture[eyes & (off[..., 2] > 0) & (radius < 0.0025)] = (0.03, 0.03, 0.03)
    grain = np.random.default_rng(0).normal(0, 0.01, (side, side, 1)).astype(np.float32)
    return np.clip(texture + grain, 0, 1).astype(np.float32)


def _shell(head: Head) -> HairShell:
    rows, columns = 20, 49
    around = np.linspace(-np.pi, np.pi, columns)
    up = np.linspace(0, 1, rows)[:, None]
    lowest = 0.55 * np.cos(around / 2) ** 6 - 0.35  # higher over the forehead
    elevation = lowest + (np.pi / 2 - lowest) * up
    direction = np.stack(
        [
            np.cos(elevation) * np.sin(around),
            np.sin(elevation),
            np.cos(elevation) * np.cos(around),
        ],
        -1,
    )
    center = np.array([0, 0.07, 0.0])
    skin = head.template[np.unique(head.faces[head.face_parts == 0])] - center
    skin = skin[(skin[:, 1] > -0.05) & (np.abs(skin[:, 0]) < 0.081)]
    unit = skin / np.linalg.norm(skin, axis=1, keepdims=True)
    close = np.einsum("rcd,nd->rcn", direction, unit) > 0.97
    radius = np.where(close, np.linalg.norm(skin, axis=1), 0.05).max(-1)
    thickness = 0.002 + 0.016 * np.clip(up * 4, 0, 1) * np.clip(1.5 - np.cos(around), 0.3, 1)
    vertices = (center + direction * (radius + thickness)[..., None]).reshape(-1, 3)
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)])
    u, v = np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows))
    weights = np.zeros((rows * columns, 5), np.float32)
    weights[:, NECK] = 1
    uv = np.stack([u, v], -1).reshape(-1, 2).astype(np.float32)
    return HairShell(vertices.astype(np.float32), faces.astype(np.int32), uv, weights)


def _hair_texture(side: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    columns = 0.75 + 0.5 * rng.random((1, side, 1))
    color = np.float32(HAIR) * np.repeat(columns, side, 0)
    ragged = rng.random((1, side, 1)) * 0.06
    height = np.linspace(1, 0, side)[:, None, None]
    alpha = np.clip((height - ragged) * 18, 0, 1)
    return np.concatenate([np.clip(color, 0, 1), alpha], -1).astype(np.float32)
