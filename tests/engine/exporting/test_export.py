"""Exported files, read by readers of their own, hold the same Gaussians, the same mesh, the same blendshapes."""

import dataclasses
import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest
from readers import Glb, gaussians_of_glb, gaussians_of_ply, gaussians_of_spz, posed_mesh, psnr, read_ply

from perse_engine.avatars.decoding import decode, posed_vertices
from perse_engine.avatars.state import AvatarState
from perse_engine.cli.running import run
from perse_engine.exporting.export import finite
from perse_engine.exporting.mesh import target_name
from perse_engine.exporting.spz import fractional_bits

SLIDERS = {"attr_hat_cap": 1.0, "attr_face_long": 0.6, "expr_jawopen": 0.5, "expr_mouthsmileleft": 0.8}
SET = ["--set", *(f"{name}={value}" for name, value in SLIDERS.items())]
GUIDE = Path(__file__).parents[3] / "docs" / "exporting.md"


@pytest.fixture
def perse(file, capfd):
    """Run `perse export` on the avatar; exit status, stdout and stderr."""

    def call(*arguments):
        capfd.readouterr()
        status = run(["export", str(file), *map(str, arguments)])
        return status, *capfd.readouterr()

    return call


def arrays(gaussians):
    return [getattr(gaussians, field.name) for field in dataclasses.fields(gaussians)]


@pytest.mark.parametrize(
    ("name", "read", "least"),
    [("me.ply", gaussians_of_ply, 100), ("me.glb", gaussians_of_glb, 100), ("me.spz", gaussians_of_spz, 45)],
)
def test_what_is_read_draws_the_same_picture(perse, avatar, picture, tmp_path, name, read, least):
    options = ["--up", "y"] if name.endswith("ply") else []
    assert perse("--out", tmp_path / name, *SET, *options)[0] == 0
    before = picture(arrays(decode(avatar, AvatarState(SLIDERS))))
    assert 0.2 < (before[..., 3] > 0.5).mean() < 0.9
    assert psnr(picture(read(tmp_path / name)), before) > least


def test_numbers_are_what_they_were(perse, avatar, tmp_path):
    assert perse("--out", tmp_path / "me.ply", "--up", "y", "--state", "photo")[0] == 0
    expected = decode(avatar, avatar.photo_state)
    means, quaternions, scales, opacities, colors = gaussians_of_ply(tmp_path / "me.ply")
    np.testing.assert_array_equal(means.astype(np.float32), expected.means)
    np.testing.assert_allclose(scales, expected.scales, rtol=2e-6)
    np.testing.assert_allclose(opacities, expected.opacities, atol=2e-6)
    np.testing.assert_allclose(colors, expected.colors, atol=2e-7)
    np.testing.assert_allclose(np.abs((quaternions * expected.quaternions).sum(1)), 1, atol=1e-5)
    comments, rows = read_ply(tmp_path / "me.ply")
    assert not np.stack([rows["nx"], rows["ny"], rows["nz"]]).any()
    assert comments[1:3] == ["avatar: Zo? M?ller", "licences: not stated; the photograph keeps its own"]


@pytest.mark.parametrize(
    ("options", "up", "face"),
    [([], [0, -1, 0], [0, 0, -1]), (["--up", "y"], [0, 1, 0], [0, 0, 1]), (["--up", "z"], [0, 0, 1], [0, -1, 0])],
)
def test_up_is_where_it_is_said(perse, avatar, picture, tmp_path, options, up, face):
    assert perse("--out", tmp_path / "me.ply", *options)[0] == 0
    means, quaternions, scales, opacities, colors = gaussians_of_ply(tmp_path / "me.ply")
    turn = np.stack([np.cross(up, face), up, face])  # back into head space, rows x y z
    before = decode(avatar, AvatarState())
    np.testing.assert_allclose(means @ turn.T, before.means, atol=1e-6)
    from scipy.spatial.transform import Rotation

    back = (Rotation.from_matrix(turn) * Rotation.from_quat(quaternions[:, [1, 2, 3, 0]])).as_quat()[:, [3, 0, 1, 2]]
    assert psnr(picture((means @ turn.T, back, scales, opacities, colors)), picture(arrays(before))) > 80


def test_spz_says_where_it_comes_from_and_measures_its_steps(perse, tmp_path):
    assert perse("--out", tmp_path / "me.spz")[0] == 0
    content = (tmp_path / "me.spz").read_bytes()
    assert content[10 : content.index(b"\0", 10)].splitlines()[0].startswith(b"generator: PERSE")
    assert len(gzip.decompress(content)) % 20 == 16
    assert [fractional_bits(np.full((1, 3), far)) for far in (0.1, 1.0, 1000.0, 1e9)] == [16, 16, 13, 0]


@pytest.mark.parametrize("state", [[], SET, ["--state", "photo"]])
def test_the_mesh_is_posed_as_the_engine_poses_it(perse, avatar, tmp_path, state):
    assert perse("--out", tmp_path / "me.glb", "--what", "mesh", *state)[0] == 0
    expected = avatar.photo_state if "photo" in state else AvatarState(SLIDERS if state else {})
    glb = Glb(tmp_path / "me.glb")
    mesh = glb.document["meshes"][0]
    names = [material["name"] for material in glb.document["materials"]]
    assert ("cap" in names) == bool(state == SET)
    assert {"skin", "eyes", "teeth"} <= set(names)
    corners = posed_mesh(tmp_path / "me.glb")
    triangles = np.concatenate([glb.array(p["indices"]).reshape(-1, 3) for p in mesh["primitives"]])
    vertices = posed_vertices(avatar, expected)
    figure = avatar.figure
    shown = np.isin(figure.face_parts, [figure.parts.index(name) for name in names])
    order = np.argsort(figure.face_parts[shown], kind="stable")
    np.testing.assert_allclose(corners[triangles], vertices[figure.faces[shown][order]], atol=2e-6)


def test_the_mesh_has_names_that_face_capture_knows(perse, avatar, tmp_path):
    assert perse("--out", tmp_path / "me.glb", "--what", "mesh")[0] == 0
    document = Glb(tmp_path / "me.glb").document
    names = document["meshes"][0]["extras"]["targetNames"]
    assert {"jawOpen", "mouthSmileLeft", "browInnerUp", "eyeLookInRight", "tongueOut"} <= set(names[:52])
    assert {name.lower() for name in names[:52]} == set(avatar.figure.expression_names)
    assert names[52:] == ["attr_face_wide", "attr_face_long"]  # red hair displaces nothing, the cap is not worn
    assert [document["nodes"][n]["name"] for n in document["skins"][0]["joints"]] == [
        "root", "neck", "jaw", "left_eye", "right_eye",
    ]  # fmt: skip
    assert document["asset"]["extras"]["avatar"] == "Zoë  Müller"
    assert target_name("flame_003") == "flame_003"


def test_attributes_of_the_mesh_make_sense(perse, avatar, tmp_path):
    assert perse("--out", tmp_path / "me.glb", "--what", "mesh")[0] == 0
    glb = Glb(tmp_path / "me.glb")
    primitives = glb.document["meshes"][0]["primitives"]
    get = {name: glb.array(number) for name, number in primitives[0]["attributes"].items()}
    assert all(primitive["attributes"] == primitives[0]["attributes"] for primitive in primitives)
    np.testing.assert_allclose(np.linalg.norm(get["NORMAL"], axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(get["WEIGHTS_0"].sum(1), 1, atol=1e-5)
    assert get["JOINTS_0"].max() < 5
    assert get["TEXCOORD_0"].min() >= 0
    assert get["TEXCOORD_0"].max() <= 1
    assert get["COLOR_0"].std(0).min() > 0.01
    front = get["NORMAL"][get["POSITION"][:, 2] > np.quantile(get["POSITION"][:, 2], 0.98)]
    assert (front[:, 2] > 0).mean() > 0.8


def example_reader():
    """The reader that the guide gives, out of the guide."""
    block = re.search(r"```python\n(import numpy as np\n.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    names = {}
    exec(compile(block[1].split("\n# Example\n")[0], str(GUIDE), "exec"), names)
    return names["mixed"]


def test_blendshapes_are_mixed_by_the_guides_own_reader(perse, avatar, picture, tmp_path):
    status, _, _ = perse("--out", tmp_path / "me.npz")
    assert status == 0
    with np.load(tmp_path / "me.npz", allow_pickle=False) as content:
        file = dict(content)
    about = json.loads(str(file["about"]))
    assert (about["format"], about["version"], about["avatar"]) == ("perse-blendshapes", 1, "Zoë  Müller")
    assert file["sliders"].tolist() == [
        *(f"expr_{name}" for name in avatar.figure.expression_names),
        *(style.slider for style in avatar.styles),
    ]
    mixed = example_reader()
    for values, least in (
        ({}, 100),
        ({"expr_jawopen": 1.0}, 55),
        ({"attr_hat_cap": 1.0}, 55),
        ({"attr_hat_cap": 0.1}, 45),
        ({"attr_hair_red": 0.5}, 50),
        (SLIDERS, 40),
    ):
        before = picture(arrays(decode(avatar, AvatarState(values))))
        after = picture(mixed(file, values))
        assert psnr(after, before) > least, values
        if values:
            assert psnr(picture(mixed(file, {})), before) < psnr(after, before) - 8


def test_a_motion_becomes_numbered_files(perse, avatar, tmp_path):
    motion = tmp_path / "take.json"
    turns = [[0.0, 0.0, 0.0], [0.0, 0.2, 0.0], [0.0, 0.4, 0.0]]
    motion.write_text(json.dumps({"neck_pose": turns}))
    status, out, _ = perse(
        "--out", tmp_path / "me.ply", "--motion", motion, "--up", "y", "--set", "expr_jawopen=1", "--json"
    )
    assert status == 0
    files = [Path(name) for name in json.loads(out)["files"]]
    assert [file.name for file in files] == ["me_0000.ply", "me_0001.ply", "me_0002.ply"]
    pose = np.zeros((5, 3), np.float32)
    pose[1] = turns[2]
    expected = decode(avatar, AvatarState({"expr_jawopen": 1.0}, pose))
    np.testing.assert_allclose(gaussians_of_ply(files[2])[0], expected.means, atol=1e-6)


def test_states_of_another_program(perse, avatar, picture, tmp_path):
    states = tmp_path / "states.json"
    model = [0, 0, 1, 0.01, 0, 1, 0, 0, -1, 0, 0, 0, 0, 0, 0, 1]
    frames = [
        {"sliders": SLIDERS, "frame": 12, "pose": [0.0] * 3 + [0.1, 0.3, 0.0] + [0.0] * 9},
        {"sliders": {}, "frame": 13, "model": model},
    ]
    states.write_text(json.dumps({"frames": frames}))
    assert perse("--out", tmp_path / "me.ply", "--states", states, "--up", "y")[0] == 0
    pose = np.zeros((5, 3), np.float32)
    pose[1] = 0.1, 0.3, 0
    first = decode(avatar, AvatarState(SLIDERS, pose))
    assert psnr(picture(gaussians_of_ply(tmp_path / "me_0012.ply")), picture(arrays(first))) > 100
    means = decode(avatar, AvatarState()).means
    turned = means @ np.reshape(model, (4, 4))[:3, :3].T + [0.01, 0, 0]
    np.testing.assert_allclose(gaussians_of_ply(tmp_path / "me_0013.ply")[0], turned, atol=1e-6)


BAD = [
    (["--out", "me.obj"], "export-format"),
    (["--out", "me"], "export-format"),
    (["--out", "folder.ply"], "wrong-path"),
    (["--out", "text.txt/me.ply"], "wrong-path"),
    (["--out", "me.ply", "--what", "mesh"], "unknown-content"),
    (["--out", "me.npz", "--what", "splats"], "unknown-content"),
    (["--out", "me.glb", "--what", "cloud"], "unknown-content"),
    (["--out", "me.ply", "--up", "x"], "unknown-up"),
    (["--out", "me.spz", "--up", "z"], "fixed-axes"),
    (["--out", "me.ply", "--set", "expr_jawopn=1"], "unknown-slider"),
    (["--out", "me.ply", "--set", "expr_jawopen=nan"], "not-a-number"),
    (["--out", "me.ply", "--state", "angry"], "unknown-state"),
    (["--out", "me.npz", "--set", "expr_jawopen=1"], "stateless-content"),
    (["--out", "me.glb", "--what", "mesh", "--motion", "take.csv"], "stateless-content"),
    (["--out", "me.ply", "--motion", "absent.csv"], "no-motion"),
    (["--out", "me.ply", "--states", "absent.json"], "no-states"),
    (["--out", "me.ply", "--states", "text.txt"], "bad-states"),
    (["--out", "me.ply", "--states", "none.json"], "bad-states"),
    (["--out", "me.ply", "--states", "far.json"], "bad-states"),
    (["--out", "me.ply", "--states", "short.json"], "bad-states"),
    (["--out", "me.ply", "--states", "other.json"], "unknown-slider"),
    (["--out", "me.ply", "--states", "none.json", "--set", "expr_jawopen=1"], "two-states"),
]


@pytest.mark.parametrize(("arguments", "code"), BAD, ids=[" ".join(row[0][1:]) for row in BAD])
def test_bad_wishes_get_one_sentence_and_leave_nothing(perse, tmp_path, monkeypatch, arguments, code):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.ply").mkdir()
    (tmp_path / "text.txt").write_text("no states")
    for name, frames in {
        "none": [],
        "far": [{"sliders": {}, "model": [1e9] * 16}],
        "short": [{"sliders": {}, "pose": [0.0]}],
        "other": [{"sliders": {"attr_hair_pink": 1.0}}],
    }.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({"frames": frames}))
    before = sorted(path.name for path in tmp_path.iterdir())
    status, out, error = perse(*arguments)
    assert re.fullmatch(r"perse: [a-z-]+: [^\n]+; [^\n]+\n", error), error
    assert error.startswith(f"perse: {code}: ")
    assert (status, out) == (2, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_whole_file_is_replaced_or_kept(perse, tmp_path):
    out = tmp_path / "me.ply"
    assert perse("--out", out)[0] == 0
    whole = out.read_bytes()
    assert perse("--out", out, "--set", "attr_hair_pink=1")[0] == 2
    assert out.read_bytes() == whole
    assert perse("--out", out)[0] == 0
    assert out.read_bytes() == whole  # and the same avatar gives the same bytes


def test_gaussians_that_are_no_numbers_stay_behind(avatar):
    whole = decode(avatar, AvatarState())
    means = whole.means.copy()
    means[3] = np.nan
    left = finite(dataclasses.replace(whole, means=means))
    assert len(left.means) == len(whole.means) - 1
