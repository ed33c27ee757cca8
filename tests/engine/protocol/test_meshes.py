import dataclasses
import errno
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perse_protocol import meshes
from perse_protocol.errors import EngineFailure
from perse_protocol.meshes import MeshStore, read_mesh, size_of
from perse_protocol.messages import MeshFile


def mesh(seed, corners=5, triangles=4):
    random = np.random.default_rng(seed)
    return (
        random.normal(size=(corners, 3)).astype(np.float32),
        random.integers(0, corners, (triangles, 3)).astype(np.int32),
    )


@given(st.integers(0, 2**16), st.integers(1, 40), st.integers(0, 40))
def test_both_sides_see_the_same_triangles(tmp_path_factory, seed, corners, triangles):
    sent = mesh(seed, corners, triangles)
    received = read_mesh(MeshStore(tmp_path_factory.mktemp("meshes")).keep(*sent))
    assert np.array_equal(received[0], sent[0])
    assert np.array_equal(received[1], sent[1])


def test_the_same_content_is_written_once(tmp_path):
    store = MeshStore(tmp_path)
    first = store.keep(*mesh(1))
    written = Path(first.path).stat().st_mtime_ns
    assert store.keep(*mesh(1)) == first
    assert Path(first.path).stat().st_mtime_ns == written
    assert store.keep(*mesh(2)) != first
    assert len(list(tmp_path.iterdir())) == 2


def test_the_same_bytes_divided_otherwise_are_another_mesh(tmp_path):
    store = MeshStore(tmp_path)
    zeros = store.keep(np.zeros((2, 3)), np.zeros((1, 3)))
    assert store.keep(np.zeros((1, 3)), np.zeros((2, 3))) != zeros


def test_what_no_view_shows_goes_once_all_take_too_much(tmp_path):
    own = size_of(MeshFile("", 5, 4))
    store = MeshStore(tmp_path, budget=3 * own)
    files = [store.keep(*mesh(seed)) for seed in range(5)]
    store.show("viewport 1", [files[0]])
    store.show("final", [files[4]])
    assert [Path(file.path).exists() for file in files] == [True, False, False, True, True]
    again = store.keep(*mesh(1))
    assert np.array_equal(read_mesh(again)[0], mesh(1)[0])


def test_what_is_shown_stays_however_much_it_is(tmp_path):
    store = MeshStore(tmp_path, budget=1)
    files = [store.keep(*mesh(seed)) for seed in range(3)]
    store.show("final", files)
    assert all(Path(file.path).exists() for file in files)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"corners": 6}, "size"), ({"triangles": 3}, "size"), ({"path": "/absent"}, "read"), ({"path": "a\0b"}, "read")],
)
def test_a_file_that_is_not_as_announced_is_refused(tmp_path, change, sentence):
    file = MeshStore(tmp_path).keep(*mesh(1))
    with pytest.raises(EngineFailure, match=sentence) as failure:
        read_mesh(dataclasses.replace(file, **change))
    assert failure.value.code == "mesh-file"


@pytest.mark.parametrize("corner", [-1, 5, 2**31 - 1])
def test_triangles_outside_the_corners_are_refused(tmp_path, corner):
    corners, triangles = mesh(1)
    triangles[2, 1] = corner
    with pytest.raises(EngineFailure, match="a corner that is not there"):
        read_mesh(MeshStore(tmp_path).keep(corners, triangles))


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(meshes.os, "replace", full)
    with pytest.raises(EngineFailure) as failure:
        MeshStore(tmp_path).keep(*mesh(1))
    assert failure.value.code == "no-space"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_nobody_else_can_read_it(tmp_path):
    file = MeshStore(tmp_path).keep(*mesh(1))
    assert stat.S_IMODE(Path(file.path).stat().st_mode) == 0o600
