"""The fork server as the test process sees it: a fresh interpreter that forks every instance of one isolation level."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import select
import signal
import site
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from pytest_scf.errors import ForkServerError, IsolationUnavailable
from pytest_scf.instances import procstatus
from pytest_scf.instances.forkserver import fdpassing
from pytest_scf.instances.forkserver.lifeline import Lifeline
from pytest_scf.instances.forkserver.rmtree import remove_tree
from pytest_scf.instances.launch_spec import LaunchSpec
from pytest_scf.instances.levels import Level
from pytest_scf.instances.reactor import Reactor
from pytest_scf.instances.sockets import poller, socketpair
from pytest_scf.runtimes import wire

#: seconds that starting may take on a machine under heavy load, and that leaving may take
START_DEADLINE = 60.0
STOP_DEADLINE = 60.0

_PACKAGE_PARENT = str(Path(__file__).resolve().parents[3])
_PROGRAM = (
    "import sys; parent = sys.argv[1]; sys.path.insert(0, parent)\n"
    "from pytest_scf.instances.forkserver import supervisor\n"
    "sys.path.remove(parent)\n"
    "supervisor.main(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5], sys.argv[6], sys.argv[7:])\n"
)


class Launched(Protocol):
    """An instance as the fork server knows it."""

    def wait_for_end(self) -> None:
        """Wait until no process of it is left, where the fork server has died. Called in a thread of its own."""

    def reaped(self, error: str) -> None:
        """No process of it is left; ``error`` says why it could not be started, or what ended it. Called once."""


def own_python() -> str:
    """The test's interpreter, by a path that leads through no directory which an instance may not have."""
    return os.path.abspath(sys.executable)


class ForkServer:
    """Forks instances. Its processes end when this process ends, however that happens: see ``supervisor``.

    ``base_dir`` is made by it, and removed with it; ``lifeline`` is that of this process.
    Raises IsolationUnavailable where the machine refuses the level, ForkServerError when it does not start.
    """

    def __init__(self, level: Level, reactor: Reactor, base_dir: Path, lifeline: Lifeline) -> None:
        self.level = level
        self.base_dir = base_dir
        self._reactor = reactor
        self._lock = threading.Lock()
        self._reader = wire.Reader()
        self._instances: dict[str, Launched] = {}
        self._dead: str | None = None
        self._owner = os.getpid()
        #: where its interpreter looks for modules: packages, and what is installed in editable form
        self.path: tuple[str, ...] = ()
        try:
            self._start(lifeline)
        except OSError as error:
            raise ForkServerError(f"the fork server ({sys.executable}) cannot be started: {error}") from error

    def _start(self, lifeline: Lifeline) -> None:
        sites = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
        # Imported once here, not in each instance, where the test and thus the instances measure coverage.
        preload = "coverage" if "coverage" in sys.modules else ""
        ours, theirs = socketpair()
        arguments = [self.level.name, str(theirs.fileno()), str(lifeline.reading), str(self.base_dir), preload, *sites]
        with contextlib.ExitStack() as undo, tempfile.TemporaryFile() as stderr:
            undo.callback(ours.close)
            with theirs:
                os.set_blocking(theirs.fileno(), True)
                self._process = subprocess.Popen(
                    [own_python(), "-I", "-c", _PROGRAM, _PACKAGE_PARENT, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                    pass_fds=[theirs.fileno(), lifeline.reading],
                    env=_start_environment(),
                    cwd="/",
                    start_new_session=True,
                )
            self._control = ours
            self._outbox = fdpassing.Outbox(ours)
            undo.pop_all()
            undo.callback(self._stop)
            try:
                hello = self._wait_for_hello()
            except OSError as error:
                undo.close()
                stderr.seek(0)
                said = stderr.read().decode("utf-8", "replace").strip()
                raise ForkServerError(
                    f"the fork server ({sys.executable}) did not start: {error}"
                    + (f"; it said:\n{said}" if said else "; it said nothing")
                ) from error
            if hello["error"]:
                raise IsolationUnavailable(self.level.name, hello["error"])
            self.path = tuple(hello["path"])
            self._zygote = int(hello["pid"]), int(hello["started"])
            ours.setblocking(False)
            self._reactor.watch(ours.fileno(), self._readable)
            undo.pop_all()

    def _wait_for_hello(self) -> dict[str, Any]:
        self._control.settimeout(START_DEADLINE)
        while True:
            data = self._control.recv(65536)
            if not data:
                raise ConnectionResetError(f"it ended with exit status {self._process.wait(STOP_DEADLINE)}")
            for kind, payload in self._reader.feed(data):
                if kind == wire.HELLO:
                    hello: dict[str, Any] = json.loads(payload)
                    return hello

    def launch(self, spec: LaunchSpec, fds: list[int], instance: Launched) -> None:
        """Have an instance made. Does not wait; the descriptors ``fds`` are closed here once they are handed over.

        Raises ForkServerError, with the descriptors closed, where the fork server is not there any more.
        """
        message = wire.frame(wire.LAUNCH, spec.to_json())
        with self._lock:
            if self._dead is not None:
                fdpassing.close_all(fds)
                raise ForkServerError(f"the fork server is gone: {self._dead}")
            self._instances[spec.id] = instance
            try:
                self._post(message, fds)
            except OSError as error:
                del self._instances[spec.id]
                raise ForkServerError(f"the fork server cannot be spoken to: {error}") from error

    def signal_init(self, instance_id: str, signum: int) -> None:
        """Signal the init of an instance; the zygote is its parent, so the number cannot be another process's.

        Does not wait. Nothing happens where the instance is gone.
        """
        message = wire.frame(wire.SIGNAL_INIT, json.dumps({"id": instance_id, "signal": signum}).encode())
        with self._lock, contextlib.suppress(OSError):
            if self._dead is None:
                self._post(message)

    def _post(self, message: bytes, fds: Sequence[int] = ()) -> None:
        """Send a message, or have it sent when it can be. The caller holds the lock."""
        waiting = bool(self._outbox)
        self._outbox.put(message, fds)
        if not waiting and not self._outbox.flush():
            self._send_later()

    def send_waiting(self, timeout: float) -> bool:
        """Send what waits to be sent, for at most ``timeout`` seconds; whether there was anything.

        Descriptors of queued launches are open in this process until then.
        """
        with self._lock:
            if self._dead is not None or not self._outbox:
                return False
            deadline = time.monotonic() + timeout
            poll = poller()
            poll.register(self._control, select.POLLOUT)
            with contextlib.suppress(OSError):  # its end is seen where it is read from
                while not self._outbox.flush() and time.monotonic() < deadline:
                    if self._outbox.refused:
                        time.sleep(fdpassing.RETRY_INTERVAL)
                    else:
                        poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
            return True

    def _send_later(self) -> None:
        if self._outbox.refused:
            self._reactor.watch_reading(self._control.fileno(), self._readable)
            self._reactor.call_at(time.monotonic() + fdpassing.RETRY_INTERVAL, self._writable)
        else:
            self._reactor.watch_writing(self._control.fileno(), self._readable, self._writable)

    def _writable(self) -> None:
        with self._lock:
            if self._dead is not None:
                return
            with contextlib.suppress(OSError):  # its end is seen where it is read from
                if not self._outbox.flush():
                    self._send_later()
                    return
            self._reactor.watch_reading(self._control.fileno(), self._readable)

    @property
    def is_alive(self) -> bool:
        """Whether it can start instances; checks the socket for an end that was not read yet."""
        if self._dead is not None:
            return False
        poll = poller()
        poll.register(self._control, 0)
        return not poll.poll(0)

    @property
    def pid(self) -> int:
        return self._process.pid

    def resume(self) -> None:
        """Resume its processes, in case they were stopped with SIGSTOP."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGCONT)
            else:
                procstatus.send_signal(*self._zygote, signal.SIGCONT)

    def close(self) -> None:
        """End every instance and the fork server, and wait until all are gone and the base directory with them."""
        if os.getpid() != self._owner:
            return
        with self._lock:
            if self._dead is None:
                self._reactor.unregister(self._control.fileno())
                self._dead = "it was closed"
            self._outbox.clear()
            lost = self._take_instances()
        self._stop()
        if lost:  # it has died, and that was found out here first
            self._report_lost(lost)

    def _take_instances(self) -> list[Launched]:
        """All that it has, each to be told once of its end. The caller holds the lock."""
        instances = list(self._instances.values())
        self._instances.clear()
        return instances

    def _stop(self) -> None:
        """Close the socket, at which the fork server ends, and wait for that."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)  # forks of this process may still have it open
        self._control.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGCONT)
        try:
            self._process.wait(STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        # If the supervisor was killed, or something was written there after its end.
        remove_tree(str(self.base_dir))

    def _readable(self) -> None:
        if self._dead is not None:
            return
        try:
            data = self._control.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._handle_death()
            return
        for kind, payload in self._reader.feed(data):
            message = json.loads(payload)
            with self._lock:
                instance = self._instances.pop(message["id"], None)
            if instance is not None:
                self._tell(instance, message.get("error", "") if kind == wire.LAUNCH_FAILED else "")

    def _tell(self, instance: Launched, error: str) -> None:
        """What goes wrong at the end of one instance is no reason that others are not told of theirs."""
        try:
            instance.reaped(error)
        except Exception as problem:
            self._reactor.report(problem)

    def _handle_death(self) -> None:
        with self._lock:
            if self._dead is not None:
                return
            self._dead = "it ended unexpectedly"
            self._reactor.unregister(self._control.fileno())
            self._outbox.clear()
            instances = self._take_instances()
        self._report_lost(instances)

    def _report_lost(self, instances: list[Launched]) -> None:
        report = functools.partial(self._report_ends, instances)
        try:
            threading.Thread(target=report, name="pytest-scf-lost-server", daemon=True).start()
        except RuntimeError:  # no more threads can be had now
            again = functools.partial(self._report_lost, instances)
            self._reactor.call_at(time.monotonic() + fdpassing.RETRY_INTERVAL, again)

    def _report_ends(self, instances: list[Launched]) -> None:
        """Wait for the end of all instances of a fork server that has died, and report it."""
        # If only the zygote died, the supervisor ends the instances before it ends itself.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_DEADLINE)
        for instance in instances:
            try:
                instance.wait_for_end()
            except Exception as problem:
                self._reactor.report(problem)
            error = (
                f"the fork server ended unexpectedly (PID {self._process.pid}, {self._how_it_ended()}) and took this "
                "instance along; the next launch starts another one"
            )
            self._reactor.call_soon(functools.partial(self._tell, instance, error))

    def _how_it_ended(self) -> str:
        status = self._process.returncode
        if status is None:
            return "which has not ended"
        return f"ended by signal {-status}" if status < 0 else f"exit status {status}"

    def forget_in_forked_child(self) -> None:
        """Close what the child has inherited; the lifeline is cut already."""
        self._control.close()
        self._dead = "this process is a fork of the one that started it"


def _start_environment() -> dict[str, str]:
    """Variables that an interpreter may need to start; of these, instances get the library path only."""
    return {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "HOME") if name in os.environ}
