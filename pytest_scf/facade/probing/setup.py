"""What ``deploy(setup=...)`` takes: a function of the test's module or a file, as text that an instance can run."""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_scf.errors import UsageError
from pytest_scf.facade.function_source import extract
from pytest_scf.facade.sources import find_source
from pytest_scf.runtimes.probe.codec import safe_repr

if TYPE_CHECKING:
    from pytest_scf.instances.interpreters import Interpreter

_ACCEPTED = "setup is a Python function of the test's module or a .py file"


def script(
    source: object, base_dirs: Sequence[str | os.PathLike[str]], interpreter: Interpreter | None
) -> dict[str, str]:
    """The text to be run, the file that it is of, and the function to be called in it ("": none).

    Raises UsageError.
    """
    if interpreter is not None and interpreter.language != "python":
        raise UsageError("setup= is for functions whose handler is Python")
    if callable(source):
        return _of_function(source)
    if not isinstance(source, (str, os.PathLike)):
        raise UsageError(f"{_ACCEPTED}, not {safe_repr(source, 80)}")
    path = find_source(source, base_dirs)
    if path.suffix != ".py" or not path.is_file():
        raise UsageError(f"{_ACCEPTED}; {path} is neither")
    text = path.read_text(encoding="utf-8")
    if interpreter is None:
        try:
            compile(text, str(path), "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            raise UsageError(f"the set-up cannot be compiled: {error}") from error
    return {"text": text, "file": str(path), "call": ""}


def _of_function(source: object) -> dict[str, str]:
    extracted = extract(source)
    assert callable(source)
    needed = [
        each.name
        for each in inspect.signature(source).parameters.values()
        if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    if needed:
        raise UsageError(f"setup is called without arguments, and {extracted.name}() needs {', '.join(needed)}")
    return {"text": extracted.text, "file": str(extracted.file), "call": extracted.name}
