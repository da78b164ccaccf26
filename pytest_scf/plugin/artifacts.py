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


def pending(config: pytest.Config) -> Path | None:
    """A new directory for one runtime; None where nothing is kept."""
    if options.ARTIFACTS.value(config) == "off":
        return None
    factory: pytest.TempPathFactory = config._tmp_path_factory  # type: ignore[attr-defined]
    return factory.mktemp(_PENDING)


def keep(item: pytest.Item) -> list[Path]:
    """Keep what there is of the running test, which has failed; gives the directories."""
    from pytest_scf.facade import artifacts

    kept = []
    for watched in watch.state(item.config).runtimes:
        if watched.pending is None:
            continue
        factory: pytest.TempPathFactory = item.config._tmp_path_factory  # type: ignore[attr-defined]
        directory = factory.mktemp(re.sub(r"\W", "_", item.name)[:_LONGEST_NAME] + "-scf-")
        events = watched.events()
        for instance in {event.instance for event in events if event._attempt.instance is not None}:
            copied = watched.pending / f"tmp-{instance.id}"
            if instance.alive and not copied.exists():
                watched.runtime._kept_tmp.copy(instance)  # type: ignore[union-attr]
            if copied.exists():
                shutil.move(copied, directory / copied.name)
        artifacts.write_events(directory, events)
        kept.append(directory)
    return kept


def drop(watched: watch.Watched) -> None:
    """The runtime is closed: what nobody asked for goes."""
    if watched.pending is not None:
        shutil.rmtree(watched.pending, ignore_errors=True)
