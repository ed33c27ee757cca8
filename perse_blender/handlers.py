"""Functions that Blender calls when something happens: added together, and taken away together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import bpy

Handlers = Sequence[tuple[str, Callable[..., Any]]]
"""The names of lists in `bpy.app.handlers`, each with a function."""


def watch(handlers: Handlers) -> None:
    """Have every function called from now on."""
    for event, function in handlers:
        getattr(bpy.app.handlers, event).append(function)


def unwatch(handlers: Handlers) -> None:
    """Have none of them called any more; whatever is not watched is passed over."""
    for event, function in handlers:
        known = getattr(bpy.app.handlers, event)
        if function in known:
            known.remove(function)
