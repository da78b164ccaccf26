"""Options of the command line and of the ini file, checked before any test is collected."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import NamedTuple

import pytest


class Choice(NamedTuple):
    """One setting with a fixed set of values: ``--scf-NAME`` on the command line, ``scf_NAME`` in the ini file.

    Where it is ``open`` there may be other values, which somebody else knows.
    """

    name: str
    values: tuple[str, ...]
    default: str
    help: str
    open: bool = False

    @property
    def option(self) -> str:
        return f"--scf-{self.name}".replace("_", "-")

    @property
    def ini(self) -> str:
        return f"scf_{self.name}"

    def given(self, config: pytest.Config) -> tuple[str, str] | None:
        """The value and where it comes from; None where nobody asked. The command line beats the ini file."""
        value = config.getoption(self.ini)
        if value is not None:
            return str(value), self.option
        value = config.getini(self.ini)
        return (str(value), self.ini) if value else None

    def value(self, config: pytest.Config) -> str:
        given = self.given(config)
        return given[0] if given else self.default

    def check(self, config: pytest.Config) -> None:
        given = self.given(config)
        if given and given[0] not in self.values and not self.open:
            value, source = given
            raise pytest.UsageError(f"{source}: {value!r} is not one of {', '.join(self.values)}")


#: the ini option that names the project file
PROJECT = "scf_project"
ISOLATION = Choice(
    "isolation",
    ("auto", "namespaces", "directory"),
    "auto",
    "how instances are isolated: namespaces (as in the cloud), directory (no privilege needed, less is isolated), "
    "auto (namespaces where the machine allows them, otherwise directory with a warning)",
)
LAUNCHER = Choice(
    "launcher",
    ("process", "docker", "NAME"),
    "process",
    "what runs the containers of image functions: process (a process in a network of its own), docker (containers of "
    "the engine that DOCKER_HOST names), or another that a plugin provides",
    open=True,
)
LEFT_RUNNING = Choice(
    "left_running",
    ("report", "error"),
    "report",
    "what becomes of an event that is still RUNNING when its runtime is closed; it is terminated in any case: "
    "report (named at the end of the run) or error (the test has an error at teardown, too)",
)
RATE_LIMIT = Choice(
    "rate_limit",
    ("off", "on"),
    "off",
    "whether the API takes no more than the cloud's 20 requests of one action within a second; the setting rate_limit "
    "takes another number",
)
ARTIFACTS = Choice(
    "artifacts",
    ("off", "failed"),
    "off",
    "what is kept of events: failed (of a failed test the logs, what became of each event, and the /tmp of the "
    "instances, beside tmp_path and for as long) or off (nothing)",
)
#: the ini options whose lines are NAME = PATH, from the root directory: settings of every runtime
PATHS = {
    "cfs": "directories of file systems of CFS, by their ids",
    "layers": "directories and .zip files that stand for every version of a layer",
}
#: the option under which log lines are shown as they come
LIVE = "scf_live"
#: the option that has instances wait for an editor
DEBUGPY = "scf_debugpy"
#: requests of one action within a second where the limit is on
CLOUDS_RATE = 20
_ALL = (ARTIFACTS, ISOLATION, LAUNCHER, LEFT_RUNNING, RATE_LIMIT)


def add(parser: pytest.Parser) -> None:
    group = parser.getgroup("scf", "pytest-scf: functions of Tencent Cloud SCF")
    for choice in _ALL:
        # No `choices=` and no default here: one check, with one wording, serves the ini file as well.
        group.addoption(
            choice.option,
            dest=choice.ini,
            metavar="|".join(choice.values),
            help=f"{choice.help}. Default: {choice.default}, or the ini option {choice.ini}.",
        )
        parser.addini(choice.ini, f"default of {choice.option}: {' | '.join(choice.values)}", default="")
    group.addoption(
        "--scf-live",
        dest=LIVE,
        action="store_true",
        help="show what functions log as it comes, line by line, after the function's name and the event's short id",
    )
    group.addoption(
        "--scf-debugpy",
        dest=DEBUGPY,
        type=int,
        metavar="PORT",
        help="have an instance wait for an editor as it starts, debugpy on 127.0.0.1:PORT (0: any, which is printed)",
    )
    parser.addini(
        PROJECT, "project file (serverless.yml) of the fixture scf_project, from the root directory", default=""
    )
    for name, what in PATHS.items():
        parser.addini(
            f"scf_{name}", f"{what}: lines of NAME = PATH, from the root directory", type="linelist", default=[]
        )


def paths(config: pytest.Config, name: str) -> dict[str, Path]:
    """What an ini option of ``PATHS`` says. Raises pytest.UsageError."""
    found = {}
    for line in config.getini(f"scf_{name}"):
        key, equals, path = (part.strip() for part in line.partition("="))
        if not key or not equals or not path:
            raise pytest.UsageError(f"scf_{name}: {line!r} is no line of NAME = PATH")
        found[key] = config.rootpath / path
    return found


def check(config: pytest.Config) -> None:
    for choice in _ALL:
        choice.check(config)
    for name in PATHS:
        paths(config, name)
    port = config.getoption(DEBUGPY)
    if port is None:
        return
    if not 0 <= port < 1 << 16:
        raise pytest.UsageError(f"--scf-debugpy: {port} is no port; take one of 1 to 65535, or 0 for any that is free")
    if importlib.util.find_spec("debugpy") is None:
        raise pytest.UsageError("--scf-debugpy: debugpy is not installed: pip install pytest-scf[debugpy]")
    if config.getoption("numprocesses", None):
        raise pytest.UsageError("--scf-debugpy: an editor is for one process: run without -n")


def header(config: pytest.Config) -> list[str]:
    """A line for what was asked for; a run that asks for nothing is not told anything."""
    asked = [f"{choice.name}={given[0]} ({given[1]})" for choice in _ALL if (given := choice.given(config))]
    return [f"scf: {', '.join(asked)}"] if asked else []
