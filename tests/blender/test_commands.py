"""`blender --command perse …`: frames, exit status, and what is said."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import bpy
import pytest
from conftest import ENGINE
from exr import combined
from farm_process import blender_process, command_line


@pytest.fixture
def perse(part, capfd):
    """Run a command in this process; its exit status and what it said of itself on stderr."""

    def run(*arguments: object) -> tuple[int, str]:
        capfd.readouterr()
        status = part("commands.commands").run([str(argument) for argument in arguments])
        said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("perse:")]
        return status, "\n".join(said)

    return run


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_render_writes_what_it_is_asked_for(perse, saved_shot):
    assert perse("render", saved_shot, "-f", "1-2,5") == (0, "")
    assert names(saved_shot.parent / "frames") == ["0001.exr", "0002.exr", "0005.exr"]
    assert perse("render", saved_shot, "-a", "--step", 3, "-o", saved_shot.parent / "again" / "f_##") == (0, "")
    assert names(saved_shot.parent / "again") == ["f_01.exr", "f_04.exr"]
    first, again = saved_shot.parent / "frames" / "0001.exr", saved_shot.parent / "again" / "f_01.exr"
    assert (combined(first) == combined(again)).all()
    assert combined(first)[..., 3].max() > 0.9


def test_render_uses_perse_whatever_the_file_says(perse, saved_shot, scene):
    bpy.context.scene.render.engine = "CYCLES"
    bpy.ops.wm.save_mainfile()
    assert perse("render", saved_shot, "-f", 1) == (0, "")
    assert combined(saved_shot.parent / "frames" / "0001.exr")[..., 3].max() > 0.9


def test_existing_frames_are_skipped_but_never_half_written_ones(perse, saved_shot):
    assert perse("render", saved_shot, "-f", "1-3")[0] == 0
    one, two, three = (saved_shot.parent / "frames" / f"000{frame}.exr" for frame in (1, 2, 3))
    whole = two.read_bytes()
    two.write_bytes(whole[:-100])
    three.write_bytes(b"")
    before = one.stat().st_mtime_ns
    assert perse("render", saved_shot, "-f", "1-3", "--skip-existing")[0] == 0
    assert one.stat().st_mtime_ns == before
    assert combined(two)[..., 3].max() > 0.9
    assert combined(three)[..., 3].max() > 0.9


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ((), 2, "usage"),
        (("render",), 2, "usage"),
        (("render", "SHOT"), 2, "usage"),
        (("draw",), 2, "usage"),
        (("render", "SHOT", "-f", "many"), 1, "bad-frames: 'many' names no frames"),
        (("render", "SHOT", "-f", "9-3"), 1, "bad-frames"),
        (("render", "absent.blend", "-a"), 1, "no-shot"),
        (("render", "SHOT", "-a", "--scene", "Night"), 1, "no-scene"),
        (("render", "SHOT", "-a", "-o", "SHOT/frames/##"), 1, "no-place"),
        (("collect", "absent.blend", "-o", "there"), 1, "no-shot"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_an_exit_status(perse, saved_shot, arguments, status, said):
    told = perse(*(str(argument).replace("SHOT", str(saved_shot)) for argument in arguments))
    assert told[0] == status
    assert told[1].startswith("perse: ")
    assert said in told[1]
    assert told[1].count("\n") == 0
    assert not (saved_shot.parent / "frames").exists()


def test_help_lists_every_command(part, capsys):
    assert part("commands.commands").run(["--help"]) == 0
    text = capsys.readouterr().out
    names = ("render", "collect", "missing", "install", "doctor", "build", "export", "info")
    assert all(name in text for name in names)


def test_the_engines_commands_are_passed_on(perse, saved_shot, capfd):
    assert perse("info", saved_shot.parent / "hero.perse") == (0, "")
    status, said = perse("build", "absent.jpg", "--out", saved_shot.parent / "new.perse")
    assert status == 2
    assert said.startswith("perse: file-missing")


def test_films_are_refused(perse, saved_shot):
    settings = bpy.context.scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "VIDEO"
    settings.file_format = "FFMPEG"
    bpy.ops.wm.save_mainfile()
    status, said = perse("render", saved_shot, "-a")
    assert status == 1
    assert "movie-format" in said


def test_a_missing_avatar_ends_before_the_first_frame(perse, saved_shot):
    (saved_shot.parent / "hero.perse").rename(saved_shot.parent / "else.perse")
    status, said = perse("render", saved_shot, "-a")
    assert (status, "missing-avatar" in said) == (1, True)
    assert not (saved_shot.parent / "frames").exists()


def test_the_exit_status_reaches_the_shell(saved_shot):
    done = blender_process(command_line("render", saved_shot, "-f", 2), saved_shot)
    assert done.returncode == 0, done.stderr
    nowhere = {"PERSE_ENGINE": str(saved_shot.parent / "nowhere")}
    done = blender_process(command_line("render", saved_shot, "-f", 3), saved_shot, environment=nowhere)
    assert done.returncode == 1
    assert "perse: no-engine" in done.stderr
    assert names(saved_shot.parent / "frames") == ["0002.exr"]


def test_doctor_looks_at_both_sides_and_at_the_shot(part, saved_shot, capfd):
    assert part("commands.commands").run(["doctor", str(saved_shot)]) == 0
    text = capfd.readouterr().out
    assert "shot.blend: all is there" in text
    assert str(ENGINE) in text
    (saved_shot.parent / "hero.perse").unlink()
    assert part("commands.commands").run(["doctor", str(saved_shot)]) == 1
    assert "missing-avatar" in capfd.readouterr().out


@pytest.mark.skipif(
    os.name == "nt" or os.geteuid() != 0 or not shutil.which("mount"), reason="needs a small disk of its own"
)
def test_a_full_disk_leaves_no_frame(perse, saved_shot):
    small = saved_shot.parent / "small"
    small.mkdir()
    if os.system(f"mount -t tmpfs -o size=16k tmpfs {small}") != 0:
        pytest.skip("may not mount")
    try:
        status, said = perse("render", saved_shot, "-f", 1, "-o", small / "##")
        assert (status, "no-space" in said) == (1, True)
        assert not list(small.iterdir())
    finally:
        os.system(f"umount {small}")
