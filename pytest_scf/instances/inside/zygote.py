"""The zygote: forks one init per instance from an interpreter that is warm and already in the shared mount tree."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import traceback
from typing import Any

from pytest_scf.instances.inside import files, init, linux, mounts, reaping
from pytest_scf.runtimes import wire


def main(control: socket.socket, lifelines: list[int], level: str) -> None:
    """Never returns. Ends, with all instances, when the other end of ``control`` or of a lifeline closes.

    A lifeline is the reading end of a pipe to which nobody writes: one is held open by the test process alone, one by
    the keeper.
    """
    status = 0
    zygote = None
    try:
        if sys.platform == "linux":
            linux.become_subreaper()
        error = _prepare(level)
        hello = {"level": level, "error": error, "path": [place for place in sys.path if os.path.isdir(place)]}
        control.sendall(wire.frame(wire.HELLO, json.dumps(hello).encode()))
        if not error:
            zygote = Zygote(control, lifelines, level)
            zygote.serve()
    except (BrokenPipeError, ConnectionResetError):
        pass  # the platform is gone; so must we be
    except BaseException:
        traceback.print_exc()
        status = 1
    finally:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if zygote is not None and level != "namespaces":
            os.close(zygote.held_to_the_end)
            reaping.let_children_leave()
        reaping.end_all_children()
        os._exit(status)


def _prepare(level: str) -> str:
    """Enter what all instances share; why that cannot be, or an empty text."""
    linux_only = sys.platform == "linux"
    if linux_only:
        linux.unbuffer_c_stdout()
    if level != "namespaces":
        return ""
    if not linux_only:
        return f"namespaces are a feature of Linux, this is {sys.platform}"
    try:
        linux.unshare(linux.CLONE_NEWNS)
        as_user = False
    except OSError:
        # An ordinary user, or root in a container that lacks the capability.
        as_user = True
    try:
        if as_user:
            _enter_user_namespace()
        linux.bound_capabilities()
        mounts.enter_shared_tree()
        _try_one()
    except OSError as error:
        return _explain(str(error), as_user=as_user)
    return ""


def _enter_user_namespace() -> None:
    user, group = os.geteuid(), os.getegid()
    linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNS)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def _try_one() -> None:
    """Make the namespaces of an instance once, since only doing it tells whether it is allowed."""
    reading, writing = os.pipe()
    pid = linux.fork_into(linux.CLONE_NEWNS | linux.CLONE_NEWPID)
    if pid == 0:
        try:
            mounts.enter_instance_tree(mounts.CODE_ROOT, 4096, [])
        except BaseException as error:
            os.write(writing, str(error).encode()[:4096])
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8", errors="replace") as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    if text:
        raise OSError(text)


def _explain(error: str, *, as_user: bool) -> str:
    """Add what is known to refuse it, and the remedy."""
    if as_user and _setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
        return (
            f"{error} (this system restricts unprivileged user namespaces: "
            "sysctl kernel.apparmor_restrict_unprivileged_userns=0 allows them)"
        )
    if as_user and _setting("/proc/sys/user/max_user_namespaces") == "0":
        return f"{error} (sysctl user.max_user_namespaces is 0)"
    if "unshare" in error or "clone3" in error or "mount" in error:
        return (
            f"{error} (a container needs --cap-add SYS_ADMIN or --privileged, "
            "and a seccomp profile that lets unshare, clone3 and mount through)"
        )
    return error


def _setting(path: str) -> str:
    with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
        return file.read().strip()
    return ""


class Zygote:
    def __init__(self, control: socket.socket, lifelines: list[int], level: str) -> None:
        self.control = control
        self.lifelines = lifelines
        self.level = level
        #: the spec of each instance by the PID of its init
        self.inits: dict[int, dict[str, Any]] = {}
        self.received_fds: list[int] = []
        #: the inits hold the reading end, so they see it when this process is gone
        self.zygote_alive, self.held_to_the_end = os.pipe()

    def serve(self) -> None:
        woken = reaping.watch_children()
        poll = select.poll()
        for fd in (self.control.fileno(), *self.lifelines, woken):
            poll.register(fd, select.POLLIN)
        reader = wire.Reader()
        while True:
            ready = dict(poll.poll())
            if any(lifeline in ready for lifeline in self.lifelines):
                return
            if woken in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(woken, 512)
                self._reap()
            if self.control.fileno() in ready:
                data, fds, _flags, _address = socket.recv_fds(self.control, 65536, 16)
                if not data:
                    return
                for fd in fds:
                    os.set_inheritable(fd, False)
                self.received_fds += fds
                for kind, payload in reader.feed(data):
                    self._obey(kind, json.loads(payload))

    def _obey(self, kind: int, message: dict[str, Any]) -> None:
        if kind == wire.LAUNCH:
            self._launch(message)
        elif kind == wire.SIGNAL_INIT:
            for pid, spec in self.inits.items():
                if spec["id"] == message["id"]:
                    os.kill(pid, message["signal"])

    def _launch(self, spec: dict[str, Any]) -> None:
        count = spec["sockets"]
        sockets = init.Sockets(self.received_fds[:count])
        del self.received_fds[:count]
        spec["level"] = self.level
        try:
            pid = linux.fork_into(linux.CLONE_NEWNS | linux.CLONE_NEWPID) if self.level == "namespaces" else os.fork()
        except OSError as error:
            sockets.close()
            self._tell(wire.LAUNCH_FAILED, {"id": spec["id"], "error": str(error)})
            return
        if pid == 0:
            self._become_child()
            init.main(spec, sockets, [self.lifelines[0], self.zygote_alive])
        sockets.close()
        self.inits[pid] = spec

    def _become_child(self) -> None:
        """Close what is this process's alone, so that its end, and that of other instances, stays visible."""
        self.control.close()
        reaping.forget_watch()
        for fd in (*self.lifelines[1:], self.held_to_the_end, *self.received_fds):
            os.close(fd)

    def _reap(self) -> None:
        while True:
            try:
                pid, _status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            spec = self.inits.pop(pid, None)
            if spec is not None:
                if self.level != "namespaces":
                    self._clean_up_after(spec)
                self._tell(wire.REAPED, {"id": spec["id"]})

    def _clean_up_after(self, spec: dict[str, Any]) -> None:
        """An init that was killed from outside leaves its children and its directory to us.

        Children of theirs come to us, too, before their parent can be reaped: the next listing shows them.
        """
        while strays := [pid for pid in reaping.children() if pid not in self.inits]:
            for pid in strays:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            for pid in strays:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, 0)
        directory = os.path.dirname(spec["tmp"])
        if os.path.lexists(directory):
            files.remove_tree(directory)

    def _tell(self, kind: int, message: dict[str, Any]) -> None:
        self.control.sendall(wire.frame(kind, json.dumps(message).encode()))
