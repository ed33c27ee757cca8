"""The dataset on disk: what the synthetic teacher shows, frame by frame, with everything that training needs to know.

folder/order.json               what was asked for; another order does not mix with it
folder/wardrobe.safetensors
folder/clips/<clip>/0000.png    RGBA, straight alpha
folder/clips/<clip>/0000.parts.png   index into the wardrobe's labels
folder/clips/<clip>.json        cameras and states; written last: a clip without it does not exist
folder/dataset.json             the list of clips; written when all exist

A frame that dresses a moment of another clip has the name of that frame, "below", and a box in its description: its
pictures are the box alone; camera, pose, expression and every pixel outside the box are those of the frame below.
"""

from __future__ import annotations

import dataclasses
import json
from collections import ChainMap, Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.state import AvatarState
from perse_engine.cameras import Camera
from perse_engine.clips.boxes import Box, pasted
from perse_engine.clips.planned import Split, name_of
from perse_engine.clips.wardrobe import Wardrobe, load_wardrobe
from perse_engine.errors import InputError

ORDER, WARDROBE, CLIPS, INDEX = "order.json", "wardrobe.safetensors", "clips", "dataset.json"
PHOTO = "photo"
RECORDED, HELD_OUT = "recorded", "held_out_"
"""The clip of real footage that is learnt from, and how the names of those that are not begin."""
VERSION = 2


@dataclasses.dataclass(frozen=True, eq=False)
class ClipFrame:
    """One frame on disk, of H x W pixels.

    Attributes:
        name: "<clip>/<number>", unique in the dataset.
        clip: the clip that it belongs to.
        split: what it may be used for.
        camera: H x W.
        state: sliders and pose.
        path: of its picture; its parts lie beside it.
        below: the frame of which it changes only `box`; None where its pictures are whole.
    """

    name: str
    clip: str
    split: Split
    camera: Camera
    state: AvatarState
    path: Path
    below: ClipFrame | None = None
    box: Box | None = None

    def image(self) -> NDArray[np.uint8]:
        """(H, W, 4) sRGB and straight alpha.

        Raises:
            InputError: damaged-dataset.
        """
        picture = np.ascontiguousarray(cv2.cvtColor(self._read(self.path, 4), cv2.COLOR_BGRA2RGBA), np.uint8)
        return picture if self.below is None or self.box is None else pasted(self.below.image(), picture, self.box)

    def parts(self) -> NDArray[np.uint8]:
        """(H, W) index into the wardrobe's labels.

        Raises:
            InputError: damaged-dataset.
        """
        parts = self._read(self.path.with_suffix(".parts.png"), 1)
        return parts if self.below is None or self.box is None else pasted(self.below.parts(), parts, self.box)

    def _read(self, path: Path, channels: int) -> NDArray[np.uint8]:
        width, height = (self.camera.width, self.camera.height) if self.box is None else self.box[2:]
        shape = (height, width, channels)[: 3 if channels > 1 else 2]
        try:
            picture = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
        except (OSError, cv2.error) as error:
            raise _damaged(path, str(error)) from error
        if picture is None or picture.shape != shape:
            raise _damaged(path, "it is not the picture that its clip describes")
        return np.asarray(picture, np.uint8)


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """A finished dataset.

    Attributes:
        folder: where it is.
        frames: every frame but the photo, in the order of the plan.
        photo: the photograph itself, cropped, its matte as alpha; pixels outside the photo have the label "unknown".
        order: what was asked for: preset, seed, hashes.
        photo_camera: of the whole photograph.
        source: of the photograph: file name, sha256, size.
    """

    folder: Path
    frames: tuple[ClipFrame, ...]
    photo: ClipFrame
    order: dict[str, Any]
    photo_camera: Camera
    source: dict[str, Any]

    @cached_property
    def wardrobe(self) -> Wardrobe:
        """The figure, textures and styles that the frames show."""
        return load_wardrobe(self.folder / WARDROBE)

    def of(self, split: Split) -> tuple[ClipFrame, ...]:
        """The frames of one split."""
        return tuple(frame for frame in self.frames if frame.split == split)

    def counts(self) -> dict[str, int]:
        """How many frames each split has, and how many clips there are."""
        splits = Counter(str(frame.split) for frame in self.frames)
        return {"clips": len({frame.clip for frame in self.frames}), "frames": len(self.frames), **splits}


def load_dataset(folder: Path) -> Dataset:
    """Open a finished dataset.

    Raises:
        InputError: not-a-dataset where the folder holds none, or an unfinished one; damaged-dataset.
    """
    try:
        index = json.loads((folder / INDEX).read_bytes())
        if index["version"] != VERSION:
            raise InputError(
                "not-a-dataset",
                f"{folder} holds clips of format {index['version']}, and this engine reads {VERSION}",
                "synthesize them again",
            )
        clips = list(index["clips"])
        camera, source = Camera.from_json(index["photo_camera"]), dict(index["source"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            "not-a-dataset", f"{folder} holds no finished clips ({error})", "synthesize them, or finish synthesizing"
        ) from error
    photo, *_ = read_clip(folder, PHOTO)
    whole: dict[str, ClipFrame] = {}
    frames = tuple(frame for clip in clips for frame in read_clip(folder, clip, whole))
    return Dataset(folder, frames, photo, index["order"], camera, source)


def read_clip(folder: Path, clip: str, whole: dict[str, ClipFrame] | None = None) -> list[ClipFrame]:
    """The frames of one finished clip.

    Args:
        whole: frames that this clip may lie over, by name; those of this clip that others may lie over are added.

    Raises:
        InputError: damaged-dataset.
    """
    path = folder / CLIPS / f"{clip}.json"
    try:
        content = json.loads(path.read_bytes())
        return list(_frames(folder, clip, content, {} if whole is None else whole))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, str(error)) from error


def clip_to_json(split: Split, frames: Sequence[tuple[AvatarState, Camera] | Overlay]) -> dict[str, Any]:
    """What `read_clip` reads."""
    return {"split": split, "frames": [_described(frame) for frame in frames]}


@dataclasses.dataclass(frozen=True)
class Overlay:
    """A frame that changes a box of the frame called `below`, by attribute sliders."""

    attributes: Mapping[str, float]
    below: str
    box: Box


def _described(frame: tuple[AvatarState, Camera] | Overlay) -> dict[str, Any]:
    if isinstance(frame, Overlay):
        return {"sliders": dict(frame.attributes), "below": frame.below, "box": frame.box}
    state, camera = frame
    return {"sliders": dict(state.sliders), "pose": np.asarray(state.pose).tolist(), "camera": camera.to_json()}


def _frames(folder: Path, clip: str, content: dict[str, Any], whole: dict[str, ClipFrame]) -> Iterator[ClipFrame]:
    for k, frame in enumerate(content["frames"]):
        name, path = name_of(clip, k), folder / CLIPS / clip / f"{k:04d}.png"
        if "below" in frame:
            below = whole[frame["below"]]
            shared = cast("dict[str, float]", below.state.sliders)  # not copied: the paper has half a million
            state = AvatarState(ChainMap(frame["sliders"], shared), below.state.pose)
            x, y, width, height = (int(number) for number in frame["box"])
            yield ClipFrame(name, clip, content["split"], below.camera, state, path, below, (x, y, width, height))
            continue
        state = AvatarState(frame["sliders"], np.asarray(frame["pose"], np.float32))
        whole[name] = ClipFrame(name, clip, content["split"], Camera.from_json(frame["camera"]), state, path)
        yield whole[name]


def _damaged(path: Path, what: str) -> InputError:
    return InputError("damaged-dataset", f"{path} cannot be used ({what})", "delete the folder and synthesize again")
