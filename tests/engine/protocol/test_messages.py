import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perse_protocol.errors import ProtocolError
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
    MeshFile,
    Occluder,
    Ping,
    Pong,
    Region,
    Render,
    Rendered,
    Welcome,
    decode_message,
    encode_message,
)

EYE = tuple(float(i % 5 == 0) for i in range(16))
CAMERA = Camera(EYE, 500.0, 500.0, 32.0, 24.0, 64, 48)
RENDER = Render(
    7,
    "viewport 1",
    "viewport",
    (Instance("a" * 64, EYE, {"expr_jawopen": 0.5}, transforms=EYE * 5), Instance("b" * 64, EYE, {}, pose=(0.0,) * 15)),
    CAMERA,
    FrameFile("/somewhere/view-0-1.frame", 1),
    region=Region(1, 2, 3, 4),
    passes=("combined", "depth"),
    matrix=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
    occluders=(Occluder(MeshFile("/somewhere/0a.mesh", 8, 12), EYE),),
)
CLIENT_MESSAGES = [Hello(1, "test", 12), Ping(1), Load(2, "/a/b.perse"), RENDER, Cancel(7)]
ENGINE_MESSAGES = [
    Welcome(1, "0.1.0", "3.11.7", 4, "numba", 2, ("combined",), ("srgb",), 1),
    Pong(1),
    Loaded(2, "a" * 64, {"name": "me", "sliders": [{"slider": "expr_jawopen"}]}),
    Rendered(7, 1, 64, 48, {"total": 3.5}),
    Dropped(7, "superseded"),
    Failed(7, "not-a-number", "the slider x is not a number", "give it one"),
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def kinds_of(message):
    return FROM_CLIENT if message.kind in FROM_CLIENT else FROM_ENGINE


@pytest.mark.parametrize("message", CLIENT_MESSAGES + ENGINE_MESSAGES, ids=lambda message: message.kind)
def test_every_message_survives_the_wire(message):
    assert decode_message(encode_message(message), kinds_of(message)) == message


@pytest.mark.parametrize("message", CLIENT_MESSAGES + ENGINE_MESSAGES, ids=lambda message: message.kind)
def test_the_wrong_side_may_not_say_it(message):
    other = FROM_ENGINE if kinds_of(message) is FROM_CLIENT else FROM_CLIENT
    with pytest.raises(ProtocolError, match="unknown kind"):
        decode_message(encode_message(message), other)


@pytest.mark.parametrize("message", CLIENT_MESSAGES + ENGINE_MESSAGES, ids=lambda message: message.kind)
def test_unknown_and_missing_fields_are_refused(message):
    content = json.loads(encode_message(message))
    with pytest.raises(ProtocolError, match="no field 'surprise'"):
        decode_message(json.dumps({**content, "surprise": 1}).encode(), kinds_of(message))
    for name in (field.name for field in dataclasses.fields(message) if field.default is dataclasses.MISSING):
        with pytest.raises(ProtocolError, match=f"lacks the field '{name}'"):
            decode_message(json.dumps({k: v for k, v in content.items() if k != name}).encode(), kinds_of(message))


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(payload):
    with pytest.raises(ProtocolError):
        decode_message(payload, FROM_CLIENT)


@given(st.sampled_from(CLIENT_MESSAGES + ENGINE_MESSAGES), st.randoms(), json_values)
def test_any_value_anywhere_is_read_or_refused(message, random, value):
    content = json.loads(encode_message(message))
    place = content
    while True:
        key = random.choice(list(place) if isinstance(place, dict) else range(len(place)))
        if isinstance(place[key], (dict, list)) and place[key] and random.random() < 0.8:
            place = place[key]
        else:
            place[key] = value
            break
    try:
        read = decode_message(json.dumps(content).encode(), kinds_of(message))
    except ProtocolError:
        return
    assert decode_message(encode_message(read), kinds_of(message)) is not None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"camera": {**dataclasses.asdict(CAMERA), "width": 0}}, "not between 1 and"),
        ({"camera": {**dataclasses.asdict(CAMERA), "height": 10**9}}, "not between 1 and"),
        ({"camera": {**dataclasses.asdict(CAMERA), "fx": -1.0}}, "must be positive"),
        ({"camera": {**dataclasses.asdict(CAMERA), "view": [1.0] * 15}}, "16 numbers"),
        ({"camera": {**dataclasses.asdict(CAMERA), "cx": float("inf")}}, "finite"),
        ({"camera": {**dataclasses.asdict(CAMERA), "cx": 10**400}}, "too large"),
        ({"region": {"x": 60, "y": 0, "width": 10, "height": 10}}, "inside the picture"),
        ({"region": {"x": 0, "y": 0, "width": 0, "height": 10}}, "inside the picture"),
        ({"priority": "urgent"}, "one of final, viewport, preview"),
        ({"passes": ["crypto"]}, "one of combined, depth, normal"),
        ({"masks": [{"instances": [9]}]}, "avatars that are in the picture"),
        ({"masks": [{"instances": [-1]}]}, "avatars that are in the picture"),
        ({"masks": [{}] * 257}, "at most 256 masks"),
        ({"supersampling": 0}, "between 1 and 4"),
        ({"supersampling": 5}, "between 1 and 4"),
        ({"id": True}, "of type int"),
        ({"id": 1.0}, "of type int"),
        ({"view": None}, "of type str"),
        ({"matrix": [1.0] * 8}, "9 numbers"),
        ({"color": "srgb"}, "needs color linear"),
        ({"instances": [{"avatar": "a", "model": [0.0] * 16, "sliders": {"x": "1"}}]}, "sliders.x must be a number"),
        ({"instances": [{"avatar": "a", "model": [0.0] * 16, "sliders": {}, "pose": [0.0]}]}, "15 numbers"),
        ({"instances": [{"avatar": "a", "model": [0.0] * 16, "sliders": {}}] * 300}, "at most 256"),
        ({"occluders": [{"mesh": {"path": "/m", "corners": -1, "triangles": 0}, "model": EYE}]}, "a mesh may have"),
        ({"occluders": [{"mesh": {"path": "/m", "corners": 1, "triangles": 2**40}, "model": EYE}]}, "a mesh may have"),
        ({"occluders": [{"mesh": {"path": "/m", "corners": 1, "triangles": 1}, "model": [1.0] * 9}]}, "16 numbers"),
    ],
)
def test_values_out_of_range_are_refused_with_a_reason(change, sentence):
    content = {**json.loads(encode_message(RENDER)), **change}
    with pytest.raises(ProtocolError, match=sentence):
        decode_message(json.dumps(content).encode(), FROM_CLIENT)


def test_deep_nesting_is_refused():
    with pytest.raises(ProtocolError):
        decode_message(b"[" * 100_000, FROM_CLIENT)


def test_a_slider_that_is_nan_travels_so_that_the_engine_can_name_it():
    message = dataclasses.replace(RENDER, instances=(Instance("a", EYE, {"expr_jawopen": float("nan")}),))
    read = decode_message(encode_message(message), FROM_CLIENT)
    assert str(read.instances[0].sliders["expr_jawopen"]) == "nan"
