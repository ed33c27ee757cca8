"""What a program without a window says: results on standard output, what went wrong on standard error."""

from __future__ import annotations

import sys


def say(sentence: str) -> None:
    """One line of results, at once."""
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def complain(sentence: str) -> None:
    """One line of what went wrong, at once."""
    sys.stderr.write(f"{' '.join(sentence.split())}\n")
    sys.stderr.flush()
