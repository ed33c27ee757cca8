import sys
import textwrap

import pytest

from perse_protocol.client import EngineClient

PREAMBLE = """
import os, sys, time
from perse_protocol.framing import read_frame, write_frame
from perse_protocol.messages import *

def hear():
    payload = read_frame(sys.stdin.buffer)
    if payload is None:
        sys.exit(0)
    return decode_message(payload, FROM_CLIENT)

def say(message):
    write_frame(sys.stdout.buffer, encode_message(message))

def greet():
    assert isinstance(hear(), Hello)
    say(Welcome(PROTOCOL_VERSION, "0", "3", os.getpid(), "none", 1, ("combined",), ("srgb",), 1))
"""


@pytest.fixture
def pretend_engine(tmp_path):
    """Start a client of a made-up engine, given as the source of a Python program."""
    clients = []

    def start(source):
        command = [sys.executable, "-c", PREAMBLE + textwrap.dedent(source)]
        clients.append(EngineClient(command, log_file=tmp_path / "engine.log"))
        return clients[-1]

    yield start
    for client in clients:
        client.close()
