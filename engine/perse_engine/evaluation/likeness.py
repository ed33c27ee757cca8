"""Identity: how near a face stays to its photo's, in the photo's state, at rest, turned and in expressions."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.initial import head_center
from perse_engine.avatars.state import AvatarState
from perse_engine.evaluation.identity import UNDETECTED, Descriptor, FaceReader, distance
from perse_engine.evaluation.metrics import over
from perse_engine.evaluation.photo import PhotoPair
from perse_engine.evaluation.rows import Row, at_least, below, shown
from perse_engine.evaluation.subject import Subject
from perse_engine.heads.head import NECK, ROOT

Bytes = NDArray[np.uint8]

SIDE = 512
PHOTO_BAR, NEUTRAL_BAR, NEUTRAL_BAR_OF_A_TURNED_PHOTO = 0.25, 0.40, 0.45
MEDIAN_BAR, MOST_BAR, MOST_SHARE = 0.45, 0.55, 0.9
NEAREST_SHARE = 0.95
TURNED_DEG, OPEN_JAW = 15.0, 0.15
YAWS = (-30.0, -20.0, -10.0, 10.0, 20.0, 30.0)
EXPRESSIONS: Mapping[str, Mapping[str, float]] = {
    "smile": {"mouthsmileleft": 0.8, "mouthsmileright": 0.8},
    "open jaw": {"jawopen": 0.6},
    "blink": {"eyeblinkleft": 1.0, "eyeblinkright": 1.0},
    "wink": {"eyeblinkleft": 1.0, "cheeksquintleft": 0.5},
    "frown": {"mouthfrownleft": 0.8, "mouthfrownright": 0.8, "browdownleft": 0.6, "browdownright": 0.6},
    "surprise": {"browinnerup": 0.9, "browouterupleft": 0.6, "browouterupright": 0.6, "jawopen": 0.35},
    "pucker": {"mouthpucker": 0.9},
    "funnel": {"mouthfunnel": 0.8, "jawopen": 0.2},
    "sneer": {"nosesneerleft": 0.8, "nosesneerright": 0.8},
    "stretch": {"mouthstretchleft": 0.8, "mouthstretchright": 0.8},
    "puff": {"cheekpuff": 0.8},
    "squint": {"eyesquintleft": 0.9, "eyesquintright": 0.9, "mouthsmileleft": 0.4, "mouthsmileright": 0.4},
}
"""Twelve, as ARKit units; of a head without these names the first twelve of its own stand in."""
KEEPING = ("hat", "glasses", "earrings", "headphones", "clothes", "eyebrows")
"""Categories that leave the person who they are."""
HAIR_COLORS = ("attr_hair_black", "attr_hair_auburn", "attr_hair_blonde", "attr_hair_grey")
KEPT, KEPT_BAR = "wearing what leaves a person the same, median", 0.5
ONE_MAN = "one man in one video: closed .24, closed to open .35, p90 .42; different people .62 to .73"


@dataclasses.dataclass(frozen=True, eq=False)
class Likeness:
    """What was drawn and how far it lies from the photo.

    Attributes:
        rows: the report's.
        pictures: (512, 512, 3) uint8 by name, for the report's strips.
    """

    rows: list[Row]
    pictures: dict[str, Bytes]


def likeness(subject: Subject, pair: PhotoPair, reader: FaceReader, sitters: Sequence[Path]) -> Likeness:
    """Measure identity against the photo.

    Args:
        sitters: pictures of other people, to whom the subject must not come nearer.
    """
    photo = _bytes(pair.photo)
    own = reader.descriptor(photo)
    states = expression_states(subject)
    pictures = {
        "photo": photo,
        "photo on white": _bytes(pair.photo * pair.matte[..., None] + 1 - pair.matte[..., None]),
        "photo state": _bytes(pair.rendered[..., :3] + 1 - pair.rendered[..., 3:]),
        "neutral": front(subject, AvatarState(), 0.0),
        **{f"yaw {yaw:+.0f}": front(subject, AvatarState(), yaw) for yaw in YAWS},
        **{name: front(subject, state, 0.0) for name, state in states.items()},
    }
    found = {name: reader.descriptor(picture) for name, picture in pictures.items()}
    far = {name: distance(descriptor, own) for name, descriptor in found.items()}
    moving = [name for name in pictures if name.startswith("yaw") or name in states]
    spread = np.array([far[name] for name in moving])
    turned = is_turned(subject)
    neutral_bar = NEUTRAL_BAR_OF_A_TURNED_PHOTO if turned else NEUTRAL_BAR
    undetected = [name for name, value in far.items() if value >= UNDETECTED]
    note = f"not detected: {', '.join(undetected)}" if undetected else f"{len(moving)} pictures"
    within = float(np.mean(spread < MOST_BAR))
    rows = [
        shown("identity", "floor: the photo before white", far["photo on white"], note="photo against itself"),
        shown("identity", "ceiling: a real face against itself", 0.35, note=ONE_MAN),
        below("identity", "photo state", far["photo state"], PHOTO_BAR),
        below("identity", "neutral front", far["neutral"], neutral_bar, note="turned or open photo" if turned else ""),
        below("identity", "±30° yaw and twelve expressions, median", float(np.median(spread)), MEDIAN_BAR, note=note),
        at_least("identity", f"of these below {MOST_BAR:g}", within, MOST_SHARE),
    ]
    rows += _kept(subject, reader, own)
    if sitters:
        rows.append(_nearest(reader, [found[name] for name in ("photo state", "neutral", *moving)], own, sitters))
    return Likeness(rows, pictures)


def _kept(subject: Subject, reader: FaceReader, own: Descriptor | None) -> list[Row]:
    """The median distance over all styles that leave identity alone, and that of each category by itself."""
    groups = {name: [s.slider for s in subject.styles if s.category == name] for name in KEEPING}
    groups["hair colours"] = [s.slider for s in subject.styles if s.slider in HAIR_COLORS]
    rows: list[Row] = []
    every: list[float] = []
    for name, sliders in groups.items():
        if not sliders:
            continue
        worn = {slider: front(subject, AvatarState({slider: 1.0}), 0.0) for slider in sliders}
        far = {slider: distance(reader.descriptor(picture), own) for slider, picture in worn.items()}
        worst = max(far, key=lambda slider: far[slider])
        note = f"{len(far)} styles, farthest {worst} {far[worst]:.2f}"
        rows.append(
            shown("identity", f"of these wearing {name}, median", float(np.median(list(far.values()))), note=note)
        )
        every += far.values()
    if not every:
        return []
    kept = below("identity", KEPT, float(np.median(every)), KEPT_BAR, note=f"{len(every)} styles")
    return [kept, *rows]


def expression_states(subject: Subject) -> dict[str, AvatarState]:
    """Twelve expressions that the subject's head has."""
    known = set(subject.figure.expression_names)
    chosen = {
        name: AvatarState({f"expr_{unit}": value for unit, value in units.items()})
        for name, units in EXPRESSIONS.items()
        if known.issuperset(units)
    }
    if chosen:
        return chosen
    return {name: AvatarState({f"expr_{name}": 1.5}) for name in subject.figure.expression_names[:12]}


def front(subject: Subject, state: AvatarState, yaw: float) -> Bytes:
    """The subject before white, seen from `yaw` degrees, (512, 512, 3)."""
    camera = subject.neutral_camera.fitted(SIDE, SIDE).orbited(head_center(subject.figure), yaw, 0.0, 0.0)
    return _bytes(over(subject.draw(state, camera), 1.0))


def is_turned(subject: Subject) -> bool:
    """Whether the photo's head is turned by more than 15 degrees or its mouth is open."""
    state = subject.photo_state
    root, neck = (cv2.Rodrigues(state.pose[joint].astype(np.float64))[0] for joint in (ROOT, NECK))
    forward = (subject.photo_camera.view[:3, :3] @ root @ neck)[:, 2]
    turn = math.degrees(math.acos(float(np.clip(-forward[2], -1, 1))))
    return turn > TURNED_DEG or state.sliders.get("expr_jawopen", 0.0) > OPEN_JAW


def _nearest(
    reader: FaceReader, faces: Sequence[Descriptor | None], own: Descriptor | None, sitters: Sequence[Path]
) -> Row:
    from perse_engine.portraits.images import read_image

    others = [reader.descriptor(read_image(path).pixels) for path in sitters]
    nearer = [distance(face, own) < min(distance(face, other) for other in others) for face in faces]
    name = "own photo nearer than any other sitter's"
    return at_least("identity", name, float(np.mean(nearer)), NEAREST_SHARE, note=f"{len(others)} sitters")


def _bytes(picture: NDArray[np.floating]) -> Bytes:
    converted: Bytes = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    return converted
