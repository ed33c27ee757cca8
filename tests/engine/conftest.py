"""What every test of the engine shares."""

import signal

import pytest
from hypothesis import settings

from perse_engine.heads.head import Head
from perse_engine.heads.open_head import load_open_head

settings.register_profile("engine", deadline=None)  # the first example compiles kernels; no test asserts a time
settings.load_profile("engine")

# A shell that runs the tests in the background makes every process below it deaf to Ctrl-C, which tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def open_head() -> Head:
    """The default head model. Its arrays are shared: do not write to them."""
    return load_open_head()
