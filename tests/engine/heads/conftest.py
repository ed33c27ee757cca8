"""What the tests of heads share: files in FLAME's format, made from the open head; the real ones may not be shipped."""

from __future__ import annotations

import contextlib
import pickle
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csc_matrix

from perse_engine.heads.flame import load_flame
from perse_engine.heads.head import Head

PLACE = np.array([0.01, -1.2, 0.03])
"""Where the file's head stands: FLAME's own origin is not at the neck."""


def _flame_fields(head: Head, seed: int) -> dict[str, Any]:
    """FLAME's fields: 300 identity and 100 expression directions, random pose correctives, a sparse regressor.

    The open head without bust, teeth, tongue and lashes; directions that it lacks are random and small.
    """
    rng = np.random.default_rng(seed)
    wanted = [head.parts.index(name) for name in ("skin", "mouth", "eyes")]
    used, faces = np.unique(head.faces[np.isin(head.face_parts, wanted)], return_inverse=True)
    count = len(used)
    directions = rng.normal(0, 2e-5, (count, 3, 400))
    identities, expressions = head.shape_directions.shape[2], head.expression_directions.shape[2]
    directions[:, :, :identities] = head.shape_directions[used]
    directions[:, :, 300 : 300 + expressions] = head.expression_directions[used]
    template = head.template[used].astype(np.float64)
    return {
        "v_template": template + PLACE,
        "f": faces.reshape(-1, 3).astype(np.uint32),
        "shapedirs": directions,
        "posedirs": rng.normal(0, 1e-3, (count, 3, 36)),
        "weights": head.weights[used].astype(np.float64),
        "J_regressor": csc_matrix(_regressor(template, head.joints)),
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]], np.uint32),
        "bs_style": "lbs",
        "bs_type": "lrotmin",
    }


def _regressor(template: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """(5, V) rows that sum to one and give each joint as a mix of the vertices near it."""
    rows = np.zeros((5, len(template)))
    for row, joint in zip(rows, joints.astype(np.float64)):
        near = np.argsort(np.linalg.norm(template - joint, axis=1))[:80]
        system = np.vstack([template[near].T, np.ones(80)])
        row[near] = np.linalg.pinv(system) @ np.append(joint, 1)
    return rows


@contextlib.contextmanager
def _chumpy_installed() -> Iterator[type]:
    """A stand-in for chumpy while a test pickles: it must not be there when the file is read."""

    class Ch:
        def __init__(self, x: np.ndarray) -> None:
            self.x = x
            self._dirty_vars = {"x"}
            self._itr = None

    Ch.__module__, Ch.__qualname__ = "chumpy.ch", "Ch"
    package, module = types.ModuleType("chumpy"), types.ModuleType("chumpy.ch")
    module.Ch = Ch  # type: ignore[attr-defined]
    sys.modules |= {"chumpy": package, "chumpy.ch": module}
    try:
        yield Ch
    finally:
        del sys.modules["chumpy"], sys.modules["chumpy.ch"]


def _as_pickle(fields: dict[str, Any], protocol: int = 2, chumpy: tuple[str, ...] = ()) -> bytes:
    """The fields as a pickle, those named in `chumpy` wrapped as FLAME 2020 has them."""
    with _chumpy_installed() as wrap:
        return pickle.dumps({k: wrap(v) if k in chumpy else v for k, v in fields.items()}, protocol=protocol)


@pytest.fixture(scope="session")
def flame_fields(open_head: Head) -> dict[str, Any]:
    """FLAME's fields of the open head. Copy the dictionary before changing it."""
    return _flame_fields(open_head, 0)


@pytest.fixture(scope="session")
def as_pickle() -> Callable[..., bytes]:
    """`_as_pickle`."""
    return _as_pickle


@pytest.fixture(scope="session")
def flame_file(flame_fields: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A FLAME 2023 pickle as its makers write it: protocol 2, chumpy arrays, a sparse regressor."""
    path = tmp_path_factory.mktemp("flame") / "flame2023.pkl"
    path.write_bytes(_as_pickle(flame_fields, chumpy=("v_template", "shapedirs", "posedirs", "weights")))
    return path


@pytest.fixture(scope="session")
def flame_head(flame_file: Path) -> Head:
    """`flame_file`, loaded."""
    return load_flame(flame_file)
