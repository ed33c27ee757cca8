import pytest

from perse_engine.avatars.file import save_avatar
from perse_engine.avatars.initial import bare_figure, initial_avatar
from perse_engine.cli.running import run
from perse_engine.heads.open_head import load_open_head


@pytest.fixture(scope="session")
def avatar_file(tmp_path_factory):
    """An untrained avatar of the open head."""
    path = tmp_path_factory.mktemp("avatars") / "plain.perse"
    save_avatar(initial_avatar(bare_figure(load_open_head()), (), (), count=5000, seed=3), path)
    return path


@pytest.fixture
def perse(capfd):
    """Run `perse` in this process; gives exit status, stdout and stderr."""

    def call(*arguments):
        capfd.readouterr()
        status = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return status, out, err

    return call
