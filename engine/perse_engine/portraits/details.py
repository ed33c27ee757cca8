"""What the shape space cannot say: a smooth displacement that brings the landmarks home, and where the eyes look."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from perse_engine.cameras import Camera
from perse_engine.heads.head import LEFT_EYE, RIGHT_EYE, Head
from perse_engine.portraits.correspondence import Correspondence
from perse_engine.portraits.landmarks import INNER_LIPS, LEFT_LIDS, OVAL, RIGHT_LIDS, Face
from perse_engine.surfaces.normals import vertex_normals

STIFFNESS = 0.6  # of the surface against bending, relative to the pull of one landmark
REACH = 0.012  # metres that detail may move a vertex
OUTLINE = 0.3  # pull of a point of the outline
MIRRORED = 0.4  # how firmly the side that is turned away copies the other
TURNED = (12.0, 30.0)  # degrees between which a side comes to be turned away
BESIDE = (0.004, 0.022)  # metres off the middle between which a vertex comes to belong to a side
CLOSING = 400.0  # how firmly rims that meet when mouth or eye close move alike


def detail_offsets(
    head: Head,
    correspondence: Correspondence,
    face: Face,
    vertices: NDArray[np.floating],
    camera: Camera,
    outline: tuple[NDArray[np.int64], NDArray[np.float64]] | None = None,
) -> NDArray[np.float32]:
    """(V, 3) metres in head space: moves the landmarks under their pixels, across the view only, smoothly.

    Args:
        vertices: (V, 3) as in the photograph, in the axes that `camera` sees.
        outline: vertices (N,) and displacements (N, 3) that `contours.outline_targets` asks for.
    """
    points = correspondence.points(head, vertices)
    projected = camera.project(points)
    missing = np.zeros((468, 3))
    missing[:, :2] = (face.landmarks[:, :2] - projected[:, :2]) * projected[:, 2:] / [camera.fx, camera.fy]
    wanted = missing @ camera.view[:3, :3]
    weight = 1 / (1 + (correspondence.error.astype(np.float64) / 0.004) ** 2)
    weight[list(OVAL)] = 0.0
    weight *= _visible(head, correspondence, vertices, camera)
    length = np.linalg.norm(wanted, axis=1)
    weight /= 1 + (length / REACH) ** 4
    away = turned_away(head, camera)
    weight *= 1 - 0.9 * np.clip(correspondence.points(head, away), 0, 1)

    count = len(head.template)
    rows = np.repeat(np.arange(468), 3)
    columns = head.faces[correspondence.triangle].reshape(-1)
    sample = sparse.csr_matrix((correspondence.barycentric.reshape(-1), (rows, columns)), shape=(468, count))
    bending = _laplacian(head.faces, count)
    # what opens a mouth or an eye is expression; as detail it would never close again
    upper, lower = np.array(closing_pairs()).T
    apart = sample[upper] - sample[lower]
    pull = sample.T @ sparse.diags(weight)
    # far from any landmark nothing should move: a weak spring home, stronger behind the face
    home = sparse.diags(np.where(head.regions["face"] > 0.3, 1e-3, 3e-2))
    system = (pull @ sample + CLOSING * (apart.T @ apart) + STIFFNESS * (bending.T @ bending) + home).tocsc()
    demand = np.asarray(pull @ wanted)
    if outline is not None:
        at, displacement = outline
        strength = np.zeros(count)
        strength[at] = OUTLINE
        system = (system + sparse.diags(strength)).tocsc()
        demand[at] += OUTLINE * displacement
    offsets = np.empty((count, 3))
    for axes, sign in (([0], -1.0), ([1, 2], 1.0)):
        unlike = sparse.eye(count, format="csr") - sign * _reflection(head)
        coupled = system + MIRRORED * (unlike.T @ sparse.diags(away) @ unlike) if away.any() else system
        offsets[:, axes] = splu(coupled.tocsc()).solve(demand[:, axes])
    return _with_inner_parts(head, vertices, offsets).astype(np.float32)


def turned_away(head: Head, camera: Camera) -> NDArray[np.float64]:
    """(V,) in [0, 1] how far each vertex belongs to the side that `camera` hardly sees.

    What is foreshortened there cannot be read off the photo: moved across the view by a little it folds.
    """
    away = camera.position()
    yaw = np.degrees(np.arctan2(away[0], away[2]))
    far = -np.sign(yaw) * head.template[:, 0].astype(np.float64)
    ramp = lambda value, low, high: np.clip((value - low) / (high - low), 0, 1)  # noqa: E731
    eye = head.regions.get("eyelids", np.zeros(len(far)))  # must lie where the photo's does, or lids show iris
    return np.asarray(ramp(abs(yaw), *TURNED) * ramp(far, *BESIDE) * (1 - eye), np.float64)


def _reflection(head: Head) -> sparse.csr_matrix:
    """(V, V) takes values to the vertices on the other side."""
    count = len(head.mirror)
    return sparse.csr_matrix((np.ones(count), (np.arange(count), head.mirror)), shape=(count, count))


def _visible(
    head: Head, correspondence: Correspondence, vertices: NDArray[np.floating], camera: Camera
) -> NDArray[np.float64]:
    """(468,) less where the surface turns away: there the tracker guesses."""
    normals = correspondence.points(head, vertex_normals(vertices, head.faces))
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    towards = camera.position() - correspondence.points(head, vertices)
    facing = np.einsum("lk,lk->l", normals, towards) / np.linalg.norm(towards, axis=1)
    return np.clip(facing / 0.4, 0.02, 1)


def closing_pairs() -> list[tuple[int, int]]:
    """Landmarks of the upper and the lower rim that meet when the mouth or an eye closes."""
    lower, upper = INNER_LIPS[1:10], INNER_LIPS[:10:-1]
    pairs = list(zip(upper, lower, strict=True))
    for lids in (LEFT_LIDS, RIGHT_LIDS):
        pairs += list(zip(lids[9:], lids[1:8], strict=True))
    return pairs


def _laplacian(faces: NDArray[np.integer], count: int) -> sparse.csr_matrix:
    """(V, V) each vertex less the mean of its neighbours."""
    i = faces[:, [0, 1, 2, 1, 2, 0]].reshape(-1)
    j = faces[:, [1, 2, 0, 0, 1, 2]].reshape(-1)
    adjacency = sparse.csr_matrix((np.ones(len(i)), (i, j)), shape=(count, count))
    adjacency.data[:] = 1
    degree = np.asarray(adjacency.sum(1)).reshape(-1)
    return sparse.diags((degree > 0).astype(float)) - sparse.diags(1 / np.maximum(degree, 1)) @ adjacency


def _with_inner_parts(head: Head, vertices: NDArray[np.floating], offsets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Eyes, lashes, teeth and tongue follow the skin around them; each eyeball stays a ball."""
    result = offsets.copy()
    skin = head.parts.index("skin")
    of_skin = np.zeros(len(vertices), bool)
    of_skin[head.faces[head.face_parts == skin]] = True
    where = np.asarray(vertices, np.float64)
    skin_points, skin_offsets = where[of_skin], offsets[of_skin]
    for name in head.parts:
        if name not in ("eyes", "lashes", "teeth", "tongue"):
            continue
        own = np.unique(head.faces[head.face_parts == head.parts.index(name)])
        own = own[~of_skin[own]]
        if name == "eyes":
            for side in (own[where[own, 0] > 0], own[where[own, 0] <= 0]):
                if len(side):
                    result[side] = _nearby(skin_points, skin_offsets, where[side].mean(0), 0.022)
        elif name == "lashes":
            for v in own:
                result[v] = _nearby(skin_points, skin_offsets, where[v], 0.004)
        elif len(own):
            result[own] = _nearby(skin_points, skin_offsets, where[own].mean(0), 0.03) * [0, 1, 0]
    return result


def _nearby(
    points: NDArray[np.float64], values: NDArray[np.float64], place: NDArray[np.float64], radius: float
) -> NDArray[np.float64]:
    """The mean value around a place, weighted by a Gaussian."""
    squared = ((points - place) ** 2).sum(1)
    weight = np.exp(-0.5 * (squared - squared.min()) / radius**2)
    return np.asarray(weight @ values / weight.sum())


def trimmed_lashes(head: Head, template: NDArray[np.floating]) -> NDArray[np.float32]:
    """`template` (V, 3) with the lashes drawn in: the model's are solid strips, and the photo's own are its texture."""
    result = np.asarray(template, np.float32).copy()
    if "lashes" not in head.parts:
        return result
    skin = np.unique(head.faces[head.face_parts == head.parts.index("skin")])
    lashes = np.unique(head.faces[head.face_parts == head.parts.index("lashes")])
    if "sockets" in head.parts:  # the lids' rims, where skin turns inwards
        sockets = head.faces[head.face_parts == head.parts.index("sockets")]
        skin = np.intersect1d(skin, sockets)
    roots = skin[cKDTree(head.template[skin]).query(head.template[lashes])[1]]
    result[lashes] = result[roots]
    return result


def joint_offsets(head: Head, offsets: NDArray[np.floating]) -> NDArray[np.float32]:
    """(5, 3) how the joints move with the vertices: the eyes with their balls, the others not at all."""
    moved = np.zeros((5, 3), np.float32)
    if "eyes" in head.parts:
        eyes = np.unique(head.faces[head.face_parts == head.parts.index("eyes")])
        for joint in (LEFT_EYE, RIGHT_EYE):
            near = eyes[np.sign(head.template[eyes, 0]) == np.sign(head.joints[joint, 0])]
            moved[joint] = offsets[near].mean(0)
    return moved


def gaze(
    centers: NDArray[np.floating],
    eyeball_radius: float,
    iris_pixels: NDArray[np.floating],
    camera: Camera,
    limit: float = 0.6,
) -> NDArray[np.float32]:
    """(2, 3) axis-angle of the eyes, left first, that bring the irises under their pixels.

    Args:
        centers: (2, 3) eyeballs in the axes that `camera` sees, neck and root already turned.
        iris_pixels: (2, 2).
        limit: radians beyond which no eye turns.
    """
    turns = np.zeros((2, 3))
    for k in range(2):
        yaw = pitch = 0.0
        for _ in range(12):
            front = _direction(yaw, pitch)
            columns = [front, _direction(yaw + 1e-4, pitch), _direction(yaw, pitch + 1e-4)]
            seen = camera.project(centers[k] + eyeball_radius * 0.92 * np.stack(columns))[:, :2]
            jacobian = ((seen[1:] - seen[0]) / 1e-4).T
            step = np.linalg.lstsq(jacobian, iris_pixels[k] - seen[0], rcond=None)[0]
            yaw, pitch = (float(np.clip(value, -limit, limit)) for value in (yaw + step[0], pitch + step[1]))
        turns[k] = [-pitch, yaw, 0]
    # eyes look at one thing: their heights agree, and what differs sideways is squint only
    turns[:, 0] = turns[:, 0].mean()
    apart = float(np.clip(turns[0, 1] - turns[1, 1], -0.22, 0.12))
    turns[:, 1] = turns[:, 1].mean() + np.array([0.5, -0.5]) * apart
    return turns.astype(np.float32)


def _direction(yaw: float, pitch: float) -> NDArray[np.float64]:
    """Where an eye looks in head space; positive yaw to the person's left, positive pitch up."""
    return np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
