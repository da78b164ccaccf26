"""One reactor and one fork server per isolation level for the whole process, shared by all runtimes."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import secrets
import tempfile
import threading
from pathlib import Path
from types import TracebackType

from pytest_scf.errors import IsolationUnavailable
from pytest_scf.instances.forkserver.client import ForkServer
from pytest_scf.instances.forkserver.lifeline import Lifeline
from pytest_scf.instances.forkserver.rmtree import remove_tree
from pytest_scf.instances.levels import LEVELS
from pytest_scf.instances.reactor import Reactor

#: how the reason of a refusal begins that may be none a moment later: a lack of memory, processes or descriptors
_FOR_NOW = tuple(f"[Errno {number}]" for number in (errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE))


class Host:
    """The reactor and the fork servers; made by the first lease, closed with the last."""

    def __init__(self) -> None:
        with contextlib.ExitStack() as undo:
            self._lifeline = Lifeline()
            undo.callback(self._lifeline.cut)
            self.reactor = Reactor()
            undo.callback(self.reactor.close)
            self.reactor.start()
            undo.pop_all()
        self._lock = threading.Lock()
        self._servers: dict[str, ForkServer] = {}
        #: why a level is refused, where that is for good
        self._refused: dict[str, str] = {}
        self._started = itertools.count(1)
        #: a directory of this process for what instances read; it outlives each fork server, and goes with the host
        #: or, should this process be killed, with the last of its fork servers
        self.base_dir = Path(tempfile.gettempdir(), f"pytest-scf-{os.getpid()}-{secrets.token_hex(4)}").absolute()

    def fork_server(self, level: str) -> ForkServer:
        """The fork server of the level of this name: ask before each launch.

        It is started when it is first asked for, and again when it has died.

        Raises IsolationUnavailable where the machine refuses the level, ForkServerError when it does not start.
        """
        server = self._servers.get(level)
        if server is not None and server.is_alive:
            return server  # without the lock, which whoever starts another level's holds meanwhile
        with self._lock:
            if level in self._refused:
                raise IsolationUnavailable(level, self._refused[level])
            server = self._servers.get(level)
            if server is None or not server.is_alive:
                if server is not None:
                    server.close()
                base_dir = self.base_dir / f"{level}-{next(self._started)}"
                try:
                    server = self._servers[level] = ForkServer(LEVELS[level], self.reactor, base_dir, self._lifeline)
                except IsolationUnavailable as error:
                    if not error.reason.startswith(_FOR_NOW):
                        self._refused[level] = error.reason
                    raise
            return server

    @property
    def pids(self) -> list[int]:
        """The first process of each fork server."""
        return [server.pid for server in self._servers.values() if server.is_alive]

    def close(self) -> None:
        # First, so that the fork servers clean up even if this process is killed meanwhile.
        self._lifeline.cut()
        with self._lock:
            servers = list(self._servers.values())
        for server in servers:
            server.close()
        self.reactor.close()
        remove_tree(str(self.base_dir))

    def forget_in_forked_child(self) -> None:
        for server in self._servers.values():
            server.forget_in_forked_child()


_lock = threading.Lock()
_host: Host | None = None
_leases = 0


class HostLease:
    """A share in the host; ``release()`` it once. Also a context manager."""

    def __init__(self) -> None:
        global _host, _leases
        with _lock:
            if _host is None:
                _host = Host()
            _leases += 1
            self.host = _host
        self._held = True

    def release(self) -> None:
        global _host, _leases
        with _lock:
            if not self._held:
                return
            self._held = False
            if self.host is not _host:
                return
            _leases -= 1
            if _leases:
                return
            host, _host = _host, None
        host.close()

    def __enter__(self) -> HostLease:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.release()


def current() -> Host | None:
    """The host of this process, if there is one now."""
    return _host


def _after_fork_in_child() -> None:
    global _host, _leases, _lock
    _lock = threading.Lock()
    host, _host, _leases = _host, None, 0
    if host is not None:
        host.forget_in_forked_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
