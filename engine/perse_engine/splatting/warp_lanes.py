"""What the 32 threads of a CUDA warp do together, for Warp kernels; a CPU's thread is alone.

All 32 must call them: no branch on what differs between them may stand around a call.
"""

from __future__ import annotations

import warp as wp

LANES = 32


@wp.func_native("""
#if defined(__CUDA_ARCH__)
    return threadIdx.x % 32 == 0;
#else
    return true;
#endif
""")
def is_first_lane() -> bool:
    """Whether this thread is the first of its warp."""
    return True


@wp.func_native("""
#if defined(__CUDA_ARCH__)
    return __any_sync(0xffffffffu, value) != 0;
#else
    return value;
#endif
""")
def any_lane(value: bool) -> bool:
    """Whether `value` is true in any thread of the warp."""
    return value


@wp.func_native("""
#if defined(__CUDA_ARCH__)
    for (int step = 16; step > 0; step /= 2) {
        const int other = __shfl_xor_sync(0xffffffffu, value, step);
        value = other > value ? other : value;
    }
#endif
    return value;
""")
def lane_max(value: int) -> int:
    """The largest `value` of the warp's threads."""
    return value


@wp.func_native("""
#if defined(__CUDA_ARCH__)
    for (int step = 16; step > 0; step /= 2)
        value += __shfl_xor_sync(0xffffffffu, value, step);
#endif
    return value;
""")
def lane_sum(value: float) -> float:
    """The sum of `value` over the warp's threads."""
    return value
