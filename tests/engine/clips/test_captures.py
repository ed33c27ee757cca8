import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from perse_engine.clips.captures import fitting, load_performance
from perse_engine.clips.moments import script, sparse_moments
from perse_engine.clips.motion import is_reserved
from perse_engine.errors import InputError
from perse_engine.heads.head import JAW, LEFT_EYE, NECK, RIGHT_EYE

ANGLES = [f"{part}{angle}" for part in ("Head", "LeftEye", "RightEye") for angle in ("Yaw", "Pitch", "Roll")]


def arkit(portrait):
    """ARKit's units as the app writes them: all names, each word with a capital."""
    names = list(portrait.head.expression_names)
    names.sort(key=lambda name: name != "eyeblinkleft")
    return [name[:1].upper() + name[1:] for name in names]


def csv_text(portrait, rows, columns=None):
    header = ["Timecode", "BlendShapeCount", *(columns or [*arkit(portrait), *ANGLES])]
    return "\n".join([",".join(header), *(",".join(map(str, row)) for row in rows)])


def row(code, jaw=0.0, yaw=0.0, **changes):
    def build(portrait):
        values = dict.fromkeys((*arkit(portrait), *ANGLES), 0.0)
        values |= {"Jawopen": jaw, "HeadYaw": yaw} | changes
        return [code, 61, *values.values()]

    return build


def write(portrait, path, rows, **kwargs):
    path.write_text(csv_text(portrait, [r(portrait) if callable(r) else r for r in rows], **kwargs))
    return path


def test_a_capture_is_read_in_even_steps(portrait, tmp_path):
    rows = [row(f"10:00:{s:02d}:{f:02d}.250", jaw=(s * 60 + f) / 200, yaw=0.5) for s in range(2) for f in range(60)]
    lost = ["10:00:00:30.250", 0, *[""] * 61]
    rows[30] = lost  # no face in one frame
    motion = load_performance(write(portrait, tmp_path / "take.csv", rows))
    assert motion.rate == 60
    assert len(motion) == 120
    jaw = motion.expression[:, motion.names.index("jawopen")]
    assert np.allclose(jaw, np.arange(120) / 200, atol=1e-6)
    assert np.allclose(motion.pose[:, NECK], [0, 0.5, 0], atol=1e-6)
    assert set(motion.names) == set(portrait.head.expression_names)


def test_a_capture_drives_the_clips(portrait, tmp_path):
    rows = [row(f"10:00:{s:02d}:{f:02d}.0", jaw=(f % 30) / 40) for s in range(4) for f in range(60)]
    motion = fitting(load_performance(write(portrait, tmp_path / "take.csv", rows)), portrait.head.expression_names)
    moments = sparse_moments(portrait, 20, 3, motion)
    assert len(moments) == 20
    assert {name for moment in moments for name in moment.expression} == {"jawopen"}
    assert not any(is_reserved(*moment.seen_from) for moment in moments)
    assert np.ptp([moment.yaw for moment in moments]) > 30  # however still the actor sat
    longer = script(portrait, 500, 3, motion).performance
    assert np.array_equal(longer.expression[240:480], motion.expression)


@pytest.mark.parametrize(
    ("spoilt", "says"),
    [
        (lambda p: csv_text(p, [], columns=["A", "B"]), "'eyeblinkleft'"),
        (lambda p: csv_text(p, []), "no line of it has a face"),
        (lambda p: csv_text(p, [row("10:00:00:00.0")(p)[:-1]]), "line 2 has 62 columns instead of 63"),
        (lambda p: csv_text(p, [row("10:00:00:00.0", jaw="wide")(p)]), "line 2, jawopen: 'wide' is no number"),
        (lambda p: csv_text(p, [row("10:00:00:00.0", jaw="nan")(p)]), "line 2, jawopen: nan is out of range"),
        (lambda p: csv_text(p, [row("yesterday")(p)]), "'yesterday' is no timecode"),
        (lambda p: csv_text(p, [row("10:00:05:00.0")(p), row("10:00:04:00.0")(p)]), "line 3: the timecode goes back"),
        (lambda p: "", "it is empty"),
        (lambda p: "\0\1\2", "'timecode'"),
    ],
)
def test_a_bad_capture_is_named(portrait, tmp_path, spoilt, says):
    path = tmp_path / "take.csv"
    path.write_text(spoilt(portrait))
    with pytest.raises(InputError, match="bad-motion") as caught:
        load_performance(path)
    assert says in str(caught.value)


def test_what_is_no_motion_is_refused(tmp_path):
    with pytest.raises(InputError, match="no-motion"):
        load_performance(tmp_path / "absent.csv")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(InputError, match="no-motion"):
        load_performance(tmp_path / "folder.npz")
    with pytest.raises(InputError, match="bad-motion"):
        load_performance(tmp_path / "take.mov")


def flame_arrays():
    rng = np.random.default_rng(0)
    return {
        "expression": rng.normal(0, 1, (7, 50)),
        "neck_pose": rng.normal(0, 0.3, (7, 3)),
        "jaw_pose": rng.normal(0, 0.3, (7, 3)),
        "eyes_pose": rng.normal(0, 0.3, (7, 6)),
    }


def six(rotation_vectors):
    matrices = Rotation.from_rotvec(rotation_vectors.reshape(-1, 3)).as_matrix()
    return matrices[:, :2].reshape(len(rotation_vectors), -1)


def test_a_flame_sequence_is_read_from_all_its_forms(tmp_path):
    arrays = flame_arrays()
    np.savez(tmp_path / "a.npz", **arrays, fps=30)
    long = {name: six(array) if name.endswith("_pose") else array for name, array in arrays.items()}
    np.savez(tmp_path / "b.npz", **long)
    (tmp_path / "c.json").write_text(json.dumps({name: array.tolist() for name, array in arrays.items()}))
    root = np.zeros((7, 3))
    whole = np.concatenate([root, arrays["neck_pose"], arrays["jaw_pose"], arrays["eyes_pose"]], 1)
    np.savez(tmp_path / "d.npz", expression=arrays["expression"], pose=whole)
    for name, rate in (("a.npz", 30), ("b.npz", 25), ("c.json", 25), ("d.npz", 25)):
        motion = load_performance(tmp_path / name)
        assert motion.rate == rate
        assert np.allclose(motion.expression, arrays["expression"], atol=1e-5)
        assert np.allclose(motion.pose[:, NECK], arrays["neck_pose"], atol=1e-5)
        assert np.allclose(motion.pose[:, JAW], arrays["jaw_pose"], atol=1e-5)
        assert np.allclose(motion.pose[:, [LEFT_EYE, RIGHT_EYE]].reshape(7, 6), arrays["eyes_pose"], atol=1e-5)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"neck_pose": np.zeros((6, 3))}, "frames of"),
        ({"neck_pose": np.zeros((7, 4))}, "4 numbers a frame instead of 3 or 6"),
        ({"neck_pose": np.zeros((7, 6))}, "no rotation"),
        ({"expression": np.full((7, 50), np.nan)}, "out of range"),
        ({"expression": np.zeros(7)}, "no row for every frame"),
        ({"expression": np.array([["a"] * 3] * 7)}, "no array of numbers"),
        ({"fps": -1.0}, "fps"),
    ],
)
def test_a_bad_sequence_is_named(tmp_path, change, says):
    np.savez(tmp_path / "a.npz", **{**flame_arrays(), **change})
    with pytest.raises(InputError, match="bad-motion") as caught:
        load_performance(tmp_path / "a.npz")
    assert says in str(caught.value)


def test_a_pickle_in_a_sequence_is_never_run(tmp_path):
    np.savez(tmp_path / "a.npz", expression=np.array([object()], object))
    with pytest.raises(InputError, match="bad-motion"):
        load_performance(tmp_path / "a.npz")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([".csv", ".npz", ".json"]))
def test_rubbish_is_always_refused_clearly(tmp_path_factory, content, suffix):
    path = tmp_path_factory.mktemp("rubbish") / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match="bad-motion"):
        load_performance(path)


def test_a_motion_for_another_head_is_refused(portrait, tmp_path):
    np.savez(tmp_path / "a.npz", **flame_arrays())
    with pytest.raises(InputError, match="other-head"):
        fitting(load_performance(tmp_path / "a.npz"), portrait.head.expression_names)
    np.savez(tmp_path / "turns.npz", neck_pose=np.zeros((7, 3)))
    fitting(load_performance(tmp_path / "turns.npz"), portrait.head.expression_names)
