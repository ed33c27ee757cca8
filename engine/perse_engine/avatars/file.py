"""The avatar file: a zip, stored not compressed, that anyone can read without this engine. See docs/avatar-file.md."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray
from PIL import Image as PillowImage

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.document import (
    FORMAT,
    VERSION,
    Document,
    Header,
    camera_of,
    categories_of,
    check,
    describe,
    state_of,
    styles_of,
)
from perse_engine.avatars.rendering import render_avatar
from perse_engine.avatars.tensors import check_tensors, pack, unpack_appearance, unpack_figure, unpack_gaussians
from perse_engine.errors import InputError
from perse_engine.files import atomic_write

DOCUMENT, TENSORS, THUMBNAIL = "avatar.json", "tensors.safetensors", "thumbnail.png"
LIMITS = {DOCUMENT: 8 << 20, TENSORS: 1 << 30, THUMBNAIL: 8 << 20}
"""Bytes that each member may have."""
THUMBNAIL_SIZE = 256
_EPOCH = (1980, 1, 1, 0, 0, 0)


def save_avatar(avatar: Avatar, path: Path) -> None:
    """Write `avatar` to `path`, atomically; the same avatar gives the same bytes.

    Raises:
        OSError: the folder cannot be written or the disk is full; `path` is as it was.
    """
    tensors = safetensors.numpy.save(pack(avatar))
    thumbnail = _thumbnail(avatar)
    document = describe(avatar, "0" * 64)
    document.content = _content(document, tensors, thumbnail)
    check(document)
    members = {
        DOCUMENT: msgspec.json.format(msgspec.json.encode(document), indent=1),
        TENSORS: tensors,
        THUMBNAIL: thumbnail,
    }
    with atomic_write(path) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)


def load_avatar(path: Path) -> Avatar:
    """Read the avatar at `path`; nothing in the file can run code, and its numbers are checked.

    Raises:
        InputError: no-such-avatar, not-an-avatar, truncated-avatar, avatar-version, edited-avatar.
    """
    document, members = _read(path)
    try:
        check(document)
        arrays = safetensors.numpy.load(members[TENSORS])
        check_tensors(
            arrays,
            expressions=len(document.expressions),
            styles=len(document.styles),
            parts=len(document.parts),
            count=document.count,
        )
    except (ValueError, KeyError, OverflowError, safetensors.SafetensorError) as error:
        _edited(path, error)
    figure = unpack_figure(
        arrays,
        tuple(document.parts),
        tuple(entry.slider.removeprefix("expr_") for entry in document.expressions),
        tuple(style.slider for style in document.styles),
    )
    gaussians: dict[str, Any] = unpack_gaussians(arrays)
    return Avatar(
        name=document.name,
        head=document.head,
        figure=figure,
        categories=categories_of(document),
        styles=styles_of(document),
        **gaussians,
        low_pass=document.low_pass,
        appearance=unpack_appearance(arrays),
        photo_camera=camera_of(document.photo_camera),
        photo_state=state_of(document.photo_state),
        neutral_camera=camera_of(document.neutral_camera),
        provenance=document.provenance,
    )


def read_document(path: Path) -> Document:
    """Read avatar.json alone, after the whole file's hash has been checked; its `content` is that hash.

    Raises:
        InputError: no-such-avatar, not-an-avatar, truncated-avatar, avatar-version, edited-avatar.
    """
    document, _ = _read(path)
    try:
        check(document)
    except ValueError as error:
        _edited(path, error)
    return document


def read_thumbnail(path: Path) -> bytes:
    """The PNG of the neutral front view.

    Raises:
        InputError: as `read_document`.
    """
    return _read(path)[1][THUMBNAIL]


def _read(path: Path) -> tuple[Document, dict[str, bytes]]:
    members = _members(path)
    try:
        header = msgspec.json.decode(members[DOCUMENT], type=Header)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        _edited(path, error)
    if header.format != FORMAT:
        raise InputError("not-an-avatar", f"{path.name} is no PERSE avatar", "choose a .perse file")
    if header.version != VERSION:
        newer = "update PERSE to open it" if header.version > VERSION else "build the avatar again from its photo"
        raise InputError(
            "avatar-version", f"{path.name} has version {header.version} and this engine reads {VERSION}", newer
        )
    try:
        document = msgspec.json.decode(members[DOCUMENT], type=Document)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        _edited(path, error)
    if _content(document, members[TENSORS], members[THUMBNAIL]) != document.content:
        _edited(path, "its content does not match its hash")
    return document, members


def _members(path: Path) -> dict[str, bytes]:
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            start = stream.read(4)
            if start != b"PK\x03\x04":
                what = "is empty" if not start else "is no PERSE avatar"
                raise InputError("not-an-avatar", f"{path.name} {what}", "choose a .perse file")
            with zipfile.ZipFile(stream) as archive:
                return _contents(path, archive, size)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise InputError("no-such-avatar", f"there is no avatar file at {path}", "check the path") from error
    except PermissionError as error:
        raise InputError("unreadable-avatar", f"{path} may not be read", "change its permissions") from error
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError, ValueError) as error:
        raise InputError(
            "truncated-avatar", f"{path.name} is cut short or damaged", "copy it again or build it again"
        ) from error


def _contents(path: Path, archive: zipfile.ZipFile, size: int) -> dict[str, bytes]:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if DOCUMENT not in names:
        raise InputError("not-an-avatar", f"{path.name} is a zip but no PERSE avatar", "choose a .perse file")
    if sorted(names) != sorted(LIMITS):
        _edited(path, "it has missing or additional members")
    for entry in entries:
        stored = entry.compress_type == zipfile.ZIP_STORED and entry.file_size == entry.compress_size
        if not stored or entry.file_size > min(LIMITS[entry.filename], size):
            _edited(path, f"{entry.filename} is compressed or too large")
    return {entry.filename: archive.read(entry) for entry in entries}


def _content(document: Document, tensors: bytes, thumbnail: bytes) -> str:
    """SHA-256 of everything in the file but this hash itself."""
    plain = msgspec.to_builtins(document)
    del plain["content"]
    digest = hashlib.sha256(msgspec.json.encode(plain, order="sorted"))
    digest.update(hashlib.sha256(tensors).digest())
    digest.update(hashlib.sha256(thumbnail).digest())
    return digest.hexdigest()


def _thumbnail(avatar: Avatar) -> bytes:
    camera = avatar.neutral_camera.fitted(THUMBNAIL_SIZE, THUMBNAIL_SIZE)
    picture = render_avatar(avatar, type(avatar.photo_state)(), camera)
    alpha = picture[..., 3:]
    straight = np.concatenate([picture[..., :3] / np.maximum(alpha, 1e-4), alpha], -1)
    pixels: NDArray[np.uint8] = (np.clip(straight, 0, 1) * 255 + 0.5).astype(np.uint8)
    stream = io.BytesIO()
    PillowImage.fromarray(pixels, "RGBA").save(stream, "PNG")
    return stream.getvalue()


def _edited(path: Path, reason: object) -> NoReturn:
    raise InputError(
        "edited-avatar",
        f"{path.name} was changed after it was made: {reason}",
        "use an unchanged copy or build the avatar again",
    )
