"""The file that a baked head is kept in: an .npz of plain arrays, directions as small integers that deflate well."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perse_engine.errors import InputError
from perse_engine.files import atomic_write
from perse_engine.heads.head import Floats, Head

VERSION = 1

_STEP = 5e-6
"""Metres a unit of a stored direction stands for: 150 of them add up to a rounding error of 0.02 mm."""


def write_head(path: Path, head: Head) -> None:
    """Write `head` to `path`, atomically.

    Raises:
        ValueError: a direction is longer than 0.16 m, which the stored integers cannot hold.
        OSError: the file cannot be written.
    """
    arrays: dict[str, NDArray[Any]] = {
        "version": np.array(VERSION),
        "name": np.array(head.name),
        "licence": np.array(head.licence),
        "template": head.template.astype(np.float32),
        "faces": head.faces.astype(np.int32),
        "shape_directions": _quantised(head.shape_directions),
        "expression_directions": _quantised(head.expression_directions),
        "expression_names": np.array(head.expression_names),
        "weights": head.weights.astype(np.float32),
        "joints": head.joints.astype(np.float32),
        "joint_shape_directions": head.joint_shape_directions.astype(np.float32),
        "joint_expression_directions": head.joint_expression_directions.astype(np.float32),
        "uv": head.uv.astype(np.float32),
        "uv_faces": head.uv_faces.astype(np.int32),
        "parts": np.array(head.parts),
        "face_parts": head.face_parts.astype(np.uint8),
        "region_names": np.array(list(head.regions)),
        "regions": np.round(255 * np.stack(list(head.regions.values()))).astype(np.uint8),
        "mirror": head.mirror.astype(np.int32),
    }
    if head.pose_directions is not None:
        arrays["pose_directions"] = _quantised(head.pose_directions)
    with atomic_write(path) as stream, zipfile.ZipFile(stream, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array, allow_pickle=False)
            # A fixed date, so that the same head gives the same bytes.
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content.getvalue())


def read_head(path: Path) -> Head:
    """Read a head that `write_head` wrote.

    Raises:
        InputError: "not-a-head" where the file is not one, "head-version" where it is from another version.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            version = int(archive["version"])
            if version != VERSION:
                raise InputError(
                    "head-version",
                    f"{path.name} is head format {version}, and this engine reads {VERSION}",
                    "use the data file that came with this engine",
                )
            return _head({name: archive[name] for name in archive.files})
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            "not-a-head",
            f"{path.name} is not a baked head ({error})",
            "install the engine again, or bake the head again",
        ) from error


def _head(arrays: dict[str, NDArray[Any]]) -> Head:
    template = arrays["template"]
    vertex_count = len(template)
    pose = arrays.get("pose_directions")
    regions = arrays["regions"].astype(np.float32) / 255
    return Head(
        name=str(arrays["name"]),
        template=template,
        faces=arrays["faces"],
        shape_directions=_metres(arrays["shape_directions"], vertex_count),
        expression_directions=_metres(arrays["expression_directions"], vertex_count),
        expression_names=tuple(map(str, arrays["expression_names"])),
        pose_directions=None if pose is None else _metres(pose, vertex_count),
        weights=arrays["weights"],
        joints=arrays["joints"],
        joint_shape_directions=arrays["joint_shape_directions"],
        joint_expression_directions=arrays["joint_expression_directions"],
        uv=arrays["uv"],
        uv_faces=arrays["uv_faces"],
        parts=tuple(map(str, arrays["parts"])),
        face_parts=arrays["face_parts"],
        regions=dict(zip(map(str, arrays["region_names"]), regions, strict=True)),
        mirror=arrays["mirror"],
        licence=str(arrays["licence"]),
    )


def _quantised(directions: Floats) -> NDArray[np.int16]:
    """(V, 3, D) metres → (D, 3, V) steps. Neighbouring vertices side by side deflate best."""
    steps = np.round(directions.transpose(2, 1, 0) / _STEP)
    if np.abs(steps).max(initial=0) > np.iinfo(np.int16).max:
        raise ValueError("a direction is too long for the head file")
    return steps.astype(np.int16)


def _metres(steps: NDArray[np.int16], vertex_count: int) -> Floats:
    if steps.ndim != 3 or steps.shape[1:] != (3, vertex_count):
        raise ValueError(f"directions of shape {steps.shape} do not fit {vertex_count} vertices")
    return np.ascontiguousarray(steps.transpose(2, 1, 0), dtype=np.float32) * np.float32(_STEP)
