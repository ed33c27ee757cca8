"""Reading an avatar file without the engine: the standard library and numpy. The format: docs/avatar-file.md."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..perse_protocol import EngineFailure
from .avatar_checks import check_arrays, check_names

VERSION = 3
THUMBNAIL = "thumbnail.png"
"""The person at rest."""
READABLE = (1, 2, 3)
_LARGEST_HEADER = 1 << 20
_LARGEST = {"avatar.json": 8 << 20, "tensors.safetensors": 1 << 30}
_TYPES = {"F32": np.float32, "F16": np.float16, "I32": np.int32, "U8": np.uint8}

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Slider:
    """One slider: its property name, label, group (the category; empty for expressions) and ranges."""

    name: str
    label: str
    group: str
    soft_min: float
    soft_max: float
    hard_min: float
    hard_max: float


@dataclass(frozen=True)
class Category:
    """A group of styles that exclude each other."""

    name: str
    label: str


@dataclass(frozen=True, eq=False)
class Appearance:
    """How styles change Gaussians; the entries of style k are starts[k] to starts[k + 1].

    Shapes: (K + 1,), (M,), (M,), (M, 3), (M,).
    """

    starts: Ints
    gaussians: Ints
    gates: Floats
    colors: Floats
    coverage_logits: Floats


@dataclass(frozen=True, eq=False)
class PhotoView:
    """The photo's own camera (OpenCV's axes, head space) and its expression: `view` (4, 4), lengths in pixels."""

    view: NDArray[np.float64]
    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    sliders: Mapping[str, float]
    pose: Floats


@dataclass(frozen=True, eq=False)
class AvatarFile:
    """What Blender needs of an avatar; head space, metres. V vertices, F faces, E expressions, K styles, N Gaussians.

    Attributes:
        name: what people call it.
        categories, styles, expressions: the sliders, in the file's order.
        vertices: (V, 3); faces: (F, 3).
        parts: names; face_parts: (F,).
        expression_directions: (V, 3, E); style_directions: (V, 3, K); joint_style_directions: (5, 3, K).
        weights: (V, 5) skinning; joints: (5, 3).
        triangles: (N,); barycentric: (N, 3); coverage_logits: (N,); colors: (N, 3) sRGB.
        appearance: what styles change.
        photo: the photo's camera and expression.
        provenance: how it was made.
    """

    name: str
    categories: tuple[Category, ...]
    styles: tuple[Slider, ...]
    expressions: tuple[Slider, ...]
    vertices: Floats
    faces: Ints
    parts: tuple[str, ...]
    face_parts: NDArray[np.uint8]
    expression_directions: Floats
    style_directions: Floats
    joint_style_directions: Floats
    weights: Floats
    joints: Floats
    triangles: Ints
    barycentric: Floats
    coverage_logits: Floats
    colors: Floats
    appearance: Appearance
    photo: PhotoView
    provenance: Mapping[str, Any]


def read_avatar(path: Path) -> AvatarFile:
    """Read the avatar file at `path`.

    Raises:
        EngineFailure: "missing-avatar", "not-an-avatar", "truncated-avatar" or "avatar-version".
    """
    document, members = _members(path, "tensors.safetensors")
    _refuse_other_versions(path, document)
    try:
        return _assemble(document, parse_safetensors(members["tensors.safetensors"]))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError, struct.error) as error:
        raise EngineFailure(
            "edited-avatar", f"{path.name} is not as PERSE writes it ({error!r})", "use an unchanged copy"
        ) from error


def read_document(path: Path) -> Mapping[str, Any]:
    """What avatar.json says, without the numbers.

    Raises:
        EngineFailure: as `read_avatar`.
    """
    document, _ = _members(path)
    _refuse_other_versions(path, document)
    return document


def read_picture(path: Path, member: str) -> bytes:
    """The PNG called `member`, such as `THUMBNAIL`; empty where the file has none, or cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(member)
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return b""


def parse_safetensors(data: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of a safetensors file, half precision widened to single.

    Raises:
        ValueError: the header or an array does not fit `data`.
    """
    (length,) = struct.unpack_from("<Q", data)
    if length > min(_LARGEST_HEADER, len(data) - 8):
        raise ValueError("its header is too long")
    arrays = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        kind = np.dtype(_TYPES[entry["dtype"]])
        shape = tuple(entry["shape"])
        count = int(np.prod(shape, dtype=np.int64))
        if not 0 <= begin <= end <= len(data) - 8 - length or count * kind.itemsize != end - begin:
            raise ValueError(f"{name} lies outside the file")
        array = np.frombuffer(data, kind, count, 8 + length + begin).reshape(shape)
        arrays[name] = array.astype(np.float32) if kind == np.float16 else array
    return arrays


def _refuse_other_versions(path: Path, document: Mapping[str, Any]) -> None:
    version = document.get("version")
    if version not in READABLE:
        hint = "update the add-on" if isinstance(version, int) and version > VERSION else "build it again"
        raise EngineFailure(
            "avatar-version", f"{path.name} has version {version}; this add-on reads up to {VERSION}", hint
        )


def _members(path: Path, *names: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    try:
        with zipfile.ZipFile(path) as archive:
            document = json.loads(_stored(archive, "avatar.json"))
            if document.get("format") != "perse-avatar":
                raise EngineFailure("not-an-avatar", f"{path.name} is not an avatar", "choose a .perse file")
            return document, {name: _stored(archive, name) for name in names}
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise EngineFailure("missing-avatar", f"{path} cannot be read ({error.strerror})", "choose another") from error
    except (KeyError, AttributeError, RecursionError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise EngineFailure("not-an-avatar", f"{path.name} is not an avatar", "choose a .perse file") from error
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError, ValueError) as error:
        whole = path.stat().st_size > 0 and path.open("rb").read(2) == b"PK"
        if whole:
            raise EngineFailure(
                "truncated-avatar", f"{path.name} is cut short or damaged", "copy it again or build it again"
            ) from error
        raise EngineFailure("not-an-avatar", f"{path.name} is not an avatar", "choose a .perse file") from error


def _stored(archive: zipfile.ZipFile, name: str) -> bytes:
    """A member as it is: what is compressed could be larger than memory."""
    entry = archive.getinfo(name)
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
        raise zipfile.BadZipFile(f"{name} is compressed")
    if entry.file_size > _LARGEST[name]:
        raise zipfile.BadZipFile(f"{name} is too large")
    return archive.read(entry)


def _assemble(document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> AvatarFile:
    expressions, styles, parts = document["expressions"], document["styles"], document["parts"]
    check_names([str(entry["slider"]) for entry in (*styles, *expressions)])
    check_arrays(arrays, expressions=len(expressions), styles=len(styles), parts=len(parts))
    plane = arrays["gaussians.barycentric"]
    camera, state = document["photo_camera"], document["photo_state"]
    return AvatarFile(
        name=str(document["name"]),
        categories=tuple(Category(str(entry["name"]), str(entry["label"])) for entry in document["categories"]),
        styles=tuple(_slider(entry, entry["category"]) for entry in styles),
        expressions=tuple(_slider(entry, "") for entry in expressions),
        vertices=arrays["figure.vertices"],
        faces=arrays["figure.faces"],
        parts=tuple(map(str, parts)),
        face_parts=arrays["figure.face_parts"],
        expression_directions=_directions(arrays, "expression"),
        style_directions=_directions(arrays, "style"),
        joint_style_directions=arrays["figure.joint_style_directions"],
        weights=arrays["figure.weights"],
        joints=arrays["figure.joints"],
        triangles=arrays["gaussians.triangles"],
        barycentric=np.column_stack([1 - plane.sum(1), plane]),
        coverage_logits=arrays["gaussians.coverage_logits"],
        colors=arrays["gaussians.colors"],
        appearance=Appearance(
            arrays["styles.starts"],
            arrays["styles.gaussians"],
            arrays["styles.gates"],
            arrays["styles.colors"],
            arrays["styles.coverage_logits"],
        ),
        photo=PhotoView(
            np.array(camera["view"], np.float64),
            float(camera["fx"]),
            float(camera["fy"]),
            float(camera["cx"]),
            float(camera["cy"]),
            int(camera["width"]),
            int(camera["height"]),
            {name: float(value) for name, value in state["sliders"].items()},
            np.array(state["pose"], np.float32),
        ),
        provenance=document["provenance"],
    )


def _directions(arrays: Mapping[str, NDArray[Any]], kind: str) -> Floats:
    """(V, 3, K) from the vertices that each of the K shapes moves; version 1 had them whole."""
    if f"figure.{kind}_directions" in arrays:
        return arrays[f"figure.{kind}_directions"]
    starts, vertices, moves = (arrays[f"figure.{kind}_{name}"] for name in ("starts", "vertices", "moves"))
    shapes = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    directions = np.zeros((len(arrays["figure.vertices"]), 3, len(starts) - 1), np.float32)
    directions[vertices, :, shapes] = moves
    return directions


def _slider(entry: Mapping[str, Any], group: str) -> Slider:
    limits = (float(entry[name]) for name in ("soft_min", "soft_max", "hard_min", "hard_max"))
    return Slider(str(entry["slider"]), str(entry["label"]), group, *limits)
