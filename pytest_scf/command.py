"""The command line: ``serve`` offers the functions of a directory over HTTP, for clients in any language; ``event``
prints the event of a trigger."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pytest_scf import event_command, facts
from pytest_scf.endpoint.connection import describe
from pytest_scf.endpoint.gateway import Answer
from pytest_scf.endpoint.server import Endpoint
from pytest_scf.errors import ScfError, UsageError
from pytest_scf.facade.handles import Function
from pytest_scf.facade.runtime import ScfRuntime
from pytest_scf.platform.settings import ISOLATION

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 where it did its work (``serve``: until SIGINT or SIGTERM), 2 where it cannot begin."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except ScfError as error:
        print(f"python -m pytest_scf {options.command}: {error}", file=sys.stderr)
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pytest_scf", description="Run SCF functions on this machine.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    event_command.add_parser(commands)
    serve = commands.add_parser(
        "serve",
        help="serve functions over HTTP, as the cloud's API does, until SIGINT or SIGTERM",
        description="Serve the cloud's API (2018-04-16) over HTTP on 127.0.0.1 with the functions of a directory, "
        "until SIGINT (Ctrl-C) or SIGTERM. Events that are still running then are terminated.",
    )
    serve.set_defaults(run=_run_serve)
    add = serve.add_argument
    add(
        "directory",
        metavar="DIR",
        type=Path,
        help="a function's directory (it holds the handler's file), or one whose subdirectories are functions of their "
        "names",
    )
    add("--port", type=int, default=9001, help="port on 127.0.0.1 (default: 9001; 0: any that is free)")
    add("--secret-id", metavar="ID", help="what the clients sign with (default: made up, and printed)")
    add("--secret-key", metavar="KEY", help="likewise")
    add("--region", default="ap-guangzhou", help="the region that is served (default: ap-guangzhou)")
    add("--async-run", action="store_true", help="give all functions asynchronous execution")
    add(
        "--async-run-of",
        metavar="NAME",
        action="append",
        default=[],
        help="give the function of this name asynchronous execution (may be repeated)",
    )
    add(
        "--runtime", metavar="NAME", help="of all functions (default: Python; Nodejs18.15 where the file is JavaScript)"
    )
    add("--handler", default=facts.DEFAULT_HANDLER, help=f"of all functions (default: {facts.DEFAULT_HANDLER})")
    add(
        "--timeout",
        metavar="SECONDS",
        type=int,
        help="of all functions (default: 3, or 86400 where asynchronous)",
    )
    add("--isolation", choices=ISOLATION, default="auto", help="how instances are isolated (default: auto)")
    return parser


@contextlib.contextmanager
def _ended_by_signal() -> Iterator[int]:
    """A descriptor that becomes readable with the first signal; later ones change nothing."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    def note(number: int, frame: object) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(writing, bytes([number]))

    previous = [(number, signal.signal(number, note)) for number in _SIGNALS]
    try:
        yield reading
    finally:
        for number, handler in previous:
            signal.signal(number, handler)
        os.close(reading)
        os.close(writing)


def _run_serve(options: argparse.Namespace) -> int:
    with _ended_by_signal() as ended:
        _serve(options, ended)
    return 0


def _serve(options: argparse.Namespace, ended: int) -> None:
    if (options.secret_id is None) != (options.secret_key is None):
        raise UsageError("--secret-id and --secret-key go together")
    sources = _sources(options.directory, options.handler)
    unknown = set(options.async_run_of) - set(sources)
    if unknown:
        raise UsageError(f"--async-run-of {sorted(unknown)[0]}: there is no such function, only {', '.join(sources)}")
    with ScfRuntime(region=options.region, isolation=options.isolation) as runtime:
        functions = [
            runtime.deploy(
                path,
                name=name,
                handler=options.handler,
                runtime=options.runtime or _runtime(path, options.handler),
                timeout=options.timeout,
                async_run=options.async_run or name in options.async_run_of,
            )
            for name, path in sources.items()
        ]
        endpoint = Endpoint(
            runtime.api,
            region=options.region,
            port=options.port,
            secret_id=options.secret_id,
            secret_key=options.secret_key,
            log=_log,
        )
        try:
            _introduce(endpoint, functions, sources)
            number = os.read(ended, 1)[0]
            _say(f"{signal.Signals(number).name}: closing")
        finally:
            endpoint.close()
            for event in runtime.close():
                _say(f"{event.function.name}: event {event.request_id} was still running: terminated")
    _say("closed")


def _sources(directory: Path, handler: str) -> dict[str, Path]:
    """The functions by their names. Raises UsageError where there is none."""
    if not directory.is_dir():
        raise UsageError(f"{directory} is not a directory")
    file = handler.rpartition(".")[0]
    if _holds(directory, file):
        return {directory.resolve().name: directory}
    found = {path.name: path for path in sorted(directory.iterdir()) if path.is_dir() and _holds(path, file)}
    if not found:
        raise UsageError(
            f"there is no function in {directory}: neither it nor one of its subdirectories holds {file}.py, the "
            f"file of the handler {handler}. Say which it is with --handler"
        )
    return found


def _holds(directory: Path, file: str) -> bool:
    """Whether the handler's file is there, in whatever language."""
    return any(path.is_file() for path in directory.glob(f"{file}.*"))


def _runtime(directory: Path, handler: str) -> str | None:
    """The runtime that the handler's file is for; None is Python."""
    file = handler.rpartition(".")[0]
    found = {path.suffix for path in directory.glob(f"{file}.*") if path.is_file()}
    return "Nodejs18.15" if ".py" not in found and found & {".js", ".cjs", ".mjs"} else None


def _introduce(endpoint: Endpoint, functions: list[Function], sources: dict[str, Path]) -> None:
    lines = [f"serving on {endpoint.url}, region {endpoint.region}"]
    lines += [f"SecretId {endpoint.secret_id}", f"SecretKey {endpoint.secret_key}"]
    for function in functions:
        kind = ", asynchronous execution" if function.config.async_run else ""
        lines.append(f"function {function.name}: {sources[function.name]}, {function.config.handler}{kind}")
    _say("\n".join([*lines, "ready, until SIGINT (Ctrl-C) or SIGTERM"]))


def _log(peer: Any, answer: Answer, seconds: float) -> None:
    now = datetime.now().isoformat(sep=" ", timespec="milliseconds")
    _say(f"{now} {peer[0]}:{peer[1]} {seconds * 1000:.1f} ms {describe(answer)}")


def _say(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # nobody reads any more
        print(text, flush=True)
