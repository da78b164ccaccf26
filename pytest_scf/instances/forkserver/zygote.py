"""The zygote: forks one init per instance from an interpreter that is warm and already in the shared mount tree."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import sys
import traceback
from typing import Any, NamedTuple

from pytest_scf import facts
from pytest_scf.instances.forkserver import fdpassing, init, linux, mounts, reaping, rmtree
from pytest_scf.runtimes import python, wire


def main(control: socket.socket, lifelines: list[int], level: str) -> None:
    """Never returns. Ends, with all instances, when the other end of ``control`` or of a lifeline closes.

    A lifeline is the reading end of a pipe to which nobody writes: one is held open by the test process alone, one by
    the supervisor.
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
            reaping.wait_for_children()
        reaping.kill_all_children()
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
            mounts.mount_proc()
            mounts.enter_instance_tree(facts.CODE_ROOT, 4096, [])
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


#: what ``ps`` shows of a spare instance's processes
SPARE_NAME = "scf-spare"


class Spare(NamedTuple):
    """An instance that is all there but for what tells it from others; see ``init``."""

    pid: int
    channel: socket.socket


class Zygote:
    def __init__(self, control: socket.socket, lifelines: list[int], level: str) -> None:
        self.control = control
        self.lifelines = lifelines
        self.level = level
        #: the spec of each instance by the PID of its init
        self.inits: dict[int, dict[str, Any]] = {}
        self.received_fds: list[int] = []
        #: kept ready, so that most of an instance's start is over when it is asked for
        self.spare: Spare | None = None
        self.spare_wanted = True
        self.name = linux.own_name() if sys.platform == "linux" else ""
        #: the inits hold the reading end, so they see it when this process is gone
        self.zygote_alive, self.held_to_the_end = os.pipe()

    def serve(self) -> None:
        woken = reaping.watch_children()
        poll = select.poll()
        for fd in (self.control.fileno(), *self.lifelines, woken):
            poll.register(fd, select.POLLIN)
        reader = wire.Reader()
        while True:
            # A spare is made when there is nothing else to do.
            ready = dict(poll.poll(0 if self.spare_wanted else None))
            if not ready:
                self._make_ready()
            if any(lifeline in ready for lifeline in self.lifelines):
                return
            if woken in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(woken, 512)
                self._reap()
            if self.control.fileno() in ready:
                data, fds = fdpassing.receive_some(self.control)
                if not data:
                    return
                self.received_fds += fds
                for kind, payload in reader.feed(data):
                    self._handle_message(kind, payload)

    def _make_ready(self) -> None:
        self.spare_wanted = False  # until the next launch, whatever comes of it
        if self.spare is None:
            with contextlib.suppress(OSError):  # of which the next launch will have to speak
                self.spare = self._make_spare()

    def _handle_message(self, kind: int, payload: bytes) -> None:
        message = json.loads(payload)
        if kind == wire.LAUNCH:
            self._launch(message, payload)
        elif kind == wire.SIGNAL_INIT:
            for pid, spec in self.inits.items():
                if spec["id"] == message["id"]:
                    os.kill(pid, message["signal"])

    def _launch(self, spec: dict[str, Any], payload: bytes) -> None:
        count = spec["sockets"]
        fds = self.received_fds[:count]
        try:
            pid = self._hand_over(payload, fds)
        except OSError as error:
            self._tell(wire.LAUNCH_FAILED, {"id": spec["id"], "error": str(error)})
        else:
            self.inits[pid] = spec
            if spec["probe"] is not None and python.probe_module is None:
                # The next instances find it loaded.
                python.probe_module = importlib.import_module("pytest_scf.runtimes.probe.inside")
        finally:
            del self.received_fds[:count]
            for fd in fds:
                os.close(fd)
        self.spare_wanted = True

    def _hand_over(self, spec: bytes, fds: list[int]) -> int:
        """Give a spec to the spare, or to one made now; the PID of its init."""
        spare, self.spare = self.spare, None
        if spare is not None:
            try:
                fdpassing.send(spare.channel, spec, fds)
                return spare.pid
            except OSError:
                pass  # somebody killed it
            finally:
                spare.channel.close()
        spare = self._make_spare()
        try:
            fdpassing.send(spare.channel, spec, fds)
        finally:
            spare.channel.close()
        return spare.pid

    def _make_spare(self) -> Spare:
        ours, theirs = socket.socketpair()
        # Called so from its first moment on.
        init.set_process_name(SPARE_NAME)
        try:
            pid = linux.fork_into(linux.CLONE_NEWNS | linux.CLONE_NEWPID) if self.level == "namespaces" else os.fork()
        except OSError:
            ours.close()
            theirs.close()
            init.set_process_name(self.name)
            raise
        if pid == 0:
            ours.close()
            self._become_child()
            init.main(self.level, theirs, [self.lifelines[0], self.zygote_alive], self.name)
        init.set_process_name(self.name)
        theirs.close()
        return Spare(pid, ours)

    def _become_child(self) -> None:
        """Close what is this process's alone, so that its end, and that of other instances, stays visible."""
        self.control.close()
        if self.spare is not None:
            self.spare.channel.close()
        reaping.stop_watching_children()
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
            if self.spare is not None and pid == self.spare.pid:
                self.spare.channel.close()
                self.spare = None
                if self.level != "namespaces":
                    self._end_strays()
            if spec is not None:
                if self.level != "namespaces":
                    self._clean_up_after(spec)
                self._tell(wire.REAPED, {"id": spec["id"]})

    def _clean_up_after(self, spec: dict[str, Any]) -> None:
        """An init that was killed from outside leaves its children and its directory to us.

        Children of theirs come to us, too, before their parent can be reaped: the next listing shows them.
        """
        self._end_strays()
        directory = os.path.dirname(spec["tmp"])
        if os.path.lexists(directory):
            rmtree.remove_tree(directory)

    def _end_strays(self) -> None:
        known = {*self.inits, self.spare.pid} if self.spare is not None else set(self.inits)
        while strays := [pid for pid in reaping.children() if pid not in known]:
            for pid in strays:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            for pid in strays:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, 0)

    def _tell(self, kind: int, message: dict[str, Any]) -> None:
        self.control.sendall(wire.frame(kind, json.dumps(message).encode()))
