import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perse_engine.avatars.styles import presence
from perse_engine.clips.animator import render_frame
from perse_engine.clips.editor import dress
from perse_engine.clips.motion import Moment, camera_of
from perse_engine.clips.wardrobe import load_wardrobe, save_wardrobe
from perse_engine.errors import InputError

STILL = np.zeros((5, 3), np.float32)


def weights(wardrobe, **sliders):
    return wardrobe.weights({f"attr_{name}": value for name, value in sliders.items()})


def test_no_weight_is_the_person_exactly(wardrobe):
    atlas = wardrobe.texture(weights(wardrobe))
    assert np.array_equal(np.round(atlas * 255).astype(np.uint8), wardrobe.base)


def test_full_weight_is_the_style_exactly(wardrobe):
    for k, style in enumerate(wardrobe.styles):
        layer = wardrobe.layers[k]
        atlas = wardrobe.texture(wardrobe.weights({style.slider: 1.0})).reshape(-1, 4)
        strength = (layer.strength / np.float32(255))[:, None]
        base = wardrobe.base.reshape(-1, 4)[layer.texels] / np.float32(255)
        expected = base + strength * (layer.target / np.float32(255) - base)
        assert np.abs(atlas[layer.texels] - expected).max(initial=0) < 1e-5, style.slider
        untouched = np.ones(len(atlas), bool)
        untouched[layer.texels] = False
        assert np.array_equal(np.round(atlas[untouched] * 255), wardrobe.base.reshape(-1, 4)[untouched])


def test_between_two_styles_of_a_category_lies_their_blend(wardrobe):
    """No bare skin shows half way: the blend's shares are the presences, and those add up to one."""
    names = ("beard_stubble", "beard_full")
    ends = [wardrobe.texture(weights(wardrobe, **{name: 1.0})) for name in names]
    for share in (0.25, 0.5, 0.8):
        given_weights = weights(wardrobe, beard_stubble=1 - share, beard_full=share)
        shares = presence(wardrobe.styles, given_weights)
        first, second = (shares[wardrobe.figure.style_names.index(f"attr_{name}")] for name in names)
        assert first + second == pytest.approx(1)
        middle = wardrobe.texture(given_weights)
        assert np.abs(middle - (first * ends[0] + second * ends[1])).max() < 1e-4


def test_a_beard_grows_in_places_before_it_is_everywhere(wardrobe):
    k = wardrobe.figure.style_names.index("attr_beard_full")
    layer = wardrobe.layers[k]
    base = wardrobe.base.reshape(-1, 4)[layer.texels] / 255
    come = []
    for weight in (0.1, 0.2, 0.3, 0.5):
        now = wardrobe.texture(weights(wardrobe, beard_full=weight)).reshape(-1, 4)[layer.texels]
        come.append((np.abs(now - base).max(1) > 0.02).mean())
    assert 0 < come[0] < come[1] < come[2] < come[3]


def test_what_is_put_on_is_solid_before_it_is_in_place(wardrobe):
    hat = wardrobe.figure.parts.index("hat")
    vertices = np.unique(wardrobe.figure.faces[wardrobe.figure.face_parts == hat])
    k = wardrobe.figure.style_names.index("attr_hat_cap")
    assert np.abs(wardrobe.figure.style_directions[vertices, :, k]).max() > 0.005
    alphas = [wardrobe.texture(weights(wardrobe, hat_cap=w))[..., 3] for w in (0.2, 1.0)]
    assert np.abs(alphas[0] - alphas[1]).max() < 1e-4


SLIDERS = [
    "attr_hair_bald",
    "attr_hair_grey",
    "attr_beard_full",
    "attr_hat_cap",
    "attr_skin_tan",
    "attr_mouth_red",
]


@settings(max_examples=20)
@given(st.dictionaries(st.sampled_from(SLIDERS), st.floats(-2, 3), max_size=6))
def test_any_weights_stay_within_colours(wardrobe, sliders):
    atlas = wardrobe.texture(wardrobe.weights(sliders))
    assert atlas.min() >= -1e-5
    assert atlas.max() <= 1 + 1e-5


def test_dressing_twice_gives_the_same_bytes(portrait, catalogue, wardrobe, tmp_path):
    save_wardrobe(wardrobe, tmp_path / "a")
    save_wardrobe(dress(portrait, catalogue), tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_wardrobe_survives_its_file(wardrobe, tmp_path):
    save_wardrobe(wardrobe, tmp_path / "w")
    read = load_wardrobe(tmp_path / "w")
    assert read.styles == wardrobe.styles
    assert read.labels == wardrobe.labels
    given_weights = weights(wardrobe, hair_grey=0.4, beard_full=0.7, hat_beanie=1.0)
    assert np.array_equal(read.texture(given_weights), wardrobe.texture(given_weights))


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[:100], lambda b: b"", lambda b: b"x" * 64, lambda b: b[: len(b) // 2]],
)
def test_a_damaged_file_is_refused(wardrobe, tmp_path, damage):
    save_wardrobe(wardrobe, tmp_path / "w")
    (tmp_path / "w").write_bytes(damage((tmp_path / "w").read_bytes()))
    with pytest.raises(InputError, match="not-a-wardrobe"):
        load_wardrobe(tmp_path / "w")


def frame(wardrobe, portrait, sliders, yaw=0.0, pitch=0.0, size=256):
    moment = Moment({}, STILL, yaw, pitch)
    return render_frame(wardrobe, moment.state(sliders), camera_of(portrait, moment, size))


def labelled(frame, wardrobe, *names):
    return np.isin(frame.parts, [wardrobe.labels.index(name) for name in names])


@pytest.mark.parametrize("yaw", [0.0, 34.0, -34.0])
def test_a_hat_hides_the_hair_above_its_rim(wardrobe, portrait, yaw):
    for hat in ("beanie", "cap", "fedora"):
        for hair in ({}, {"attr_hair_big": 1.0}):
            picture = frame(wardrobe, portrait, {f"attr_hat_{hat}": 1.0, **hair}, yaw)
            hat_rows = np.flatnonzero(labelled(picture, wardrobe, "hat").any(1))
            hair_above = labelled(picture, wardrobe, "hair")[: (hat_rows[0] + hat_rows[-1]) // 2]
            assert hair_above.sum() < 8, (hat, hair)


def test_a_hat_has_no_holes(wardrobe, portrait):
    for hat in ("beanie", "cap", "fedora"):
        picture = frame(wardrobe, portrait, {f"attr_hat_{hat}": 1.0})
        worn = labelled(picture, wardrobe, "hat")
        rows = np.flatnonzero(worn.any(1))
        top = np.flatnonzero(worn[:, 128])[0]  # a pinched crown is lower in the middle than beside it
        middle = worn[top + 2 : rows[0] + (rows[-1] - rows[0]) // 2, 128]
        assert len(middle) > 10
        assert middle.all(), hat


def test_what_is_not_worn_hides_nothing(wardrobe, portrait):
    bare = frame(wardrobe, portrait, {})
    assert not labelled(bare, wardrobe, "hat", "glasses", "lenses").any()
    bald = frame(wardrobe, portrait, {"attr_hair_bald": 1.0})
    assert not labelled(bald, wardrobe, "hair").any()
    assert labelled(bald, wardrobe, "scalp").sum() > labelled(bare, wardrobe, "scalp").sum()


def test_glasses_are_before_the_eyes_and_outside_the_head(wardrobe, portrait):
    for pair in ("round", "square", "cateye", "sunglasses"):
        for yaw in (0.0, 33.0):
            picture = frame(
                wardrobe,
                portrait,
                {f"attr_glasses_{pair}": 1.0, "attr_hair_bald": 1.0},
                yaw,
            )
            rims = labelled(picture, wardrobe, "glasses")
            assert rims.sum() > 150, (pair, yaw)
            columns = np.flatnonzero(rims.any(0))
            assert np.diff(columns).max() < 8  # bridge and rims in one piece: nothing has sunk into the nose


EXPRESSIONS = [
    {},
    {"mouthsmileleft": 0.9, "mouthsmileright": 0.9, "jawopen": 0.4},
    {"eyeblinkleft": 1.0, "browinnerup": 0.8},
]


def test_outside_its_gate_a_style_changes_nothing(wardrobe, portrait):
    """Leakage: what differs lies where gates say, wherever the gated surface is seen, before or after."""
    gated = {}
    for k, style in enumerate(wardrobe.styles):
        gates = wardrobe.gate(k)
        marked = np.concatenate([np.repeat(gates[..., None], 3, -1), np.ones_like(gates[..., None])], -1)
        gated[style.slider] = marked
    for k, style in enumerate(wardrobe.styles[::3]):
        expression = EXPRESSIONS[k % len(EXPRESSIONS)]
        moment = Moment(expression, STILL, 28.0 * (k % 2), 4.0)
        camera = camera_of(portrait, moment, 192)
        pictures = [render_frame(wardrobe, moment.state(s), camera) for s in ({}, {style.slider: 1.0})]
        reach = gate_in_view(wardrobe, gated[style.slider], moment, style.slider, camera)
        premultiplied = [p.color * p.alpha[..., None] for p in pictures]
        outside = reach < 1e-3
        difference = np.abs(premultiplied[0] - premultiplied[1]).max(-1)[outside]
        assert difference.max(initial=0) < 1 / 255, (
            style.slider,
            float(difference.max(initial=0)),
        )


def gate_in_view(wardrobe, marked, moment, slider, camera):
    """(H, W): how much of the gate lies along each pixel's rays, with and without the style."""
    import cv2

    from perse_engine.clips.animator import posed_vertices
    from perse_engine.surfaces.shading import mipmap, render_textured

    marked = marked.copy()
    marked[..., 3] = np.where(marked[..., 0] > 0, 1.0, 0.0)  # only gated surfaces, so that nothing hides them
    shown = wardrobe.visible_faces(mipmap(marked))  # as frames are drawn: a pixel keeps its nearest few surfaces
    total = np.zeros((camera.height, camera.width), np.float32)
    for sliders in ({}, {slider: 1.0}):
        state = moment.state(sliders)
        vertices = posed_vertices(wardrobe, state, wardrobe.weights(sliders))
        figure = wardrobe.figure
        drawn = render_textured(
            vertices,
            figure.faces[shown],
            figure.uv,
            figure.uv_faces[shown],
            marked,
            camera,
            samples=2,
        )
        total = np.maximum(total, drawn.alpha)
    return cv2.dilate(total, np.ones((3, 3)))
