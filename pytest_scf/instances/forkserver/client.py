"""The fork server as the test process sees it: a fresh interpreter that forks every instance of one isolation level."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import site
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_scf.errors import ForkServerError, IsolationUnavailable
from pytest_scf.instances.forkserver import fdpassing
from pytest_scf.instances.forkserver.rmtree import remove_tree
from pytest_scf.instances.reactor import Reactor
from pytest_scf.instances.sockets import socketpair
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

Reaped = Callable[[str], None]


def own_python() -> str:
    """The test's interpreter, by a path that leads through no directory which an instance may not have."""
    return os.path.abspath(sys.executable)


class ForkServer:
    """Forks instances. Its processes end when this process ends, however that happens: see ``supervisor``.

    Raises IsolationUnavailable where the machine refuses the level, ForkServerError when it does not start.
    """

    def __init__(self, level: str, reactor: Reactor) -> None:
        self.level = level
        self.base_dir = Path()
        self._reactor = reactor
        self._lock = threading.Lock()
        self._reader = wire.Reader()
        #: id of an instance -> what to call with an error text (or "") once all its processes are gone
        self._gone: dict[str, Reaped] = {}
        self._dead: str | None = None
        self._owner = os.getpid()
        #: where its interpreter looks for modules: packages, and what is installed in editable form
        self.path: list[str] = []
        self._start()

    def _start(self) -> None:
        self.base_dir = _new_name()
        ours, theirs = socketpair()
        alive_reading, self._alive = _make_lifeline()
        sites = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
        # Where the test measures coverage so do the instances; to import it once for all of them saves each the time.
        preload = "coverage" if "coverage" in sys.modules else ""
        arguments = [self.level, str(theirs.fileno()), str(alive_reading), str(self.base_dir), preload, *sites]
        with tempfile.TemporaryFile() as stderr:
            try:
                self._process = subprocess.Popen(
                    [own_python(), "-I", "-c", _PROGRAM, _PACKAGE_PARENT, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                    pass_fds=[theirs.fileno(), alive_reading],
                    env=_start_environment(),
                    cwd="/",
                    start_new_session=True,
                )
            except BaseException:
                ours.close()
                _cut_lifeline(self._alive)
                raise
            finally:
                theirs.close()
                os.close(alive_reading)
            self._control = ours
            try:
                hello = self._wait_for_hello()
            except BaseException as error:
                self._abandon()
                if isinstance(error, OSError):
                    stderr.seek(0)
                    said = stderr.read().decode("utf-8", "replace").strip()
                    raise ForkServerError(
                        f"the fork server ({sys.executable}) did not start: {error}"
                        + (f"; it said:\n{said}" if said else "; it said nothing")
                    ) from error
                raise
        self.path = hello["path"]
        if hello["error"]:
            self._abandon()
            raise IsolationUnavailable(self.level, hello["error"])
        ours.settimeout(None)
        self._reactor.watch(ours.fileno(), self._readable)

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

    def launch(self, spec: dict[str, Any], fds: list[int], gone: Reaped) -> None:
        """Have an instance made that is given ``fds``. ``gone`` is called once when no process of it is left."""
        message = json.dumps(spec).encode()
        with self._lock:
            if self._dead is not None:
                raise ForkServerError(f"the fork server is gone: {self._dead}")
            self._gone[spec["id"]] = gone
            try:
                fdpassing.send(self._control, message, fds)
            except OSError as error:
                del self._gone[spec["id"]]
                raise ForkServerError(f"the fork server cannot be spoken to: {error}") from error

    def signal_init(self, instance_id: str, signum: int) -> None:
        """Signal the init of an instance; the zygote is its parent, so the number cannot be another process's."""
        message = wire.frame(wire.SIGNAL_INIT, json.dumps({"id": instance_id, "signal": signum}).encode())
        with self._lock, contextlib.suppress(OSError):
            self._control.sendall(message)

    @property
    def is_alive(self) -> bool:
        return self._dead is None

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        """End every instance and the fork server, and wait until all are gone and the base directory with them."""
        if os.getpid() != self._owner:
            return
        if self._dead is None:
            self._reactor.unregister(self._control.fileno())
            self._dead = "it was closed"
        self._abandon()

    def _abandon(self) -> None:
        """Let go of the sockets and wait: the fork server leaves when they close."""
        self._control.close()
        _cut_lifeline(self._alive)
        try:
            self._process.wait(STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        # What the supervisor did not live to remove, and what was put there after its end.
        remove_tree(str(self.base_dir))

    def _readable(self) -> None:
        if self._dead is not None:
            return
        try:
            data = self._control.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._reactor.unregister(self._control.fileno())
            self._dead = "its process ended unexpectedly"
            # The supervisor ends what the zygote left before it leaves itself.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_DEADLINE)
            for instance_id in list(self._gone):
                self._gone.pop(instance_id)("the fork server ended unexpectedly")
            return
        for kind, payload in self._reader.feed(data):
            message = json.loads(payload)
            gone = self._gone.pop(message["id"], None)
            if gone is not None:
                gone(message.get("error", "") if kind == wire.LAUNCH_FAILED else "")

    def forget_in_forked_child(self) -> None:
        """The lifeline is cut already, below; nothing else of the parent's may be used here either."""
        self._control.close()
        self._dead = "this process is a fork of the one that started it"


#: the writing ends of all lifelines of this process: a fork of it must not keep the instances alive
_lifelines: set[int] = set()
_lifelines_lock = threading.RLock()


def _make_lifeline() -> tuple[int, int]:
    with _lifelines_lock:
        reading, writing = os.pipe()
        _lifelines.add(writing)
    return reading, writing


def _cut_lifeline(writing: int) -> None:
    with _lifelines_lock:
        if writing in _lifelines:
            _lifelines.remove(writing)
            os.close(writing)


def _after_fork_in_child() -> None:
    while _lifelines:
        os.close(_lifelines.pop())
    _lifelines_lock.release()


if hasattr(os, "register_at_fork"):
    # With the lock held, no other thread is between making a lifeline and noting it down.
    os.register_at_fork(
        before=_lifelines_lock.acquire, after_in_parent=_lifelines_lock.release, after_in_child=_after_fork_in_child
    )


def _new_name() -> Path:
    """The directory is made by the fork server, and named here, so that it can be removed whatever befalls that."""
    return Path(tempfile.gettempdir(), f"pytest-scf-{os.getpid()}-{secrets.token_hex(4)}").absolute()


def _start_environment() -> dict[str, str]:
    """What an interpreter may need to start at all; nothing of it reaches an instance but the library path."""
    return {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "HOME") if name in os.environ}
