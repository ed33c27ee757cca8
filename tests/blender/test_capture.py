"""Captured performances: files that become actions."""

from __future__ import annotations

import json
from pathlib import Path

import bpy
import numpy as np
import pytest
from conftest import HERE, import_avatar, raises_report, run_engine
from exr import combined
from mathutils import Matrix
from seen import lips, shown

_TEXT = """
EyeBlinkLeft EyeLookDownLeft EyeLookInLeft EyeLookOutLeft EyeLookUpLeft EyeSquintLeft EyeWideLeft
EyeBlinkRight EyeLookDownRight EyeLookInRight EyeLookOutRight EyeLookUpRight EyeSquintRight EyeWideRight
JawForward JawRight JawLeft JawOpen MouthClose MouthFunnel MouthPucker MouthRight MouthLeft
MouthSmileLeft MouthSmileRight MouthFrownLeft MouthFrownRight MouthDimpleLeft MouthDimpleRight
MouthStretchLeft MouthStretchRight MouthRollLower MouthRollUpper MouthShrugLower MouthShrugUpper
MouthPressLeft MouthPressRight MouthLowerDownLeft MouthLowerDownRight MouthUpperUpLeft MouthUpperUpRight
BrowDownLeft BrowDownRight BrowInnerUp BrowOuterUpLeft BrowOuterUpRight CheekPuff CheekSquintLeft CheekSquintRight
NoseSneerLeft NoseSneerRight TongueOut
"""
UNITS = _TEXT.split()
"""In the order in which the app writes them."""
ANGLES = [f"{part}{angle}" for part in ("Head", "LeftEye", "RightEye") for angle in ("Yaw", "Pitch", "Roll")]
COUNT, RATE = 600, 60


def curves(times: np.ndarray) -> dict[str, np.ndarray]:
    """What the actor does, at `times` in seconds."""
    return {
        "JawOpen": 0.5 - 0.5 * np.cos(2.3 * times),
        "EyeBlinkLeft": np.clip(np.sin(3.1 * times), 0, 1),
        "MouthSmileRight": times / 20,
        "HeadYaw": 0.4 * np.sin(times),
        "HeadPitch": 0.2 * np.sin(1.7 * times),
        "HeadRoll": 0.1 * np.cos(times),
        "LeftEyeYaw": 0.1 + 0 * times,
    }


def rows(count: int = COUNT) -> list[list[str]]:
    """The lines of a file: two minutes before midnight the take begins, at a quarter of a frame."""
    values = curves(np.arange(count) / RATE)
    table = []
    for k in range(count):
        second, frame = divmod(k, RATE)
        code = f"{23 if second < 5 else 0:02d}:{59 if second < 5 else 0:02d}:{(55 + second) % 60:02d}:{frame:02d}.250"
        table.append([code, "61", *(f"{values[name][k] if name in values else 0.0:.9f}" for name in UNITS + ANGLES)])
    return table


def write(path: Path, lines: list[list[str]], header: list[str] | None = None) -> Path:
    whole = [header or ["Timecode", "BlendShapeCount", *UNITS, *ANGLES], *lines]
    path.write_text("\n".join(",".join(line) for line in whole) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def take(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds of Live Link Face."""
    return write(tmp_path_factory.mktemp("capture") / "Slate_1_Anna.csv", rows())


@pytest.fixture(scope="session")
def flame_avatar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An avatar whose expressions are numbered."""
    path = tmp_path_factory.mktemp("flame") / "flame.perse"
    run_engine(HERE / "make_avatar.py", "flame", path)
    return path


def head_turn(avatar: bpy.types.Object, bone: str) -> np.ndarray:
    """How a bone is turned against its parent, axis-angle in head space."""
    control, rest = avatar.pose.bones[bone], avatar.data.bones[bone].matrix_local.to_3x3()
    to_head = Matrix(((1, 0, 0), (0, 0, 1), (0, -1, 0)))
    axis, angle = (
        (to_head @ rest @ control.matrix_basis.to_3x3() @ rest.inverted() @ to_head.inverted())
        .to_quaternion()
        .to_axis_angle()
    )
    return np.array(axis) * angle


def test_a_capture_becomes_an_action_named_after_its_file(take, avatar, scene, part):
    scene.render.fps = 24
    assert bpy.ops.perse.import_capture(filepath=str(take), start=10) == {"FINISHED"}
    assert avatar.animation_data.action.name == "Slate_1_Anna"
    for frame in (10.0, 11.0, 100.5, 130.25, 240.0):
        scene.frame_set(int(frame), subframe=frame % 1)
        expected = {name: float(value) for name, value in curves(np.array((frame - 10) / 24)).items()}
        now = shown(part).sliders
        for unit in ("JawOpen", "EyeBlinkLeft", "MouthSmileRight"):
            assert now[f"expr_{unit.lower()}"] == pytest.approx(expected[unit], abs=1e-3)
        assert now["expr_cheekpuff"] == 0.0
        yaw, pitch, roll = (expected[f"Head{angle}"] for angle in ("Yaw", "Pitch", "Roll"))
        turn = Matrix.Rotation(yaw, 3, "Y") @ Matrix.Rotation(pitch, 3, "X") @ Matrix.Rotation(roll, 3, "Z")
        axis, angle = turn.to_quaternion().to_axis_angle()
        assert head_turn(avatar, "neck") == pytest.approx(np.array(axis) * angle, abs=2e-3)


def test_it_is_what_the_engine_reads_from_the_same_file(take, avatar, scene, part, tmp_path):
    run_engine(HERE / "make_avatar.py", "motion", take, tmp_path / "motion.npz")
    motion = np.load(tmp_path / "motion.npz")
    scene.render.fps = int(motion["fps"])
    bpy.ops.perse.import_capture(filepath=str(take), start=0)
    names = list(motion["names"])
    for frame in (0, 77, 599):
        scene.frame_set(frame)
        now = shown(part).sliders
        assert [now[f"expr_{name}"] for name in names] == pytest.approx(motion["expression"][frame], abs=1e-4)
        assert head_turn(avatar, "neck") == pytest.approx(motion["pose"][frame, 1], abs=1e-4)


def test_a_capture_moves_the_face_in_the_picture(take, avatar, scene, render, part):
    bpy.ops.perse.import_capture(filepath=str(take), start=0)
    scene.frame_start, scene.frame_end, scene.frame_step = 0, 66, 33  # the jaw is shut, open, and shut again at 65.6
    shut, opened, _ = (combined(file) for file in sorted(render(animation=True).iterdir()))
    assert np.abs(shut - opened)[50:].max() > 0.2
    apart = []
    for frame in (0, 33, 66):
        scene.frame_set(frame)
        apart.append(lips(avatar))
    assert apart[1] > 0.02 > 0.002 > abs(apart[0] - apart[2])


def test_speed_strength_and_mirror(take, avatar, scene, part):
    scene.render.fps = 30
    bpy.ops.perse.import_capture(filepath=str(take), start=1, speed=2.0, strength=0.5, mirror=True)
    scene.frame_set(31)
    expected = {name: float(value) for name, value in curves(np.array(2.0)).items()}
    now = shown(part).sliders
    assert now["expr_mouthsmileleft"] == pytest.approx(expected["MouthSmileRight"] / 2, abs=1e-3)
    assert now["expr_mouthsmileright"] == 0.0
    assert now["expr_jawopen"] == pytest.approx(expected["JawOpen"] / 2, abs=1e-3)
    turned = head_turn(avatar, "neck")
    bpy.ops.perse.import_capture(filepath=str(take), start=1, speed=2.0)
    scene.frame_set(31)
    assert head_turn(avatar, "neck") == pytest.approx(turned * [1, -1, -1], abs=1e-5)


def test_the_action_before_it_is_kept(take, avatar, scene):
    avatar["attr_hair_red"] = 0.5
    avatar.keyframe_insert('["attr_hair_red"]', frame=1)
    before = avatar.animation_data.action
    bpy.ops.perse.import_capture(filepath=str(take))
    assert before.use_fake_user
    assert avatar.animation_data.action != before
    assert avatar["attr_hair_red"] == 0.5


@pytest.mark.parametrize("mode", ["QUATERNION", "ZYX", "AXIS_ANGLE"])
def test_bones_are_keyed_in_their_own_rotation_mode(mode, take, avatar, scene, part):
    bpy.ops.perse.import_capture(filepath=str(take), start=0)
    scene.frame_set(97)
    expected = head_turn(avatar, "neck")
    avatar.pose.bones["neck"].rotation_mode = mode
    bpy.ops.perse.import_capture(filepath=str(take), start=0)
    scene.frame_set(97)
    assert head_turn(avatar, "neck") == pytest.approx(expected, abs=1e-3)


def test_moments_without_a_face_are_bridged(avatar, scene, part, tmp_path):
    lines = rows(60)
    for k in range(20, 31):
        lines[k][1:] = ["0", *[""] * 61]
    scene.render.fps = RATE
    bpy.ops.perse.import_capture(filepath=str(write(tmp_path / "gap.csv", lines)), start=0)
    scene.frame_set(25)
    low, high = curves(np.array([19, 31]) / RATE)["JawOpen"]
    assert shown(part).sliders["expr_jawopen"] == pytest.approx((low + high) / 2, abs=1e-4)


def spoil(index: int, cell: int | None, text: str):
    def build(lines):
        if cell is None:
            lines[index] = lines[index][:-3]
        else:
            lines[index][cell] = text
        return lines

    return build


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (spoil(7, 21, "open"), "line 9, MouthFunnel: 'open' is no number"),
        (spoil(7, 21, "nan"), "line 9, MouthFunnel: nan is out of range"),
        (spoil(3, None, ""), "line 5 has 60 columns instead of 63"),
        (spoil(4, 0, "noon"), "line 6: 'noon' is no timecode such as"),
        (spoil(9, 0, "22:59:55:01.250"), "line 11: the timecode goes back"),
        (lambda lines: [], "no line of it has a face"),
    ],
)
def test_broken_captures_say_which_line(change, says, avatar, tmp_path):
    path = write(tmp_path / "broken.csv", change(rows(12)))
    with raises_report(f"bad-motion: broken.csv: {says}"):
        bpy.ops.perse.import_capture(filepath=str(path))
    assert avatar.animation_data.action is None


def test_files_that_are_no_captures(avatar, tmp_path):
    header = ["Timecode", "BlendShapeCount", *UNITS[:-1], *ANGLES]
    with raises_report("does not name the column 'tongueout'"):
        bpy.ops.perse.import_capture(filepath=str(write(tmp_path / "a.csv", [], header)))
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00\x01")
    (tmp_path / "c.npz").write_bytes(b"PK")
    np.savez(tmp_path / "d.npz", expression=np.array([{"a": 1}], object))
    (tmp_path / "e.mov").write_bytes(b"")
    for name in ("b.csv", "c.npz", "d.npz", "e.mov"):
        with raises_report(f"bad-motion: {name}"):
            bpy.ops.perse.import_capture(filepath=str(tmp_path / name))
    with raises_report("no-motion"):
        bpy.ops.perse.import_capture(filepath=str(tmp_path / "none.csv"))


def flame_sequence(path: Path, count: int = 50, **changes: object) -> Path:
    steps = np.arange(count)[:, None] / count
    arrays = {
        "expression": np.concatenate([steps, np.zeros((count, 98)), -steps], 1),
        "jaw_pose": steps * [0.3, 0, 0],
        "neck_pose": steps * [0.1, 0.4, -0.1],
        "eyes_pose": steps * [0, 0.2, 0, 0, 0.1, 0],
        "fps": 25,
    } | changes
    np.savez(path, **arrays)
    return path


def test_a_flame_sequence_drives_a_flame_head(scene, flame_avatar, render, part, tmp_path):
    avatar = import_avatar(flame_avatar)
    scene.render.fps = 50
    path = flame_sequence(tmp_path / "speech.npz")
    assert bpy.ops.perse.import_capture(filepath=str(path), start=1) == {"FINISHED"}
    scene.frame_set(61)  # the thirtieth of the file's frames
    now = shown(part).sliders
    assert now["expr_flame_000"] == pytest.approx(0.6, abs=1e-4)
    assert now["expr_flame_051"] == 0.0
    for bone, turn in (
        ("jaw", (0.3, 0, 0)),
        ("neck", (0.1, 0.4, -0.1)),
        ("eye.L", (0, 0.2, 0)),
        ("eye.R", (0, 0.1, 0)),
    ):
        assert head_turn(avatar, bone) == pytest.approx(0.6 * np.array(turn), abs=1e-3)
    moved = combined(render())
    scene.frame_set(1)
    assert np.abs(moved - combined(render())).max() > 0.2


def test_six_numbers_a_joint_and_all_joints_at_once(avatar, scene, tmp_path):
    turn = Matrix.Rotation(0.3, 3, "Y") @ Matrix.Rotation(0.2, 3, "X")
    six = np.array([*turn[0], *turn[1]])
    content = {"neck_pose": [six.tolist()] * 2, "pose": [[0] * 6 + [0.2, 0, 0] + [0] * 6] * 2, "fps": 25}
    (tmp_path / "motion.json").write_text(json.dumps(content))
    bpy.ops.perse.import_capture(filepath=str(tmp_path / "motion.json"))
    axis, angle = turn.to_quaternion().to_axis_angle()
    scene.frame_set(1)
    assert head_turn(avatar, "neck") == pytest.approx(np.array(axis) * angle, abs=1e-5)
    assert head_turn(avatar, "jaw") == pytest.approx([0.2, 0, 0], abs=1e-5)


def test_what_a_head_does_not_have_is_said(avatar, scene, flame_avatar, take, tmp_path, part):
    """An open head takes the turns of a FLAME sequence, a FLAME head those of an ARKit capture, eyes and all."""
    write_capture, read = part("animation.motion").write_capture, part("animation.captures").read_capture
    path = flame_sequence(tmp_path / "speech.npz")
    assert bpy.ops.perse.import_capture(filepath=str(path)) == {"FINISHED"}
    scene.frame_set(26)
    assert np.linalg.norm(head_turn(avatar, "jaw")) > 0.1
    _, fitting = write_capture(avatar, read(path), "x", 1.0, 25.0, 1.0)
    assert fitting == 0
    only_expressions = tmp_path / "only.npz"
    np.savez(only_expressions, expression=np.ones((5, 50)))
    with raises_report("other-head: the motion moves expr_flame_000, which Test does not have"):
        bpy.ops.perse.import_capture(filepath=str(only_expressions))

    other = import_avatar(flame_avatar)
    bpy.ops.perse.import_capture(filepath=str(take), start=0)
    scene.frame_set(30)
    assert np.linalg.norm(head_turn(other, "neck")) > 0.1
    assert head_turn(other, "eye.L") == pytest.approx([0, 0.1, 0], abs=1e-4)
