"""Functions that are started by an executable of their own: web functions, and custom runtimes (contract 6)."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from pytest_scf import facts
from pytest_scf.errors import UsageError
from pytest_scf.instances.forkserver.client import own_python
from pytest_scf.platform.functions import Server

BOOTSTRAP = "scf_bootstrap"

# The interpreters of the vendor's images, by the language's name: the command, and the versions in directory names.
_LANGUAGES = {
    "python": ("2", "27", "3", "36", "37", "38", "39", "310", "311", "312", "313"),
    "node": ("6", "8", "10", "12", "14", "16", "18", "20", "22"),
    "php": ("5", "7", "72", "74", "80", "82"),
    "java": ("8", "11", "17", "21"),
    "go": ("1",),
}


def web_server(
    code_root: Path, *, host_ports: tuple[int, ...] = (), staging: Callable[[], Path], can_mount: bool
) -> Server:
    """The server of a web function: its scf_bootstrap, which has to be there and executable. Raises UsageError."""
    bootstrap = _executable(code_root, BOOTSTRAP, "a web function")
    places: tuple[tuple[str, str], ...] = ()
    if can_mount:
        languages = staging()
        lay_out_languages(languages)
        places = ((str(languages), facts.LANGUAGES_ROOT),)
    elif facts.LANGUAGES_ROOT in bootstrap.read_text(encoding="utf-8", errors="replace"):
        raise UsageError(
            f"{bootstrap} names {facts.LANGUAGES_ROOT}, which is there at the namespaces level of isolation only"
        )
    return Server(kind="web", command=(f"./{BOOTSTRAP}",), port=facts.SERVER_PORT, host_ports=host_ports, places=places)


def custom_runtime(code_root: Path) -> Server:
    """The program of a custom runtime: its bootstrap, which has to be there and executable. Raises UsageError."""
    _executable(code_root, "bootstrap", "a custom runtime")
    return Server(kind="custom", command=("./bootstrap",))


def _executable(code_root: Path, name: str, what: str) -> Path:
    path = code_root / name
    if not path.is_file():
        raise UsageError(f"{what} is started by its {name}, and {code_root} has none")
    if not os.access(path, os.X_OK):
        raise UsageError(f"{path} is not executable, which the cloud refuses: chmod 755 {path}")
    return path


def lay_out_languages(root: Path) -> None:
    """Fill what is seen at /var/lang: each interpreter of the vendor's images is the one at hand of that language.

    They are scripts: a link would not lead a virtual environment's interpreter to its packages.
    """
    for language, versions in _LANGUAGES.items():
        for version in versions:
            number = f"{version[0]}.{version[1:]}" if len(version) > 1 and language in ("python", "php") else version
            names = {language, f"{language}{number}", f"{language}{version[0]}"}
            program = _at_hand(language, number)
            if program is None:
                continue
            directory = root / f"{language}{version}" / "bin"
            directory.mkdir(parents=True)
            for name in names:
                script = directory / name
                script.write_text(f'#!/bin/sh\nexec {_quoted(program)} "$@"\n')
                script.chmod(0o755)


def _at_hand(language: str, number: str) -> str | None:
    if language == "python":
        return None if number.startswith("2") and not shutil.which("python2") else own_python()
    return shutil.which(language)


def _quoted(text: str) -> str:
    return "'" + re.sub("'", "'\\''", text) + "'"
