"""The arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Photo = Annotated[Path, typer.Argument(metavar="PHOTO", help="A portrait photograph: JPEG, PNG, HEIC, WebP, TIFF.")]
AvatarFile = Annotated[Path, typer.Argument(metavar="X.perse", help="An avatar file.")]
Preset = Annotated[str, typer.Option(help="How long to take: draft, standard, high or paper.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
HeadModel = Annotated[str, typer.Option("--head", help="The head model: open, or your own FLAME file (.pkl or .npz).")]
Masks = Annotated[
    Path | None, typer.Option(help="A folder with masks of your own over the photo: hair.png, ears.png, …")
]
Styles = Annotated[Path | None, typer.Option(help="A file with styles of your own, in the form of catalogue.toml.")]
Categories = Annotated[
    str | None,
    typer.Option(metavar="NAMES", help="What attributes to learn, all by default: hair,hat,glasses."),
]
PhotoOrVideo = Annotated[
    Path | None, typer.Argument(metavar="PHOTO", help="A portrait photograph; not needed where there is a --video.")
]
Footage = Annotated[
    Path | None,
    typer.Option("--video", metavar="CLIP", help="Footage of the person, such as a phone clip, to learn from."),
]
HoldOut = Annotated[
    str | None,
    typer.Option(metavar="FRAMES", help="Frames of the video to measure by, never to learn from: 60-95,118-150."),
]
Motion = Annotated[
    Path | None,
    typer.Option(help="What the person does: a Live Link Face capture (.csv) or a FLAME sequence (.npz, .json)."),
]
Weights = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="A folder with weights of your own, for LPIPS, FID and KID."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
