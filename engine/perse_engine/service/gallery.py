"""`perse gallery`: the whole build over many portraits, and one page on which regressions are seen at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from perse_engine.avatars.file import load_avatar
from perse_engine.errors import Cancelled, InputError, PerseError
from perse_engine.evaluation.evaluate import Evidence, against_photo
from perse_engine.evaluation.gallery_page import Entry, write_gallery, write_picture
from perse_engine.evaluation.photo import photo_pair
from perse_engine.evaluation.sheet import contact_sheet, sheet_image
from perse_engine.evaluation.strips import strips
from perse_engine.evaluation.subject import avatar_subject
from perse_engine.portraits.portrait_files import load_portrait
from perse_engine.progress import Progress
from perse_engine.service.bench import machine
from perse_engine.service.build import PORTRAIT, build, default_work
from perse_engine.service.evaluation import PICTURES
from perse_engine.service.sources import Sources


def gallery(
    portraits: Sequence[Path], out: Path, *, preset: str, seed: int, sources: Sources | None, progress: Progress
) -> list[Entry]:
    """Build an avatar of every portrait into `out`, and write out/gallery.html; what is finished is not built again.

    A portrait that cannot be used has its reason on the page, and the others go on.

    Args:
        portraits: pictures, and folders of pictures.
        sources: what the user brings to every build.

    Raises:
        InputError: file-missing, no-portraits, same-name.
        Cancelled: by `progress`; the next run resumes.
    """
    photos = _photos(portraits)
    out.mkdir(parents=True, exist_ok=True)
    about = {"preset": preset, "seed": seed, **machine()}
    entries: list[Entry] = []
    for number, photo in enumerate(photos):
        progress("gallery", number, len(photos))
        others = [other for other in photos if other != photo]
        try:
            entries.append(_entry(photo, others, out, preset, seed, sources, progress))
        except Cancelled:
            raise
        except PerseError as error:
            entries.append(Entry(photo.stem, error=f"{error.message}; {error.hint}"))
        write_gallery(out, entries, about)  # after each, so that there is something to look at
    progress("gallery", len(photos), len(photos))
    return entries


def _entry(
    photo: Path,
    others: list[Path],
    out: Path,
    preset: str,
    seed: int,
    sources: Sources | None,
    progress: Progress,
) -> Entry:
    name = photo.stem
    path = out / f"{name}.perse"
    work = default_work(path, preset, seed)
    job = build(photo, path, preset=preset, seed=seed, work=work, sources=sources, progress=progress)
    portrait = load_portrait(work / PORTRAIT)
    subject = avatar_subject(load_avatar(path))
    report = against_photo(subject, Evidence(portrait, None, others), progress)
    rows, pictures = strips(subject)
    write_picture(out / f"{name}.sheet.png", sheet_image(contact_sheet(subject, photo_pair(subject, portrait))))
    files = {}
    for title, picture in pictures.items():
        files[title] = f"{name}.{title.partition(':')[0]}.png"
        write_picture(out / files[title], picture)
    return Entry(name, [*report.rows, *rows], dict(job.stages), f"{name}.sheet.png", files)


def _photos(portraits: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in portraits:
        if path.is_dir():
            found += sorted(entry for entry in path.iterdir() if entry.suffix.lower() in PICTURES)
        elif path.exists():
            found.append(path)
        else:
            raise InputError("file-missing", f"{path} does not exist", "check the path")
    if not found:
        raise InputError("no-portraits", "there is no picture in what was named", "name portraits or a folder of them")
    names = [path.stem for path in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError("same-name", f"two portraits are called {twice}", "rename one of them")
    return found
