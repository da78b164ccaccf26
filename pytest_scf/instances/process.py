"""One instance as the test process sees it: its sockets, its processes, and their end."""

from __future__ import annotations

import errno
import itertools
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_scf.errors import InstanceError
from pytest_scf.instances import descriptors, procstatus
from pytest_scf.instances.coverage_channel import CoverageChannel
from pytest_scf.instances.forkserver import fdpassing
from pytest_scf.instances.forkserver.client import ForkServer
from pytest_scf.instances.forkserver.rmtree import remove_tree
from pytest_scf.instances.forwarding import Forwarder
from pytest_scf.instances.init_channel import InitChannel
from pytest_scf.instances.launch_request import LaunchRequest, launch_spec
from pytest_scf.instances.memory_use import MemoryUse
from pytest_scf.instances.observer import Observer
from pytest_scf.instances.output_pipe import OutputPipe
from pytest_scf.instances.probe_channel import ProbeChannel
from pytest_scf.instances.process_exit import ProcessExit
from pytest_scf.instances.reactor import Reactor, Timer
from pytest_scf.instances.runtime_channel import RuntimeChannel
from pytest_scf.instances.tmp_link import TmpLink
from pytest_scf.runtimes import wire

if TYPE_CHECKING:
    from pytest_scf.instances.containers import ContainerHost

#: seconds without an answer after which a fork server or an init counts as stuck: a bug, or a failing machine
STUCK_DEADLINE = 60.0
#: seconds after which our processes that should have ended are resumed, as somebody may have stopped them (SIGSTOP)
RESUME_INTERVAL = 2.0
#: seconds for which what an instance has said is waited for at most, where the reactor is held up
CATCH_UP = 5.0
#: seconds for which a launch that lacks descriptors waits for earlier launches to hand theirs over
FLUSH_DEADLINE = 1.0
_numbers = itertools.count(1)


class InstanceProcess:
    """Started by ``launch``; nothing of it is left once ``on_gone`` has been called."""

    def __init__(
        self, request: LaunchRequest, server: ForkServer | ContainerHost, reactor: Reactor, observer: Observer
    ) -> None:
        self.id = request.id
        self.level = server.level
        self.init_pid: int | None = None
        self.user_pid: int | None = None
        self.exit: ProcessExit | None = None
        self.memory = MemoryUse()
        self.gone = threading.Event()
        # Without the function's name: the path of a Unix socket below it may have 107 bytes at most.
        self.directory = server.base_dir / f"instance-{next(_numbers)}"
        self._server = server
        self._reactor = reactor
        self._observer = observer
        self._request = request
        self._lock = threading.Lock()
        #: start times of the init and the user's process: with the PID they identify a process, as PIDs are reused
        self._init_started = 0
        self._user_started = 0
        self._kill_wanted = False
        self._resume: Timer | None = None
        #: what ended the instance, if not its own processes
        self._failure = ""
        self._runtime: RuntimeChannel | None = None
        self._init: InitChannel | None = None
        self._output: OutputPipe | None = None
        self._coverage: CoverageChannel | None = None
        self._probe: ProbeChannel | None = None
        self._forwarder: Forwarder | None = None
        self._out_of_memory = False
        self._user_known = threading.Event()
        #: called in the reactor's thread with {file: lines or arcs} as the runtime counts them
        self.on_coverage: Callable[[dict[str, Any]], None] | None = None
        self._tmp_link = TmpLink(self.directory)

    def launch(self) -> None:
        """Ask for the processes. Does not wait.

        Raises ForkServerError where the fork server has ended, InstanceError where this process has no descriptors
        left. Nothing of the instance is left then.
        """
        theirs: list[int] = []
        try:
            try:
                self._open(theirs)
            except OSError as error:
                self._close_opened(theirs)
                if not descriptors.has_run_out(error) or not self._server.send_waiting(FLUSH_DEADLINE):
                    raise
                self._open(theirs)
            for fd in theirs:
                os.set_blocking(fd, True)  # gevent and eventlet patch the test process to make non-blocking ones
            spec = launch_spec(self._request, self.level, self.directory, self._server.path, len(theirs))
            if spec.command is not None:
                assert self._runtime is not None
                self._runtime.send(wire.frame(wire.SPEC, spec.to_json()))
            handed, theirs = theirs, []
            self._server.launch(spec, handed, self)
        except BaseException as error:
            self._close_opened(theirs)
            self.gone.set()
            if isinstance(error, OSError):
                raise InstanceError(f"instance {self.id} cannot be started: {descriptors.explain(error)}") from error
            raise

    def _close_opened(self, theirs: list[int]) -> None:
        self._close()
        fdpassing.close_all(theirs)
        theirs.clear()

    def _open(self, theirs: list[int]) -> None:
        """Open the sockets and the pipe of the instance; its own ends are added to ``theirs``."""
        self._runtime = RuntimeChannel(self._reactor, self._guarded, self._observer.on_message)
        theirs.append(self._runtime.theirs)
        self._init = InitChannel(self._reactor, self._guarded, self._handle_message, self._descriptors_lost)
        theirs.append(self._init.theirs)
        self._output = OutputPipe(self._reactor, self._guarded(self._observer.on_output))
        theirs.append(self._output.writing)
        if self._request.coverage is not None:
            self._coverage = CoverageChannel(self._reactor, self._fail)
            self._coverage.on_coverage = self.on_coverage
            theirs.append(self._coverage.theirs)
        if self._request.probe is not None:
            self._probe = ProbeChannel(self._reactor, self._request.probe, self._fail)
            theirs.append(self._probe.theirs)

    def _guarded(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Have an error in a callback end the instance, and nothing else."""

        def call() -> None:
            try:
                callback()
            except BaseException as error:
                self._fail(error)

        return call

    def _fail(self, error: BaseException) -> None:
        """End the instance for what it has sent, or for an error of ours, which is reported, too."""
        if isinstance(error, wire.FrameError):
            failure = f"the instance sent what no runtime sends: {error}"
        else:
            failure = f"an error of pytest-scf itself: {type(error).__name__}: {error}"
            self._reactor.report(error)
        self._failure = self._failure or failure
        self.exit = None
        if self._runtime is not None:
            self._runtime.stop()
        self.kill()

    def _descriptors_lost(self) -> None:
        self._failure = self._failure or descriptors.explain(OSError(errno.EMFILE, os.strerror(errno.EMFILE)))
        self.kill()

    def send_event(self, request_id: str, payload: bytes, fds: Sequence[int] = ()) -> None:
        """Send an event to the runtime, which reads it when it is ready for one. Does not block.

        ``fds`` are sent with it, and closed here.
        """
        if self._runtime is not None:
            self._runtime.send_event(request_id, payload, fds)
        else:
            fdpassing.close_all(fds)

    @property
    def answer_under_way(self) -> int:
        """Bytes that have come of an answer whose end has not; 0 where none has begun (reactor's thread)."""
        return 0 if self._runtime is None else self._runtime.under_way

    def ping(self) -> None:
        """Have the runtime answer PONG once it waits for an event."""
        if self._runtime is not None:
            self._runtime.send(wire.frame(wire.PING))

    def catch_up(self) -> None:
        """Wait until what the instance has said and written by now is known."""
        self._reactor.catch_up(CATCH_UP)

    def drain(self) -> bytes:
        """Take the output that has been written so far."""
        return b"" if self._output is None else self._output.drain()

    def pause_output(self) -> None:
        """Leave output in the pipe until it is drained, without reporting it."""
        if self._output is not None:
            self._output.pause()

    def resume_output(self) -> None:
        if self._output is not None:
            self._output.resume()

    def held_memory(self, limit: int, shared_of_the_machine: int) -> int:
        """Bytes of memory that all processes of the instance hold; 0 where that is less than ``limit`` for certain.

        ``shared_of_the_machine`` is what memfds, which nobody needs to have mapped, can hold at most.
        """
        if self.user_pid is None:
            return 0
        init_pid = None if self.level.by_launcher else self.init_pid
        return self.memory.held(self.user_pid, init_pid, limit, shared_of_the_machine)

    def wait_for_user_process(self, timeout: float) -> bool:
        """Wait until the user's process exists (True), or can no longer come to exist (False)."""
        if not self._user_known.wait(timeout):
            raise InstanceError(f"instance {self.id} did not start its process within {timeout:g} s")
        return self.user_pid is not None

    def disposition(self, signum: int) -> str:
        """How the user's process would react to the signal now; see ``procstatus.DISPOSITIONS``."""
        if self.exit is not None or self.gone.is_set():
            return "gone"
        if self.user_pid is None:
            return "unknown"
        return procstatus.disposition(self.user_pid, signum)

    def signal_now(self, signum: int) -> bool | None:
        """Send a signal to the user's process alone; whether there was one. None where only the init can do it."""
        with self._lock:
            if self.exit is not None or self.gone.is_set() or not self._user_known.is_set():
                return False
            if not self._request.pidfd or self.user_pid is None:
                return None
            return procstatus.send_signal(self.user_pid, self._user_started, signum)

    def signal_through_init(self, signum: int) -> str | None:
        """The same through the init, the parent of the user's process. Waits for the init's answer.

        None where it was sent; else why not, "" where there was no process.
        """
        answer = b"" if self._init is None else self._init.signal(signum, STUCK_DEADLINE)
        if answer is None:
            raise InstanceError(f"the init of instance {self.id} (PID {self.init_pid}) does not answer")
        return None if answer == b"1" else answer[1:].decode("utf-8", "replace")

    def kill(self) -> None:
        """Have every process of the instance ended; ``gone`` is set when they are. Does not wait."""
        with self._lock:
            self._kill_wanted = True
            self._kill_now()
            if self._resume is None and not self.gone.is_set():
                self._resume = self._reactor.call_at(time.monotonic() + RESUME_INTERVAL, self._resume_server)

    def _kill_now(self) -> None:
        if self.gone.is_set():
            return
        self.level.kill(self._ask_init_to_leave, self._signal_init)

    def _ask_init_to_leave(self) -> None:
        if self._init is not None:
            self._init.send(wire.frame(wire.KILL))

    def _signal_init(self, signum: int) -> None:
        sent = None
        if self._request.pidfd and self.init_pid is not None:
            sent = procstatus.send_signal(self.init_pid, self._init_started, signum)
        if sent is None:
            self._server.signal_init(self.id, signum)

    def _resume_server(self) -> None:
        """Resume the processes that report the end: they may have been stopped with SIGSTOP."""
        with self._lock:
            if self.gone.is_set():
                return
            self._server.resume()
            self._kill_now()
            self._resume = self._reactor.call_at(time.monotonic() + RESUME_INTERVAL, self._resume_server)

    def _handle_message(self, kind: int, payload: bytes, sender: int | None, fds: list[int]) -> None:
        if kind == wire.USER_PID:
            self.user_pid, self._user_started = self._identity(sender, payload)
            self._know_user()
        elif kind == wire.INIT_STARTED:
            with self._lock:
                self.init_pid, self._init_started = self._identity(sender, payload)
                if self._kill_wanted:
                    self._kill_now()
            self._know_user()
            if self.level.by_launcher:
                self._user_known.set()  # its PID may be unknown: a container of another machine
                self._observer.on_message(wire.INIT_STARTED, b"")
        elif kind == wire.USER_EXIT:
            status, peak_kib = wire.EXIT.unpack(payload)
            if not self._failure:  # otherwise the exit is a consequence of the failure
                self.exit = ProcessExit(status, peak_kib * 1024, self._out_of_memory)
            if self._init is not None:
                self._init.end_answers()
        elif kind == wire.OUT_OF_MEMORY:
            self._out_of_memory = True
        elif kind == wire.LISTENING and self._request.server is not None and fds:
            self._forwarder = Forwarder(self._request.server.host_ports, fds)
        elif kind == wire.START_FAILED:
            self._failure = self._failure or payload.decode("utf-8", "replace")

    def _identity(self, sender: int | None, payload: bytes) -> tuple[int | None, int]:
        """PID and start time. For a container the sender is a thread of this process, and 0 stands for no PID."""
        pid, started = map(int, payload.split())
        return (None if self.level.by_launcher else sender) or pid or None, started

    def _know_user(self) -> None:
        if self.user_pid is not None and self.init_pid is not None:
            self._user_known.set()

    def save_coverage_then(self, call: Callable[[], None], timeout: float) -> None:
        """Call ``call`` once the lines counted so far have been handed out, or ``timeout`` seconds have passed."""
        if self._coverage is None:
            call()
        else:
            self._coverage.save_then(call, timeout)

    def save_coverage(self, timeout: float) -> None:
        """Have the runtime hand out the lines counted so far; returns when it has, or cannot any more."""
        if self._coverage is not None:
            self._coverage.save(timeout)

    def reaped(self, error: str) -> None:
        """The init and all below it are gone: handle the frames that are buffered, then report the end."""
        self._failure = self._failure or error
        self._guarded(self._drain)()
        if self._forwarder is None:
            self._finish()
        else:
            self._forwarder.close(lambda: self._reactor.call_soon(self._finish))

    def _drain(self) -> None:
        while self._init is not None and self._init.receive():
            pass
        while self._runtime is not None and self._runtime.receive():
            pass
        if self._coverage is not None:
            self._coverage.drain()

    def _finish(self) -> None:
        # Before the end is reported, so that no descriptor of the instance is open then.
        with self._lock:
            self.gone.set()
            if self._resume is not None:
                self._resume.cancel()
        self._close()
        self._user_known.set()
        self._tmp_link.remove()
        if self._request.probe is not None:
            self._guarded(self._request.probe.closed)()
        self._observer.on_gone(self._failure)

    def wait_for_end(self) -> None:
        """Return when no process of it is left, where the fork server is not there to say so. Blocks.

        The init leaves when it sees the fork server's end, and closes its socket as it does.
        """
        deadline = time.monotonic() + STUCK_DEADLINE
        if self._init is not None:
            self._init.wait_for_hang_up(STUCK_DEADLINE)
        if self.init_pid is not None:
            procstatus.wait_for_end(self.init_pid, self._init_started, deadline)
        remove_tree(str(self.directory))

    def _close(self) -> None:
        """Close all that this process holds of the instance; the rest of its output is kept to be drained."""
        if self._output is not None:
            self._output.close()
        for channel in (self._runtime, self._init, self._coverage, self._probe):
            if channel is not None:
                channel.close()

    @property
    def forwarded_ports(self) -> tuple[int, ...]:
        """Ports of the test's services that are forwarded into the network of the instance."""
        return () if self._request.server is None else self._request.server.host_ports

    @property
    def tmp(self) -> Path:
        """The instance's /tmp as the test can read it; the path exists exactly as long as the instance does."""
        link = self._tmp_link
        if self.level.own_tree and not link.made and not self.gone.is_set():
            self.wait_for_user_process(STUCK_DEADLINE)
            if self.init_pid is None and not self.gone.is_set():
                raise InstanceError(f"the /tmp of {self.id} cannot be seen: its container runs on another machine")
            with self._lock:
                if not self.gone.is_set():
                    link.make(self.init_pid)
        return link.path
