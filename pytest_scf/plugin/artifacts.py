"""``--scf-artifacts=failed``: what is kept of a test that failed, where pytest keeps its ``tmp_path``."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from pytest_scf.plugin import options, watch

#: the directory into which the /tmp of instances is copied that are killed before it is known how their test ends
_PENDING = "scf-pending"
_LONGEST_NAME = 30


def pending(request: pytest.FixtureRequest) -> Path | None:
    """A new directory for the runtime that a fixture makes; None where nothing is kept."""
    if options.ARTIFACTS.value(request.config) == "off":
        return None
    factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
    watch.state(request.config).tmp_path_factory = factory
    return factory.mktemp(_PENDING)


def keep(item: pytest.Item) -> list[Path]:
    """Keep what there is of the running test, which has failed; gives the directories."""
    from pytest_scf.facade import artifacts

    kept = []
    state = watch.state(item.config)
    for watched in state.runtimes:
        kept_tmp = watched.runtime._kept_tmp
        if watched.pending is None or kept_tmp is None or state.tmp_path_factory is None:
            continue
        directory = state.tmp_path_factory.mktemp(re.sub(r"\W", "_", item.name)[:_LONGEST_NAME] + "-scf-")
        events = watched.events()
        for instance in {event.instance for event in events if event._attempt.instance is not None}:
            copied = watched.pending / f"tmp-{instance.id}"
            if instance.alive and not copied.exists():
                kept_tmp.copy(instance)
            if copied.exists():
                shutil.move(copied, directory / copied.name)
        artifacts.write_events(directory, events)
        kept.append(directory)
    return kept


def drop(watched: watch.Watched) -> None:
    """The runtime is closed: what nobody asked for goes."""
    if watched.pending is not None:
        shutil.rmtree(watched.pending, ignore_errors=True)
