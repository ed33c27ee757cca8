"""Reading numbers out of a pickle without running any of it.

A pickle is a program for a small stack machine. This one steps through that program and only ever builds plain data:
where the program asks for a class or a function, it gets a `Global`, a name; where it calls one, a `Call`, a record of
the name and the arguments. Nothing is imported, nothing is called. Names that no head model needs are refused at once.
"""

from __future__ import annotations

import codecs
import dataclasses
import io
import pickletools
import re
from collections.abc import Callable
from typing import Any

from perse_engine.errors import InputError


@dataclasses.dataclass(frozen=True)
class Global:
    """The name of a class or function that the pickle asked for."""

    module: str
    name: str


@dataclasses.dataclass(eq=False)
class Call:
    """What a pickle wanted to call or to construct, and the state that it wanted to set on the result."""

    function: Global
    arguments: tuple[Any, ...]
    state: Any = None


_HARMLESS = re.compile(
    r"numpy(\._?core)?(\.multiarray|\.numeric)?\.(_reconstruct|ndarray|dtype|scalar|_frombuffer)"
    r"|scipy\.sparse(\.\w+)*\.(csc|csr|coo)_(matrix|array)"
    r"|chumpy(\.\w+)+"
    r"|(copy_reg|copyreg)\._reconstructor"
    r"|(__builtin__|builtins)\.(object|set|bytes|bytearray)"
    r"|_codecs\.encode"
)
_OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}
_MARK = object()
_HINT = "use the file as its makers published it, and no other copy"


def read_pickle(content: bytes) -> Any:
    """The data of a pickle of any protocol: numbers, strings, containers, and `Call` records where it held objects.

    Python 2's strings come back as str, one character a byte (latin-1).

    Raises:
        InputError: "hostile-file" where it asks for a name that no head model needs, "broken-pickle" where it is cut
            short or not a pickle.
    """
    machine = _Machine()
    stream = io.BytesIO(content)
    try:
        while True:
            code, argument = _next(stream)
            if code == "STOP":
                return machine.stack.pop()
            machine.step(code, argument)
    except (IndexError, TypeError, ValueError, OverflowError, MemoryError) as error:
        raise InputError(
            "broken-pickle", f"the file is not a whole pickle ({error})", "copy or download the file again"
        ) from error


def _next(stream: io.BytesIO) -> tuple[str, Any]:
    byte = stream.read(1)
    opcode = _OPCODES.get(byte.decode("latin-1"))
    if opcode is None:
        raise ValueError("it ends early" if not byte else f"byte {byte!r} at {stream.tell() - 1} is no instruction")
    if opcode.name == "STRING":  # pickletools reads it as ASCII only
        quoted = stream.readline().strip()
        if len(quoted) < 2 or quoted[:1] not in b"'\"" or quoted[:1] != quoted[-1:]:
            raise ValueError("a string has no quotes")
        return opcode.name, codecs.escape_decode(quoted[1:-1])[0].decode("latin-1")
    return opcode.name, None if opcode.arg is None else opcode.arg.reader(stream)


class _Machine:
    """The stack, the memo and the instructions that change them."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def step(self, code: str, argument: Any) -> None:
        if code in _LITERALS:
            self.stack.append(argument)
        elif code in _CONSTANTS:
            self.stack.append(_CONSTANTS[code]())
        elif code in _INSTRUCTIONS:
            _INSTRUCTIONS[code](self, argument)
        elif code not in ("PROTO", "FRAME"):
            raise InputError("hostile-file", f"the pickle uses {code}, which no head model needs", _HINT)

    def marked(self) -> list[Any]:
        """Pop everything above the last mark, and the mark."""
        at = len(self.stack) - 1
        while self.stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise ValueError("a mark is missing")
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items

    def last(self, count: int) -> list[Any]:
        """Pop the last `count` items."""
        if count > len(self.stack):
            raise ValueError("the stack is empty")
        items = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return items

    def put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def get(self, index: int) -> None:
        if index not in self.memo:
            raise ValueError(f"it refers to item {index}, which it does not have")
        self.stack.append(self.memo[index])

    def extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, set):
            target.update(_keys(items))
        elif isinstance(target, list):
            target.extend(items)
        else:
            raise ValueError("items are added to something that is no list")

    def update(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict):
            raise ValueError("items are set on something that is no dictionary")
        self.stack[-1].update(_dictionary(items))

    def ask(self, module: Any, name: Any) -> None:
        wanted = f"{module}.{name}" if isinstance(module, str) and isinstance(name, str) else "something without a name"
        if not _HARMLESS.fullmatch(wanted):
            raise InputError("hostile-file", f"the pickle wants to use {wanted}, which no head model needs", _HINT)
        self.stack.append(Global(module, name))

    def call(self, function: Any, arguments: Any) -> None:
        if not isinstance(function, Global) or not isinstance(arguments, tuple):
            raise InputError("hostile-file", "the pickle calls something that is not a name", _HINT)
        self.stack.append(Call(function, arguments))

    def build(self) -> None:
        state = self.stack.pop()
        if not isinstance(self.stack[-1], Call):
            raise InputError("hostile-file", "the pickle sets the state of something that is no object", _HINT)
        self.stack[-1].state = state

    def construct(self, items: list[Any]) -> None:
        self.call(items[0], tuple(items[1:]))

    def instance(self, name: str) -> None:
        arguments = tuple(self.marked())
        self.ask(*name.split(" ", 1))
        self.call(self.stack.pop(), arguments)


def _keys(items: list[Any]) -> list[Any]:
    """Only plain keys: a tuple nested a million deep would overflow the stack when it is hashed."""
    if not all(item is None or isinstance(item, (str, bytes, int, float, Call)) for item in items):
        raise ValueError("a key is neither a string nor a number")
    return items


def _dictionary(items: list[Any]) -> dict[Any, Any]:
    return dict(zip(_keys(items[::2]), items[1::2], strict=True))


_LITERALS = frozenset(
    opcode.name
    for opcode in pickletools.opcodes
    if opcode.arg and not opcode.stack_before and opcode.stack_after not in ([], [pickletools.anyobject])
)
"""The instructions that do no more than push their argument: numbers and strings."""

_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
    "EMPTY_TUPLE": tuple,
    "MARK": lambda: _MARK,
}
_INSTRUCTIONS: dict[str, Callable[[_Machine, Any], Any]] = {
    "POP": lambda m, _: m.stack.pop(),
    "POP_MARK": lambda m, _: m.marked(),
    "DUP": lambda m, _: m.stack.append(m.stack[-1]),
    "PUT": _Machine.put,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": lambda m, _: m.put(len(m.memo)),
    "GET": _Machine.get,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "LIST": lambda m, _: m.stack.append(m.marked()),
    "DICT": lambda m, _: m.stack.append(_dictionary(m.marked())),
    "TUPLE": lambda m, _: m.stack.append(tuple(m.marked())),
    "FROZENSET": lambda m, _: m.stack.append(frozenset(_keys(m.marked()))),
    "TUPLE1": lambda m, _: m.stack.append(tuple(m.last(1))),
    "TUPLE2": lambda m, _: m.stack.append(tuple(m.last(2))),
    "TUPLE3": lambda m, _: m.stack.append(tuple(m.last(3))),
    "APPEND": lambda m, _: m.extend(m.last(1)),
    "APPENDS": lambda m, _: m.extend(m.marked()),
    "ADDITEMS": lambda m, _: m.extend(m.marked()),
    "SETITEM": lambda m, _: m.update(m.last(2)),
    "SETITEMS": lambda m, _: m.update(m.marked()),
    "GLOBAL": lambda m, name: m.ask(*name.split(" ", 1)),
    "STACK_GLOBAL": lambda m, _: m.ask(*m.last(2)),
    "INST": _Machine.instance,
    "OBJ": lambda m, _: m.construct(m.marked()),
    "REDUCE": lambda m, _: m.call(*m.last(2)),
    "NEWOBJ": lambda m, _: m.call(*m.last(2)),
    "BUILD": lambda m, _: m.build(),
}
