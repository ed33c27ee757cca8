import json
import math

import numpy as np

from perse_engine.evaluation.page import write_report
from perse_engine.evaluation.rows import at_least, at_most, below, not_run, shown

ROWS = [
    at_least("photo", "PSNR", 28.0, 28, "dB"),
    at_least("photo", "PSNR <of another>", math.nan, 28, "dB"),
    below("identity", "photo state", 0.25, 0.25),
    at_most("identity", "worst", 0.25, 0.25),
    shown("speed", "decode", 3.2, "ms"),
    not_run("identity", "all", "dlib absent"),
]


def test_a_bar_is_met_or_not():
    assert [row.passed for row in ROWS] == [True, False, False, True, None, None]
    assert ROWS[1].value is None
    assert ROWS[-1].note == "not run: dlib absent"


def test_the_report_is_written_for_programs_and_people(tmp_path):
    pictures = {"yaw +30": np.zeros((8, 8, 3), np.uint8), "yaw -30": np.zeros((8, 8, 3), np.uint8)}
    write_report(tmp_path / "report", "me.perse", ROWS, pictures, {"cores": 2})
    content = json.loads((tmp_path / "report" / "report.json").read_text())
    assert [row["name"] for row in content["rows"]] == [row.name for row in ROWS]
    page = (tmp_path / "report" / "report.html").read_text()
    assert "PSNR &lt;of another&gt;" in page
    assert len(list((tmp_path / "report").glob("*.png"))) == 2
