"""The .spz format, version 3 (github.com/nianticlabs/spz): Gaussians in 20 bytes each, compressed by gzip.

A header of 16 bytes, then attribute by attribute: positions as 24-bit fixed point, opacities, colours and logarithmic
scales as bytes, rotations as the three smallest components with ten bits each. Axes: x right, y up, z backward, which
are head space's own for who looks at the face.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from perse_engine.exporting.ply import harmonics, unit
from perse_engine.splatting.gaussians import Gaussians

MAGIC, VERSION = 0x5053474E, 3
ANTIALIASED = 1
"""Of the header's flags: trained with the 2D filter of Mip-Splatting, as avatars are."""
MOST_FRACTIONAL_BITS = 16
"""Of a coordinate: 15 micrometres, finer than the smallest Gaussian; more bits would only cost room."""
COLOR_SCALE = 0.15
_LARGEST = (1 << 23) - 1
_MAGNITUDE = (1 << 9) - 1
_GZIP_COMMENT = 16


def write_spz(stream: BinaryIO, gaussians: Gaussians, comments: Sequence[str] = ()) -> None:
    """Write `gaussians` in the format's axes; `comments`, lines of ASCII text, go into gzip's own header."""
    bits = fractional_bits(gaussians.means)
    header = struct.pack("<IIIBBBB", MAGIC, VERSION, len(gaussians.means), 0, bits, ANTIALIASED, 0)
    scales = np.log(gaussians.scales.astype(np.float64))
    parts = (
        _fixed(gaussians.means, bits),
        _bytes(gaussians.opacities * 255.0),
        _bytes((harmonics(gaussians.colors) * COLOR_SCALE + 0.5) * 255),
        _bytes((scales + 10) * 16),
        _smallest_three(gaussians.quaternions),
    )
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    plain = header + b"".join(part.tobytes() for part in parts)
    said = "\n".join(comments).encode("ascii") + b"\0"
    stream.write(struct.pack("<BBBBIBB", 0x1F, 0x8B, 8, _GZIP_COMMENT, 0, 2, 255) + said)
    stream.write(packer.compress(plain) + packer.flush())
    stream.write(struct.pack("<II", zlib.crc32(plain), len(plain) & 0xFFFFFFFF))


def fractional_bits(means: NDArray[np.floating]) -> int:
    """As many as leave room for the furthest of `means` (N, 3)."""
    furthest = float(np.abs(means).max(initial=0))
    bits = MOST_FRACTIONAL_BITS
    while bits > 0 and furthest * (1 << bits) > _LARGEST:
        bits -= 1
    return bits


def _fixed(means: NDArray[np.floating], bits: int) -> NDArray[np.uint8]:
    """(N, 3, 3) the lower three bytes of each coordinate."""
    whole = np.clip(np.rint(means.astype(np.float64) * (1 << bits)), -_LARGEST, _LARGEST).astype("<i4")
    return np.ascontiguousarray(whole[..., None].view(np.uint8)[..., :3])


def _bytes(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _smallest_three(quaternions: NDArray[np.floating]) -> NDArray[np.uint32]:
    """(N,) two bits that say which of x y z w is largest, then sign and nine bits of each of the others, in order."""
    turned = unit(quaternions)[:, [1, 2, 3, 0]]
    largest = np.abs(turned).argmax(1)
    rows = np.arange(len(turned))
    turned *= np.where(turned[rows, largest] < 0, -1.0, 1.0)[:, None]
    packed = largest.astype(np.uint32)
    others = np.array([[k for k in range(4) if k != one] for one in range(4)])[largest]  # (N, 3)
    for component in turned[rows[:, None], others].T:
        magnitude = np.clip(np.rint(np.abs(component) * np.sqrt(2.0) * _MAGNITUDE), 0, _MAGNITUDE).astype(np.uint32)
        packed = packed << np.uint32(10) | (component < 0).astype(np.uint32) << np.uint32(9) | magnitude
    return packed.astype("<u4")
