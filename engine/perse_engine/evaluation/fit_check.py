"""How well a known head is recovered: random open heads are drawn, tracked and fitted, and held against the truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from perse_engine.errors import InputError
from perse_engine.evaluation.random_heads import RandomHead, random_head
from perse_engine.evaluation.rows import Row, at_least, at_most, shown
from perse_engine.heads.head import Head
from perse_engine.heads.posing import rest_head
from perse_engine.portraits.correspondence import Correspondence, find_correspondence
from perse_engine.portraits.expression_priors import expression_priors
from perse_engine.portraits.fit import Fit, fit_head, photo_lens
from perse_engine.portraits.landmark_response import landmark_response
from perse_engine.portraits.landmarks import FaceTracker
from perse_engine.portraits.matting import Matter
from perse_engine.portraits.parsing import EmbeddedParser
from perse_engine.portraits.refined_fit import refine_fit
from perse_engine.progress import Progress, silent

HEADS = 60
POSE_BAR_DEG, ACTIVE_BAR, INACTIVE_BAR, VERTEX_BAR_MM = 2.0, 0.15, 0.1, 2.5
INACTIVE_SHARE = 0.95


@dataclasses.dataclass(frozen=True, eq=False)
class Recovered:
    """What became of one head.

    Attributes:
        turn_deg: angle by which the found face would have to turn to lie best on the true one. The axes of the model
            are no measure: some of its identity directions tilt the whole face.
        active: (A,) absolute errors of the units that act.
        inactive: (I,) what was found of the units that do not, of those that a fit may use at all.
        vertices_mm: median distance of the face's vertices, both heads where camera and pose put them, after one
            common factor for size and distance, which no single picture tells.
    """

    turn_deg: float
    active: NDArray[np.float64]
    inactive: NDArray[np.float64]
    vertices_mm: float


def recover(head: Head, truth: RandomHead, correspondence: Correspondence, tracker: FaceTracker) -> Recovered:
    """Track and fit one picture as `fit_portrait` does, but for its details, which follow the fit.

    Raises:
        InputError: no face is found in the picture.
    """
    face = tracker.track(truth.picture)
    lens = photo_lens(truth.camera.width, truth.camera.height, truth.focal_mm)
    fit = fit_head(head, correspondence, face, lens)
    matte = Matter().matte(truth.picture, face.landmarks)
    camera = dataclasses.replace(lens, view=fit.view())
    parts = EmbeddedParser().parse(truth.picture, matte, face.landmarks, head, fit.vertices(head), camera)
    return compare(
        head, truth, refine_fit(head, fit, face, lens, truth.picture, matte, parts, landmark_response(head, tracker))
    )


def compare(head: Head, truth: RandomHead, fit: Fit) -> Recovered:
    """Hold a fit against the truth."""
    acts = truth.expression > 0
    may = expression_priors(head).high > 0
    error = np.abs(fit.expression - truth.expression)
    shape, _ = rest_head(head, fit.identity.astype(np.float32), fit.expression.astype(np.float32))
    face = (head.regions["face"] > 0.5) & np.isin(
        np.arange(len(head.template)), head.faces[head.face_parts == head.parts.index("skin")]
    )
    found = shape[face] @ fit.rotation.T + fit.translation
    view = truth.camera.view
    true = truth.vertices[face].astype(np.float64) @ view[:3, :3].T + view[:3, 3]
    turn = _best_turn(found, true)
    factor = (found * true).sum() / (found**2).sum()
    return Recovered(
        float(np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)))),
        error[acts].astype(np.float64),
        fit.expression[~acts & may].astype(np.float64),
        1000 * float(np.median(np.linalg.norm(found * factor - true, axis=1))),
    )


def _best_turn(found: NDArray[np.float64], true: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3) the rotation that best lays one set of points (N, 3) on the other. Kabsch 1976."""
    u, _, vt = np.linalg.svd((true - true.mean(0)).T @ (found - found.mean(0)))
    turn: NDArray[np.float64] = u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt
    return turn


def random_fit_rows(head: Head, tracker: FaceTracker, progress: Progress = silent) -> list[Row]:
    """The rows for `HEADS` random heads.

    Raises:
        Cancelled: by `progress`.
    """
    correspondence = find_correspondence(head, tracker)
    found: list[Recovered | InputError] = []
    for number in range(HEADS):
        progress("fit", number, HEADS)
        try:
            found.append(recover(head, random_head(head, number), correspondence, tracker))
        except InputError as error:
            found.append(error)
    progress("fit", HEADS, HEADS)
    return fit_rows(found)


def fit_rows(found: Iterable[Recovered | InputError]) -> list[Row]:
    """The rows of DESIGN's fit line; a face that was not found counts as infinitely wrong."""
    heads = list(found)
    seen = [head for head in heads if isinstance(head, Recovered)]
    lost = len(heads) - len(seen)
    note = f"{len(heads)} heads" + (f", {lost} not tracked" if lost else "")
    worst = [np.inf] * lost
    active = np.concatenate([*(head.active for head in seen), worst])
    inactive = np.concatenate([*(head.inactive for head in seen), worst])
    turns = [head.turn_deg for head in seen] + worst
    vertices = [head.vertices_mm for head in seen] + worst
    return [
        at_most("fit", "turn of the head, median", float(np.median(turns)), POSE_BAR_DEG, "°", note),
        shown("fit", "turn of the head, 9 of 10 within", float(np.quantile(turns, 0.9, method="higher")), "°"),
        at_most("fit", "expression units that act, mean error", float(active.mean()), ACTIVE_BAR, "", f"{len(active)}"),
        shown("fit", f"of these within {ACTIVE_BAR:g}", float((active <= ACTIVE_BAR).mean())),
        at_least(
            "fit", f"units at rest below {INACTIVE_BAR:g}", float((inactive < INACTIVE_BAR).mean()), INACTIVE_SHARE
        ),
        at_most("fit", "vertices of the face, median", float(np.median(vertices)), VERTEX_BAR_MM, "mm"),
        shown(
            "fit",
            "vertices of the face, 9 of 10 heads within",
            float(np.quantile(vertices, 0.9, method="higher")),
            "mm",
        ),
    ]
