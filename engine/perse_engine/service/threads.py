"""How many threads the kernels may use."""

from __future__ import annotations

import os

import numba

from perse_engine.errors import InputError


def apply_thread_budget(processes: int = 1) -> int:
    """Hold the kernels to PERSE_THREADS threads, where that is set; returns how many they use.

    Args:
        processes: that work on this machine side by side, this one among them; where nothing is set they share it.

    Raises:
        InputError: "threads", PERSE_THREADS is not a whole number above zero.
    """
    wanted = os.environ.get("PERSE_THREADS")
    if wanted is not None:
        if not wanted.strip().isdecimal() or int(wanted) < 1:
            raise InputError(
                "threads", f"PERSE_THREADS is {wanted!r}, not a whole number above zero", "correct or unset it"
            )
        numba.set_num_threads(min(int(wanted), numba.config.NUMBA_NUM_THREADS))
    elif processes > 1:
        numba.set_num_threads(max(numba.config.NUMBA_NUM_THREADS // processes, 1))
    return int(numba.get_num_threads())
