"""``python -m pytest_scf map DIR``: the termination map of a function from a shell, without a test."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from pytest_scf.errors import UsageError


def add_parser(commands: Any) -> None:
    """Add the command to those of ``python -m pytest_scf``."""
    parser = commands.add_parser(
        "map",
        help="terminate a function at every moment, and show what becomes of it",
        description="Terminate a function at every line that runs, each time that it runs, and print its annotated "
        "source, failures first. The exit status is 1 where a moment fails.",
    )
    parser.set_defaults(run=_run)
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


def _run(options: argparse.Namespace) -> int:
    from pytest_scf.facade.runtime import ScfRuntime

    event = _event(options.event)
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
        wrong = found.failures or (options.strict and found.unregistered)
        print(found)
        if options.html is not None:
            found.write_html(options.html)
    return 1 if wrong or not found.moments else 0


def _event(file: Path | None) -> Any:
    if file is None:
        return {}
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        return json.loads(text)
    except (OSError, ValueError) as error:
        raise UsageError(f"--event {file}: {error}") from error
