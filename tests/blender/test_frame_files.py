"""A picture that was cut short is told from a whole one, whatever format Blender writes."""

from __future__ import annotations

import bpy
import numpy as np
import pytest


def write(path, scene, file_format: str, codec: str = "ZIP") -> None:
    image = bpy.data.images.new("noise", 70, 50, float_buffer=True)
    image.pixels.foreach_set(np.random.default_rng(1).random(70 * 50 * 4, np.float32))
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format = file_format
    if codec not in settings.bl_rna.properties["exr_codec"].enum_items:
        pytest.skip(f"this Blender writes no {codec}")
    try:
        settings.exr_codec = codec
    except TypeError:
        pytest.skip(f"this Blender writes no {codec} into {file_format}")
    image.save_render(str(path), scene=scene)


CASES = [("PNG", "ZIP"), ("JPEG", "ZIP"), ("WEBP", "ZIP")]
CASES += [("OPEN_EXR", codec) for codec in ("NONE", "ZIP", "ZIPS", "PIZ", "RLE", "PXR24", "B44", "DWAA", "DWAB")]


@pytest.mark.parametrize(("file_format", "codec"), CASES)
def test_a_cut_file_is_not_whole(scene, part, tmp_path, file_format, codec):
    path = tmp_path / "picture"
    write(path, scene, file_format, codec)
    is_whole = part("rendering.frame_files").is_whole
    assert is_whole(path)
    content = path.read_bytes()
    for length in (0, 5, 40, len(content) // 3, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        assert not is_whole(path), length


def test_an_exr_that_was_never_closed_is_not_whole(scene, part, tmp_path):
    path = tmp_path / "picture.exr"
    write(path, scene, "OPEN_EXR", "ZIP")
    content = bytearray(path.read_bytes())
    # the table of four chunks, whose first entry points right behind it, is written last
    table = next(at for at in range(len(content)) if content[at : at + 8] == (at + 32).to_bytes(8, "little"))
    content[table : table + 32] = bytes(32)
    path.write_bytes(content)
    assert not part("rendering.frame_files").is_whole(path)


def test_half_written_names_what_is_short_and_leaves_placeholders(scene, part, tmp_path):
    whole, short, placeholder = (tmp_path / name for name in ("a.png", "b.png", "c.png"))
    write(whole, scene, "PNG")
    short.write_bytes(whole.read_bytes()[:-3])
    placeholder.write_bytes(b"")
    assert set(part("rendering.frame_files").half_written([whole, short, placeholder, tmp_path / "absent.png"])) == {
        short
    }


@pytest.mark.parametrize(
    ("text", "step", "frames"),
    [
        ("12", 1, [12]),
        ("1-4", 1, [1, 2, 3, 4]),
        ("1..9", 4, [1, 5, 9]),
        ("-2..1", 1, [-2, -1, 0, 1]),
        ("8-9, 1, 9", 1, [1, 8, 9]),
    ],
)
def test_frames_are_read_as_people_write_them(part, text, step, frames):
    assert part("commands.frame_list").parse_frames(text, step) == frames
