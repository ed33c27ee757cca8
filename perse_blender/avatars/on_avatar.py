"""What operators need that change an avatar: that one is active, and that it may be changed here."""

from __future__ import annotations

import bpy

from .avatars import active_rig


class OnAvatar:
    """Needs an active avatar."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if active_rig(context) is None:
            cls.poll_message_set("Select an avatar first")
            return False
        return True


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


class OnOwnAvatar(OnAvatar):
    """Needs an active avatar that belongs to this .blend, not to a library."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        rig = active_rig(context)
        if rig.library is not None or rig.override_library is not None:
            cls.poll_message_set("The avatar is linked from another .blend: do it there")
            return False
        return True
