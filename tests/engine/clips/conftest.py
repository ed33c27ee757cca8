"""The painted head's portrait and wardrobe."""

from __future__ import annotations

import pytest
from painted_head import painted_portrait

from perse_engine.clips.catalogue import load_catalogue
from perse_engine.clips.editor import dress


@pytest.fixture(scope="session")
def portrait():
    return painted_portrait(256, {"mouthsmileleft": 0.2, "mouthsmileright": 0.2})


@pytest.fixture(scope="session")
def catalogue():
    return load_catalogue()


@pytest.fixture(scope="session")
def wardrobe(portrait, catalogue):
    return dress(portrait, catalogue)
