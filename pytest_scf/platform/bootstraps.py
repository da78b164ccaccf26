"""Functions that are started by an executable of their own: web functions, and custom runtimes."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from pytest_scf import facts
from pytest_scf.errors import UsageError
from pytest_scf.instances import interpreters
from pytest_scf.instances.forkserver.client import own_python
from pytest_scf.instances.interpreters import Interpreter
from pytest_scf.instances.server_kind import CUSTOM, WEB
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
    code_root: Path,
    *,
    command: tuple[str, ...] = (),
    interpreter: Interpreter | None = None,
    by_version: bool = True,
    host_ports: tuple[int, ...] = (),
    staging: Callable[[], Path],
    can_mount: bool,
) -> Server:
    """The server of a web function: ``command``, or its scf_bootstrap, which has to be there and executable.

    Every Python below /var/lang is ``interpreter``, None: the test's own; but ``by_version`` those that the bootstrap
    names are of the version in their name where that is at hand. Raises UsageError.
    """
    if command:
        return Server(kind=WEB, command=command, host_ports=host_ports)
    bootstrap = _executable(code_root, BOOTSTRAP, "a web function")
    text = bootstrap.read_text(encoding="utf-8", errors="replace")
    if re.search(rf"{facts.LANGUAGES_ROOT}/python2|\bpython2(\.7)?\b", text):
        raise UsageError(f"{bootstrap} starts Python 2, which is not run here: functions run with Python 3.6 or later")
    if not can_mount and facts.LANGUAGES_ROOT not in text:
        return Server(kind=WEB, command=(f"./{BOOTSTRAP}",), host_ports=host_ports)
    languages = staging()
    notes = lay_out_languages(languages, wanted=text if by_version else "", python=interpreter)
    if can_mount:
        places = ((str(languages), facts.LANGUAGES_ROOT),)
        return Server(kind=WEB, command=(f"./{BOOTSTRAP}",), host_ports=host_ports, places=places, notes=notes)
    # Nothing can be had at /var/lang without a mount: a copy of the bootstrap names the place where it is.
    copy = languages / BOOTSTRAP
    copy.write_text(text.replace(facts.LANGUAGES_ROOT, str(languages)), encoding="utf-8")
    copy.chmod(0o755)
    return Server(kind=WEB, command=(str(copy),), host_ports=host_ports, notes=notes)


def custom_runtime(code_root: Path) -> Server:
    """The program of a custom runtime: its bootstrap, which has to be there and executable. Raises UsageError."""
    _executable(code_root, "bootstrap", "a custom runtime")
    return Server(kind=CUSTOM, command=("./bootstrap",))


def _executable(code_root: Path, name: str, what: str) -> Path:
    path = code_root / name
    if not path.is_file():
        raise UsageError(f"{what} is started by its {name}, and {code_root} has none")
    if not os.access(path, os.X_OK):
        raise UsageError(f"{path} is not executable, which the cloud refuses: chmod 755 {path}")
    return path


def lay_out_languages(root: Path, *, wanted: str = "", python: Interpreter | None = None) -> tuple[str, ...]:
    """Fill what is seen at /var/lang: each interpreter of the vendor's images is one at hand of that language.

    Which Python versions are looked for is read from ``wanted``, the text of a bootstrap. Notes on those interpreters
    it names that are of another version; they say so themselves when they are started. They are scripts: a link would
    not lead a virtual environment's interpreter to its packages.
    """
    notes = []
    for language, versions in _LANGUAGES.items():
        for version in versions:
            number = f"{version[0]}.{version[1:]}" if len(version) > 1 and language in ("python", "php") else version
            named = re.search(rf"{facts.LANGUAGES_ROOT}/{language}{version}\b", wanted) is not None
            found = _at_hand(language, number, python, search=named)
            if found is None:
                continue
            program, note = found
            if named and note:
                notes.append(note)
            directory = root / f"{language}{version}" / "bin"
            directory.mkdir(parents=True)
            for name in (language, f"{language}{number}", f"{language}{version[0]}"):
                script = directory / name
                say = f"echo {_quoted(f'[pytest-scf] {note}')} >&2\n" if note else ""
                script.write_text(f'#!/bin/sh\n{say}exec {_quoted(program)} "$@"\n')
                script.chmod(0o755)
    return tuple(notes)


def _at_hand(language: str, number: str, python: Interpreter | None, *, search: bool) -> tuple[str, str] | None:
    """A program of this machine, and a note where it is of another version than the ``number`` asked for."""
    if language == "python":
        return None if number.startswith("2") else _python_at_hand(number, python, search=search)
    if language == "node":
        try:
            node = interpreters.find_node()
        except UsageError:
            return None
        return node.executable, _note("Node.js", number, ".".join(map(str, node.version)))
    program = shutil.which(language)
    return None if program is None else (program, "")


def _python_at_hand(number: str, python: Interpreter | None, *, search: bool) -> tuple[str, str]:
    if python is not None:
        return python.executable, ""
    if search and "." in number:
        try:
            found = interpreters.find_python(number)
        except UsageError:
            return own_python(), _note("Python", number, platform.python_version())
        if found is not None:
            return found.executable, ""
    return own_python(), ""


def _note(language: str, asked: str, version: str) -> str:
    if version.split(".")[: asked.count(".") + 1] == asked.split("."):
        return ""
    return f"there is no {language} {asked} at hand: {language} {version} stands in for it"


def _quoted(text: str) -> str:
    return "'" + re.sub("'", "'\\''", text) + "'"
