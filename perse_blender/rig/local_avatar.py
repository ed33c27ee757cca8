"""Operators that change an avatar's rig need one that belongs to this file, or overrides a linked one."""

from __future__ import annotations

import bpy

from ..avatars.avatars import active_rig
from ..panels.operators import OnAvatar


class OnLocalAvatar(OnAvatar):
    """Needs an active avatar that is not merely linked."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        if active_rig(context).library is not None:
            cls.poll_message_set("The avatar is linked; make a library override first")
            return False
        return True
