import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perse_engine.clips.mixing import UNTRAINED_STRENGTHS
from perse_engine.clips.motion import (
    camera_of,
    head_center,
    is_reserved,
    photo_camera,
    photo_state,
)
from perse_engine.clips.motion_library import MOST_PITCH, MOST_YAW
from perse_engine.clips.plan import AROUND, FROM_BEHIND, plan
from perse_engine.clips.planned import BASE, SPLITS, name_of
from perse_engine.clips.presets import PRESETS, clips_preset
from perse_engine.errors import InputError
from perse_engine.heads.head import JAW
from perse_engine.heads.posing import pose_head


@pytest.fixture(scope="module")
def clips(portrait, catalogue):
    return plan(portrait, catalogue, clips_preset("standard"), 7)


def frames(clips, split):
    return [frame for clip in clips if clip.split == split for frame in clip.frames]


def test_the_same_seed_gives_the_same_plan(portrait, catalogue, clips):
    again = plan(portrait, catalogue, clips_preset("standard"), 7)
    other = plan(portrait, catalogue, clips_preset("standard"), 8)

    def described(plan):
        return [
            (
                c.name,
                f.attributes,
                f.moment.expression,
                f.moment.pose.tolist(),
                f.moment.yaw,
                f.size,
            )
            for c in plan
            for f in c.frames
        ]

    assert described(clips) == described(again)
    assert described(clips) != described(other)


def test_names_are_unique_and_every_split_has_frames(clips):
    assert len({clip.name for clip in clips}) == len(clips)
    assert {clip.split for clip in clips} == set(SPLITS)


def test_every_style_is_trained_full_and_on_its_way(clips, catalogue):
    for style in catalogue.styles:
        strengths = {f.attributes[style.slider] for f in frames(clips, "train") if list(f.attributes) == [style.slider]}
        assert 1.0 in strengths
        assert any(0 < s < 1 for s in strengths)


def test_every_style_is_trained_from_ahead_and_from_both_sides(clips, catalogue):
    for style in catalogue.styles:
        full = [f.moment.yaw for f in frames(clips, "train") if f.attributes == {style.slider: 1.0}]
        assert min(np.abs(full)) < 1
        assert min(full) <= -25
        assert max(full) >= 25


def test_held_out_views_and_expressions_are_never_trained(clips):
    trained = frames(clips, "train")
    for frame in frames(clips, "heldout"):
        assert is_reserved(*frame.moment.seen_from)
        assert not any(frame.moment.expression == other.moment.expression for other in trained)
    assert not any(is_reserved(*frame.moment.seen_from) for frame in trained)


def test_held_out_combinations_are_never_trained(clips):
    trained = [set(frame.attributes) for frame in frames(clips, "train")]
    held = [set(frame.attributes) for frame in frames(clips, "combination")]
    assert held
    for worn in held:
        assert len(worn) >= 2
        assert not any(worn <= other for other in trained)


def test_whole_outfits_are_trained_half_worn_and_mixed(clips, catalogue):
    category = {style.slider: style.category for style in catalogue.styles}
    outfits = [frame.attributes for clip in clips if clip.name.startswith("anything") for frame in clip.frames]
    assert len(outfits) == clips_preset("standard").anything
    worn = [{category[slider] for slider in outfit} for outfit in outfits]
    assert np.mean([len(categories) for categories in worn]) > 4
    assert {"hat", "hair", "clothes", "glasses"} <= set.union(*worn)
    assert any(len(outfit) > len(categories) for outfit, categories in zip(outfits, worn, strict=True))
    for outfit in outfits:
        for name in category.values():
            assert sum(value for slider, value in outfit.items() if category[slider] == name) <= 1 + 1e-5


def test_held_out_in_betweens_are_never_trained(clips):
    trained = frames(clips, "train")
    pairs = {tuple(sorted(f.attributes)) for f in trained if len(f.attributes) == 2}
    for frame in frames(clips, "between"):
        if len(frame.attributes) == 2:
            assert tuple(sorted(frame.attributes)) not in pairs
            assert sum(frame.attributes.values()) == pytest.approx(1)
        else:
            assert set(frame.attributes.values()) <= set(UNTRAINED_STRENGTHS)
    single = [f for f in trained if len(f.attributes) == 1]
    assert not any(set(f.attributes.values()) & set(UNTRAINED_STRENGTHS) for f in single)


def test_what_people_look_at_first_is_well_represented(clips):
    moving = [clip for clip in clips if clip.split == "train" and clip.name != AROUND]
    moments = [f.moment for clip in moving for f in clip.frames if not (f.below or "").startswith(AROUND)]
    rest = [m for m in moments if not m.expression]
    blinks = [m for m in moments if m.expression.get("eyeblinkleft", 0) > 0.9]
    mouths = [m for m in moments if m.expression.get("jawopen", 0) > 0.4 or m.pose[JAW, 0] > 0.1]
    assert len(rest) >= 0.08 * len(moments)
    assert len(blinks) >= 0.04 * len(moments)
    assert len(mouths) >= 0.1 * len(moments)
    yaws = np.array([m.seen_from[0] for m in moments])
    assert (yaws > 25).mean() > 0.08
    assert (yaws < -25).mean() > 0.08


def test_moments_stay_in_range(clips):
    for clip in clips:
        for frame in clip.frames:
            around = clip.name == AROUND or (frame.below or "").startswith(AROUND)
            assert abs(frame.moment.yaw) <= (180 if around else MOST_YAW + 1e-6)
            assert abs(frame.moment.pitch) <= MOST_PITCH + 1e-6
            assert all(np.isfinite(value) and 0 <= value <= 1.01 for value in frame.moment.expression.values())


def test_the_head_is_inside_every_frame(portrait, clips):
    for clip in clips[:6]:
        for frame in clip.frames:
            camera = camera_of(portrait, frame.moment, 256)
            x, y, _ = camera.project(head_center(portrait))
            assert 80 < x < 176
            assert 80 < y < 190


def test_presets_grow(portrait, catalogue):
    plans = [plan(portrait, catalogue, preset, 0) for preset in PRESETS.values()]
    sizes = [sum(len(clip.frames) for clip in clips) for clips in plans]
    assert sizes == sorted(sizes)
    with pytest.raises(InputError, match="unknown-preset"):
        clips_preset("huge")


def test_every_two_categories_are_trained_together(clips, catalogue):
    category = {style.slider: style.category for style in catalogue.styles}
    met = {
        pair
        for frame in frames(clips, "train")
        for pair in itertools.combinations(sorted({category[slider] for slider in frame.attributes}), 2)
    }
    names = sorted({style.category for style in catalogue.styles})
    assert met == set(itertools.combinations(names, 2))


def test_whatever_is_dressed_is_a_moment_of_the_bare_person(clips):
    bare = {
        name_of(clip.name, k): f for clip in clips if clip.name in (BASE, AROUND) for k, f in enumerate(clip.frames)
    }
    for clip in clips:
        for frame in clip.frames:
            if clip.name not in (BASE, AROUND) and clip.split != "heldout":
                assert frame.moment is bare[frame.below].moment
                assert frame.size == bare[frame.below].size


def test_what_shows_from_behind_is_seen_from_there_on_both_sides(clips, catalogue):
    for style in catalogue.styles:
        worn = [f.moment.yaw for f in frames(clips, "train") if f.attributes == {style.slider: 1.0}]
        back = [yaw for yaw in worn if abs(yaw) > MOST_YAW]
        assert len(back) == (2 if style.category in FROM_BEHIND else 0)
        assert sum(back) == 0  # from opposite sides
    for category in FROM_BEHIND:
        styles = {style.slider for style in catalogue.styles if style.category == category}
        yaws = [f.moment.yaw for f in frames(clips, "train") if styles.intersection(f.attributes)]
        assert min(yaws) < -90
        assert max(yaws) > 90


def test_a_brim_is_seen_from_below_and_from_above_on_both_sides(portrait, catalogue):
    clips = plan(portrait, catalogue, clips_preset("standard"), 0)
    hats = {style.slider for style in catalogue.styles if style.category == "hat"}
    for slider in hats:
        worn = [f.moment for f in frames(clips, "train") if f.attributes == {slider: 1.0}]
        oblique = [(moment.yaw, moment.pitch) for moment in worn if 40 < abs(moment.yaw) < 50]
        assert min(pitch for _, pitch in oblique) < -10
        assert max(pitch for _, pitch in oblique) > 10
        assert min(yaw for yaw, _ in oblique) < 0 < max(yaw for yaw, _ in oblique)


def test_the_papers_protocol(portrait, catalogue):
    clips = plan(portrait, catalogue, clips_preset("paper"), 0)
    base, base_test, *dressed = clips
    assert [clip.split for clip in clips] == ["train", "heldout"] * 958
    assert (len(base.frames), len(base_test.frames)) == (400, 113)
    assert len(dressed) == 2 * 957
    worn = {tuple(sorted(clip.frames[0].attributes.items())) for clip in dressed}
    assert len(worn) == 957
    for train, test in zip(dressed[::2], dressed[1::2], strict=True):
        assert (len(train.frames), len(test.frames)) == (400, 113)
        assert train.frames[7].moment is base.frames[7].moment
        assert test.frames[-1].below == name_of("base_test", 112)
        assert train.frames[0].attributes == test.frames[0].attributes


def test_the_photo_state_is_the_fit(portrait):
    state = photo_state(portrait)
    names = portrait.head.expression_names
    assert state.sliders["expr_mouthsmileleft"] == pytest.approx(
        portrait.state.expression[names.index("mouthsmileleft")]
    )
    posed = pose_head(portrait.head, portrait.state)
    through = photo_camera(portrait, 384).project(posed.joints[3] - portrait.state.translation)
    assert np.allclose(through, portrait.crop_camera(384).project(posed.joints[3]), atol=1e-3)


@given(st.floats(-40, 40), st.floats(-25, 25))
def test_a_view_is_reserved_or_not(yaw, pitch):
    assert is_reserved(yaw, pitch) in (True, False)


def test_reserved_views_are_few_and_everywhere():
    grid = np.array([[is_reserved(y, p) for y in np.arange(-35, 35, 0.5)] for p in np.arange(-20, 20, 0.5)])
    assert 0.08 < grid.mean() < 0.25
    assert grid[:, :70].any()
    assert grid[:, 70:].any()
    assert not is_reserved(0.0, 0.0)
