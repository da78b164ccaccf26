"""Which lines of the user's code run: records them, or stops a thread before one of them.

The user's code is what lies in the code root, without packages that are installed there. Of Python 3.12 and later it
uses ``sys.monitoring``, of older ones ``sys.settrace``, in all threads. What a signal handler raises while a thread is
stopped is raised at the line where it stopped.
"""

import json
import os
import sys
import threading

from . import link, recording
from .codec import safe_repr
from .files import Files

MYPY = False
if MYPY:  # for the type comments only
    from types import CodeType, FrameType  # noqa: F401
    from typing import Any, Callable  # noqa: F401

    OnLine = Callable[[CodeType, int], None]

# Kept here because the user's code, or a stand-in, may replace them.
_current_thread = threading.current_thread
_dumps = json.dumps
_getpid = os.getpid
_native_id = getattr(threading, "get_native_id", None)

_VARIABLES = 100
_REPR_LENGTH = 400
_FRAMES = 100


class _Monitoring(object):
    """Lines of the user's code by ``sys.monitoring``: other code is asked about once, and runs at full speed."""

    def __init__(self, files):
        # type: (Files) -> None
        self._files = files
        self._codes = []  # type: list[CodeType]
        #: of these codes by their identity: where loops within a line begin again, and in which line
        self._loops = {}  # type: dict[int, dict[int, int]]
        #: those of whose start it has to be told each time
        self._told_of = set()  # type: set[int]
        self._recording = None  # type: recording.Recording | None
        self._on_line = None  # type: OnLine | None
        self._on_line_of_any = None  # type: OnLine | None
        monitoring = sys.monitoring  # type: ignore[attr-defined]
        for self._tool in range(5, -1, -1):
            if monitoring.get_tool(self._tool) is None:
                break
        monitoring.use_tool_id(self._tool, "pytest-scf")
        for event in (monitoring.events.PY_START, monitoring.events.PY_RESUME):
            monitoring.register_callback(self._tool, event, self._started)
        monitoring.register_callback(self._tool, monitoring.events.JUMP, self._jumped)

    def enter(self, on_line):
        # type: (OnLine) -> None
        """Have ``on_line`` called from now on, in all threads."""
        monitoring = sys.monitoring  # type: ignore[attr-defined]
        self._call(on_line)
        monitoring.set_events(self._tool, monitoring.events.PY_START | monitoring.events.PY_RESUME)
        monitoring.restart_events()

    def _call(self, on_line):
        # type: (OnLine | None) -> None
        self._on_line = on_line
        monitoring = sys.monitoring  # type: ignore[attr-defined]
        monitoring.register_callback(self._tool, monitoring.events.LINE, on_line)

    def record(self, the_recording):
        # type: (recording.Recording) -> None
        """Have the numbers of lines that run recorded from now on, in all threads."""
        if self._recording is the_recording:
            return  # since the init phase
        self._recording = the_recording
        self._on_line_of_any = the_recording.adding(recording.line_of_any_file)
        self.enter(the_recording.adding(recording.line_of_first_file))

    def leave(self):
        # type: () -> None
        """The user's code runs at full speed again."""
        self._recording = None
        monitoring = sys.monitoring  # type: ignore[attr-defined]
        monitoring.set_events(self._tool, 0)
        while self._codes:
            monitoring.set_local_events(self._tool, self._codes.pop(), 0)
        self._loops.clear()
        self._told_of.clear()
        self._call(None)

    def _started(self, code, offset):
        # type: (CodeType, int) -> object
        monitoring = sys.monitoring  # type: ignore[attr-defined]
        file, recorded = code.co_filename, self._recording
        if self._files.name(file) is None:
            return monitoring.DISABLE
        if id(code) not in self._loops:
            if recorded is not None and file not in recorded.numbers:
                number = recorded.number(file)
                if number is None:
                    return monitoring.DISABLE
                if number:
                    self._call(self._on_line_of_any)
            self._codes.append(code)
            self._loops[id(code)] = {}
            monitoring.set_local_events(self._tool, code, monitoring.events.LINE | monitoring.events.JUMP)
            if sys.version_info >= (3, 13) and _is_on_its_first_line(code):
                self._told_of.add(id(code))
        # Python 3.13 tells of the line of a function in one line only where it tells of its start as well.
        return None if id(code) in self._told_of else monitoring.DISABLE

    def _jumped(self, code, offset, destination):
        # type: (CodeType, int, int) -> object
        """A loop within a line comes to that line once more, which LINE events do not tell of."""
        found = self._loops.get(id(code))
        if found is None or destination >= offset:
            return sys.monitoring.DISABLE  # type: ignore[attr-defined]
        line = found.get(offset)
        if line is None:
            line = _line_at(code, destination)
            found[offset] = line = line if line == _line_at(code, offset) else 0
        if not line or self._on_line is None:
            return sys.monitoring.DISABLE  # type: ignore[attr-defined]
        self._on_line(code, line)
        return None


def _line_at(code, offset):
    # type: (Any, int) -> int
    """0 where there is none."""
    return next((line or 0 for start, end, line in code.co_lines() if start <= offset < end), 0)


def _is_on_its_first_line(code):
    # type: (CodeType) -> bool
    """Whether the first of what it does is on the line that it is defined in."""
    import opcode

    begins = 2 * (code.co_code[::2].index(opcode.opmap["RESUME"]) + 1)
    return _line_at(code, begins) == code.co_firstlineno


class _Tracing(object):
    """The same by ``sys.settrace``."""

    def __init__(self, files):
        # type: (Files) -> None
        self._files = files
        #: what traced before, of this thread and of new ones: coverage, perhaps
        self._before = None  # type: tuple[Any, Any] | None

    def enter(self, on_line):
        # type: (OnLine) -> None
        name = self._files.name
        of_file = {}  # type: dict[str, Any]

        def line(frame, event, arg):
            # type: (FrameType, str, object) -> Any
            if event == "line":
                on_line(frame.f_code, frame.f_lineno)
            return line

        def call(frame, event, arg):
            # type: (FrameType, str, object) -> Any
            file = frame.f_code.co_filename
            try:
                return of_file[file]
            except KeyError:
                found = of_file[file] = line if name(file) is not None else None
                return found

        self._trace(call)

    def record(self, the_recording):
        # type: (recording.Recording) -> None
        """Have the numbers of lines that run recorded from now on, in all threads."""
        of_file = {}  # type: dict[str, Any]

        def recorder(file):
            # type: (str) -> Any
            first = the_recording.number(file)
            return None if first is None else the_recording.adding(recording.line_of_frame, first)

        def call(frame, event, arg):
            # type: (FrameType, str, object) -> Any
            file = frame.f_code.co_filename
            try:
                return of_file[file]
            except KeyError:
                found = of_file[file] = recorder(file)
                return found

        self._trace(call)

    def _trace(self, call):
        # type: (Any) -> None
        if self._before is None:
            self._before = (sys.gettrace(), getattr(threading, "_trace_hook", None))
        threading.settrace(call)
        sys.settrace(call)

    def leave(self):
        # type: () -> None
        before, of_threads = self._before or (None, None)
        self._before = None
        sys.settrace(before)
        threading.settrace(of_threads)


class Tracer(object):
    """Does what the plan of an event says, see ``pytest_scf.facade.probing.plans``.

    A stop is made once.
    """

    def __init__(self, the_link, code_root):
        # type: (link.Link, str) -> None
        self._link = the_link
        self._pid = _getpid()
        self.files = Files(code_root)
        self._recording = None  # type: recording.Recording | None
        #: by line: by file: the occurrences that are to be stopped at, and how often it was reached
        self._wanted = {}  # type: dict[int, dict[str, tuple[set[int], list[int]]]]
        self._details = False
        self._position = 0
        self._loaded = False
        self._left_over = False
        kind = _Monitoring if hasattr(sys, "monitoring") else _Tracing  # type: Any
        self._lines = kind(self.files)

    def begin(self, plan, left_over=False):
        # type: (dict[str, Any], bool) -> None
        """``left_over``: the instance is not as it was before its first event, which a stop tells of."""
        self._left_over = left_over
        self._wanted = {}
        self._position = 0
        self._details = plan["details"]
        for file, line, occurrence in plan["stops"]:
            occurrences, _reached = self._wanted.setdefault(line, {}).setdefault(file, (set(), [0]))
            occurrences.add(occurrence)
        self._recording = (
            recording.Recording(self._link, self.files, steadily=plan["steadily"]) if plan["record"] else None
        )
        if self._recording is not None:
            self._recording.start()

    def enter(self):
        # type: () -> None
        """The handler is about to be called, or its module to be loaded."""
        if self._recording is not None:
            self._lines.record(self._recording)
        elif self._wanted:
            self._lines.enter(self._line)

    def loaded(self):
        # type: () -> None
        """The init phase is over."""
        self._loaded = True
        if self._recording is not None:
            self._recording.loaded()

    def end(self):
        # type: () -> None
        recording, self._recording = self._recording, None
        if recording is not None or self._wanted:
            self._lines.leave()
        self._wanted = {}
        if recording is not None:
            recording.finish()

    def _line(self, code, line):
        # type: (CodeType, int) -> None
        self._position += 1
        if line in self._wanted:
            self._reached(code, line)

    def _reached(self, code, line):
        # type: (CodeType, int) -> None
        file = self.files.name(code.co_filename)
        found = self._wanted[line].get(str(file))
        if file is None or found is None:
            return
        if not self._details and _getpid() != self._pid:
            return  # a forked child, where a termination map has recorded nothing: its signal goes to the parent
        occurrences, reached = found
        reached[0] += 1
        if reached[0] in occurrences:
            occurrences.discard(reached[0])
            self._stop(file, line, reached[0])

    def _stop(self, file, line, occurrence):
        # type: (str, int, int) -> None
        facts = {
            "file": file,
            "line": line,
            "occurrence": occurrence,
            "position": self._position,
            "loaded": self._loaded,
            "left_over": self._left_over,
            "thread": _current_thread().name,
            "tid": _native_id() if _native_id is not None else 0,
        }  # type: dict[str, Any]
        if self._details:
            facts["locals"], facts["stack"] = self._describe()
        try:
            self._link.ask(link.STOPPED, _dumps(facts).encode("ascii"))
            for _ in (1, 2):
                pass  # where the interpreter looks whether a signal handler is to be run
        finally:
            # Up to Python 3.12 a frame's variables become what they were when f_locals was last read, once its trace
            # function is left: what a signal handler or another thread has written meanwhile would be undone.
            self._innermost().f_locals  # noqa: B018

    def _innermost(self):
        # type: () -> FrameType
        """The innermost of the user's frames: the one that is stopped."""
        frame = sys._getframe(1)  # type: Any
        while self.files.name(frame.f_code.co_filename) is None:
            frame = frame.f_back
        return frame  # type: ignore[no-any-return]

    def _describe(self):
        # type: () -> tuple[dict[str, str], list[list[object]]]
        """The variables of the innermost of the user's frames, as reprs, and all of those frames, outermost first."""
        frame = self._innermost()  # type: FrameType | None
        variables = None  # type: dict[str, str] | None
        stack = []  # type: list[list[object]]
        while frame is not None and len(stack) < _FRAMES:
            file = self.files.name(frame.f_code.co_filename)
            if file is not None:
                if variables is None:
                    found = list(frame.f_locals.items())[:_VARIABLES]
                    variables = {
                        str(name): safe_repr(value, _REPR_LENGTH)
                        for name, value in found
                        if not (name.startswith("__") and name.endswith("__"))
                    }
                stack.append([file, frame.f_lineno, frame.f_code.co_name])
            frame = frame.f_back
        return variables or {}, stack[::-1]
