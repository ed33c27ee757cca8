import errno
import os
import stat
from pathlib import Path

import numpy as np
import pytest

from perse_protocol.errors import EngineFailure
from perse_protocol.frames import FrameBuffer, make_private_folder, open_frame, remove_folder, split_planes


def test_both_sides_see_the_same_pixels(tmp_path):
    buffer = FrameBuffer(tmp_path, "view-0")
    target = buffer.reserve(5, 3, 2)
    ours, theirs = buffer.planes(5, 3, 2), split_planes(open_frame(Path(target.path)), 5, 3, 2)
    assert ours.extra.shape == (2, 3, 5)
    theirs.color[:] = np.arange(60).reshape(3, 5, 4)
    theirs.depth[:] = 1e10
    theirs.extra[:] = np.arange(30).reshape(2, 3, 5)
    for our_plane, their_plane in zip(ours, theirs, strict=True):
        assert np.array_equal(our_plane, their_plane)
    assert not np.isin([1e10], ours.color).any()


def test_a_larger_picture_opens_a_new_generation_and_a_smaller_one_does_not(tmp_path):
    buffer = FrameBuffer(tmp_path, "view-0")
    first = buffer.reserve(8, 8)
    assert buffer.reserve(4, 4) == first
    assert buffer.reserve(8, 8) == first
    old_color = buffer.planes(8, 8).color
    old_color[:] = 0.25
    second = buffer.reserve(16, 16)
    assert second.generation == first.generation + 1
    assert not Path(first.path).exists()
    assert (old_color == 0.25).all()
    assert buffer.reserve(16, 16, 1).generation == second.generation + 1


def test_a_file_that_is_too_small_or_gone_is_refused(tmp_path):
    target = FrameBuffer(tmp_path, "view-0").reserve(4, 4)
    mapped = open_frame(Path(target.path))
    with pytest.raises(EngineFailure, match="too small"):
        split_planes(mapped, 5, 5)
    with pytest.raises(EngineFailure, match="too small"):
        split_planes(mapped, 4, 4, 1)
    with pytest.raises(EngineFailure, match="cannot be mapped"):
        open_frame(tmp_path / "absent.frame")


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system cannot reserve space")
def test_a_full_disk_is_an_error_and_leaves_the_old_picture(tmp_path, monkeypatch):
    buffer = FrameBuffer(tmp_path, "view-0")
    first = buffer.reserve(4, 4)

    def full(descriptor, offset, length):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(EngineFailure) as failure:
        buffer.reserve(64, 64)
    assert failure.value.code == "no-space"
    assert [path.name for path in tmp_path.iterdir()] == [Path(first.path).name]


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_the_folder_is_private_and_goes_away():
    folder = make_private_folder()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    FrameBuffer(folder, "view-0").reserve(4, 4)
    remove_folder(folder)
    assert not folder.exists()
