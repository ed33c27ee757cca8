"""The backends that the parity tests run."""

from __future__ import annotations

import pytest

from perse_engine.splatting.rasterize import available_backends


@pytest.fixture(params=["numba", "gsplat"])
def backend(request: pytest.FixtureRequest) -> str:
    """The name of a backend that works on this machine."""
    state = available_backends()[request.param]
    if state != "ok":
        pytest.skip(f"{request.param}: {state}")
    return request.param
