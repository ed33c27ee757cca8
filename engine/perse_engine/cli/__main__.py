"""`python -m perse_engine.cli`: the command line for what starts modules, such as `torchrun -m`."""

from __future__ import annotations

from perse_engine.cli import main

main()
