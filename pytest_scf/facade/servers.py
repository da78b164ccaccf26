"""What ``deploy_image`` takes, made into a server that an instance can run (docs/cloud-contract.md#image-functions)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_scf import facts
from pytest_scf.errors import UsageError
from pytest_scf.instances.forkserver.client import own_python
from pytest_scf.instances.server_kind import IMAGE
from pytest_scf.launchers import Launcher
from pytest_scf.platform.environment import program_path
from pytest_scf.platform.functions import Server

if TYPE_CHECKING:
    from pytest_scf.instances.interpreters import Interpreter


def command_of(command: object, interpreter: Interpreter | None = None) -> tuple[str, ...]:
    """The words of a command; a ``python`` as its first is ``interpreter``, where that is given. Raises UsageError."""
    words = _command(command)
    return words if interpreter is None else _run_by(interpreter, words)


def _run_by(interpreter: Interpreter, words: tuple[str, ...]) -> tuple[str, ...]:
    return (interpreter.executable, *words[1:]) if words[0] in ("python", "python3") else words


def image_of_command(
    command: object,
    cwd: object,
    *,
    port: object,
    host_ports: object,
    base_dirs: Sequence[str | os.PathLike[str]],
    interpreter: Interpreter | None = None,
) -> Server:
    """A server that is a command in a directory, each as it is on this machine. Raises UsageError."""
    return Server(
        kind=IMAGE,
        command=command_of(command, interpreter),
        cwd=str(_directory(cwd, base_dirs)),
        port=_port("port", port),
        host_ports=ports(host_ports, port),
    )


def _command(command: object) -> tuple[str, ...]:
    if isinstance(command, str) or not isinstance(command, Sequence) or not command:
        raise UsageError(
            f"command must be a list of a program and its arguments, like ['python', 'app.py']; got {command!r}"
        )
    words = []
    for word in command:
        if not isinstance(word, (str, os.PathLike)) or "\0" in os.fspath(word):
            raise UsageError(f"command must hold str and paths only; got {word!r} in {command!r}")
        words.append(os.fspath(word))
    return tuple(words)


def _dockerfile(dockerfile: object, base_dirs: Sequence[str | os.PathLike[str]]) -> Path:
    if not isinstance(dockerfile, (str, os.PathLike)):
        raise UsageError(f"dockerfile must be the path of a Dockerfile; got {dockerfile!r}")
    looked_in = [Path(base) for base in base_dirs] or [Path()]
    found = [path for path in (base / dockerfile for base in looked_in) if path.exists()]
    if not found:
        raise UsageError(f"there is no {os.fspath(dockerfile)!r} in {', '.join(str(b.resolve()) for b in looked_in)}")
    return (found[0] / "Dockerfile" if found[0].is_dir() else found[0]).resolve()


def _ignored(ignored: Sequence[str]) -> frozenset[str]:
    if isinstance(ignored, str):
        raise UsageError(f"ignored must be a list of instructions, like ['RUN']; got {ignored!r}")
    return frozenset(name.upper() for name in ignored)


def image_of_dockerfile(
    dockerfile: object,
    ignored: Sequence[str],
    *,
    port: object,
    host_ports: object,
    base_dirs: Sequence[str | os.PathLike[str]],
    staging: Callable[[], Path],
    can_mount: bool,
    interpreter: Interpreter | None = None,
    entrypoint: tuple[str, ...] | None = None,
    arguments: tuple[str, ...] | None = None,
) -> tuple[Path, Server]:
    """The Dockerfile that was meant, and the server that it starts. Raises UsageError.

    ``entrypoint`` and ``arguments`` take the place of its ENTRYPOINT, whose CMD goes with it, and of its CMD.
    """
    from pytest_scf.facade import dockerfiles

    file = _dockerfile(dockerfile, base_dirs)
    path = program_path(own_python() if interpreter is None else interpreter.executable)
    image = dockerfiles.read(file, staging, path=path, ignored=_ignored(ignored)).started_by(entrypoint, arguments)
    if image.places and not can_mount:
        raise UsageError(
            f"{file} has a WORKDIR or a COPY, which need the namespaces level of isolation: "
            "deploy with command= and cwd= instead"
        )
    server = Server(
        kind=IMAGE,
        command=image.command if interpreter is None else _run_by(interpreter, image.command),
        cwd=image.cwd,
        port=_port("port", port),
        host_ports=ports(host_ports, port),
        places=image.places,
        variables=tuple(image.environment.items()),
    )
    return file, server


def image_of_launcher(
    launcher: Launcher,
    name: str,
    image: object,
    *,
    command: object = None,
    arguments: tuple[str, ...] | None = None,
    cwd: object = None,
    dockerfile: object = None,
    ignored: Sequence[str] = (),
    port: object,
    host_ports: object = (),
    base_dirs: Sequence[str | os.PathLike[str]] = (),
) -> Server:
    """A server that is an image, which a launcher runs. Raises UsageError."""
    if host_ports:
        raise UsageError("host_ports is for containers that are processes: the launcher process runs those")
    if (image is None) == (dockerfile is None):
        raise UsageError("a launcher runs images: deploy_image takes image= or dockerfile= there, and one of them")
    if image is not None and (not isinstance(image, str) or not image):
        raise UsageError(f"image must be the name of an image; got {image!r}")
    if cwd is not None and not isinstance(cwd, (str, os.PathLike)):
        raise UsageError(f"cwd must be the path of a directory of the image; got {cwd!r}")
    words = () if command is None else _command(command)
    number = _port("port", port)
    file = None if dockerfile is None else _dockerfile(dockerfile, base_dirs)
    return Server(
        kind=IMAGE,
        command=words,
        cwd=None if cwd is None else os.fspath(cwd),
        port=number,
        image=launcher.prepare(name, image, file, _ignored(ignored)),
        arguments=None if words else arguments,
    )


def _directory(cwd: object, base_dirs: Sequence[str | os.PathLike[str]]) -> Path:
    if cwd is None:
        return Path(base_dirs[0] if base_dirs else os.curdir).resolve()
    if not isinstance(cwd, (str, os.PathLike)):
        raise UsageError(f"cwd must be the path of a directory; got {cwd!r}")
    looked_in = [Path(base) for base in base_dirs] or [Path()]
    for base in looked_in:
        if (base / cwd).is_dir():
            return (base / cwd).resolve()
    raise UsageError(
        f"cwd: there is no directory {os.fspath(cwd)!r} in {', '.join(str(b.resolve()) for b in looked_in)}"
    )


def _port(what: str, port: object) -> int:
    if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
        raise UsageError(f"{what} must be a port number from 1 to 65535; got {port!r}")
    return port


def ports(ports: object, own: object) -> tuple[int, ...]:
    if isinstance(ports, (str, bytes)) or not isinstance(ports, Sequence):
        raise UsageError(f"host_ports must be a list of port numbers, like [5432]; got {ports!r}")
    found = tuple(_port("each of host_ports", port) for port in ports)
    if own in found:
        raise UsageError(f"host_ports cannot hold {own}, which is the port of the function's own server")
    if len(set(found)) < len(found):
        raise UsageError(f"host_ports holds a port twice: {list(found)}")
    return found


def websocket_idle(enabled: object, seconds: object) -> int | None:
    """Seconds after which a WebSocket connection is idle; None where there are none. Raises UsageError."""
    if not isinstance(enabled, bool):
        raise UsageError(f"websocket must be True or False; got {enabled!r}")
    least, most = facts.WEBSOCKET_IDLE
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not least <= seconds <= most:
        raise UsageError(f"websocket_idle must be a whole number of seconds from {least} to {most}; got {seconds!r}")
    return seconds if enabled else None
