"""Write an untrained avatar of the open head, as large as a trained one. Run in the engine's environment."""

from __future__ import annotations

import argparse
from pathlib import Path

from perse_engine.avatars.file import save_avatar
from perse_engine.avatars.initial import bare_figure, initial_avatar
from perse_engine.heads.open_head import load_open_head


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gaussians", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the .perse file to write")
    options = parser.parse_args()
    figure = bare_figure(load_open_head())
    save_avatar(initial_avatar(figure, (), (), count=options.gaussians, seed=0), options.out)


if __name__ == "__main__":
    main()
