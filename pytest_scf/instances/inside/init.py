"""The init of one instance: the process above the user's.

Its place: fork server (zygote) -> init -> user's process. In a PID namespace it is PID 1, so that its death takes every
descendant with it, and the user's process is an ordinary one, which SIGTERM ends by default as in the cloud.
It prepares the mounts, forks the user's process, reaps orphans, tells the platform how the user's process ended (the
raw wait status: exit 143 and death by SIGTERM are different facts), and leaves.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import traceback
from typing import Any

from pytest_scf.instances.inside import files, linux, mounts, reaping
from pytest_scf.runtimes import python, wire


class Sockets:
    """What the platform hands over for one instance."""

    def __init__(self, fds: list[int]) -> None:
        self.runtime = socket.socket(fileno=fds[0])
        self.init = socket.socket(fileno=fds[1])
        self.out = fds[2]
        self.coverage = socket.socket(fileno=fds[3]) if len(fds) > 3 else None

    def close(self) -> None:
        self.runtime.close()
        self.init.close()
        os.close(self.out)
        if self.coverage is not None:
            self.coverage.close()


def main(spec: dict[str, Any], sockets: Sockets, lifelines: list[int]) -> None:
    """Never returns. ``lifelines`` are held open by the test process and by the zygote: see there."""
    try:
        if spec["level"] == "namespaces":
            # Elsewhere this would leave no time to end what is below.
            linux.die_with_parent()
        _prepare(spec)
        user = os.fork()
        if user == 0:
            for fd in lifelines:
                os.close(fd)
            _become_user_process(spec, sockets)
        reaping.outlive_requests()
        _watch(spec, sockets, lifelines, user)
    except BaseException as error:
        # Without its init an instance cannot be: say why and take along what there is.
        with contextlib.suppress(OSError):
            sockets.init.sendall(wire.frame(wire.START_FAILED, f"{type(error).__name__}: {error}".encode()))
    finally:
        _leave(spec)


def _prepare(spec: dict[str, Any]) -> None:
    if spec["level"] == "namespaces":
        mounts.enter_instance_tree(spec["code_source"], spec["tmp_bytes"], spec["readable"])
        return
    os.makedirs(spec["tmp"], mode=0o700, exist_ok=True)
    if sys.platform == "linux":
        linux.become_subreaper()


def _become_user_process(spec: dict[str, Any], sockets: Sockets) -> None:
    status = 70
    try:
        os.setsid()
        sockets.init.sendall(wire.frame(wire.USER_PID, str(os.getpid()).encode()))
        sockets.init.close()
        if sys.platform == "linux":
            if spec["level"] == "namespaces":
                linux.limit_capabilities(linux.KEPT_CAPABILITIES if os.geteuid() == 0 else frozenset())
            linux.forbid_new_privileges()
            linux.die_with_parent()
        if spec["start_method"] == "spawn":
            _execute(spec, sockets)
        _forget_ourselves()
        python.open_standard_streams(sockets.out)
        os.environ.clear()
        os.environ.update(spec["environ"])
        python.prepare_interpreter(spec)
        status = python.run(sockets.runtime, spec, sockets.coverage)
    except BaseException:
        os.write(2, traceback.format_exc().encode("utf-8", "backslashreplace"))
    finally:
        os._exit(status)


def _forget_ourselves() -> None:
    """Leave the user's code a table of modules without ours; what runs already does not need it any more."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "pytest_scf"]:
        del sys.modules[name]
    main = vars(sys.modules["__main__"])
    for name in [name for name in main if not name.startswith("__")]:
        del main[name]


def _execute(spec: dict[str, Any], sockets: Sockets) -> None:
    os.dup2(sockets.out, 1)
    os.dup2(sockets.out, 2)
    arguments = [spec["python"], "-B", python.__file__]
    for each in (sockets.runtime, sockets.coverage):
        if each is not None:
            each.set_inheritable(True)
            arguments.append(str(each.fileno()))
    os.execve(spec["python"], arguments, spec["environ"])


def _watch(spec: dict[str, Any], sockets: Sockets, lifelines: list[int], user: int) -> None:
    """Wait for the user's process to end, and until then do what the platform asks."""
    channel = sockets.init
    woken = reaping.watch_children()
    sockets.runtime.close()
    os.close(sockets.out)
    if sockets.coverage is not None:
        sockets.coverage.close()
    _announce(channel, user, pidfds=spec["pidfd"])
    poll = select.poll()
    for fd in (*lifelines, channel.fileno(), woken):
        poll.register(fd, select.POLLIN)
    reader = wire.Reader()
    while True:
        ended = _reap(user)
        if ended is not None:
            channel.sendall(wire.frame(wire.USER_EXIT, wire.EXIT.pack(*ended)))
            return
        ready = dict(poll.poll())
        if woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 512)
        if any(lifeline in ready for lifeline in lifelines):
            return
        if channel.fileno() in ready:
            data = channel.recv(4096)
            if not data:
                return
            for kind, payload in reader.feed(data):
                if kind == wire.KILL:
                    return
                if kind == wire.SIGNAL:
                    # Not yet reaped, so the number cannot be another process's.
                    os.kill(user, payload[0])
                    channel.sendall(wire.frame(wire.SIGNALLED, b"1"))


def _announce(channel: socket.socket, user: int, *, pidfds: bool) -> None:
    message = wire.frame(wire.BORN, str(os.getpid()).encode())
    fds: list[int] = []
    if pidfds:
        with contextlib.suppress(OSError, AttributeError):
            fds = [os.pidfd_open(os.getpid()), os.pidfd_open(user)]
    if len(fds) == 2:
        socket.send_fds(channel, [message], fds)
    else:
        channel.sendall(message)
    for fd in fds:
        os.close(fd)


def _reap(user: int) -> tuple[int, int] | None:
    """Reap all that ended; the raw wait status and peak memory (KiB) of the user's process once it is among them."""
    ended = None
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        if pid == user:
            ended = (status, usage.ru_maxrss // (1024 if sys.platform == "darwin" else 1))


def _leave(spec: dict[str, Any]) -> None:
    """End all that is left of the instance. In a PID namespace the kernel does that when PID 1 leaves."""
    if spec["level"] != "namespaces":
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        reaping.end_all_children()
        files.remove_tree(os.path.dirname(spec["tmp"]))
    os._exit(0)
