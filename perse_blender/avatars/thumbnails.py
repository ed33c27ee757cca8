"""Pictures of avatars and of their styles, out of the avatar files, as Blender's icons."""

from __future__ import annotations

import hashlib
from pathlib import Path

import bpy
import bpy.utils.previews

from ..whole_files import write_whole
from .avatar_file import THUMBNAIL, read_picture

_MOST = 600

_loaded: list[bpy.utils.previews.ImagePreviewCollection] = []
_absent: set[str] = set()
_emptied = [0]
"""How often icons were let go of, so that others may know that those which they keep are void."""


def icon(path: Path, member: str = THUMBNAIL) -> int:
    """The icon of a picture in the avatar file at `path`; 0 where it has none.

    A picture is read once for each state of the file. Blender decodes it in the background.
    """
    picture = picture_file(path, member)
    if picture is None:
        return 0
    if not _loaded:
        _loaded.append(bpy.utils.previews.new())
    found, name = _loaded[0], str(picture)
    if name not in found:
        if len(found) >= _MOST:
            found.clear()
            _emptied[0] += 1
        found.load(name, name, "IMAGE")
    return int(found[name].icon_id)


def style_icon(path: Path, slider: str) -> int:
    """The icon of the person with the style `slider` alone; 0 where the file has no such picture."""
    return icon(path, f"thumbnails/{slider}.png")


def icons_state(path: Path) -> tuple[str, int, int, int]:
    """What changes whenever icons of the avatar file at `path` do.

    Raises:
        OSError: there is no such file.
    """
    found = path.stat()
    return str(path), found.st_mtime_ns, found.st_size, _emptied[0]


def picture_file(path: Path, member: str = THUMBNAIL) -> Path | None:
    """A PNG of a picture in the avatar file at `path`, in Blender's temporary folder; None where it has none."""
    try:
        found = path.stat()
    except OSError:
        return None
    key = hashlib.sha256(f"{path} {found.st_mtime_ns} {found.st_size}".encode()).hexdigest()[:24]
    picture = Path(bpy.app.tempdir) / "perse-pictures" / key / Path(member).name
    if picture.is_file():
        return picture
    if str(picture) in _absent:
        return None
    content = read_picture(path, member)
    if not content:
        _absent.add(str(picture))
        return None
    write_whole(picture, content)
    return picture


CLASSES = ()


def unregister() -> None:
    """Let Blender forget the pictures."""
    while _loaded:
        bpy.utils.previews.remove(_loaded.pop())
    _emptied[0] += 1
    _absent.clear()
