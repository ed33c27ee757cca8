"""Takes the guide's pictures anew, in a real Blender with a window and a clean profile.

python3 docs/pictures/take/take.py --blender BLENDER --photo PHOTO --avatar AVATAR.perse [--bundle ZIP] [--only NAME …]

The display is the caller's matter. Where Blender cannot read its own window back (under Xvfb it is black), --grab names
a command that writes the screen to a file, for example: --grab "import -window root {}". --zip is what `build.py
package` makes. PERSE_ENGINE is passed on; without it, and with --bundle, the engine is installed from the bundle first.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SCENES = Path(__file__).with_name("scenes.py")


def main() -> int:
    """Install the extension into a profile of its own, and take the pictures; Blender's exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blender", default="blender")
    parser.add_argument("--zip", type=Path, default=ROOT / "build" / "perse-0.1.0.zip")
    parser.add_argument("--photo", type=Path, required=True)
    parser.add_argument("--avatar", type=Path, required=True)
    parser.add_argument("--others", type=Path, nargs="*", default=[], help="more avatars, for the library")
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--grab", default="")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="perse-pictures-") as folder:
        environment = os.environ | {
            "BLENDER_USER_RESOURCES": f"{folder}/blender",
            "XDG_DATA_HOME": f"{folder}/data",
            "PERSE_PICTURES": json.dumps(vars(wanted), default=str),
        }
        Path(folder, "blender").mkdir()
        install = ("--command", "extension", "install-file", "-r", "user_default", "--enable", str(wanted.zip))
        subprocess.run([wanted.blender, *install], env=environment, check=True)
        window = (
            "--offline-mode",
            "--enable-event-simulate",
            "--window-geometry",
            "0",
            "0",
            "1500",
            "1180",
            "--python",
            str(SCENES),
        )
        return subprocess.run([wanted.blender, *window], env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
