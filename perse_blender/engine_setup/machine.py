"""Which computer this is, and whether the engine's packages are made for it."""

from __future__ import annotations

import os
import platform
import struct
import sys

from .problem import SetupProblem

GLIBC = (2, 28)
"""The oldest that the wheels of numba, OpenCV and PyTorch run on."""
MACOS = (14, 0)
"""The oldest that the wheels of NumPy and PyAV run on."""
_PROCESSORS = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "arm64", "aarch64": "arm64"}
_SYSTEMS = {"linux": "linux", "darwin": "macos", "win32": "windows"}


def platform_tag() -> str:
    """Such as "linux-x86_64", "macos-arm64" or "windows-x86_64"."""
    machine = platform.machine().lower()
    return f"{_SYSTEMS.get(sys.platform, sys.platform)}-{_PROCESSORS.get(machine, machine or 'unknown')}"


def check_machine(tag: str, bits: int, libc: str, macos: str) -> None:
    """Say before anything is downloaded where there are no wheels.

    Args:
        tag: see `platform_tag`.
        bits: of a pointer.
        libc: on Linux the C library as "glibc 2.36"; empty where it is another one.
        macos: version of macOS, such as "14.5"; empty elsewhere.

    Raises:
        SetupProblem: unsupported-machine.
    """
    why = _why_unfit(tag, bits, libc, macos)
    if why:
        raise SetupProblem(
            "unsupported-machine",
            f"there is no PERSE engine for {why}",
            "use Linux (glibc 2.28 or newer), Windows on x86-64, or a Mac with Apple silicon and macOS 14 or newer",
        )


def this_machine() -> tuple[str, int, str, str]:
    """The arguments of `check_machine` for this computer."""
    libc = ""
    if sys.platform.startswith("linux"):
        try:
            libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
        except (ValueError, OSError):
            libc = ""
    macos = platform.mac_ver()[0] if sys.platform == "darwin" else ""
    return platform_tag(), 8 * struct.calcsize("P"), libc, macos


def _why_unfit(tag: str, bits: int, libc: str, macos: str) -> str:
    if bits != 64:
        return "a 32-bit Blender"
    if tag in ("linux-x86_64", "linux-arm64"):
        if not libc.startswith("glibc"):
            return "a Linux without glibc (musl)"
        return "" if _version(libc.removeprefix("glibc")) >= GLIBC else f"{libc}, which is too old"
    if tag == "macos-arm64":
        return "" if _version(macos) >= MACOS else f"macOS {macos}, which is too old"
    if tag == "macos-x86_64":
        return "Intel Macs"
    return "" if tag == "windows-x86_64" else tag


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.strip().split(".")[:2] if part.isdigit())
