"""The file of a baked head: what goes in comes out, and damage is named."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from perse_engine.errors import InputError
from perse_engine.heads import head_file
from perse_engine.heads.head import Head
from perse_engine.heads.head_file import read_head, write_head


@pytest.fixture(scope="module")
def small_head(open_head: Head) -> Head:
    """The open head with a few directions of each kind, pose correctives included."""
    pose = np.random.default_rng(0).normal(0, 1e-3, (*open_head.template.shape, 36)).astype(np.float32)
    return dataclasses.replace(
        open_head,
        shape_directions=open_head.shape_directions[:, :, :5],
        joint_shape_directions=open_head.joint_shape_directions[:, :, :5],
        expression_directions=open_head.expression_directions[:, :, :7],
        expression_names=open_head.expression_names[:7],
        pose_directions=pose,
    )


def test_a_head_survives_the_round_trip(small_head: Head, tmp_path: Path) -> None:
    head = small_head
    write_head(tmp_path / "head.npz", head)
    back = read_head(tmp_path / "head.npz")
    for field in dataclasses.fields(Head):
        value, expected = getattr(back, field.name), getattr(head, field.name)
        if field.name == "regions":
            assert set(value) == set(expected)
            for name in expected:
                np.testing.assert_allclose(value[name], expected[name], atol=1 / 255)
        elif isinstance(expected, np.ndarray):
            assert value.dtype == expected.dtype, field.name
            np.testing.assert_allclose(value, expected, atol=3e-6)
        else:
            assert value == expected


def test_the_same_head_gives_the_same_bytes(small_head: Head, tmp_path: Path) -> None:
    write_head(tmp_path / "a.npz", small_head)
    write_head(tmp_path / "b.npz", small_head)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_another_version_is_named(small_head: Head, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_file, "VERSION", 99)
    write_head(tmp_path / "head.npz", small_head)
    monkeypatch.undo()
    with pytest.raises(InputError, match="format 99") as error:
        read_head(tmp_path / "head.npz")
    assert error.value.code == "head-version"


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_file_cut_short_is_named(small_head: Head, tmp_path: Path, share: float) -> None:
    path = tmp_path / "head.npz"
    write_head(path, small_head)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError) as error:
        read_head(path)
    assert error.value.code == "not-a-head"


def test_a_direction_too_long_for_the_file_is_refused(small_head: Head, tmp_path: Path) -> None:
    directions = small_head.shape_directions.copy()
    directions[0, 0, 0] = 0.2
    with pytest.raises(ValueError, match="too long"):
        write_head(tmp_path / "head.npz", dataclasses.replace(small_head, shape_directions=directions))
    assert not list(tmp_path.iterdir())
