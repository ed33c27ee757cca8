"""Install Engine: the card in the preferences, its buttons, and the line that the sidebar shows without an engine."""

from __future__ import annotations

import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from .. import session
from ..engine_setup.bundles import read_bundle
from ..engine_setup.plan import CANCELLED, DONE, FAILED, RUNNING, Report
from ..engine_setup.problem import SetupProblem
from ..extension import NAME
from ..perse_protocol import EngineFailure
from ..perse_protocol.environments import BUILDER, PLAYER, Environment, engines_folder
from ..perse_protocol.lookup import Place
from ..preferences import engine_place, preferences
from . import installing, jobs

_TICK_S = 0.5
_OFFLINE = "Allow Online Access is off: install from a bundle"
_COLUMNS, _SIDEBAR_COLUMNS = 78, 34
"""Letters that fit into a line of the card, and of the sidebar as wide as Blender makes it."""
TIERS = (
    (PLAYER, "Player", "What poses, draws and renders avatars"),
    (BUILDER, "Builder", "The player, and PyTorch to build avatars from photographs"),
)


@dataclass(frozen=True)
class State:
    """What the card and the sidebar say of the engine.

    Attributes:
        place: where it was found; None without one.
        trouble: why there is none; empty where there is one.
        environment: the installed environment that it is, if it is one.
    """

    place: Place | None
    trouble: EngineFailure | None
    environment: Environment | None


@dataclass
class _Seen:
    at: float = 0.0
    state: State = State(None, None, None)
    was_installing: bool = False


_seen = _Seen()


def state() -> State:
    """The engine as it was at most a second ago: panels are drawn at every move of the mouse."""
    if time.monotonic() - _seen.at > 1.0:
        _seen.state, _seen.at = look(), time.monotonic()
    return _seen.state


def can_build(now: State) -> bool:
    """Whether the engine builds avatars; of one that the add-on has not installed this is assumed."""
    return now.environment is None or now.environment.tier == BUILDER


def look() -> State:
    """The engine as it is."""
    try:
        place = engine_place()
    except EngineFailure as failure:
        return State(None, failure, None)
    own = [*installing.own_environments(), *installing.older()]
    return State(place, None, next((e for e in own if e.folder in place.command.parents), None))


class PERSE_OT_install_engine(bpy.types.Operator):
    """Download the engine from the Python package index and install it into your own folder, in the background"""

    bl_idname = "perse.install_engine"
    bl_label = "Install Engine"

    tier: bpy.props.EnumProperty(name="Tier", description="How much of the engine", items=TIERS, options={"HIDDEN"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if installing.is_installing():
            cls.poll_message_set("An engine is being installed")
            return False
        if not bpy.app.online_access:
            cls.poll_message_set("Switch on Allow Online Access in Preferences → System, or install from a bundle")
            return False
        return True

    @classmethod
    def description(cls, context: bpy.types.Context, properties: Any) -> str:
        size = "about 260 MB" if properties.tier == PLAYER else "about 460 MB, more with an NVIDIA card"
        return f"Download the engine ({size}) and install it into your own folder, in the background"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return _start(self, self.tier, bpy.app.online_access, None)


class PERSE_OT_install_bundle(bpy.types.Operator):
    """Install the engine from an offline bundle, without the network"""

    bl_idname = "perse.install_bundle"
    bl_label = "Install from Bundle…"

    filepath: bpy.props.StringProperty(subtype="FILE_PATH", options={"HIDDEN"})
    filter_glob: bpy.props.StringProperty(default="*.zip", options={"HIDDEN"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if installing.is_installing():
            cls.poll_message_set("An engine is being installed")
            return False
        return True

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        path = Path(bpy.path.abspath(self.filepath))
        try:
            tier = BUILDER if read_bundle(path).tier == BUILDER else PLAYER
        except SetupProblem as problem:
            self.report({"ERROR"}, str(problem))
            return {"CANCELLED"}
        return _start(self, tier, False, path)


class PERSE_OT_cancel_install(bpy.types.Operator):
    """Stop installing now. The engine in use stays; what is downloaded is kept, and Install goes on from there"""

    bl_idname = "perse.cancel_install"
    bl_label = "Cancel"

    def execute(self, context: bpy.types.Context) -> set[str]:
        installing.cancel()
        look_again()
        return {"FINISHED"}


class PERSE_OT_remove_engine(bpy.types.Operator):
    """Delete the installed engine and what it was made from, and free its space. Avatars and builds stay"""

    bl_idname = "perse.remove_engine"
    bl_label = "Remove Engine"

    older: bpy.props.BoolProperty(
        name="Older", description="Only the engines of other versions of the add-on", options={"HIDDEN"}
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if installing.is_installing():
            cls.poll_message_set("An engine is being installed")
            return False
        return True

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context: bpy.types.Context) -> set[str]:
        used = state().environment
        doomed = installing.older() if self.older else installing.own_environments() or ((used,) if used else ())
        try:
            _spare_builds()
            session.stop()
            installing.remove(doomed)
        except EngineFailure as failure:
            self.report({"ERROR"}, str(failure))
            return {"CANCELLED"}
        finally:
            look_again()
        return {"FINISHED"}


class PERSE_OT_show_install_log(bpy.types.Operator):
    """Open what the installation has said as a text of Blender's text editor"""

    bl_idname = "perse.show_install_log"
    bl_label = "Show Log"

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            content = installing.log_file().read_text(encoding="utf-8", errors="replace")
        except OSError:
            self.report({"WARNING"}, "Nothing was installed yet, so there is no log")
            return {"CANCELLED"}
        name = "PERSE install log"
        text = bpy.data.texts.get(name) or bpy.data.texts.new(name)
        text.from_string(content)
        self.report({"INFO"}, f"“{name}” is in the text editor")
        return {"FINISHED"}


def draw_card(layout: bpy.types.UILayout) -> None:
    """The one card of the preferences: what there is, where, and the buttons that apply."""
    box = layout.box()
    now, report = state(), installing.report()
    busy = report is not None and report.state == RUNNING
    used, own = now.environment, installing.own_environments()
    if now.place is not None or not busy:
        box.label(text=headline(now), icon="CHECKMARK" if now.place else "ERROR")
    else:
        box.label(text="Installing the engine", icon="TIME")
    if now.place is not None:
        _draw_facts(box, now)
    if now.trouble is not None and now.trouble.hint.startswith("correct"):
        _wrapped(box, f"{now.trouble.message}; {now.trouble.hint}", "BLANK1")
    if busy:
        row = box.split(factor=0.8, align=True)
        row.progress(factor=report.fraction, text=report.text)
        row.operator("perse.cancel_install", icon="X")
        _keep_looking()
    elif report is not None and report.state in (FAILED, CANCELLED):
        _wrapped(box, outcome(report), "ERROR" if report.state == FAILED else "PAUSE")
    if installing.left_behind():
        _wrapped(box, installing.left_behind(), "ERROR")
    if not busy:
        _draw_buttons(box, own, used)
    row = box.row(align=True)
    if report is not None:
        row.operator("perse.show_install_log", icon="TEXT")
    row.operator("perse.copy_diagnostics", icon="COPYDOWN")


def draw_missing(layout: bpy.types.UILayout) -> bool:
    """In the sidebar: one line and a button where there is no engine, or none that builds; whether it was drawn."""
    now, report = state(), installing.report()
    if report is not None and report.state == RUNNING:
        row = layout.row(align=True)
        row.progress(factor=report.fraction, text=report.text)
        row.operator("perse.cancel_install", text="", icon="X")
        _keep_looking()
        return True
    if now.place is not None and can_build(now):
        return False
    column = layout.column(align=True)
    if now.place is not None:
        text, label, tier = "Building avatars needs PyTorch", "Install Builder", BUILDER
    else:
        text, label, tier = "The PERSE engine is not installed", "Install Engine", PLAYER
    column.label(text=text, icon="INFO")
    row = column.row(align=True)
    if bpy.app.online_access and installing.key():
        row.operator("perse.install_engine", text=label, icon="IMPORT").tier = tier
    elif installing.key():
        row.operator("perse.install_bundle", icon="FILE_ARCHIVE")
    row.operator("perse.show_preferences", text="", icon="PREFERENCES")
    if report is not None and report.state == FAILED:
        _wrapped(column, outcome(report), "ERROR", _SIDEBAR_COLUMNS)
    return True


class PERSE_OT_show_preferences(bpy.types.Operator):
    """Open the add-on's preferences, where the engine is installed, updated and removed"""

    bl_idname = "perse.show_preferences"
    bl_label = "PERSE Preferences"

    def execute(self, context: bpy.types.Context) -> set[str]:
        bpy.ops.preferences.addon_show(module=NAME)
        return {"FINISHED"}


def headline(now: State) -> str:
    """The card's first line."""
    used = now.environment
    if now.place is None:
        return "No engine is installed" if now.trouble.message.endswith("not installed") else "No engine is in use"
    if used is None:
        return f"Engine of your own, by {now.place.source}"
    tier = "player and builder" if used.tier == BUILDER else "player; building avatars needs the builder"
    return f"Engine {used.version} ready: {tier}"


def outcome(report: Report) -> str:
    """What became of an installation that was not completed, and what to do."""
    if report.state == CANCELLED:
        return "Installing was cancelled; Install goes on from there"
    return f"Not installed: {report.message}; {report.hint}"


def _draw_facts(box: bpy.types.UILayout, now: State) -> None:
    used = now.environment
    rows = [("Where", str(used.folder if used else now.place.command))]
    if used is not None:
        size = installing.size_on_disk()
        rows += [
            ("Size", "measuring …" if size is None else f"{size / 1e6:.0f} MB on disk"),
            ("Device", f"{used.device}, {used.threads} threads"),
            ("Versions", f"Python {used.python}" + (f", PyTorch {used.torch}" if used.torch else "")),
        ]
        if size is None:
            _keep_looking()
    column = box.column(align=True)
    for name, text in rows:
        split = column.split(factor=0.2)
        split.label(text=name, icon="BLANK1")
        split.label(text=text)


def _draw_buttons(box: bpy.types.UILayout, own: tuple[Environment, ...], used: Environment | None) -> None:
    row = box.row(align=True)
    if not installing.key():
        row.label(text="This copy of the add-on carries no engine to install", icon="INFO")
        return
    if own:
        if own[0].tier == PLAYER:
            row.operator("perse.install_engine", text="Install Builder", icon="IMPORT").tier = BUILDER
    elif used is not None:
        row.operator("perse.install_engine", text="Update", icon="FILE_REFRESH").tier = used.tier
    else:
        row.operator("perse.install_engine", icon="IMPORT").tier = PLAYER
    row.operator("perse.install_bundle", icon="FILE_ARCHIVE")
    if own or used is not None or installing.report() is not None:  # what was begun takes space too
        row.operator("perse.remove_engine", text="Remove", icon="TRASH").older = False
    others = [each for each in installing.older() if each != used or own]
    if others:
        row = box.row(align=True)
        row.label(text=f"Engines of other versions of the add-on: {', '.join(each.key for each in others)}")
        row.operator("perse.remove_engine", text="Remove These", icon="TRASH").older = True
    if not bpy.app.online_access and not (own and own[0].tier == BUILDER):
        box.label(text=_OFFLINE, icon="INFO")


def _wrapped(layout: bpy.types.UILayout, text: str, icon: str, columns: int = _COLUMNS) -> None:
    column = layout.column(align=True)
    for line in textwrap.wrap(text, columns):
        column.label(text=line, icon=icon)
        icon = "BLANK1"


def _start(operator: bpy.types.Operator, tier: str, online: bool, bundle: Path | None) -> set[str]:
    own = preferences()
    python = bpy.path.abspath(own.python_path) if own is not None else ""
    try:
        installing.start(tier, online, bundle, python)
    except EngineFailure as failure:
        operator.report({"ERROR"}, str(failure))
        return {"CANCELLED"}
    look_again()
    return {"FINISHED"}


def _spare_builds() -> None:
    if jobs.watch():
        raise EngineFailure("job-running", "an avatar is being built with the engine", "wait, or cancel the build")


def finish() -> None:
    """A new engine is in place: use it from the next picture on, and delete what it has replaced."""
    replaced = installing.superseded()
    if replaced and not jobs.watch():
        session.stop()
        installing.remove(replaced)


def look_again() -> None:
    """See at once what has changed."""
    _seen.at = 0.0
    _keep_looking()


def _keep_looking() -> None:
    if not bpy.app.background and not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=_TICK_S, persistent=True)


def _tick() -> float | None:
    busy = installing.is_installing() or installing.is_removing()
    if _seen.was_installing and not busy:
        report = installing.report()
        if report is not None and report.state == DONE:
            finish()
        _seen.at = 0.0
    _seen.was_installing = busy
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            for region in area.regions:
                if (area.type, region.type) in (("VIEW_3D", "UI"), ("PREFERENCES", "WINDOW")):
                    region.tag_redraw()
    return _TICK_S if busy or (engines_folder().exists() and installing.size_on_disk() is None) else None


CLASSES = (
    PERSE_OT_install_engine,
    PERSE_OT_install_bundle,
    PERSE_OT_cancel_install,
    PERSE_OT_remove_engine,
    PERSE_OT_show_install_log,
    PERSE_OT_show_preferences,
)


def unregister() -> None:
    """Stop looking."""
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    _seen.at, _seen.state = 0.0, State(None, None, None)
