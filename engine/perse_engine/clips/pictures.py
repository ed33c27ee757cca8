"""A frame as pictures: drawn whole, or only where it differs from the frame below it, and encoded."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.state import AvatarState
from perse_engine.cameras import Camera
from perse_engine.clips.animator import Frame, Look, changed_spans, render_frame
from perse_engine.clips.boxes import Box, box_of, window, within
from perse_engine.clips.frames import ClipFrame
from perse_engine.clips.wardrobe import Wardrobe

Bytes = NDArray[np.uint8]
FAST_PNG = (cv2.IMWRITE_PNG_COMPRESSION, 1)


def draw_over(
    wardrobe: Wardrobe, look: Look, state: AvatarState, camera: Camera, below: ClipFrame | None
) -> tuple[Bytes, Bytes, Box]:
    """A frame, or the box of it that differs from the frame below: straight RGBA, labels, and the box.

    Raises:
        InputError: damaged-dataset, where the frame below cannot be read.
    """
    if below is None:
        frame = render_frame(wardrobe, state, camera, look=look)
        return rgba_bytes(frame), frame.parts, (0, 0, camera.width, camera.height)
    spans = changed_spans(wardrobe, look, state, camera)
    rgba, parts, box = draw_box(wardrobe, look, state, camera, spans)
    here, changed = window(box), within(spans, box)
    return (
        np.where(changed[..., None], rgba, below.image()[here]),
        np.where(changed, parts, below.parts()[here]),
        box,
    )


def draw_box(
    wardrobe: Wardrobe, look: Look, state: AvatarState, camera: Camera, spans: NDArray[np.int32]
) -> tuple[Bytes, Bytes, Box]:
    """The box about `spans` (H, 2), drawn only inside them: straight RGBA, labels, and the box."""
    box = box_of(spans)
    here = window(box)
    frame = render_frame(wardrobe, state, camera, look=look, spans=spans)
    part = Frame(frame.color[here], frame.alpha[here], frame.parts[here])
    return rgba_bytes(part), part.parts, box


def rgba_bytes(frame: Frame) -> Bytes:
    """(H, W, 4) sRGB and straight alpha."""
    rgba = np.concatenate([frame.color, frame.alpha[..., None]], -1)
    return (np.clip(rgba, 0, 1) * 255 + 0.5).astype(np.uint8)


def write_frame(place: Path, number: int, rgba: Bytes, parts: Bytes) -> None:
    """Write the `number`-th frame of a clip into its folder: straight `rgba` (H, W, 4) and labels (H, W)."""
    for suffix, content in zip(("png", "parts.png"), encoded(rgba, parts), strict=True):
        (place / f"{number:04d}.{suffix}").write_bytes(content)


def encoded(rgba: Bytes, parts: Bytes) -> tuple[bytes, bytes]:
    """The two files of a frame."""
    images = (cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA), parts)
    picture, labels = (cv2.imencode(".png", image, FAST_PNG)[1].tobytes() for image in images)
    return picture, labels
