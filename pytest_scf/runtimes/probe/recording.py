"""Records which lines of the user's code run, and during which of them it blocks."""

import array
import itertools
import json
import os
import signal
import sys
import threading
import types

from . import link

MYPY = False
if MYPY:  # for the type comments only
    from types import CodeType, FrameType  # noqa: F401
    from typing import Any, Callable  # noqa: F401

    from .files import Files  # noqa: F401

# Kept here because the user's code, or a stand-in, may replace them.
_array = array.array
_current_frames = sys._current_frames
_dumps = json.dumps
_Event = threading.Event
_get_ident = threading.get_ident
_FunctionType = types.FunctionType
_getpid = os.getpid
_open = open
_pthread_sigmask = signal.pthread_sigmask
_RLock = threading.RLock
_Thread = threading.Thread

#: seconds between two looks at a recording: a line that is the last one twice is one that blocks
LOOK_INTERVAL = 0.02
#: how many looks in a row find it so where a stand-in is waited for, as a busy machine alone makes that some of them
STAND_IN_LOOKS = 25
#: lines that are recorded of one event
LINES_LIMIT = 1000000
#: a recorded line is one number: that of its file, and in so many lower bits its own
LINE_BITS = 20
_FILES_LIMIT = 1 << (32 - LINE_BITS)


def _rest():
    # type: () -> str
    """What tells one rest of the main thread from another; "runs" where it waits for a processor only."""
    try:
        with _open("/proc/self/task/%d/status" % _getpid()) as file:
            facts = dict(line.split(":", 1) for line in file)
    except (OSError, ValueError):
        return ""
    return "runs" if facts["State"].split()[0] == "R" else facts["voluntary_ctxt_switches"].strip()


# What is called for each line that runs, as bare as can be: the globals of these functions are those that
# ``Recording.adding`` gives them, which Python finds faster than variables of an enclosing function.
lines = []  # type: list[int]
numbers = {}  # type: dict[str, int]
first = 0


def line_of_first_file(code, line):
    # type: (CodeType, int) -> None
    lines.append(line)


def line_of_any_file(code, line):
    # type: (CodeType, int) -> None
    lines.append(numbers[code.co_filename] + line)


def line_of_frame(frame, event, arg):
    # type: (FrameType, str, object) -> None
    """A local trace function: as it returns nothing, it stays."""
    if event == "line":
        lines.append(first + frame.f_lineno)


class Recording(object):
    """Lines as they run, sent in parts: by a thread, so that an end that lets nobody speak any more loses little."""

    def __init__(self, the_link, files, steadily):
        # type: (link.Link, Files, bool) -> None
        self._link = the_link
        self._files = files
        #: whether it sends at each look, whatever there is, so that the other side knows what it has
        self._steadily = steadily
        self.lines = []  # type: list[int]
        self._sent = 0
        self._next = itertools.count()
        #: of the user's files that ran, by the name that their code has
        self.numbers = {}  # type: dict[str, int]
        #: and by their number
        self._names = {}  # type: dict[int, str]
        self._told = 0
        self._loaded_at = -1
        self._lock = _RLock()  # a signal handler may end the process while this thread sends
        self._over = _Event()
        self._pid = _getpid()
        self._main = _get_ident()

    def start(self):
        # type: () -> None
        exits = os._exit

        def leave(status):
            # type: (int) -> None
            if _getpid() == self._pid:
                self.send([], over=False)
            exits(status)

        os._exit = leave  # type: ignore[assignment]
        thread = _Thread(target=self._watch, name="scf-recording", daemon=True)
        # Two that the C library keeps to itself would be warned of, in the function's log.
        signals = [number for number in range(1, signal.NSIG) if number not in (32, 33)]
        previous = _pthread_sigmask(signal.SIG_BLOCK, signals)
        try:
            thread.start()
        finally:
            _pthread_sigmask(signal.SIG_SETMASK, previous)

    def number(self, file):
        # type: (str) -> int | None
        """Of line 0 of a file, by the name that its code has: 0 of the first that is asked for.

        None where it is not the user's. Any thread may ask.
        """
        if file in self.numbers:
            return self.numbers[file]
        name = self._files.name(file)
        number = -1 if name is None else next(self._next)
        if name is None or number >= _FILES_LIMIT:
            return None
        self._names[number] = name
        self.numbers[file] = number << LINE_BITS
        return self.numbers[file]

    def adding(self, function, first=0):
        # type: (Callable[..., None], int) -> Any
        """One of the functions above that adds to this recording; ``first`` is the number of line 0."""
        names = {"lines": self.lines, "numbers": self.numbers, "first": first}
        return _FunctionType(function.__code__, names)

    def loaded(self):
        # type: () -> None
        with self._lock:
            self._loaded_at = self._sent + len(self.lines)

    def finish(self):
        # type: () -> None
        self._over.set()
        if _getpid() == self._pid:
            self.send([], over=True)

    def _watch(self):
        # type: () -> None
        last, blocked, looks = (-1, ""), -1, 0
        while not self._over.wait(LOOK_INTERVAL):
            now = self._now()
            total = now[0]
            blocks = []  # type: list[tuple[int, int]]
            looks = looks + 1 if now == last and now[1] != "runs" else 0
            if looks >= (STAND_IN_LOOKS if self._link.used else 1) and total and blocked != total:
                number = self._rests_at()
                if number is not None and self._now() == now:
                    blocked = total
                    blocks.append((number, total - 1))
            last = now
            if self.lines or blocks or self._steadily:
                try:
                    self.send(blocks, over=False)
                except link.LinkError:
                    return

    def _now(self):
        # type: () -> tuple[int, str]
        return self._sent + len(self.lines), _rest()

    def _rests_at(self):
        # type: () -> int | None
        """The number of the line that the main thread is in: other threads may have come to the last recorded one."""
        frame = _current_frames().get(self._main)  # type: Any
        while frame is not None and self._files.name(frame.f_code.co_filename) is None:
            frame = frame.f_back
        first = None if frame is None else self.numbers.get(frame.f_code.co_filename)
        return None if first is None else first + (frame.f_lineno or 0)

    def send(self, blocks, over):
        # type: (list[tuple[int, int]], bool) -> None
        with self._lock:
            count = len(self.lines)
            taken = self.lines[:count]
            del self.lines[:count]
            data = _array("I", taken[: max(0, LINES_LIMIT - self._sent)])
            new = []
            while self._told in self._names:
                new.append(self._names[self._told])
                self._told += 1
            self._sent += count
            head = {"new": new, "loaded": self._loaded_at, "blocked": blocks, "over": over}
            payload = _dumps(head).encode("ascii") + b"\n" + data.tobytes()
            self._link.ask(link.LINES, payload)
