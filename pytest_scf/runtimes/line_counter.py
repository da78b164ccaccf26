"""Counts the lines that the user's code runs, where the test measures coverage.

The standard library only, Python 3.6 and later.
"""

import json
import os
import signal
import socket  # noqa: F401
import sys
import threading

from pytest_scf.runtimes import launch_keys, wire

MYPY = False
if MYPY:  # for the type comments only
    from typing import Any  # noqa: F401

# Kept here because the user's code, or a stand-in, may replace it.
_dumps = json.dumps

_getpid = os.getpid  # the user's code may replace it


class LineCounter:
    """Counts the lines that run here, and hands them out when asked.

    It registers no signal handler for SIGTERM, as coverage can: that would look like the user's.
    """

    def __init__(self, sock, code_root, settings):
        # type: (socket.socket, str, dict[str, Any]) -> None
        self._pid = _getpid()
        self._lock = threading.Lock()
        self._sock = sock
        include = [os.path.join(code_root, "*"), *settings[launch_keys.INCLUDE]]
        counter = _Tracer if settings[launch_keys.OWN_TRACER] else _Library
        self._counter = counter(include, settings[launch_keys.BRANCH], settings[launch_keys.CONTEXTS])  # type: _Library | _Tracer
        thread = threading.Thread(target=self._answer, name="scf-coverage", daemon=True)
        # Without 32 and 33, which the C library reserves: Python would warn of them in the function's log.
        signals = [number for number in range(1, signal.NSIG) if number not in (32, 33)]
        previous = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        try:
            thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, previous)

    def save(self):
        # type: () -> None
        if _getpid() != self._pid:
            return  # a fork must not use its copies of the lock and the socket
        with self._lock:
            self._sock.sendall(wire.frame(wire.COVERAGE, _dumps(self._counter.found()).encode()))

    def _answer(self):
        # type: () -> None
        while self._sock.recv(1):
            self.save()


class _Library:
    """Counts with the package coverage, where the interpreter is the test's.

    With ``contexts`` lines are counted anew each time that they are handed out, as they belong to the running test.
    """

    def __init__(self, include, branch, contexts):
        # type: (list[str], bool, bool) -> None
        import coverage

        self._coverage = coverage.Coverage(data_file=None, config_file=False, branch=branch, include=include)
        if contexts:
            # The core sys.monitoring, of newer Pythons, reports each line only once in a process.
            self._coverage.set_option("run:core", "ctrace")
        self._coverage.start()
        self._branch = branch
        self._contexts = contexts

    def found(self):
        # type: () -> dict[str, list[object]]
        """The lines of each file, or the pairs of lines that followed each other."""
        data = self._coverage.get_data()
        files = data.measured_files()
        found = {file: list((data.arcs(file) if self._branch else data.lines(file)) or []) for file in files}
        if self._contexts:
            data.purge_files(files)
        return found


class _Tracer:
    """Counts with ``sys.settrace``, where coverage need not be installed."""

    def __init__(self, include, branch, contexts):
        # type: (list[str], bool, bool) -> None
        import fnmatch
        import opcode
        import re

        self._matches = [re.compile(fnmatch.translate(pattern)).match for pattern in include]
        self._branch = branch
        self._contexts = contexts
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
        found = {file: list(set(counted)) for file, counted in list(self._found.items())}
        if self._contexts:
            for file, counted in found.items():
                self._found[file].difference_update(counted)
        return found

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
            return frame.f_trace  # a generator that is resumed
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
