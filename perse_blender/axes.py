"""Head space and Blender's. There y is up and z out of the face; here z is up and the face looks along -y.

In both, x is the person's left.
"""

from __future__ import annotations

from mathutils import Matrix

BLENDER_FROM_HEAD = Matrix(((1, 0, 0, 0), (0, 0, -1, 0), (0, 1, 0, 0), (0, 0, 0, 1)))
"""Takes a point of an avatar's head space to its armature's."""
HEAD_FROM_BLENDER = BLENDER_FROM_HEAD.inverted()
