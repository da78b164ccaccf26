"""One instance as the test process sees it: its sockets, its processes, and their end."""

from __future__ import annotations

import array
import contextlib
import functools
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pytest_scf import facts
from pytest_scf.errors import InstanceError
from pytest_scf.instances import procstatus
from pytest_scf.instances.forkserver.client import ForkServer, own_python
from pytest_scf.instances.forkserver.rmtree import remove_tree
from pytest_scf.instances.forwarding import Forwarder
from pytest_scf.instances.reactor import Reactor
from pytest_scf.instances.sockets import socketpair
from pytest_scf.runtimes import wire

if TYPE_CHECKING:
    from pytest_scf.instances.containers import ContainerHost
    from pytest_scf.instances.interpreters import Interpreter

_CREDENTIALS = struct.Struct("3i")
_CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
#: more than the system itself follows
_LINKS = 50
_OUR_PLACE = str(Path(__file__).resolve().parents[2])
_PYTHON_RUNTIME = os.path.join(_OUR_PLACE, "pytest_scf", "runtimes", "python.py")
_INTERPRETER_PLACES = ("prefix", "exec_prefix", "base_prefix", "base_exec_prefix")
#: seconds until a fork server or an init that says nothing counts as stuck: only a bug or a dying machine gets here
STUCK_DEADLINE = 60.0


@dataclass(frozen=True)
class ProcessExit:
    """How the user's process ended: the raw wait status, and its peak resident memory in bytes."""

    wait_status: int
    peak_bytes: int
    #: its memory limit ended it, where that is not the platform's to keep
    out_of_memory: bool = False

    @property
    def signal(self) -> int | None:
        return os.WTERMSIG(self.wait_status) if os.WIFSIGNALED(self.wait_status) else None

    @property
    def status(self) -> int | None:
        return os.WEXITSTATUS(self.wait_status) if os.WIFEXITED(self.wait_status) else None

    def __str__(self) -> str:
        if self.signal is not None:
            try:
                return f"ended by signal {signal.Signals(self.signal).name}"
            except ValueError:
                return f"ended by signal {self.signal}"
        return f"exited with status {self.status}"


class Observer(Protocol):
    """Whom an instance tells what happens in it. Called in the reactor's thread."""

    def on_message(self, kind: int, payload: bytes, /) -> None:
        """A frame of the runtime, as ``wire`` lists them, or INIT_STARTED when a launcher has started a container."""

    def on_output(self) -> None:
        """Output can be taken with ``drain``."""

    def on_gone(self, error: str, /) -> None:
        """No process of the instance is left. ``error`` says why it never came to be, if it did not."""


@dataclass(frozen=True)
class ServerSpec:
    """A program that the user's process is: a web server, or a bootstrap. See ``runtimes.server`` and ``.custom``."""

    #: "image" or "web": whether events are passed on as they are, or are HTTP requests themselves. "custom": the
    #: process fetches its events from the runtime API, in the network of the test
    kind: str
    command: list[str]
    #: the working directory as the process sees it; None: the code root
    cwd: str | None
    port: int
    #: ports of services of the test, which the process finds on 127.0.0.1 of a network of its own
    host_ports: list[int]
    #: directories, each as a pair of where it is and where the process sees it
    bind_mounts: list[tuple[str, str]]
    #: what a launcher runs, if it is one that does
    image: str | None = None


class ProbeServer(Protocol):
    """What serves the probe of one instance; see docs/inside.md. Called in the reactor's thread."""

    #: what the probe is told at its start, as JSON
    config: dict[str, Any]

    def connected(self, connection: socket.socket) -> None:
        """A connection that the instance has made: it belongs to the server, which must not block here."""

    def closed(self) -> None:
        """No process of the instance is left."""


@dataclass
class Spec:
    """What an instance is made of."""

    id: str
    handler: str
    code_source: Path
    environ: dict[str, str]
    context: dict[str, object]
    tmp_bytes: int
    start_method: str = "fork"
    pidfd: bool = True
    coverage: dict[str, Any] | None = None
    server: ServerSpec | None = None
    #: None: the test's own
    interpreter: Interpreter | None = None
    #: a port of 127.0.0.1 on which the platform is reached with the cloud's API; 0: none
    api_port: int = 0
    #: choices that a runtime makes
    options: dict[str, Any] = field(default_factory=dict)
    #: None where nothing works inside on the test's behalf
    probe: ProbeServer | None = None

    @property
    def executes(self) -> bool:
        """Whether the user's process is a new program, not a fork of the fork server."""
        return self.server is None and (self.start_method == "spawn" or self.interpreter is not None)


class InstanceProcess:
    """Made by ``launch``; everything of it has ended when ``on_gone`` has been called."""

    def __init__(self, spec: Spec, server: ForkServer | ContainerHost, reactor: Reactor, observer: Observer) -> None:
        self.id = spec.id
        self.level = server.level
        self.init_pid: int | None = None
        self.user_pid: int | None = None
        self.exit: ProcessExit | None = None
        self.gone = threading.Event()
        self._server = server
        self._reactor = reactor
        self._observer = observer
        self._spec = spec
        self._lock = threading.Lock()
        self._init_pidfd = -1
        self._user_pidfd = -1
        self._kill_wanted = False
        self._runtime_closed = False
        self._init_closed = False
        self._error = ""
        self._outbox: list[memoryview] = []
        self._runtime_reader = wire.Reader()
        self._init_reader = wire.Reader()
        self._signalled = threading.Semaphore(0)
        self._signal_answer = False
        self._out_of_memory = False
        #: held by whoever waits for an answer, of which there is one for each question
        self._asking = threading.Lock()
        self._paused = False
        self._released = False
        self._rest = b""
        self._user_known = threading.Event()
        self._coverage: socket.socket | None = None
        #: called in the reactor's thread with {file: lines or arcs} as the runtime counts them
        self.on_coverage: Callable[[dict[str, Any]], None] | None = None
        self._coverage_saved = threading.Semaphore(0)
        self._when_saved: Callable[[], None] | None = None
        self._coverage_reader = wire.Reader()
        self._probe: socket.socket | None = None
        self._forwarder: Forwarder | None = None
        self.directory = server.base_dir / f"instance-{spec.id}"
        self._tmp_link = False

    def launch(self) -> None:
        """Ask the fork server for the processes. Raises ForkServerError."""
        self._runtime, runtime = socketpair()
        self._init, init = socketpair()
        self._out, out = os.pipe()
        handed = [runtime.fileno(), init.fileno(), out]
        coverage = None
        if self._spec.coverage is not None:
            self._coverage, coverage = socketpair()
            self._coverage.setblocking(False)
            handed.append(coverage.fileno())
        probe = None
        if self._spec.probe is not None:
            self._probe, probe = socket.socketpair()
            self._probe.setblocking(False)
            handed.append(probe.fileno())
        try:
            self._runtime.setblocking(False)
            self._init.setblocking(False)
            os.set_blocking(self._out, False)
            if hasattr(socket, "SO_PASSCRED"):
                self._init.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            watch = self._reactor.watch
            watch(self._runtime.fileno(), self._runtime_readable)
            watch(self._init.fileno(), self._init_readable)
            watch(self._out, self._observer.on_output)
            if self._coverage is not None:
                watch(self._coverage.fileno(), self._coverage_readable)
            if self._probe is not None:
                watch(self._probe.fileno(), self._probe_readable)
            message = self._message(len(handed))
            if self._spec.executes:
                self._send(wire.frame(wire.SPEC, _json(message)))
            self._server.launch(message, handed, self._reaped)
        except BaseException:
            self._release()
            raise
        finally:
            runtime.close()
            init.close()
            os.close(out)
            for each in (coverage, probe):
                if each is not None:
                    each.close()

    def _message(self, sockets: int) -> dict[str, Any]:
        spec = self._spec
        if self.level == "container" and spec.server is not None:
            return {
                "id": spec.id,
                "environ": spec.environ,
                "context": spec.context,
                "tmp_bytes": spec.tmp_bytes,
                "server": vars(spec.server),
            }
        path = self._server.path if spec.interpreter is None else []
        places = (*_interpreter_places(), *self._server.path)
        command = [own_python(), "-B", _PYTHON_RUNTIME]
        if spec.interpreter is not None:
            places += spec.interpreter.places
            command = list(spec.interpreter.command)
        namespaces = self.level == "namespaces"
        tmp = "/tmp" if namespaces else str(self.directory / "tmp")
        code_root = facts.CODE_ROOT if namespaces else str(spec.code_source)
        environ = dict(spec.environ)
        if not namespaces:
            for name in ("TMPDIR", "TMP", "TEMP"):
                given = environ.get(name, "/tmp")
                environ[name] = tmp + given[len("/tmp") :] if f"{given}/".startswith("/tmp/") else given
            for name in ("PWD", "USER_CODE_ROOT", "PYTHONPATH", "NODE_PATH", "LD_LIBRARY_PATH"):
                if name in environ:
                    environ[name] = environ[name].replace(facts.CODE_ROOT, code_root)
        message: dict[str, Any] = {
            "id": spec.id,
            "sockets": sockets,
            "handler": spec.handler,
            "code_source": str(spec.code_source),
            "code_root": code_root,
            "environ": environ,
            "context": spec.context,
            "tmp": tmp,
            "tmp_bytes": spec.tmp_bytes,
            "keep_visible": _below_tmp(*places) if namespaces else _by_all_names(*places),
            "path": path,
            "watch_tmp": not namespaces,
            "command": command if spec.executes else None,
            "pidfd": spec.pidfd,
            "coverage": None
            if spec.coverage is None
            else {**spec.coverage, "own_tracer": spec.interpreter is not None},
            "api_port": spec.api_port,
            "options": spec.options,
            "probe": None if spec.probe is None else spec.probe.config,
        }
        if spec.server is not None:
            server = spec.server
            cwd = server.cwd or code_root
            message["server"] = {**vars(server), "cwd": cwd}
            message["bind_mounts"] = server.bind_mounts
            if server.cwd is not None:
                message["code_source"] = ""
                environ.update(PWD=cwd)
                if namespaces:
                    below = [place for place in (cwd, os.path.dirname(server.command[0])) if place.startswith("/tmp/")]
                    message["keep_visible"] = _below_tmp(*places, *below)
        return message

    # -- speaking ------------------------------------------------------------------------------------------------

    def send_event(self, request_id: str, payload: bytes) -> None:
        """Hand an event to the runtime, which takes it when it is ready for one. Does not block."""
        self._send(wire.HEADER.pack(len(payload) + wire.REQUEST_ID_LENGTH, wire.INVOKE) + request_id.encode() + payload)

    def ping(self) -> None:
        """Have the runtime answer PONG once it waits for an event."""
        self._send(wire.frame(wire.PING))

    def _send(self, data: bytes) -> None:
        with self._lock:
            if self._runtime_closed:
                return
            if self._outbox:
                self._outbox.append(memoryview(data))
                return
            try:
                sent = self._runtime.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                return  # the process is gone, which is reported where its end is seen
            if sent < len(data):
                self._outbox.append(memoryview(data)[sent:])
                self._reactor.watch_writing(self._runtime.fileno(), self._runtime_readable, self._runtime_writable)

    def _runtime_writable(self) -> None:
        with self._lock:
            while self._outbox:
                try:
                    sent = self._runtime.send(self._outbox[0])
                except BlockingIOError:
                    return
                except OSError:
                    self._outbox.clear()
                    break
                rest = self._outbox[0][sent:]
                if rest:
                    self._outbox[0] = rest
                    return
                del self._outbox[0]
            self._reactor.watch_reading(self._runtime.fileno(), self._runtime_readable)

    def drain(self) -> bytes:
        """Take the output that has been written so far: a pipe hands out all that it holds at once.

        What is written meanwhile comes next time, or a process that never stops writing would never let go of us.
        """
        with self._lock:
            if self._released:
                data, self._rest = self._rest, b""
                return data
            try:
                data = os.read(self._out, 1 << 20)
            except OSError:
                return b""  # nothing there now
        if not data:
            self.pause_output()  # every process has closed it; it would be ready for ever
        return data

    def pause_output(self) -> None:
        """Leave what is written in the pipe until it is drained, and say nothing of it."""
        with self._lock:  # or the instance could be gone between the look and the deed
            if not self._paused and not self.gone.is_set():
                self._paused = True
                self._reactor.unregister(self._out)

    def resume_output(self) -> None:
        with self._lock:
            if self._paused and not self.gone.is_set():
                self._paused = False
                self._reactor.watch(self._out, self._observer.on_output)

    # -- signals -------------------------------------------------------------------------------------------------

    def wait_for_user_process(self, timeout: float) -> bool:
        """Wait until the user's process exists (True), or can no longer come to exist (False)."""
        if not self._user_known.wait(timeout):
            raise InstanceError(f"instance {self.id} did not start its process within {timeout:g} s")
        return self.user_pid is not None

    def disposition(self, signum: int) -> str:
        """What the user's process would do with the signal now; see ``procstatus.DISPOSITIONS``."""
        if self.exit is not None or self.gone.is_set():
            return "gone"
        if self.user_pid is None:
            return "unknown"
        return procstatus.disposition(self.user_pid, signum)

    def signal_now(self, signum: int) -> bool | None:
        """Send a signal to the user's process alone: whether there was one. None where it takes the init to do so."""
        with self._lock:
            if self.exit is not None or self.gone.is_set() or not self._user_known.is_set():
                return False
            if self._user_pidfd == -1:
                return None
            try:
                signal.pidfd_send_signal(self._user_pidfd, signum)
            except ProcessLookupError:
                return False
            return True

    def signal_through_init(self, signum: int) -> bool:
        """The same through the init, which is the parent of the user's process. Waits for its answer."""
        with self._asking:
            with self._lock:
                if self.exit is not None or self.gone.is_set():
                    return False
                self._signal_answer = False
                try:
                    self._init.send(wire.frame(wire.SIGNAL, bytes([signum])))
                except OSError:
                    return False
            if not self._signalled.acquire(timeout=STUCK_DEADLINE):
                raise InstanceError(f"the init of instance {self.id} (PID {self.init_pid}) does not answer")
            return self._signal_answer

    def kill(self) -> None:
        """Have every process of the instance ended; ``gone`` is set when they are."""
        with self._lock:
            self._kill_wanted = True
            self._kill_now()

    def _kill_now(self) -> None:
        if self.gone.is_set():
            return
        if self.level != "namespaces":
            # The init itself has to end its descendants: without a namespace its death would only orphan them.
            with contextlib.suppress(OSError):
                self._init.send(wire.frame(wire.KILL))
            self._continue_init()
        elif self._init_pidfd != -1:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._init_pidfd, signal.SIGKILL)
        elif self.init_pid is not None:
            self._server.signal_init(self.id, signal.SIGKILL)

    def _continue_init(self) -> None:
        """The user's process may have stopped its init with SIGSTOP, where they are not kept apart."""
        if self._init_pidfd != -1:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._init_pidfd, signal.SIGCONT)
        elif self.init_pid is not None:
            self._server.signal_init(self.id, signal.SIGCONT)

    # -- listening (reactor's thread) ----------------------------------------------------------------------------

    def _runtime_readable(self) -> bool:
        """Take what the runtime says; False when there is no more of it."""
        try:
            data = self._runtime.recv(1 << 18)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            with self._lock:
                if not self._runtime_closed:
                    self._runtime_closed = True
                    self._reactor.unregister(self._runtime.fileno())
            return False
        for kind, payload in self._runtime_reader.feed(data):
            self._observer.on_message(kind, payload)
        return True

    def _init_readable(self) -> bool:
        """Take what the init says; False when it has said its last."""
        try:
            data, ancillary, _flags, _address = self._init.recvmsg(4096, 256, _CLOSE_ON_EXEC)
        except BlockingIOError:
            return False
        except OSError:
            data, ancillary = b"", []
        fds: array.array[int] = array.array("i")
        sender = None
        for level, kind, content in ancillary:
            if level != socket.SOL_SOCKET:
                continue
            if kind == socket.SCM_RIGHTS:
                fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
            elif kind == getattr(socket, "SCM_CREDENTIALS", None):
                sender = _CREDENTIALS.unpack(content[: _CREDENTIALS.size])[0]
        if not data:
            if not self._init_closed:
                self._init_closed = True
                self._reactor.unregister(self._init.fileno())
            return False
        for kind, payload in self._init_reader.feed(data):
            self._handle_message(kind, payload, sender, list(fds))
        return True

    def _handle_message(self, kind: int, payload: bytes, sender: int | None, fds: list[int]) -> None:
        if kind == wire.USER_PID:
            self.user_pid = self._pid(sender, payload)
            self._know_user()
        elif kind == wire.INIT_STARTED:
            with self._lock:
                self.init_pid = self._pid(sender, payload)
                if fds and self._spec.pidfd:
                    self._init_pidfd, self._user_pidfd = fds
                if self._kill_wanted:
                    self._kill_now()
            self._know_user()
            if self.level == "container":
                self._user_known.set()  # even where its processes are out of sight
                self._observer.on_message(wire.INIT_STARTED, b"")
        elif kind == wire.USER_EXIT:
            status, peak_kib = wire.EXIT.unpack(payload)
            self.exit = ProcessExit(status, peak_kib * 1024, self._out_of_memory)
            self._signalled.release()
        elif kind == wire.OUT_OF_MEMORY:
            self._out_of_memory = True
        elif kind == wire.SIGNALLED:
            self._signal_answer = payload == b"1"
            self._signalled.release()
        elif kind == wire.LISTENING and self._spec.server is not None:
            self._forwarder = Forwarder(self._spec.server.host_ports, fds)
        elif kind == wire.START_FAILED:
            self._error = payload.decode("utf-8", "replace")

    def _pid(self, sender: int | None, payload: bytes) -> int | None:
        """Who keeps a container is a thread here, whose number is not that of the container; 0 is said of none."""
        return (sender if self.level != "container" else None) or int(payload) or None

    def _know_user(self) -> None:
        if self.user_pid is not None and self.init_pid is not None:
            self._user_known.set()

    def _coverage_readable(self) -> bool:
        if self._coverage is None:
            return False
        try:
            data = self._coverage.recv(1 << 18)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._reactor.unregister(self._coverage.fileno())
            self._coverage.close()
            self._coverage = None
            self._coverage_saved.release()
            return False
        for _kind, payload in self._coverage_reader.feed(data):
            if self.on_coverage is not None:
                self.on_coverage(_parse(payload))
            self._coverage_saved.release()
            if self._when_saved is not None:
                self._when_saved()
                self._when_saved = None
        return True

    def _probe_readable(self) -> None:
        """Take a connection that the instance has made, with the byte that carries it."""
        if self._probe is None or self._spec.probe is None:
            return
        try:
            data, fds, _flags, _address = socket.recv_fds(self._probe, 1, 16, _CLOSE_ON_EXEC)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        for fd in fds:
            try:
                connection = socket.socket(fileno=fd)
            except OSError:
                os.close(fd)  # something else than a socket, which no probe of ours sends
            else:
                self._spec.probe.connected(connection)
        if not data:
            self._reactor.unregister(self._probe.fileno())
            self._probe.close()
            self._probe = None

    def save_coverage_then(self, call: Callable[[], None], timeout: float) -> None:
        """Call ``call`` once the lines counted so far have been handed out, or ``timeout`` seconds have passed."""
        if self._coverage is None or self.gone.is_set():
            call()
            return
        timer = self._reactor.call_at(time.monotonic() + timeout, call)

        def saved() -> None:
            timer.cancel()
            call()

        self._when_saved = saved
        with contextlib.suppress(OSError):
            self._coverage.send(wire.COVERAGE_REQUEST)

    def save_coverage(self, timeout: float) -> None:
        """Have the runtime hand out the lines counted so far; returns when it has, or cannot any more."""
        if self._coverage is None or self.gone.is_set():
            return
        deadline = time.monotonic() + timeout
        while self._coverage_saved.acquire(blocking=False):
            pass
        with contextlib.suppress(OSError):
            self._coverage.send(wire.COVERAGE_REQUEST)
            self._coverage_saved.acquire(timeout=max(0.0, deadline - time.monotonic()))

    def _reaped(self, error: str) -> None:
        """The init and all below it are gone. What they said before is heard first: their word came earlier."""
        if error:
            self._wait_for_init()
            remove_tree(str(self.directory))
        if not self._init_closed:
            while self._init_readable():
                pass
        while not self._runtime_closed and self._runtime_readable():
            pass
        while self._coverage_readable():
            pass
        # Whoever is told that the instance is gone finds nothing of it open here either.
        if self._forwarder is not None:
            self._forwarder.close()
        self._release()
        self._signalled.release()
        self._user_known.set()
        self._forget_tmp()
        if self._spec.probe is not None:
            self._spec.probe.closed()
        self._observer.on_gone(error or self._error)

    def _wait_for_init(self) -> None:
        """The fork server is not there to say that the init is gone; the init leaves when it sees that."""
        deadline = time.monotonic() + STUCK_DEADLINE
        while not self._init_closed and _wait_readable(self._init.fileno(), deadline):
            self._init_readable()
        if self._init_pidfd != -1:
            _wait_readable(self._init_pidfd, deadline)

    def _release(self) -> None:
        """Close all that this process holds of the instance; the rest of its output is kept to be drained."""
        with self._lock:
            self.gone.set()
            with contextlib.suppress(BlockingIOError):
                while data := os.read(self._out, 1 << 20):
                    self._rest += data
            self._released = True
            for sock, closed in ((self._runtime, self._runtime_closed), (self._init, self._init_closed)):
                if not closed:
                    with contextlib.suppress(KeyError, ValueError):
                        self._reactor.unregister(sock.fileno())
                sock.close()
            with contextlib.suppress(KeyError, ValueError):
                self._reactor.unregister(self._out)
            os.close(self._out)
            if self._coverage is not None:
                with contextlib.suppress(KeyError, ValueError):
                    self._reactor.unregister(self._coverage.fileno())
                self._coverage.close()
                self._coverage = None
            if self._probe is not None:
                with contextlib.suppress(KeyError, ValueError):
                    self._reactor.unregister(self._probe.fileno())
                self._probe.close()
                self._probe = None
            for fd in (self._init_pidfd, self._user_pidfd):
                if fd != -1:
                    os.close(fd)
            self._init_pidfd = self._user_pidfd = -1

    # -- files ---------------------------------------------------------------------------------------------------

    @property
    def forwarded_ports(self) -> list[int]:
        """Ports of the test's that are reached inside, where the instance has a network of its own."""
        return [] if self._spec.server is None else self._spec.server.host_ports

    @property
    def tmp(self) -> Path:
        """The instance's /tmp as the test can read it; the path exists exactly as long as the instance does."""
        path = self.directory / "tmp"
        if self.level != "directory" and not self._tmp_link and not self.gone.is_set():
            self.wait_for_user_process(STUCK_DEADLINE)
            if self.init_pid is None and not self.gone.is_set():
                raise InstanceError(f"the /tmp of {self.id} cannot be seen: its container runs on another machine")
            with self._lock:
                if not self.gone.is_set() and not self._tmp_link:
                    # A link, so that a path kept beyond the instance's end can never lead to another process's /tmp.
                    self.directory.mkdir(parents=True, exist_ok=True)
                    path.symlink_to(f"/proc/{self.init_pid}/root/tmp")
                    self._tmp_link = True
        return path

    def _forget_tmp(self) -> None:
        if self._tmp_link:
            with contextlib.suppress(OSError):
                (self.directory / "tmp").unlink()
                self.directory.rmdir()


def _wait_readable(fd: int, deadline: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))


def _interpreter_places() -> list[str]:
    """Directories that every instance reads: the interpreter's, and those of the packages that the test has."""
    places = [getattr(sys, name) for name in _INTERPRETER_PLACES]
    places += [_OUR_PLACE, *_places_on_the_way_to(own_python())]
    places += [place for place in sys.path if place.rstrip("/").endswith(("site-packages", "dist-packages"))]
    return places


@functools.cache
def _places_on_the_way_to(program: str) -> list[str]:
    """The directories that a program is in, link by link: one environment's interpreter may lead through another's."""
    places = [os.path.dirname(program)]
    while os.path.islink(program) and len(places) < _LINKS:
        program = os.path.join(os.path.dirname(program), os.readlink(program))
        places.append(os.path.dirname(program))
    return places


@functools.cache
def _by_all_names(*places: str) -> list[str]:
    """As they are called, and as they are: a link among their parents is not there to be followed in a new /tmp."""
    return sorted({name for place in places for name in (os.path.abspath(place), os.path.realpath(place))})


@functools.cache
def _below_tmp(*places: str) -> list[str]:
    """Those that an empty /tmp would hide; a place inside another is left out."""
    below = [place for place in _by_all_names(*places) if place.startswith("/tmp/") and os.path.isdir(place)]
    return [place for place in below if not any(place.startswith(other + "/") for other in below)]


def _json(message: dict[str, Any]) -> bytes:
    import json

    return json.dumps(message).encode()


def _parse(payload: bytes) -> dict[str, Any]:
    import json

    found: dict[str, Any] = json.loads(payload)
    return found
