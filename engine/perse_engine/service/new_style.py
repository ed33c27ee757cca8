"""A new slider for an avatar that is trained: from somebody else's picture, or from words."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from perse_engine.avatars.avatar import Avatar
from perse_engine.avatars.file import load_avatar, save_avatar
from perse_engine.avatars.restyling import refuse_taken, slider_name
from perse_engine.avatars.styles import Style
from perse_engine.errors import InputError
from perse_engine.progress import Progress
from perse_engine.service.build import OPEN_HEAD, load_head, photo_hash

if TYPE_CHECKING:
    from perse_engine.clips.catalogue import Catalogue
    from perse_engine.heads.head import Head

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Wish:
    """What the new style is to be.

    Attributes:
        category: of `clips.brought.LAYER_OF`.
        image: of somebody who has it, or None.
        text: words that describe it, or None; one of the two.
        name: what people will read; from the image's file name or the text by default.
        mask: a picture, white where on `image` it is; hats, glasses, earrings and headphones need one.
    """

    category: str
    image: Path | None = None
    text: str | None = None
    name: str | None = None
    mask: Path | None = None


@dataclasses.dataclass(frozen=True)
class Added:
    """What came of it: the new style, and the seconds of each stage."""

    style: Style
    seconds: dict[str, float]


def add_style(path: Path, wish: Wish, out: Path, *, seed: int, head: str = OPEN_HEAD, progress: Progress) -> Added:
    """Give the avatar at `path` the style that `wish` describes, and write it to `out`.

    Every picture in which the new slider is zero stays as it was, to the last bit.

    Args:
        seed: of everything random.
        head: the head model that the avatar was made with: "open", or the path of a FLAME file.

    Raises:
        InputError: what is asked for, or a file, cannot be used: bad-wish, unknown-category, unknown-words,
            needs-a-mask, nothing-to-lend, another-head, name-taken, and what reading a photo or an avatar raises.
        Cancelled: `progress` said so; `out` is as it was.
        OSError: `out` cannot be written.
    """
    _check(wish)
    if out.is_dir():
        raise InputError("wrong-path", f"{out} is a folder", "name a .perse file in it")
    avatar = load_avatar(path)
    label = (wish.name or (wish.image.stem.replace("_", " ").capitalize() if wish.image else wish.text or "")).strip()
    slider = _named(wish, label)
    refuse_taken(avatar, slider)
    model = load_head(head)
    seconds: dict[str, float] = {}

    def timed(stage: str, work: Callable[[], T]) -> T:
        begin = time.monotonic()
        result = work()
        seconds[stage] = time.monotonic() - begin
        return result

    from perse_engine.clips.editor import dress
    from perse_engine.transfer.grafting import graft
    from perse_engine.transfer.learning import learn_style
    from perse_engine.transfer.lessons import style_views
    from perse_engine.transfer.recovering import portrait_of

    catalogue = timed("fit", lambda: _catalogue(wish, slider, label, model, seed, progress))
    progress("make", 0, 2)
    person = timed("person", lambda: portrait_of(avatar, model))
    progress("make", 1, 2)
    wardrobe = timed("make", lambda: dress(person, catalogue))
    grafted = timed("graft", lambda: graft(avatar, wardrobe, seed))
    if not len(wardrobe.layers[0].texels) and not grafted.avatar.figure.style_directions[:, :, -1].any():
        raise InputError("nothing-to-lend", f"that changes nothing about {avatar.name}", "wish for something else")
    progress("make", 2, 2)
    views = timed("pictures", lambda: style_views(grafted.avatar, wardrobe, seed, progress))
    learnt = timed("train", lambda: learn_style(grafted, views, seed=seed, progress=progress))
    progress("write", 0, 1)
    timed("write", lambda: save_avatar(_with_history(learnt, wish, label, seed), out))
    progress("write", 1, 1)
    return Added(learnt.styles[-1], seconds)


def match_style(
    path: Path, wish: Wish, *, seed: int, head: str = OPEN_HEAD, clip: Path | None = None, progress: Progress
) -> dict[str, float]:
    """The values of the sliders that the avatar at `path` has already which come nearest to what `wish` describes.

    Nothing is trained: the style has a code, and the code a mixture.

    Args:
        clip: folder of a CLIP model, which then says what is near; colours and shapes do without one.

    Raises:
        InputError: as `add_style`, without name-taken; too-few-styles; no-clip.
        Cancelled: by `progress`.
    """
    from perse_engine.avatars.state import AvatarState
    from perse_engine.clips.editor import dress
    from perse_engine.evaluation.subject import teacher_draw
    from perse_engine.transfer.codes import code_space, encoding_camera
    from perse_engine.transfer.encoders import encoder_of
    from perse_engine.transfer.recovering import portrait_of

    _check(wish)
    avatar, model, encoder = load_avatar(path), load_head(head), encoder_of(clip)
    space = code_space(avatar, wish.category, encoder)
    label = wish.name or wish.text or wish.category
    slider = slider_name(wish.category, "wished")
    catalogue = _catalogue(wish, slider, label, model, seed, progress)
    progress("match", 0, 1)
    draw = teacher_draw(dress(portrait_of(avatar, model), catalogue))
    camera = encoding_camera(avatar)
    without, worn = (draw(AvatarState({slider: value}), camera) for value in (0.0, 1.0))
    progress("match", 1, 1)
    return space.sliders(space.code_of(encoder.encode(without, worn, label)))


def _named(wish: Wish, label: str) -> str:
    try:
        return slider_name(wish.category, label)
    except InputError as error:
        if wish.name is not None:
            raise
        raise InputError(error.code, error.message, "give it a short name with --name") from error


def _check(wish: Wish) -> None:
    from perse_engine.clips.brought import LAYER_OF
    from perse_engine.clips.lent import MASKED

    if (wish.image is None) == (wish.text is None):
        raise InputError("bad-wish", "a style comes from a picture or from words", "give --image or --text")
    if wish.mask is not None and wish.image is None:
        raise InputError("bad-wish", "a mask says where on a picture something is", "give --image as well")
    if wish.mask is not None and wish.category not in MASKED:
        raise InputError(
            "bad-wish", f"no mask is needed for {wish.category}", f"leave --mask out; {', '.join(MASKED)} need one"
        )
    if wish.category not in LAYER_OF:
        raise InputError(
            "unknown-category", f"there is no category {wish.category!r}", f"choose one of {', '.join(LAYER_OF)}"
        )
    if wish.image is not None and wish.category in MASKED and wish.mask is None:
        raise InputError(
            "needs-a-mask",
            f"a picture alone does not tell {wish.category} from hair and skin",
            "paint a picture of the same shape, white where it is and black elsewhere, and give it with --mask",
        )


def _catalogue(wish: Wish, slider: str, label: str, head: Head, seed: int, progress: Progress) -> Catalogue:
    """The one style, fitted or understood."""
    from perse_engine.clips.words import style_in_words

    if wish.image is None:
        return style_in_words(wish.category, wish.text or "", slider, label)
    from perse_engine.clips.editor import lender_of
    from perse_engine.clips.lent import lent_style
    from perse_engine.portraits.fitting import fit_portrait
    from perse_engine.portraits.parsing import read_mask

    for path in (wish.image, wish.mask):
        if path is not None:
            photo_hash(path)  # a folder or a missing file is said before anything is loaded
    portrait = fit_portrait(wish.image, head, seed=seed, progress=progress)
    height, width = portrait.matte.shape
    mask = read_mask(wish.mask, width, height) if wish.mask is not None else None
    if mask is not None and not (mask > 0.5).any():
        raise InputError(
            "nothing-to-lend", "the mask is black everywhere", f"paint it white where the {wish.category} is"
        )
    return lent_style(slider, label, wish.category, lender_of(portrait, mask))


def _with_history(avatar: Avatar, wish: Wish, label: str, seed: int) -> Avatar:
    known = avatar.provenance.get("restyled", [])
    source = f"the words {wish.text!r}" if wish.image is None else f"{wish.image.name} {photo_hash(wish.image)[:16]}"
    what = f"added {label} to {wish.category} from {source}, seed {seed}"
    history = [*(known if isinstance(known, list) else []), what]
    return dataclasses.replace(avatar, provenance={**avatar.provenance, "restyled": history})
