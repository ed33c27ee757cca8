"""How the loss falls while a training runs: a table and a picture of it in the work folder."""

from __future__ import annotations

import csv
import io
import logging
import math
from pathlib import Path

import cv2
import numpy as np

from perse_engine.files import atomic_write

logger = logging.getLogger(__name__)

TABLE, PICTURE = "loss.csv", "loss.png"
WIDTH, HEIGHT, MARGIN = 640, 320, 44
SMOOTH = 0.04  # of what is plotted, over which it is averaged


class LossCurve:
    """The loss by step; a training that goes on goes on with its curve."""

    def __init__(self, folder: Path, begun: int) -> None:
        """Take up what `folder` has of the steps before `begun`."""
        self._folder = folder
        self._rows: list[tuple[int, float]] = []
        try:
            with (folder / TABLE).open(newline="") as stream:
                rows = [(int(row["step"]), float(row["loss"])) for row in csv.DictReader(stream)]
        except (OSError, ValueError, KeyError, TypeError, csv.Error):
            return  # it is a by-product: a damaged one begins again
        self._rows = [(step, loss) for step, loss in rows if step < begun and math.isfinite(loss)]

    def add(self, step: int, loss: float) -> None:
        """Note the loss of one step."""
        self._rows.append((step, loss))

    def write(self) -> None:
        """Write the table and the picture; a by-product, so that it cannot be written is only logged."""
        text = io.StringIO()
        table = csv.writer(text)
        table.writerow(("step", "loss"))
        table.writerows((step, f"{loss:.6g}") for step, loss in self._rows)
        try:
            with atomic_write(self._folder / TABLE) as stream:
                stream.write(text.getvalue().encode())
            with atomic_write(self._folder / PICTURE) as stream:
                stream.write(cv2.imencode(".png", self._picture())[1].tobytes())
        except OSError as error:
            logger.warning("the loss curve cannot be written: %s", error)

    def _picture(self) -> np.ndarray:
        """(HEIGHT, WIDTH, 3): the smoothed loss, its axis logarithmic."""
        picture = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
        if len(self._rows) < 2:
            return picture
        steps, losses = np.array(self._rows).T
        span = max(1, round(SMOOTH * len(losses)))
        padded = np.concatenate([np.full(span - 1, losses[0]), losses])
        logs = np.log10(np.maximum(np.convolve(padded, np.full(span, 1 / span), "valid"), 1e-9))
        low, high = float(logs.min()), float(logs.max())
        across = MARGIN + (steps - steps[0]) / max(steps[-1] - steps[0], 1) * (WIDTH - MARGIN - 12)
        down = 12 + (high - logs) / max(high - low, 1e-6) * (HEIGHT - MARGIN - 12)
        line = np.stack([across, down], 1).round().astype(np.int32)
        grey = (150, 150, 150)
        cv2.rectangle(picture, (MARGIN, 12), (WIDTH - 12, HEIGHT - MARGIN), grey, 1)
        cv2.polylines(picture, [line], False, (180, 90, 30), 2, cv2.LINE_AA)
        labels = (
            (f"{10**high:.3g}", (2, 22)), (f"{10**low:.3g}", (2, HEIGHT - MARGIN)), ("loss", (MARGIN + 8, 30)),
            (f"{steps[0]:.0f}", (MARGIN, HEIGHT - 24)), (f"step {steps[-1]:.0f}", (WIDTH - 90, HEIGHT - 24)),
        )  # fmt: skip
        for label, place in labels:
            cv2.putText(picture, label, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (80, 80, 80), 1, cv2.LINE_AA)
        return picture
