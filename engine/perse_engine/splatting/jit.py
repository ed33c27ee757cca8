"""How the kernels of this folder are compiled.

They are cached on disk by numba, which notices a change in a kernel's own file only: after a change to a constant or to
a function that another file's kernels use, delete the `__pycache__` folders.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Everything of fastmath that keeps NaN and infinity meaningful: bad numbers must be seen to be refused.
KERNEL: dict[str, Any] = {
    "cache": True,
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract", "nsz", "arcp"},
}

f32 = np.float32
Floats = NDArray[np.float32]
Ints = NDArray[np.integer]
