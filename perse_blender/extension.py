"""The installed extension: its folder, and the name that Blender knows it by."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
NAME = __package__
