"""The Python runtime: loads the handler, calls it once per event, and reports what came of it.

Runs in the main thread of the user's process, either forked from the fork server or started as a script. The standard
library only, Python 3.6 and later. Facts of the cloud: contract 5.
"""

import builtins
import io
import json
import os
import signal
import socket
import sys
import threading
import time
import types

MYPY = False
if MYPY:  # for the type comments only
    from typing import Any  # noqa: F401

if __package__:
    from pytest_scf import facts
    from pytest_scf.runtimes import sdk, wire
else:  # started as a script, by an interpreter that need not have this package
    import importlib.util

    def _load(file):
        # type: (str) -> Any
        name = os.path.basename(file)[: -len(".py")]
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    _here = os.path.dirname(os.path.abspath(__file__))
    wire = _load(os.path.join(_here, "wire.py"))
    sdk = _load(os.path.join(_here, "sdk.py"))
    facts = _load(os.path.join(os.path.dirname(_here), "facts.py"))

try:
    import resource
except ImportError:  # pragma: no cover
    resource = None  # type: ignore[assignment]

#: ``pytest_scf.runtimes.probe.inside`` where the fork server has loaded it for the instances that follow
probe_module = None  # type: Any
_OUR_FILES = {__file__, wire.__file__, sdk.__file__}


class _Output(io.RawIOBase):
    """Standard output without a buffer, so that a killed process loses nothing that it wrote.

    A buffered writer would also refuse to be entered again from a signal handler that prints.
    """

    def __init__(self, fd):
        # type: (int) -> None
        self._fd = fd

    def fileno(self):
        # type: () -> int
        return self._fd

    def writable(self):
        # type: () -> bool
        return True

    def write(self, data):  # type: ignore[no-untyped-def]
        fd = self._fd
        written = os.write(fd, data)
        total = len(data)
        if written != total:
            rest = memoryview(data).cast("B")
            total = len(rest)
            while written < total:
                written += os.write(fd, rest[written:])
        return total


def connect_standard_streams(out):
    # type: (int) -> None
    """Point descriptors 0, 1 and 2 at nothing, ``out`` and ``out``."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    for fd in {null, out} - {0, 1, 2}:
        os.close(fd)


def make_standard_streams():
    # type: () -> None
    """Make Python's streams write through, to whatever the descriptors 1 and 2 lead to."""
    sys.stdin = sys.__stdin__ = open(0, closefd=False)  # type: ignore[misc]  # noqa: SIM115
    streams = []  # type: list[io.TextIOBase]
    for name, fd, errors in (("stdout", 1, "strict"), ("stderr", 2, "backslashreplace")):
        stream = io.TextIOWrapper(_Output(fd), encoding="utf-8", errors=errors, newline="\n", write_through=True)  # type: ignore[type-var]
        stream.mode = "w"  # type: ignore[misc]
        setattr(sys, name, stream)
        setattr(sys, "__%s__" % name, stream)
        streams.append(stream)
    _print_in_one_piece(streams)


def _print_in_one_piece(streams):
    # type: (list[io.TextIOBase]) -> None
    """Have ``print`` write a line and its end at once, as nothing is buffered that would join them.

    Whoever waits for the line in the log, or writes to it at the same time, finds it whole.
    """
    original = builtins.print

    def print_(*values, sep=" ", end="\n", file=None, flush=False):
        # type: (object, str | None, str | None, io.TextIOBase | None, bool) -> None
        wanted = sys.stdout if file is None else file  # type: object
        for stream in streams:
            if stream is wanted:
                text = io.StringIO(newline="\n")
                original(*values, sep=sep, end=end, file=text)
                stream.write(text.getvalue())
                return
        original(*values, sep=sep, end=end, file=file, flush=flush)

    print_.__name__ = print_.__qualname__ = "print"
    print_.__doc__ = original.__doc__
    print_.__module__ = "builtins"
    builtins.print = print_  # type: ignore[assignment]


class Channel:
    """The runtime's end of its socket. Only the main thread of the user's process writes to it."""

    def __init__(self, sock):
        # type: (socket.socket) -> None
        self.pid = os.getpid()
        self._sock = sock
        self._sending = False
        self._outgoing = []  # type: list[bytes]
        self._reader = wire.Reader()
        self._frames = []  # type: list[tuple[int, bytes]]

    def send(self, kind, payload):
        # type: (int, bytes) -> None
        # A signal handler may run in the middle of a frame; what it has to say goes behind that frame.
        outgoing = self._outgoing
        outgoing.append(wire.frame(kind, payload))
        while outgoing and not self._sending:
            self._sending = True
            try:
                self._sock.sendall(outgoing.pop(0))
            finally:
                self._sending = False

    def receive(self):
        # type: () -> tuple[int, bytes] | None
        while not self._frames:
            data = self._sock.recv(65536)
            if not data:
                return None
            self._frames = self._reader.feed(data)
        return self._frames.pop(0)


def _peak_kib():
    # type: () -> int
    if resource is None:  # pragma: no cover
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak


def _stack(error):
    # type: (BaseException) -> str
    """The traceback as the user should see it: from the first frame that is the user's."""
    import traceback

    tb = error.__traceback__
    while tb is not None and (
        tb.tb_frame.f_code.co_filename in _OUR_FILES or tb.tb_frame.f_code.co_filename.startswith("<frozen importlib")
    ):
        tb = tb.tb_next
    found = traceback.TracebackException(type(error), error, tb)
    each = found  # type: traceback.TracebackException | None
    while each is not None:  # a stand-in or a stop is in between where the user's code called it
        each.stack[:] = [frame for frame in each.stack if frame.filename not in _OUR_FILES]
        each = each.__cause__ or each.__context__
    return "".join(found.format())


def _where(error):
    # type: (HandlerMissing) -> str
    """The line at which a handler's file cannot be compiled; "" where it is something else that is missing."""
    import traceback

    cause = error.__cause__
    return "" if cause is None else "".join(traceback.format_exception_only(type(cause), cause))


def _failure(error, **more):
    # type: (BaseException, str) -> bytes
    kind = type(error)
    name = kind.__name__ if kind.__module__ in ("builtins", "__main__") else kind.__module__ + "." + kind.__name__
    # Not what a signal handler may raise in here to end the process.
    try:
        message = str(error)
    except Exception as second:
        message = "<str() of it raised %s>" % type(second).__name__
    try:
        stack = _where(error) if isinstance(error, HandlerMissing) else _stack(error)
    except Exception as second:
        stack = "<the traceback of it raised %s>" % type(second).__name__
    facts = {"type": name, "message": message, "stack": stack}
    facts.update(more)
    return json.dumps(facts).encode("utf-8", "backslashreplace")


class HandlerMissing(Exception):
    """The handler's module or function is not there."""


def load_handler(handler, code_root):
    # type: (str, str) -> object
    """Import ``file.function`` from the code root, as the only thing of that name."""
    import importlib.util

    file, _, function = handler.rpartition(".")
    relative = file.replace(".", "/") if not os.path.exists(os.path.join(code_root, file + ".py")) else file
    path = os.path.join(code_root, relative + ".py")
    if not os.path.isfile(path):
        raise HandlerMissing("No module named '%s': there is no %s" % (file, path))
    name = file.replace("/", ".")
    if "." in name:
        importlib.import_module(name.rpartition(".")[0])
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        code = spec.loader.get_code(name)  # type: ignore[attr-defined]
    except (SyntaxError, ValueError) as error:
        del sys.modules[name]
        raise HandlerMissing("%s cannot be compiled: %s" % (path, error)) from error
    exec(code, module.__dict__)
    try:
        found = getattr(module, function)
    except AttributeError:
        raise HandlerMissing("'module' object has no attribute '%s'" % function) from None
    if not callable(found):
        raise HandlerMissing("'%s' in %s is not callable" % (function, path))
    return found


def _watch_signal_handlers(channel):
    # type: (Channel) -> None
    """Report what the process does with SIGTERM each time the user's code changes it."""
    original = signal.signal

    def signal_(signalnum, handler):  # type: ignore[no-untyped-def]
        previous = original(signalnum, handler)
        if signalnum == signal.SIGTERM and os.getpid() == channel.pid:
            caller = sys._getframe(1)
            # loop.add_signal_handler registers a stand-in; what is told is what it stands for, and who asked for it
            while caller.f_back is not None and str(caller.f_globals.get("__name__")).startswith("asyncio."):
                if caller.f_code.co_name == "add_signal_handler":
                    handler = caller.f_locals.get("callback", handler)
                caller = caller.f_back
            facts = {"disposition": "caught", "name": "", "file": caller.f_code.co_filename, "line": caller.f_lineno}
            if handler == signal.SIG_DFL:
                facts["disposition"] = "default"
            elif handler == signal.SIG_IGN:
                facts["disposition"] = "ignored"
            else:
                facts["name"] = getattr(handler, "__qualname__", None) or type(handler).__qualname__
            channel.send(wire.SIGNAL_HANDLER, json.dumps(facts).encode())
        return previous

    signal_.__name__ = signal_.__qualname__ = "signal"
    signal_.__doc__ = original.__doc__
    signal_.__module__ = "signal"
    signal_.__wrapped__ = original  # type: ignore[attr-defined]
    signal.signal = signal_


def _watch_shared_tmp(channel, own, allowed):
    # type: (Channel, str, list[str]) -> None
    """Report each file of the shared temporary directory that the user's code opens or changes.

    Where there are no namespaces nothing keeps a handler out of it, so at least it is said.
    """
    if not hasattr(sys, "addaudithook"):  # Python 3.8
        return
    shared = tuple({os.path.realpath("/tmp") + "/", "/tmp/"})
    inside = tuple(os.path.join(place, "") for place in [own, os.path.realpath(own), *allowed])
    operations = {
        "open",
        "os.mkdir",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.listdir",
        "os.scandir",
        "os.symlink",
        "os.link",
        "sqlite3.connect",
    }
    seen = set()  # type: set[str]

    def hook(name, args):  # type: ignore[no-untyped-def]
        if (
            name not in operations
            or os.getpid() != channel.pid
            or threading.current_thread() is not threading.main_thread()
        ):
            return
        for path in args[:2]:
            if isinstance(path, bytes):
                path = os.fsdecode(path)
            if not isinstance(path, str) or path in seen:
                continue
            full = os.path.abspath(path)
            if (full + "/").startswith(shared) and not (full + "/").startswith(inside):
                seen.add(path)
                channel.send(wire.SHARED_TMP, json.dumps({"path": full, "operation": name}).encode())

    sys.addaudithook(hook)


def _call(channel, handler, request_id, payload, context):
    # type: (Channel, object, str, bytes, dict[str, object]) -> tuple[int, bytes]
    """The kind and the payload of the answer. Raises what ends the process."""
    began = time.perf_counter()
    try:
        value = handler(json.loads(payload), dict(context, request_id=request_id))  # type: ignore[operator]
        # All that follows belongs in here: a signal handler may still raise.
        body = json.dumps(value).encode("utf-8", "backslashreplace")
        kind = wire.RETURNED
        if len(body) > facts.RESPONSE_BYTES:
            kind, body = wire.TOO_LARGE, str(len(body)).encode()
        return kind, wire.MEASURE.pack(time.perf_counter() - began, _peak_kib()) + body
    except SystemExit:
        raise
    except BaseException as error:
        if os.getpid() != channel.pid:
            raise
        return wire.RAISED, wire.MEASURE.pack(time.perf_counter() - began, _peak_kib()) + _failure(error)


def _make_probe(sock, config, code_root):
    # type: (socket.socket, object, str) -> Any
    module = probe_module
    if module is None:
        import importlib.util

        # Under a name of its own, since an interpreter that is not the test's does not have this package.
        name = "_scf_probe"
        directory = os.path.join(os.path.dirname(os.path.abspath(__file__)), "probe")
        file = os.path.join(directory, "__init__.py")
        spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=[directory])
        assert spec is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        module = importlib.import_module(name + ".inside")
        for each in [each for each in sys.modules if each.partition(".")[0] == name]:
            del sys.modules[each]
    _OUR_FILES.update(module.FILES)
    return module.make(sock, config, code_root)


def serve(sock, spec, coverage_socket=None, probe_socket=None):
    # type: (socket.socket, dict[str, object], socket.socket | None, socket.socket | None) -> None
    """Load the handler, then answer events until the platform closes the socket."""
    channel = Channel(sock)
    _watch_signal_handlers(channel)
    code_root = str(spec["code_root"])
    if spec.get("watch_tmp"):
        _watch_shared_tmp(channel, str(spec["tmp"]), [code_root, *list(spec["keep_visible"])])  # type: ignore[call-overload]
    began = time.perf_counter()
    recorder = None
    if coverage_socket is not None:
        from_this = types.SimpleNamespace(**spec["coverage"])  # type: ignore[arg-type]
        recorder = _Coverage(coverage_socket, code_root, from_this)
    try:
        probe = None if probe_socket is None else _make_probe(probe_socket, spec["probe"], code_root)
        if probe is not None:
            probe.before_load()
        handler = load_handler(str(spec["handler"]), code_root)
        if probe is not None:
            handler = probe.after_load(handler)
    except BaseException as error:
        if recorder:
            recorder.save()
        if isinstance(error, SystemExit) or os.getpid() != channel.pid:
            raise
        reason = "handler" if isinstance(error, HandlerMissing) else "code"
        measure = wire.MEASURE.pack(time.perf_counter() - began, _peak_kib())
        channel.send(wire.LOAD_FAILED, measure + _failure(error, reason=reason))
        return
    _leave_to_the_original(channel)
    channel.send(wire.READY, wire.MEASURE.pack(time.perf_counter() - began, _peak_kib()))
    context = spec["context"]  # type: dict[str, object]  # type: ignore[assignment]
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
            kind, answer = _call(channel, handler, payload[:length].decode("ascii"), payload[length:], context)
        finally:
            if recorder:
                recorder.save()
        _leave_to_the_original(channel)
        channel.send(kind, answer)


def _leave_to_the_original(channel):
    # type: (Channel) -> None
    """A process that the user's code forked came back out of it: only the original answers."""
    if os.getpid() != channel.pid:
        os._exit(0)


class _Coverage:
    """Counts the lines that run here, and hands them out when asked.

    Nothing is ever hung on SIGTERM: a signal handler of coverage's would look like the user's.
    """

    def __init__(self, sock, code_root, settings):
        # type: (socket.socket, str, types.SimpleNamespace) -> None
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._sock = sock
        include = [os.path.join(code_root, "*"), *settings.include]
        counter = _Tracer if settings.own_tracer else _Library
        self._counter = counter(include, settings.branch)  # type: _Library | _Tracer
        thread = threading.Thread(target=self._answer, name="scf-coverage", daemon=True)
        previous = signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))
        try:
            thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, previous)

    def save(self):
        # type: () -> None
        if os.getpid() != self._pid:
            return  # a fork has copies of the lock and of the socket, and may speak through neither
        with self._lock:
            self._sock.sendall(wire.frame(wire.COVERAGE, json.dumps(self._counter.found()).encode()))

    def _answer(self):
        # type: () -> None
        while self._sock.recv(1):
            self.save()


class _Library:
    """Counts with coverage itself, where the interpreter is the test's, and so has the test's coverage."""

    def __init__(self, include, branch):
        # type: (list[str], bool) -> None
        import coverage

        self._coverage = coverage.Coverage(data_file=None, config_file=False, branch=branch, include=include)
        self._coverage.start()
        self._branch = branch

    def found(self):
        # type: () -> dict[str, list[object]]
        """The lines of each file, or the pairs of lines that followed each other."""
        data = self._coverage.get_data()
        files = data.measured_files()
        return {file: list((data.arcs(file) if self._branch else data.lines(file)) or []) for file in files}


class _Tracer:
    """Counts with what every interpreter has, where coverage need not be installed."""

    def __init__(self, include, branch):
        # type: (list[str], bool) -> None
        import fnmatch
        import opcode
        import re

        self._matches = [re.compile(fnmatch.translate(pattern)).match for pattern in include]
        self._branch = branch
        self._found = {}  # type: dict[str, set[object]]
        self._files = {}  # type: dict[str, set[object] | None]
        self._pauses = set()  # type: set[int]
        for name in ("YIELD_VALUE", "YIELD_FROM", "SEND", "RESUME", "RETURN_GENERATOR"):
            if name in opcode.opmap:
                self._pauses.add(opcode.opmap[name])
        threading.settrace(self._enter)
        sys.settrace(self._enter)

    def found(self):
        # type: () -> dict[str, list[object]]
        return {file: list(set(counted)) for file, counted in list(self._found.items())}

    def _enter(self, frame, event, arg):  # type: ignore[no-untyped-def]
        name = frame.f_code.co_filename
        try:
            counted = self._files[name]
        except KeyError:
            path = os.path.abspath(name)
            counted = None
            if any(matches(path) for matches in self._matches):
                counted = self._found.setdefault(path, set())
            self._files[name] = counted
        if counted is None:
            return None
        if frame.f_trace is not None:
            return frame.f_trace  # a generator that goes on
        follow = self._follow_arcs if self._branch else self._follow_lines
        return follow(frame, counted)  # type: ignore[no-untyped-call]

    def _follow_lines(self, frame, counted):  # type: ignore[no-untyped-def]
        def follow(frame, event, arg):  # type: ignore[no-untyped-def]
            if event == "line":
                counted.add(frame.f_lineno)
            return follow

        return follow

    def _follow_arcs(self, frame, counted):  # type: ignore[no-untyped-def]
        outside = -frame.f_code.co_firstlineno
        pauses = self._pauses
        last = [outside]

        def follow(frame, event, arg):  # type: ignore[no-untyped-def]
            if event == "line":
                counted.add((last[0], frame.f_lineno))
                last[0] = frame.f_lineno
            elif event == "return" and (
                not frame.f_code.co_flags & 0x2A0 or frame.f_code.co_code[frame.f_lasti] not in pauses
            ):
                counted.add((last[0], outside))
            return follow

        return follow


def run(sock, spec, coverage_socket=None, probe_socket=None):
    # type: (socket.socket, dict[str, object], socket.socket | None, socket.socket | None) -> int
    """Serve, and end as an interpreter would: exit status out, exit functions run, threads waited for."""
    import atexit

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
            print(code, file=sys.stderr)
            status = 1
    except BaseException as error:
        sys.stderr.write(_stack(error))
        status = 1
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    except BaseException as error:
        sys.stderr.write(_stack(error))
    return status


def main():
    # type: () -> None
    """Started as a script: descriptor of the socket in the first argument, the spec is the first frame."""
    sock = socket.socket(fileno=int(sys.argv[1]))
    reader = wire.Reader()
    frames = []  # type: list[tuple[int, bytes]]
    while not frames:
        # exactly one frame is taken, so that nothing which follows is swallowed here
        head = sock.recv(wire.HEADER.size, socket.MSG_WAITALL)
        body = sock.recv(wire.HEADER.unpack(head)[0], socket.MSG_WAITALL)
        frames = reader.feed(head + body)
    spec = json.loads(frames[0][1])
    # In the order in which they were handed over: those that the spec asks for.
    handed = [socket.socket(fileno=int(fd)) for fd in sys.argv[2:]]
    coverage_socket = handed.pop(0) if spec["coverage"] is not None else None
    probe_socket = handed.pop(0) if spec["probe"] is not None else None
    for each in (sock, coverage_socket, probe_socket):
        if each is not None:
            each.set_inheritable(False)
    connect_standard_streams(os.dup(1))
    make_standard_streams()
    # What the fork server's interpreter finds: packages of the user, and what is installed in editable form.
    sys.path += [place for place in spec["path"] if place not in sys.path]
    prepare_interpreter(spec)
    os._exit(run(sock, spec, coverage_socket, probe_socket))


def prepare_interpreter(spec):
    # type: (dict[str, object]) -> None
    """Working directory, module search path and arguments as the cloud's runtime has them."""
    code_root = str(spec["code_root"])
    os.chdir(code_root)
    sys.argv = [""]
    sys.dont_write_bytecode = True
    here = os.path.dirname(os.path.abspath(__file__))
    first = [code_root, facts.LAYERS_ROOT]
    sys.path[:] = first + [place for place in sys.path if place and place not in first and place != here]
    sys.path_importer_cache.clear()
    if spec.get("api_port"):
        sdk.reach_platform(int(spec["api_port"]))  # type: ignore[call-overload]


if __name__ == "__main__":
    main()
