"""The four landmark and matting models, where they come from and where they lie. Standard library only.

They are MediaPipe's (Apache-2.0), read out of one wheel that set-up fetches by hash; OpenCV runs them.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path

from perse_engine.errors import InputError
from perse_engine.files import atomic_write

WHEEL = "mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl"
WHEEL_SHA256 = "05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3"

FACE_DETECTOR = "face_detection_short_range.tflite"
FACE_LANDMARKS = "face_landmark.tflite"
IRIS_LANDMARKS = "iris_landmark.tflite"
SELFIE_MATTE = "selfie_segmentation.tflite"
LICENCE = "LICENSE"

MEMBERS = {  # file name: its path in the wheel, its sha256
    FACE_DETECTOR: (
        "mediapipe/modules/face_detection/face_detection_short_range.tflite",
        "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    ),
    FACE_LANDMARKS: (
        "mediapipe/modules/face_landmark/face_landmark.tflite",
        "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
    ),
    IRIS_LANDMARKS: (
        "mediapipe/modules/iris_landmark/iris_landmark.tflite",
        "d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
    ),
    SELFIE_MATTE: (
        "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite",
        "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
    ),
    LICENCE: (
        "mediapipe-0.10.21.dist-info/LICENSE",
        "8707eef0533987efc5b155d64761eeb6e20793f50b9bd1a68dad1cf4719d0ed8",
    ),
}

FOLDER = Path(__file__).parent / "models_data"


def extract_models(wheel: Path, folder: Path = FOLDER) -> None:
    """Read the models and their licence out of the mediapipe wheel.

    Raises:
        InputError: "models-damaged" when the file is not that wheel.
        OSError: the folder cannot be written.
    """
    hint = f"delete it and run: python3 build.py setup (it fetches {WHEEL})"
    try:
        with zipfile.ZipFile(wheel) as archive:
            contents = {name: archive.read(member) for name, (member, _) in MEMBERS.items()}
    except (zipfile.BadZipFile, KeyError) as error:
        raise InputError("models-damaged", f"{wheel.name} is not the mediapipe wheel ({error})", hint) from error
    for name, content in contents.items():
        if hashlib.sha256(content).hexdigest() != MEMBERS[name][1]:
            raise InputError("models-damaged", f"{name} in {wheel.name} is not the expected file", hint)
    for name, content in contents.items():
        with atomic_write(folder / name) as stream:
            stream.write(content)


def models_present() -> bool:
    """Whether every model can be found and is whole."""
    try:
        return all(
            hashlib.sha256(model_path(name).read_bytes()).hexdigest() == sha256
            for name, (_, sha256) in MEMBERS.items()
            if name != LICENCE
        )
    except InputError:
        return False


def model_path(name: str) -> Path:
    """Where the model `name` lies: in the folder that PERSE_MODELS names, else beside this file.

    Raises:
        InputError: "models-missing".
    """
    chosen = os.environ.get("PERSE_MODELS")
    folder = Path(chosen) if chosen else FOLDER
    path = folder / name
    if not path.is_file():
        where = f"the folder that PERSE_MODELS names, {folder}" if chosen else "the engine"
        raise InputError(
            "models-missing", f"the landmark model {name} is not in {where}", "run: python3 build.py setup"
        )
    return path
