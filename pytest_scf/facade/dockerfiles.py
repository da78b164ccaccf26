"""A Dockerfile, as far as it says how a server is started: CMD, ENTRYPOINT, ENV, ARG, WORKDIR and COPY.

Nothing is built. What an instruction would do to the image, and is not done here, is an error that names its line.
"""

from __future__ import annotations

import glob
import io
import json
import os
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from pytest_scf.errors import UsageError

# Said to people, or to an engine, and no part of what runs.
_WITHOUT_EFFECT = {"EXPOSE", "LABEL", "MAINTAINER", "HEALTHCHECK", "STOPSIGNAL", "VOLUME"}
_VARIABLE = re.compile(r"\\\$|\$(?:(\w+)|\{(\w+)(?::([-+])([^}]*))?\})")


@dataclass
class Image:
    """What came of a Dockerfile: ``places`` are directories, each as a pair of where it is and where it is seen."""

    entrypoint: tuple[str, ...]
    arguments: tuple[str, ...]
    cwd: str
    environment: dict[str, str]
    places: tuple[tuple[str, str], ...]

    @property
    def command(self) -> tuple[str, ...]:
        return (*self.entrypoint, *self.arguments)

    def started_by(self, entrypoint: tuple[str, ...] | None, arguments: tuple[str, ...] | None) -> Image:
        """The same with another ENTRYPOINT, whose CMD goes with it, or another CMD; None: as it is."""
        if entrypoint is not None:
            return replace(self, entrypoint=entrypoint, arguments=arguments or ())
        return self if arguments is None else replace(self, arguments=arguments)


@dataclass
class _Reading:
    file: Path
    context: Path
    staging: Path
    #: PATH of the image that it begins with
    path: str
    line: int = 0
    from_seen: bool = False
    cwd: PurePosixPath = field(default_factory=lambda: PurePosixPath("/"))
    environment: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    targets: set[PurePosixPath] = field(default_factory=set)


def read(file: Path, staging: Callable[[], Path], *, path: str = "", ignored: frozenset[str] = frozenset()) -> Image:
    """Read a Dockerfile; what it copies is laid out in a staging directory.

    ``path`` is PATH of the image that it begins with, ``ignored`` are instructions to pass over.

    Raises UsageError.
    """
    try:
        from dockerfile_parse import DockerfileParser
    except ImportError:
        raise UsageError(
            "reading a Dockerfile needs the package dockerfile-parse: pip install 'pytest-scf[dockerfile]', "
            "or say command= and cwd= instead"
        ) from None
    try:
        text = file.read_bytes()
    except OSError as error:
        raise UsageError(f"the Dockerfile {file} cannot be read: {error}") from None
    # It takes bytes, which its annotations do not say.
    instructions = DockerfileParser(fileobj=io.BytesIO(text), env_replace=False).structure  # type: ignore[arg-type]
    reading = _Reading(file, file.parent.resolve(), staging(), path)
    for each in instructions:
        name = each["instruction"].upper()
        reading.line = each["startline"] + 1
        if name in _WITHOUT_EFFECT or name in ignored or name == "COMMENT":
            continue
        obey = _INSTRUCTIONS.get(name)
        if obey is None:
            raise _refused(reading, name, "changes the image, which is not built here" + _remedy(name))
        obey(reading, each["value"].strip())
    if not reading.entrypoint and not reading.command:
        raise UsageError(f"{file} has neither CMD nor ENTRYPOINT: there is nothing to start")
    places = _places(reading)
    return Image(tuple(reading.entrypoint), tuple(reading.command), str(reading.cwd), reading.environment, places)


def _remedy(name: str) -> str:
    if name == "RUN":
        return (
            ": install what it installs beside your tests, and pass ignored=['RUN'], or deploy with command= and cwd="
        )
    return f": pass ignored=[{name!r}] if the server does without, or deploy with command= and cwd="


def _refused(reading: _Reading, name: str, why: str) -> UsageError:
    return UsageError(f"{reading.file}, line {reading.line}: {name} {why}")


def _from(reading: _Reading, _value: str) -> None:
    if reading.from_seen:
        raise _refused(reading, "FROM", "begins a second stage; only a Dockerfile of one stage can be read")
    reading.from_seen = True


def _env(reading: _Reading, value: str) -> None:
    words = _words(reading, "ENV", value)
    if words and "=" not in words[0]:
        name, _, rest = value.partition(" ")
        reading.environment[name] = _substituted(reading, rest.strip())
        return
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise _refused(reading, "ENV", f"has {word!r}, which is no NAME=VALUE")
        reading.environment[name] = text


def _arg(reading: _Reading, value: str) -> None:
    for word in _words(reading, "ARG", value):
        name, equals, text = word.partition("=")
        if equals:
            reading.arguments[name] = text


def _workdir(reading: _Reading, value: str) -> None:
    words = _words(reading, "WORKDIR", value)
    reading.cwd = _absolute(reading, words[0] if words else "/")
    reading.targets.add(reading.cwd)


def _copy(reading: _Reading, value: str) -> None:
    if value.startswith("["):
        words = [_substituted(reading, word) for word in _json_list(reading, "COPY", value)]
    else:
        words = _words(reading, "COPY", value)
    options = [word for word in words if word.startswith("--")]
    *sources, target = words[len(options) :] or [""]
    for option in options:
        if not option.startswith(("--chown", "--chmod", "--link")):
            raise _refused(reading, "COPY", f"has {option}, and only what is beside the Dockerfile can be copied")
    if not sources:
        raise _refused(reading, "COPY", "needs something to copy, and where to")
    into = _absolute(reading, target)
    found = [path for source in sources for path in _found(reading, source)]
    as_directory = target.endswith("/") or target in (".", "..") or len(found) > 1 or found[0].is_dir()
    directory = into if as_directory else into.parent
    reading.targets.add(directory)
    staged = reading.staging / str(directory).lstrip("/")
    staged.mkdir(parents=True, exist_ok=True)
    for path in found:
        if path.is_dir():
            shutil.copytree(path, staged, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy2(path, staged / (path.name if as_directory else into.name))


def _found(reading: _Reading, source: str) -> list[Path]:
    found = [
        Path(path) for path in sorted(glob.glob(os.path.join(glob.escape(str(reading.context)), source.lstrip("/"))))
    ]
    if not found:
        raise _refused(reading, "COPY", f"names {source!r}, and there is nothing of that name in {reading.context}")
    for path in found:
        if not path.resolve().is_relative_to(reading.context):
            raise _refused(reading, "COPY", f"names {source!r}, which is outside of {reading.context}")
    return found


def _add(reading: _Reading, value: str) -> None:
    if re.search(r"://|\.(tar|tgz|tar\.\w+|zip)\b", value):
        raise _refused(reading, "ADD", "fetches or unpacks something, which is not done here: use COPY")
    _copy(reading, value)


def _entrypoint(reading: _Reading, value: str) -> None:
    reading.entrypoint = _command(reading, "ENTRYPOINT", value)
    reading.command = []


def _cmd(reading: _Reading, value: str) -> None:
    reading.command = _command(reading, "CMD", value)


_INSTRUCTIONS: dict[str, Callable[[_Reading, str], None]] = {
    "FROM": _from,
    "ENV": _env,
    "ARG": _arg,
    "WORKDIR": _workdir,
    "COPY": _copy,
    "ADD": _add,
    "ENTRYPOINT": _entrypoint,
    "CMD": _cmd,
}


def _command(reading: _Reading, name: str, value: str) -> list[str]:
    # The form without brackets is a line for a shell, which is the main process then, and gets the signals.
    return _json_list(reading, name, value) if value.startswith("[") else ["/bin/sh", "-c", value]


def _json_list(reading: _Reading, name: str, value: str) -> list[str]:
    try:
        words: Any = json.loads(value)
    except ValueError as error:
        raise _refused(reading, name, f"is not the JSON list that it looks like: {error}") from None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise _refused(reading, name, "must be a list of strings")
    return words


def _words(reading: _Reading, name: str, value: str) -> list[str]:
    try:
        return shlex.split(_substituted(reading, value))
    except ValueError as error:
        raise _refused(reading, name, f"cannot be read: {error}") from None


def _substituted(reading: _Reading, text: str) -> str:
    known = {"PATH": reading.path, **reading.arguments, **reading.environment}

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name is None:
            return "$"
        if match[3] == "-":
            return known.get(name) or match[4]
        if match[3] == "+":
            return match[4] if known.get(name) else ""
        return known.get(name, "")

    return _VARIABLE.sub(value, text)


def _absolute(reading: _Reading, path: str) -> PurePosixPath:
    return PurePosixPath(os.path.normpath(reading.cwd / path))


def _places(reading: _Reading) -> tuple[tuple[str, str], ...]:
    """The outermost of the directories that are made or copied to; the root and the system's own cannot be."""
    outermost = [
        target
        for target in sorted(reading.targets)
        if not any(other in target.parents for other in reading.targets if other != PurePosixPath("/"))
    ]
    places = []
    for target in outermost:
        staged = reading.staging / str(target).lstrip("/")
        holds_something = staged.is_dir() and any(staged.iterdir())
        if str(target) == "/" and not holds_something:
            continue
        if str(target) in _OF_THE_SYSTEM or str(target).startswith(("/proc", "/sys", "/dev")):
            if not holds_something:
                continue
            raise UsageError(
                f"{reading.file} copies to {target}, which would cover what this machine has there: "
                "copy to a directory of the image's own, such as /app"
            )
        staged.mkdir(parents=True, exist_ok=True)
        for inner in reading.targets:
            (reading.staging / str(inner).lstrip("/")).mkdir(parents=True, exist_ok=True)
        places.append((str(staged), str(target)))
    return tuple(places)


_OF_THE_SYSTEM = {"/", "/bin", "/boot", "/etc", "/lib", "/lib64", "/root", "/run", "/sbin", "/tmp", "/usr", "/usr/bin",
                  "/usr/lib", "/usr/local", "/usr/local/bin", "/usr/local/lib", "/var", "/var/lib"}  # fmt: skip
