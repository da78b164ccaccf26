"""What the platform is set to. Where the cloud documents nothing, it says "Choice", and can be set otherwise."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from pytest_scf import facts
from pytest_scf.errors import UsageError
from pytest_scf.instances.levels import LEVELS

if TYPE_CHECKING:
    from pytest_scf.launchers import Launcher

ISOLATION = ("auto", *LEVELS)
START_METHODS = ("fork", "spawn")
CREDENTIALS = ("own", "any")
LAUNCHERS = ("process", "docker")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one runtime. Raises UsageError for a value that cannot be."""

    #: "namespaces", "directory", or "auto": namespaces where this machine allows them
    isolation: str = "auto"
    #: use pidfds where the kernel has them; off, the parent of a process sends its signals
    pidfd: bool = True
    #: whose calls of the API from inside functions are let in: "own", those signed with the credential of their
    #: environment; besides, those of a mapping {SecretId: SecretKey}; or "any", whoever has signed them
    credentials: str | Mapping[str, str] = "own"
    #: "fork" from a warm interpreter, or "spawn" a new one for each instance
    start_method: str = "fork"
    #: what runs the containers of image functions: "process", "docker", or a ``pytest_scf.launchers.Launcher``
    launcher: str | Launcher = "process"
    #: what images run that functions are created of by name: the command or the Dockerfile of each, by its name
    images: Mapping[str, object] = field(default_factory=dict)
    #: instances that one function may have at a time; above it an invocation is refused with 432
    max_instances: int = 100
    #: Choice: seconds (of the clock) after which an idle instance is repossessed
    idle_seconds: float = 300.0
    #: size of an instance's /tmp in bytes, at the ``namespaces`` level
    tmp_bytes: int = facts.TMP_BYTES
    #: Choice: the zone of times in requests and answers, in hours east of UTC
    utc_offset_hours: float = 8.0
    #: Choice: the zone of timers' schedules, in hours east of UTC
    timer_utc_offset_hours: float = 8.0
    region: str = "ap-guangzhou"
    appid: str = "1250000000"
    uin: str = "100000000000"
    #: an event's status can be asked for this long after its end
    retention_hours: float = facts.RETENTION_HOURS
    #: the list of events reaches back this far
    window_hours: float = facts.RETENTION_HOURS
    #: Choice: seconds (of the clock) from an attempt of an asynchronous invocation that failed to the next one
    retry_seconds: float = 60.0
    #: asynchronous invocations that may wait, for an instance or their next attempt; one more is refused with 429
    queue_messages: int = 100_000
    #: Choice: seconds (of the clock) after its start in which the status actions do not know an event yet
    visible_after_seconds: float = 0.0
    #: requests of one action that the API takes within a second (of the clock), in the cloud 20; 0: any number
    rate_limit: int = 0
    #: Choice: the status code of an event whose instance was not ready within InitTimeout
    init_timeout_code: int = 450
    #: Choice: the status code of an event whose handler is missing; 437 is documented, 443 is seen as well
    missing_handler_code: int = 437
    #: Choice: seconds that the smallest MsgTTL is; the documents have no range, and the vendor's own tests send 24
    msg_ttl_smallest: int = facts.MSG_TTL_SMALLEST
    #: Choice: whether a callback's answer waits until the event loop of Node.js is empty, unless the handler says
    #: otherwise by ``context.callbackWaitsForEmptyEventLoop``; the documents say both
    node_callback_waits: bool = True
    #: file systems of CFS by their ids: directories of this machine
    cfs: Mapping[str, str | os.PathLike[str]] = field(default_factory=dict)
    #: layers by name: directories and .zip files that stand for every version of them
    layers: Mapping[str, str | os.PathLike[str]] = field(default_factory=dict)
    #: Choice: whether a function may have only such layers as name its runtime among their compatible ones
    check_layer_runtimes: bool = False
    #: Choice: seconds after a termination signal until an event that goes on is ended by force; None: never
    signal_deadline: float | None = None

    def __post_init__(self) -> None:
        _among("isolation", self.isolation, ISOLATION)
        if not isinstance(self.launcher, str):
            from pytest_scf.launchers import Launcher

            if not isinstance(self.launcher, Launcher):
                raise UsageError(f"launcher must be a name or a Launcher, not {self.launcher!r}")
        elif self.launcher not in LAUNCHERS:
            raise UsageError(
                f"launcher: {self.launcher!r} is neither {' nor '.join(LAUNCHERS)}, and no plugin knows it "
                "(the hook pytest_scf_launcher)"
            )
        _check_credentials(self.credentials)
        _among("start_method", self.start_method, START_METHODS)
        _among("init_timeout_code", self.init_timeout_code, (433, 443, 450))
        _among("missing_handler_code", self.missing_handler_code, (437, 443))
        _at_least("max_instances", self.max_instances, 1)
        _at_least("tmp_bytes", self.tmp_bytes, 4096)
        _at_least("idle_seconds", self.idle_seconds, 0)
        _at_least("retention_hours", self.retention_hours, 0)
        _at_least("window_hours", self.window_hours, 0)
        _at_least("visible_after_seconds", self.visible_after_seconds, 0)
        _at_least("retry_seconds", self.retry_seconds, 0)
        for name in ("rate_limit", "queue_messages", "msg_ttl_smallest"):
            _at_least(name, getattr(self, name), 0)
            if not isinstance(getattr(self, name), int):
                raise UsageError(f"{name} must be a whole number, not {getattr(self, name)!r}")
        if self.signal_deadline is not None:
            _at_least("signal_deadline", self.signal_deadline, 0)
        if not isinstance(self.images, Mapping):
            raise UsageError(f"images must be a dict of commands, or paths of Dockerfiles, by name: {self.images!r}")
        for name in ("utc_offset_hours", "timer_utc_offset_hours"):
            if not -24 < getattr(self, name) < 24:
                raise UsageError(f"{name} must lie between -24 and 24, not {getattr(self, name)!r}")

    @classmethod
    def from_keywords(cls, keywords: dict[str, object]) -> Settings:
        """Settings from names that a user wrote. Raises UsageError for a name that is none of them."""
        known = [each.name for each in fields(cls)]
        for name in keywords:
            if name not in known:
                raise UsageError(f"{name!r} is not a setting; the settings are {', '.join(known)}")
        return cls(**keywords)  # type: ignore[arg-type]


def _check_credentials(credentials: object) -> None:
    if isinstance(credentials, str):
        _among("credentials", credentials, CREDENTIALS)
    elif not isinstance(credentials, Mapping) or not all(
        isinstance(text, str) and text for pair in credentials.items() for text in pair
    ):
        raise UsageError(f"credentials must be 'own', 'any' or a dict of SecretId to SecretKey, not {credentials!r}")


def _among(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"{name} must be one of {', '.join(map(repr, allowed))}, not {value!r}")


def _at_least(name: str, value: object, least: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < least:
        raise UsageError(f"{name} must be a number of at least {least}, not {value!r}")
