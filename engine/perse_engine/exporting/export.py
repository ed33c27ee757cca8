"""Which file holds what, and the one way into it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.decoding import decode
from perse_engine.avatars.rendering import transformed
from perse_engine.errors import InputError
from perse_engine.exporting.axes import UP, turned
from perse_engine.exporting.blendshapes import write_blendshapes
from perse_engine.exporting.gltf_splats import write_gltf_splats
from perse_engine.exporting.mesh import write_mesh
from perse_engine.exporting.origin import origin_of
from perse_engine.exporting.ply import write_ply
from perse_engine.exporting.spz import write_spz
from perse_engine.exporting.states import Moment
from perse_engine.files import atomic_write
from perse_engine.progress import Progress
from perse_engine.splatting.gaussians import Gaussians

SPLATS, MESH, BLENDSHAPES = "splats", "mesh", "blendshapes"
ENDINGS: Mapping[str, tuple[str, ...]] = {
    ".ply": (SPLATS,),
    ".spz": (SPLATS,),
    ".glb": (SPLATS, MESH),
    ".npz": (BLENDSHAPES,),
}
"""What each kind of file can hold, by its ending; the first is what it holds unless another is asked for."""
DEFAULT_UP = "y-down"


def content_of(out: Path, what: str | None, up: str | None) -> str:
    """What the file `out` shall hold: `what`, or what its ending says.

    Raises:
        InputError: export-format, unknown-content, wrong-path, unknown-up, fixed-axes.
    """
    contents = ENDINGS.get(out.suffix.lower())
    if contents is None:
        raise InputError(
            "export-format", f"{out.name} ends in none of {', '.join(ENDINGS)}", "name a file with one of these endings"
        )
    if out.is_dir():
        raise InputError("wrong-path", f"{out} is a folder", f"name a {out.suffix} file in it")
    if what is not None and what not in contents:
        known = sorted({content for some in ENDINGS.values() for content in some})
        if what not in known:
            raise InputError("unknown-content", f"there is no content {what!r}", f"choose {' or '.join(known)}")
        able = " or ".join(ending for ending, some in ENDINGS.items() if what in some)
        raise InputError("unknown-content", f"a {out.suffix} file holds no {what}", f"name a {able} file")
    if up is not None and up not in UP:
        raise InputError("unknown-up", f"there is no direction {up!r}", f"choose {' or '.join(UP)}")
    if up is not None and out.suffix.lower() != ".ply":
        raise InputError("fixed-axes", f"the axes of a {out.suffix} file are fixed", "leave --up out")
    return what or contents[0]


def export_moment(avatar: Avatar, moment: Moment, out: Path, content: str, up: str | None) -> Path:
    """Write one moment of `avatar` beside or at `out`, atomically; returns the file.

    Args:
        content: `SPLATS` or `MESH`, from `content_of`.
        up: a key of `axes.UP` for a .ply, or None for `DEFAULT_UP`.

    Raises:
        InputError: unknown-slider, not-a-number, nothing-shown.
    """
    file = out if moment.number is None else out.with_name(f"{out.stem}_{moment.number:04d}{out.suffix}")
    origin = origin_of(avatar)
    if content == MESH:
        with atomic_write(file) as stream:
            write_mesh(stream, avatar, moment.state, origin, moment.model)
        return file
    gaussians = decode(avatar, moment.state)
    if moment.model is not None:
        gaussians = transformed(gaussians, moment.model)
    gaussians = finite(gaussians)
    with atomic_write(file) as stream:
        match file.suffix.lower():
            case ".ply":
                axes = up or DEFAULT_UP
                write_ply(stream, turned(gaussians, axes), [*origin.lines(), f"up: {axes}, metres, sRGB"])
            case ".spz":
                write_spz(stream, gaussians, origin.lines())
            case ".glb":
                write_gltf_splats(stream, gaussians, origin)
    return file


def export_blendshapes(avatar: Avatar, out: Path, progress: Progress) -> Path:
    """Write the blendshapes of `avatar` to `out`, atomically."""
    with atomic_write(out) as stream:
        write_blendshapes(stream, avatar, origin_of(avatar), progress)
    return out


def finite(gaussians: Gaussians) -> Gaussians:
    """Those of `gaussians` whose numbers are all finite, as the rasteriser draws them.

    Raises:
        InputError: "nothing-shown".
    """
    arrays = (gaussians.means, gaussians.quaternions, gaussians.scales, gaussians.opacities, gaussians.colors)
    good = np.isfinite(np.column_stack(arrays)).all(1)
    good &= (gaussians.scales > 0).all(1) & gaussians.quaternions.any(1)
    if not good.any():
        raise InputError("nothing-shown", "no Gaussian of the avatar shows in this state", "reset its sliders and pose")
    return gaussians if good.all() else Gaussians(*(array[good] for array in arrays))
