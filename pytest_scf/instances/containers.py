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
        """
        finished = functools.partial(self._reactor.call_soon, functools.partial(instance.reaped, ""))
        assert spec.server is not None
        supervisor = _ContainerSupervisor(self.launcher, spec, spec.server, fds, finished)
        threading.Thread(target=supervisor.run, name="pytest-scf-container", daemon=True).start()

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
    ) -> None:
        self._launcher = launcher
        self._spec = spec
        self._server = server
        self._runtime = Socket(fileno=fds[0])
        self._init = Socket(fileno=fds[1])
        self._out = fds[2]
        self._finished = finished
        self._lock = threading.Lock()
        self._container: Container | None = None
        self._kill_wanted = False
        self._ended = threading.Event()

    def run(self) -> None:
        listener = self._start_thread(self._handle_message)
        try:
            container = self._launcher.start(_container_spec(self._spec, self._server))
        except Exception as error:
            self._report_start_failure(error)
        else:
            try:
                self._run_container(container)
            except Exception as error:  # a bug of the launcher, which only the platform can report
                self._send(wire.START_FAILED, f"{type(error).__name__}: {error}".encode())
                self._ended.set()
        with contextlib.suppress(OSError):
            self._init.shutdown(socket.SHUT_RD)
        listener.join()
        self._runtime.close()
        self._init.close()
        os.close(self._out)
        self._finished()

    def _run_container(self, container: Container) -> None:
        with self._lock:
            self._container = container
            kill = self._kill_wanted
        if kill:
            container.kill()
        pid = container.pid
        for kind in (wire.USER_PID, wire.INIT_STARTED):
            self._send(kind, b"%d 0" % (pid or 0))
        process = _MainProcess(pid, self._ended)
        server, context = self._server, self._spec.context
        runtime = ServerRuntime(
            self._runtime, context, process, server.port, container.connect, is_web=server.kind.takes_requests
        )
        threads = [self._start_thread(runtime.serve), self._start_thread(lambda: self._copy_output(container))]
        try:
            ended = container.wait()
            if ended.out_of_memory:
                self._send(wire.OUT_OF_MEMORY)
        finally:
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

    def _start_thread(self, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work, name="pytest-scf-container", daemon=True)
        thread.start()
        return thread

    def _send(self, kind: int, payload: bytes = b"") -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the platform has closed its end
            self._init.sendall(wire.frame(kind, payload))

    def _handle_message(self) -> None:
        reader = wire.Reader()
        while data := self._init.recv(4096):
            for kind, payload in reader.feed(data):
                if kind == wire.KILL:
                    self._kill()
                elif kind == wire.SIGNAL and self._container is not None and self._container.signal(payload[0]):
                    self._send(wire.SIGNALLED, b"1")
                elif kind == wire.SIGNAL:
                    self._send(wire.SIGNALLED, b"0")

    def _kill(self) -> None:
        with self._lock:
            self._kill_wanted = True
            container = self._container
        if container is not None:
            container.kill()

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

    def __init__(self, pid: int | None, ended: threading.Event) -> None:
        self.pid = pid or 0
        self.peak = 0
        self._ended = ended

    def ended(self, timeout: float) -> bool:
        return self._ended.wait(timeout)

    def peak_kib(self) -> int:
        # Once the process has ended the peak can no longer be read, so the greatest value seen is kept.
        self.peak = max(self.peak, super().peak_kib())
        return self.peak


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
