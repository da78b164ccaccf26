"""pdb inside an instance, on the terminal of the test: each line that it writes or reads is a question to the test."""

import json
import pdb
import sys

MYPY = False
if MYPY:  # for the type comments only
    from pytest_scf.runtimes.probe.link import Link  # noqa: F401


class _Terminal(object):
    """What pdb takes for its standard input and output."""

    encoding = "utf-8"

    def __init__(self, link, kind):
        # type: (Link, int) -> None
        self._link = link
        self._kind = kind

    def ask(self, **facts):
        # type: (str) -> str
        _kind, answer = self._link.ask(self._kind, json.dumps(facts).encode("ascii"))
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
