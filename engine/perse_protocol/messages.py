"""Every message of the wire, one frozen dataclass each. A message is a JSON object with its name under "kind".

Both sides parse what they read as untrusted: an unknown kind, an unknown or missing field, a wrong type, a number that
is not finite or a size out of range is a `ProtocolError`. Matrices are tuples of floats, row by row.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from .decoding import decode
from .errors import ProtocolError, require
from .parts import Camera, FrameFile, Mask, MeshFile, Numbers, Pass, Region, extra_planes

PROTOCOL_VERSION = 3
MOST_INSTANCES = 256
MOST_OCCLUDERS = 65536
MOST_MASKS = 256
MOST_SUPERSAMPLES = 4
BRIGHTEST = 1e9

Priority = Literal["final", "viewport", "preview"]
PRIORITIES: tuple[Priority, ...] = ("final", "viewport", "preview")
"""Most urgent first."""

ColorSpace = Literal["srgb", "linear"]


@dataclasses.dataclass(frozen=True)
class Message:
    """What every message has."""

    kind: ClassVar[str] = ""


@dataclasses.dataclass(frozen=True)
class Hello(Message):
    """Client to engine, first.

    Attributes:
        protocol: `PROTOCOL_VERSION` of the client.
        client: who is asking, for the log ("blender 5.2.0").
        parent: process id whose end ends the engine.
    """

    kind: ClassVar[str] = "hello"
    protocol: int
    client: str
    parent: int


@dataclasses.dataclass(frozen=True)
class Welcome(Message):
    """Engine to client, the answer to `Hello`: who it is and what it can do.

    Attributes:
        protocol, engine, python: versions.
        pid: process id of the engine.
        backend: what draws the Gaussians ("numba").
        threads: how many threads the engine uses.
        passes, colors: what `Render` may ask for.
        avatar_version: newest schema of the avatar file that this engine reads.
    """

    kind: ClassVar[str] = "welcome"
    protocol: int
    engine: str
    python: str
    pid: int
    backend: str
    threads: int
    passes: tuple[str, ...]
    colors: tuple[str, ...]
    avatar_version: int


@dataclasses.dataclass(frozen=True)
class Ping(Message):
    """Client to engine: are you there? Answered at once, even while a picture is being drawn."""

    kind: ClassVar[str] = "ping"
    id: int


@dataclasses.dataclass(frozen=True)
class Pong(Message):
    """Engine to client, the answer to `Ping`."""

    kind: ClassVar[str] = "pong"
    id: int


@dataclasses.dataclass(frozen=True)
class Load(Message):
    """Client to engine: read the avatar file at `path`."""

    kind: ClassVar[str] = "load"
    id: int
    path: str


@dataclasses.dataclass(frozen=True)
class Loaded(Message):
    """Engine to client.

    Attributes:
        avatar: SHA-256 of the file in hexadecimal; names the avatar in `Render`.
        info: what `perse info --json` prints.
    """

    kind: ClassVar[str] = "loaded"
    id: int
    avatar: str
    info: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Light:
    """The light that falls on one avatar, from afar.

    Attributes:
        coefficients: 9 x 3 numbers, linear Rec.709 radiance by spherical harmonics of second order, head space.
        amount: 0 is the avatar's own light, 1 this one.
    """

    coefficients: Numbers
    amount: float

    def __post_init__(self) -> None:
        require(len(self.coefficients) == 27, "light.coefficients must have 27 numbers")
        require(all(abs(number) < BRIGHTEST for number in self.coefficients), "light is too bright")
        require(0 <= self.amount <= 1, "light.amount must be between 0 and 1")


@dataclasses.dataclass(frozen=True)
class Instance:
    """One avatar in the picture.

    Attributes:
        avatar: as `Loaded.avatar`.
        model: 16 numbers, the avatar's head space to world.
        sliders: value by name; absent ones are 0. NaN travels, so that the engine can refuse it by name.
        transforms: 5 x 16 numbers, the skinning transform of each joint in head space; or None.
        pose: 15 numbers, axis-angle of each joint in radians; or None. At most one of the two is given.
        holdout: whether it is left out of the picture, and yet hides what is behind it.
        light: in which it is seen, or None for its own.
    """

    avatar: str
    model: Numbers
    sliders: Mapping[str, float]
    transforms: Numbers | None = None
    pose: Numbers | None = None
    holdout: bool = False
    light: Light | None = None

    def __post_init__(self) -> None:
        require(len(self.model) == 16, "model must have 16 numbers")
        require(self.transforms is None or len(self.transforms) == 80, "transforms must have 80 numbers")
        require(self.pose is None or len(self.pose) == 15, "pose must have 15 numbers")
        require(self.transforms is None or self.pose is None, "transforms and pose exclude each other")


@dataclasses.dataclass(frozen=True)
class Occluder:
    """A mesh that hides avatars behind it and is itself not drawn.

    Attributes:
        mesh: its triangles.
        model: 16 numbers, the mesh's space to world.
    """

    mesh: MeshFile
    model: Numbers

    def __post_init__(self) -> None:
        require(len(self.model) == 16, "model must have 16 numbers")


@dataclasses.dataclass(frozen=True)
class Render(Message):
    """Client to engine: draw these avatars into `target`.

    Attributes:
        view: names the view ("final", "viewport 3"); a newer request of a view replaces its waiting one.
        priority: a "final" request is never replaced.
        region: the part to draw, or None for the whole picture; the result has the region's size.
        passes: "combined", and "depth" and "normal" where they are wanted.
        color: "linear" for scene-linear colour, "srgb" to leave it as trained.
        matrix: 9 numbers from linear Rec.709 to the working space, or None.
        background: 4 numbers, premultiplied RGBA in the colour space of the result, put behind everything; or None.
        occluders: what hides avatars; nothing but the background is where it does.
        masks: planes of coverage, in this order.
        supersampling: how many times as wide and high the picture is drawn before it is averaged down.
    """

    kind: ClassVar[str] = "render"
    id: int
    view: str
    priority: Priority
    instances: tuple[Instance, ...]
    camera: Camera
    target: FrameFile
    region: Region | None = None
    passes: tuple[Pass, ...] = ("combined",)
    color: ColorSpace = "linear"
    matrix: Numbers | None = None
    background: Numbers | None = None
    occluders: tuple[Occluder, ...] = ()
    masks: tuple[Mask, ...] = ()
    supersampling: int = 1

    def __post_init__(self) -> None:
        require(len(self.instances) <= MOST_INSTANCES, f"at most {MOST_INSTANCES} avatars fit one picture")
        require(len(self.occluders) <= MOST_OCCLUDERS, f"at most {MOST_OCCLUDERS} meshes may hide avatars")
        require(len(self.masks) <= MOST_MASKS, f"at most {MOST_MASKS} masks fit one picture")
        numbered = [index for mask in self.masks for index in mask.instances or ()]
        require(
            not numbered or 0 <= min(numbered) <= max(numbered) < len(self.instances),
            "masks may only name avatars that are in the picture",
        )
        require(
            1 <= self.supersampling <= MOST_SUPERSAMPLES, f"supersampling must lie between 1 and {MOST_SUPERSAMPLES}"
        )
        require(self.matrix is None or len(self.matrix) == 9, "matrix must have 9 numbers")
        require(self.matrix is None or self.color == "linear", "matrix needs color linear")
        require(self.background is None or len(self.background) == 4, "background must have 4 numbers")
        window = self.window
        require(
            window.width > 0
            and window.height > 0
            and window.x >= 0
            and window.y >= 0
            and window.x + window.width <= self.camera.width
            and window.y + window.height <= self.camera.height,
            "region must lie inside the picture and hold at least one pixel",
        )

    @property
    def window(self) -> Region:
        """The part to draw."""
        return self.region or Region(0, 0, self.camera.width, self.camera.height)

    @property
    def extra(self) -> int:
        """How many planes there are beyond colour and depth."""
        return extra_planes(self.passes, self.masks)


@dataclasses.dataclass(frozen=True)
class Rendered(Message):
    """Engine to client: the picture of request `id` is in the frame file of `generation`.

    Attributes:
        timings: milliseconds by stage: wait, decode, rasterize, write, total.
        memory: the most that the engine has taken so far, MB; 0 where the system does not say.
    """

    kind: ClassVar[str] = "rendered"
    id: int
    generation: int
    width: int
    height: int
    timings: Mapping[str, float]
    memory: float = 0.0


@dataclasses.dataclass(frozen=True)
class Cancel(Message):
    """Client to engine: request `id` is no longer wanted, waiting or being drawn."""

    kind: ClassVar[str] = "cancel"
    id: int


@dataclasses.dataclass(frozen=True)
class Dropped(Message):
    """Engine to client: request `id` will not be answered."""

    kind: ClassVar[str] = "dropped"
    id: int
    reason: Literal["cancelled", "superseded"]


@dataclasses.dataclass(frozen=True)
class Failed(Message):
    """Engine to client: request `id` failed; `id` is 0 where the request could not be read.

    Attributes:
        code, message, hint: as `EngineFailure`.
    """

    kind: ClassVar[str] = "failed"
    id: int
    code: str
    message: str
    hint: str


FROM_CLIENT: Mapping[str, type[Message]] = {message.kind: message for message in (Hello, Ping, Load, Render, Cancel)}
FROM_ENGINE: Mapping[str, type[Message]] = {
    message.kind: message for message in (Welcome, Pong, Loaded, Rendered, Dropped, Failed)
}


def encode_message(message: Message) -> bytes:
    """The JSON text of `message`, UTF-8."""
    content = {"kind": message.kind, **_fields(message)}
    return json.dumps(content, default=_fields, separators=(",", ":")).encode()


def decode_message(text: bytes, kinds: Mapping[str, type[Message]]) -> Message:
    """Parse one message.

    Args:
        text: JSON, UTF-8.
        kinds: the messages that may come from this side, `FROM_CLIENT` or `FROM_ENGINE`.

    Raises:
        ProtocolError: the text is not such a message.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a message is not JSON ({error})") from error
    if not isinstance(content, dict):
        raise ProtocolError("a message is not a JSON object")
    kind = content.pop("kind", None)
    message = kinds.get(kind) if isinstance(kind, str) else None
    if message is None:
        raise ProtocolError(f"unknown kind of message {_short(kind)}; known are {', '.join(kinds)}")
    return decode(message, content, message.kind)


def _fields(value: Any) -> dict[str, Any]:
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot travel")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
