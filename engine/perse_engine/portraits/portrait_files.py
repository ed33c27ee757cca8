"""A portrait on disk: a folder with numbers as JSON, arrays as npz, and pictures to look at."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from perse_engine.cameras import Camera
from perse_engine.errors import InputError
from perse_engine.files import atomic_write, write_json
from perse_engine.heads.head import HeadState
from perse_engine.heads.head_file import read_head, write_head
from perse_engine.heads.posing import pose_head
from perse_engine.portraits.portrait import PART_NAMES, HairShell, Iris, Portrait

VERSION = 2
PREVIEW = 512
PART_COLORS = {
    "skin": (255, 205, 170), "hair": (120, 70, 30), "brows": (40, 30, 30), "eyes": (0, 200, 255),
    "lips": (230, 40, 90), "ears": (255, 225, 60), "neck": (150, 240, 130), "clothes": (90, 100, 240),
}  # fmt: skip


def save_portrait(portrait: Portrait, folder: Path) -> None:
    """Write `portrait` into `folder`: portrait.json last, so that a folder with it is whole.

    Also crop.png, matte.png, parts.png and fit_overlay.png, of the aligned crop.

    Raises:
        OSError: the folder cannot be written.
    """
    shell, iris = portrait.hair_shell, portrait.iris
    write_head(folder / "head.npz", portrait.head)
    _write_arrays(
        folder / "arrays.npz",
        {
            "photo": portrait.photo,
            "matte": _bytes(portrait.matte),
            "landmarks": portrait.landmarks,
            "parts": _bytes(np.stack([portrait.parts[name] for name in PART_NAMES])),
            "offsets": portrait.offsets,
            "texture": _bytes(portrait.texture),
            "light": portrait.light,
            "albedo": _bytes(portrait.albedo),
            "texture_confidence": _bytes(portrait.texture_confidence),
            "hair_texture": _bytes(portrait.hair_texture),
            "hair_vertices": shell.vertices,
            "hair_faces": shell.faces,
            "hair_uv": shell.uv,
            "hair_weights": shell.weights,
        },
    )
    for name, picture in previews(portrait).items():
        _write_png(folder / f"{name}.png", picture)
    write_json(
        folder / "portrait.json",
        {
            "version": VERSION,
            "source": dict(portrait.source),
            "size": [portrait.photo.shape[1], portrait.photo.shape[0]],
            "crop": list(portrait.crop),
            "camera": portrait.camera.to_json(),
            "head": portrait.head.name,
            "identity": _rounded(portrait.identity),
            "expression": {
                name: round(float(value), 4)
                for name, value in zip(portrait.head.expression_names, portrait.state.expression, strict=True)
            },
            "pose": _rounded(portrait.state.pose),
            "translation": _rounded(portrait.state.translation),
            "iris": {
                "color": _rounded(iris.color),
                "radius": _rounded(iris.radius),
                "center": _rounded(iris.center),
            },
            "landmarks": _rounded(portrait.landmarks, 2),
        },
    )


def load_portrait(folder: Path) -> Portrait:
    """Read what `save_portrait` wrote. Masks and textures come back to a 255th.

    Raises:
        InputError: "not-a-portrait", "portrait-version", or what `read_head` raises.
    """
    hint = "make it again with: perse portrait PHOTO --out DIR"
    try:
        content = json.loads((folder / "portrait.json").read_bytes())
        if content["version"] != VERSION:
            raise InputError("portrait-version", f"{folder} was written by another version", hint)
        with np.load(folder / "arrays.npz", allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files}
        head = read_head(folder / "head.npz")
        names = list(content["expression"])
        if names != list(head.expression_names):
            raise ValueError("its head knows other expressions")
        state = HeadState(
            shape=np.zeros(len(content["identity"]), np.float32),
            expression=np.array([content["expression"][name] for name in names], np.float32),
            pose=np.array(content["pose"], np.float32),
            translation=np.array(content["translation"], np.float32),
        )
        x, y, side = content["crop"]
        return Portrait(
            photo=arrays["photo"],
            matte=_floats(arrays["matte"]),
            landmarks=arrays["landmarks"],
            camera=Camera.from_json(content["camera"]),
            crop=(x, y, side),
            parts=dict(zip(PART_NAMES, _floats(arrays["parts"]), strict=True)),
            head=head,
            identity=np.array(content["identity"], np.float32),
            state=state,
            offsets=arrays["offsets"],
            hair_shell=HairShell(
                arrays["hair_vertices"], arrays["hair_faces"], arrays["hair_uv"], arrays["hair_weights"]
            ),
            texture=_floats(arrays["texture"]),
            light=arrays["light"],
            albedo=_floats(arrays["albedo"]),
            texture_confidence=_floats(arrays["texture_confidence"]),
            hair_texture=_floats(arrays["hair_texture"]),
            iris=Iris(*(np.array(content["iris"][key], np.float32) for key in ("color", "radius", "center"))),
            source=content["source"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError("not-a-portrait", f"{folder} holds no whole portrait ({error})", hint) from error


def previews(portrait: Portrait) -> dict[str, NDArray[np.uint8]]:
    """Pictures of the aligned crop (PREVIEW, PREVIEW, 3): crop, matte, parts, fit_overlay."""
    crop = crop_image(portrait, portrait.photo, PREVIEW)
    matte = crop_image(portrait, _bytes(portrait.matte), PREVIEW)
    painted = np.zeros((*portrait.matte.shape, 3), np.float32)
    for name, color in sorted(PART_COLORS.items(), key=lambda item: item[0] in ("brows", "eyes", "lips")):
        mask = portrait.parts[name][..., None]
        painted += mask * (np.array(color, np.float32) - painted)
    camera = portrait.crop_camera(PREVIEW)
    overlay = crop.copy()
    vertices = camera.project(pose_head(portrait.head, portrait.state).vertices)[:, :2]
    skin = portrait.head.faces[portrait.head.face_parts == portrait.head.parts.index("skin")]
    front = _turned_to_camera(vertices, skin)
    lines = [np.round(vertices[face] * 16).astype(np.int32) for face in skin[front]]
    cv2.polylines(overlay, lines, True, (90, 220, 255), 1, cv2.LINE_AA, 4)
    overlay = cv2.addWeighted(overlay, 0.45, crop, 0.55, 0)
    x, y, side = portrait.crop
    for place in (portrait.landmarks[:, :2] - [x, y]) * (PREVIEW / side):
        cv2.circle(overlay, (round(place[0] * 16), round(place[1] * 16)), 20, (60, 255, 60), -1, cv2.LINE_AA, 4)
    return {
        "crop": crop,
        "matte": np.repeat(matte[..., None], 3, -1),
        "parts": crop_image(portrait, np.round(painted).astype(np.uint8), PREVIEW),
        "fit_overlay": np.asarray(overlay, np.uint8),
    }


def crop_image(portrait: Portrait, image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """(size, size, ...) the aligned crop of a picture as large as the photo, averaged over each pixel's area."""
    x, y, side = portrait.crop
    k = size / side
    over = max(1, int(np.ceil(2 / max(k, 1e-6)))) if k < 1 else 1
    fine = k * over
    matrix = np.array([[fine, 0, -x * fine + fine / 2 - 0.5], [0, fine, -y * fine + fine / 2 - 0.5]])
    large = cv2.warpAffine(
        image, matrix, (size * over, size * over), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def _turned_to_camera(vertices: NDArray[np.float64], faces: NDArray[np.integer]) -> NDArray[np.bool_]:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return np.asarray((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0] < 0)


def _write_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    with atomic_write(path) as stream:
        stream.write(content.getbuffer())


def _write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    _, encoded = cv2.imencode(".png", picture[..., ::-1])
    with atomic_write(path) as stream:
        stream.write(encoded.tobytes())


def _bytes(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.asarray(np.round(np.clip(values, 0, 1) * 255), np.uint8)


def _floats(values: NDArray[np.uint8]) -> NDArray[np.floating]:
    return values.astype(np.float32) / 255


def _rounded(values: NDArray[np.floating], digits: int = 6) -> list[Any]:
    result: list[Any] = np.round(np.asarray(values, np.float64), digits).tolist()
    return result
