"""Tracebacks of the user's code, with the paths that the user's files have on this machine."""

from __future__ import annotations

import linecache
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from pytest_scf.facts import CODE_ROOT, LAYERS_ROOT
from pytest_scf.runtimes import fault_dump

# A frame as Python's traceback shows it, as faulthandler does, and a path as Node.js shows it.
_PYTHON_FILE = re.compile(r'^(\s*File ")([^"\n]+)(", line \d+)', re.MULTILINE)
_FAULT_FRAME = re.compile(r'^  File "([^"\n]+)", line (\d+) in (.+)$')
_SCRIPT_FILE = re.compile(r"([^\s()\"']+?\.[cm]?js)(?=:\d+)")
_IN_CODE_ROOT = re.compile(rf"{CODE_ROOT}/[\w./-]*\w")
_OUR_PLACE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class SourceFiles:
    """Where the files of one function's code root are on this machine.

    ``origins`` maps files that were copied to those that they are a copy of. ``staging`` is where code is laid out that
    came as text or in an archive: such a file is called by its name alone, as nobody can open it. ``layers`` is what is
    seen at /opt.
    """

    def __init__(self, code_root: Path, origins: Mapping[str, Path], staging: Path, layers: Path | None = None) -> None:
        self._root = str(code_root)
        self._origins = origins
        self._layers = None if layers is None or layers.is_relative_to(staging) else layers
        self._is_staged = code_root.is_relative_to(staging)

    def outside(self, file: str) -> str:
        """The path on this machine of a file that the instance names; any other path as it is."""
        for root in (CODE_ROOT, self._root):
            if file.startswith(root.rstrip("/") + "/"):
                inside = file[len(root.rstrip("/")) + 1 :]
                break
        else:
            if self._layers is not None and file.startswith(f"{LAYERS_ROOT}/"):
                return os.path.join(self._layers, os.path.relpath(file, LAYERS_ROOT))
            return file
        if inside in self._origins:
            return str(self._origins[inside])
        return inside if self._is_staged else os.path.join(self._root, inside)

    def on_disk(self, file: str) -> str:
        """The path at which the text of a file that the instance names can be read now."""
        path = self.outside(file)
        return os.path.join(self._root, path) if self._is_staged and not os.path.isabs(path) else path

    def renamed(self, text: str) -> str:
        """A sentence that names files of the instance's code root, with the names that they have for the user."""
        return _IN_CODE_ROOT.sub(lambda found: shortened(self.outside(found[0])), text)

    def translate(self, stack: str) -> str:
        """A traceback of the instance with the paths of this machine."""
        text = _PYTHON_FILE.sub(lambda found: found[1] + self.outside(found[2]) + found[3], stack)
        return _SCRIPT_FILE.sub(lambda found: self.outside(found[1].removeprefix("file://")), text).rstrip("\n")


def from_fault_handler(dump: str, read: Callable[[str], str]) -> str:
    """The stack that faulthandler wrote, in the form and order of Python's own traceback.

    ``read`` gives the path at which the text of a file can be read. The frames of the runtime are left out; "" where
    nothing else is there.
    """
    frames: list[str] = []
    for line in dump.splitlines():
        found = _FAULT_FRAME.match(line)
        if found is None:
            if frames:
                break
            continue
        if found[1].endswith(fault_dump.OUTERMOST[0].rstrip('"')):
            break  # what called the user's code
        if not found[1].startswith((_OUR_PLACE + os.sep, "<frozen ")):
            source = linecache.getline(read(found[1]), int(found[2])).strip()
            frame = f'  File "{found[1]}", line {found[2]}, in {found[3]}'
            frames.append(f"{frame}\n    {source}" if source else frame)
    return "\n".join(["Stack at the end (most recent call last):", *reversed(frames)]) if frames else ""


def shortened(text: str) -> str:
    """A path, or a traceback, with paths relative to the working directory where they are below it, as pytest's are."""
    try:
        base = os.path.join(os.getcwd(), "")
    except FileNotFoundError:  # a test has removed it
        return text
    return text.removeprefix(base).replace(f'File "{base}', 'File "').replace(f"({base}", "(")
