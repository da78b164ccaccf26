"""Where a function's code says that it registers a signal handler for SIGTERM.

Read from the source text, without running it, to explain an event that was terminated before its registration ran:
an explanation may miss a registration written in an unusual way, and must never fail.
"""

from __future__ import annotations

import ast
import os
import re
import signal
import tokenize
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_MOST_FILES = 200
_MOST_BYTES = 512 * 1024
_MOST_ENTRIES = 5000
_MOST_FOUND = 5
_SKIPPED_DIRECTORIES = frozenset({"__pycache__", "node_modules", "site-packages", "venv"})
_SCRIPTS = (".js", ".cjs", ".mjs")
# Of process.on("SIGTERM", stop) and its like; a function that has a name of its own is called by that.
_IN_SCRIPT = re.compile(
    r"""process\s*\.\s*(?:on|once|addListener|prependListener|prependOnceListener)\s*\(\s*"""
    r"""(["'`])SIGTERM\1\s*,\s*(?:async\s+)?(?:function\s*)?(\w+(?:\.\w+)*)?\s*(=>|\()?"""
)
_NOT_HANDLERS = frozenset({"SIG_DFL", "SIG_IGN"})


@dataclass(frozen=True)
class Registration:
    """One place that registers ``handler`` (its name, as far as it has one) for SIGTERM."""

    handler: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.handler} is registered at {self.file}:{self.line}"


def find(code_root: Path, origins: Mapping[str, Path] | None = None) -> list[Registration]:
    """The registrations in the files of Python and JavaScript below ``code_root``, in the order of files and lines.

    A file that was copied from another (``origins``) is called by the name of that one.
    """
    found: list[Registration] = []
    for file in _code_files(code_root):
        name = file.relative_to(code_root).as_posix()
        origin = (origins or {}).get(name)
        found += _in_file(file, origin.name if origin else name)
        if len(found) >= _MOST_FOUND:
            break
    return found[:_MOST_FOUND]


def _code_files(root: Path) -> Iterator[Path]:
    files = entries = 0
    for directory, subdirectories, names in os.walk(root):  # leaves out what it cannot read
        subdirectories[:] = sorted(
            name for name in subdirectories if name not in _SKIPPED_DIRECTORIES and not name.startswith(".")
        )
        for name in sorted(names):
            entries += 1
            if name.endswith((".py", *_SCRIPTS)):
                files += 1
                yield Path(directory, name)
            if files >= _MOST_FILES or entries >= _MOST_ENTRIES:
                return


def _in_file(file: Path, name: str) -> list[Registration]:
    try:
        if not file.is_file() or file.stat().st_size > _MOST_BYTES:
            return []
        if file.suffix in _SCRIPTS:
            return list(_in_script(file.read_text(encoding="utf-8", errors="replace"), name))
        with tokenize.open(file) as opened:
            text = opened.read()
        if "SIGTERM" not in text and "signal" not in text:
            return []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the compiler thinks of the code is not asked here
            module = ast.parse(text)
        return sorted(_Reader(name).read(module), key=lambda registration: registration.line)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _in_script(text: str, name: str) -> Iterator[Registration]:
    for found in _IN_SCRIPT.finditer(text):
        start, line = text.rfind("\n", 0, found.start()) + 1, text.count("\n", 0, found.start()) + 1
        if "//" in text[start : found.start()]:
            continue
        called, arrow = found[2], found[3] == "=>"
        yield Registration(
            "an anonymous function" if called in (None, "function") or arrow else f"`{called}`", name, line
        )


class _Reader:
    """Reads one module: first what it calls things, then the calls that register."""

    def __init__(self, file: str) -> None:
        self._file = file
        # Names that stand for signal.signal; SIGTERM under another name; loop variables that run over it.
        self._functions: set[str] = set()
        self._modules: set[str] = set()
        self._sigterms: set[str] = set()

    def read(self, module: ast.Module) -> Iterator[Registration]:
        nodes = list(ast.walk(module))
        for node in nodes:
            self._learn_import(node)
        for node in nodes:
            self._learn_name(node)
        for node in nodes:
            if not isinstance(node, ast.Call) or len(node.args) < 2:
                continue
            if self._registers(node.func) and self._is_sigterm(node.args[0]):
                handler = _named(node.args[1])
                if handler is not None:
                    yield Registration(handler, self._file, node.lineno)

    def _learn_import(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            self._modules.update(alias.asname or alias.name for alias in node.names if alias.name == "signal")
        elif isinstance(node, ast.ImportFrom) and node.module == "signal" and not node.level:
            for alias in node.names:
                if alias.name in ("signal", "*"):
                    self._functions.add(alias.asname or "signal")
                if alias.name in ("SIGTERM", "*"):
                    self._sigterms.add(alias.asname or "SIGTERM")

    def _learn_name(self, node: ast.AST) -> None:
        if isinstance(node, ast.Assign) and self._is_sigterm(node.value):
            self._sigterms.update(target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, (ast.For, ast.comprehension)) and isinstance(node.target, ast.Name):
            values = node.iter.elts if isinstance(node.iter, (ast.Tuple, ast.List, ast.Set)) else []
            if any(map(self._is_sigterm, values)):
                self._sigterms.add(node.target.id)

    def _registers(self, function: ast.expr) -> bool:
        if isinstance(function, ast.Name):
            return function.id in self._functions
        if not isinstance(function, ast.Attribute):
            return False
        if function.attr == "add_signal_handler":  # an asyncio loop's, whatever the loop is called
            return True
        owner = function.value
        return function.attr == "signal" and isinstance(owner, ast.Name) and owner.id in self._modules

    def _is_sigterm(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Name):
            return node.id in self._sigterms
        if isinstance(node, ast.Attribute):
            return node.attr == "SIGTERM"
        return isinstance(node, ast.Constant) and node.value == int(signal.SIGTERM) and not isinstance(node.value, bool)


def _named(node: ast.expr) -> str | None:
    """How to call the signal handler that an expression gives; None where it is none."""
    if isinstance(node, ast.Attribute):
        return None if node.attr in _NOT_HANDLERS else f"`{node.attr}`"
    if isinstance(node, ast.Name):
        return None if node.id in _NOT_HANDLERS else f"`{node.id}`"
    if isinstance(node, ast.Lambda):
        return "a lambda"
    if isinstance(node, ast.Call):
        arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
        inner = next((argument for argument in arguments if isinstance(argument, (ast.Name, ast.Attribute))), None)
        return _named(inner) if inner is not None else "a signal handler"
    return None if isinstance(node, ast.Constant) else "a signal handler"
