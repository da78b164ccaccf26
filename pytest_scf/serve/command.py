"""``python -m pytest_scf serve``: its options, and its course from the first line to the last."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import os
import shlex
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_scf import facts
from pytest_scf.endpoint.http_server import HttpServer
from pytest_scf.endpoint.server import Endpoint
from pytest_scf.errors import UsageError
from pytest_scf.facade.runtime import ScfRuntime
from pytest_scf.platform.settings import ISOLATION, Settings
from pytest_scf.serve import project as projects
from pytest_scf.serve.addresses import Address, bucket_addresses, logged
from pytest_scf.serve.directory import Served, Source, find, settings_of
from pytest_scf.serve.journal import Journal, say
from pytest_scf.serve.project import ServedProject
from pytest_scf.serve.watching import Watch


def add_parser(commands: Any) -> None:
    """Add the command to those of ``python -m pytest_scf``."""
    serve = commands.add_parser(
        "serve",
        help="serve functions over HTTP, as the cloud's API does, until SIGINT or SIGTERM",
        description="Serve the cloud's API (2018-04-16) over HTTP with the functions of a directory, or of a project "
        "file with its triggers: timers fire, functions with triggers for HTTP have addresses, and so have buckets. "
        "Until SIGINT (Ctrl-C), SIGTERM or SIGHUP; events that are still running then are terminated. A change of "
        "a function's code is what its next instance runs.",
    )
    serve.set_defaults(run=run)
    add = serve.add_argument
    add(
        "path",
        metavar="PATH",
        type=Path,
        nargs="?",
        help="a project file (serverless.yml, template.yaml) or a directory with one; or a function's directory, or "
        "one whose subdirectories are functions of their names: each holds the handler's file, or an executable "
        "bootstrap, or a Dockerfile. Without it there are no functions at first, and clients create them",
    )
    add("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    add(
        "--port",
        type=int,
        default=9001,
        help="port to listen on; addresses of functions and buckets have those after it (default: 9001; 0: any that "
        "are free)",
    )
    add("--secret-id", metavar="ID", help="what the clients sign with (default: made up, and printed)")
    add("--secret-key", metavar="KEY", help="likewise")
    add("--region", help=f"the region that is served (default: the project file's, or {Settings.region})")
    add("--stage", help="of the project file, in place of its own, and for its .env (default: SERVERLESS_STAGE)")
    add(
        "--bucket",
        metavar="NAME",
        action="append",
        default=[],
        help="a bucket of COS that is to be there, beside those that triggers of the project are of (may be repeated)",
    )
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
    for option, named, what in (
        ("--layer", ("NAME", "PATH"), "a directory or .zip file that stands for every version of a layer"),
        ("--cfs", ("ID", "DIR"), "a directory for a file system of CFS"),
    ):
        add(option, metavar=named, nargs=2, action="append", default=[], help=f"{what} (may be repeated)")
    add(
        "--image",
        metavar=("URI", "WHAT"),
        nargs=2,
        action="append",
        default=[],
        help="what an image runs that functions are created of by name: the path of a Dockerfile, or a command in "
        "quotation marks, 'python app.py', whose working directory is the one that is served (may be repeated)",
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
    is_project = options.path is not None and projects.is_project(options.path)
    _check_options(options, is_project)
    sources = [] if is_project else _sources(options)
    region = options.region
    if region is None and is_project:
        region = projects.region_of(options.path, options.stage)
    settings: dict[str, Any] = {} if options.max_instances is None else {"max_instances": options.max_instances}
    settings |= {"layers": dict(options.layer), "cfs": dict(options.cfs)}
    journal = Journal()
    try:
        runtime = ScfRuntime(region=region or Settings.region, isolation=options.isolation, **settings)
        with runtime, contextlib.ExitStack() as closing:
            runtime._platform.observe(journal.follow)
            runtime._platform.triggers.observe_refusals(journal.refused)
            for uri, what in options.image:
                _add_image(runtime, uri, what, options.path)
            served = ServedProject(runtime, options.path, options.stage) if is_project else Served(runtime, sources)
            watch = Watch(served.codes(), journal.say)
            closing.callback(watch.close)
            watch.keep_fresh(served.with_timers())
            for name in sorted({*options.bucket, *served.buckets()}):
                runtime.cos(name)
            endpoint = Endpoint(
                runtime.api,
                region=runtime.settings.region,
                host=options.host,
                port=options.port,
                secret_id=options.secret_id,
                secret_key=options.secret_key,
                log=journal.request,
                prepare=lambda request: watch.refresh(request.namespace, request.function),
            )
            try:
                addresses = [*served.addresses(watch.refresh), *bucket_addresses(runtime)]
                lines = [*served.lines(), *_open(options, addresses, journal, closing)]
                _introduce(endpoint, options.host, lines)
                number = os.read(ended, 1)[0]
                journal.say(f"{signal.Signals(number).name}: closing")
            finally:
                endpoint.close()
                closing.close()
                for event in runtime.close():
                    journal.say(f"{event.function.name}: event {event.request_id} was still running: terminated")
    finally:
        journal.close()
    say("closed")


def _check_options(options: argparse.Namespace, is_project: bool) -> None:
    """Raises UsageError for what goes with the other kind of path only."""
    if not is_project:
        if options.stage is not None:
            raise UsageError(
                "--stage is for a project file (serverless.yml): give the path of one, or of its directory"
            )
        return
    for option in ("runtime", "handler", "timeout", "async_run", "async_run_of", "set"):
        if getattr(options, option):
            named = option.replace("_", "-")
            raise UsageError(f"--{named} is for directories of functions: {options.path} says it of its own ones")


def _sources(options: argparse.Namespace) -> list[Source]:
    own = settings_of(options.set)
    for name in options.async_run_of:
        own.setdefault(name, {})["async_run"] = True
    if options.path is not None:
        return find(options.path, _common(options), own)
    if own:
        raise UsageError(f"{sorted(own)[0]}: there is no such function, as no directory is given")
    return []


def _add_image(runtime: ScfRuntime, uri: str, what: str, path: Path | None) -> None:
    if Path(what).exists():
        runtime.images.add(uri, dockerfile=Path(what).resolve())
    else:
        place = Path() if path is None else path if path.is_dir() else path.parent
        runtime.images.add(uri, shlex.split(what), cwd=place.resolve())


def _common(options: argparse.Namespace) -> Mapping[str, Any]:
    """The settings of all functions, as far as they were given."""
    given = {name: getattr(options, name) for name in ("runtime", "handler", "timeout")}
    return {name: value for name, value in given.items() if value is not None} | (
        {"async_run": True} if options.async_run else {}
    )


def _open(
    options: argparse.Namespace, addresses: Sequence[Address], journal: Journal, closing: contextlib.ExitStack
) -> Iterator[str]:
    """Open addresses at the ports after the endpoint's, until ``closing``; what is said of them."""
    for number, address in enumerate(addresses, 1):
        port = options.port + number if options.port else 0
        try:
            server = HttpServer(logged(address.answering, journal.http), port=port, host=options.host)
        except UsageError as error:
            needed = (
                f"{address.lines[0][1]}: {error}. The addresses of functions and buckets have the ports after --port"
            )
            raise UsageError(f"{needed} ({len(addresses)} of them); --port=0 takes any that are free") from error
        closing.callback(server.close, grace=0)
        for path, leads_to in address.lines:
            yield f"{server.url}{path}: {leads_to}"


def _introduce(endpoint: Endpoint, host: str, lines: Sequence[str]) -> None:
    said = [f"serving on {endpoint.url}, region {endpoint.region}"]
    said += [f"SecretId {endpoint.secret_id}", f"SecretKey {endpoint.secret_key}"]
    if not _is_loopback(host):
        said.append(f"{host} is more than this machine: who reaches it and has the key runs code here")
    said += lines or ["no functions yet: clients create them"]
    say("\n".join([*said, "ready, until SIGINT (Ctrl-C) or SIGTERM"]))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
