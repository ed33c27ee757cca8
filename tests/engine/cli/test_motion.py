import json

import numpy as np
from PIL import Image


def turning(path, frames):
    neck = np.zeros((frames, 3))
    neck[:, 1] = np.linspace(0, 0.6, frames)
    np.savez(path, neck_pose=neck, fps=30)
    return path


def test_an_avatar_performs_a_motion(perse, avatar_file, tmp_path):
    out = tmp_path / "frames"
    motion = turning(tmp_path / "turn.npz", 3)
    status, text, _ = perse("render", avatar_file, "--out", out, "--size", "64x64", "--motion", motion, "--json")
    assert status == 0
    assert json.loads(text)["frames"] == 3
    assert json.loads(text)["fps"] == 30
    pictures = [np.asarray(Image.open(file)).astype(int) for file in sorted(out.iterdir())]
    assert [file.name for file in sorted(out.iterdir())] == ["0000.png", "0001.png", "0002.png"]
    assert np.abs(pictures[0] - pictures[2]).mean() > np.abs(pictures[0] - pictures[1]).mean() > 1


def test_a_bad_motion_is_said_before_anything_is_done(perse, avatar_file, tmp_path):
    bad = tmp_path / "take.csv"
    bad.write_text("a,b\n1,2\n")
    photo = tmp_path / "me.png"
    Image.new("RGB", (64, 64)).save(photo)
    for command in (
        ("render", avatar_file, "--out", tmp_path / "frames", "--motion", bad),
        ("build", photo, "--out", tmp_path / "me.perse", "--motion", bad),
    ):
        status, _, err = perse(*command)
        assert status == 2
        assert err.startswith("perse: bad-motion: take.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["me.png", "take.csv"]


def test_a_motion_needs_a_folder_for_its_frames(perse, avatar_file, tmp_path):
    taken = tmp_path / "taken.png"
    taken.write_bytes(b"")
    motion = turning(tmp_path / "turn.npz", 2)
    status, _, err = perse("render", avatar_file, "--out", taken, "--motion", motion)
    assert status == 2
    assert "wrong-path" in err
