"""Ways to spoil a file or a message, each drawn from a seed: what chance, a bad disk or someone who means harm does."""

from __future__ import annotations

import hashlib
import io
import json
import math
import random
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import msgspec

EXTREMES: tuple[Any, ...] = (
    *(0, -1, 1, 2**31 - 1, -(2**31), 2**32, 2**63, -(2**63) - 1, 10**400, 0.5, -0.0, 1e30, -1e308, 1e-320),
    *(math.nan, math.inf, -math.inf, "", "x" * 5000, "\ud800", "\u0000", "../../evil", None, True, [], {}, [[[]]]),
    *({"x": None}, [0] * 500, {"a": {"b": {}}}),
)
FINITE = (0.0, -1.0, 1.0, 1e-3, 1e-30, 5e-324, 1e9, -1e9, 3e38, -3e38, 1e154, 1.7e308)


def deep(random: random.Random) -> bytes:
    """JSON text nested further than any reader follows."""
    count = random.choice((1000, 100_000))
    return random.choice((b"[" * count, b'{"kind":' * count, b"[" * count + b"]" * count))


def bytes_spoiled(random: random.Random, content: bytes) -> bytes:
    """`content` with bits flipped, pieces cut, doubled, blanked, moved or put in, or the end missing."""
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 8))):
        if not data:
            break
        at = random.randrange(len(data))
        length = min(len(data) - at, random.choice((1, 4, 64, 5000)))
        match random.randrange(8):
            case 0 | 1:
                data[at] ^= 1 << random.randrange(8)
            case 2:
                data[at] = random.choice((0, 0x7F, 0x80, 0xFF))
            case 3:
                del data[at:]
            case 4:
                del data[at : at + length]
            case 5:
                data[at:at] = data[at : at + length]
            case 6:
                data[at : at + length] = bytes(length)
            case 7:
                number = random.choice((0, 1, 0xFFFF, 0xFFFFFFFF, 0x7FFFFFFF, 2**40))
                data[at : at + 8] = struct.pack("<Q", number)[: random.choice((2, 4, 8))]
    return bytes(data)


def json_spoiled(random: random.Random, content: Any) -> Any:
    """A copy of plain JSON with one to three of its values replaced, removed, doubled or nested."""
    for _ in range(random.choice((1, 1, 2, 3))):
        content = json.loads(json.dumps(content))
        place = content
        while isinstance(place, dict | list) and place:
            key = random.choice(list(place)) if isinstance(place, dict) else random.randrange(len(place))
            inside = place[key]
            if isinstance(inside, dict | list) and inside and random.random() < 0.85:
                place = inside
                continue
            _replace(random, place, key)
            break
    return content


def numbers_spoiled(random: random.Random, content: Any) -> Any:
    """A copy of plain JSON in which only numbers have changed: what every reader takes, and what uses it must bear."""
    content = json.loads(json.dumps(content))
    leaves: list[tuple[Any, Any]] = []
    places = [content]
    while places:
        place = places.pop()
        for key, inside in place.items() if isinstance(place, dict) else enumerate(place):
            if isinstance(inside, dict | list):
                places.append(inside)
            elif isinstance(inside, int | float) and not isinstance(inside, bool):
                leaves.append((place, key))
    for place, key in random.sample(leaves, min(len(leaves), random.choice((1, 2, 5, 40)))):
        inside = place[key]
        place[key] = random.choice((-inside, inside * 2, inside * 1e9, *FINITE))
        if isinstance(inside, int) and random.random() < 0.9:
            place[key] = random.choice((0, 1, -inside, inside + 1, 3 * inside, 2000, 16384))
    return content


def _replace(random: random.Random, place: Any, key: Any) -> None:
    inside = place[key]
    if isinstance(inside, float) and random.random() < 0.8:
        place[key] = random.choice((-inside, inside * 2, inside * 1e9, *FINITE))
        return
    match random.randrange(6):
        case 0 if isinstance(place, dict):
            del place[key]
        case 1 if isinstance(place, dict):
            place[random.choice(("surprise", "", "kind", "é"))] = inside
        case 1 | 2 if isinstance(place, list):
            place.extend(place[: random.choice((1, 5, 2000))])
        case 3 if isinstance(inside, int):
            place[key] = inside * random.choice((-1, 0, 2, 10**9))
        case 4 | 5 if random.random() < 0.3:
            nested: Any = inside
            for _ in range(random.choice((2, 50, 250))):
                nested = [nested]
            place[key] = nested
        case _:
            place[key] = random.choice(EXTREMES)


def text_of(content: Any) -> bytes:
    """JSON text, NaN and lone surrogates included."""
    return json.dumps(content).encode()


def members_of(avatar: bytes) -> dict[str, bytes]:
    """The members of an avatar file."""
    with zipfile.ZipFile(io.BytesIO(avatar)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def avatar_of(members: dict[str, bytes], document: Any) -> bytes:
    """An avatar file with `document`, whose hash is right where such a document can have one: the checks below it are
    what is tried."""
    if isinstance(document, dict):
        try:
            document = {**document, "content": _content(document, members)}
        except (ValueError, TypeError, RecursionError, OverflowError):
            document = {**document, "content": "0" * 64}
    members = {**members, "avatar.json": document if isinstance(document, bytes) else text_of(document)}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
    return buffer.getvalue()


def _content(document: dict[str, Any], members: dict[str, bytes]) -> str:
    rest = {key: value for key, value in document.items() if key != "content"}
    digest = hashlib.sha256(msgspec.json.encode(rest, order="sorted"))
    for name in sorted(set(members) - {"avatar.json"}):
        digest.update(hashlib.sha256(members[name]).digest())
    return digest.hexdigest()


def tensors_spoiled(random: random.Random, tensors: bytes) -> bytes:
    """A safetensors file with another header, or with numbers that nobody would write."""
    (length,) = struct.unpack_from("<Q", tensors)
    header, data = json.loads(tensors[8 : 8 + length]), bytearray(tensors[8 + length :])
    match random.randrange(5):
        case 0:
            header = json_spoiled(random, header)
        case 1:
            return bytes_spoiled(random, tensors)
        case 2:
            names = [name for name in header if name != "__metadata__"]
            first, second = random.choice(names), random.choice(names)
            header[first], header[second] = header[second], header[first]
        case _:
            for _ in range(random.choice((1, 1, 3, 40))):
                _put_extreme(random, header, data)
    text = text_of(header)
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + bytes(data)


def _put_extreme(random: random.Random, header: dict[str, Any], data: bytearray) -> None:
    entry = header[random.choice([name for name in header if name != "__metadata__"])]
    begin, end = entry["data_offsets"]
    formats: dict[str, tuple[str, tuple[float, ...]]] = {
        "F32": ("<f", (math.nan, math.inf, -math.inf, 3e38, -3e38, 1e-45, 0.0, -1.0, 9.9)),
        "F16": ("<e", (math.nan, math.inf, 65504.0, -65504.0, 0.0, -1.0, 6e-8)),
        "I32": ("<i", (-1, 0, 2**31 - 1, -(2**31), 100, 10**6)),
        "U8": ("<B", (0, 1, 255)),
    }
    code, values = formats[entry["dtype"]]
    size = struct.calcsize(code)
    count = (end - begin) // size
    if count == 0:
        return
    value = random.choice(values)
    for _ in range(random.choice((1, 1, min(count, 400)))):
        struct.pack_into(code, data, begin + size * random.randrange(count), value)


def zip_spoiled(random: random.Random, avatar: bytes) -> bytes:
    """An avatar file whose zip lies: compressed members, doubles, strange names, sizes and offsets of its own."""
    match random.randrange(7):
        case 0:  # a bomb
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, content in members_of(avatar).items():
                    archive.writestr(name, bytes(300 << 20) if name.startswith("tensors") else content)
            return buffer.getvalue()
        case 1:
            name = random.choice(
                ("../../evil.py", "avatar.json", "/etc/x", "thumbnails/attr_x.png", "a" * 60000, "é\\")
            )
            return _with_member(avatar, name, b"x" * random.choice((0, 9, 100_000)))
        case 2:
            return _with_member(avatar, random.choice(("tensors.safetensors", "thumbnail.png")), b"")
        case 3:  # the size of a member, here or in the list at the end
            data = bytearray(avatar)
            at = random.choice(_places(avatar, random.choice((b"PK\x03\x04", b"PK\x01\x02"))))
            shift = random.randrange(4, 46)
            struct.pack_into("<I", data, min(at + shift, len(data) - 4), random.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF)))
            return bytes(data)
        case 4:  # the record at the end
            data = bytearray(avatar)
            at = _places(avatar, b"PK\x05\x06")[-1]
            struct.pack_into(
                "<I", data, at + random.randrange(4, 18), random.choice((0, 1, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF))
            )
            return bytes(data)
        case 5:  # flags and methods: encrypted, streamed, methods that Python has and has not
            data = bytearray(avatar)
            for at in _places(avatar, b"PK\x01\x02"):
                struct.pack_into(
                    "<H", data, at + random.choice((6, 8, 10)), random.choice((1, 8, 12, 14, 93, 99, 0xFFFF))
                )
            return bytes(data)
        case _:
            return random.choice((avatar + avatar, avatar[: len(avatar) // 2] + avatar, b"PK\x03\x04" + bytes(30)))


def _places(data: bytes, mark: bytes) -> list[int]:
    places, at = [], data.find(mark)
    while at >= 0:
        places.append(at)
        at = data.find(mark, at + 1)
    return places


def _with_member(avatar: bytes, name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for own, inside in members_of(avatar).items():
            archive.writestr(own, inside)
        archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def enlarged(random: random.Random, avatar: bytes) -> bytes:
    """A small avatar file that asks for much: many expressions over many vertices, or a count beyond all measure."""
    members = members_of(avatar)
    document = json.loads(members["avatar.json"])
    tensors = members["tensors.safetensors"]
    (length,) = struct.unpack_from("<Q", tensors)
    header, data = json.loads(tensors[8 : 8 + length]), tensors[8 + length :]
    if random.random() < 0.3:
        document["count"] = random.choice((0, 2**31, 2**63 - 1, 10**30))
        return avatar_of(members, document)
    arrays = {name: data[slice(*entry["data_offsets"])] for name, entry in header.items() if name != "__metadata__"}
    count = random.choice((2000, 100_000, 300_000))
    for name, (width, row) in {
        "figure.vertices": (3, bytes(12)),
        "figure.weights": (5, struct.pack("<5f", 1, 0, 0, 0, 0)),
    }.items():
        arrays[name] = row * count
        header[name]["shape"] = [count, width]
    expressions = random.choice((60, 1024))
    document["expressions"] = [
        {**document["expressions"][0], "slider": f"expr_{k}", "label": str(k)} for k in range(expressions)
    ]
    document["photo_state"]["sliders"] = {}
    if "figure.expression_starts" in header:
        for name in ("starts", "vertices", "moves"):
            arrays[f"figure.expression_{name}"] = b""
            header[f"figure.expression_{name}"]["shape"] = [0, 3] if name == "moves" else [0]
        arrays["figure.expression_starts"] = bytes(4 * (expressions + 1))
        header["figure.expression_starts"]["shape"] = [expressions + 1]
    packed, at = b"", 0
    for name, content in arrays.items():
        header[name]["data_offsets"] = [at, at + len(content)]
        packed, at = packed + content, at + len(content)
    text = text_of(header)
    text += b" " * (-len(text) % 8)
    members["tensors.safetensors"] = struct.pack("<Q", len(text)) + text + packed
    return avatar_of(members, document)


def avatar_spoiled(random: random.Random, avatar: bytes) -> bytes:
    """Any of the above."""

    def words(random: random.Random, avatar: bytes) -> bytes:
        members = members_of(avatar)
        if random.random() < 0.02:
            return avatar_of(members, deep(random))
        return avatar_of(members, json_spoiled(random, json.loads(members["avatar.json"])))

    def numbers(random: random.Random, avatar: bytes) -> bytes:
        members = members_of(avatar)
        spoiled = {**members, "tensors.safetensors": tensors_spoiled(random, members["tensors.safetensors"])}
        return avatar_of(spoiled, json.loads(members["avatar.json"]))

    ways: list[Callable[[random.Random, bytes], bytes]] = [words, numbers, bytes_spoiled, zip_spoiled, enlarged]
    return random.choices(ways, (35, 35, 15, 14, 1))[0](random, avatar)
