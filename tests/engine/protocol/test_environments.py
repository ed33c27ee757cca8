"""Engines that the add-on has installed, as the command line finds them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from perse_protocol.environments import STAMP, engines_folder, installed, managed_environment
from perse_protocol.lookup import find_engine


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment variables of a user with a home of his own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return {"XDG_DATA_HOME": str(tmp_path / "data"), "LOCALAPPDATA": str(tmp_path / "data")}


def put(user: dict[str, str], name: str, **stamp: object) -> Path:
    """A folder that looks like an environment; stamped where a stamp is given."""
    folder = engines_folder(user) / name
    for file in ("bin/python", "bin/perse", "Scripts/python.exe", "Scripts/perse.exe"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch(0o755)
    if stamp:
        (folder / STAMP).write_text(json.dumps(stamp))
    return folder


def test_what_is_not_stamped_does_not_count(user: dict[str, str]) -> None:
    put(user, "1.0-aa-1")
    assert installed(user) == ()
    assert managed_environment(user) is None


def test_each_key_finds_its_own_and_nobody_the_newest(user: dict[str, str]) -> None:
    old = put(user, "1.0-aa-1", key="1.0-aa", tier="player", made=1.0)
    new = put(user, "2.0-bb-1", key="2.0-bb", tier="builder", made=2.0, torch="3")
    assert [each.folder for each in installed(user)] == [new, old]
    for key, folder in (("1.0-aa", old), ("2.0-bb", new), ("3.0-cc", new), ("", new)):
        command = find_engine("", user, key).command
        assert command is not None
        assert folder in command.parents
    found = managed_environment(user, "2.0-bb")
    assert found is not None
    assert (found.version, found.tier, found.torch) == ("2.0", "builder", "3")


def test_an_environment_whose_python_is_gone_is_none(user: dict[str, str]) -> None:
    folder = put(user, "1.0-aa-1", key="1.0-aa", tier="player", made=1.0)
    for file in ("bin/python", "Scripts/python.exe"):
        (folder / file).unlink()
    assert installed(user) == ()
