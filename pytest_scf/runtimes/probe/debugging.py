"""pdb inside an instance, on the terminal of the test: each line that it writes or reads is a question to the test.

And debugpy, which an editor on this machine attaches to.
"""

import importlib.util
import json
import os
import pdb
import socket
import sys
import threading

MYPY = False
if MYPY:  # for the type comments only
    import types  # noqa: F401
    from typing import Any  # noqa: F401

    from pytest_scf.runtimes.probe.link import Link  # noqa: F401

# Kept here because the user's code, or a stand-in, may replace them.
_dumps = json.dumps
_get_ident = threading.get_ident
_getpid = os.getpid

#: where the code lies that calls the handler
_OURS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "")


class _Terminal(object):
    """What one pdb takes for its standard input and output.

    From ``enter`` to ``leave`` it has a connection of its own: whatever becomes of the thread or the process that pdb
    runs in, the test knows when it is over. A thread may enter once more, in a signal handler, while it reads a line.
    """

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, link, kind):
        # type: (Link, int) -> None
        self._link = link
        self._kind = kind
        #: by thread: those of what it has entered; None once one cannot be used any more
        self._connections = {}  # type: dict[int, list[socket.socket | None]]
        #: what was written before
        self._early = ""

    def enter(self, first):
        # type: (bool) -> None
        """``first``: not a step of what was shown before."""
        self._connections.setdefault(_get_ident(), []).append(self._link.connect())
        self._ask(do="enter", first=first, thread="%d.%d" % (_getpid(), _get_ident()))
        early, self._early = self._early, ""
        if early:
            self.write(early)

    def leave(self):
        # type: () -> None
        self._ask(do="leave")
        connection = self._connections[_get_ident()].pop()
        if connection is not None:
            self._link.release(connection)

    def _ask(self, **facts):
        # type: (object) -> str
        entered = self._connections[_get_ident()]
        connection = entered[-1]
        if connection is None:
            return ""
        try:
            _kind, answer = self._link.ask_on(connection, self._kind, _dumps(facts).encode("ascii"))
        except BaseException:
            # What a signal handler raises leaves pdb; the test sees that the connection is closed.
            entered[-1] = None
            raise
        return answer.decode("utf-8")

    def write(self, text):
        # type: (str) -> int
        if self._connections.get(_get_ident()):
            self._ask(do="write", text=text)
        else:
            self._early += text
        return len(text)

    def flush(self):
        # type: () -> None
        pass

    def isatty(self):
        # type: () -> bool
        return False

    def readline(self):
        # type: () -> str
        return self._ask(do="read") if self._connections.get(_get_ident()) else ""


_Pdb = pdb.Pdb  # type: Any


def _make(link, kind):
    # type: (Link, int) -> type
    """pdb's class as ``breakpoint()``, ``set_trace()``, ``post_mortem()`` and the user's code are to have it."""

    interacting = []  # type: list[int]

    class Pdb(_Pdb):  # type: ignore[misc]
        def __init__(self, completekey="tab", stdin=None, stdout=None, *args, **kwargs):  # type: ignore[no-untyped-def]
            self._terminal = stdin if isinstance(stdin, _Terminal) else None  # of one within another
            self._goes_on = self._terminal is None
            if stdin is None and stdout is None:
                stdin = stdout = self._terminal = _Terminal(link, kind)
            if self._terminal is not None:
                args = args[:1]
                kwargs.update(nosigint=True, readrc=False)
            _Pdb.__init__(self, completekey, stdin, stdout, *args, **kwargs)
            if self._terminal is not None:
                self.use_rawinput = False

        def interaction(self, *args, **kwargs):  # type: ignore[no-untyped-def]
            if self._terminal is None:
                return _Pdb.interaction(self, *args, **kwargs)
            self._terminal.enter(self._goes_on)
            self._goes_on = False
            interacting.append(_get_ident())
            try:
                return _Pdb.interaction(self, *args, **kwargs)
            finally:
                interacting.remove(_get_ident())
                self._terminal.leave()

        def set_trace(self, frame=None, **kwargs):  # type: ignore[no-untyped-def]
            frame = frame or sys._getframe(1)
            if self._terminal is None or _get_ident() not in interacting:
                return _Pdb.set_trace(self, frame, **kwargs)
            # In a signal handler, while this thread reads a line: Python traces nothing in there.
            self.reset()
            return self.interaction(frame, None)  # type: ignore[no-untyped-call]

        def set_continue(self):  # type: ignore[no-untyped-def]
            self._goes_on = True
            return _Pdb.set_continue(self)

        def dispatch_return(self, frame, arg):  # type: ignore[no-untyped-def]
            found = _Pdb.dispatch_return(self, frame, arg)
            if frame.f_back is not None and _is_ours(frame.f_back) and not self.quitting:
                # There is nothing of the user's to step into.
                self.set_continue()  # type: ignore[no-untyped-call]
            return found

        def get_stack(self, *args, **kwargs):  # type: ignore[no-untyped-def]
            stack, index = _Pdb.get_stack(self, *args, **kwargs)
            first = next((n for n, (frame, _line) in enumerate(stack) if not _is_ours(frame)), 0)
            return (stack[first:], index - first) if first <= index else (stack, index)

        def do_interact(self, arg):  # type: ignore[no-untyped-def]
            before = sys.stdin, sys.stdout, sys.stderr
            if self._terminal is not None:
                sys.stdin = sys.stdout = sys.stderr = self._terminal
            try:
                return _Pdb.do_interact(self, arg)
            except SystemExit:
                return None  # exit() leaves the console, not the function
            finally:
                sys.stdin, sys.stdout, sys.stderr = before

    return Pdb


def _is_ours(frame):
    # type: (types.FrameType) -> bool
    name = frame.f_code.co_filename
    return name.startswith(_OURS) or (name == "<string>" and frame.f_globals.get("__name__") == "__main__")


def install(link, kind):
    # type: (Link, int) -> None
    """Have ``breakpoint()`` and pdb's functions open it on the test's terminal. ``kind`` is that of the questions."""
    pdb.Pdb = _make(link, kind)  # type: ignore[misc,assignment]
    if hasattr(sys, "__breakpointhook__"):
        sys.breakpointhook = sys.__breakpointhook__  # which goes by PYTHONBREAKPOINT


def _free_port(wanted):
    # type: (int) -> int
    """The port, or for 0 any that is free. Raises OSError where it is not.

    Not every debugpy tells which one it has chosen, nor that it could not listen. Asked for at the last moment, as a
    port is anybody's until then.
    """
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", wanted))
        return int(free.getsockname()[1])


def wait_for_editor(link, kind):
    # type: (Link, int) -> None
    """Listen where the test says, and return when an editor has attached; at once where another instance has it."""

    def ask(**facts):
        # type: (str) -> str
        return link.ask(kind, _dumps(facts).encode("ascii"))[1].decode("utf-8")

    if importlib.util.find_spec("debugpy") is None:
        ask(do="without")
        print("[DEBUG] this Python has no debugpy: it runs without the editor")
        return
    port = ask(do="attach")
    if not port:
        print("[DEBUG] the editor is for another instance: this one runs without")
        return
    # pydevd warns of frozen modules of the standard library, which nobody wants to stop in.
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    import debugpy

    try:
        listening = _free_port(int(port))
    except OSError as error:
        said = "no editor can be waited for on 127.0.0.1:%s: %s" % (port, error.strerror)
        ask(do="failed", said=said)
        raise RuntimeError("--scf-debugpy: " + said) from None
    debugpy.listen(("127.0.0.1", listening), in_process_debug_adapter=True)
    del os.environ["PYDEVD_DISABLE_FILE_VALIDATION"]
    ask(do="listening", port=str(listening))
    debugpy.wait_for_client()
