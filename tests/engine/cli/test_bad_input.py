"""What bad input gets: one sentence with a stable code, exit status 2, and nothing half-written."""

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import skimage
from PIL import Image
from safetensors.numpy import save_file


def noise(width, height, mode="RGB"):
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 255, (height, width, 3), np.uint8)).convert(mode)


class Hostile:
    """Writes a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def files(tmp_path, avatar_file):
    """One file of each bad kind, made here."""
    folder = tmp_path / "inputs"
    folder.mkdir()
    whole = avatar_file.read_bytes()

    def rewritten(name, change):
        with zipfile.ZipFile(avatar_file) as source, zipfile.ZipFile(folder / name, "w") as target:
            for entry in source.infolist():
                target.writestr(entry.filename, change(entry.filename, source.read(entry)))

    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("this is no picture")
    noise(400, 400).save(folder / "noise.jpg")
    noise(40, 40).save(folder / "tiny.png")
    content = (folder / "noise.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(content[: len(content) // 3])
    face = Image.fromarray(skimage.data.astronaut()).crop((100, 0, 340, 240))
    pair = Image.new("RGB", (480, 240))
    pair.paste(face, (0, 0))
    pair.paste(face, (240, 0))
    pair.save(folder / "pair.png")
    Image.new("L", (12_500, 64)).save(folder / "wide.png")
    (folder / "evil.pkl").write_bytes(pickle.dumps(Hostile(folder / "the code ran")))
    (folder / "empty.perse").touch()
    (folder / "text.perse").write_text("this is no avatar")
    (folder / "cut.perse").write_bytes(whole[: len(whole) // 2])
    with zipfile.ZipFile(folder / "other.perse", "w") as archive:
        archive.writestr("holiday.txt", "a zip of something else")
    rewritten("edited.perse", lambda name, data: data.replace(b'"avatar"', b'"Avatar"') if "json" in name else data)
    rewritten("newer.perse", lambda name, data: re.sub(rb'"version": ?\d+', b'"version": 99', data))
    (folder / "notes.perse").mkdir()
    for name in ("hostile", "cut", "others"):
        (folder / name).mkdir()
    hostile = pickle.dumps(Hostile(folder / "the code ran"), protocol=2)
    (folder / "hostile" / "alexnet-owt-7be5be79.pth").write_bytes(hostile)
    (folder / "hostile" / "alex.pth").touch()
    save_file({"a": np.zeros(9)}, folder / "others" / "pt_inception-2015-12-05-6726825d.safetensors")
    content = (folder / "others" / "pt_inception-2015-12-05-6726825d.safetensors").read_bytes()
    (folder / "cut" / "pt_inception-2015-12-05-6726825d.safetensors").write_bytes(content[:-9])
    return folder


AVATAR = "AVATAR"
OUT = "OUT.png"
BAD = [
    # command line
    ("no command", [], "usage"),
    ("an unknown command", ["draw"], "usage"),
    ("a missing argument", ["render"], "usage"),
    ("a missing option", ["render", AVATAR], "usage"),
    ("an unknown option", ["render", AVATAR, "--out", OUT, "--zoom", "2"], "usage"),
    ("a word for a number", ["render", AVATAR, "--out", OUT, "--yaw", "left"], "usage"),
    ("a negative seed", ["build", "text.jpg", "--out", "x.perse", "--seed", "-1"], "usage"),
    # render
    ("no avatar file", ["render", "absent.perse", "--out", OUT], "no-such-avatar"),
    ("a folder for an avatar", ["render", "notes.perse", "--out", OUT], "no-such-avatar"),
    ("an empty avatar", ["render", "empty.perse", "--out", OUT], "not-an-avatar"),
    ("a text file", ["render", "text.perse", "--out", OUT], "not-an-avatar"),
    ("another zip", ["render", "other.perse", "--out", OUT], "not-an-avatar"),
    ("an avatar cut short", ["render", "cut.perse", "--out", OUT], "truncated-avatar"),
    ("an avatar edited by hand", ["render", "edited.perse", "--out", OUT], "edited-avatar"),
    ("an avatar of another version", ["info", "newer.perse"], "avatar-version"),
    ("an unknown attribute", ["render", AVATAR, "--out", OUT, "--set", "attr_hair_pink=1"], "unknown-slider"),
    ("a misspelt expression", ["render", AVATAR, "--out", OUT, "--set", "expr_jawopn=1"], "unknown-slider"),
    ("no kind of slider", ["render", AVATAR, "--out", OUT, "--set", "hair=1"], "unknown-slider"),
    ("a NaN slider", ["render", AVATAR, "--out", OUT, "--set", "expr_jawopen=nan"], "not-a-number"),
    ("a word for a value", ["render", AVATAR, "--out", OUT, "--set", "expr_jawopen=wide"], "not-a-number"),
    ("a slider without value", ["render", AVATAR, "--out", OUT, "--set", "expr_jawopen"], "bad-setting"),
    ("a size of nothing", ["render", AVATAR, "--out", OUT, "--size", "0x100"], "bad-size"),
    ("a size of words", ["render", AVATAR, "--out", OUT, "--size", "large"], "bad-size"),
    ("a size beyond measure", ["render", AVATAR, "--out", OUT, "--size", "99999x99999"], "bad-size"),
    ("a colour of words", ["render", AVATAR, "--out", OUT, "--background", "red"], "bad-color"),
    ("an unknown state", ["render", AVATAR, "--out", OUT, "--state", "angry"], "unknown-state"),
    ("an unknown camera", ["render", AVATAR, "--out", OUT, "--camera", "top"], "unknown-camera"),
    ("an angle that is no number", ["render", AVATAR, "--out", OUT, "--yaw", "nan"], "not-a-number"),
    ("another picture format", ["render", AVATAR, "--out", "OUT.gif"], "image-format"),
    # build
    ("no photo", ["build", "absent.jpg", "--out", "x.perse"], "file-missing"),
    ("a folder for a photo", ["build", "notes.perse", "--out", "x.perse"], "is-a-directory"),
    ("an empty photo", ["build", "empty.jpg", "--out", "x.perse"], "empty-file"),
    ("a text for a photo", ["build", "text.jpg", "--out", "x.perse"], "not-an-image"),
    ("a photo cut short", ["build", "cut.jpg", "--out", "x.perse"], "truncated-image"),
    ("a photo of 40 x 40", ["build", "tiny.png", "--out", "x.perse"], "too-small"),
    ("a photo without a face", ["build", "noise.jpg", "--out", "x.perse"], "no-face"),
    ("a photo of two faces", ["build", "pair.png", "--out", "x.perse"], "several-faces"),
    ("a photo of 12,500 x 64", ["build", "wide.png", "--out", "x.perse"], "too-large"),
    ("a picture for a FLAME file", ["build", "pair.png", "--out", "x.perse", "--head", "noise.jpg"], "not-a-head"),
    ("a hostile pickle", ["build", "pair.png", "--out", "x.perse", "--head", "evil.pkl"], "hostile-file"),
    ("an unknown preset", ["build", "noise.jpg", "--out", "x.perse", "--preset", "best"], "unknown-preset"),
    ("no FLAME file", ["build", "noise.jpg", "--out", "x.perse", "--head", "absent.pkl"], "file-missing"),
    ("a portrait of nothing", ["synthesize", "notes.perse", "--out", "clips"], "not-a-portrait"),
    ("clips of nothing", ["train", "notes.perse", "--out", "x.perse"], "not-a-dataset"),
    ("an evaluation of nothing", ["evaluate", "absent.perse", "--report", "report"], "no-such-avatar"),
    ("weights from nowhere", ["evaluate", AVATAR, "--report", "report", "--weights", "nowhere"], "file-missing"),
    ("hostile weights", ["evaluate", AVATAR, "--report", "report", "--weights", "hostile"], "hostile-file"),
    ("weights cut short", ["evaluate", AVATAR, "--report", "report", "--weights", "cut"], "damaged-weights"),
    ("weights of another network", ["evaluate", AVATAR, "--report", "report", "--weights", "others"], "other-weights"),
]


@pytest.mark.parametrize(("arguments", "code"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_input_gets_one_sentence_and_leaves_nothing(perse, files, avatar_file, monkeypatch, arguments, code):
    monkeypatch.chdir(files)
    before = sorted(path.name for path in files.iterdir())
    status, out, err = perse(*(avatar_file if argument == AVATAR else argument for argument in arguments))
    assert re.fullmatch(r"perse: [a-z-]+: [^\n]+; [^\n]+\n", err), err
    assert err.startswith(f"perse: {code}: ")
    assert status == 2
    assert out == ""
    assert sorted(path.name for path in files.iterdir()) == before


@pytest.mark.skipif(
    os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_place_that_may_not_be_written(perse, avatar_file, tmp_path):
    tmp_path.chmod(0o500)
    status, _, err = perse("render", avatar_file, "--out", tmp_path / "picture.png")
    assert status == 2
    assert err.startswith("perse: no-permission: ")


def test_a_full_disk_keeps_the_old_file(perse, avatar_file, tmp_path, monkeypatch):
    out = tmp_path / "picture.png"
    out.write_bytes(b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device", str(out))

    monkeypatch.setattr(os, "fsync", full)
    status, _, err = perse("render", avatar_file, "--out", out)
    assert status == 1
    assert err.startswith("perse: no-space: ")
    assert out.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]


def test_a_path_through_a_file(perse, avatar_file, tmp_path):
    (tmp_path / "file").touch()
    status, _, err = perse("render", avatar_file, "--out", tmp_path / "file" / "picture.png")
    assert status == 2
    assert err.startswith("perse: wrong-path: ")


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_ends_with_130():
    process = subprocess.Popen(
        [sys.executable, "-c",
         "import perse_engine.service.doctor as doctor, time, sys\n"
         "def examine():\n"
         "    sys.stdout.write('ready\\n'); sys.stdout.flush(); time.sleep(60)\n"
         "doctor.examine = examine\n"
         "sys.argv = ['perse', 'doctor']\n"
         "from perse_engine.cli import main; main()"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.startswith("perse: cancelled: ")
    assert err.count("\n") == 1


def test_an_absent_package_names_the_extra_that_brings_it(perse, avatar_file, monkeypatch, tmp_path):
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "perse_engine.training.training", raising=False)
    monkeypatch.delitem(sys.modules, "perse_engine.avatars.torch_decode", raising=False)
    status, _, err = perse("train", tmp_path, "--out", tmp_path / "x.perse")
    assert status == 1
    assert err == "perse: missing-package: this needs torch, which is not installed; install perse-engine[builder]\n"


def test_an_error_of_ours_is_one_line_too_and_keeps_its_details(perse, avatar_file, monkeypatch, tmp_path):
    import perse_engine.service.info as info

    def broken(*arguments):
        raise ZeroDivisionError("division by\nzero")

    monkeypatch.setattr(info, "avatar_info", broken)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    status, _, err = perse("info", avatar_file)
    assert status == 1
    assert re.fullmatch(r"perse: internal: ZeroDivisionError: division by zero; report this with [^\n]+\n", err)


def test_json_reports_are_json(perse, avatar_file, tmp_path):
    status, out, _ = perse("render", avatar_file, "--out", tmp_path / "a.png", "--size", "16x16", "--json")
    assert status == 0
    assert json.loads(out) == {"out": str(tmp_path / "a.png"), "width": 16, "height": 16}
