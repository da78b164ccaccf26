"""What ``deploy`` takes as code, made into a directory that an instance sees at /var/user.

* a directory: used in place, never copied;
* a .py file (or .js, for Node.js): copied alone, so that the rest of its directory is not deployed with it;
* a .zip file: unpacked, after every entry was checked;
* text with a line break in it: becomes index.py;
* a Python function: becomes index.py, with what it needs of its module (``function_source``).

Nothing is run or compiled here: code with a mistake in it is deployed, and fails as it would in the cloud.
"""

from __future__ import annotations

import difflib
import os
import textwrap
import tokenize
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pytest_scf import facts
from pytest_scf.contract import limits
from pytest_scf.contract.archives import unpack
from pytest_scf.errors import UsageError
from pytest_scf.facade.function_source import extract

ACCEPTED = "a directory, a .py file, a .zip file, source text (with a line break in it) or a Python function"

# How many names an error lists of what is there.
_LISTED = 12


@dataclass(frozen=True)
class Language:
    """What a function is written in: its name, and the suffixes of its files, that of new ones first."""

    name: str
    suffixes: tuple[str, ...]
    #: what else a handler's file may be: a directory's own file, and compiled code
    package: str
    compiled: tuple[str, ...]


PYTHON = Language("Python", (".py",), "__init__.py", (".pyc", ".so"))
NODE = Language("Node.js", (".js", ".cjs", ".mjs"), "index.js", ())


@dataclass(frozen=True)
class Prepared:
    """Code that can be deployed.

    ``origin`` is the directory or file on the user's side that the code comes from, None where there is only text;
    ``origins`` maps files of the code root that were copied to the file that they are a copy of, line by line.
    """

    code_root: Path
    handler: str
    default_name: str
    origin: Path | None
    origins: dict[str, Path]


def prepare(
    source: object,
    *,
    handler: str | None = None,
    base_dirs: Sequence[str | os.PathLike[str]] = (),
    staging: Callable[[], Path],
    language: Language = PYTHON,
) -> Prepared:
    """Check ``source`` and ``handler``, and lay the code out; ``staging`` is asked for a fresh directory if needed."""
    if handler is not None:
        problem = limits.handler_problem(handler)
        if problem:
            raise UsageError(f"handler {problem}")
    if isinstance(source, str) and "\n" in source:
        return _from_text(source, handler, staging, language)
    if isinstance(source, (str, os.PathLike)):
        return _from_path(source, handler, base_dirs, staging, language)
    if callable(source):
        if language is not PYTHON:
            raise UsageError(f"a Python function cannot be deployed for a runtime of {language.name}")
        return _from_function(source, handler, staging)
    raise UsageError(f"deploy takes {ACCEPTED}; got {_shortened(source)} of type {type(source).__name__}")


def code_directory(
    source: object, *, base_dirs: Sequence[str | os.PathLike[str]] = (), staging: Callable[[], Path]
) -> tuple[Path, str]:
    """The directory that a directory or a .zip file is deployed as, and a name for it. Raises UsageError."""
    if not isinstance(source, (str, os.PathLike)):
        raise UsageError(f"such a function is a directory or a .zip file; got {_shortened(source)}")
    path = find_source(source, base_dirs)
    name = Path(os.path.abspath(path)).stem if path.is_file() else Path(os.path.abspath(path)).name
    path = path.resolve()
    if path.is_dir():
        return path, name
    if path.suffix.lower() == ".zip":
        return unpack(path, staging), name
    raise UsageError(f"such a function is a directory or a .zip file; {path} is neither")


def _from_text(text: str, handler: str | None, staging: Callable[[], Path], language: Language) -> Prepared:
    # Tests indent their triple-quoted text with the code around it; indented as a whole it could only fail.
    text = textwrap.dedent(text)
    encoded = _encoded(text) if language is PYTHON else text.encode()
    file = f"index{language.suffixes[0]}"
    handler = handler or facts.DEFAULT_HANDLER
    if handler.rpartition(".")[0] != "index":
        raise UsageError(f"source text is deployed as {file}, so its handler is 'index.NAME'; got {handler!r}")
    root = staging()
    (root / file).write_bytes(encoded)
    return Prepared(root, handler, "function", None, {})


def _from_function(function: object, handler: str | None, staging: Callable[[], Path]) -> Prepared:
    extracted = extract(function)
    wanted = f"index.{extracted.name}"
    if handler not in (None, wanted):
        raise UsageError(f"a function is its own handler: leave handler= out; got {handler!r} with {extracted.name}()")
    encoded = _encoded(extracted.text)
    root = staging()
    (root / "index.py").write_bytes(encoded)
    return Prepared(root, wanted, extracted.name, extracted.file, {"index.py": extracted.file})


def _from_path(
    given: str | os.PathLike[str],
    handler: str | None,
    base_dirs: Sequence[str | os.PathLike[str]],
    staging: Callable[[], Path],
    language: Language,
) -> Prepared:
    path = find_source(given, base_dirs)
    # The name as written is the one the user knows, the resolved path the one that coverage and mounts agree on.
    name = Path(os.path.abspath(path)).stem if path.is_file() else Path(os.path.abspath(path)).name
    path = path.resolve()
    if path.is_dir():
        handler = handler or facts.DEFAULT_HANDLER
        _refuse_missing_module(path, handler, f"directory {path}", language)
        return Prepared(path, handler, name, path, {})
    if not path.is_file():
        raise UsageError(f"{path} is neither a file nor a directory; deploy takes {ACCEPTED}")
    if not os.access(path, os.R_OK):
        raise UsageError(f"{path} cannot be read by this user: change its permissions, or deploy a copy")
    suffix = path.suffix.lower()
    if suffix == ".zip":
        root = unpack(path, staging)
        handler = handler or facts.DEFAULT_HANDLER
        _refuse_missing_module(root, handler, f"zip {path}", language)
        return Prepared(root, handler, name, path, {})
    if suffix in language.suffixes:
        handler = handler or f"{path.stem}.{facts.DEFAULT_FUNCTION}"
        if handler.rpartition(".")[0] != path.stem or "." in path.stem:
            wanted = "a file name with one dot" if "." in path.stem else f"a handler '{path.stem}.NAME'"
            raise UsageError(
                f"{path.name} is deployed alone and needs {wanted}; got {handler!r}. To deploy what is beside it too, "
                f"give its directory: {path.parent}"
            )
        root = staging()
        (root / path.name).write_bytes(path.read_bytes())
        return Prepared(root, handler, name, path, {path.name: path})
    accepted = ACCEPTED if language is PYTHON else ACCEPTED.replace(".py", language.suffixes[0])
    raise UsageError(f"{path} is not something that can be deployed; deploy takes {accepted}")


def find_source(given: str | os.PathLike[str], base_dirs: Sequence[str | os.PathLike[str]]) -> Path:
    """Where a relative path leads, looked for in these directories. Raises UsageError."""
    text = os.fspath(given)
    if not isinstance(text, str) or not text or "\0" in text:
        raise UsageError(f"deploy takes {ACCEPTED}; got {given!r}")
    path = Path(text)
    tried = [path] if path.is_absolute() else []
    if not tried:
        for base in base_dirs or (Path.cwd(),):
            candidate = Path(os.path.abspath(Path(base) / path))
            if candidate not in tried:
                tried.append(candidate)
    for candidate in tried:
        try:
            candidate.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:  # a loop of links, a directory that may not be entered, a name that is too long
            raise UsageError(f"{candidate} cannot be deployed: {error.strerror}") from error
        return candidate
    hint = ""
    if path.suffix.lower() not in (".py", ".js", ".zip") and any(
        mark in text for mark in ("def ", "lambda", "import ", "=")
    ):
        hint = "; if this is source text, it needs a line break at its end."
    near = next((found for candidate in tried if (found := _nearest(candidate)) is not None), None)
    if near is not None:
        hint = f". Did you mean {near}?"
    places = "\n".join(f"  {candidate}" for candidate in tried)
    raise UsageError(f"there is no file or directory {text!r}{hint or '.'} Looked for:\n{places}")


def _nearest(path: Path) -> Path | None:
    """A path that exists and nearly is this one: the first part that is not there is looked for among its siblings."""
    parents = [*reversed(path.parents), path]
    missing = next((part for part in parents if not part.exists()), path)
    try:
        names = os.listdir(missing.parent)
    except OSError:
        return None
    stems = {name.rpartition(".")[0] or name: name for name in sorted(names, reverse=True)}
    close = difflib.get_close_matches(missing.name, [*names, *stems], n=1, cutoff=0.7)
    if not close:
        return None
    found = missing.parent / stems.get(close[0], close[0]) / path.relative_to(missing)
    return found if found.exists() else None


def _refuse_missing_module(root: Path, handler: str, described: str, language: Language) -> None:
    module = handler.rpartition(".")[0]
    try:
        with os.scandir(root) as entries:
            names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in entries)
    except OSError as error:
        raise UsageError(f"{described} cannot be read: {error.strerror}") from error
    if _has_module(root, module, language):
        return
    wanted = module.replace(".", "/") + language.suffixes[0]
    there = ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
    advice = f"give the handler as 'file.function', the file without its {language.suffixes[0]}"
    files = [name.rpartition(".")[0] for name in names if name.endswith(language.suffixes)]
    if len(names) == 1 and names[0].endswith("/") and _has_module(root / names[0], module, language):
        advice = f"it is below {names[0]}: the code root must be that directory itself"
    elif len(files) == 1:
        advice = f"did you mean handler='{files[0]}.{handler.rpartition('.')[2]}'?"
    raise UsageError(
        f"handler {handler!r} needs {wanted}, which {described} does not hold; there is: {there or 'nothing'}. "
        f"What to do: {advice}"
    )


def _has_module(root: Path, module: str, language: Language) -> bool:
    base = root.joinpath(*module.replace(".", "/").split("/"))
    if any(base.with_name(base.name + suffix).is_file() for suffix in language.suffixes):
        return True
    if (base / language.package).is_file():
        return True
    # Code may be shipped compiled.
    try:
        names = os.listdir(base.parent)
    except OSError:
        return False
    return any(name.startswith(base.name + ".") and name.endswith(language.compiled) for name in names)


def _encoded(text: str) -> bytes:
    """Source text as bytes, in the encoding that its first two lines declare."""
    try:
        plain = text.encode()
        encoding, _ = tokenize.detect_encoding(BytesIO(plain).readline)
        return plain if encoding == "utf-8" else text.encode(encoding)
    except SyntaxError:
        return plain  # an encoding that does not exist: the interpreter is the one to say so
    except UnicodeEncodeError as error:
        raise UsageError(f"the source text cannot be written as {error.encoding}: {error}") from error


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
