"""The open head: the default head model, baked from CC0 data (see `data/NOTICE.md`)."""

from __future__ import annotations

import functools
from pathlib import Path

from perse_engine.heads.head import Head
from perse_engine.heads.head_file import read_head

DATA = Path(__file__).parent / "data" / "open_head.npz"


@functools.cache
def load_open_head() -> Head:
    """The open head: 52 ARKit expressions, 150 identity directions, eyes, teeth, tongue, lashes and a bust.

    Read once per process; the arrays are shared, and not to be written to.

    Raises:
        InputError: "not-a-head" or "head-version" where the installed data file is damaged.
    """
    return read_head(DATA)
