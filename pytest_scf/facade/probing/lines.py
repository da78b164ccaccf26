"""Lines of a function's code by name: "index.py:31", and of a loop "index.py:31#5", its fifth time."""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import sys
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_scf.errors import UsageError
from pytest_scf.runtimes.probe import code_lines

if TYPE_CHECKING:
    from pytest_scf.platform.functions import FunctionConfig

_FORM = re.compile(r"(?P<file>[^#]+?):(?P<line>\d+)(?:#(?P<occurrence>\d+))?")
_LISTED = 8
_FILES_LIMIT = 2000
#: seconds
_ANSWER_DEADLINE = 30


@dataclass(frozen=True, order=True)
class Place:
    """A line of a file below the code root, and which time it is reached (1: the first)."""

    file: str
    line: int
    occurrence: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" + (f"#{self.occurrence}" if self.occurrence != 1 else "")


def parse(
    given: object, code_root: Path, origins: Mapping[str, Path], python: str | None, what: str = "stop_at"
) -> list[Place]:
    """Places as a test names them, a text or several. Raises UsageError for what is none, with the nearest line.

    ``python`` as ``python_of`` gives it.
    """
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, (list, tuple)) or not texts or not all(isinstance(text, str) for text in texts):
        raise UsageError(f"{what} takes lines such as 'index.py:31', one or a list of them; got {given!r}")
    return [_parse(str(text), code_root, origins, python, what) for text in texts]


def python_of(config: FunctionConfig) -> str | None:
    """The program that runs a function in Python; None for this interpreter, or where it is not known."""
    if config.interpreter is not None:
        return config.interpreter.executable
    program = sys.executable if config.server is None else config.server.command[0]
    return program if os.path.isabs(program) and program != sys.executable else None


def _parse(text: str, code_root: Path, origins: Mapping[str, Path], python: str | None, what: str) -> Place:
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise UsageError(
            f"{what} takes lines such as 'index.py:31', or 'index.py:31#5' for the fifth time; got {text!r}"
        )
    name, line, occurrence = found["file"], int(found["line"]), int(found["occurrence"] or 1)
    file = _file(name, code_root, origins, what)
    if occurrence < 1:
        raise UsageError(f"{what} counts the times of a line from 1; got {text!r}")
    lines = stoppable(code_root / file, python)
    if lines is not None and line not in lines:
        total = len(source_lines(code_root / file))
        problem = "is not a line at which code can be stopped" if 1 <= line <= total else f"has {total} lines"
        near = min(lines, key=lambda each: (abs(each - line), each), default=None)
        hint = f"; the nearest that can is {name}:{near}" if near is not None else "; there is none in it"
        place = f"{name}:{line}" if 1 <= line <= total else name
        raise UsageError(f"{what}: {place} {problem}{hint}")
    return Place(file, line, occurrence)


def _file(name: str, code_root: Path, origins: Mapping[str, Path], what: str) -> str:
    inside = os.path.normpath(name)
    if (code_root / inside).is_file() and not os.path.isabs(inside) and not inside.startswith(".."):
        return inside
    for copied, origin in origins.items():
        if os.path.abspath(name) == str(origin) or name == origin.name or str(origin).endswith(os.sep + inside):
            return copied
    try:
        return str(Path(os.path.abspath(name)).relative_to(code_root))
    except ValueError:
        pass
    known = python_files(code_root)
    near = difflib.get_close_matches(inside, known, n=2)
    hint = (
        f"did you mean {' or '.join(near)}?" if near else f"there is {', '.join(known[:_LISTED]) or 'no Python file'}"
    )
    raise UsageError(f"{what}: the function has no file {name}; {hint}")


def python_files(code_root: Path) -> list[str]:
    found = []
    for directory, directories, files in os.walk(code_root):
        directories[:] = sorted(each for each in directories if not each.startswith((".", "__pycache__")))
        found += [
            os.path.relpath(os.path.join(directory, file), code_root) for file in sorted(files) if file.endswith(".py")
        ]
        if len(found) > _FILES_LIMIT:
            break
    return found


def stoppable(file: Path, python: str | None) -> frozenset[int] | None:
    """The lines of a file that have code of their own; None where it cannot be compiled.

    ``python`` is the program that runs the function, None this interpreter: versions differ in it.
    """
    try:
        return _stoppable(str(file), file.stat().st_mtime_ns, python)
    except (OSError, SyntaxError, ValueError, RecursionError, subprocess.SubprocessError):
        return None


@lru_cache(maxsize=256)
def _stoppable(file: str, _modified: int, python: str | None) -> frozenset[int]:
    if python is None:
        return frozenset(code_lines.code_lines(file))
    command = [python, "-I", "-S", "-B", code_lines.__file__, file]
    told = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_ANSWER_DEADLINE, check=True)
    return frozenset(map(int, told.stdout.split()))


def source_lines(file: Path) -> list[str]:
    """Its lines as Python counts them: a form feed, for example, begins none. [] where it cannot be read."""
    try:
        try:
            with tokenize.open(file) as source:
                text = source.read()
        except (SyntaxError, UnicodeDecodeError):
            text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def line_text(file: Path, line: int) -> str:
    """A line without its indentation; "" where it cannot be read."""
    try:
        lines = _kept_lines(str(file), file.stat().st_mtime_ns)
    except OSError:
        return ""
    return lines[line - 1].strip() if 1 <= line <= len(lines) else ""


@lru_cache(maxsize=256)
def _kept_lines(file: str, _modified: int) -> list[str]:
    return source_lines(Path(file))
