"""With ``-s``: what functions write is printed as it comes."""

from __future__ import annotations

import contextlib
import queue
import threading

import pytest


class Echo:
    """Prints in a thread of its own, so that a terminal that is slow holds up no function."""

    def __init__(self, config: pytest.Config) -> None:
        self._writer = config.get_terminal_writer()
        self._queue: queue.Queue[bytes | None] = queue.Queue()
        self._thread = threading.Thread(target=self._print, name="pytest-scf-echo", daemon=True)
        self._thread.start()

    def put(self, data: bytes) -> None:
        self._queue.put(data)

    def _print(self) -> None:
        while (data := self._queue.get()) is not None:
            with contextlib.suppress(OSError, ValueError):  # the terminal is gone
                self._writer.write(data.decode("utf-8", "backslashreplace"), flush=True)
            self._queue.task_done()

    def flush(self) -> None:
        """Returns when all that came so far is printed."""
        self._queue.join()

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()
