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
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from pytest_scf.instances.forkserver import fdpassing, init, linux, own_modules, reaping, warmup
from pytest_scf.instances.forkserver.isolation import Isolation
from pytest_scf.runtimes import launch_keys, python, wire


def main(control: socket.socket, lifelines: list[int], isolation: Isolation) -> None:
    """Never returns. Ends, with all instances and status 0, when the other end of ``control`` or of a lifeline closes.

    A lifeline is the reading end of a pipe to which nobody writes: one is held open by the test process alone, one by
    the supervisor.
    """
    status = 0
    zygote = None
    try:
        if sys.platform == "linux":
            linux.become_subreaper()
            linux.unbuffer_c_stdout()
        error = isolation.enter()
        pid, started = linux.own_identity().split()
        hello = {
            "error": error,
            "path": [place for place in sys.path if os.path.isdir(place)],
            "pid": int(pid),
            "started": int(started),
        }
        control.sendall(wire.frame(wire.HELLO, json.dumps(hello).encode()))
        if error:
            status = 1
        else:
            python.prepare_interpreter()
            own_modules.hide()
            zygote = Zygote(control, lifelines, isolation)
            zygote.serve()
    except (BrokenPipeError, ConnectionResetError):
        pass  # the platform is gone
    except BaseException:
        traceback.print_exc()
        status = 1
    finally:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(os.getppid(), signal.SIGCONT)  # the supervisor has to go on, should it be stopped, to clean up
        if zygote is not None:
            os.close(zygote.alive_writer)
        isolation.end_children()
        os._exit(status)


#: what ``ps`` shows of a spare instance's processes
SPARE_NAME = "scf-spare"


class Spare(NamedTuple):
    """An instance that is prepared, and waits for its launch specification; see ``init``."""

    pid: int
    channel: socket.socket


class Instance(NamedTuple):
    """An instance that runs: what is needed when it has ended."""

    id: str
    tmp: str


class Launch(NamedTuple):
    """An instance that is requested, with its descriptors."""

    id: str
    tmp: str
    spec: bytes
    fds: list[int]


class Zygote:
    def __init__(self, control: socket.socket, lifelines: list[int], isolation: Isolation) -> None:
        self.control = control
        self.lifelines = lifelines
        self.isolation = isolation
        #: the instances by the PID of their init, and that PID by the id of the instance
        self.inits: dict[int, Instance] = {}
        self.pids: dict[str, int] = {}
        self.poll = select.poll()
        #: messages that the platform has not read yet: it may be busy writing requests
        self.outbox = fdpassing.Outbox(control)
        #: descriptors whose message has not been read yet; None: some were lost there
        self.received_fds: deque[int | None] = deque()
        self.launches: deque[Launch] = deque()
        #: channels of inits that have not read all of their specification yet, by descriptor
        self.unsent: dict[int, tuple[socket.socket, fdpassing.Outbox]] = {}
        #: prepared in advance, so that a launch is short
        self.spare: Spare | None = None
        self.spare_wanted = True
        #: what makes later instances start faster, from the first launch on until it is done
        self.rehearsal: Iterator[bool] | None = None
        self._rehearsed = False
        self.probe_wanted = False
        self.name = linux.own_name() if sys.platform == "linux" else ""
        #: the inits hold the reading end, so they see it when this process is gone
        self.zygote_alive, self.alive_writer = os.pipe()

    def serve(self) -> None:
        woken = reaping.watch_children()
        control = self.control.fileno()
        for fd in (control, *self.lifelines, woken):
            self.poll.register(fd, select.POLLIN)
        reader = wire.Reader()
        while True:
            ready = dict(self.poll.poll(self._timeout()))
            if not ready:
                self._use_the_time()
            if any(lifeline in ready for lifeline in self.lifelines):
                return
            if woken in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(woken, 512)
                self._reap()
            if ready.get(control, 0) & ~select.POLLOUT:
                received = fdpassing.receive(self.control)
                if not received.data:
                    return
                self.received_fds += received.fds
                if received.fds_lost:
                    self.received_fds.append(None)
                for kind, payload in reader.feed(received.data):
                    self._handle_message(kind, payload)
            self._launch_waiting()
            for fd in self.unsent.keys() & ready.keys():
                self._send_rest(fd)
            if self.outbox and self.outbox.flush():
                self.poll.modify(control, select.POLLIN)

    def _timeout(self) -> float | None:
        """Milliseconds to wait for something to do."""
        if self.launches:
            return fdpassing.RETRY_INTERVAL * 1000
        # A spare is made when there is nothing else to do.
        return 0 if self.spare_wanted or self.rehearsal is not None else None

    def _use_the_time(self) -> None:
        """There is nothing else to do."""
        if self.spare_wanted:
            self._make_ready()
        elif self.rehearsal is not None and not next(self.rehearsal, False):
            self.rehearsal = None

    def _make_ready(self) -> None:
        self.spare_wanted = False  # until the next launch, whatever comes of it
        if self.probe_wanted and python.probe_module is None:
            # The next instances find it loaded.
            own_modules.show()
            python.probe_module = importlib.import_module("pytest_scf.runtimes.probe.inside")
            own_modules.hide()
        if self.spare is None:
            with contextlib.suppress(OSError):  # the next launch reports it
                self.spare = self._make_spare()

    def _handle_message(self, kind: int, payload: bytes) -> None:
        if kind == wire.LAUNCH:
            self._accept(json.loads(payload), payload)
        elif kind == wire.SIGNAL_INIT:
            message = json.loads(payload)
            self._signal_init(message["id"], message["signal"])

    def _signal_init(self, instance_id: str, signum: int) -> None:
        pid = self.pids.get(instance_id)
        if pid is not None:
            os.kill(pid, signum)
            return
        for launch in self.launches:
            if launch.id == instance_id and signum == signal.SIGKILL:
                self.launches.remove(launch)
                fdpassing.close_all(launch.fds)
                self._send(wire.REAPED, {"id": instance_id})
                return

    def _accept(self, fields: dict[str, Any], payload: bytes) -> None:
        """A launch: its specification, and the same as it came."""
        instance_id = fields[launch_keys.ID]
        fds: list[int] = []
        while len(fds) < fields[launch_keys.FD_COUNT]:
            fd = self.received_fds.popleft()
            if fd is None:
                fdpassing.close_all(fds)
                error = "the fork server has as many open files as it may have (ulimit -n)"
                self._send(wire.LAUNCH_FAILED, {"id": instance_id, "error": error})
                return
            fds.append(fd)
        self.probe_wanted |= fields[launch_keys.PROBE] is not None
        self.launches.append(Launch(instance_id, fields[launch_keys.TMP], payload, fds))

    def _launch_waiting(self) -> None:
        while self.launches:
            launch = self.launches[0]
            try:
                pid = self._hand_over(launch)
            except BlockingIOError:  # too many descriptors are in flight
                return
            except OSError as error:
                self._send(wire.LAUNCH_FAILED, {"id": launch.id, "error": str(error)})
            else:
                self.inits[pid] = Instance(launch.id, launch.tmp)
                self.pids[launch.id] = pid
            self.launches.popleft()
            fdpassing.close_all(launch.fds)
            self.spare_wanted = True
            if not self._rehearsed:
                self._rehearsed = True
                self.rehearsal = warmup.rehearse()

    def _hand_over(self, launch: Launch) -> int:
        """Give a spec to the spare, or to one made now; the PID of its init."""
        data = memoryview(wire.frame(wire.LAUNCH, launch.spec))
        while True:
            spare, self.spare = self.spare, None
            was_ready = spare is not None
            if spare is None:
                spare = self._make_spare()
            try:
                rest = fdpassing.try_send(spare.channel, data, launch.fds)
            except BlockingIOError:
                self.spare = spare
                raise
            except OSError:
                spare.channel.close()
                if was_ready:
                    continue  # it was killed: make another
                raise
            if rest:
                outbox = fdpassing.Outbox(spare.channel)
                outbox.put(rest)
                self.unsent[spare.channel.fileno()] = spare.channel, outbox
                self.poll.register(spare.channel, select.POLLOUT)
            else:
                spare.channel.close()
            return spare.pid

    def _send_rest(self, fd: int) -> None:
        channel, outbox = self.unsent[fd]
        try:
            finished = outbox.flush()
        except OSError:  # it was killed, which is seen when it is reaped
            finished = True
        if finished:
            del self.unsent[fd]
            self.poll.unregister(fd)
            channel.close()

    def _make_spare(self) -> Spare:
        ours, theirs = socket.socketpair()
        # Before the fork, so that the child has the name from its start.
        init.set_process_name(SPARE_NAME)
        try:
            pid = self.isolation.fork_init()
        except OSError:
            ours.close()
            theirs.close()
            init.set_process_name(self.name)
            raise
        if pid == 0:
            ours.close()
            self._become_child()
            init.main(self.isolation, theirs, [self.lifelines[0], self.zygote_alive], self.name)
        init.set_process_name(self.name)
        theirs.close()
        return Spare(pid, ours)

    def _become_child(self) -> None:
        """Close what is this process's alone, so that its end, and that of other instances, stays visible."""
        self.control.close()
        if self.spare is not None:
            self.spare.channel.close()
        for channel, _outbox in self.unsent.values():
            channel.close()
        for launch in self.launches:
            fdpassing.close_all(launch.fds)
        fdpassing.close_all([fd for fd in self.received_fds if fd is not None])
        reaping.stop_watching_children()
        fdpassing.close_all([*self.lifelines[1:], self.alive_writer])

    def _reap(self) -> None:
        while True:
            try:
                pid, _status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            instance = self.inits.pop(pid, None)
            if self.spare is not None and pid == self.spare.pid:
                self.spare.channel.close()
                self.spare = None
                self._clean_up_after_init(None)
            if instance is not None:
                del self.pids[instance.id]
                self._clean_up_after_init(os.path.dirname(instance.tmp))
                self._send(wire.REAPED, {"id": instance.id})

    def _clean_up_after_init(self, directory: str | None) -> None:
        spare = () if self.spare is None else (self.spare.pid,)
        self.isolation.clean_up_after_init(frozenset((*self.inits, *spare)), directory)

    def _send(self, kind: int, message: dict[str, Any]) -> None:
        """Send the platform a message, or as soon as it takes one: this process has to go on reading what it sends."""
        waiting = bool(self.outbox)
        self.outbox.put(wire.frame(kind, json.dumps(message).encode()))
        if not waiting and not self.outbox.flush():
            self.poll.modify(self.control, select.POLLIN | select.POLLOUT)
