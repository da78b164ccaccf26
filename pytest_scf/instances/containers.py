"""Instances that a launcher runs: threads of the test process do for a container what an init does for a process.

They speak with the platform as an init and a runtime do, over the same sockets, so that an instance of a launcher is
an instance like any other.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import select
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from pytest_scf.errors import InstanceError
from pytest_scf.facts import LAYERS_ROOT, MIB
from pytest_scf.instances.forkserver.client import Launched
from pytest_scf.instances.launch_spec import LaunchSpec, ServerSpec
from pytest_scf.instances.levels import CONTAINER
from pytest_scf.instances.reactor import Reactor
from pytest_scf.instances.sockets import Socket, poller
from pytest_scf.launchers import Container, ContainerExit, ContainerSpec, Launcher, Mount
from pytest_scf.runtimes import launch_keys, wire
from pytest_scf.runtimes.main_process import MainProcess
from pytest_scf.runtimes.server import ServerRuntime

#: seconds for which output of a container that has ended waits to be read
OUTPUT_DEADLINE = 1.0
#: bytes of the reason for which a signal could not be sent
_REASON = 2000


class ContainerHost:
    """Stands where a fork server does for instances that are processes."""

    level = CONTAINER
    #: where instances look for modules: nowhere in the test's
    path: tuple[str, ...] = ()

    def __init__(self, launcher: str | Launcher, reactor: Reactor, base_dir: Path) -> None:
        """``launcher`` may be "docker". Raises UsageError where Docker is not available."""
        if isinstance(launcher, str):
            from pytest_scf.instances.docker import DockerLauncher

            launcher = DockerLauncher()
        self.base_dir = base_dir
        self.launcher = launcher
        self._reactor = reactor

    def launch(self, spec: LaunchSpec, fds: list[int], instance: Launched) -> None:
        """Start a container for ``spec``; its end is reported in the reactor's thread when nothing of it is left.

        ``fds`` are those of an init, and closed here: the runtime's socket, the init's, and the pipe for output.
        Raises InstanceError where this process can start no thread.
        """
        finished = functools.partial(self._reactor.call_soon, functools.partial(instance.reaped, ""))
        assert spec.server is not None
        supervisor = _ContainerSupervisor(self.launcher, spec, spec.server, fds, finished, self._reactor.report)
        try:
            _start_thread(supervisor.run)
        except RuntimeError as error:
            supervisor.close()
            raise InstanceError(f"instance {spec.id} cannot be started: {error}") from error

    def signal_init(self, instance_id: str, signum: int) -> None:
        """Nothing to do: the init is a thread of this process, which cannot be stopped."""

    def resume(self) -> None:
        """Nothing to do, for the same reason."""

    def send_waiting(self, timeout: float) -> bool:
        """Launches are not queued here."""
        return False


class _ContainerSupervisor:
    """Runs one container, from its start to its removal."""

    def __init__(
        self,
        launcher: Launcher,
        spec: LaunchSpec,
        server: ServerSpec,
        fds: list[int],
        finished: Callable[[], None],
        report: Callable[[BaseException], None],
    ) -> None:
        self._launcher = launcher
        self._spec = spec
        self._server = server
        self._runtime = Socket(fileno=fds[0])
        self._init = Socket(fileno=fds[1])
        self._out = fds[2]
        self._finished = finished
        #: takes errors of the launcher that nobody waits for
        self._report = report
        self._lock = threading.Lock()
        self._container: Container | None = None
        self._kill_wanted = False
        self._failed_kills = 0
        self._ended = threading.Event()

    def run(self) -> None:
        listener = None
        try:
            listener = _start_thread(self._handle_messages)
            container = self._launcher.start(_container_spec(self._spec, self._server))
        except Exception as error:
            self._report_start_failure(error)
        else:
            try:
                self._run_container(container)
            except Exception as error:  # a bug of the launcher, which only the platform can report
                self._send(wire.START_FAILED, f"{type(error).__name__}: {error}".encode())
        with contextlib.suppress(OSError):
            self._init.shutdown(socket.SHUT_RD)
        if listener is not None:
            listener.join()
        self.close()
        self._finished()

    def close(self) -> None:
        self._runtime.close()
        self._init.close()
        os.close(self._out)

    def _run_container(self, container: Container) -> None:
        with self._lock:
            self._container = container
            kill = self._kill_wanted
        if kill:
            self._kill()
        process = _MainProcess(self._ended)
        server, context = self._server, self._spec.context
        runtime = ServerRuntime(
            self._runtime, context, process, server.port, container.connect, is_web=server.kind.takes_requests
        )
        threads: list[threading.Thread] = []
        ended = None
        try:
            process.pid = container.pid or 0
            for kind in (wire.USER_PID, wire.INIT_STARTED):
                self._send(kind, b"%d 0" % process.pid)
            for work in (runtime.serve, functools.partial(self._copy_output, container)):
                threads.append(_start_thread(work))
            ended = container.wait()
            if ended.out_of_memory:
                self._send(wire.OUT_OF_MEMORY)
        finally:
            if ended is None:
                self._kill()
            self._ended.set()
            runtime.stop()
            with contextlib.suppress(OSError):
                self._runtime.shutdown(socket.SHUT_RD)  # which wakes the thread that waits for an event
            for thread in threads:
                thread.join()
            container.remove()
        self._send(wire.USER_EXIT, wire.EXIT.pack(_wait_status(ended), process.peak))

    def _report_start_failure(self, error: Exception) -> None:
        facts = {"type": type(error).__name__, "message": str(error), "stack": "", "reason": "container"}
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._runtime.sendall(wire.frame(wire.LOAD_FAILED, wire.MEASURE.pack(0, 0) + json.dumps(facts).encode()))

    def _send(self, kind: int, payload: bytes = b"") -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the platform has closed its end
            self._init.sendall(wire.frame(kind, payload))

    def _handle_messages(self) -> None:
        reader = wire.Reader()
        while data := self._init.recv(4096):
            for kind, payload in reader.feed(data):
                if kind == wire.KILL:
                    self._kill()
                elif kind == wire.SIGNAL:
                    self._send(wire.SIGNALLED, self._signal(payload[0]))

    def _signal(self, signum: int) -> bytes:
        """What is answered: see ``wire.SIGNALLED``."""
        try:
            sent = self._container is not None and self._container.signal(signum)
        except Exception as error:
            self._report_failure(f"sent the signal {signum}", error)
            return b"0" + f"{type(error).__name__}: {error}".encode("utf-8", "backslashreplace")[:_REASON]
        return b"1" if sent else b"0"

    def _kill(self) -> None:
        """The platform asks for it again and again until the container has ended."""
        with self._lock:
            self._kill_wanted = True
            container = self._container
        if container is None:
            return
        try:
            container.kill()
        except Exception as error:
            self._failed_kills += 1
            if self._failed_kills == 2:  # the first one may be made good by the second
                self._report_failure("killed", error)

    def _report_failure(self, what: str, error: Exception) -> None:
        name = self._spec.context["function_name"]
        failure = InstanceError(
            f"the container {self._spec.id} of function {name} could not be {what}: {type(error).__name__}: {error}"
        )
        failure.__cause__ = error
        self._report(failure)

    def _copy_output(self, container: Container) -> None:
        os.set_blocking(self._out, False)
        with contextlib.suppress(BrokenPipeError):
            for data in container.output():
                self._write(memoryview(data))

    def _write(self, data: memoryview) -> None:
        """Wait while the pipe is full; once the container has ended, for at most OUTPUT_DEADLINE at a time."""
        poll = poller()
        poll.register(self._out, select.POLLOUT)
        while data:
            ended = self._ended.is_set()
            if poll.poll(OUTPUT_DEADLINE * 1000):
                with contextlib.suppress(BlockingIOError):
                    data = data[os.write(self._out, data[: select.PIPE_BUF]) :]
            elif ended:
                return


class _MainProcess(MainProcess):
    """The main process of a container: not a child of this process, and perhaps on another machine."""

    def __init__(self, ended: threading.Event) -> None:
        self.pid = 0
        self.peak = 0
        self._ended = ended

    def ended(self, timeout: float) -> bool:
        return self._ended.wait(timeout)

    def peak_kib(self) -> int:
        # Once the process has ended the peak can no longer be read, so the greatest value seen is kept.
        self.peak = max(self.peak, super().peak_kib())
        return self.peak


def _start_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, name="pytest-scf-container", daemon=True)
    thread.start()
    return thread


def _container_spec(spec: LaunchSpec, server: ServerSpec) -> ContainerSpec:
    assert server.image is not None
    return ContainerSpec(
        name=f"pytest-scf-{spec.id}",
        image=server.image,
        command=server.command or None,
        arguments=server.arguments,
        cwd=server.cwd,
        environment=spec.environ,
        port=server.port,
        memory_bytes=spec.context[launch_keys.MEMORY_LIMIT] * MIB,
        tmp_bytes=spec.tmp_bytes,
        mounts=(
            *((Mount(source=spec.layers_source, target=LAYERS_ROOT, read_only=True),) if spec.layers_source else ()),
            *(Mount(source=source, target=target, read_only=False) for source, target in spec.shared_mounts),
        ),
    )


def _wait_status(exit: ContainerExit) -> int:
    """The raw wait status that a parent would get for such an end."""
    return exit.signal if exit.signal is not None else (exit.status or 0) << 8
