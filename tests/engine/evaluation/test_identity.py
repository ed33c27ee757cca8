import importlib.util

import numpy as np
import pytest
import skimage

from perse_engine.evaluation import identity
from perse_engine.evaluation.identity import UNDETECTED, FaceReader, distance, missing

needs_dlib = pytest.mark.skipif(missing() is not None, reason=str(missing()))


@needs_dlib
def test_a_face_is_near_itself_and_noise_is_nobody():
    reader = FaceReader()
    face = skimage.data.astronaut()[:300, 60:360]
    own = reader.descriptor(face)
    darker = reader.descriptor((face * 0.7).astype(np.uint8))
    assert distance(own, darker) < 0.3
    nobody = reader.descriptor(np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8))
    assert nobody is None
    assert distance(own, nobody) == UNDETECTED


def test_without_dlib_it_says_so(monkeypatch):
    monkeypatch.setattr(identity.importlib.util, "find_spec", lambda name: None)
    assert missing() == "dlib absent"


def test_the_models_are_found_without_importing_their_package():
    if importlib.util.find_spec("face_recognition_models") is None:
        pytest.skip("face-recognition-models absent")
    assert missing() is None or "dlib" in missing()
