import json

import pytest

from perse_engine.service import bench


@pytest.mark.slow
def test_the_rows_are_those_that_scripts_read(perse, monkeypatch):
    monkeypatch.setattr(bench, "COUNTS", (500,))
    monkeypatch.setattr(bench, "SIZES", ((64, 64), (96, 64)))
    monkeypatch.setattr(bench, "AVATAR_GAUSSIANS", 1000)
    monkeypatch.setattr(bench, "CLIP_SIZES", (64,))
    monkeypatch.setattr(bench, "REPEATS", 1)
    status, out, _ = perse("bench", "--json")
    assert status == 0
    content = json.loads(out)
    assert content["machine"]["threads"] >= 1
    names = [row["name"] for row in content["rows"]]
    assert names.count("rasterize.forward") == names.count("rasterize.backward") == 2
    assert {"clips.whole", "clips.box"} <= set(names)
    assert {"decode", "frame", "service.ping", "service.render", "service.overhead", "service.occluded"} <= set(names)
    assert set(content["rows"][0]) == {"name", "gaussians", "width", "height", "median_ms", "p95_ms"}
