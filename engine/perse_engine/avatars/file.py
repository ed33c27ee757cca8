"""The avatar file: a zip, stored not compressed, that anyone can read without this engine. See docs/avatar-file.md."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import safetensors
import safetensors.numpy

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
from perse_engine.avatars.migration import STEPS, upgraded
from perse_engine.avatars.tensors import (
    check_tensors,
    pack,
    unpack_appearance,
    unpack_correctives,
    unpack_figure,
    unpack_gaussians,
)
from perse_engine.avatars.thumbnails import style_thumbnails, thumbnail
from perse_engine.errors import InputError
from perse_engine.files import atomic_write

DOCUMENT, TENSORS, THUMBNAIL = "avatar.json", "tensors.safetensors", "thumbnail.png"
LIMITS = {DOCUMENT: 8 << 20, TENSORS: 1 << 30, THUMBNAIL: 8 << 20}
"""Bytes that each member may have."""
STYLE_THUMBNAIL = re.compile(r"thumbnails/(attr_[a-z0-9_]{1,43})\.png")
LARGEST_STYLE_THUMBNAIL = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)


def save_avatar(avatar: Avatar, path: Path) -> None:
    """Write `avatar` to `path`, atomically; the same avatar gives the same bytes.

    Raises:
        OSError: the folder cannot be written or the disk is full; `path` is as it was.
    """
    tensors = safetensors.numpy.save(pack(avatar))
    members = {TENSORS: tensors, THUMBNAIL: thumbnail(avatar)}
    members |= {f"thumbnails/{slider}.png": picture for slider, picture in style_thumbnails(avatar).items()}
    document = describe(avatar, "0" * 64)
    document.content = _content(msgspec.to_builtins(document), members)
    check(document)
    members = {DOCUMENT: msgspec.json.format(msgspec.json.encode(document), indent=1), **members}
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
        correctives=unpack_correctives(arrays),
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


def read_style_thumbnails(path: Path) -> dict[str, bytes]:
    """The PNG of every style, by slider.

    Raises:
        InputError: as `read_document`.
    """
    document, members = _read(path)
    return {style.slider: members[f"thumbnails/{style.slider}.png"] for style in document.styles}


def _read(path: Path) -> tuple[Document, dict[str, bytes]]:
    members = _members(path)
    try:
        header = msgspec.json.decode(members[DOCUMENT], type=Header)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        _edited(path, error)
    if header.format != FORMAT:
        raise InputError("not-an-avatar", f"{path.name} is no PERSE avatar", "choose a .perse file")
    if header.version != VERSION and header.version not in STEPS:
        newer = "update PERSE to open it" if header.version > VERSION else "build the avatar again from its photo"
        raise InputError(
            "avatar-version", f"{path.name} has version {header.version} and this engine reads {VERSION}", newer
        )
    try:
        plain = msgspec.json.decode(members[DOCUMENT], type=dict[str, Any])
        if _content(plain, members) != plain.get("content"):
            raise ValueError("its content does not match its hash")
        if header.version != VERSION:
            plain, members[TENSORS] = upgraded(plain, members[TENSORS], header.version)
        document = msgspec.convert(plain, Document)
    except (
        msgspec.MsgspecError, RecursionError, ValueError, KeyError, TypeError, safetensors.SafetensorError
    ) as error:  # fmt: skip
        _edited(path, error)
    shown = {match[1] for name in members if (match := STYLE_THUMBNAIL.fullmatch(name))}
    if shown != {style.slider for style in document.styles}:
        _edited(path, "its styles have other thumbnails")
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
    extra = set(names) - set(LIMITS)
    if len(set(names)) < len(names) or not set(LIMITS) <= set(names):
        _edited(path, "it has missing or additional members")
    if not all(STYLE_THUMBNAIL.fullmatch(name) for name in extra):
        _edited(path, "it has missing or additional members")
    for entry in entries:
        stored = entry.compress_type == zipfile.ZIP_STORED and entry.file_size == entry.compress_size
        if not stored or entry.file_size > min(LIMITS.get(entry.filename, LARGEST_STYLE_THUMBNAIL), size):
            _edited(path, f"{entry.filename} is compressed or too large")
    return {entry.filename: archive.read(entry) for entry in entries}


def _content(plain: Mapping[str, Any], members: Mapping[str, bytes]) -> str:
    """SHA-256 of everything in the file but this hash itself: the document, then the others in order of their names."""
    rest = {key: value for key, value in plain.items() if key != "content"}
    digest = hashlib.sha256(msgspec.json.encode(rest, order="sorted"))
    for name in sorted(set(members) - {DOCUMENT}):
        digest.update(hashlib.sha256(members[name]).digest())
    return digest.hexdigest()


def _edited(path: Path, reason: object) -> NoReturn:
    raise InputError(
        "edited-avatar",
        f"{path.name} was changed after it was made: {reason}",
        "use an unchanged copy or build the avatar again",
    )
