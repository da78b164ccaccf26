"""Where the logs of a platform go when they grow: one file without a name, in blocks."""

from __future__ import annotations

import tempfile
import threading
import weakref
from typing import IO

BLOCK = 1 << 16
#: bytes that are brought back to memory at the end; more than that stays in the file as long as a log is held
KEPT = 1 << 26


class LogBlocks:
    """One descriptor for all logs, however many there are. Blocks of logs that nobody holds any more are used anew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None
        self._count = 0
        #: appended to from finalizers, which may run anywhere: without the lock
        self._free: list[int] = []
        self._kept: dict[int, bytes] | None = None

    def put(self, data: bytes) -> int:
        """Store a block of ``BLOCK`` bytes; the number to ask for it. Raises OSError where it cannot be kept."""
        with self._lock:
            try:
                block = self._free.pop()
            except IndexError:
                block = self._count
                self._count += 1
            if self._kept is not None:
                self._kept[block] = data
                return block
            try:
                self._write(block, data)
            except OSError:
                self._free.append(block)
                raise
            return block

    def _write(self, block: int, data: bytes) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - lives as long as the logs
            weakref.finalize(self, self._file.close)
        self._file.seek(block * BLOCK)
        written = 0
        while written < BLOCK:
            written += self._file.write(data[written:])

    def get(self, block: int) -> bytes:
        with self._lock:
            if self._kept is not None:
                return self._kept[block]
            assert self._file is not None
            return self._read(self._file, block)

    @staticmethod
    def _read(file: IO[bytes], block: int) -> bytes:
        file.seek(block * BLOCK)
        data = b""
        while len(data) < BLOCK:
            data += file.read(BLOCK - len(data))
        return data

    def give_back(self, blocks: list[int]) -> None:
        self._free.extend(blocks)

    def close(self) -> None:
        """Let go of the file. What the logs hold stays readable."""
        with self._lock:
            free = set(self._free)
            used = [block for block in range(self._count) if block not in free]
            if self._kept is not None or len(used) * BLOCK > KEPT:
                return
            file, self._file = self._file, None
            self._kept = {block: self._read(file, block) for block in used} if file is not None else {}
            if file is not None:
                file.close()
