"""The avatar's mesh as glTF: what the Gaussians ride, with a morph target for each expression and style, and a skin.

Positions are exact: at the same weights and joints, a viewer's mesh is the engine's. Two things glTF cannot say: styles
also move the joints (the file has them where the exported state puts them), and weights of one category are normalised
where they add up to more than one. Parts that nobody wears in the exported state, hats and glasses, are left out.
"""

from __future__ import annotations

import dataclasses
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.decoding import take_stance
from perse_engine.avatars.painting import Painted, paint
from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.styles import expression_label, expression_weights
from perse_engine.exporting.gltf import INDICES, TRIANGLES, Buffer, asset
from perse_engine.exporting.origin import Origin
from perse_engine.heads.figure import Figure
from perse_engine.heads.head import JOINTS, PARENTS
from perse_engine.heads.moves import Moves
from perse_engine.heads.posing import joint_transforms
from perse_engine.surfaces.lighting import linear

Floats = NDArray[np.float32]

SMALLEST_SHAPE = 1e-5
"""Metres; a style that moves no vertex further only recolours, and has no morph target."""
SEEN = 0.3
"""Mean coverage from which a part counts as worn."""
_INFLUENCES = 4


@dataclasses.dataclass(frozen=True, eq=False)
class Surface:
    """The shown part of a figure, cut along the seams of its texture: W corners.

    Attributes:
        vertices: (W,) the figure's vertex of each corner.
        uv: (W, 2), v down as in glTF.
        faces: names of the shown parts, and their triangles (n, 3) of corners.
    """

    vertices: NDArray[np.int64]
    uv: Floats
    faces: dict[str, NDArray[np.uint32]]


def write_mesh(
    stream: BinaryIO, avatar: Avatar, state: AvatarState, origin: Origin, model: NDArray[np.floating] | None = None
) -> None:
    """Write the mesh of `avatar` as .glb, its weights, joints and colours as in `state`.

    Args:
        model: (4, 4) where it stands; the origin where it is None.

    Raises:
        InputError: unknown-slider, not-a-number.
    """
    figure = avatar.figure
    stance = take_stance(avatar, state)
    painted = paint(avatar, stance.weights, stance.presence, stance.drivers)
    surface = shown_surface(figure, worn_parts(avatar, painted))
    expression = expression_weights(figure.expression_names, state.sliders)
    joints = figure.joints + figure.joint_style_directions @ stance.weights
    transforms = joint_transforms(joints, state.pose) if state.transforms is None else state.transforms

    buffer = Buffer()
    attributes = _attributes(buffer, figure, surface, vertex_colors(avatar, painted))
    names, values, targets = _targets(buffer, figure, surface, expression, stance.weights)
    primitives = [
        {
            "mode": TRIANGLES,
            "attributes": attributes,
            "indices": buffer.add(faces.ravel(), INDICES),
            "material": number,
            "targets": targets,
        }
        for number, faces in enumerate(surface.faces.values())
    ]
    inverse = np.repeat(np.eye(4, dtype=np.float32)[None], len(JOINTS), 0)
    inverse[:, :3, 3] = -joints
    columns = np.ascontiguousarray(np.swapaxes(inverse, 1, 2))
    document = {
        "asset": asset(origin),
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": _nodes(origin.avatar, transforms @ np.linalg.inv(inverse), model),
        "meshes": [
            {"name": origin.avatar, "primitives": primitives, "weights": values, "extras": {"targetNames": names}}
        ],
        "skins": [
            {"joints": list(range(2, 2 + len(JOINTS))), "skeleton": 2, "inverseBindMatrices": buffer.add(columns, None)}
        ],
        "materials": [
            {
                "name": part,
                "doubleSided": True,
                "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.6},
            }
            for part in surface.faces
        ],
    }
    buffer.write(stream, document)


def worn_parts(avatar: Avatar, painted: Painted) -> list[int]:
    """The parts that show: those whose Gaussians cover, and those that have none."""
    part_of_gaussian = avatar.figure.face_parts[avatar.triangles]
    count = np.bincount(part_of_gaussian, minlength=len(avatar.figure.parts))
    covered = np.bincount(part_of_gaussian, painted.coverages, len(avatar.figure.parts))
    return [k for k in range(len(count)) if count[k] == 0 or covered[k] / count[k] > SEEN]


def shown_surface(figure: Figure, parts: list[int]) -> Surface:
    """The `parts` of `figure`, by their indices, each corner of the texture a vertex of its own."""
    own = {figure.parts[part]: figure.face_parts == part for part in parts}
    chosen = np.flatnonzero(np.isin(figure.face_parts, parts))
    pairs = np.stack([figure.faces[chosen].ravel(), figure.uv_faces[chosen].ravel()], 1).astype(np.int64)
    corners, index = np.unique(pairs, axis=0, return_inverse=True)
    faces = np.full((len(figure.faces), 3), -1, np.int64)
    faces[chosen] = index.reshape(-1, 3)
    uv = figure.uv[corners[:, 1]] * [1, -1] + [0, 1]
    shown = {name: faces[rows].astype(np.uint32) for name, rows in own.items() if rows.any()}
    return Surface(corners[:, 0], uv.astype(np.float32), shown)


def vertex_colors(avatar: Avatar, painted: Painted) -> Floats:
    """(V, 3) sRGB: the mean of the Gaussians that ride the triangles around, or the nearest vertex that has some."""
    from scipy.spatial import cKDTree

    figure = avatar.figure
    count = len(figure.vertices)
    corners = avatar.corners.ravel()
    shares = avatar.barycentric * (painted.coverages[:, None] + 1e-3)
    total = np.bincount(corners, shares.ravel(), count)
    sums = [np.bincount(corners, (shares * painted.colors[:, c, None]).ravel(), count) for c in range(3)]
    colors = np.stack(sums, 1) / np.maximum(total, 1e-12)[:, None]
    known = total > 1e-6
    if known.any() and not known.all():
        nearest = cKDTree(figure.vertices[known]).query(figure.vertices[~known])[1]
        colors[~known] = colors[known][nearest]
    return np.clip(colors, 0, 1).astype(np.float32)


def target_name(expression: str) -> str:
    """ARKit's own spelling of an expression, "jawOpen", which face capture looks for; FLAME's as they are."""
    if expression.startswith("flame_"):
        return expression
    first, *rest = expression_label(expression).lower().split()
    return first + "".join(word.capitalize() for word in rest)


def _attributes(buffer: Buffer, figure: Figure, surface: Surface, colors: Floats) -> dict[str, int]:
    rows = surface.vertices
    strongest = np.argsort(-figure.weights, axis=1, kind="stable")[:, :_INFLUENCES].astype(np.uint8)
    weights = np.take_along_axis(figure.weights, strongest.astype(np.int64), 1)
    weights /= weights.sum(1, keepdims=True)
    strongest[weights == 0] = 0
    return {
        "POSITION": buffer.add(figure.vertices[rows].astype(np.float32), bounded=True),
        "NORMAL": buffer.add(_normals(figure)[rows]),
        "TEXCOORD_0": buffer.add(surface.uv),
        "COLOR_0": buffer.add(linear(colors)[rows]),
        "JOINTS_0": buffer.add(strongest[rows]),
        "WEIGHTS_0": buffer.add(weights[rows].astype(np.float32)),
    }


def _targets(
    buffer: Buffer, figure: Figure, surface: Surface, expression: Floats, styles: Floats
) -> tuple[list[str], list[float], list[dict[str, int]]]:
    """Names, weights and accessors of all expressions, and of the styles that move what is shown."""
    names, values, targets = [], [], []
    for k, name in enumerate(figure.expression_names):
        rows, moves = _moved(figure.expression_moves, k, surface)
        names.append(target_name(name))
        values.append(float(expression[k]))
        targets.append({"POSITION": buffer.add_sparse(len(surface.vertices), rows, moves)})
    for k, name in enumerate(figure.style_names):
        rows, moves = _moved(figure.style_moves, k, surface)
        if np.abs(moves).max(initial=0) > SMALLEST_SHAPE:
            names.append(name)
            values.append(float(styles[k]))
            targets.append({"POSITION": buffer.add_sparse(len(surface.vertices), rows, moves)})
    return names, values, targets


def _moved(shapes: Moves, shape: int, surface: Surface) -> tuple[NDArray[np.int64], Floats]:
    """Which corners a shape moves, ascending, and how far."""
    own = slice(int(shapes.starts[shape]), int(shapes.starts[shape + 1]))
    vertices = shapes.vertices[own]
    if len(vertices) == 0:
        return np.zeros(0, np.int64), np.zeros((0, 3), np.float32)
    place = np.minimum(np.searchsorted(vertices, surface.vertices), len(vertices) - 1)
    rows = np.flatnonzero(vertices[place] == surface.vertices)
    return rows, shapes.moves[own][place[rows]].astype(np.float32)


def _normals(figure: Figure) -> Floats:
    """(V, 3) unit normals of the bind mesh, triangles weighted by area."""
    a, b, c = (figure.vertices[figure.faces[:, k]].astype(np.float64) for k in range(3))
    across = np.cross(b - a, c - a)
    normals = np.zeros((len(figure.vertices), 3))
    for k in range(3):
        np.add.at(normals, figure.faces[:, k], across)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.where(length > 1e-20, normals / np.maximum(length, 1e-20), [0.0, 0.0, 1.0]).astype(np.float32)


def _nodes(name: str, placed: NDArray[np.floating], model: NDArray[np.floating] | None) -> list[dict[str, Any]]:
    """The avatar, its mesh, and the joints, whose places (5, 4, 4) in head space become relative to their parents'."""
    nodes: list[dict[str, Any]] = [
        {"name": name, "children": [1, 2]},
        {"name": f"{name} mesh", "mesh": 0, "skin": 0},
    ]
    if model is not None:
        nodes[0]["matrix"] = np.asarray(model, np.float64).T.ravel().tolist()
    for joint, parent in enumerate(PARENTS):
        local = placed[joint] if parent < 0 else np.linalg.inv(placed[parent]) @ placed[joint]
        children = [2 + k for k, above in enumerate(PARENTS) if above == joint]
        node: dict[str, Any] = {"name": JOINTS[joint], "matrix": np.asarray(local, np.float64).T.ravel().tolist()}
        nodes.append(node | ({"children": children} if children else {}))
    return nodes
