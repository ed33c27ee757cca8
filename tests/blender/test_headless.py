"""A render that nobody watches: it stops with an error, and leaves no blank, short or foreign frame."""

from __future__ import annotations

import dataclasses
import os
import shutil

import bpy
import pytest
from conftest import ROOT, raises_report
from exr import combined
from farm_process import blender_process


def render_all() -> None:
    bpy.ops.render.render(animation=True)


def test_an_error_in_python_stops_the_animation_too(saved_shot, part, monkeypatch):
    def fails(self, *_given):
        raise KeyError("surprise")

    monkeypatch.setattr(part("render_engine").PerseRenderEngine, "_render", fails)
    with raises_report("internal.*surprise"):
        render_all()
    assert not list((saved_shot.parent / "frames").glob("*"))


def test_every_problem_is_told_at_once_before_the_first_frame(saved_shot, part):
    avatar = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE")
    avatar["perse_saved_with"] = "9.3.1"
    (saved_shot.parent / "hero.perse").unlink()
    with raises_report("older-add-on: .*9.3.1.*hero.perse"):
        render_all()
    assert not list((saved_shot.parent / "frames").glob("*"))


def test_saving_says_with_what(saved_shot, part):
    avatar = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE")
    assert avatar["perse_saved_with"] == part("avatars.versions").addon_version()
    assert part("rendering.preflight").problems(bpy.context.scene) == []


def test_an_engine_of_another_release_is_refused(saved_shot, part, monkeypatch):
    session = part("session")
    session.client()
    monkeypatch.setattr(session._session, "welcome", dataclasses.replace(session._session.welcome, engine="7.1.0"))
    monkeypatch.setattr(session.EngineClient, "start", lambda self, poll=None: session._session.welcome)
    (found,) = part("rendering.preflight").problems(bpy.context.scene)
    assert found.code == "other-engine"


def test_too_little_memory_is_told(saved_shot, part, monkeypatch):
    monkeypatch.setattr(part("rendering.preflight"), "free_memory", lambda: 100 << 20)
    assert [failure.code for failure in part("rendering.preflight").problems(bpy.context.scene)] == ["low-memory"]
    assert part("rendering.free_memory").free_memory() is None or part("rendering.free_memory").free_memory() > 1 << 20


def test_an_avatar_that_no_render_shows_may_be_missing(saved_shot, part):
    (saved_shot.parent / "hero.perse").unlink()
    proxy = next(thing for thing in bpy.data.objects if thing.type == "MESH" and "perse_proxy" in thing)
    proxy.hide_render = True
    assert part("rendering.preflight").problems(bpy.context.scene) == []


def test_instanced_avatars_are_looked_at(saved_shot, part):
    scene = bpy.context.scene
    collection = bpy.data.collections.new("crowd")
    for thing in [thing for thing in scene.objects if thing.type in ("ARMATURE", "MESH")]:
        for owner in thing.users_collection:
            owner.objects.unlink(thing)
        collection.objects.link(thing)
    empty = bpy.data.objects.new("instance", None)
    empty.instance_type, empty.instance_collection = "COLLECTION", collection
    scene.collection.objects.link(empty)
    assert len(part("rendering.preflight").rendered_rigs(scene)) == 1


def test_a_frame_that_a_killed_blender_left_half_written_is_not_skipped(saved_shot, part, monkeypatch):
    monkeypatch.setattr(part("rendering.headless"), "_SETTLED", 0.1)
    bpy.context.scene.frame_end = 2
    render_all()
    one, two = (saved_shot.parent / "frames" / f"000{frame}.exr" for frame in (1, 2))
    before = one.stat().st_mtime_ns
    two.write_bytes(two.read_bytes()[:5000])
    bpy.context.scene.render.use_overwrite = False
    render_all()
    assert one.stat().st_mtime_ns == before
    assert combined(two)[..., 3].max() > 0.9


def mounted(folder, size: str) -> bool:
    folder.mkdir()
    return os.system(f"mount -t tmpfs -o size={size} tmpfs {folder}") == 0


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0 or not shutil.which("mount"), reason="needs a small disk")
def test_a_full_disk_leaves_no_half_frame(saved_shot, capfd):
    small = saved_shot.parent / "small"
    if not mounted(small, "16k"):
        pytest.skip("may not mount")
    try:
        bpy.context.scene.render.filepath = str(small / "####")
        bpy.context.scene.frame_end = 1
        render_all()
        assert "no-space" in capfd.readouterr().err
        assert not list(small.iterdir())
    finally:
        os.system(f"umount {small}")


PREFLIGHT = f"import runpy; runpy.run_path({str(ROOT / 'perse_blender' / 'perse_preflight.py')!r}, run_name='__main__')"


@pytest.mark.parametrize(
    ("extension", "avatar", "status", "said"),
    [
        (True, True, 0, "all is there"),
        (True, False, 1, "missing-avatar"),
        (False, True, 1, "no-extension"),
        (False, False, 1, "missing-avatar"),
    ],
)
def test_the_preflight_script_works_without_the_extension(saved_shot, extension, avatar, status, said):
    if not avatar:
        (saved_shot.parent / "hero.perse").unlink()
    done = blender_process(PREFLIGHT, saved_shot, extension=extension, options=["-E", "PERSE"])
    assert done.returncode == status, done.stdout + done.stderr
    assert said in done.stdout + done.stderr


def test_the_preflight_script_asks_for_the_engine(saved_shot):
    bpy.context.scene.render.engine = "CYCLES"
    bpy.ops.wm.save_mainfile()
    done = blender_process(PREFLIGHT, saved_shot)
    assert done.returncode == 1
    assert "add -E PERSE" in done.stderr
    assert blender_process(PREFLIGHT, saved_shot, options=["-E", "PERSE"]).returncode == 0


def test_blenders_thread_limit_reaches_the_engine(saved_shot, part, monkeypatch):
    session, render = part("session"), bpy.context.scene.render
    render.threads_mode, render.threads = "FIXED", 1
    session.stop()
    session.client()
    assert "1 threads" in session.status()
    session.stop()
    monkeypatch.setenv("PERSE_THREADS", "2")
    session.client()
    assert "2 threads" in session.status() or os.cpu_count() == 1
    session.stop()
