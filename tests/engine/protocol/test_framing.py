import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perse_protocol.errors import ProtocolError
from perse_protocol.framing import LARGEST_FRAME, read_frame, write_frame


class Trickle(io.RawIOBase):
    """A stream that gives at most `step` bytes at a time, as pipes may."""

    def __init__(self, content, step):
        self.content = content
        self.step = step

    def read(self, size=-1):
        chunk, self.content = self.content[: min(size, self.step)], self.content[min(size, self.step) :]
        return chunk


def framed(payload):
    stream = io.BytesIO()
    write_frame(stream, payload)
    return stream.getvalue()


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 7))
def test_frames_arrive_whole_however_the_stream_is_cut(payloads, step):
    stream = Trickle(b"".join(map(framed, payloads)), step)
    assert [read_frame(stream) for _ in payloads] == payloads
    assert read_frame(stream) is None


@given(st.binary(max_size=300), st.data())
def test_a_truncated_frame_is_an_error_and_no_shorter_message(payload, data):
    whole = framed(payload)
    cut = data.draw(st.integers(1, len(whole) - 1))
    with pytest.raises(ProtocolError, match="ended"):
        read_frame(io.BytesIO(whole[:cut]))


@given(st.integers(LARGEST_FRAME + 1, 2**32 - 1))
def test_a_huge_length_is_refused_before_anything_is_read(length):
    with pytest.raises(ProtocolError, match="at most"):
        read_frame(io.BytesIO(length.to_bytes(4, "big") + b"x" * 10))


@given(st.binary(max_size=64))
def test_random_bytes_are_a_frame_or_an_error(content):
    stream = io.BytesIO(content)
    try:
        payload = read_frame(stream)
    except ProtocolError:
        return
    assert payload is None or content.startswith(len(payload).to_bytes(4, "big") + payload)


def test_too_long_a_message_is_not_sent():
    with pytest.raises(ProtocolError, match="longer than"):
        write_frame(io.BytesIO(), bytes(LARGEST_FRAME + 1))
