"""Long work steps back for whoever sits at the computer: it takes what nobody else wants of the processors."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

_NICENESS = 15


def apart() -> dict[str, Any]:
    """Options of `subprocess.Popen` for a process that what ends Blender's group spares."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.BELOW_NORMAL_PRIORITY_CLASS | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def step_back(pid: int) -> None:
    """Let everything else go before the process `pid`, begun with `apart`; where the system forbids it nothing happens.

    Linux desktops share processors between sessions first, whatever their processes' niceness (sched(7), "The autogroup
    feature"), so that a session of its own would take half of them from Blender: the session steps back too.
    """
    if sys.platform == "win32":
        return  # it was begun so
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PGRP, pid, _NICENESS)
    group = Path(f"/proc/{pid}/autogroup")
    with contextlib.suppress(OSError):
        if group.exists():
            group.write_text(str(_NICENESS))
