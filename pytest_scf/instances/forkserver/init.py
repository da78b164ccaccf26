"""The init of one instance: the process above the user's.

Its place: fork server (zygote) -> init -> user's process. In a PID namespace it is PID 1, so that its death takes every
descendant with it, and the user's process is an ordinary one, which SIGTERM ends by default as in the cloud.
It begins as a spare: what is the same for all instances is done, the user's process is forked, and both wait to be told
which instance they are. Then it mounts the code, hands the specification to the user's process, reaps orphans, reports
to the platform how the user's process ended (the raw wait status: exit 143 and death by SIGTERM are different facts),
and ends.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import signal
import socket
import sys
import threading
import traceback
from typing import Any

from pytest_scf.instances.forkserver import fdpassing, linux, own_modules, reaping, warmup
from pytest_scf.instances.forkserver.isolation import Isolation
from pytest_scf.instances.launch_spec import LaunchSpec, ServerSpec
from pytest_scf.runtimes import python, wire

# The user's code may replace os._exit, and must not return into the code of this module.
_exit = os._exit


class Sockets:
    """What the platform hands over for one instance."""

    def __init__(self, fds: list[int], spec: LaunchSpec) -> None:
        self.fds = fds
        self.runtime = socket.socket(fileno=fds[0])
        self.init = socket.socket(fileno=fds[1])
        self.out = fds[2]
        more = [socket.socket(fileno=fd) for fd in fds[3:]]
        self.coverage = more.pop(0) if spec.coverage is not None else None
        self.probe = more.pop(0) if spec.probe is not None else None

    @property
    def of_the_runtime(self) -> list[socket.socket]:
        """Those that the user's process keeps, in the order in which a program that it executes is told of them."""
        return [each for each in (self.runtime, self.coverage, self.probe) if each is not None]

    def close(self) -> None:
        for each in (*self.of_the_runtime, self.init):
            each.close()
        os.close(self.out)


def main(isolation: Isolation, channel: socket.socket, lifelines: list[int], name: str) -> None:
    """Never returns. ``channel`` gives the spec, once, with the sockets of the instance.

    ``lifelines`` are held open by the test process and by the zygote: see there. ``name`` is what the processes of an
    instance are called, which a spare is not yet.
    """
    spec: LaunchSpec | None = None
    sockets = None
    try:
        failure = None
        try:
            isolation.prepare_init()
            user, to_user = _fork_user_process(isolation, name, [*lifelines, channel.fileno()])
        except OSError as error:
            failure = error
        reaping.ignore_termination_signals()
        message = _wait_for_spec(channel, lifelines)
        if message is None:
            return
        text, fds = message
        spec = LaunchSpec.from_json(text)
        channel.close()
        sockets = Sockets(fds, spec)
        if failure is not None:
            raise failure
        set_process_name(name)
        has_new_root = isolation.make_tree(spec)
        is_bootstrap = spec.server is not None and not spec.server.kind.listens
        needs_network = isolation.own_network and not is_bootstrap and (spec.server is not None or _is_cut_off(spec))
        if has_new_root or needs_network:
            # The process that waits is in the root and the network of before, and has no right to leave them any more.
            to_user.close()
            os.waitpid(user, 0)
            if needs_network:
                _enter_network(sockets.init, () if spec.server is None else spec.server.host_ports, lifelines)
            user, to_user = _fork_user_process(isolation, name, [*lifelines, *sockets.fds])
        listener = None
        if is_bootstrap:
            listener = socket.create_server(("127.0.0.1", 0))
            address, port = listener.getsockname()
            spec.environ.update(SCF_RUNTIME_API=address, SCF_RUNTIME_API_PORT=str(port))
            text = spec.to_json()
        # Before any of the user's code runs, which may stop this process: it has to be known by then, to be continued.
        sockets.init.sendall(wire.frame(wire.INIT_STARTED, linux.own_identity()))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it was killed: seen when it is reaped
            if not fdpassing.send(to_user, wire.frame(wire.LAUNCH, text), fds, lifelines):
                return
        to_user.close()
        _watch(spec, sockets, lifelines, user, listener)
    except BaseException as error:
        # Report the error, then end the instance.
        if sockets is not None:
            with contextlib.suppress(OSError):
                sockets.init.sendall(wire.frame(wire.START_FAILED, f"{type(error).__name__}: {error}".encode()))
    finally:
        try:
            isolation.end_instance(spec)
        finally:
            _exit(0)


def _fork_user_process(isolation: Isolation, name: str, not_its_own: list[int]) -> tuple[int, socket.socket]:
    """Fork the process that waits for its specification: its PID, and the socket for it."""
    to_user, from_init = socket.socketpair()
    try:
        user = os.fork()
    except OSError:
        to_user.close()
        from_init.close()
        raise
    if user == 0:
        for fd in not_its_own:
            os.close(fd)
        to_user.close()
        _become_user_process(isolation, from_init, name)
    from_init.close()
    return user, to_user


def _is_cut_off(spec: LaunchSpec) -> bool:
    """Whether a fault of the test cuts the instance off the network."""
    fault = (spec.probe or {}).get("fault")
    return fault is not None and bool(fault["no_network"])


def _enter_network(channel: socket.socket, host_ports: tuple[int, ...], lifelines: list[int]) -> None:
    """Enter a new network; sockets that listen in it for services of the test are sent to the platform."""
    linux.unshare(linux.CLONE_NEWNET)
    linux.bring_up_loopback()
    if not host_ports:
        return
    listening = [socket.create_server(("127.0.0.1", port)) for port in host_ports]
    fdpassing.send(channel, wire.frame(wire.LISTENING), [each.fileno() for each in listening], lifelines)
    for each in listening:
        each.close()


def _wait_for_spec(channel: socket.socket, lifelines: list[int]) -> tuple[bytes, list[int]] | None:
    """The launch specification (JSON) and its descriptors; None when none will come."""
    poll = select.poll()
    for fd in (channel.fileno(), *lifelines):
        poll.register(fd, select.POLLIN)
    ready = dict(poll.poll())
    if any(lifeline in ready for lifeline in lifelines):
        return None
    return fdpassing.receive_spec(channel)


def set_process_name(name: str) -> None:
    if sys.platform == "linux":
        linux.set_name(name)


def _become_user_process(isolation: Isolation, channel: socket.socket, name: str) -> None:
    status = 70
    try:
        os.setsid()
        if sys.platform == "linux":
            isolation.limit_capabilities()
            linux.forbid_new_privileges()
            linux.die_with_parent()
        python.prepare_process()
        identity = linux.own_identity()
        warmup.warm_up(channel)
        message = fdpassing.receive_spec(channel)
        channel.close()
        if message is None:
            _exit(0)
        spec = LaunchSpec.from_json(message[0])
        sockets = Sockets(message[1], spec)
        set_process_name(name)
        sockets.init.sendall(wire.frame(wire.USER_PID, identity))
        sockets.init.close()
        if spec.server is not None:
            _become_server(isolation, spec, spec.server, sockets)
        if spec.command is not None:
            _execute(spec.command, spec.environ, sockets)
        python.connect_standard_streams(sockets.out)
        for variable, value in spec.environ.items():
            os.environ[variable] = value
        fields = spec.fields()
        python.prepare_function(fields)
        status = python.run(sockets.runtime, fields, sockets.coverage, sockets.probe)
    except BaseException:
        os.write(2, traceback.format_exc().encode("utf-8", "backslashreplace"))
    finally:
        _exit(status)


def _execute(command: tuple[str, ...], environ: dict[str, str], sockets: Sockets) -> None:
    os.dup2(sockets.out, 1)
    os.dup2(sockets.out, 2)
    arguments = list(command)
    for each in sockets.of_the_runtime:
        each.set_inheritable(True)
        arguments.append(str(each.fileno()))
    _restore_signals()
    os.execve(arguments[0], arguments, environ)


def _restore_signals() -> None:
    """Undo SIG_IGN of Python and of the init, which a new program would inherit."""
    for signum in signal.valid_signals():
        if signal.getsignal(signum) == signal.SIG_IGN:
            signal.signal(signum, signal.SIG_DFL)


def _become_server(isolation: Isolation, spec: LaunchSpec, server: ServerSpec, sockets: Sockets) -> None:
    """Execute the program of a server function, or report why it cannot be started. Never returns."""
    reason = "container"
    cwd = server.cwd or spec.code_root
    try:
        problem = isolation.why_port_is_taken(server.port) if server.kind.listens else ""
        if problem:
            reason = "port"
        else:
            python.connect_standard_streams(os.dup(sockets.out))
            _restore_signals()
            os.chdir(cwd)
            environ = spec.environ
            if sockets.probe is not None:
                sockets.probe.set_inheritable(True)
                environ = _with_probe(spec, cwd, sockets.probe.fileno())
            os.execvpe(server.command[0], server.command, environ)
    except OSError as error:
        missing = error.errno == errno.ENOENT and "/" not in server.command[0]
        why = f"there is no program {server.command[0]!r} on its PATH" if missing else str(error)
        problem = f"{' '.join(server.command)!r} cannot be started in {cwd}: {why}"
    facts = {"type": "OSError", "message": problem, "stack": "", "reason": reason}
    sockets.runtime.sendall(wire.frame(wire.LOAD_FAILED, wire.MEASURE.pack(0, 0) + json.dumps(facts).encode()))
    _exit(127)


def _with_probe(spec: LaunchSpec, cwd: str, fd: int) -> dict[str, str]:
    """The environment that has a server in Python load the probe at its start."""
    site = os.path.join(os.path.dirname(os.path.abspath(python.__file__)), "probe", "site")
    return {
        **spec.environ,
        "PYTHONPATH": os.pathsep.join([site, *filter(None, [spec.environ.get("PYTHONPATH")])]),
        "_SCF_PROBE_FD": str(fd),
        "_SCF_PROBE_CONFIG": json.dumps(spec.probe),
        "_SCF_PROBE_ROOT": cwd,
    }


def _serve_beside(
    spec: LaunchSpec, server: ServerSpec, runtime: socket.socket, user: int, listener: socket.socket | None
) -> None:
    """Start the thread that passes events on to the server."""
    own_modules.show()
    from pytest_scf.runtimes.main_process import MainProcess

    process = MainProcess(user)
    beside: Any
    if listener is not None:
        from pytest_scf.runtimes.custom import CustomRuntime

        beside = CustomRuntime(runtime, spec.context, process, listener)
    else:
        from pytest_scf.runtimes.server import ServerRuntime

        beside = ServerRuntime(runtime, spec.context, process, server.port, is_web=server.kind.takes_requests)
    threading.Thread(target=beside.serve, name="scf-server", daemon=True).start()


def _watch(spec: LaunchSpec, sockets: Sockets, lifelines: list[int], user: int, listener: socket.socket | None) -> None:
    """Wait for the user's process to end, and until then do what the platform asks."""
    channel = sockets.init
    woken = reaping.watch_children()
    if spec.server is not None:
        _serve_beside(spec, spec.server, sockets.runtime, user, listener)
    else:
        sockets.runtime.close()
    os.close(sockets.out)
    for each in (sockets.coverage, sockets.probe):
        if each is not None:
            each.close()
    poll = select.poll()
    for fd in (*lifelines, channel.fileno(), woken):
        poll.register(fd, select.POLLIN)
    reader = wire.Reader()
    while True:
        ended = _reap(user)
        if ended is not None:
            fdpassing.send(channel, wire.frame(wire.USER_EXIT, wire.EXIT.pack(*ended)), [], lifelines)
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
                    # Not yet reaped, so the PID cannot have been reused.
                    os.kill(user, payload[0])
                    fdpassing.send(channel, wire.frame(wire.SIGNALLED, b"1"), [], lifelines)


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
