"""How many threads the kernels may use."""

from __future__ import annotations

import os

import numba

from perse_engine.errors import InputError


def apply_thread_budget() -> int:
    """Hold the kernels to PERSE_THREADS threads, where that is set; returns how many they use.

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
    return int(numba.get_num_threads())
