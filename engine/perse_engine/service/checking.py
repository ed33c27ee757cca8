"""Whether a photo or a video will do, said before anything is built."""

from __future__ import annotations

from pathlib import Path

from perse_engine.clips.brought import VIDEOS


def check(path: Path) -> tuple[str, ...]:
    """What would make the photo or the video at `path` a better portrait, a sentence each.

    A video is only opened: which of its frames is the portrait is decided by the build.

    Raises:
        InputError: it cannot be used.
    """
    if path.suffix.lower() in VIDEOS:
        from perse_engine.portraits.video import open_video

        open_video(path)
        return ()
    from perse_engine.portraits.checking import advice

    return advice(path)
