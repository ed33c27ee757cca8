"""The add-on comes and goes without a trace, and does nothing until it is asked to."""

from __future__ import annotations

import ast
from pathlib import Path

import bpy
import pytest

NAMES = ("PERSE_OT_import_avatar", "PERSE_PT_attributes", "PERSE_OT_key_changed", "PerseRenderEngine")


def registered() -> set[str]:
    return {
        cls.__name__
        for base in (bpy.types.Operator, bpy.types.Panel, bpy.types.RenderEngine, bpy.types.AddonPreferences)
        for cls in base.__subclasses__()
        if cls.__name__.startswith(("PERSE", "Perse")) and cls.is_registered
    }


def traces() -> list[object]:
    """Whatever else Blender would still know of the add-on."""
    import_menu = getattr(bpy.types.TOPBAR_MT_file_import.draw, "_draw_funcs", [])
    handlers = [function for name in ("save_pre", "save_post") for function in getattr(bpy.app.handlers, name)]
    ours = [f for f in [*import_menu, *handlers] if "perse" in getattr(f, "__module__", "")]
    panels = [p for p in bpy.types.Panel.__subclasses__() if "PERSE" in getattr(p, "COMPAT_ENGINES", ())]
    return ours + panels


@pytest.fixture(autouse=True)
def back_again(addon):
    yield
    addon.register()


def test_registering_twice_and_unregistering_twice(addon):
    once, marks = registered(), len(traces())
    assert set(NAMES) <= once
    addon.register()
    assert registered() == once
    assert len(traces()) == marks
    addon.unregister()
    addon.unregister()
    assert registered() == set()
    assert traces() == []
    assert not hasattr(bpy.types, "PERSE_PT_attributes")


def test_registering_after_an_error(addon, part, monkeypatch):
    def fail() -> None:
        raise RuntimeError("no")

    addon.unregister()
    with monkeypatch.context() as patch:
        patch.setattr(part("avatars.paths"), "register", fail)
        with pytest.raises(RuntimeError, match="no"):
            addon.register()
        assert registered() == set()
        assert traces() == []
    addon.register()
    assert set(NAMES) <= registered()


def test_disabling_and_enabling_through_blender():
    name = "bl_ext.user_default.perse"
    bpy.ops.preferences.addon_disable(module=name)
    assert registered() == set()
    bpy.ops.preferences.addon_enable(module=name)
    assert set(NAMES) <= registered()


def test_registering_starts_nothing(addon, part, monkeypatch):
    monkeypatch.setattr(part("session"), "EngineClient", lambda *_: pytest.fail("the engine was started"))
    addon.register()
    assert part("session").status().startswith("Not running")


def test_everything_has_a_tooltip(addon, part):
    for base in (bpy.types.Operator, bpy.types.Panel):
        for cls in base.__subclasses__():
            if cls.__name__.startswith("PERSE"):
                assert len(cls.bl_rna.description or cls.__doc__) > 15, cls
    for cls in bpy.types.Operator.__subclasses__():
        if cls.__name__.startswith("PERSE"):
            assert not cls.__doc__.endswith("."), cls


def test_the_package_imports_only_relatively(addon):
    folder = Path(addon.__file__).parent
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
            assert not [name for name in names if name.startswith(("perse", "torch", "numba"))], file
