"""A copy of an avatar's file inside the .blend.

It is the packed data of an image that only the armature points to. Saving, appending, linking and library overrides
carry such an image along with whatever points to it; a property that held the bytes would be copied with every
evaluation of the object, and a text that held them with every undo step.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import bpy

from ..whole_files import write_whole

PACKED = "perse_packed"
"""The property of the armature that points to the image."""
_HASH = "perse_sha256"


def packed_image(rig: bpy.types.Object) -> bpy.types.Image | None:
    """The image that holds the packed file of `rig`, if it has one."""
    image = rig.get(PACKED)
    return image if isinstance(image, bpy.types.Image) and image.packed_file is not None else None


def new_packed_image(path: Path) -> bpy.types.Image:
    """An image that holds the file at `path`; one that holds the same already is shared.

    Raises:
        OSError: the file cannot be read.
    """
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    for image in bpy.data.images:
        if image.get(_HASH) == digest and image.library is None and image.packed_file is not None:
            return image
    image = bpy.data.images.new(path.name, 1, 1)
    image.pack(data=content, data_len=len(content))
    image.source = "FILE"
    image[_HASH] = digest
    return image


def packed_bytes(image: bpy.types.Image) -> bytes:
    """The file that `image` holds."""
    return bytes(image.packed_file.data)


def extracted(image: bpy.types.Image) -> Path:
    """A file with what `image` holds, in Blender's temporary folder, where Blender deletes it when it quits."""
    folder = Path(bpy.app.tempdir) / "perse-packed" / str(image[_HASH])[:24]
    path = folder / "packed.perse"
    if not (path.is_file() and path.stat().st_size == image.packed_file.size):
        write_whole(path, packed_bytes(image))
    return path
