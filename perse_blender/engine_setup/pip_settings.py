"""The person's own pip configuration, read without pip, and what uv is told of it.

A studio's mirror, certificate or proxy is set up once, for pip; https://pip.pypa.io/en/stable/topics/configuration/
says where: files of the system and of the user, then `PIP_CONFIG_FILE`, then `PIP_…` variables, each over the former.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_SECTIONS = ("global", "install")
_TO_UV = {
    "index-url": ("UV_DEFAULT_INDEX",),
    "extra-index-url": ("UV_INDEX",),
    "find-links": ("UV_FIND_LINKS",),
    "trusted-host": ("UV_INSECURE_HOST",),
    "default-timeout": ("UV_HTTP_TIMEOUT",),
    "timeout": ("UV_HTTP_TIMEOUT",),
    "cert": ("SSL_CERT_FILE",),
    "client-cert": ("SSL_CLIENT_CERT",),
    "proxy": ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"),
}
_COMMA_SEPARATED = ("find-links",)
_KEPT = (
    "UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INSECURE_HOST",
    "UV_HTTP_TIMEOUT", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS", "UV_PYTHON_INSTALL_MIRROR",
)  # fmt: skip
"""What somebody has told uv about the network stays; whatever else would change what is installed does not."""


def configuration_files(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Every file that pip would read, the weakest first."""
    home = Path.home()
    named = environment.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return []
    if sys.platform == "win32":
        files = [
            Path(environment.get("PROGRAMDATA") or "C:/ProgramData") / "pip" / "pip.ini",
            home / "pip" / "pip.ini",
            Path(environment.get("APPDATA") or home / "AppData" / "Roaming") / "pip" / "pip.ini",
        ]
    else:
        user = Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
        if sys.platform == "darwin":
            shared = [Path("/Library/Application Support/pip/pip.conf")]
            own = home / "Library" / "Application Support" / "pip"
            user = own / "pip.conf" if own.is_dir() else user
        else:
            folders = (environment.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
            shared = [*(Path(folder) / "pip" / "pip.conf" for folder in folders), Path("/etc/pip.conf")]
        files = [*shared, home / ".pip" / "pip.conf", user]
    return [*files, Path(named)] if named else files


def pip_settings(files: Sequence[Path] | None = None, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What pip is configured with, by the long name of each option; a file that cannot be read says nothing."""
    settings: dict[str, str] = {}
    for file in configuration_files(environment) if files is None else files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, OSError, UnicodeError):
            continue
        for section in _SECTIONS:
            if parser.has_section(section):
                settings |= {_long_name(name): value.strip() for name, value in parser.items(section)}
    for variable, value in environment.items():
        if variable.upper().startswith("PIP_"):
            settings[_long_name(variable[4:])] = value.strip()
    return {name: value for name, value in settings.items() if value}


def has_own_index(settings: Mapping[str, str]) -> bool:
    """Whether packages come from somewhere that the person chose."""
    return any(name in settings for name in ("index-url", "extra-index-url", "find-links", "no-index"))


def uv_environment(
    settings: Mapping[str, str], cache: Path, environment: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The environment variables for uv: this process's, pip's settings, and the cache folder.

    What is said to uv itself goes before what is said to pip. Of all indexes the best version is taken, as pip does;
    the lock files' hashes say which that may be.
    """
    result = clean_environment(environment)
    for name, variables in _TO_UV.items():
        value = settings.get(name)
        if value is None:
            continue
        words = value.split()
        told = ",".join(words) if name in _COMMA_SEPARATED else " ".join(words)
        for variable in variables:
            result.setdefault(variable, told)
    return result | {"UV_CACHE_DIR": str(cache), "UV_INDEX_STRATEGY": "unsafe-best-match", "UV_NO_CONFIG": "1"}


def uv_arguments(settings: Mapping[str, str]) -> list[str]:
    """What has no variable: `no-index`."""
    return ["--no-index"] if settings.get("no-index", "").lower() in ("1", "true", "yes", "on") else []


def clean_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """`environment` without what would lead another Python, or Blender's own, into a child process."""
    leaking = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "CONDA_PREFIX", "PERSE_ENGINE")
    kept = {name: value for name, value in environment.items() if name not in leaking}
    return {name: value for name, value in kept.items() if not name.startswith("UV_") or name in _KEPT}


def _long_name(name: str) -> str:
    return name.lower().replace("_", "-").lstrip("-")
