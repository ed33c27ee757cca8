"""Which objects are avatars, and where their files are.

An avatar is an armature object that names its file, and a proxy mesh tied to it. What a frame shows are the proxies.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import bpy

from ..perse_protocol import EngineFailure
from ..preferences import library_folder
from .packed import PACKED, extracted, packed_image

PATH = "perse_path"
"""Where the avatar's file is: relative to the .blend where that is saved."""
LAST_SEEN = "perse_last_seen"
"""The same as an absolute path, for objects that were appended from a .blend elsewhere."""
CONTENT = "perse_sha256"
"""The hash of the file that the rig was made from."""
PROXY = "perse_proxy"
"""Marks the proxy mesh."""


def is_rig(thing: bpy.types.Object | None) -> bool:
    """Whether `thing` is the armature of an avatar."""
    return thing is not None and thing.type == "ARMATURE" and PATH in thing


def is_proxy(thing: bpy.types.Object | None) -> bool:
    """Whether `thing` is the proxy of an avatar."""
    return thing is not None and thing.type == "MESH" and PROXY in thing and rig_of(thing) is not None


def rig_of(thing: bpy.types.Object | None) -> bpy.types.Object | None:
    """The armature of the avatar that `thing`, armature or proxy, belongs to."""
    if thing is None or is_rig(thing):
        return thing
    if thing.type == "MESH" and PROXY in thing:
        for modifier in thing.modifiers:
            if modifier.type == "ARMATURE" and is_rig(modifier.object):
                return modifier.object
        if is_rig(thing.parent):
            return thing.parent
    return None


def proxy_of(rig: bpy.types.Object) -> bpy.types.Object | None:
    """The proxy that is tied to `rig`."""
    return next((thing for thing in rig.children if is_proxy(thing) and rig_of(thing) == rig), None)


def active_rig(context: bpy.types.Context) -> bpy.types.Object | None:
    """The avatar that panels and operators work on: the active object's."""
    return rig_of(context.object)


def rigs() -> Iterator[bpy.types.Object]:
    """Every avatar of the open file."""
    return (thing for thing in bpy.data.objects if is_rig(thing))


def avatar_path(rig: bpy.types.Object) -> Path:
    """Where the file of `rig` is: its packed copy, laid out in a temporary folder, or else `file_path`.

    Raises:
        EngineFailure: "missing-avatar".
    """
    image = packed_image(rig)
    return extracted(image) if image is not None else file_path(rig)


def file_path(rig: bpy.types.Object) -> Path:
    """Where the file of `rig` is on disk, packed or not: the first of `candidates` that is there.

    Raises:
        EngineFailure: "missing-avatar".
    """
    places = candidates(rig)
    for place in places:
        if place.is_file():
            return place
    library = library_folder() / places[-1].name
    if library.is_file() and _hash_of(*_stamp(library)) == rig.get(CONTENT):
        return library
    raise EngineFailure(
        "missing-avatar",
        f"the file of {rig.name} is not at {places[0]}",
        "choose it again with Relink in the PERSE tab",
    )


def candidates(rig: bpy.types.Object) -> tuple[Path, ...]:
    """Where the file of `rig` is looked for, in order, before the library is.

    Beside the file that owns the rig, where it was last seen, and by its name beside the open file.
    """
    named = str(rig[PATH])
    home = Path(bpy.data.filepath).parent if bpy.data.filepath else None
    last = str(rig.get(LAST_SEEN, ""))
    places = [Path(bpy.path.abspath(named, library=owning_library(rig)))]
    if last:
        places.append(Path(last))
    if home is not None:
        places.append(home / Path(named.replace("\\", "/").removeprefix("//")).name)
    return tuple(dict.fromkeys(places))


def has_changed(rig: bpy.types.Object) -> bool:
    """Whether the file of `rig` is another one than its sliders were made from; False where it is not found."""
    if packed_image(rig) is not None:
        return False
    try:
        return _hash_of(*_stamp(file_path(rig))) != rig.get(CONTENT)
    except (OSError, EngineFailure):
        return False


def _stamp(path: Path) -> tuple[str, int, int]:
    found = path.stat()
    return str(path), found.st_mtime_ns, found.st_size


@functools.lru_cache(maxsize=64)
def _hash_of(path: str, _changed: int, _size: int) -> str:
    return content_hash(Path(path))


def owning_library(rig: bpy.types.Object) -> bpy.types.Library | None:
    """The library whose folder a relative path of `rig` starts from; an override's is its reference's."""
    override = rig.override_library
    if override is not None and override.reference is not None:
        return override.reference.library
    return rig.library


def link_file(rig: bpy.types.Object, path: Path) -> None:
    """Remember `path` as the file of `rig`, relative where the .blend is saved; a packed copy goes."""
    absolute = os.path.abspath(path)
    if PACKED in rig:
        del rig[PACKED]
    rig[LAST_SEEN] = absolute
    rig[PATH] = relative_to(absolute, bpy.data.filepath)


def relative_to(absolute: str, blend: str) -> str:
    """`absolute` as Blender writes it relative to the file `blend`; unchanged where that is impossible."""
    if not blend:
        return absolute
    try:
        return "//" + os.path.relpath(absolute, Path(blend).parent).replace("\\", "/")
    except ValueError:  # another drive on Windows
        return absolute


def content_hash(path: Path) -> str:
    """SHA-256 of a file, hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
