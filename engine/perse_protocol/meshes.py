"""Triangles' way from the client to its engine: a file for each mesh, named after its content, so that it is sent once.

Layout of a mesh file, no header: corners (V, 3) float32, then triangles (T, 3) int32, indices of corners.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .errors import EngineFailure
from .messages import MeshFile

BUDGET = 512 << 20
"""Bytes of meshes that either side keeps although no view shows them."""
_CORNER = _TRIANGLE = 3 * 4


class MeshStore:
    """The client's side: writes what is new, and forgets what no view shows once that is much.

    Args:
        folder: where the files are made.
        budget: bytes, see `BUDGET`.
    """

    def __init__(self, folder: Path, budget: int = BUDGET) -> None:
        self._folder = folder
        self._budget = budget
        self._files: dict[str, MeshFile] = {}
        self._shown: dict[str, frozenset[MeshFile]] = {}

    def keep(self, corners: NDArray[np.float32], triangles: NDArray[np.int32]) -> MeshFile:
        """The file of a mesh, written unless the same mesh already is.

        Args:
            corners: (V, 3) in the mesh's own space.
            triangles: (T, 3) indices of corners.

        Raises:
            EngineFailure: "no-space".
        """
        content = (
            np.ascontiguousarray(corners, np.float32).tobytes() + np.ascontiguousarray(triangles, np.int32).tobytes()
        )
        name = hashlib.blake2b(content, digest_size=20, salt=len(corners).to_bytes(8, "little")).hexdigest()
        known = self._files.pop(name, None)
        if known is None:
            path = self._folder / f"{name}.mesh"
            try:
                _write(path, content)
            except OSError as error:
                raise EngineFailure(
                    "no-space", f"there is no room for a mesh of {len(triangles)} triangles", "free some memory"
                ) from error
            known = MeshFile(str(path), len(corners), len(triangles))
        self._files[name] = known  # the newest last
        return known

    def show(self, view: str, meshes: Iterable[MeshFile]) -> None:
        """Remember what `view` shows now, and delete the oldest that none shows where all take more than the budget."""
        self._shown[view] = frozenset(meshes)
        needed = frozenset().union(*self._shown.values())
        size = sum(map(size_of, self._files.values()))
        for name, mesh in tuple(self._files.items()):
            if size <= self._budget:
                return
            if mesh not in needed:
                size -= size_of(mesh)
                del self._files[name]
                Path(mesh.path).unlink(missing_ok=True)


def read_mesh(mesh: MeshFile) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """The engine's side: corners (V, 3) and triangles (T, 3), copies.

    Raises:
        EngineFailure: "mesh-file", the file is absent or not such a mesh.
    """
    try:
        content = Path(mesh.path).read_bytes()
    except (OSError, ValueError) as error:
        raise EngineFailure("mesh-file", f"a mesh cannot be read ({error})", "render again") from error
    if len(content) != size_of(mesh):
        raise EngineFailure("mesh-file", "a mesh file has not the size that was announced", "restart the engine")
    corners = np.frombuffer(content, np.float32, mesh.corners * 3).reshape(-1, 3)
    triangles = np.frombuffer(content, np.int32, mesh.triangles * 3, offset=mesh.corners * _CORNER).reshape(-1, 3)
    if triangles.size and not (triangles.min() >= 0 and triangles.max() < mesh.corners):
        raise EngineFailure("mesh-file", "a triangle of a mesh names a corner that is not there", "restart the engine")
    return corners, triangles


def size_of(mesh: MeshFile) -> int:
    """Bytes of its file."""
    return mesh.corners * _CORNER + mesh.triangles * _TRIANGLE


def _write(path: Path, content: bytes) -> None:
    partial = path.with_suffix(".part")
    try:
        with open(
            os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600), "wb"
        ) as file:
            file.write(content)
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
