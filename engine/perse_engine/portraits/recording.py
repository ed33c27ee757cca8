"""A recording: real footage of the person with the head's state in every frame. What clips and reports read."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perse_engine.cameras import Camera
from perse_engine.errors import InputError
from perse_engine.files import atomic_write, write_json
from perse_engine.portraits.video import Video

DOCUMENT, ARRAYS = "recording.json", "recording.npz"
VERSION = 1
_ARRAYS = ("numbers", "views", "expressions", "poses", "landmarks", "seen", "usable")


@dataclasses.dataclass(frozen=True, eq=False)
class Recording:
    """F consecutive moments of a video; `pose_head` of a state seen through its camera is the frame.

    Attributes:
        video: the footage.
        lens: of every frame; its view is the identity.
        expression_names: E names, the head's.
        numbers: (F,) int64 frames of the video, ascending.
        views: (F, 4, 4) head space, the body upright, to camera.
        expressions: (F, E).
        poses: (F, 5, 3) axis-angle of the joints, radians.
        landmarks: (F, 468, 3) pixels; interpolated where the face was not seen.
        seen: (F,) false where the face was lost for a moment and its state is interpolated.
        usable: (F,) whether the frame is fit to learn from.
        notes: what a person should know, each a sentence without a full stop.
    """

    video: Video
    lens: Camera
    expression_names: tuple[str, ...]
    numbers: NDArray[np.int64]
    views: NDArray[np.float64]
    expressions: NDArray[np.float32]
    poses: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    seen: NDArray[np.bool_]
    usable: NDArray[np.bool_]
    notes: tuple[str, ...]

    def camera(self, k: int) -> Camera:
        """The camera of the k-th moment's whole frame."""
        return dataclasses.replace(self.lens, view=self.views[k])

    def sliders(self, k: int) -> dict[str, float]:
        """The expression sliders of the k-th moment."""
        return {
            f"expr_{name}": round(float(value), 5)
            for name, value in zip(self.expression_names, self.expressions[k], strict=True)
            if abs(value) > 1e-4
        }


def save_recording(recording: Recording, folder: Path) -> None:
    """Write `recording` into `folder`; the video itself stays where it is.

    Raises:
        OSError: the folder cannot be written.
    """
    stream = io.BytesIO()
    np.savez(stream, **{name: getattr(recording, name) for name in _ARRAYS})
    with atomic_write(folder / ARRAYS) as target:
        target.write(stream.getvalue())
    video = recording.video
    write_json(
        folder / DOCUMENT,
        {
            "version": VERSION,
            "video": {**dataclasses.asdict(video), "path": str(video.path.absolute())},
            "lens": recording.lens.to_json(),
            "expressions": recording.expression_names,
            "notes": recording.notes,
        },
    )


def load_recording(folder: Path) -> Recording:
    """Read what `save_recording` wrote.

    Raises:
        InputError: not-a-recording.
    """
    try:
        told = json.loads((folder / DOCUMENT).read_bytes())
        if told["version"] != VERSION:
            raise ValueError(f"version {told['version']}")
        with np.load(folder / ARRAYS, allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in _ARRAYS}
        video = Video(**{**told["video"], "path": Path(told["video"]["path"])})
        names, lens = tuple(told["expressions"]), Camera.from_json(told["lens"])
        return Recording(video, lens, names, **arrays, notes=tuple(told["notes"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            "not-a-recording", f"{folder} holds no tracked video ({error})", "delete the folder and build again"
        ) from error
