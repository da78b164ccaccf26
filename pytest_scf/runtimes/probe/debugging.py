"""pdb inside an instance, on the terminal of the test: each line that it writes or reads is a question to the test.

And debugpy, which an editor on this machine attaches to.
"""

import json
import os
import pdb
import socket
import sys

MYPY = False
if MYPY:  # for the type comments only
    from pytest_scf.runtimes.probe.link import Link  # noqa: F401

# Kept here because the user's code, or a stand-in, may replace it.
_dumps = json.dumps


class _Terminal(object):
    """What pdb takes for its standard input and output."""

    encoding = "utf-8"

    def __init__(self, link, kind):
        # type: (Link, int) -> None
        self._link = link
        self._kind = kind

    def ask(self, **facts):
        # type: (str) -> str
        _kind, answer = self._link.ask(self._kind, _dumps(facts).encode("ascii"))
        return answer.decode("utf-8")

    def write(self, text):
        # type: (str) -> int
        self.ask(do="write", text=text)
        return len(text)

    def flush(self):
        # type: () -> None
        pass

    def readline(self):
        # type: () -> str
        return self.ask(do="read")


class _Pdb(pdb.Pdb):
    def __init__(self, terminal):
        # type: (_Terminal) -> None
        pdb.Pdb.__init__(self, stdin=terminal, stdout=terminal, nosigint=True, readrc=False)  # type: ignore[arg-type]
        self.use_rawinput = False
        self._terminal = terminal

    def interaction(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        self._terminal.ask(do="enter")
        try:
            pdb.Pdb.interaction(self, *args, **kwargs)
        finally:
            self._terminal.ask(do="leave")


def install(link, kind):
    # type: (Link, int) -> None
    """Have ``breakpoint()`` and ``pdb.set_trace()`` open it. ``kind`` is that of the questions."""
    terminal = _Terminal(link, kind)

    def set_trace(*args, **kwargs):  # type: ignore[no-untyped-def]
        debugger = _Pdb(terminal)
        if kwargs.get("header"):
            terminal.write(str(kwargs["header"]) + "\n")
        debugger.set_trace(sys._getframe(1))

    sys.breakpointhook = set_trace
    pdb.set_trace = set_trace


def _free_port():
    # type: () -> str
    """Not every debugpy tells which one it has chosen. Asked for at the last moment, as it is anybody's until then."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def wait_for_editor(link, kind):
    # type: (Link, int) -> None
    """Listen where the test says, and return when an editor has attached; at once where another instance has it."""
    terminal = _Terminal(link, kind)
    port = terminal.ask(do="attach")
    if not port:
        print("[DEBUG] the editor is for another instance: this one runs without")
        return
    # pydevd warns of frozen modules of the standard library, which nobody wants to stop in.
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    import debugpy

    del os.environ["PYDEVD_DISABLE_FILE_VALIDATION"]
    if port == "0":
        port = _free_port()
    debugpy.listen(("127.0.0.1", int(port)), in_process_debug_adapter=True)
    terminal.ask(do="listening", port=port)
    debugpy.wait_for_client()
