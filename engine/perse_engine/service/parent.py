"""A session ends with the process that started it, however that process ends."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the thread that started it ends (Linux; elsewhere nothing)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def watch_parent(pid: int, gone: Callable[[], None], interval: float = 1.0) -> None:
    """Call `gone`, once, on a thread of its own, when process `pid` has vanished.

    A process that cannot be seen at the start (another user's, another namespace's) is not watched.
    """
    if sys.platform == "win32" or not _exists(pid):
        return
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent and _exists(pid):
            time.sleep(interval)
        log.info("the client's process %d has gone", pid)
        gone()

    threading.Thread(target=watch, name="perse-parent-watch", daemon=True).start()


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return False
    return True
