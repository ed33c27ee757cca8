"""Run as a process of its own: reads spoiled files, or messages, and says of each what came of it.

victim.py KIND FIRST COUNT SOURCE... — KIND is avatar, addon, message or states. Case n is spoiled with seed n. Each
line is "n outcome": "loaded", or the code of a clear error. Anything else ends the process, as do five seconds and a
gigabyte more of memory.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import io
import json
import random
import resource
import signal
import sys
import tempfile
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from mutations import avatar_spoiled, bytes_spoiled, deep, json_spoiled, numbers_spoiled, text_of

from perse_engine.avatars.file import load_avatar, read_style_thumbnails, read_thumbnail
from perse_engine.avatars.rendering import render_avatar
from perse_engine.avatars.state import AvatarState
from perse_engine.errors import InputError
from perse_engine.exporting.export import SPLATS, export_moment
from perse_engine.exporting.states import read_states
from perse_engine.service.drawing import FrameFiles, MeshFiles, draw
from perse_engine.service.inbox import Work
from perse_engine.service.library import Library
from perse_engine.service.session import answer_to
from perse_protocol.errors import EngineFailure, ProtocolError
from perse_protocol.framing import read_frame, write_frame
from perse_protocol.messages import (
    FROM_CLIENT,
    FROM_ENGINE,
    Camera,
    Cancel,
    Dropped,
    Failed,
    FrameFile,
    Hello,
    Instance,
    Load,
    Loaded,
    Mask,
    Message,
    Ping,
    Region,
    Render,
    Rendered,
    Welcome,
    decode_message,
    encode_message,
)

SECONDS = 5
MORE_MEMORY = 1 << 30
SIZE = 24
EYE = tuple(float(k % 5 == 0) for k in range(16))

Case = Callable[[random.Random], Callable[[], str]]
"""Spoils something with a seed; what it gives then reads that, and only that is timed."""


def avatar_case(sources: list[bytes], folder: Path) -> Case:
    """Load a spoiled avatar, and use what was loaded: it must bear that."""
    file = folder / "spoiled.perse"

    def case(source: random.Random) -> Callable[[], str]:
        file.write_bytes(avatar_spoiled(source, source.choice(sources)))
        return lambda: read(source)

    def read(source: random.Random) -> str:
        avatar = load_avatar(file)
        read_thumbnail(file)
        read_style_thumbnails(file)
        sliders = [*(style.slider for style in avatar.styles), *(f"expr_{n}" for n in avatar.figure.expression_names)]
        for values in ({}, {name: source.choice((0.3, 1.0, 1e9)) for name in sliders[:6]}):
            render_avatar(avatar, AvatarState(values), avatar.neutral_camera.fitted(SIZE, SIZE), backend="numba")
        return "loaded"

    return case


def addon_case(sources: list[bytes], folder: Path) -> Case:
    """The same by the add-on's own reader, which has neither msgspec nor safetensors."""
    package = types.ModuleType("perse_addon")
    package.__path__ = [str(Path(__file__).parents[3] / "perse_blender")]
    sys.modules["perse_addon"] = package
    reader = importlib.import_module("perse_addon.avatars.avatar_file")
    failure = importlib.import_module("perse_addon.perse_protocol").EngineFailure
    file = folder / "spoiled.perse"

    def case(source: random.Random) -> Callable[[], str]:
        file.write_bytes(avatar_spoiled(source, source.choice(sources)))
        return read

    def read() -> str:
        try:
            avatar = reader.read_avatar(file)
        except failure as error:
            raise EngineFailure(error.code, error.message, error.hint) from error
        assert avatar.faces.shape[1:] == (3,)  # what Blender crashes of, or raises after half an import
        assert not avatar.faces.size or 0 <= avatar.faces.min() <= avatar.faces.max() < len(avatar.vertices)
        assert avatar.vertices.shape == (len(avatar.weights), 3)
        assert avatar.expression_directions.shape == (len(avatar.vertices), 3, len(avatar.expressions))
        assert avatar.style_directions.shape == (len(avatar.vertices), 3, len(avatar.styles))
        assert avatar.joints.shape == (5, 3)
        assert avatar.face_parts.max(initial=0) < max(len(avatar.parts), 1)
        assert np.isfinite(avatar.vertices).all()
        return "loaded"

    return case


def message_case(sources: list[bytes], folder: Path) -> Case:
    """Read a spoiled stream of messages; do what those that can be read ask for, as a session does."""
    avatar = folder / "whole.perse"
    avatar.write_bytes(sources[0])
    library, frames = Library(), FrameFiles()
    identity, info = library.load(avatar)
    picture = folder / "view.frame"
    picture.write_bytes(bytes(SIZE * SIZE * 4 * 10))
    sliders = {slider["slider"]: 0.5 for slider in info["sliders"][:4]}
    camera = Camera((1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 1, 0, 0, 0, 1), 30.0, 30.0, 12.0, 12.0, SIZE, SIZE)
    instances = (
        Instance(identity, EYE, sliders, transforms=EYE * 5),
        Instance(identity, EYE, {}, pose=(0.1,) * 15),
    )
    target = FrameFile(str(picture), 1)
    matrix = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    render = Render(7, "final", "final", instances, camera, target, Region(1, 2, 9, 9), ("combined", "depth"))
    masks = (Mask((0,)), Mask(None, "skin"))
    whole: list[tuple[Message, dict[str, type[Message]]]] = [
        (Hello(1, "test", 1), dict(FROM_CLIENT)),
        (Ping(1), dict(FROM_CLIENT)),
        (Load(2, str(avatar)), dict(FROM_CLIENT)),
        (Cancel(7), dict(FROM_CLIENT)),
        *[(render, dict(FROM_CLIENT))] * 6,
        (
            dataclasses.replace(
                render,
                camera=dataclasses.replace(camera, orthographic=True),
                passes=("combined", "normal"),
                instances=(instances[0], dataclasses.replace(instances[1], holdout=True)),
                masks=masks,
                supersampling=2,
            ),
            dict(FROM_CLIENT),
        ),
        (
            Render(8, "v", "viewport", instances[:1], camera, target, matrix=matrix, background=(0.0,) * 4),
            dict(FROM_CLIENT),
        ),
        (Welcome(1, "0.1.0", "3.11", 4, "numba", 2, ("combined",), ("srgb",), 1), dict(FROM_ENGINE)),
        (Loaded(2, identity, info), dict(FROM_ENGINE)),
        (Rendered(7, 1, 64, 48, {"total": 3.5}), dict(FROM_ENGINE)),
        (Failed(7, "not-a-number", "a", "b"), dict(FROM_ENGINE)),
        (Dropped(7, "superseded"), dict(FROM_ENGINE)),
    ]

    def perform(work: Work) -> Message:
        if isinstance(work.task, Load):
            return Loaded(work.task.id, *library.load(Path(work.task.path)))
        return draw(work, work.task, library, frames, MeshFiles())

    def case(source: random.Random) -> Callable[[], str]:
        message, kinds = source.choice(whole)
        payload = encode_message(message)
        if source.random() < 0.4:
            numbers = framed(text_of(numbers_spoiled(source, json.loads(payload))))
            return lambda: read(numbers, kinds)
        if source.random() < 0.75:
            payload = text_of(json_spoiled(source, json.loads(payload)))
        elif source.random() < 0.7:
            payload = bytes_spoiled(source, payload)
        else:
            payload = deep(source)
        content = framed(payload)
        if source.random() < 0.2:
            content = bytes_spoiled(source, content)
        return lambda: read(content, kinds)

    def read(content: bytes, kinds: dict[str, type[Message]]) -> str:
        stream, outcome = io.BytesIO(content), "loaded"
        while (payload := read_frame(stream)) is not None:
            message = decode_message(payload, kinds)
            assert encode_message(message)
            if isinstance(message, Load | Render):
                answer = answer_to(Work(message), perform)
                assert not (isinstance(answer, Failed) and answer.code in ("internal", "out-of-memory")), answer
                outcome = answer.code if isinstance(answer, Failed) else outcome
        return outcome

    return case


def framed(payload: bytes) -> bytes:
    """A message as it travels."""
    stream = io.BytesIO()
    write_frame(stream, payload)
    return stream.getvalue()


def states_case(sources: list[bytes], folder: Path) -> Case:
    """Export spoiled states."""
    path, file = folder / "whole.perse", folder / "states.json"
    path.write_bytes(sources[0])
    avatar = load_avatar(path)
    frame = {
        "sliders": {"expr_" + avatar.figure.expression_names[0]: 0.5},
        "frame": 3,
        "model": EYE,
        "transforms": EYE * 5,
    }
    whole = {"frames": [frame, {"sliders": {}, "frame": 4, "pose": [0.1] * 15}]}

    def case(source: random.Random) -> Callable[[], str]:
        spoil = source.choice((json_spoiled, numbers_spoiled))
        content = text_of(spoil(source, whole)) if source.random() > 0.02 else deep(source)
        file.write_bytes(bytes_spoiled(source, content) if source.random() < 0.2 else content)
        return lambda: read(source)

    def read(source: random.Random) -> str:
        for moment in read_states(file)[:3]:
            out = folder / source.choice(("x.ply", "x.spz", "x.glb"))
            export_moment(
                avatar, moment, out, source.choice((SPLATS, "mesh")) if out.suffix == ".glb" else SPLATS, None
            )
        return "loaded"

    return case


def limit_memory() -> None:
    """Let this process grow by `MORE_MEMORY` from now on, and no further."""
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + MORE_MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main(kind: str, first: int, count: int, sources: list[Path]) -> None:
    """Run the cases; the first, unspoiled, compiles what is needed before time and memory count."""
    cases = {"avatar": avatar_case, "addon": addon_case, "message": message_case, "states": states_case}
    with tempfile.TemporaryDirectory() as folder:
        case = cases[kind]([path.read_bytes() for path in sources], Path(folder))
        warm_up(sources[0])
        limit_memory()
        for number in range(first, first + count):
            print(number, end=" ", flush=True)
            spoiled = case(random.Random(number))
            signal.alarm(SECONDS)
            try:
                outcome = spoiled()
            except (InputError, EngineFailure) as error:
                assert all((error.message, error.hint, "\n" not in str(error))), error
                outcome = error.code
            except ProtocolError as error:
                assert "\n" not in str(error), error
                outcome = "protocol"
            signal.alarm(0)
            print(outcome, flush=True)


def warm_up(path: Path) -> None:
    """Compile."""
    from perse_engine.splatting.rasterize import warm_up as compile_kernels

    compile_kernels()
    avatar = load_avatar(path)
    sliders = {style.slider: 1.0 for style in avatar.styles}
    render_avatar(avatar, AvatarState(sliders), avatar.neutral_camera.fitted(SIZE, SIZE), backend="numba")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), list(map(Path, sys.argv[4:])))
