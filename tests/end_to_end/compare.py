"""Compare two folders of OpenEXR frames by name; exit status 1 where any pair differs by 1/255 on average or more.

compare.py DEMO/exr DEMO/real
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import OpenEXR
from numpy.typing import NDArray


def colors(path: Path) -> NDArray[np.float64]:
    """(H, W, 3) scene-linear, whichever channels the file has."""
    channels = OpenEXR.File(str(path)).channels()
    return next(iter(channels.values())).pixels[..., :3].astype(np.float64)


def main(one: Path, other: Path) -> int:
    """Print the number of pairs and the largest mean absolute difference."""
    names = sorted({path.name for path in one.glob("*.exr")} & {path.name for path in other.glob("*.exr")})
    if not names:
        print(f"compare: no-frames: {one} and {other} hold no frames of the same name; render both")
        return 1
    worst = max(float(np.abs(colors(one / name) - colors(other / name)).mean()) for name in names)
    print(f"{len(names)} frames, largest mean absolute difference {255 * worst:.3f}/255")
    return int(worst >= 1 / 255)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:3])))
