"""Files and messages that chance or malice has spoiled: each is refused by one clear sentence, or can be used.

Cases run in a process of their own, which ends where one crashes, takes five seconds or a gigabyte.
"""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = HERE.parent / "avatars" / "files"
SOURCES = [FILES / "version_2.perse", FILES / "version_1.perse"]
FEW = {"avatar": 100, "addon": 60, "message": 150, "states": 60}
MANY = {"avatar": 4000, "addon": 2000, "message": 3000, "states": 1000}

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing to limit a process by")


def outcomes(kind, first, count, timeout):
    """What came of each case."""
    command = [sys.executable, "-W", "ignore", HERE / "victim.py", kind, str(first), str(count), *SOURCES]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=timeout, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, f"case {lines[-1] if lines else '?'} of {kind} ended it: {done.stderr[-3000:]}"
    assert len(lines) == count
    return [line.split()[1] for line in lines]


@pytest.mark.parametrize("kind", FEW)
def test_what_is_spoiled_is_refused_or_used(kind):
    came = outcomes(kind, 0, FEW[kind], 300)
    assert {"loaded"} < set(came)  # neither all of it harmless nor all of it beyond repair


@pytest.mark.slow
@pytest.mark.parametrize("kind", MANY)
def test_ten_thousand_of_them(kind):
    came = outcomes(kind, 100_000, MANY[kind], 3600)
    assert {"loaded"} < set(came)


def test_a_hostile_avatar_does_not_ask_for_memory(tmp_path):
    """Few bytes that list nothing, for a thousand sliders of three hundred thousand vertices: gigabytes if unpacked."""
    sys.path.insert(0, str(HERE))
    try:
        from mutations import enlarged
    finally:
        sys.path.remove(str(HERE))
    from perse_engine.avatars.file import load_avatar
    from perse_engine.errors import InputError

    class Largest:
        """Chooses the largest of everything."""

        def random(self):
            return 0.9

        def choice(self, values):
            return max(values)

    path = tmp_path / "large.perse"
    path.write_bytes(enlarged(Largest(), SOURCES[0].read_bytes()))
    with pytest.raises(InputError, match="300000 vertices for") as caught:
        load_avatar(path)
    assert caught.value.code == "edited-avatar"
