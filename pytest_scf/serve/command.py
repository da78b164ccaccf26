"""``python -m pytest_scf serve``: its options, and its course from the first line to the last."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_scf import facts
from pytest_scf.endpoint.server import Endpoint
from pytest_scf.errors import UsageError
from pytest_scf.facade.runtime import ScfRuntime
from pytest_scf.platform.settings import ISOLATION, Settings
from pytest_scf.serve.directory import Served, find, settings_of
from pytest_scf.serve.journal import Journal, say


def add_parser(commands: Any) -> None:
    """Add the command to those of ``python -m pytest_scf``."""
    serve = commands.add_parser(
        "serve",
        help="serve functions over HTTP, as the cloud's API does, until SIGINT or SIGTERM",
        description="Serve the cloud's API (2018-04-16) over HTTP with the functions of a directory, until SIGINT "
        "(Ctrl-C), SIGTERM or SIGHUP. Events that are still running then are terminated. A change of a function's code "
        "is what its next instance runs.",
    )
    serve.set_defaults(run=run)
    add = serve.add_argument
    add(
        "directory",
        metavar="DIR",
        type=Path,
        nargs="?",
        help="a function's directory, or one whose subdirectories are functions of their names: each holds the "
        "handler's file, or an executable bootstrap, or a Dockerfile. Without it there are no functions at first, "
        "and clients create them",
    )
    add("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    add("--port", type=int, default=9001, help="port to listen on (default: 9001; 0: any that is free)")
    add("--secret-id", metavar="ID", help="what the clients sign with (default: made up, and printed)")
    add("--secret-key", metavar="KEY", help="likewise")
    add("--region", default=Settings.region, help=f"the region that is served (default: {Settings.region})")
    add("--async-run", action="store_true", help="give all functions asynchronous execution")
    add(
        "--async-run-of",
        metavar="NAME",
        action="append",
        default=[],
        help="give the function of this name asynchronous execution (may be repeated)",
    )
    add("--runtime", metavar="NAME", help="of all functions (default: as the handler's file says)")
    add("--handler", help=f"of all functions (default: {facts.DEFAULT_HANDLER})")
    add("--timeout", metavar="SECONDS", type=int, help="of all functions (default: 3, or 86400 where asynchronous)")
    add("--max-instances", metavar="COUNT", type=int, help="that one function may have at a time (default: 100)")
    add(
        "--set",
        metavar=("NAME", "KEY=VALUE"),
        nargs="+",
        action="append",
        default=[],
        help="settings of the function of this name, as deploy() takes them: timeout=60 memory=256 handler=app.main "
        "async_run=true environment.KEY=value (may be repeated)",
    )
    add("--isolation", choices=ISOLATION, default="auto", help="how instances are isolated (default: auto)")


def run(options: argparse.Namespace) -> int:
    """The exit status. Raises ScfError where it cannot begin."""
    with _ended_by_signal() as ended:
        _serve(options, ended)
    return 0


@contextlib.contextmanager
def _ended_by_signal() -> Iterator[int]:
    """A descriptor that becomes readable with the first signal; later ones change nothing."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    def note(number: int, frame: object) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(writing, bytes([number]))

    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup has it ignored
        signals.append(signal.SIGHUP)
    previous = [(number, signal.signal(number, note)) for number in signals]
    # ``__main__`` has them blocked, so that none ends the process while its modules are loaded.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    try:
        yield reading
    finally:
        for number, handler in previous:
            signal.signal(number, handler)
        os.close(reading)
        os.close(writing)


def _serve(options: argparse.Namespace, ended: int) -> None:
    if (options.secret_id is None) != (options.secret_key is None):
        raise UsageError("--secret-id and --secret-key go together")
    own = settings_of(options.set)
    for name in options.async_run_of:
        own.setdefault(name, {})["async_run"] = True
    if options.directory is None:
        if own:
            raise UsageError(f"{sorted(own)[0]}: there is no such function, as no directory is given")
        sources = []
    else:
        sources = find(options.directory, _common(options), own)
    settings = {} if options.max_instances is None else {"max_instances": options.max_instances}
    journal = Journal()
    try:
        with ScfRuntime(region=options.region, isolation=options.isolation, **settings) as runtime:
            runtime._platform.observe(journal.follow)
            served = Served(runtime, sources)

            def refresh(function: str, namespace: str) -> None:
                if served.refresh(namespace, function):
                    journal.say(f"{function}: its code has changed, and is loaded anew")

            endpoint = Endpoint(
                runtime.api,
                region=options.region,
                host=options.host,
                port=options.port,
                secret_id=options.secret_id,
                secret_key=options.secret_key,
                log=journal.request,
                prepare=lambda request: refresh(request.function, request.namespace),
            )
            try:
                _introduce(endpoint, options.host, served)
                number = os.read(ended, 1)[0]
                journal.say(f"{signal.Signals(number).name}: closing")
            finally:
                endpoint.close()
                for event in runtime.close():
                    journal.say(f"{event.function.name}: event {event.request_id} was still running: terminated")
    finally:
        journal.close()
    say("closed")


def _common(options: argparse.Namespace) -> Mapping[str, Any]:
    """The settings of all functions, as far as they were given."""
    given = {name: getattr(options, name) for name in ("runtime", "handler", "timeout")}
    return {name: value for name, value in given.items() if value is not None} | (
        {"async_run": True} if options.async_run else {}
    )


def _introduce(endpoint: Endpoint, host: str, served: Served) -> None:
    lines = [f"serving on {endpoint.url}, region {endpoint.region}"]
    lines += [f"SecretId {endpoint.secret_id}", f"SecretKey {endpoint.secret_key}"]
    if not _is_loopback(host):
        lines.append(f"{host} is more than this machine: who reaches it and has the key runs code here")
    for source, function in served.functions:
        handler = {"bootstrap": source.kind, "image": "Dockerfile"}.get(source.kind, function.config.handler)
        kind = ", asynchronous execution" if function.config.async_run else ""
        lines.append(f"function {function.name}: {source.path}, {handler}{kind}")
    if not served.functions:
        lines.append("no functions yet: clients create them")
    say("\n".join([*lines, "ready, until SIGINT (Ctrl-C) or SIGTERM"]))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
