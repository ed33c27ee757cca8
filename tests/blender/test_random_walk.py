"""Random walks: whatever people press, in whatever order, no exception escapes and nothing is left running."""

from __future__ import annotations

import contextlib
import csv
import math
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from conftest import PACKAGE, import_avatar
from exr import combined

QUICK, LONG = (7, 130), (2026, 1000)
"""Seed and steps."""
_MOST_JOBS = 2  # that are begun, for each is a process of its own
_UNPRESSED = {"install_engine", "install_bundle", "show_preferences"}  # the network, minutes, a window
_STARTS_JOBS = {"build_avatar", "add_style_image", "add_style_words", "rename_style", "remove_style", "resume_job"}
_WORDS = ("", "Hair", "hair", "no such thing", "../x", "ünïcödé “name”", "x" * 300, "%s {0}", "attr_hair_red", "neck")


class Layout:
    """Takes what a panel draws, and refuses what Blender would refuse."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_arguments, **_settings: Layout()

    def prop(self, data: Any, name: str, **_settings: Any) -> None:
        """A property, which must be there."""
        assert name.strip('[]"') in data if name.startswith("[") else hasattr(data, name), (data, name)

    def template_icon_view(self, data: Any, name: str, **_settings: Any) -> None:
        """A choice of pictures."""
        assert hasattr(data, name), (data, name)

    def panel(self, _name: str, default_closed: bool = False) -> tuple[Layout, Layout]:
        """Always open."""
        return Layout(), Layout()


class Drawn:
    """Stands for a panel while its draw is called."""

    layout = Layout()


class Walk:
    """One walk: a source of chance, a folder of good and bad files, and what was done so far."""

    def __init__(self, seed: int, folder: Path, avatar_file: Path, part: Callable[[str], Any]) -> None:
        self.chance = random.Random(seed)
        self.folder, self.part = folder, part
        self.avatar = folder / "good.perse"
        self.source = avatar_file
        self.jobs = 0
        self.done: list[str] = []
        self.finished: set[str] = set()
        self._fill()

    def _fill(self) -> None:
        """Files as people have them, the bad ones too."""
        shutil.copy(self.source, self.avatar)
        (self.folder / "cut.perse").write_bytes(self.source.read_bytes()[:5000])
        (self.folder / "words.txt").write_text("not what you think")
        (self.folder / "empty.csv").write_bytes(b"")
        with (self.folder / "face.csv").open("w", newline="") as stream:
            rows = csv.writer(stream)
            rows.writerow(["Timecode", "BlendShapeCount", "JawOpen", "EyeBlinkLeft"])
            rows.writerows([[f"00:00:00:{k:02d}.000", 2, k / 20, 0.1] for k in range(20)])

    def path(self) -> str:
        """A path: of a file, of a folder, of nothing."""
        names = ("good.perse", "cut.perse", "words.txt", "face.csv", "empty.csv", "new.perse", "new.ply", "gone/x", "")
        return str(self.folder / self.chance.choice(names))

    def argument(self, definition: Any) -> Any:
        """A value for an operator's property, often one that makes sense."""
        chance, name = self.chance, definition.identifier
        rig = self.part("avatars.avatars").active_rig(bpy.context)
        if definition.type == "BOOLEAN":
            return chance.random() < 0.5
        if definition.type in ("INT", "FLOAT"):
            low, high = max(definition.soft_min, -100), min(definition.soft_max, 100)
            value = chance.choice((low, high, chance.uniform(low, high)))
            value = int(value) if definition.type == "INT" else value
            return [value] * definition.array_length if definition.is_array else value
        if definition.type == "ENUM":
            known = [item.identifier for item in definition.enum_items]
            return chance.choice(known) if known and not definition.is_enum_flag else None
        if definition.type != "STRING":
            return None
        if definition.subtype in ("FILE_PATH", "DIR_PATH") or name in ("filepath", "file", "directory"):
            return self.path()
        known = list(_WORDS)
        if rig is not None and chance.random() < 0.7:
            groups = self.part("avatars.sliders").groups(rig)
            known = (
                [group.label for group in groups] if name == "group" else list(self.part("avatars.sliders").names(rig))
            )
        if name == "job" and self.part("building.jobs").jobs():
            known = [job.id for job in self.part("building.jobs").jobs()]
        if name == "bone":
            known = [*self.part("rig.rig").CONTROLS, "no such bone"]
        return chance.choice(known) if known else ""

    def press(self) -> str:
        """Some button of ours, with arguments at random; what was pressed."""
        name = self.chance.choice(sorted(set(dir(bpy.ops.perse)) - _UNPRESSED))
        operator = getattr(bpy.ops.perse, name)
        if name in _STARTS_JOBS:
            if self.jobs >= _MOST_JOBS:
                return f"{name} (no more of them)"
            self.jobs += 1
        arguments = {}
        for definition in operator.get_rna_type().properties:
            if definition.identifier != "rna_type" and self.chance.random() < 0.8:
                value = self.argument(definition)
                if value is not None:
                    arguments[definition.identifier] = value
        try:
            if operator("EXEC_DEFAULT", True, **arguments) == {"FINISHED"}:
                self.finished.add(name)
        except RuntimeError as error:
            assert "Traceback" not in str(error), f"{name}({arguments}): {error}"
        except TypeError as error:  # an enum whose items are others by now
            assert "enum" in str(error), f"{name}({arguments}): {error}"
        return f"{name}({arguments})"

    def step(self) -> None:
        """One thing that people do."""
        do = self.chance.choices(
            (self.press, self.undo, self.redo, self.save, self.load, self.again, self.frame, self.delete, self.choose)
            + (self.bring, self.mode, self.slide, self.render, self.tidy, self.fields),
            (34, 6, 4, 2, 2, 1, 4, 3, 6, 5, 4, 6, 2, 1, 2),
        )[0]
        self.done.append(do.__name__)
        self.done[-1] += f" {do() or ''}"

    def undo(self) -> None:
        with contextlib.suppress(RuntimeError):
            bpy.ops.ed.undo()

    def redo(self) -> None:
        with contextlib.suppress(RuntimeError):
            bpy.ops.ed.redo()

    def save(self) -> None:
        bpy.ops.wm.save_as_mainfile(filepath=str(self.folder / "walk.blend"))

    def load(self) -> None:
        if (self.folder / "walk.blend").is_file():
            bpy.ops.wm.open_mainfile(filepath=str(self.folder / "walk.blend"))

    def again(self) -> None:
        bpy.ops.preferences.addon_disable(module=PACKAGE)
        bpy.ops.preferences.addon_enable(module=PACKAGE)

    def frame(self) -> None:
        bpy.context.scene.frame_set(self.chance.randrange(-5, 60))
        bpy.ops.ed.undo_push(message="Frame")

    def delete(self) -> str:
        things = [*bpy.data.objects, *bpy.data.actions, *bpy.data.armatures]
        thing = self.chance.choice(things)
        if thing == bpy.context.scene.camera or bpy.context.mode != "OBJECT":
            return ""
        named = repr(thing)
        bpy.data.batch_remove([thing])
        bpy.ops.ed.undo_push(message="Delete")
        return named

    def choose(self) -> None:
        things = [*bpy.context.view_layer.objects, None]
        for thing in bpy.context.selected_objects:
            thing.select_set(False)
        thing = self.chance.choice(things)
        if bpy.context.mode == "OBJECT":
            bpy.context.view_layer.objects.active = thing
        if thing is not None:
            thing.select_set(True)
        bpy.ops.ed.undo_push(message="Select")

    def bring(self) -> None:
        if len(list(self.part("avatars.avatars").rigs())) < 3:
            bpy.ops.perse.import_avatar("EXEC_DEFAULT", True, filepath=str(self.avatar))

    def mode(self) -> None:
        with contextlib.suppress(RuntimeError, TypeError):
            bpy.ops.object.mode_set("EXEC_DEFAULT", True, mode=self.chance.choice(("OBJECT", "POSE", "EDIT")))

    def slide(self) -> None:
        rig = self.part("avatars.avatars").active_rig(bpy.context)
        if rig is not None:
            name = self.chance.choice(self.part("avatars.sliders").names(rig))
            if name in rig:
                limits = rig.id_properties_ui(name).as_dict()
                rig[name] = self.chance.uniform(limits["min"], limits["max"])
                rig.update_tag()
                bpy.ops.ed.undo_push(message="Slide")

    def render(self) -> None:
        bpy.context.scene.render.engine = "PERSE"
        try:
            bpy.ops.render.render()
        except RuntimeError as error:
            assert "Traceback" not in str(error), error

    def tidy(self) -> None:
        """Put back the files that an operator has written over."""
        self._fill()

    def fields(self) -> None:
        """What stands in the fields of the panels."""
        wanted, found = bpy.context.window_manager.perse_create, bpy.context.window_manager.perse_filter
        wanted.photo, wanted.out = self.path(), self.chance.choice(("", "//", self.path()))
        found.search, found.changed = self.chance.choice(_WORDS), self.chance.random() < 0.3

    def check(self) -> None:
        """What holds after every step."""
        for rig in self.part("avatars.avatars").rigs():
            for name in self.part("avatars.sliders").names(rig):
                if name in rig:
                    limits = rig.id_properties_ui(name).as_dict()
                    value = float(rig[name])
                    assert math.isfinite(value), name
                    assert limits["min"] - 1e-6 <= value <= limits["max"] + 1e-6, (name, value)

    def draw(self) -> None:
        """Every panel of ours that shows itself."""
        for panel in bpy.types.Panel.__subclasses__():
            if not panel.__name__.startswith("PERSE_PT") or not panel.is_registered:
                continue
            if not hasattr(panel, "poll") or panel.poll(bpy.context):
                own = [vars(cls) for cls in reversed(panel.__mro__) if cls.__module__.startswith(PACKAGE)]
                methods = {name: value for each in own for name, value in each.items() if callable(value)}
                type("StandIn", (Drawn,), methods)().draw(bpy.context)


@pytest.fixture
def at_home(scene, tmp_path, monkeypatch, part, addon) -> Iterator[None]:
    """A home of its own; afterwards the add-on is there again, and nothing runs."""
    for name in ("XDG_DATA_HOME", "HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    yield
    if PACKAGE not in bpy.context.preferences.addons:
        bpy.ops.preferences.addon_enable(module=PACKAGE)
    wanted = bpy.context.window_manager.perse_create
    wanted.photo = wanted.out = ""
    part("building.jobs").stop_all()
    part("session").stop()


def walk(seed: int, steps: int, folder: Path, avatar_file: Path, part: Callable[[str], Any]) -> Walk:
    """Walk, and check after every step."""
    taken = Walk(seed, folder, avatar_file, part)
    scene = bpy.context.scene
    scene.render.resolution_x = scene.render.resolution_y = 32
    bpy.ops.ed.undo_push(message="Begin")
    for number in range(steps):
        try:
            taken.step()
            taken.check()
            taken.draw()
        except BaseException:
            print(f"seed {seed}, step {number}:", *taken.done[-8:], sep="\n  ")
            raise
    return taken


def children() -> set[int]:
    """The processes that this one has started and that still run."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == os.getpid() and fields[0] != "Z":
                found.add(int(stat.parent.name))
    return found


@pytest.mark.parametrize(
    ("seed", "steps"), [QUICK, pytest.param(*LONG, marks=pytest.mark.slow)], ids=["quick", "thousand"]
)
def test_whatever_is_pressed(seed, steps, at_home, tmp_path, avatar_file, part, capfd):
    before = children()
    taken = walk(seed, steps, tmp_path, avatar_file, part)
    assert len(taken.finished) >= 8, taken.finished  # or it was no walk
    part("building.jobs").stop_all()
    bpy.ops.preferences.addon_disable(module=PACKAGE)
    end = time.monotonic() + 20
    while children() - before and time.monotonic() < end:
        time.sleep(0.05)
    assert not children() - before
    said = capfd.readouterr()
    assert "Traceback" not in said.out + said.err


@pytest.mark.parametrize("times", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_an_engine_that_is_killed_at_random_draws_the_same_again(times, at_home, avatar, render, part):
    session, chance = part("session"), random.Random(times)
    bpy.context.scene.render.resolution_x = bpy.context.scene.render.resolution_y = 32
    expected = combined(render())
    for _ in range(times):
        assert "numba" in session.status()
        time.sleep(chance.uniform(0, 0.1))
        os.kill(session.client().pid, signal.SIGKILL)
        end = time.monotonic() + 10
        while "numba" in session.status() and time.monotonic() < end:
            time.sleep(0.01)
        assert session.status().startswith("Not running")
        assert np.array_equal(combined(render()), expected)


def test_the_first_avatar_of_a_file_is_seen_and_what_hides_it_is_named(scene, avatar_file, part):
    rig = import_avatar(avatar_file)
    assert part("avatars.framing").hiding(rig, bpy.context) == ""
    bpy.ops.mesh.primitive_cube_add()
    assert part("avatars.framing").hiding(rig, bpy.context) == "Cube"
    bpy.context.object.location.x = 5
    bpy.context.view_layer.update()
    assert part("avatars.framing").hiding(rig, bpy.context) == ""
