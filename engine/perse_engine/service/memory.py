"""How much memory this process has taken."""

from __future__ import annotations

import ctypes
import sys


def most_memory() -> int:
    """Bytes that this process has held at once at most; 0 where the system does not say."""
    if sys.platform == "win32":
        return _on_windows()
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _on_windows() -> int:
    class Counters(ctypes.Structure):
        """PROCESS_MEMORY_COUNTERS."""

        _fields_ = (
            ("size", ctypes.c_uint32),
            ("page_faults", ctypes.c_uint32),
            *((name, ctypes.c_size_t) for name in ("peak", "now", "a", "b", "c", "d", "paged", "peak_paged")),
        )

    counters = Counters(size=ctypes.sizeof(Counters))
    kernel = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined]
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    arguments = (ctypes.c_void_p(kernel.GetCurrentProcess()), ctypes.byref(counters), counters.size)
    return int(counters.peak) if kernel.K32GetProcessMemoryInfo(*arguments) else 0
