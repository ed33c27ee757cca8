"""The channels of a request: what each Gaussian contributes to its normal pass and its masks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.painting import Painted
from perse_engine.avatars.regions import region_shares
from perse_engine.splatting.gaussians import Gaussians
from perse_protocol.messages import Render

Floats = NDArray[np.float32]

_FAINTEST = 1e-3
"""Coverage of a pixel below which its normal is none."""


def channels_of(
    render: Render, number: int, avatar: Avatar, gaussians: Gaussians, visible: NDArray[np.int32], painted: Painted
) -> Floats:
    """(M, E) of the M visible Gaussians of instance `number`: the normal if asked for, masks, and coverage at last.

    Args:
        gaussians: M, in head space.
        visible: (M,) which of the avatar's they are.
        painted: what the styles make of all.
    """
    instance = render.instances[number]
    count = len(visible)
    seen = np.full(count, 0 if instance.holdout else 1, np.float32)
    columns = []
    if "normal" in render.passes:
        model = np.reshape(instance.model, (4, 4))[:3, :3]
        columns += [*(normals(gaussians.quaternions, model) * seen[:, None]).T]
    regions = dict.fromkeys(mask.region for mask in render.masks if mask.region is not None)
    shares = region_shares(avatar, regions, painted) if regions else {}
    for mask in render.masks:
        inside = mask.instances is None or number in mask.instances
        share = np.float32(inside) if mask.region is None or not inside else shares[mask.region][visible]
        columns.append(seen * share)
    return np.stack([*columns, seen], 1)


def normals(quaternions: Floats, linear: NDArray[np.floating]) -> Floats:
    """Unit normals in the world, (M, 3): the last axes of Gaussians, which point out of the surface.

    Args:
        quaternions: (M, 4) w x y z, of unit length, head space.
        linear: (3, 3) of the model matrix; a flat one leaves them as they are.
    """
    w, x, y, z = quaternions.T
    outwards = np.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], 1)
    turned = outwards @ np.linalg.pinv(linear)
    length = np.linalg.norm(turned, axis=1, keepdims=True)
    return np.divide(turned, length, out=np.zeros_like(turned), where=length > 0).astype(np.float32)


def normalised(normal: Floats, coverage: Floats) -> Floats:
    """`normal` (3, H, W) of unit length, and 0 where `coverage` (H, W) says that there is next to nothing."""
    length = np.sqrt((normal * normal).sum(0))
    scale = np.divide(1, length, out=np.zeros_like(length), where=(coverage > _FAINTEST) & (length > 0))
    return normal * scale
