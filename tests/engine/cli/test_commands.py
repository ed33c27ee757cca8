import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from perse_engine.avatars.file import load_avatar
from perse_engine.cli.app import app
from perse_engine.cli.picture import view_of
from perse_engine.cli.running import spread_settings

COMMANDS = [command.callback.__name__ for command in app.registered_commands]
BLOCK_TORCH = """
import importlib.machinery, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name == 'torch' else None
    def create_module(self, spec):
        raise AssertionError('torch was imported')
sys.meta_path.insert(0, Refuse())
from perse_engine.cli import main
main()
"""


def pixels(path):
    return np.asarray(Image.open(path)).astype(int)


def test_the_commands_are_there():
    words = (
        "portrait check build synthesize train render export evaluate ablate fitcheck gallery between styles "
        "info doctor serve bench"
    )
    assert sorted(COMMANDS) == sorted(words.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(perse, command):
    status, out, _ = perse(command, "--help")
    assert status == 0
    assert f"Example: perse {command}" in out


def test_help_needs_nothing_heavy():
    script = "import sys, perse_engine.cli; print([m for m in ('numpy', 'numba', 'torch', 'cv2') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "[]"


def test_render_does_not_import_torch(avatar_file, tmp_path):
    out = tmp_path / "picture.png"
    command = [sys.executable, "-c", BLOCK_TORCH, "render", avatar_file, "--out", out, "--size", "64x48"]
    subprocess.run(command, check=True)
    assert pixels(out).shape == (48, 64, 4)


def test_render_draws_straight_alpha_or_a_background(perse, avatar_file, tmp_path):
    out = tmp_path / "picture.png"
    assert perse("render", avatar_file, "--out", out, "--size", "96x96")[0] == 0
    clear = pixels(out)
    assert clear[0, 0, 3] == 0
    assert clear[48, 48, 3] == 255
    assert perse("render", avatar_file, "--out", out, "--size", "96x96", "--background", "204060")[0] == 0
    filled = pixels(out)
    assert (filled[..., 3] == 255).all()
    assert filled[0, 0, :3].tolist() == [0x20, 0x40, 0x60]
    assert np.abs(filled[48, 48] - clear[48, 48]).max() <= 1


def test_sliders_and_angles_change_the_picture(perse, avatar_file, tmp_path):
    def drawn(*options):
        out = tmp_path / "picture.png"
        assert perse("render", avatar_file, "--out", out, "--size", "96x96", *options)[0] == 0
        return pixels(out)

    rest = drawn()
    for options in (["--set", "expr_jawopen=1"], ["--yaw", "30"], ["--pitch", "-20"], ["--roll", "15"]):
        assert np.abs(drawn(*options) - rest).mean() > 0.1
    several = drawn("--set", "expr_jawopen=1", "expr_mouthsmileleft=1")
    repeated = drawn("--set", "expr_jawopen=1", "--set", "expr_mouthsmileleft=1")
    assert np.array_equal(several, repeated)
    assert np.array_equal(drawn("--set", "expr_jawopen=7"), drawn("--set", "expr_jawopen=1.5"))
    assert np.array_equal(drawn("--set", "expr_jawopen=0"), rest)


def test_angles_move_the_camera_to_the_persons_left_and_up(avatar_file):
    avatar = load_avatar(avatar_file)
    start = view_of(avatar, "front", (64, 64), (0.0, 0.0, 0.0)).position()
    assert view_of(avatar, "front", (64, 64), (30.0, 0.0, 0.0)).position()[0] > start[0] + 0.1
    assert view_of(avatar, "front", (64, 64), (0.0, 30.0, 0.0)).position()[1] > start[1] + 0.1


def test_portrait_camera_is_the_photos_own_framing(perse, avatar_file, tmp_path):
    out = tmp_path / "picture.png"
    status, text, _ = perse("render", avatar_file, "--out", out, "--camera", "portrait", "--state", "photo", "--json")
    assert status == 0
    assert json.loads(text)["width"] == Image.open(out).width


def test_info_says_what_sliders_there_are(perse, avatar_file):
    status, text, _ = perse("info", avatar_file, "--json")
    info = json.loads(text)
    assert status == 0
    assert info["gaussians"] == 5000
    slider = next(slider for slider in info["sliders"] if slider["slider"] == "expr_jawopen")
    assert (slider["soft_min"], slider["soft_max"]) == (0.0, 1.0)
    assert perse("info", avatar_file)[0] == 0


def test_doctor_explains_itself(perse, tmp_path, monkeypatch):
    monkeypatch.setenv("PERSE_ENGINE", str(tmp_path))
    status, text, _ = perse("doctor", "--json")
    findings = {finding["name"]: finding for finding in json.loads(text)}
    assert findings["rasterizer numba"]["state"] == "ok"
    assert "there is no" in findings["engine by PERSE_ENGINE"]["detail"]
    assert (status == 1) == any(finding["state"] == "missing" for finding in findings.values())
    monkeypatch.setenv("PERSE_THREADS", "none")
    status, text, _ = perse("doctor")
    assert status == 1


def test_settings_may_follow_each_other():
    assert spread_settings(["--set", "a=1", "b=2", "--yaw", "3", "c=4"]) == [
        "--set", "a=1", "--set", "b=2", "--yaw", "3", "c=4",
    ]  # fmt: skip
    assert spread_settings(["render", "x=1.perse", "--set", "a=1"]) == ["render", "x=1.perse", "--set", "a=1"]


def test_styles_are_listed_and_combined(perse, tmp_path):
    status, out, _ = perse("styles", "--json")
    assert status == 0
    assert {"attr_hair_bald", "attr_nose_broad"} <= {style["slider"] for style in json.loads(out)}
    mine = tmp_path / "mine.toml"
    assert perse("styles", "--vary", "hair=3", "--vary", "nose=2", "--out", mine)[0] == 0
    more = json.loads(perse("styles", "--styles", mine, "--json")[1])
    assert len(more) == len(json.loads(out)) + 5


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--vary", "hair=3"], "no-output"),
        (["--vary", "hair", "--out", "x.toml"], "bad-count"),
        (["--vary", "socks=3", "--out", "x.toml"], "unknown-category"),
        (["--vary", "nose=999", "--out", "x.toml"], "too-many-styles"),
        (["--styles", "absent.toml"], "no-catalogue"),
    ],
)
def test_wrong_wishes_for_styles_are_said(perse, tmp_path, monkeypatch, arguments, code):
    monkeypatch.chdir(tmp_path)
    status, _, error = perse("styles", *arguments)
    assert status == 2
    assert error.startswith(f"perse: {code}: ")
    assert not list(tmp_path.iterdir())
