"""``python -m pytest_scf event KIND``: prints the event of a trigger; the options are the arguments of its function."""

from __future__ import annotations

import argparse
import inspect
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from pytest_scf import trigger_events
from pytest_scf.errors import UsageError

KINDS = tuple(name for name in trigger_events.__all__ if name.islower())


def add_parser(commands: Any) -> None:
    """Add the command to those of ``python -m pytest_scf``."""
    event = commands.add_parser(
        "event",
        help="print the event that a trigger sends, as JSON",
        description="Print the event that a trigger sends, as JSON. The options are the arguments of the functions of "
        "pytest_scf.trigger_events; what is no text there is given as JSON, and a time as 2024-03-05T01:30:00+00:00.",
    )
    event.set_defaults(run=_run)
    kinds = event.add_subparsers(required=True, metavar="KIND", dest="kind")
    for kind in KINDS:
        function = getattr(trigger_events, kind)
        summary = (inspect.getdoc(function) or "").partition("\n")[0]
        _add_arguments(kinds.add_parser(kind, help=summary.replace("%", "%%")), function)


def _run(options: argparse.Namespace) -> int:
    function = getattr(trigger_events, options.kind)
    keywords: dict[str, Any] = {}
    bodies: list[str] = []
    for name, parameter in inspect.signature(function).parameters.items():
        value = getattr(options, name)
        if parameter.kind is parameter.VAR_POSITIONAL:
            bodies = value
        elif value is not None:
            keywords[name] = value
    try:
        event = function(*bodies, **keywords)
    except TypeError as why:
        raise UsageError(f"{options.kind}: {why}") from why
    print(json.dumps(event, ensure_ascii=False, indent=2))
    return 0


def _add_arguments(parser: argparse.ArgumentParser, function: Callable[..., object]) -> None:
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            parser.add_argument(name, nargs="+", metavar=name.upper(), help="a text for each message")
            continue
        read, metavar = _reading(str(parameter.annotation))
        default = parameter.default
        shown = f"default: {default}" if isinstance(default, (str, int)) and default != "" else None
        parser.add_argument(f"--{name.replace('_', '-')}", dest=name, type=read, metavar=metavar, help=shown)


def _reading(annotation: str) -> tuple[Callable[[str], Any], str]:
    """How a parameter's value is read from a word of the command line, and what it is called in the help."""
    if annotation.startswith("datetime"):
        return _time, "TIME"
    if annotation.startswith("int"):
        return int, "NUMBER"
    if annotation.startswith("bool"):
        return _flag, "true|false"
    if annotation.startswith(("str", "bytes", "object")):
        return str, "TEXT"
    return _json, "JSON"


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as why:
        raise argparse.ArgumentTypeError(f"{text!r} is not JSON ({why})") from why


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text == "true"


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as why:
        raise argparse.ArgumentTypeError(f"{text!r} is no time like 2024-03-05T01:30:00+00:00") from why
