"""Strict decoding of plain JSON values into frozen dataclasses, driven by their type hints."""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import math
import types
import typing
from typing import Any, Literal, TypeVar, Union

from .errors import ProtocolError

T = TypeVar("T")


def decode(target: type[T], content: dict[str, Any], where: str) -> T:
    """Build the dataclass `target` from a JSON object.

    Understood hints: int, float (finite), str, bool, Any, Literal, X | None, tuple[X, ...], Mapping[str, X] and other
    dataclasses. Values of a Mapping[str, float] may be NaN.

    Args:
        where: names the object in errors ("render.camera").

    Raises:
        ProtocolError: an unknown or missing field, or a value of another type.
    """
    hints, required = _layout(target)  # type: ignore[arg-type]
    unknown = [name for name in content if name not in hints]
    if unknown:
        raise ProtocolError(f"{where} has no field {unknown[0][:60]!r}")
    missing = [name for name in required if name not in content]
    if missing:
        raise ProtocolError(f"{where} lacks the field {missing[0]!r}")
    return target(**{name: _value(hints[name], value, f"{where}.{name}") for name, value in content.items()})


@functools.cache
def _layout(target: type) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The type of each field, and the names of the fields without a default."""
    hints = typing.get_type_hints(target)
    fields = dataclasses.fields(target)
    required = tuple(field.name for field in fields if field.default is dataclasses.MISSING)
    return {field.name: hints[field.name] for field in fields}, required


def _value(hint: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if hint is Any:
        return value
    if hint is float:
        return _number(value, where)
    if hint in (int, str, bool):
        if type(value) is not hint:
            raise ProtocolError(f"{where} must be of type {hint.__name__}")
        return value
    if origin is Literal:
        if value not in arguments or type(value) is not str:
            raise ProtocolError(f"{where} must be one of {', '.join(map(str, arguments))}")
        return value
    if origin in (Union, types.UnionType):
        return None if value is None else _value(arguments[0], value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise ProtocolError(f"{where} must be a list")
        return tuple(_value(arguments[0], item, where) for item in value)
    if origin is collections.abc.Mapping:
        if not isinstance(value, dict):
            raise ProtocolError(f"{where} must be an object")
        if arguments[1] is float:
            return {name: _maybe_nan(item, f"{where}.{name[:60]}") for name, item in value.items()}
        return {name: _value(arguments[1], item, f"{where}.{name[:60]}") for name, item in value.items()}
    if not isinstance(value, dict):
        raise ProtocolError(f"{where} must be an object")
    return decode(hint, value, where)


def _number(value: Any, where: str) -> float:
    number = _maybe_nan(value, where)
    if not math.isfinite(number):
        raise ProtocolError(f"{where} must be a finite number")
    return number


def _maybe_nan(value: Any, where: str) -> float:
    if type(value) not in (int, float):
        raise ProtocolError(f"{where} must be a number")
    try:
        return float(value)
    except OverflowError as error:
        raise ProtocolError(f"{where} is too large a number") from error
