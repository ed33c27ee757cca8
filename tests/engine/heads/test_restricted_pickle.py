"""No pickle runs anything, whatever it holds; honest ones come back whole."""

import builtins
import contextlib
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import sparse

from perse_engine.errors import InputError
from perse_engine.heads.flame import load_flame
from perse_engine.heads.pickled_arrays import array_of
from perse_engine.heads.restricted_pickle import Call, read_pickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


class Payload:
    """Pickles as a call of `function` with `arguments`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.function, self.arguments

    def __call__(self) -> None:
        """Only callables may stand where the pickle calls something."""


def hostile(mark: Path) -> dict[str, bytes]:
    """Pickles that would create `mark` if any of their code ran."""
    touch = f"touch {mark}"
    code = f"open({str(mark)!r}, 'w')"
    objects: dict[str, Any] = {
        "os.system": Payload(os.system, touch),
        "builtins.eval": Payload(builtins.eval, code),
        "builtins.exec": Payload(builtins.exec, code),
        "builtins.open": Payload(builtins.open, str(mark), "w"),
        "subprocess": Payload(subprocess.Popen, ["touch", str(mark)]),
        "getattr": Payload(getattr, Payload(__import__, "os"), "system"),
        "getattr chain": Payload(Payload(getattr, Payload(__import__, "os"), "system"), touch),
        "import": Payload(__import__, "antigravity"),
        "numpy load": Payload(np.load, str(mark), None, True),
        "numpy fromfile": Payload(np.memmap, str(mark), "u1", "w+", 0, (8,)),
        "nested in a list": {"v_template": [1, [2, [Payload(os.system, touch)]]]},
        "nested in an array": {"v_template": np.array([Payload(os.system, touch)], dtype=object)},
        "in an object's state": {"J_regressor": sparse.csc_matrix(np.eye(2)), "x": Payload(os.system, touch)},
    }
    raw = {
        "posix by text": f"cposix\nsystem\n(S'{touch}'\ntR.".encode(),
        "nt by text": f"cnt\nsystem\n(S'{touch}'\ntR.".encode(),
        "inst": f"(S'{touch}'\nios\nsystem\n.".encode(),
        "obj": b"(cos\nsystem\n" + f"S'{touch}'\no.".encode(),
        "stack_global": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c" + bytes([len(touch)]) + touch.encode() + b"\x85R.",
        "dotted name": b"\x80\x04\x8c\x05numpy\x8c\x13ndarray.__class__.x\x93.",
        "dotted module": b"cnumpy.os\nsystem\n.",
        "name after a newline": b"\x80\x04\x8c\x05numpy\x8c\x0dndarray\nos.sy\x93.",
        "extension registry": b"\x80\x02\x82\x01.",
        "persistent id": b"Pos.system\n.",
        "call of a string": b"S'os.system'\n(tR.",
        "call of a call": b"cnumpy\ndtype\n(S'f8'\ntR(tR.",
        "state of a class": b"cnumpy\nndarray\n}S'__init__'\nI1\nsb.",
        "setattr": f"cbuiltins\nsetattr\n(cnumpy\nndarray\nS'a'\nS'{touch}'\ntR.".encode(),
        "new object with keywords": b"\x80\x04cnumpy\ndtype\n)}\x92.",
        "chumpy with a payload in it": b"cchumpy.ch\nCh\n)\x81}S'x'\ncos\nsystem\n" + f"(S'{touch}'\ntRsb.".encode(),
    }
    for name, payload in objects.items():
        for protocol in (0, 2, pickle.HIGHEST_PROTOCOL):
            raw[f"{name} by protocol {protocol}"] = pickle.dumps(payload, protocol)
    return raw


def test_no_hostile_pickle_runs_anything(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    payloads = hostile(mark)
    before = set(sys.modules)
    for name, content in payloads.items():
        with pytest.raises(InputError) as error:
            read_pickle(content)
        assert error.value.code == "hostile-file", name
        path = tmp_path / "flame2023.pkl"
        path.write_bytes(content)
        with pytest.raises(InputError) as error:
            load_flame(path)
        assert error.value.code in ("hostile-file", "not-a-head"), name
        assert error.value.exit_status == 2
    assert not mark.exists()
    imported = {name for name in set(sys.modules) - before if not name.startswith("encodings.")}  # text codecs
    assert imported == set()


def test_the_payloads_are_live(tmp_path: Path) -> None:
    """The proof above would prove nothing if the payloads could not run at all."""
    mark = tmp_path / "ran"
    pickle.loads(hostile(mark)["posix by text"])
    assert mark.exists()
    mark.unlink()
    pickle.loads(hostile(mark)["nested in a list by protocol 2"])
    assert mark.exists()


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(max_size=300),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(plain, st.sampled_from([p for p in PROTOCOLS if p > 2]))
def test_plain_data_comes_back(value: Any, protocol: int) -> None:
    assert read_pickle(pickle.dumps(value, protocol)) == value


@given(
    arrays(st.sampled_from(["<f8", ">f8", "<f4", "<u4", "<i8", "|u1", "|b1"]), array_shapes(max_dims=3, max_side=5)),
    st.sampled_from(PROTOCOLS),
    st.booleans(),
)
def test_arrays_come_back(array: np.ndarray, protocol: int, fortran: bool) -> None:
    array = np.asfortranarray(array) if fortran else array
    back = array_of(read_pickle(pickle.dumps(array, protocol)))
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype.newbyteorder("=")


@given(arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.integers(0, 2)))
@settings(max_examples=40)
def test_sparse_matrices_come_back_dense(dense: np.ndarray) -> None:
    for make in (sparse.csc_matrix, sparse.csr_matrix, sparse.coo_matrix, sparse.csc_array):
        for protocol in (0, 2, 5):
            back = array_of(read_pickle(pickle.dumps(make(dense), protocol)))
            np.testing.assert_array_equal(back, dense)


def test_python_2_strings_become_arrays() -> None:
    """Protocol 0 of Python 2, as SMPL's oldest files have it: bytes as an escaped string."""
    content = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\ntcnumpy\ndtype\n"
        b"(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'\\x00\\x00\\x00\\x00\\x00\\x00\\xf0?"
        b"\\x00\\x00\\x00\\x00\\x00\\x00\\x00@'\ntb."
    )
    np.testing.assert_array_equal(array_of(read_pickle(content)), [1, 2])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "ends early"),
        (b"hello", "item 101"),
        (b"\xff", "no instruction"),
        (b"\x80\x02]q\x00", "ends early"),
        (b"(t", "ends early"),
        (b"R.", "stack"),
        (b"t.", "range|mark"),
        (b"S'open\n.", "quotes"),
        (b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xff\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.", "."),
        (b"}" + b"(t" + b"\x85" * 200_000 + b"Ns.", "key"),
    ],
)
def test_broken_pickles_are_named(content: bytes, why: str) -> None:
    with pytest.raises(InputError, match=why) as error:
        read_pickle(content)
    assert error.value.code == "broken-pickle"


honest = pickle.dumps({"a": np.arange(6.0), "J": sparse.csc_matrix(np.eye(3)), "s": ["lbs", None, {1: 2.0}]}, 2)


@given(st.binary(max_size=200) | st.builds(lambda a, b: honest[:a] + b, st.integers(0, 400), st.binary(max_size=30)))
@settings(max_examples=400)
def test_fuzzed_bytes_give_data_or_an_input_error(content: bytes) -> None:
    with contextlib.suppress(InputError, ValueError):
        value = read_pickle(content)
        for item in value.values() if isinstance(value, dict) else [value]:
            array_of(item)


@given(st.data())
@settings(max_examples=300)
def test_flipped_bytes_give_arrays_or_errors(data: st.DataObject) -> None:
    content = bytearray(honest)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InputError, ValueError):
        value = read_pickle(bytes(content))
        for item in value.values() if isinstance(value, dict) else [value]:
            array_of(item)


def lying_array(shape: str, content: bytes = b"", kind: str = "f8") -> Call:
    return read_pickle(
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n("
        + shape.encode()
        + f"tcnumpy\ndtype\n(S'{kind}'\nI0\nI1\ntRI00\n".encode()
        + b"U"
        + bytes([len(content)])
        + content
        + b"tb."
    )


@pytest.mark.parametrize(
    "value",
    [
        lambda: lying_array("I99999999999\n"),
        lambda: lying_array("I2\n", b"12345678"),
        lambda: lying_array("I-1\n", b"12345678"),
        lambda: lying_array("I1\n", b"12345678", "O"),
        lambda: lying_array("I1\n", b"12345678", "M8[us]"),
        lambda: lying_array("S'x'\n", b"12345678"),
        lambda: read_pickle(b"cchumpy.ch\nCh\n)\x81}S'y'\nI1\nsb."),
        lambda: read_pickle(b"cscipy.sparse.csc\ncsc_matrix\n)\x81}b."),
        lambda: "text",
        lambda: None,
    ],
)
def test_lying_arrays_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        array_of(value())


def test_a_sparse_matrix_that_points_outside_itself_is_refused() -> None:
    for field, content in (("indices", [7]), ("indptr", [0, 1, 1, 5]), ("indptr", [0, 1]), ("_shape", (10**9, 10**9))):
        matrix = sparse.csc_matrix(([1.0], ([0], [0])), shape=(3, 3))
        matrix.__dict__[field] = content if field == "_shape" else np.array(content)
        with pytest.raises(ValueError, match=r"."):
            array_of(read_pickle(pickle.dumps(matrix, 2)))
