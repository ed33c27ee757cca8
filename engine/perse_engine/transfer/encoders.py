"""From two pictures, without a style and with it, to numbers that say what the style is like.

Nothing is fitted to a style: a picture that was never seen is encoded as any other. PERSE (section 4.1) takes CLIP's
embeddings of picture and text; without CLIP's weights, what the style changes is looked at directly.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.errors import InputError
from perse_engine.surfaces.colors import srgb_to_oklab

Floats = NDArray[np.float32]

GRID = 24
"""Cells along each side of the picture in which a change is averaged."""
TEXT_SHARE = 0.3
"""What a style's label counts beside its picture."""


class Encoder(Protocol):
    """Turns what a style changes into a vector; the person without a style gives zero."""

    def encode(self, without: Floats, worn: Floats, label: str) -> NDArray[np.float64]:
        """(D,) of two pictures (H, W, 4), premultiplied sRGB, from one camera; `label` is what people call it."""
        ...


class ChangeEncoder:
    """The change itself: OKLab and coverage, averaged over the cells of a grid. Needs no weights."""

    def encode(self, without: Floats, worn: Floats, label: str) -> NDArray[np.float64]:
        """See `Encoder.encode`; D is 4 x `GRID`²."""
        before, after = (_lab(picture) for picture in (without, worn))
        cells = cv2.resize(after - before, (GRID, GRID), interpolation=cv2.INTER_AREA)
        return np.asarray(cells, np.float64).reshape(-1)


class ClipEncoder:
    """CLIP's embeddings of the pictures and of the label (Radford et al. 2021), as PERSE has them."""

    def __init__(self, folder: Path) -> None:
        """Load a CLIP model that was saved in the transformers format; nothing is downloaded.

        Raises:
            InputError: no-clip, where the folder holds none, or transformers is not installed.
        """
        hint = (
            "name a folder with config.json, model.safetensors and the tokenizer, and install perse-engine[diffusion]"
        )
        try:
            import torch
            from transformers import AutoTokenizer, CLIPModel
        except ImportError as error:
            raise InputError("no-clip", f"{error.name or 'transformers'} is not installed", hint) from error
        try:
            self._model: Any = CLIPModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise InputError("no-clip", f"{folder} holds no CLIP model ({_first_line(error)})", hint) from error
        self._torch = torch

    def encode(self, without: Floats, worn: Floats, label: str) -> NDArray[np.float64]:
        """See `Encoder.encode`; D is twice the width of the model's joint space."""
        before, after = (self._seen(picture) for picture in (without, worn))
        said = self._said(f"a photo of a person with {label.lower()}") - self._said("a photo of a person")
        different = float(np.abs(after - before).max() > 0)
        return np.concatenate([after - before, TEXT_SHARE * different * said])

    def _seen(self, picture: Floats) -> NDArray[np.float64]:
        vision = self._model.config.vision_config
        white = picture[..., :3] + 1 - picture[..., 3:]
        small = cv2.resize(np.clip(white, 0, 1), (vision.image_size,) * 2, interpolation=cv2.INTER_AREA)
        normalised = (small - np.array(CLIP_MEAN, np.float32)) / np.array(CLIP_SPREAD, np.float32)
        pixels = self._torch.from_numpy(np.ascontiguousarray(normalised.transpose(2, 0, 1)[None], np.float32))
        with self._torch.no_grad():
            return _unit(self._model.visual_projection(self._model.vision_model(pixels).pooler_output))

    def _said(self, text: str) -> NDArray[np.float64]:
        tokens = self._tokenizer([text], return_tensors="pt", truncation=True)
        with self._torch.no_grad():
            return _unit(self._model.text_projection(self._model.text_model(**tokens).pooler_output))


CLIP_MEAN, CLIP_SPREAD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of the pictures that CLIP learnt from, as its authors publish them."""


def encoder_of(clip: Path | None) -> Encoder:
    """CLIP from the folder `clip`, or the encoder that needs no weights.

    Raises:
        InputError: no-clip.
    """
    return ChangeEncoder() if clip is None else ClipEncoder(clip)


def _unit(rows: Any) -> NDArray[np.float64]:
    vector = rows[0].numpy().astype(np.float64)
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12))


def _lab(picture: Floats) -> Floats:
    """(H, W, 4) OKLab over mid grey, and coverage."""
    color = np.clip(picture[..., :3] + (1 - picture[..., 3:]) * np.float32(0.5), 0, 1)
    return np.concatenate([srgb_to_oklab(color), picture[..., 3:]], -1).astype(np.float32)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
