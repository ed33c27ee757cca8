"""Head space and Blender's: y up and z out of the face there, z up and facing -y here; x is the person's left in both."""

from __future__ import annotations

from mathutils import Matrix

BLENDER_FROM_HEAD = Matrix(((1, 0, 0, 0), (0, 0, -1, 0), (0, 1, 0, 0), (0, 0, 0, 1)))
"""Takes a point of an avatar's head space to its armature's."""
HEAD_FROM_BLENDER = BLENDER_FROM_HEAD.inverted()
