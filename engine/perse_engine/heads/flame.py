"""FLAME 2020, 2023 and 2023 Open, from the user's own file: .pkl or .npz.

Layout: https://flame.is.tue.mpg.de; Li et al. 2017. The files are never unpickled, see `restricted_pickle`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perse_engine.errors import InputError
from perse_engine.heads.alignment import overlay
from perse_engine.heads.bust import attach_bust
from perse_engine.heads.head import PARENTS, Floats, Head
from perse_engine.heads.open_head import load_open_head
from perse_engine.heads.pickled_arrays import array_of
from perse_engine.heads.restricted_pickle import read_pickle
from perse_engine.heads.transfer import transfer_anatomy

IDENTITIES = 300
"""FLAME's shape directions are identity up to here, expression from here on."""

_LARGEST_FILE = 1 << 30
_SHAPES = {
    "v_template": ("V", 3),
    "f": ("F", 3),
    "shapedirs": ("V", 3, "D"),
    "posedirs": ("V", 3, 36),
    "weights": ("V", 5),
    "J_regressor": (5, "V"),
    "kintree_table": (2, 5),
}
_LICENCE_OPEN = "CC-BY-4.0 (FLAME 2023 Open, Li et al. 2017)"
_LICENCE = "FLAME model licence of the Max Planck Institute (non-commercial), held by the person who supplied the file"
_HINT = (
    "give generic_model.pkl, flame2023.pkl or flame2023_Open.pkl as published at flame.is.tue.mpg.de, or an .npz of it"
)


def load_flame(path: Path) -> Head:
    """Read a FLAME model, and give it what FLAME lacks: parts, regions, texture coordinates, a mirror map, a bust.

    Args:
        path: .pkl of any pickle protocol (Python 2's, chumpy's and scipy's objects included), or .npz with the same
            names.

    Returns:
        A head with 300 identity and 100 expression directions ("flame_000" …), where the file has them all.

    Raises:
        InputError: "no-file", "not-a-head" where the content is not FLAME's, "wrong-shape", "broken-pickle",
            "hostile-file", "file-too-large".
    """
    fields = _read(path)
    arrays = {name: _array(fields, name) for name in _SHAPES}
    _check(arrays)
    template = arrays["v_template"].astype(np.float64)
    regressor = arrays["J_regressor"].astype(np.float64)
    joints = regressor @ template
    origin = joints[1].copy()
    directions = arrays["shapedirs"].astype(np.float64)
    joint_directions = np.einsum("jv,vad->jad", regressor, directions, optimize=True)
    weights = np.clip(arrays["weights"].astype(np.float64), 0, None)
    opened = "supr_expression_metadata" in fields
    expressions = directions.shape[2] - IDENTITIES
    vertex_count = len(template)
    bare = Head(
        name=_name(path, opened),
        template=_float32(template - origin),
        faces=arrays["f"].astype(np.int32),
        shape_directions=_float32(directions[:, :, :IDENTITIES]),
        expression_directions=_float32(directions[:, :, IDENTITIES:]),
        expression_names=tuple(f"flame_{index:03d}" for index in range(expressions)),
        pose_directions=_float32(arrays["posedirs"]),
        weights=_float32(weights / weights.sum(1, keepdims=True)),
        joints=_float32(joints - origin),
        joint_shape_directions=_float32(joint_directions[:, :, :IDENTITIES]),
        joint_expression_directions=_float32(joint_directions[:, :, IDENTITIES:]),
        uv=np.zeros((0, 2), np.float32),
        uv_faces=np.zeros((0, 3), np.int32),
        parts=("skin",),
        face_parts=np.zeros(len(arrays["f"]), np.uint8),
        regions={},
        mirror=np.arange(vertex_count, dtype=np.int32),
        licence=_LICENCE_OPEN if opened else _LICENCE,
    )
    source = load_open_head()
    over = overlay(source, bare)
    return attach_bust(transfer_anatomy(bare, source, over), source, over)


def _read(path: Path) -> Mapping[Any, Any]:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise InputError("file-too-large", f"{path.name} is larger than any head model", _HINT)
        content = path.read_bytes()
    except OSError as error:
        raise InputError("no-file", f"{path} cannot be read ({error.strerror})", "check the path") from error
    if not content.startswith((b"PK", b"\x80", b"(", b"}", b"]", b"c")):  # how a zip or a pickle of any protocol begins
        what = "is empty" if not content else "is neither a pickle nor an .npz"
        raise InputError("not-a-head", f"{path.name} {what}", _HINT)
    fields = _read_npz(path) if content[:2] == b"PK" else read_pickle(content)
    if not isinstance(fields, Mapping):
        raise InputError("not-a-head", f"{path.name} holds no table of names and arrays", _HINT)
    return fields


def _read_npz(path: Path) -> dict[str, Any]:
    """Arrays of an .npz; those that hold Python objects go through the restricted reader too."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
            if sum(info.file_size for info in members) > _LARGEST_FILE:
                raise InputError("file-too-large", f"{path.name} unpacks to more than any head model", _HINT)
            return {info.filename[:-4]: _read_npy(archive, info) for info in members}
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise InputError("not-a-head", f"{path.name} is not a whole .npz ({error})", _HINT) from error


def _read_npy(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Any:
    with archive.open(info) as stream:
        version = np.lib.format.read_magic(stream)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(stream)
        if dtype.hasobject:
            value = read_pickle(stream.read())
            # numpy stores an object array as the pickle of an array whose state lists the objects.
            objects = value.state[4] if getattr(value, "state", None) and len(value.state) == 5 else None
            return objects[0] if isinstance(objects, list) and len(objects) == 1 and shape in ((), (1,)) else value
    with archive.open(info) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def _array(fields: Mapping[Any, Any], name: str) -> NDArray[Any]:
    if name not in fields:
        raise InputError("not-a-head", f"the file has no {name}, which FLAME has", _HINT)
    try:
        array = array_of(fields[name])
    except (ValueError, TypeError, KeyError) as error:
        raise InputError("not-a-head", f"{name} cannot be read ({error})", _HINT) from error
    if array.dtype.kind not in "fiub":
        raise InputError("not-a-head", f"{name} does not hold numbers", _HINT)
    return array


def _check(arrays: Mapping[str, NDArray[Any]]) -> None:
    sizes: dict[str, int] = {}
    for name, wanted in _SHAPES.items():
        shape = arrays[name].shape
        fits = len(shape) == len(wanted) and all(
            side == (sizes.setdefault(want, side) if isinstance(want, str) else want)
            for side, want in zip(shape, wanted)
        )
        if not fits:
            expected = ", ".join(str(sizes.get(want, want) if isinstance(want, str) else want) for want in wanted)
            raise InputError("wrong-shape", f"{name} has shape {shape}, and FLAME's is ({expected})", _HINT)
    if sizes["V"] < 100 or sizes["F"] < 100 or sizes["D"] <= IDENTITIES:
        raise InputError(
            "wrong-shape",
            f"the file has {sizes['V']} vertices, {sizes['F']} faces and {sizes['D']} directions, too few for FLAME",
            _HINT,
        )
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise InputError("not-a-head", f"{name} holds values that are not numbers", _HINT)
    faces, weights = arrays["f"].astype(np.int64), arrays["weights"]
    if faces.min() < 0 or faces.max() >= sizes["V"]:
        raise InputError("wrong-shape", "faces point to vertices that are not there", _HINT)
    if (weights < -1e-3).any() or np.abs(weights.sum(1) - 1).max() > 1e-2:
        raise InputError("wrong-shape", "the skinning weights do not add up to one", _HINT)
    if tuple(arrays["kintree_table"][0, 1:].astype(np.int64)) != PARENTS[1:]:
        raise InputError("wrong-shape", "the joints are not root, neck, jaw and two eyes", _HINT)


def _name(path: Path, opened: bool) -> str:
    if opened:
        return "flame2023_open"
    return "flame2023" if "2023" in path.stem else "flame2020"


def _float32(array: NDArray[Any]) -> Floats:
    return np.ascontiguousarray(array, np.float32)
