"""The backends that the parity tests run."""

from __future__ import annotations

import pytest

from .backends import DEVICES, state_of


@pytest.fixture(params=DEVICES)
def backend(request: pytest.FixtureRequest) -> str:
    """The name of a backend that works on this machine."""
    state = state_of(request.param)
    if state != "ok":
        pytest.skip(f"{request.param}: {state}")
    return request.param
