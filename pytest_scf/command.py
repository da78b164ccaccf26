"""The command line: ``serve`` offers functions over HTTP, for clients in any language; ``event`` prints the event of a
trigger; ``map`` terminates a function at every moment."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pytest_scf import event_command, map_command
from pytest_scf.errors import ScfError
from pytest_scf.serve import command as serve_command


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 where it did its work (``serve``: until it is ended by a signal), 2 where it cannot begin."""
    parser = argparse.ArgumentParser(prog="python -m pytest_scf", description="Run SCF functions on this machine.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    event_command.add_parser(commands)
    map_command.add_parser(commands)
    serve_command.add_parser(commands)
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
    except ScfError as error:
        print(f"python -m pytest_scf {options.command}: {error}", file=sys.stderr)
        return 2
    return status
