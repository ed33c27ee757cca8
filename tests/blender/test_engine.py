"""The engine behind the renders: found, started, killed, restarted, cancelled, and its errors."""

from __future__ import annotations

import os
import shutil
import signal
import time

import bpy
import numpy as np
import pytest
from conftest import ENGINE, raises_report
from exr import combined


@pytest.fixture
def session(part):
    return part("session")


def test_a_killed_engine_is_started_again_and_draws_the_same(avatar, render, session):
    before = combined(render())
    os.kill(session.client().pid, signal.SIGKILL)
    time.sleep(0.3)
    assert np.array_equal(combined(render()), before)


def test_an_engine_that_is_killed_while_it_draws_is_started_again(scene, avatar, render, session, part, monkeypatch):
    before = combined(render())
    wait = part("session").EngineClient.wait

    def kill_and_wait(self, ticket, poll=None, timeout=None):
        monkeypatch.undo()
        os.kill(self.pid, signal.SIGKILL)
        return wait(self, ticket, poll, timeout)

    monkeypatch.setattr(session.EngineClient, "wait", kill_and_wait)
    assert np.array_equal(combined(render()), before)


def test_the_engine_outlives_frames_but_not_the_add_on(avatar, render, session, addon):
    render()
    pid = session.client().pid
    render()
    assert session.client().pid == pid
    assert "numba" in session.status()
    addon.unregister()
    addon.register()
    assert not alive(pid)
    assert session.status().startswith("Not running")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_an_avatar_file_that_was_replaced_is_read_again(avatar, avatar_file, render, tmp_path):
    copy = tmp_path / "copy.perse"
    shutil.copy(avatar_file, copy)
    avatar["perse_path"] = str(copy)
    render()
    copy.write_bytes(b"PK\x03\x04 nothing")
    with raises_report("truncated-avatar"):
        render()


def test_a_missing_avatar_stops_the_animation_and_leaves_no_file(scene, avatar, tmp_path):
    avatar["perse_path"] = avatar["perse_last_seen"] = str(tmp_path / "gone.perse")
    scene.render.filepath = str(tmp_path / "out" / "frame_####")
    with raises_report("missing-avatar.*Relink"):
        bpy.ops.render.render(animation=True)
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_a_missing_camera_is_an_error(scene, avatar, render):
    scene.camera = None
    with raises_report("camera"):
        render()


def test_no_engine_anywhere(scene, avatar, render, session, monkeypatch, tmp_path):
    session.stop()
    monkeypatch.setenv("PERSE_ENGINE", "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    with raises_report("no-engine"):
        render()
    monkeypatch.setenv("PERSE_ENGINE", str(tmp_path / "nowhere"))
    with raises_report("PERSE_ENGINE is .*no such file"):
        render()


def test_the_preference_is_used_where_the_variable_is_not_set(avatar, render, session, monkeypatch):
    session.stop()
    monkeypatch.setenv("PERSE_ENGINE", "")
    preferences = bpy.context.preferences.addons["bl_ext.user_default.perse"].preferences
    preferences.engine_path = str(ENGINE)
    try:
        assert combined(render())[..., 3].max() > 0.9
    finally:
        preferences.engine_path = ""
        session.stop()


def test_a_cancelled_render_hands_nothing_over_and_is_no_error(scene, avatar, render, session, part, monkeypatch):
    scene.render.resolution_x = scene.render.resolution_y = 3000
    wait = session.EngineClient.wait
    took: list[float] = []

    def escape_after_a_moment(self, ticket, poll=None, timeout=None):
        assert poll is not None
        begin = time.monotonic()
        try:
            return wait(self, ticket, lambda: poll() or time.monotonic() - begin > 0.05, timeout)
        finally:
            took.append(time.monotonic() - begin)

    with monkeypatch.context() as patch:
        patch.setattr(session.EngineClient, "wait", escape_after_a_moment)
        patch.setattr(
            part("render_engine").PerseRenderEngine, "_hand_over", lambda *_: pytest.fail("it was handed over")
        )
        assert bpy.ops.render.render() == {"FINISHED"}
    assert took
    scene.render.resolution_x = scene.render.resolution_y = 96
    assert combined(render())[..., 3].max() > 0.9


def test_diagnostics_say_where_the_engine_and_the_avatars_are(avatar, render, part):
    render()
    text = part("diagnostics").diagnostics()
    for expected in (bpy.app.version_string, str(ENGINE), "numba", "test.perse", "PERSE_ENGINE"):
        assert expected in text
