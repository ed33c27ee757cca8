"""Which PERSE an avatar was last saved with, so that an older one on another machine says so before it renders."""

from __future__ import annotations

import functools
import tomllib

import bpy

from ..extension import FOLDER
from ..handlers import unwatch, watch
from ..perse_protocol import EngineFailure
from .avatars import rigs

SAVED_WITH = "perse_saved_with"
"""The add-on's version that last saved the armature."""


@functools.cache
def addon_version() -> str:
    """Ours, as the manifest says."""
    with (FOLDER / "blender_manifest.toml").open("rb") as stream:
        return str(tomllib.load(stream)["version"])


def refuse_older_addon(rig: bpy.types.Object) -> None:
    """Raise where `rig` was saved with a later PERSE than this one, patches aside.

    Raises:
        EngineFailure: "older-add-on".
    """
    saved = str(rig.get(SAVED_WITH, ""))
    if _release(saved) > _release(addon_version()):
        raise EngineFailure(
            "older-add-on",
            f"{rig.name} was saved with PERSE {saved}, and this is {addon_version()}",
            "install the later extension here",
        )


def refuse_other_engine(engine: str) -> None:
    """Raise where the engine's version `engine` is not of the add-on's release.

    Raises:
        EngineFailure: "other-engine".
    """
    if _release(engine) != _release(addon_version()):
        raise EngineFailure(
            "other-engine",
            f"the engine is version {engine}, and the extension {addon_version()}",
            "install both of the same version",
        )


def _release(version: str) -> tuple[int, ...]:
    """Major and minor number; nothing where there is no such thing."""
    numbers = version.split(".")[:2]
    return tuple(map(int, numbers)) if all(number.isdecimal() for number in numbers) else ()


@bpy.app.handlers.persistent
def _stamp(*_arguments: object) -> None:
    for rig in rigs():
        if rig.library is None and rig.override_library is None:
            rig[SAVED_WITH] = addon_version()


CLASSES = ()
_HANDLERS = (("save_pre", _stamp),)


def register() -> None:
    """Watch saving."""
    watch(_HANDLERS)


def unregister() -> None:
    """Stop watching."""
    unwatch(_HANDLERS)
