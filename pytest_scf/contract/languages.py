"""What runs a function: the cloud's name of a runtime, and an interpreter of this machine."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from pytest_scf.errors import UsageError

if TYPE_CHECKING:
    from pytest_scf.instances.interpreters import Interpreter

#: runs the executable ``bootstrap`` of the function
CUSTOM = "CustomRuntime"
#: the container of an image
IMAGE = "CustomImage"
_PYTHON = re.compile(r"Python(\d+\.\d+)")
_NODE = re.compile(r"Nodejs\d+\.\d+")
_RUNTIME = re.compile(rf"{_PYTHON.pattern}|{_NODE.pattern}|Php\d+(\.\d+)?|Java\d+|Go\d+|{CUSTOM}")


def choose(runtime: object, python: object) -> tuple[str, Interpreter | None]:
    """The runtime's name, as the function is told it, and what is to run it; None: the test's own interpreter.

    Raises UsageError for a runtime that there is none for, and where no interpreter is at hand.
    """
    if runtime is not None and not isinstance(runtime, str):
        raise UsageError(f"runtime must be a str like 'Python3.10'; got {runtime!r}")
    if python is not None and not isinstance(python, (str, os.PathLike)):
        raise UsageError(f"python must be a version, as text, or the path of an interpreter; got {python!r}")
    if isinstance(runtime, str) and _NODE.fullmatch(runtime):
        if python is not None:
            raise UsageError(f"runtime {runtime!r} is not Python's: leave python= out")
        return runtime, _find_node(runtime)
    if runtime is None:
        interpreter = None if python is None else _find(os.fspath(python))
        version = sys.version_info if interpreter is None else interpreter.version
        return f"Python{version[0]}.{version[1]}", interpreter
    found = _PYTHON.fullmatch(runtime)
    if found is None:
        raise UsageError(
            f"there is no runtime {runtime!r} here: there are Python3.6 and later, those of Node.js and {CUSTOM}, by "
            "the cloud's names, like 'Python3.10' and 'Nodejs18.15'"
        )
    if python is not None:
        return runtime, _find(os.fspath(python))
    if found[1].startswith("2"):
        raise UsageError(
            f"runtime {runtime!r}: Python 2 is not run here, functions run with Python 3.6 or later. "
            "Code for both can be run with python='3.6' or later"
        )
    try:
        return runtime, _find(found[1])
    except UsageError as error:
        raise UsageError(f"runtime {runtime!r}: {error}. To run it with another version, give python= too") from error


def is_runtime(name: str) -> bool:
    """Whether it is the name of a runtime of the cloud's, as far as its form tells."""
    return _RUNTIME.fullmatch(name) is not None


def is_python(runtime: object) -> bool:
    """Whether it is the name of a Python of the cloud's, whether or not this machine has it."""
    return isinstance(runtime, str) and _PYTHON.fullmatch(runtime) is not None


def is_node(runtime: object) -> bool:
    """Whether it is the name of a Node.js of the cloud's, whether or not this machine has one."""
    return isinstance(runtime, str) and _NODE.fullmatch(runtime) is not None


def _find_node(runtime: str) -> Interpreter:
    from pytest_scf.instances import interpreters

    try:
        return interpreters.find_node()
    except UsageError as error:
        raise UsageError(f"runtime {runtime!r}: {error}") from error


def _find(python: str) -> Interpreter | None:
    from pytest_scf.instances import interpreters

    return interpreters.find_python(python)
