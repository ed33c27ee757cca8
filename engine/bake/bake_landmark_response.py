"""Bake the landmark model's response to the open head into perse_engine/portraits/data/landmark_response.npz.

Draws random heads as `perse_engine.evaluation.random_heads` does, but others, with other faces and with what cameras
and painters do to pictures, tracks them, and keeps how the landmarks err. Run by hand after the open head, its
correspondence or the tracker has changed; 3,000 heads take about 8 minutes on two cores:

    python engine/bake/bake_landmark_response.py --processes 2
"""

from __future__ import annotations

import argparse
import math
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import cv2
import numpy as np
import typer
from numpy.typing import NDArray

from perse_engine.clips.expressions import MOODS, VISEMES, expand
from perse_engine.errors import InputError
from perse_engine.evaluation.random_heads import photographed_head
from perse_engine.files import atomic_write
from perse_engine.heads.head import Head
from perse_engine.heads.open_head import load_open_head
from perse_engine.portraits.correspondence import Correspondence, find_correspondence, head_hash
from perse_engine.portraits.landmark_response import DATA, upright, view_features
from perse_engine.portraits.landmarks import Tracker

Floats = NDArray[np.float64]

BROWS = ("browdown", "browouterup", "browinnerup")
EYES = ("eyeblink", "eyesquint", "eyewide")
USUAL = ("mouthsmile", "jawopen", "mouthupperup", "mouthlowerdown", "mouthfrown", "mouthpucker", "mouthfunnel",
         "mouthstretch", "nosesneer")  # fmt: skip
UNSEEN = ("eyelook", "tongue")
VIEW_DEG = (36.0, 16.0, 12.0)
FOCALS_MM = (28.0, 110.0)
RIDGE = 1.0
FAR = 0.5  # of the eyes' distance: a face that was found elsewhere
KEPT = 200  # directions of the errors' covariance
CHUNK = 50


def main() -> None:
    """Draw, track, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heads", type=int, default=3000)
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args()
    head = load_open_head()
    correspondence = find_correspondence(head, Tracker())
    starts = range(0, arguments.heads, CHUNK)
    with ProcessPoolExecutor(arguments.processes) as pool:
        rows = []
        for k, found in enumerate(pool.map(partial(seen_heads, correspondence), starts)):
            rows += found
            typer.echo(f"{(k + 1) * CHUNK} of {arguments.heads} drawn, {len(rows)} tracked")
    inputs, errors = (np.array(column) for column in zip(*rows, strict=True))
    system = inputs.T @ inputs + RIDGE * np.eye(inputs.shape[1])
    bias = np.linalg.solve(system, inputs.T @ errors)
    left = errors - inputs @ bias
    covariance = left.T @ left / (len(left) - inputs.shape[1])
    sizes, directions = np.linalg.eigh(covariance)
    spread = directions[:, -KEPT:] * np.sqrt(sizes[-KEPT:])
    rest = np.sqrt(np.maximum(np.diag(covariance) - (spread**2).sum(1), 0))
    with atomic_write(DATA) as stream:
        np.savez_compressed(
            stream,
            head=head_hash(head),
            heads=len(rows),
            triangle=correspondence.triangle,
            barycentric=correspondence.barycentric,
            bias=bias.astype(np.float16),
            spread=spread.astype(np.float16),
            rest=rest.astype(np.float16),
        )
    rms = [float(np.sqrt(2 * (e**2).mean())) for e in (errors, left)]
    typer.echo(f"landmarks off by {rms[0]:.4f} of the eyes' distance, {rms[1]:.4f} after their mean in each view")


def seen_heads(correspondence: Correspondence, start: int) -> list[tuple[Floats, Floats]]:
    """`view_features` and errors (936,) of `CHUNK` heads from number `start` on."""
    cv2.setNumThreads(1)
    head, tracker = load_open_head(), Tracker()
    seen = (seen_head(head, tracker, correspondence, number) for number in range(start, start + CHUNK))
    return [row for row in seen if row is not None]


def seen_head(
    head: Head, tracker: Tracker, correspondence: Correspondence, number: int
) -> tuple[Floats, Floats] | None:
    """One head; None where it is not tracked."""
    rng = np.random.default_rng([77, number])
    focal = math.exp(rng.uniform(*np.log(FOCALS_MM)))
    view = [float(rng.uniform(-most, most)) for most in VIEW_DEG]
    truth = photographed_head(head, random_recipe(head, rng), focal, view, rng, samples=1)
    try:
        landmarks = tracker.track(worn(truth.picture, rng)).landmarks[:, :2].astype(np.float64)
    except InputError:
        return None
    place = truth.camera.project(correspondence.points(head, truth.vertices))[:, :2]
    rotation = truth.camera.view[:3, :3].astype(np.float64)
    error = (landmarks - place) @ upright(rotation, place)
    if np.abs(error).max() > FAR:
        return None
    return view_features(rotation), error.ravel()


def random_recipe(head: Head, rng: np.random.Generator) -> dict[str, float]:
    """None to a few units of brows, eyes and mouth, mostly on both sides alike; or a mood or viseme."""
    recipe: dict[str, float] = {}
    mouth = sorted(
        {name.removesuffix("left").removesuffix("right") for name in head.expression_names if len(name) > 10}
        - {*BROWS, *EYES}
        | {"jawopen", "cheekpuff"}
    )
    mouth = [stem for stem in mouth if not stem.startswith(UNSEEN)]

    def act(stem: str) -> None:
        amount = float(rng.uniform(0.1, 1.0))
        if stem in head.expression_names:
            recipe[stem] = amount
            return
        sides = [("left", "right"), ("left",), ("right",)][rng.choice(3, p=(0.8, 0.1, 0.1))]
        for side in sides:
            if stem + side in head.expression_names:
                recipe[stem + side] = amount * float(rng.uniform(0.7, 1.0))

    if rng.random() < 0.5:
        for stem in rng.choice(BROWS, rng.integers(1, 3), replace=False):
            act(str(stem))
    if rng.random() < 0.5:
        act(str(rng.choice(EYES)))
    kind = rng.random()
    if kind < 0.45:
        for stem in rng.choice(USUAL, rng.integers(1, 4), replace=False):
            act(str(stem))
    elif kind < 0.65:
        for stem in rng.choice(mouth, rng.integers(1, 3), replace=False):
            act(str(stem))
    elif kind < 0.8:
        gestures = (*VISEMES, *MOODS)
        recipe |= expand(gestures[rng.integers(len(gestures))], float(rng.uniform(0.3, 1.0)), head.expression_names)
    return {name: min(amount, 1.0) for name, amount in recipe.items()}


def worn(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """What cameras, painters and encoders do to a picture: contrast, tint, few pixels, strokes, blocks."""
    side = picture.shape[0]
    image = picture.astype(np.float32) / 255
    if rng.random() < 0.5:
        image = 0.5 + (image - 0.5) * rng.uniform(0.6, 1.3) + rng.uniform(-0.08, 0.08, 3)
    if rng.random() < 0.3:
        grey = image.mean(-1, keepdims=True)
        image = grey + (image - grey) * rng.uniform(0, 1)
    if rng.random() < 0.4:
        few = int(side * rng.uniform(0.25, 0.8))
        image = cv2.resize(image.astype(np.float32), (few, few), interpolation=cv2.INTER_AREA)
        image = cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.3:
        strokes = rng.normal(0, 1, (side // 4, side // 4, 3)).astype(np.float32)
        image = image + rng.uniform(0, 0.05) * cv2.resize(strokes, (side, side), interpolation=cv2.INTER_CUBIC)
    result = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
    if rng.random() < 0.3:
        quality = int(rng.uniform(25, 90))
        decoded = cv2.imdecode(cv2.imencode(".jpg", result, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
        result = np.asarray(decoded, np.uint8)
    return result


if __name__ == "__main__":
    main()
