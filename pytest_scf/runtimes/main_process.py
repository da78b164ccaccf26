"""The user's process as its init sees it, where it is a server or a bootstrap."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator

from pytest_scf.runtimes import wire

#: seconds between two checks for what has no event: a socket that begins to listen, a signal that is taken
INTERVAL = 0.002


class MainProcess:
    """The state of the user's process; ``pid`` is that of the init's PID namespace."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._pidfd = -1
        with contextlib.suppress(OSError, AttributeError):  # before Linux 5.3, or where it is refused
            self._pidfd = os.pidfd_open(pid)

    def ended(self, timeout: float) -> bool:
        """Whether it has ended, or does so within ``timeout`` seconds."""
        if self._pidfd == -1:
            return self._ended_without_pidfd(time.monotonic() + timeout)
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(timeout * 1000))

    def _ended_without_pidfd(self, deadline: float) -> bool:
        """Poll, without reaping it, which the init does."""
        while True:
            with contextlib.suppress(AttributeError):  # macOS
                try:
                    if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                        return True
                except ChildProcessError:
                    return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(INTERVAL, left))

    def outlives_signals(self) -> bool:
        """Wait until each SIGTERM that was sent has been taken; whether the process goes on after that."""
        bit = 1 << (signal.SIGTERM - 1)
        while any(int(self._status(name) or "0", 16) & bit for name in ("SigPnd", "ShdPnd")):
            if self.ended(INTERVAL):
                return False
        # If the signal ends the process, it has ended by now.
        return not self.ended(0)

    def peak_kib(self) -> int:
        return int((self._status("VmHWM") or "0").split()[0])

    def _status(self, name: str) -> str:
        with contextlib.suppress(OSError), open(f"/proc/{self.pid}/status", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith(f"{name}:"):
                    return line.partition(":")[2].strip()
        return ""


def invocations(
    sock: socket.socket, process: MainProcess, receive: Callable[[], bytes] | None = None
) -> Iterator[tuple[str, bytes]]:
    """Request id and payload of each event that the platform sends, until it closes the socket.

    A PING is answered here. ``receive`` reads the socket in place of ``recv``, where descriptors may come along.
    """
    reader = wire.Reader()
    while data := sock.recv(1 << 18) if receive is None else receive():
        for kind, payload in reader.feed(data):
            if kind == wire.PING:
                if process.outlives_signals():
                    sock.sendall(wire.frame(wire.PONG))
            elif kind == wire.INVOKE:
                yield payload[: wire.REQUEST_ID_LENGTH].decode("ascii"), payload[wire.REQUEST_ID_LENGTH :]


def is_json(body: bytes) -> bool:
    """Whether it can be parsed as JSON; what is nested too deeply cannot."""
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True
