"""What the handles of one runtime share."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from pytest_scf.errors import WaitTimeout
from pytest_scf.facade.tracebacks import SourceFiles

if TYPE_CHECKING:
    from pytest_scf.contract.api import Api
    from pytest_scf.contract.operations import Operations
    from pytest_scf.facade.probing.debugging import Editor, Terminal
    from pytest_scf.facade.projects.routes import Route
    from pytest_scf.platform.functions import FunctionRecord
    from pytest_scf.platform.records import Attempt, InstanceRecord

_T = TypeVar("_T")


class Probe(Protocol):
    """What works inside instances of a function on the test's behalf."""

    def close(self) -> None: ...

    def take_untold(self) -> list[str]:
        """What could not be done there, and the test does not know of yet; it does from now on."""
        ...


@dataclass(eq=False)
class FullTmp:
    """A /tmp that is full, from a moment of the platform's clock until another."""

    instance: InstanceRecord
    since: float
    #: of what fills it
    fd: int
    #: in how many blocks of the test it is full
    blocks: int = 0
    until: float = math.inf

    def struck(self, attempt: Attempt) -> bool:
        over = attempt.decided and attempt.decided_at < self.since
        return attempt.instance is self.instance and attempt.began < self.until and not over


@dataclass(eq=False)
class Session:
    """What the handles of one runtime share."""

    platform: Operations
    api: Api
    # The files that a function's code was copied from, by their names in the code root.
    origins: dict[FunctionRecord, Mapping[str, Path]] = field(default_factory=dict)
    #: what works inside instances on the test's behalf: to be closed when those are gone
    probes: list[Probe] = field(default_factory=list)
    #: held while a function gets a probe, or what that does is changed, and its instances are to work with it
    equipping: threading.RLock = field(default_factory=threading.RLock)
    #: shows how far something is that takes long, in place of what it showed before; "" at its end
    progress: Callable[[str], object] | None = None
    #: where ``breakpoint()`` in a function opens pdb
    terminal: Terminal | None = None
    #: what instances wait for, to be debugged in it
    editor: Editor | None = None
    #: by request id: what was read of an event while it was RUNNING, which explains a failure of the test
    read_early: dict[str, str] = field(default_factory=dict)
    #: request id of the latest invocation whose return_value was read as None, since it had not returned
    read_as_none: str = ""
    #: the paths of API gateways that project files have lead to a function
    routes: dict[FunctionRecord, Sequence[Route]] = field(default_factory=dict)
    #: request ids of asynchronous invocations of functions without asynchronous execution
    queued: set[str] = field(default_factory=set)
    #: request ids of the events of whole termination maps, which tell of them
    mapped: set[str] = field(default_factory=set)
    #: request ids of invocations whose event was given as a str that holds JSON
    given_as_text: set[str] = field(default_factory=set)
    #: each time that the /tmp of an instance was filled on purpose
    full_tmps: list[FullTmp] = field(default_factory=list)

    def files(self, attempt: Attempt) -> SourceFiles:
        """Where the user's files are that the code of an attempt consists of."""
        origins = self.origins.get(attempt.function, {})
        config = attempt.config
        return SourceFiles(config.code_root, origins, self.platform.base_dir, config.layers.root)

    def patiently(self, wait: Callable[[float], _T], timeout: float) -> _T:
        """What ``wait`` gives, which waits so many seconds and raises WaitTimeout; those spent in pdb do not count."""
        terminal = self.terminal
        debugged = 0.0 if terminal is None else terminal.seconds()
        left = timeout
        while True:
            try:
                return wait(left)
            except WaitTimeout:
                if terminal is None or (left := terminal.seconds() - debugged) <= 0:
                    raise
                debugged += left

    def moment(self, epoch: float) -> datetime:
        zone = timezone(timedelta(hours=self.platform.settings.utc_offset_hours))
        return datetime.fromtimestamp(self.platform.clock.shown(epoch), zone)
