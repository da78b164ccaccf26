"""Standard streams of the user's process: what is written reaches the log at once and in one piece.

The standard library only, Python 3.6 and later.
"""

import builtins
import io
import os
import sys


class _Unbuffered(io.RawIOBase):
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
        stream = io.TextIOWrapper(_Unbuffered(fd), encoding="utf-8", errors=errors, newline="\n", write_through=True)  # type: ignore[type-var]
        stream.mode = "w"  # type: ignore[misc]
        setattr(sys, name, stream)
        setattr(sys, "__%s__" % name, stream)
        streams.append(stream)
    _print_in_one_piece(streams)


def _print_in_one_piece(streams):
    # type: (list[io.TextIOBase]) -> None
    """Have ``print`` write a line and its end at once, as nothing is buffered that would join them.

    So a line in the log is never split by what others write, nor seen without its end.
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
