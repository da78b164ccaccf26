"""The Python runtime: loads the handler, calls it once per event, and reports what came of it.

Runs in the main thread of the user's process, either forked from the fork server or started as a script. The standard
library only, Python 3.6 and later. Facts of the cloud: docs/cloud-contract.md#python.
"""

import os
import sys

if not __package__:  # started as a script, by an interpreter that need not have this package
    import types

    _here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [place for place in sys.path if place != _here]
    _package = types.ModuleType("pytest_scf")
    _package.__path__ = [os.path.dirname(_here)]
    sys.modules["pytest_scf"] = _package

import atexit
import json
import socket
import threading
import time

from pytest_scf import facts
from pytest_scf.runtimes import breakpoints, fault_dump, launch_keys, line_counter, log_handler, sdk, wire
from pytest_scf.runtimes.channel import Channel
from pytest_scf.runtimes.failures import compiler_message, describe_failure, is_a, user_traceback
from pytest_scf.runtimes.handler_loader import HandlerMissing, load_handler
from pytest_scf.runtimes.observers import watch_shared_tmp, watch_signal_handlers
from pytest_scf.runtimes.streams import connect_standard_streams, make_standard_streams

MYPY = False
if MYPY:  # for the type comments only
    from typing import Any, Callable  # noqa: F401

try:
    import resource
except ImportError:  # pragma: no cover
    resource = None  # type: ignore[assignment]

__all__ = ["connect_standard_streams", "prepare_function", "prepare_interpreter", "prepare_process", "run"]

#: ``pytest_scf.runtimes.probe.inside`` where the fork server has loaded it for the instances that follow
probe_module = None  # type: Any

# Kept here because the user's code may replace them.
_exit = os._exit
_getpid = os.getpid
_open = open
_now = time.perf_counter
_dumps = json.dumps
_loads = json.loads


#: the memory limit of the function
_limit_kib = 0


def _peak_kib():
    # type: () -> int
    if resource is None:  # pragma: no cover
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if sys.platform == "darwin":
        return peak // 1024
    if peak > _limit_kib and "mmap" in sys.modules:
        # The peak may include mapped files, which do not count, and the kernel keeps no peak without them.
        try:
            with _open("/proc/self/statm", "rb") as file:
                return int(file.read().split()[1]) * resource.getpagesize() // 1024
        except OSError:
            pass
    return peak


def _encode(value):
    # type: (object) -> object
    decimal = sys.modules.get("decimal")
    if decimal is not None and isinstance(value, decimal.Decimal):
        return str(value)
    return json.JSONEncoder().default(value)


def call_handler(channel, handler, request_id, payload, context):
    # type: (Channel, object, str, bytes, dict[str, object]) -> tuple[int, bytes]
    """The kind and the payload of the answer. Raises what ends the process."""
    began = _now()
    try:
        value = handler(_loads(payload), dict(context, request_id=request_id))  # type: ignore[operator]
        # Inside of the try: a signal handler may still raise.
        body = _dumps(value, ensure_ascii=False, default=_encode).encode("utf-8", "backslashreplace")
        kind = wire.RETURNED
        if len(body) > facts.RESPONSE_BYTES:
            kind, body = wire.TOO_LARGE, str(len(body)).encode()
        return kind, wire.MEASURE.pack(_now() - began, _peak_kib()) + body
    except SystemExit:
        raise
    except BaseException as error:
        if _getpid() != channel.pid:
            raise
        return wire.RAISED, wire.MEASURE.pack(_now() - began, _peak_kib()) + describe_failure(error)


def _make_probe(sock, config, code_root):
    # type: (socket.socket, object, str) -> Any
    module = probe_module
    if module is None:
        import importlib.util

        # Under another name, since an interpreter that is not the test's does not have this package.
        name = "_scf_probe"
        directory = os.path.join(os.path.dirname(os.path.abspath(__file__)), "probe")
        file = os.path.join(directory, "__init__.py")
        spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=[directory])
        assert spec is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        module = importlib.import_module(name + ".inside")
        for each in [each for each in sys.modules if each.partition(".")[0] == name]:
            del sys.modules[each]
    return module.make(sock, config, code_root)


def serve(sock, spec, coverage_socket=None, probe_socket=None):
    # type: (socket.socket, dict[str, Any], socket.socket | None, socket.socket | None) -> None
    """Load the handler, then answer events until the platform closes the socket."""
    global _limit_kib
    _limit_kib = spec[launch_keys.CONTEXT][launch_keys.MEMORY_LIMIT] * 1024
    channel = Channel(sock)
    watch_signal_handlers(channel)
    breakpoints.explain()
    code_root = spec[launch_keys.CODE_ROOT]
    if spec[launch_keys.WATCH_TMP]:
        watch_shared_tmp(channel, spec[launch_keys.TMP], _own_places(spec))
    began = _now()
    recorder = None
    if coverage_socket is not None:
        recorder = line_counter.LineCounter(coverage_socket, code_root, spec[launch_keys.COVERAGE])
    probe = None
    try:
        probe = None if probe_socket is None else _make_probe(probe_socket, spec[launch_keys.PROBE], code_root)
        if probe is not None:
            probe.before_load()
            handler = load_handler(spec[launch_keys.HANDLER], code_root, probe.enter)
            handler = probe.after_load(handler)
        else:
            handler = load_handler(spec[launch_keys.HANDLER], code_root)
    except BaseException as error:
        if recorder:
            recorder.save()
        if probe is not None:
            probe.not_loaded()
        if is_a(error, SystemExit) or _getpid() != channel.pid:
            raise
        missing = is_a(error, HandlerMissing)
        describe_stack = compiler_message if missing else user_traceback
        failure = describe_failure(error, describe_stack, reason="handler" if missing else "code")
        channel.send(wire.LOAD_FAILED, wire.MEASURE.pack(_now() - began, _peak_kib()) + failure)
        return
    _end_fork(channel)
    channel.send(wire.READY, wire.MEASURE.pack(_now() - began, _peak_kib()))
    context = spec[launch_keys.CONTEXT]
    length = wire.REQUEST_ID_LENGTH
    while True:
        message = channel.receive()
        if message is None:
            return
        kind, payload = message
        if kind == wire.PING:
            channel.send(wire.PONG, b"")
            continue
        try:
            kind, answer = call_handler(channel, handler, payload[:length].decode("ascii"), payload[length:], context)
        finally:
            if recorder:
                recorder.save()
        _end_fork(channel)
        channel.send(kind, answer)


def _own_places(spec):
    # type: (dict[str, Any]) -> list[str]
    """Directories below the machine's /tmp that a handler reads, and nobody wonders."""
    return [spec[launch_keys.CODE_ROOT], spec[launch_keys.LAYERS_ROOT], *spec[launch_keys.KEEP_VISIBLE]]


def _end_fork(channel):
    # type: (Channel) -> None
    """End a process that the user's code has forked and that returned from it: only the original process answers."""
    if _getpid() != channel.pid:
        _exit(0)


def run(sock, spec, coverage_socket=None, probe_socket=None):
    # type: (socket.socket, dict[str, Any], socket.socket | None, socket.socket | None) -> int
    """Serve, then end as an interpreter does: wait for threads, run exit functions; returns the exit status."""
    status = 0
    try:
        serve(sock, spec, coverage_socket, probe_socket)
    except SystemExit as leaving:
        code = leaving.code
        if code is None:
            status = 0
        elif isinstance(code, int):
            status = code & 0xFF
        else:
            status = 1
            _write_to_stderr(str, code)
    except BaseException as error:
        status = 1
        _write_to_stderr(user_traceback, error)
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    except BaseException as error:
        _write_to_stderr(user_traceback, error)
    return status


def _write_to_stderr(describe, what):
    # type: (Callable[[Any], str], object) -> None
    try:
        sys.stderr.write("%s\n" % describe(what).rstrip("\n"))
    except Exception:  # the error's text or the stream is broken, which must not change the exit status
        pass


def main():
    # type: () -> None
    """Started as a script: descriptor of the socket in the first argument, the spec is the first frame."""
    sock = socket.socket(fileno=int(sys.argv[1]))
    reader = wire.Reader()
    frames = []  # type: list[tuple[int, bytes]]
    while not frames:
        # read exactly one frame: what follows is for the channel
        head = sock.recv(wire.HEADER.size, socket.MSG_WAITALL)
        body = sock.recv(wire.HEADER.unpack(head)[0], socket.MSG_WAITALL)
        frames = reader.feed(head + body)
    spec = json.loads(frames[0][1])
    # In this order, as far as the specification asks for them.
    handed = [socket.socket(fileno=int(fd)) for fd in sys.argv[2:]]
    coverage_socket = handed.pop(0) if spec[launch_keys.COVERAGE] is not None else None
    probe_socket = handed.pop(0) if spec[launch_keys.PROBE] is not None else None
    for each in (sock, coverage_socket, probe_socket):
        if each is not None:
            each.set_inheritable(False)
    connect_standard_streams(os.dup(1))
    prepare_interpreter()
    prepare_process()
    # The fork server's module search path: packages of the user, and those installed in editable form.
    sys.path += [place for place in spec[launch_keys.PATH] if place not in sys.path]
    prepare_function(spec)
    _exit(run(sock, spec, coverage_socket, probe_socket))


def prepare_interpreter():
    # type: () -> None
    """Streams, logging and arguments as the cloud's runtime has them: what is the same for all functions.

    The fork server does it once: what an instance changes of what it shares with others it has a copy of, in pages.
    """
    make_standard_streams()
    log_handler.install()
    sys.argv = [""]


def prepare_process():
    # type: () -> None
    """What is the same for all functions, and what a fork does not have of its parent."""
    fault_dump.enable()


def prepare_function(spec):
    # type: (dict[str, Any]) -> None
    """Working directory, module search path and what is reached from inside, as the function has them."""
    code_root = spec[launch_keys.CODE_ROOT]
    os.chdir(code_root)
    sys.dont_write_bytecode = True
    if hasattr(time, "tzset"):
        time.tzset()  # a fork has inherited the zone of this machine
    first = [code_root, spec[launch_keys.LAYERS_ROOT]]
    sys.path[:] = first + [place for place in sys.path if place and place not in first]
    sys.path_importer_cache.clear()
    if spec[launch_keys.API_PORT]:
        sdk.reach_platform(spec[launch_keys.API_PORT])
    if "PYTEST_SCF_COS_ENDPOINT" in os.environ:
        sdk.reach_buckets(os.environ["PYTEST_SCF_COS_ENDPOINT"])


if __name__ == "__main__":
    for _name in [name for name in sys.modules if name.partition(".")[0] == "pytest_scf"]:
        del sys.modules[_name]  # the user's code finds none of ours
    main()
