"""Which moments are tests: the same in all workers of pytest-xdist, and those that the command line names."""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

_MOMENT = re.compile(r"(?:log|[^:#\[\]]+):\d+(?:#\d+)?(?: blocked)?")


def once_for_all_workers(config: pytest.Config, nodeid: str, record: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``record`` gives, as JSON; in workers of pytest-xdist what it gave the first of them.

    They have to collect the same tests, where a function that goes by the time comes to a line more or less often.
    """
    # Of a worker on this machine it is a directory below that of the whole run.
    own = config.option.basetemp if hasattr(config, "workerinput") else None
    if not own:
        return record()
    name = hashlib.sha256(nodeid.encode("utf-8", "surrogateescape")).hexdigest()
    with open(Path(own).parent / f"scf-moments-{name}.json", "a+", encoding="utf-8") as shared:
        fcntl.flock(shared, fcntl.LOCK_EX)
        shared.seek(0)
        text = shared.read()
        if not text:
            text = json.dumps(record())
            shared.write(text)
            shared.flush()
    found: dict[str, Any] = json.loads(text)
    return found


def by_name(config: pytest.Config, path: Path, nodeid: str, *, lasting: bool) -> list[str]:
    """Moments of a test that the command line names, and with ``--lf`` those of a function without end that failed.

    How often such a function comes to a line is another number each time that it is recorded.
    """
    rest = nodeid.partition("::")[2] + "["
    found = list(_moments(_of_file(config, path), rest))
    if lasting and config.getoption("lf", False) and config.cache is not None:
        found += _moments(config.cache.get("cache/lastfailed", {}), nodeid + "[")
    return found


def _of_file(config: pytest.Config, path: Path) -> Iterable[str]:
    """What the arguments name in a file of tests."""
    for argument in config.args:
        file, _, rest = argument.partition("::")
        if rest and path in (config.invocation_params.dir / file, config.rootpath / file):
            yield rest


def _moments(names: Iterable[str], prefix: str) -> Iterable[str]:
    for name in names:
        if name.startswith(prefix) and _MOMENT.fullmatch(name[len(prefix) : -1]):
            yield name[len(prefix) : -1]
