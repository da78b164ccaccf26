"""The log of one request: what the user's processes wrote, byte for byte, and the platform's lines between."""

from __future__ import annotations

import threading
import weakref
from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple

from pytest_scf.platform.spill import BLOCK, Spill

PLATFORM = "Platform"
CUSTOM = "Custom"

#: bytes of a log's beginning that stay in memory; of what follows, no more than a block does
IN_MEMORY = 1 << 16
_SAME_MOMENT = 0.001


class LogLine(NamedTuple):
    """``time`` in seconds since the epoch, ``source`` "Platform" or "Custom", ``text`` without its line end."""

    time: float
    source: str
    text: str


class EventLog:
    """``frame`` gives the platform's lines before, within and after the output: see ``Frame``."""

    def __init__(self, frame: Callable[[], Frame], spill: Spill | None = None) -> None:
        self.frame = frame
        self._spill = spill
        self._lock = threading.Lock()
        #: the beginning in memory, what follows in blocks of the spill, and the rest that does not fill one yet
        self._head = bytearray()
        self._blocks: list[int] = []
        self._rest = bytearray()
        self._size = 0
        #: where a run of one source and one moment begins: offset, time, source
        self._starts: list[int] = []
        self._runs: list[tuple[float, str]] = []
        #: where the output of the init phase ends
        self._init_end = 0

    def write(self, data: bytes, time: float, source: str = CUSTOM) -> None:
        with self._lock:
            last = self._runs[-1] if self._runs else None
            if (
                last is None
                or last[1] != source
                or source == PLATFORM
                or time - last[0] >= _SAME_MOMENT
                or self._size == self._init_end
            ):
                self._starts.append(self._size)
                self._runs.append((time, source))
            room = IN_MEMORY - len(self._head)
            if room:
                self._head += data[:room]
            self._rest += data[room:]
            self._size += len(data)
            while len(self._rest) >= BLOCK:
                self._put_away(bytes(self._rest[:BLOCK]))
                del self._rest[:BLOCK]

    def end_init(self) -> None:
        """What was written up to here is the init phase's."""
        with self._lock:
            self._init_end = self._size

    def _put_away(self, data: bytes) -> None:
        if self._spill is None:
            self._spill = Spill()
        if not self._blocks:
            weakref.finalize(self, self._spill.give_back, self._blocks)
        self._blocks.append(self._spill.put(data))

    def write_platform(self, text: str, time: float) -> None:
        """A line of the platform, between what was written before it and after."""
        self.write(text.encode() + b"\n", time, PLATFORM)

    @property
    def size(self) -> int:
        return self._size

    def _read(self, start: int = 0, end: int | None = None) -> bytes:
        with self._lock:
            stop = self._size if end is None else min(end, self._size)
            if stop <= len(self._head):
                return bytes(self._head[start:stop])
            parts = [bytes(self._head[start:])]
            position = max(start, IN_MEMORY)
            in_blocks = IN_MEMORY + len(self._blocks) * BLOCK
            while position < min(stop, in_blocks):
                number, offset = divmod(position - IN_MEMORY, BLOCK)
                assert self._spill is not None
                part = self._spill.get(self._blocks[number])[offset : offset + stop - position]
                parts.append(part)
                position += len(part)
            if position < stop:
                parts.append(bytes(self._rest[position - in_blocks : stop - in_blocks]))
            return b"".join(parts)

    def _body(self, start: int, end: int) -> list[LogLine]:
        """Lines of a stretch. Output cut in two by a platform's line shows as two lines.

        Unless the cut is just before the end of a line, which Python writes on its own: that end is where it belongs.
        """
        data = self._read(start, end)
        lines: list[tuple[float, str, list[bytes]]] = []
        unfinished = -1  # the output's line that has no end yet
        first = bisect_right(self._starts, start) - 1
        for index in range(max(first, 0), len(self._runs)):
            begin = max(self._starts[index], start)
            stop = min(self._starts[index + 1] if index + 1 < len(self._starts) else end, end)
            if begin >= stop:
                continue
            time, source = self._runs[index]
            *texts, rest = data[begin - start : stop - start].split(b"\n")
            if source == CUSTOM and unfinished != -1:
                if unfinished == len(lines) - 1:
                    if not texts:
                        lines[unfinished][2].append(rest)
                        continue
                    lines[unfinished][2].append(texts.pop(0))
                elif texts and not texts[0]:
                    del texts[0]
            lines += [(time, source, [text]) for text in texts]
            if source == CUSTOM:
                unfinished = len(lines) if rest else -1
            if rest:
                lines.append((time, source, [rest]))
        return [LogLine(time, source, _text(b"".join(parts))) for time, source, parts in lines]

    def lines(self) -> list[LogLine]:
        """The whole log so far, in the order of contract 7."""
        frame = self.frame()
        size = self._size
        init_end = min(self._init_end, size)
        return [
            *(LogLine(frame.started, PLATFORM, line) for line in frame.before),
            *self._body(0, init_end),
            *(LogLine(frame.initialised, PLATFORM, line) for line in frame.between),
            *self._body(init_end, size),
            *(LogLine(frame.ended, PLATFORM, line) for line in frame.after),
        ]

    def text(self) -> str:
        """The whole log so far."""
        return "".join(line.text + "\n" for line in self.lines())

    def tail(self, size: int) -> bytes:
        """The last ``size`` bytes of the log."""
        return self.text().encode("utf-8", "backslashreplace")[-size:]

    def user_bytes(self) -> bytes:
        """What the user's processes wrote, as they wrote it, without the platform's lines."""
        data = self._read()
        parts = []
        for index, (_, source) in enumerate(self._runs):
            if source == CUSTOM:
                stop = self._starts[index + 1] if index + 1 < len(self._starts) else None
                parts.append(data[self._starts[index] : stop])
        return b"".join(parts)

    def user_text(self) -> str:
        return _text(self.user_bytes())

    def since(self, offset: int) -> str:
        """Output and platform lines from a byte offset on, for a search that goes on where it stopped."""
        return _text(self._read(offset))

    def line_start(self) -> int:
        """The byte offset at which the last, perhaps unfinished line begins."""
        size = self._size
        start = max(0, size - 65536)
        found = self._read(start, size).rfind(b"\n")
        return start + found + 1 if found >= 0 else start

    def platform_lines(self) -> list[str]:
        """The ``[PLATFORM]`` lines, in order."""
        data = self._read()
        found = []
        for index, (_, source) in enumerate(self._runs):
            if source == PLATFORM:
                stop = self._starts[index + 1] if index + 1 < len(self._starts) else None
                found += _text(data[self._starts[index] : stop]).splitlines()
        return found


class Frame(NamedTuple):
    """The platform's own lines of a log: START before the output, Init Report between, END and its fellows after."""

    started: float
    before: list[str]
    initialised: float
    between: list[str]
    ended: float
    after: list[str]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
