"""Run by the engine's interpreter: writes an untrained avatar with a slider of every kind, or poses its figure.

A “person” is an untrained avatar of the painted head, which the engine can give more styles.

make_avatar.py avatar OUT.perse [NAME [PHOTO]] · make_avatar.py person OUT.perse · make_avatar.py flame OUT.perse
make_avatar.py calibration OUT.perse
make_avatar.py pose AVATAR.perse STATE.json OUT.npy · make_avatar.py motion CAPTURE OUT.npz
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np

from perse_engine.avatars.avatar import Appearance, Avatar
from perse_engine.avatars.file import load_avatar, save_avatar
from perse_engine.avatars.initial import bare_figure, head_center, initial_avatar, neutral_camera
from perse_engine.avatars.sampling import triangle_areas
from perse_engine.avatars.state import AvatarState
from perse_engine.avatars.styles import Category, Style, expression_weights, style_weights
from perse_engine.clips.captures import load_performance
from perse_engine.heads.figure import Figure
from perse_engine.heads.figure_posing import pose_figure
from perse_engine.heads.open_head import load_open_head
from perse_engine.service.library import file_hash

CATEGORIES = (Category("face", "Face shape", "shape"), Category("hair", "Hair", "hair"), Category("hat", "Hat", "hat"))
STYLES = (
    Style("attr_face_wide", "Wide", "face", hard_min=-0.5, hard_max=1.5),
    Style("attr_face_long", "Long", "face"),
    Style("attr_hair_red", "Red", "hair"),
    Style("attr_hat_cap", "Cap", "hat", "appear"),
)
SMILE = 43
"""Of the expressions, "mouthsmileleft"."""
GAUSSIANS = 6000
PHOTO_POSE = np.array([[0, 0, 0], [0.1, 0.3, -0.1], [0.15, 0, 0], [0, 0.2, 0], [0, 0.2, 0]], np.float32)


def make_figure() -> Figure:
    """The open head with a cap: two styles displace head and joints, one recolours, one shows the cap."""
    head = load_open_head()
    bare, crown = len(head.template), head.template[:, 1] > 0.09
    cap_vertices = np.flatnonzero(crown & (head.weights[:, 1] > 0.9))
    index = np.full(bare, -1)
    index[cap_vertices] = bare + np.arange(len(cap_vertices))
    cap_faces = index[head.faces]
    chosen = (cap_faces >= 0).all(1)
    center = np.array([0, 0.06, 0.02], np.float32)

    def with_cap(values: np.ndarray) -> np.ndarray:
        return np.concatenate([values, values[cap_vertices]])

    vertices = with_cap(head.template)
    vertices[bare:] = center + 1.08 * (vertices[bare:] - center)
    styles = np.zeros((len(vertices), 3, len(STYLES)), np.float32)
    styles[:, 0, 0] = 0.15 * vertices[:, 0]
    styles[:, 1, 1] = 0.15 * vertices[:, 1]
    styles[bare:, 1, 3] = 0.002
    joint_styles = np.zeros((5, 3, len(STYLES)), np.float32)
    joint_styles[:, 0, 0] = 0.15 * head.joints[:, 0]
    joint_styles[:, 1, 1] = 0.15 * head.joints[:, 1]
    return Figure(
        vertices=vertices,
        faces=np.concatenate([head.faces, cap_faces[chosen]]).astype(np.int32),
        uv=head.uv,
        uv_faces=np.concatenate([head.uv_faces, head.uv_faces[chosen]]),
        parts=(*head.parts, "cap"),
        face_parts=np.concatenate([head.face_parts, np.full(chosen.sum(), len(head.parts), np.uint8)]),
        expression_directions=with_cap(head.expression_directions),
        expression_names=head.expression_names,
        style_directions=styles,
        joint_style_directions=joint_styles,
        style_names=tuple(style.slider for style in STYLES),
        weights=with_cap(head.weights),
        joints=head.joints,
    )


def make_avatar(name: str, photo: str = "", *, flame: bool = False) -> Avatar:
    """The untrained avatar: the cap is transparent until its style shows it, red hair reddens the crown."""
    source = {"file": Path(photo).name, "sha256": file_hash(Path(photo))} if photo else {}
    figure = numbered(make_figure()) if flame else make_figure()
    photo_camera = neutral_camera(figure).orbited(head_center(figure), 20.0, 8.0, 4.0).resized(120, 120)
    avatar = initial_avatar(
        figure,
        CATEGORIES,
        STYLES,
        count=GAUSSIANS,
        seed=1,
        name=name,
        photo_camera=photo_camera.cropped(-7.0, 11.0, 120, 90),
        photo_state=AvatarState({f"expr_{figure.expression_names[SMILE]}": 0.8, "attr_hair_red": 0.5}, PHOTO_POSE),
    )
    on_cap = figure.face_parts[avatar.triangles] == len(figure.parts) - 1
    sites = figure.vertices[figure.faces[avatar.triangles]].mean(1)
    red = np.flatnonzero(~on_cap & (sites[:, 1] > 0.08)).astype(np.int32)
    cap = np.flatnonzero(on_cap).astype(np.int32)
    gaussians = np.concatenate([red, cap])
    count = len(gaussians)
    appearance = Appearance(
        starts=np.array([0, 0, 0, len(red), count], np.int32),
        gaussians=gaussians,
        gates=np.ones(count, np.float32),
        colors=np.repeat(np.array([[0.8, 0.1, 0.05], [0.1, 0.2, 0.7]], np.float32), [len(red), len(cap)], 0),
        coverage_logits=np.full(count, 4.0, np.float32),
        offsets=np.zeros((count, 3), np.float32),
        onsets=np.zeros(count, np.float32),
        softness=np.ones(len(STYLES), np.float32),
    )
    logits = np.where(on_cap, -9.0, avatar.coverage_logits).astype(np.float32)
    return dataclasses.replace(
        avatar, appearance=appearance, coverage_logits=logits, provenance={**avatar.provenance, "photo": source}
    )


def make_person() -> Avatar:
    """The painted head, untrained, with one style."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))
    from painted_head import painted_portrait

    from perse_engine.clips.catalogue import parse_catalogue
    from perse_engine.clips.editor import dress
    from perse_engine.training.starting import start_avatar

    table = b'[face]\nlabel = "Face"\nlayer = "shape"\n[face.styles.wide]\nlabel = "Wide"\nwidth = 0.1\n'
    portrait = painted_portrait(1024)
    return start_avatar(
        dress(portrait, parse_catalogue(table, "one")),
        (),
        count=8000,
        seed=0,
        name="painted",
        photo_camera=portrait.camera,
        photo_state=AvatarState({}, portrait.state.pose),
        provenance={},
    )


def make_calibration() -> Avatar:
    """A bald head tiled by small, flat, opaque Gaussians: as good as a surface."""
    figure = bare_figure(load_open_head())
    evenly = triangle_areas(figure) ** 0.4  # with what `sample_sites` makes of areas: as many on each square
    avatar = initial_avatar(figure, (), (), count=120000, seed=1, name="Calibration", importance=evenly)
    log_scales = avatar.log_scales + np.log([0.8, 0.8, 1.0]).astype(np.float32)
    return dataclasses.replace(avatar, coverage_logits=np.full(avatar.count, 12.0, np.float32), log_scales=log_scales)


def numbered(figure: Figure) -> Figure:
    """`figure` with expressions named as a FLAME head names its own."""
    return dataclasses.replace(figure, expression_names=tuple(f"flame_{k:03d}" for k in range(52)))


def posed(path: Path, state: AvatarState) -> np.ndarray:
    """The vertices of the avatar's figure in `state`, (V, 3) head space."""
    avatar = load_avatar(path)
    return pose_figure(
        avatar.figure,
        style_weights(avatar.styles, state.sliders),
        expression_weights(avatar.figure.expression_names, state.sliders),
        state.pose,
    )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["avatar", out, *name]:
            save_avatar(make_avatar(*(name or ["Test"])), Path(out))
        case ["flame", out]:
            save_avatar(make_avatar("Flame", flame=True), Path(out))
        case ["calibration", out]:
            save_avatar(make_calibration(), Path(out))
        case ["person", out]:
            save_avatar(make_person(), Path(out))
        case ["pose", avatar, state_file, out]:
            content = json.loads(Path(state_file).read_text())
            np.save(out, posed(Path(avatar), AvatarState(content["sliders"], np.array(content["pose"], np.float32))))
        case ["motion", capture, out]:
            motion = load_performance(Path(capture))
            np.savez(out, names=motion.names, expression=motion.expression, pose=motion.pose, fps=motion.rate)
