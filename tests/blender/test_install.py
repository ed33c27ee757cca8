"""Install Engine: from a bundle, cancelled, taken up again, refused, beside another version, updated and removed."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import bpy
import pytest
import tiny_engine
from conftest import ROOT, raises_report
from test_jobs import labels, picture, until

A, B = "9.0.0-aaaaaaaa", "9.1.0-bbbbbbbb"


@pytest.fixture(scope="session")
def uv(tmp_path_factory):
    return tiny_engine.uv_wheel(tmp_path_factory.mktemp("uv"))


@pytest.fixture
def installing(part, scene, tmp_path, monkeypatch):
    """The module, with a user's folder of its own and an add-on that carries the engine A."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "data"))
    monkeypatch.delenv("PERSE_ENGINE", raising=False)
    module = part("building.installing")
    carry(module, monkeypatch, tiny_engine.carried(tmp_path / "a" / "wheels", A))
    part("building.install").look_again()
    yield module
    module.cancel()
    module.carried_engine.cache_clear()
    part("building.install").look_again()


@pytest.fixture
def bundle_a(installing, part, tmp_path, uv):
    return tiny_engine.bundle(tmp_path / "a.zip", tmp_path / "a" / "wheels", uv, this(part))


def this(part) -> str:
    return part("engine_setup.machine").platform_tag()


def carry(module, monkeypatch, folder: Path) -> None:
    monkeypatch.setattr(module, "CARRIED", folder)
    module.carried_engine.cache_clear()


def install(module, path: Path):
    """Install from a bundle and wait; the last report."""
    assert bpy.ops.perse.install_bundle(filepath=str(path)) == {"FINISHED"}
    until(lambda: not module.is_installing())
    return module.report()


def card(part) -> list[str]:
    part("building.install").look_again()
    return labels_of(part("building.install").draw_card)


def labels_of(draw) -> list[str]:
    texts: list[str] = []

    class Layout:
        def __getattr__(self, name):
            def called(*args, **settings):
                texts.extend([settings["text"]] if settings.get("text") else [])
                if name == "operator":
                    texts.append(args[0])
                return Layout()

            return called

    draw(Layout())
    return texts


def test_from_a_bundle_to_an_engine_that_is_found(installing, bundle_a, part):
    assert "No engine is installed" in card(part)
    assert "perse.install_engine" in card(part)
    assert "The PERSE engine is not installed" in labels("PERSE_PT_create")
    assert install(installing, bundle_a).state == "done"
    (environment,) = installing.own_environments()
    assert environment.tier == "player"
    place = part("preferences").engine_place()
    assert place.source == "managed environment"
    assert environment.folder in place.command.parents
    until(lambda: installing.size_on_disk() is not None)
    shown = card(part)
    assert any(text.startswith("Engine 9.0.0 ready: player") for text in shown)
    assert str(environment.folder) in shown
    assert any("MB on disk" in text for text in shown)
    assert any("CPU, 2 threads" in text for text in shown)
    assert A in part("diagnostics").diagnostics()
    left = {path.name.partition("-")[0] for path in environment.folder.parent.iterdir()}
    assert left <= {"9.0.0", "uv", "install"}  # no cache, nothing unpacked
    assert bpy.ops.perse.show_install_log() == {"FINISHED"}
    assert "doctor" in bpy.data.texts["PERSE install log"].as_string()


@pytest.mark.slow
def test_the_command_line_installs_and_says_what_stops_it(installing, bundle_a, part, tmp_path, capfd):
    run = part("commands.commands").run
    assert run(["install", "--bundle", str(bundle_a)]) == 0
    (own,) = installing.own_environments()
    assert str(own.folder) in capfd.readouterr().out
    (tmp_path / "cut.zip").write_bytes(bundle_a.read_bytes()[:1000])
    assert run(["install", "--bundle", str(tmp_path / "cut.zip")]) == 1
    assert capfd.readouterr().err.startswith("perse: damaged-bundle: ")
    assert installing.own_environments() == (own,)


def test_without_uv_pip_does_it(installing, part, tmp_path):
    path = tiny_engine.bundle(tmp_path / "slow.zip", tmp_path / "a" / "wheels", None, this(part))
    assert install(installing, path).state == "done"
    assert installing.own_environments()
    assert "-m pip install" in installing.log_file().read_text()


def test_cancelled_half_way_nothing_is_used_and_the_next_goes_on(installing, bundle_a, part, monkeypatch, tmp_path):
    gate = tmp_path / "gate"
    gate.touch()
    monkeypatch.setenv("PERSE_TEST_WAIT", str(gate))
    bpy.ops.perse.install_bundle(filepath=str(bundle_a))
    until(lambda: installing.report().text == "Checking the engine")
    with raises_report("being installed"):
        bpy.ops.perse.install_bundle(filepath=str(bundle_a))
    process = installing._running.process
    began = time.monotonic()
    assert bpy.ops.perse.cancel_install() == {"FINISHED"}
    assert time.monotonic() - began < 5.0
    assert not installing.is_installing()
    assert process.poll() is not None
    if os.name == "posix":
        with pytest.raises(ProcessLookupError):  # its children too
            until(lambda: os.killpg(process.pid, 0), 2.0)
    assert installing.report().state == "cancelled"
    assert installing.own_environments() == ()
    part("building.install").look_again()
    assert "Installing was cancelled; Install goes on from there" in card(part)
    assert "perse.remove_engine" in card(part)
    gate.unlink()
    assert install(installing, bundle_a).state == "done"
    assert "going on in" in installing.log_file().read_text()
    assert len(list(installing.engines_folder().glob("9.0.0-*"))) == 1


def test_a_damaged_bundle_leaves_the_old_engine_in_use(installing, bundle_a, part, tmp_path):
    install(installing, bundle_a)
    before = part("preferences").engine_place()
    damaged = tmp_path / "damaged.zip"
    content = bytearray(bundle_a.read_bytes())
    content[content.index(b"SICK = False") + 3] ^= 1
    damaged.write_bytes(content)
    report = install(installing, damaged)
    assert (report.state, report.code) == ("failed", "damaged-bundle")
    assert "Not installed: damaged.zip is damaged or lacks a file; copy or" in " ".join(card(part))
    assert part("preferences").engine_place() == before
    damaged.write_bytes(content[: len(content) // 2])
    with raises_report("damaged-bundle"):
        bpy.ops.perse.install_bundle(filepath=str(damaged))
    other = tmp_path / "other.zip"
    shutil.make_archive(str(other.with_suffix("")), "zip", tmp_path / "a")
    with raises_report("damaged-bundle|not-a-bundle"):
        bpy.ops.perse.install_bundle(filepath=str(other))
    with raises_report("file-missing"):
        bpy.ops.perse.install_bundle(filepath=str(tmp_path / "nothing.zip"))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"platform": "plan9-vax"}, "other-platform"),
        ({"key": B}, "bundle-version"),
        ({"format": 99}, "bundle-version"),
    ],
)
def test_a_bundle_for_something_else_is_refused(installing, part, tmp_path, changes, code):
    path = tiny_engine.bundle(tmp_path / "x.zip", tmp_path / "a" / "wheels", None, this(part), **changes)
    if "format" in changes:
        with raises_report(code):
            bpy.ops.perse.install_bundle(filepath=str(path))
    else:
        assert install(installing, path).code == code
    assert installing.own_environments() == ()


def test_offline_without_a_bundle_it_is_one_sentence(installing):
    assert not bpy.app.online_access
    assert not bpy.ops.perse.install_engine.poll()
    with pytest.raises(installing.EngineFailure) as caught:
        installing.start("player", False)
    assert caught.value.code == "offline"
    assert "Allow Online Access" in caught.value.message
    assert not installing.engines_folder().exists()


def test_two_versions_live_beside_each_other(installing, bundle_a, part, tmp_path, uv, monkeypatch):
    install(installing, bundle_a)
    (first,) = installing.own_environments()
    carry(installing, monkeypatch, tiny_engine.carried(tmp_path / "b" / "wheels", B))
    engine_place = part("preferences").engine_place
    assert first.folder in engine_place().command.parents  # until its own is there, the other one
    assert "Update" in card(part)
    bundle_b = tiny_engine.bundle(tmp_path / "b.zip", tmp_path / "b" / "wheels", uv, this(part))
    assert install(installing, bundle_b).state == "done"
    (second,) = installing.own_environments()
    assert second.folder in engine_place().command.parents
    assert installing.older() == (first,)
    managed = part("perse_protocol.environments").managed_environment
    assert managed(key=A) == first
    assert managed(key=B) == managed() == second  # the command line takes the newest
    assert bpy.ops.perse.remove_engine(older=True) == {"FINISHED"}
    until(lambda: not first.folder.exists())
    assert installing.own_environments() == (second,)


def test_online_the_packages_come_from_where_pip_is_told(installing, part, tmp_path, uv, monkeypatch):
    """pip's settings name two folders and no index: uv, or pip, finds everything in them."""
    if uv is None:
        pytest.skip("uv cannot be downloaded: there is no package index")
    first, second = tmp_path / "a", tmp_path / "second"
    second.mkdir()
    shutil.copy(uv, second)
    tiny_engine.wheel(second, "torch", "0.0.1", tiny_engine.TORCH)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", f"{first} {second}")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.setenv("UV_PYTHON_INSTALL_MIRROR", "file:///nowhere")  # no Python is downloaded by a test
    installing.start("player", True)
    until(lambda: not installing.is_installing())
    assert installing.report().state == "done"
    kept = {path.name for path in installing.engines_folder().iterdir()}
    assert "cache" in kept  # the builder takes what the player has downloaded
    installing.start("builder", True)
    until(lambda: not installing.is_installing())
    assert installing.report().state == "done"
    assert "uv pip install" in installing.log_file().read_text()
    assert [each.tier for each in installing.own_environments()] == ["builder", "player"]


def test_an_engine_that_fails_its_check_never_counts(installing, bundle_a, part, tmp_path, uv, monkeypatch):
    install(installing, bundle_a)
    before = part("preferences").engine_place()
    carry(installing, monkeypatch, tiny_engine.carried(tmp_path / "b" / "wheels", B, sick=True))
    report = install(installing, tiny_engine.bundle(tmp_path / "b.zip", tmp_path / "b" / "wheels", uv, this(part)))
    assert report.code == "engine-unfit"
    assert "open head" in report.message
    assert part("preferences").engine_place() == before


def test_building_leads_to_the_builder_which_replaces_the_player(installing, bundle_a, part, tmp_path, uv):
    install(installing, bundle_a)
    (player,) = installing.own_environments()
    fields = bpy.context.window_manager.perse_create
    fields.photo = str(picture(tmp_path / "wall.png"))
    with raises_report("no-builder"):
        bpy.ops.perse.build_avatar()
    part("building.install").look_again()
    assert "Building avatars needs PyTorch" in labels("PERSE_PT_create")
    larger = tiny_engine.bundle(tmp_path / "large.zip", tmp_path / "a" / "wheels", uv, this(part), tier="builder")
    assert install(installing, larger).state == "done"
    part("building.install").finish()
    (builder,) = installing.own_environments()
    assert (builder.tier, builder.torch, builder.device) == ("builder", "0.0.1", "CPU")
    until(lambda: not player.folder.exists())
    part("building.install").look_again()
    assert part("building.install").can_build(part("building.install").look())
    assert "Building avatars needs PyTorch" not in labels("PERSE_PT_create")
    fields.photo = ""


def test_removing_frees_everything(installing, bundle_a, part):
    install(installing, bundle_a)
    assert bpy.ops.perse.remove_engine() == {"FINISHED"}
    until(lambda: not installing.is_removing())
    assert list(installing.engines_folder().iterdir()) == []
    assert installing.left_behind() == ""
    with pytest.raises(installing.EngineFailure, match="not installed"):
        part("preferences").engine_place()
    assert "No engine is installed" in card(part)


def test_an_unfit_python_is_refused_in_one_sentence(installing, bundle_a, tmp_path):
    preferences = bpy.context.preferences.addons["bl_ext.user_default.perse"].preferences
    preferences.python_path = str(tmp_path / "python9")
    try:
        assert install(installing, bundle_a).code == "bad-python"
    finally:
        preferences.python_path = ""


def test_an_installation_that_was_killed_says_so(installing, bundle_a, monkeypatch, tmp_path, part):
    gate = tmp_path / "gate"
    gate.touch()
    monkeypatch.setenv("PERSE_TEST_WAIT", str(gate))
    bpy.ops.perse.install_bundle(filepath=str(bundle_a))
    until(lambda: installing.report().text == "Checking the engine")
    installing._running.process.kill()
    gate.unlink()
    until(lambda: not installing.is_installing())
    assert installing.report().code == "stopped"
    assert "goes on from there" in " ".join(card(part))


def test_another_blender_sees_the_installation_and_may_cancel_it(installing, bundle_a, monkeypatch, tmp_path):
    gate = tmp_path / "gate"
    gate.touch()
    monkeypatch.setenv("PERSE_TEST_WAIT", str(gate))
    bpy.ops.perse.install_bundle(filepath=str(bundle_a))
    process, installing._running.process = installing._running.process, None  # this one has not started it
    until(lambda: installing.report().text == "Checking the engine")
    assert not bpy.ops.perse.install_bundle.poll()
    assert not bpy.ops.perse.remove_engine.poll()
    assert bpy.ops.perse.cancel_install() == {"FINISHED"}
    assert process.wait(5.0) != 0
    assert installing.report().state == "cancelled"


def test_nothing_is_written_by_registering_and_drawing(installing, addon, part, tmp_path):
    addon.register()
    card(part)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"key": 3}', '{"key": "x", "tier": "player", "made": "soon"}'])
def test_a_damaged_stamp_is_no_engine(installing, content, part):
    folder = installing.engines_folder() / "9.0.0-aaaaaaaa-1"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").touch()
    (folder / installing.STAMP).write_text(content)
    assert installing.own_environments() == ()
    (folder.parent / "install").mkdir()
    (folder.parent / "install" / "progress.json").write_text(content)
    assert installing.report() is None
    assert "No engine is installed" in card(part)


@pytest.mark.slow
def test_the_real_engine_installs_from_its_bundle_and_draws(part, scene, tmp_path, monkeypatch, avatar_file):
    bundles = sorted((ROOT / "build").glob("perse-bundle-*-player.zip"))
    carried = part("building.installing").CARRIED
    if not bundles or not (carried / "engine.json").exists():
        pytest.skip("needs build.py package, build.py bundle --player and PERSE_TEST_ZIP")
    if (
        json.loads((carried / "engine.json").read_text())["key"]
        != part("engine_setup.bundles").read_bundle(bundles[-1]).key
    ):
        pytest.skip("the bundle is of another tree: build.py bundle --player")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("PERSE_ENGINE")
    installing = part("building.installing")
    installing.carried_engine.cache_clear()
    assert install(installing, bundles[-1]).state == "done"
    part("session").stop()
    try:
        assert part("session").client().load(avatar_file).id
        assert tmp_path in part("preferences").engine_place().command.parents
    finally:
        part("session").stop()
