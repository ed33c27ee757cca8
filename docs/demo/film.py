"""Rendered frames to a film and a contact sheet. Run by `build.py demo` in the engine's environment."""

from __future__ import annotations

import argparse
from pathlib import Path

import av
import numpy as np
from PIL import Image

FRAMES_PER_SECOND = 24
COLUMNS, ROWS = 6, 3
CELL = 256


def write_film(frames: list[Path], path: Path) -> None:
    """Encode frames of equal, even size as H.264, at a quality where nobody sees the codec."""
    partial = path.with_name(f".{path.name}")
    with av.open(str(partial), "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options={"crf": "16", "preset": "medium"})
        stream.width, stream.height = Image.open(frames[0]).size
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            pixels = np.asarray(Image.open(frame).convert("RGB"))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    partial.replace(path)


def write_contact_sheet(frames: list[Path], path: Path) -> None:
    """Frames at equal steps through the film, in reading order."""
    sheet = Image.new("RGB", (COLUMNS * CELL, ROWS * CELL))
    for cell, index in enumerate(np.linspace(0, len(frames) - 1, COLUMNS * ROWS).round().astype(int)):
        picture = Image.open(frames[index]).convert("RGB").resize((CELL, CELL), Image.Resampling.LANCZOS)
        sheet.paste(picture, (cell % COLUMNS * CELL, cell // COLUMNS * CELL))
    sheet.save(path)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("frames", type=Path, help="folder of PNG frames, named in order")
    parser.add_argument("--out", type=Path, required=True, help="folder for demo.mp4 and contact_sheet.png")
    options = parser.parse_args()
    frames = sorted(options.frames.glob("*.png"))
    if not frames:
        raise SystemExit(f"film: no-frames: {options.frames} holds no PNG; render the frames first")
    write_film(frames, options.out / "demo.mp4")
    write_contact_sheet(frames, options.out / "contact_sheet.png")


if __name__ == "__main__":
    main()
