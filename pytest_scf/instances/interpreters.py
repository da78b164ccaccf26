"""Interpreters other than the test's own, which instances can be started with."""

from __future__ import annotations

import functools
import glob
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_scf.errors import UsageError

OLDEST_PYTHON = (3, 6)
#: the first version that ends on a rejected promise that is not handled
OLDEST_NODE = (15, 0)
#: seconds in which an interpreter has to report its version
PROBE_DEADLINE = 60.0

_RUNTIMES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "runtimes")
_VERSION = re.compile(r"(?:[Pp]ython)?(\d+)\.(\d+)(?:\.\d+)?")
# Valid in Python 2 as well, so that one can be told from a program that does not start.
_ASK_PYTHON = (
    "import json, sys; print(json.dumps([sys.executable, list(sys.version_info[:3]),"
    " [sys.prefix, sys.exec_prefix, getattr(sys, 'base_prefix', ''), getattr(sys, 'base_exec_prefix', '')]]))"
)


@dataclass(frozen=True)
class Interpreter:
    """A program that runs functions of a language."""

    #: "python" or "node"
    language: str
    executable: str
    version: tuple[int, int, int]
    #: the directories that it is installed in
    directories: tuple[str, ...]
    #: its command line, but for the descriptors of the sockets
    command: tuple[str, ...]


def find_python(wanted: str) -> Interpreter | None:
    """The interpreter of a version ("3.12") on PATH, or that of a path; None for the test's own.

    The test's own is preferred where it has the version. Of a pyenv, versions that are not active are found, too.
    Raises UsageError when there is none, or none that starts.
    """
    version = _VERSION.fullmatch(wanted)
    if version is None:
        if os.path.abspath(wanted) == os.path.abspath(sys.executable):
            return None
        program = shutil.which(wanted)
        if program is None:
            raise UsageError(
                "python must be a version like '3.12', the path of an interpreter, or the name of one on PATH; "
                f"there is no {wanted!r} that can be executed"
            )
        return _checked(_ask_python(os.path.abspath(program)), wanted)
    if (int(version[1]), int(version[2])) < OLDEST_PYTHON:
        raise UsageError(f"Python {version[1]}.{version[2]} is not run here: functions run with Python 3.6 or later")
    asked = version[0].lower().removeprefix("python").split(".")
    if [str(part) for part in sys.version_info[: len(asked)]] == asked:
        return None
    return _find_version(".".join(asked), os.environ.get("PATH", os.defpath))


@functools.cache
def _find_version(asked: str, path: str) -> Interpreter:
    failures = []
    for candidate in _candidates(asked, path):
        try:
            found = _checked(_ask_python(candidate), candidate)
        except UsageError as error:
            failures.append(f"  {error}")
            continue
        if ".".join(map(str, found.version)).startswith(asked + ("." if asked.count(".") == 1 else "")):
            return found
        failures.append(f"  {candidate} is Python {'.'.join(map(str, found.version))}")
    name = "python" + ".".join(asked.split(".")[:2])
    tried = "; what was tried:\n" + "\n".join(failures) if failures else ""
    raise UsageError(
        f"there is no Python {asked} at hand: no {name} on PATH that starts. Install it, or give python= the path of "
        f"an interpreter{tried}"
    )


def _candidates(asked: str, path: str) -> Iterator[str]:
    name = "python" + ".".join(asked.split(".")[:2])
    for directory in path.split(os.pathsep):
        candidate = os.path.join(os.path.abspath(directory or os.curdir), name)
        if not os.path.isfile(candidate) or not os.access(candidate, os.X_OK):
            continue
        if os.path.basename(os.path.dirname(candidate)) == "shims":
            # A shim of pyenv's works for active versions only; the interpreters themselves lie beside it.
            versions = os.path.join(os.path.dirname(os.path.dirname(candidate)), "versions", "*", "bin", name)
            yield from sorted(glob.glob(versions), key=_numbers, reverse=True)
        yield candidate


def _numbers(path: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path)]


@functools.cache
def _ask_python(program: str) -> Interpreter:
    answer = _answer(program, "-E", "-s", "-c", _ASK_PYTHON)
    try:
        executable, version, prefixes = json.loads(answer)
    except ValueError as error:
        raise UsageError(f"{program} is no Python: asked for its version it said {answer.strip()[:100]!r}") from error
    executable = executable or program
    places = dict.fromkeys(place for place in (*prefixes, os.path.dirname(executable)) if place)
    return Interpreter(
        language="python",
        executable=executable,
        version=(version[0], version[1], version[2]),
        directories=tuple(places),
        command=(executable, "-B", os.path.join(_RUNTIMES, "python.py")),
    )


def find_node() -> Interpreter:
    """The Node.js on PATH, of whatever version. Raises UsageError when there is none, or none that runs functions."""
    return _find_node(os.environ.get("PATH", os.defpath))


@functools.cache
def _find_node(path: str) -> Interpreter:
    program = shutil.which("node", path=path) or shutil.which("nodejs", path=path)
    if program is None:
        raise UsageError(
            "there is no Node.js at hand: no node on PATH. Install it to run functions that are written for it"
        )
    answer = _answer(program, "-p", "JSON.stringify([process.execPath, process.versions.node])")
    try:
        executable, text = json.loads(answer)
        major, minor, patch = _numbers(text)[:3]
    except ValueError as error:
        raise UsageError(f"{program} is no Node.js: asked for its version it said {answer.strip()[:100]!r}") from error
    version = (major, minor, patch)
    if version < OLDEST_NODE:
        raise UsageError(f"{program} is Node.js {text}: functions run with {OLDEST_NODE[0]} or later")
    directory = os.path.dirname(executable)
    return Interpreter(
        language="node",
        executable=executable,
        version=version,
        directories=(directory, os.path.dirname(directory)) if os.path.basename(directory) == "bin" else (directory,),
        command=(executable, os.path.join(_RUNTIMES, "node.js")),
    )


def _checked(found: Interpreter, called: str) -> Interpreter:
    if found.version < OLDEST_PYTHON:
        version = ".".join(map(str, found.version))
        raise UsageError(f"{called} is Python {version}: functions run with Python 3.6 or later")
    return found


def _answer(program: str, *arguments: str) -> str:
    """The output of a program that reports its version. Raises UsageError where it does not start, or fails."""
    try:
        answer = subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=PROBE_DEADLINE,
            cwd="/",
            text=True,
            errors="replace",
        )
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).strip().splitlines()
        raise UsageError(
            f"{program} cannot run functions: asked for its version it ended with exit status {error.returncode}"
            + (f" and said {said[0]!r}" if said else "")
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"{program} cannot be started: {error}") from error
    return answer.stdout
