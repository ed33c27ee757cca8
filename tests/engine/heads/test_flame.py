"""FLAME files: the same head as an independent implementation, and a sentence for every wrong one."""

import dataclasses
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from body_models.flame.numpy import FLAME
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perse_engine.errors import InputError
from perse_engine.heads.alignment import overlay
from perse_engine.heads.flame import load_flame
from perse_engine.heads.head import Head, HeadState
from perse_engine.heads.posing import pose_head, rest_head


@pytest.fixture(scope="module")
def oracle(flame_fields: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> FLAME:
    path = tmp_path_factory.mktemp("oracle") / "flame.npz"
    np.savez(path, **flame_fields | {"J_regressor": flame_fields["J_regressor"].toarray()})
    return FLAME(model_path=path)


@pytest.mark.parametrize("seed", range(4))
def test_it_poses_as_body_models_does(flame_head: Head, flame_fields: dict[str, Any], oracle: FLAME, seed: int) -> None:
    rng = np.random.default_rng(seed)
    state = HeadState(
        shape=rng.normal(size=300).astype(np.float32),
        expression=rng.normal(0, 0.5, 100).astype(np.float32),
        pose=rng.normal(0, 0.5, (5, 3)).astype(np.float32),
        translation=np.zeros(3, np.float32),
    )
    parameters = {
        "shape": state.shape[None],
        "expression": state.expression[None],
        "head_rotation": state.pose[None, 0],
        "head_pose": state.pose[None, 1:],
    }
    expected = oracle.forward_vertices(**parameters)[0]
    origin = (flame_fields["J_regressor"] @ flame_fields["v_template"])[1]
    posed = pose_head(flame_head, state)
    np.testing.assert_allclose(posed.vertices[: len(expected)] + origin, expected, atol=1e-5)
    np.testing.assert_allclose(posed.joints + origin, oracle.forward_skeleton(**parameters)[0, :, :3, 3], atol=1e-5)


def test_its_shape_follows_the_file_and_not_a_constant(flame_head: Head, flame_fields: dict[str, Any]) -> None:
    vertices, faces = len(flame_fields["v_template"]), len(flame_fields["f"])
    assert vertices != 5023
    np.testing.assert_array_equal(flame_head.faces[:faces], flame_fields["f"])
    assert len(flame_head.template) > vertices  # the bust
    assert flame_head.shape_directions.shape[2] == 300
    assert len(flame_head.expression_names) == 100
    assert flame_head.expression_names[7] == "flame_007"
    assert flame_head.name == "flame2023"
    assert "non-commercial" in flame_head.licence
    np.testing.assert_allclose(flame_head.joints[1], 0, atol=1e-7)


def test_every_way_to_write_the_file_gives_the_same_head(
    flame_head: Head, flame_fields: dict[str, Any], as_pickle: Callable[..., bytes], tmp_path: Path
) -> None:
    """An .npz with an object array, and the open release in Python 3's own protocol, both in single precision."""
    fields = {
        name: value.astype(np.float32) if getattr(value, "dtype", None) == np.float64 else value
        for name, value in flame_fields.items()
    }
    np.savez(tmp_path / "flame.npz", **fields)
    opened = fields | {"supr_expression_metadata": {"n_expr": 100}}
    (tmp_path / "flame2023_Open.pkl").write_bytes(as_pickle(opened, protocol=5))
    own = slice(len(fields["v_template"]))
    for name, expected, licence in (
        ("flame.npz", "flame2020", "FLAME model licence"),
        ("flame2023_Open.pkl", "flame2023_open", "CC-BY-4.0"),
    ):
        head = load_flame(tmp_path / name)
        np.testing.assert_allclose(head.template[own], flame_head.template[own], atol=1e-6)
        np.testing.assert_allclose(head.joint_shape_directions, flame_head.joint_shape_directions, atol=1e-5)
        np.testing.assert_allclose(head.shape_directions[own], flame_head.shape_directions[own], atol=1e-6)
        assert head.name == expected
        assert head.licence.startswith(licence)


def test_the_open_head_finds_its_way_onto_another_person(open_head: Head) -> None:
    """Another identity, larger and elsewhere: each vertex lands within a millimetre or so of where it belongs."""
    shape = np.random.default_rng(1).normal(0, 0.8, 150).astype(np.float32)
    vertices, joints = rest_head(open_head, shape, np.zeros(0, np.float32))
    wanted = [open_head.parts.index(name) for name in ("skin", "mouth", "eyes")]
    used, faces = np.unique(open_head.faces[np.isin(open_head.face_parts, wanted)], return_inverse=True)
    move = np.array([0, 0.02, -0.01], np.float32)
    other = dataclasses.replace(
        open_head,
        template=1.1 * vertices[used] + move,
        joints=1.1 * joints + move,
        faces=faces.reshape(-1, 3).astype(np.int32),
    )
    error = np.linalg.norm(overlay(open_head, other).vertices[used] - other.template, axis=1)
    assert error.mean() < 0.0015
    assert np.quantile(error, 0.95) < 0.003


def test_parts_and_regions_come_over_from_the_open_head(
    flame_head: Head, open_head: Head, flame_fields: dict[str, Any]
) -> None:
    count = len(flame_fields["v_template"])
    wanted = [open_head.parts.index(name) for name in ("skin", "mouth", "eyes")]
    of_open = np.isin(open_head.face_parts, wanted)
    same = np.unique(open_head.faces[of_open])
    for name, mask in open_head.regions.items():
        error = np.abs(flame_head.regions[name][:count] - mask[same])
        assert error.mean() < 0.02, name
        assert np.corrcoef(flame_head.regions[name][:count], mask[same])[0, 1] > 0.9, name
    assert flame_head.parts == ("skin", "mouth", "eyes", "bust")
    expected = np.array([open_head.parts[part] for part in open_head.face_parts[of_open]])
    found = np.array([flame_head.parts[part] for part in flame_head.face_parts[: len(expected)]])
    assert (expected == found).mean() > 0.97
    assert (found[expected == "eyes"] == "eyes").all()


def test_uv_stays_in_the_square_and_the_eyes_stay_apart(flame_head: Head) -> None:
    assert 0 <= flame_head.uv.min() <= flame_head.uv.max() <= 1
    assert flame_head.uv_faces.shape == flame_head.faces.shape
    low, high = {}, {}
    for index, part in enumerate(flame_head.parts):
        corners = flame_head.uv[flame_head.uv_faces[flame_head.face_parts == index]].reshape(-1, 2)
        low[part], high[part] = corners.min(0), corners.max(0)
    assert low["skin"][1] > max(high[part][1] for part in ("mouth", "eyes", "bust"))
    assert high["eyes"][0] < low["mouth"][0] < high["mouth"][0] < low["bust"][0]


@pytest.mark.parametrize("seed", range(3))
def test_the_bust_stays_at_the_neck_in_every_identity_and_pose(flame_head: Head, open_head: Head, seed: int) -> None:
    own = flame_head.faces[flame_head.face_parts != flame_head.parts.index("bust")]
    edges = np.sort(np.concatenate([own[:, [0, 1]], own[:, [1, 2]], own[:, [2, 0]]]), 1)
    unique, counts = np.unique(edges, axis=0, return_counts=True)
    edge = np.unique(unique[counts == 1])
    edge = edge[flame_head.template[edge, 1] < flame_head.joints[0, 1]]
    bust = np.unique(flame_head.faces[flame_head.face_parts == flame_head.parts.index("bust")])
    rng = np.random.default_rng(seed)
    pose = np.zeros((5, 3), np.float32)
    pose[1] = rng.normal(0, 0.3, 3)
    shape = np.concatenate([rng.normal(size=150), np.zeros(150)]).astype(np.float32)
    posed = pose_head(flame_head, HeadState(shape, np.zeros(100, np.float32), pose, np.zeros(3, np.float32))).vertices
    gap = np.linalg.norm(posed[edge][:, None] - posed[bust][None], axis=2).min(1)
    assert len(edge) > 40
    assert gap.max() < 0.006
    far = bust[flame_head.template[bust, 1] < flame_head.joints[0, 1] - 0.12]
    np.testing.assert_allclose(flame_head.weights[far, 0], 1, atol=1e-6)


def damaged(fields: dict[str, Any], kind: str) -> dict[str, Any]:
    if kind == "faces outside":
        return fields | {"f": fields["f"] + 1}
    if kind == "not a number":
        template = fields["v_template"].copy()
        template[5, 1] = np.nan
        return fields | {"v_template": template}
    if kind == "weights":
        return fields | {"weights": fields["weights"] * 0.7}
    if kind == "other joints":
        return fields | {"kintree_table": np.array([[-1, 0, 1, 2, 3], [0, 1, 2, 3, 4]])}
    if kind == "no expressions":
        return fields | {"shapedirs": fields["shapedirs"][:, :, :300]}
    if kind == "text":
        return fields | {"weights": "weights"}
    if kind == "transposed":
        return fields | {"v_template": fields["v_template"].T}
    if kind == "strings":
        return fields | {"kintree_table": np.array([["a"] * 5] * 2)}
    return {name: value for name, value in fields.items() if name != kind.removeprefix("no ")}


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("faces outside", "wrong-shape"),
        ("not a number", "not-a-head"),
        ("weights", "wrong-shape"),
        ("other joints", "wrong-shape"),
        ("no expressions", "wrong-shape"),
        ("text", "not-a-head"),
        ("strings", "not-a-head"),
        ("transposed", "wrong-shape"),
        ("no J_regressor", "not-a-head"),
        ("no weights", "not-a-head"),
    ],
)
def test_wrong_content_is_named(
    flame_fields: dict[str, Any], as_pickle: Callable[..., bytes], tmp_path: Path, kind: str, code: str
) -> None:
    light = flame_fields | {"shapedirs": flame_fields["shapedirs"].astype(np.float16)}
    path = tmp_path / "flame2023.pkl"
    path.write_bytes(as_pickle(damaged(light, kind), protocol=4))
    with pytest.raises(InputError) as error:
        load_flame(path)
    assert error.value.code == code
    assert "flame.is.tue.mpg.de" in error.value.hint


def test_files_that_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "empty.pkl").write_bytes(b"")
    (tmp_path / "list.pkl").write_bytes(pickle.dumps([1, 2]))
    (tmp_path / "photo.pkl").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04" + bytes(40))
    for name, code in (
        ("missing.pkl", "no-file"),
        (".", "no-file"),
        ("empty.pkl", "not-a-head"),
        ("list.pkl", "not-a-head"),
        ("photo.pkl", "not-a-head"),
        ("cut.npz", "not-a-head"),
    ):
        with pytest.raises(InputError) as error:
            load_flame(tmp_path / name)
        assert error.value.code == code, name


def test_objects_in_an_npz_are_read_by_the_same_rules(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return eval, (f"open({str(tmp_path / 'ran')!r}, 'w')",)

    np.savez(tmp_path / "flame.npz", v_template=np.array([Payload()], dtype=object))
    with pytest.raises(InputError) as error:
        load_flame(tmp_path / "flame.npz")
    assert error.value.code == "hostile-file"
    assert not (tmp_path / "ran").exists()


@given(st.data())
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_files_cut_short_or_overwritten_are_named(tmp_path: Path, data: st.DataObject) -> None:
    fields = {name: np.zeros((3, 3)) for name in ("v_template", "f", "shapedirs", "weights")}
    buffer = io.BytesIO()
    np.savez(buffer, **fields)
    content = bytearray(data.draw(st.sampled_from([buffer.getvalue(), pickle.dumps(fields, 2)])))
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path / "flame.pkl"
    path.write_bytes(content)
    with pytest.raises(InputError):
        load_flame(path)


def test_the_joints_of_another_person_are_linear_in_identity(flame_head: Head, flame_fields: dict[str, Any]) -> None:
    shape = np.random.default_rng(0).normal(size=300).astype(np.float32)
    vertices, joints = rest_head(flame_head, shape, np.zeros(0, np.float32))
    regressed = flame_fields["J_regressor"] @ vertices[: len(flame_fields["v_template"])]
    np.testing.assert_allclose(joints, regressed, atol=1e-5)
