"""What the tests inside Blender share: the zip installed and enabled, an untrained avatar, a small scene."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

# Blender reads it when bpy is imported; a person's own extensions must not be seen.
os.environ.setdefault("BLENDER_USER_RESOURCES", tempfile.mkdtemp(prefix="perse-test-"))

import bpy
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
ENGINE = ROOT / ".venv" / "engine"
os.environ.setdefault("PERSE_ENGINE", str(ENGINE))
PACKAGE = "bl_ext.user_default.perse"


def engine_python() -> Path:
    """The interpreter of the engine's environment."""
    return ENGINE / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extension's zip: the one that build.py has made, or one of the tree as it is."""
    if "PERSE_TEST_ZIP" in os.environ:
        return Path(os.environ["PERSE_TEST_ZIP"])
    stage = tmp_path_factory.mktemp("stage") / "perse"
    shutil.copytree(ROOT / "perse_blender", stage, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "blender_manifest.toml", stage)
    return Path(shutil.make_archive(str(stage), "zip", stage))


@pytest.fixture(scope="session", autouse=True)
def addon(archive: Path) -> ModuleType:
    """The installed, enabled extension."""
    bpy.ops.extensions.package_install_files(
        filepath=str(archive), repo="user_default", enable_on_install=True, overwrite=True
    )
    return importlib.import_module(PACKAGE)


@pytest.fixture(scope="session")
def part(addon: ModuleType) -> Callable[[str], ModuleType]:
    """A module of the installed extension, by name."""
    return lambda name: importlib.import_module(f"{PACKAGE}.{name}")


@pytest.fixture(scope="session")
def avatar_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained avatar with a slider of every kind."""
    path = tmp_path_factory.mktemp("avatar") / "test.perse"
    run_engine(HERE / "make_avatar.py", "avatar", path)
    return path


def run_engine(*arguments: object) -> None:
    """Run a script with the engine's interpreter."""
    subprocess.run([str(engine_python()), *map(str, arguments)], check=True, timeout=120)


@pytest.fixture
def scene() -> bpy.types.Scene:
    """An empty scene that renders small pictures with PERSE, its camera a metre before the face."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    camera.location = (0, -1, 0.03)
    camera.rotation_euler = (np.pi / 2, 0, 0)
    camera.data.lens = 85
    scene.render.engine = "PERSE"
    scene.render.film_transparent = True
    scene.render.resolution_x = scene.render.resolution_y = 96
    scene.render.use_file_extension = True
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "MULTI_LAYER_IMAGE"
    settings.file_format = "OPEN_EXR_MULTILAYER"
    settings.color_depth = "32"
    settings.exr_codec = "NONE"
    bpy.context.view_layer.use_pass_z = True
    return scene


@pytest.fixture
def avatar(scene: bpy.types.Scene, avatar_file: Path) -> bpy.types.Object:
    """The armature of an imported avatar."""
    return import_avatar(avatar_file)


@pytest.fixture
def saved_shot(scene: bpy.types.Scene, avatar_file: Path, tmp_path: Path) -> Path:
    """A saved .blend of six small frames, each another one, with its avatar beside it; the open file."""
    folder = tmp_path / "shot"
    folder.mkdir()
    shutil.copy(avatar_file, folder / "hero.perse")
    avatar = import_avatar(folder / "hero.perse")
    scene.frame_start, scene.frame_end = 1, 6
    scene.render.resolution_x = scene.render.resolution_y = 48
    scene.render.filepath = "//frames/####"
    for frame, value in ((1, 0.0), (6, 1.0)):
        avatar["expr_jawopen"] = value
        avatar.keyframe_insert('["expr_jawopen"]', frame=frame)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "shot.blend"))
    return folder / "shot.blend"


def import_avatar(path: Path) -> bpy.types.Object:
    """Import and return the armature."""
    assert bpy.ops.perse.import_avatar(filepath=str(path)) == {"FINISHED"}
    return bpy.context.object


@pytest.fixture
def render(tmp_path: Path) -> Callable[..., Path]:
    """Render a frame of the open scene, or all of them; the file, or the folder."""

    def do(animation: bool = False) -> Path:
        scene = bpy.context.scene
        folder = tmp_path / f"render{len(list(tmp_path.iterdir()))}"
        scene.render.filepath = str(folder / "frame_####" if animation else folder / "frame")
        bpy.ops.render.render(animation=animation, write_still=not animation)
        return folder if animation else folder / "frame.exr"

    return do


@contextlib.contextmanager
def raises_report(pattern: str) -> Iterator[None]:
    """The operator in the block reports an error that matches `pattern`."""
    with pytest.raises(RuntimeError, match=pattern):
        yield


# A RenderEngine that is still registered when Blender 4.5 exits crashes or hangs it.
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[_STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    with contextlib.suppress(KeyError, ImportError):
        importlib.import_module(f"{PACKAGE}.session").stop()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(config.stash.get(_STATUS, 0))


_STATUS = pytest.StashKey[int]()
