import dataclasses
import sys

import numpy as np
import pytest

from perse_engine.avatars.file import load_avatar, save_avatar
from perse_engine.avatars.initial import bare_figure, initial_avatar
from perse_engine.avatars.styles import Category, Style
from perse_engine.heads.open_head import load_open_head
from perse_protocol.client import EngineClient, RenderRequest, numbers
from perse_protocol.messages import Camera, Instance

SERVE = [sys.executable, "-c", "from perse_engine.service.session import serve; serve()"]


@pytest.fixture(scope="session")
def avatar_file(tmp_path_factory):
    """An untrained avatar of the open head that can grow taller."""
    figure = bare_figure(load_open_head())
    taller = np.zeros((len(figure.vertices), 3, 1), np.float32)
    taller[:, 1, 0] = figure.vertices[:, 1] * 0.3
    joints = np.zeros((5, 3, 1), np.float32)
    figure = dataclasses.replace(
        figure, style_directions=taller, joint_style_directions=joints, style_names=("attr_shape_tall",)
    )
    styles = (Style("attr_shape_tall", "Tall", "shape"),)
    avatar = initial_avatar(figure, (Category("shape", "Shape", "shape"),), styles, count=6000, seed=3)
    path = tmp_path_factory.mktemp("avatars") / "plain.perse"
    save_avatar(avatar, path)
    return path


@pytest.fixture(scope="session")
def avatar(avatar_file):
    return load_avatar(avatar_file)


@pytest.fixture
def start_client(tmp_path):
    """Start a client of a real session."""
    clients = []

    def start(command=SERVE):
        clients.append(EngineClient(command, client="test", log_file=tmp_path / "engine.log"))
        return clients[-1]

    yield start
    for client in clients:
        client.close()


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """One session for all tests that leave it alive."""
    with EngineClient(SERVE, client="test", log_file=tmp_path_factory.mktemp("log") / "engine.log") as client:
        yield client


def wire_camera(camera):
    return Camera(
        numbers(camera.view), camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height, camera.near
    )


@pytest.fixture
def request_of(avatar):
    """Build a request for one avatar before the neutral camera."""

    def build(identity, sliders=None, size=(96, 96), view="view", priority="viewport", model=None, **fields):
        camera = wire_camera(avatar.neutral_camera.fitted(*size))
        instance = Instance(identity, numbers(np.eye(4) if model is None else model), sliders or {})
        return RenderRequest(view, priority, (instance,), camera, **fields)

    return build
