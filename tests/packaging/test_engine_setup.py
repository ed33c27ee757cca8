"""What the installation reads before it installs: pip's settings, the machine, bundles."""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[2] / "perse_blender"))

from engine_setup import bundles, machine, pip_settings
from engine_setup.problem import SetupProblem

urls = st.from_regex(r"https://[a-z]{1,8}\.example/[a-z]{1,8}", fullmatch=True)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_what_is_configured_later_counts_more(tmp_path: Path) -> None:
    system = write(tmp_path / "a", "[global]\nindex-url = https://a.example/\ncert = /a.pem\n[install]\nno_index = 1\n")
    user = write(tmp_path / "b", "[global]\nindex_url = https://b.example/\n[download]\ncert = /never.pem\n")
    read = pip_settings.pip_settings([system, tmp_path / "absent", user], {"PIP_CERT": "/c.pem", "PIP_TIMEOUT": ""})
    assert read == {"index-url": "https://b.example/", "cert": "/c.pem", "no-index": "1"}
    assert pip_settings.uv_arguments(read) == ["--no-index"]


@given(st.lists(urls, min_size=1, max_size=4), urls, st.integers(1, 900))
def test_pips_settings_reach_uv_whole(extra: list[str], index: str, timeout: int) -> None:
    variables = {"PIP_EXTRA_INDEX_URL": "\n ".join(extra), "PIP_INDEX_URL": index, "PIP_FIND_LINKS": "  ".join(extra)}
    variables |= {"PIP_DEFAULT_TIMEOUT": str(timeout), "PIP_TRUSTED_HOST": "x y", "PIP_PROXY": "http://p:1"}
    settings = pip_settings.pip_settings([], variables)
    told = pip_settings.uv_environment(settings, Path("cache"), {})
    assert told["UV_INDEX"].split() == extra
    assert told["UV_DEFAULT_INDEX"] == index
    assert told["UV_FIND_LINKS"].split(",") == extra
    assert told["UV_HTTP_TIMEOUT"] == str(timeout)
    assert told["UV_INSECURE_HOST"].split() == ["x", "y"]
    assert told["HTTPS_PROXY"] == told["HTTP_PROXY"] == "http://p:1"
    assert pip_settings.has_own_index(settings)


def test_what_uv_was_told_itself_goes_first_and_nothing_else_of_it_stays() -> None:
    here = {"UV_DEFAULT_INDEX": "https://uv.example/", "UV_CONSTRAINT": "c.txt", "PYTHONPATH": "/x", "PATH": "/bin"}
    told = pip_settings.uv_environment({"index-url": "https://pip.example/"}, Path("cache"), here)
    assert told["UV_DEFAULT_INDEX"] == "https://uv.example/"
    assert told["PATH"] == "/bin"
    assert not {"UV_CONSTRAINT", "PYTHONPATH"} & set(told)
    assert not pip_settings.has_own_index({"cert": "x"})


@given(st.binary(max_size=200))
def test_a_damaged_configuration_says_nothing(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "pip.conf"
    path.write_bytes(content)
    assert isinstance(pip_settings.pip_settings([path], {}), dict)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps them elsewhere")
def test_the_same_files_are_read_as_pip_reads(tmp_path: Path) -> None:
    environment = {"XDG_CONFIG_HOME": str(tmp_path), "PIP_CONFIG_FILE": str(tmp_path / "own.conf")}
    files = pip_settings.configuration_files(environment)
    assert files[-1] == tmp_path / "own.conf"
    assert tmp_path / "pip" / "pip.conf" in files or sys.platform == "darwin"
    assert pip_settings.configuration_files({"PIP_CONFIG_FILE": os.devnull}) == []


@pytest.mark.parametrize(
    ("tag", "bits", "libc", "macos", "word"),
    [
        ("macos-x86_64", 64, "", "15.1", "Intel Macs"),
        ("macos-arm64", 64, "", "13.6", "macOS 13.6"),
        ("linux-x86_64", 32, "glibc 2.36", "", "32-bit"),
        ("linux-x86_64", 64, "", "", "musl"),
        ("linux-arm64", 64, "glibc 2.17", "", "too old"),
        ("windows-arm64", 64, "", "", "windows-arm64"),
        ("linux-riscv64", 64, "glibc 2.39", "", "linux-riscv64"),
    ],
)
def test_machines_without_wheels_get_one_sentence(tag: str, bits: int, libc: str, macos: str, word: str) -> None:
    with pytest.raises(SetupProblem, match=word) as caught:
        machine.check_machine(tag, bits, libc, macos)
    assert caught.value.code == "unsupported-machine"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("tag", "libc", "macos"),
    [("linux-x86_64", "glibc 2.28", ""), ("linux-arm64", "glibc 2.41", ""), ("macos-arm64", "", "14.0"),
     ("macos-arm64", "", "26.1.1"), ("windows-x86_64", "", "")],
)  # fmt: skip
def test_machines_with_wheels_pass(tag: str, libc: str, macos: str) -> None:
    machine.check_machine(tag, 64, libc, macos)


def test_this_machine_is_one_of_them() -> None:
    machine.check_machine(*machine.this_machine())


@given(st.binary(max_size=300))
def test_whatever_a_bundle_holds_it_is_refused_with_a_code(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "x.zip"
    path.write_bytes(content)
    with pytest.raises(SetupProblem):
        bundles.read_bundle(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(bundles.LIST, content)
    with pytest.raises(SetupProblem) as caught:
        bundles.read_bundle(path)
    assert caught.value.code in ("not-a-bundle", "bundle-version")


def test_a_bundle_cannot_write_outside_its_folder(tmp_path: Path) -> None:
    path, folder = tmp_path / "evil.zip", tmp_path / "in" / "side"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../evil.whl", b"x")
    bundle = bundles.Bundle(path, "1", "1-x", "player", "p", ("3.11",), {"../../evil.whl": "0" * 64})
    with pytest.raises(SetupProblem, match="is damaged"):
        bundles.unpack_bundle(bundle, folder, lambda part: None)
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["evil.zip"]


def test_the_carried_engine_is_the_projects(build: ModuleType) -> None:
    assert f"uv=={(build.LOCKS / 'uv.lock').read_text().split('==')[1].split()[0]}" == build.UV
