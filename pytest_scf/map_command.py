"""``python -m pytest_scf map DIR``: the termination map of a function from a shell, without a test."""

from __future__ import annotations

import argparse
import functools
import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_scf.errors import UsageError

if TYPE_CHECKING:
    from pytest_scf.facade.termination_map.moments import AnyMoment

#: the exit status of a program that SIGINT ends, as shells have it
_INTERRUPTED = 130


def add_parser(commands: Any) -> None:
    """Add the command to those of ``python -m pytest_scf``."""
    parser = commands.add_parser(
        "map",
        help="terminate a function at every moment, and show what becomes of it",
        description="Terminate a function at every line that runs, each time that it runs, and print its annotated "
        "source, failures first. The exit status is 1 where a moment fails.",
    )
    parser.set_defaults(run=functools.partial(_run, parser))
    add = parser.add_argument
    add("directory", metavar="DIR", type=Path, help="the function's directory, or its .py file")
    add("--event", metavar="FILE", type=Path, help="a file with the event, as JSON (default: {}); - is standard input")
    add("--handler", metavar="NAME", help="FILE.FUNCTION (default: index.main_handler)")
    add("--forced", action="store_true", help="terminate by force, not gracefully")
    add("--resume", action="store_true", help="invoke again afterwards, which is to end FINISHED")
    add("--strict", action="store_true", help="count moments before a signal handler is registered as failures")
    add(
        "--occurrences",
        choices=("all", "ends"),
        default="all",
        help="of each line all times, or the first and the last",
    )
    add("--limit", metavar="N", type=int, default=1000, help="run no more moments than this (default: 1000)")
    add("--only", metavar="LINE", help="one moment, such as index.py:31#5")
    add("--log", action="store_true", help="after each log line instead of before each line of the code")
    add("--runtime", metavar="NAME", help="the cloud's name of the runtime (default: Python)")
    add("--timeout", metavar="SECONDS", type=float, default=10.0, help="how long a moment may take (default: 10)")
    add("--record-for", metavar="SECONDS", type=float, default=5.0, help="how long an event without end is recorded")
    add("--html", metavar="FILE", type=Path, help="write the map as an HTML page, too")


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    if options.html is not None:
        _check_can_be_written(options.html)
    try:
        return _map(parser, options, _event(options.event))
    except KeyboardInterrupt:
        print("python -m pytest_scf map: interrupted", file=sys.stderr)
        return _INTERRUPTED


def _map(parser: argparse.ArgumentParser, options: argparse.Namespace, event: Any) -> int:
    from pytest_scf.facade.runtime import ScfRuntime

    with ScfRuntime() as runtime:
        if sys.stderr.isatty():
            runtime.show_progress(lambda text: print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True))
        function = runtime.deploy(options.directory, handler=options.handler, runtime=options.runtime, async_run=True)
        found = function.termination_map(
            event,
            graceful=not options.forced,
            resume=options.resume,
            occurrences=options.occurrences,
            limit=options.limit,
            only=options.only,
            moments="log" if options.log else "lines",
            timeout=options.timeout,
            record_for=options.record_for,
        )
        for moment in found.moments:
            if options.strict:
                moment.excuse_nothing()
            moment.example = _again(parser, options, moment)
        _print(str(found))
        if options.html is not None:
            try:
                found.write_html(options.html)
            except OSError as error:
                raise UsageError(f"--html {options.html}: {error}") from error
    return 1 if found.failures or not found.moments else 0


def _again(parser: argparse.ArgumentParser, options: argparse.Namespace, moment: AnyMoment) -> str:
    """The command that runs one moment again."""
    words = ["python", "-m", "pytest_scf", "map", str(options.directory)]
    for name in ("event", "handler", "runtime", "timeout", "record_for"):
        value = getattr(options, name)
        if value != parser.get_default(name):
            words += [f"--{name.replace('_', '-')}", str(value)]
    flags = {"forced": options.forced, "resume": options.resume, "log": options.log, "strict": not moment.excused}
    words += [f"--{name}" for name, wanted in flags.items() if wanted]
    return shlex.join([*words, "--only", moment.name])


def _print(text: str) -> None:
    """Whatever the terminal's encoding is, and also where who reads it has read enough (``| head``)."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except BrokenPipeError:
        # What is still to be written goes nowhere: Python would try again as it ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _check_can_be_written(page: Path) -> None:
    """Before the work, not after it. Raises UsageError."""
    problem = ""
    if page.is_dir():
        problem = "it is a directory; give the name of a file"
    elif not page.parent.is_dir():
        problem = f"there is no directory {page.parent}"
    elif not os.access(page if page.exists() else page.parent, os.W_OK):
        problem = "it cannot be written"
    if problem:
        raise UsageError(f"--html {page}: {problem}")


def _event(file: Path | None) -> Any:
    if file is None:
        return {}
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8-sig")
        return json.loads(text)
    except (OSError, ValueError) as error:
        raise UsageError(f"--event {file}: {error}") from error
