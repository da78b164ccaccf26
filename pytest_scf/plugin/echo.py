"""With ``-s`` or ``--scf-live``: what functions write is printed as it comes."""

from __future__ import annotations

import contextlib
import io
import os
import queue
import threading
from typing import Any, TextIO

import pytest
from _pytest.config import create_terminal_writer

#: characters of a request id that tell events apart
SHORT_ID = 8
#: bytes after which a line is shown that has not ended yet
LINE_LIMIT = 1 << 16


class Echo:
    """Prints in a thread of its own, so that a terminal that is slow holds up no function."""

    def __init__(self, config: pytest.Config) -> None:
        self._writer = config.get_terminal_writer()
        self._queue: queue.Queue[tuple[str, str, bytes] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._print_all, name="pytest-scf-echo", daemon=True)
        self._thread.start()

    def show(self, function: str, request_id: str, data: bytes) -> None:
        """What an event has written; b"": it has ended. Returns at once."""
        self._queue.put((function, request_id, data))

    def _print_all(self) -> None:
        while (each := self._queue.get()) is not None:
            with contextlib.suppress(OSError, ValueError):  # the terminal is gone
                self._print(*each)
            self._queue.task_done()

    def _print(self, function: str, request_id: str, data: bytes) -> None:
        self._writer.write(data.decode("utf-8", "backslashreplace"), flush=True)

    def flush(self) -> None:
        """Returns when all that came so far is printed."""
        self._queue.join()

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()


class LiveLines(Echo):
    """Whole lines, each after its function's name and its event's short id, past pytest's capturing."""

    def __init__(self, config: pytest.Config) -> None:
        #: what each event has written of a line that has not ended
        self._begun: dict[str, bytes] = {}
        self._places = config.get_terminal_writer()
        #: how far pytest's own line was when we last began one after it
        self._width = 0
        super().__init__(config)
        self._file = _uncaptured_file(config)
        if self._file is not None:
            self._writer = create_terminal_writer(config, self._file)

    def _print(self, function: str, request_id: str, data: bytes) -> None:
        lines = (self._begun.pop(request_id, b"") + data).split(b"\n")
        rest = lines.pop()
        if rest and (not data or len(rest) > LINE_LIMIT):
            lines.append(rest)
        elif rest:
            self._begun[request_id] = rest
        if not lines:
            return
        width = self._places.width_of_current_line
        before = "\n" if width and width != self._width else ""
        self._width = width
        name = f"{function} {request_id[:SHORT_ID]} | "
        # Of a line that is written over itself, as a bar of progress is, the name would be overwritten.
        texts = (line.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", "backslashreplace") for line in lines)
        self._writer.write(before + "".join(f"{name}{text}\n" for text in texts), flush=True)

    def close(self) -> None:
        super().close()
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()


def _uncaptured_file(config: pytest.Config) -> TextIO | None:
    """pytest's terminal as a file that capturing does not redirect; None where it is no file of the system's.

    Called in the test's thread. To suspend capturing for each line would be done in another thread than pytest's, which
    begins and ends it, too.
    """
    writer: Any = config.get_terminal_writer()
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    disabled = contextlib.nullcontext() if capture is None else capture.global_and_fixture_disabled()
    with disabled:
        writer.flush()
        try:
            fd = os.dup(writer._file.fileno())
        except (AttributeError, OSError, io.UnsupportedOperation):
            return None  # no file of the system's
    return os.fdopen(fd, "w", encoding=getattr(writer._file, "encoding", None) or "utf-8", errors="backslashreplace")
