"""The log of one request: what the user's processes wrote, byte for byte, and the platform's lines between."""

from __future__ import annotations

import threading
import weakref
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pytest_scf.facts import MIB
from pytest_scf.platform.log_blocks import BLOCK, LogBlocks
from pytest_scf.platform.notes import InitReport

PLATFORM = "Platform"
CUSTOM = "Custom"

#: bytes of a log's beginning that stay in memory; of what follows, no more than a block does
IN_MEMORY = 1 << 16
_SAME_MOMENT = 0.001
#: bytes of a line, at the most, where the last lines are looked for
_LINE = 4096


class LogLine(NamedTuple):
    """``time`` in seconds since the epoch, ``source`` "Platform" or "Custom", ``text`` without its line end."""

    time: float
    source: str
    text: str


class _Stored(NamedTuple):
    """A part of a block that is put away."""

    number: int
    start: int
    end: int


class EventLog:
    """``frame`` gives the platform's lines before, within and after the output: see ``Frame``.

    What is written stays in memory until ``put_away`` moves whole blocks of it to ``blocks``, the platform's file. That
    may wait for the disk, as reading does; writing never does.
    """

    def __init__(self, frame: Callable[[], Frame], blocks: LogBlocks | None = None) -> None:
        self.frame = frame
        self._lock = threading.Lock()
        self._store = blocks
        #: the beginning in memory, then blocks (numbers of those that are put away), and the rest that fills none yet
        self._head = bytearray()
        self._blocks: list[int | bytes] = []
        #: the numbers among them, which the store gets back when the log goes
        self._numbers: list[int] = []
        self._rest = bytearray()
        self._size = 0
        #: output is not taken any more, as it could not be kept
        self._cut = False
        #: where a run of one source and one moment begins: offset, time, source
        self._starts: list[int] = []
        self._runs: list[tuple[float, str]] = []
        #: where the output of the init phase ends
        self._init_end = 0

    def write(self, data: bytes, time: float, source: str = CUSTOM) -> None:
        """Append to the log, in memory."""
        with self._lock:
            if self._cut and source == CUSTOM:
                return
            self._write_locked(data, time, source)

    def _write_locked(self, data: bytes, time: float, source: str) -> None:
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
            self._blocks.append(bytes(self._rest[:BLOCK]))
            del self._rest[:BLOCK]

    def end_init(self) -> None:
        """What was written up to here is the init phase's."""
        with self._lock:
            self._init_end = self._size

    @property
    def waiting(self) -> int:
        """Bytes that ``put_away`` would move."""
        with self._lock:
            return (len(self._blocks) - len(self._numbers)) * BLOCK

    def put_away(self) -> None:
        """Move whole blocks to the store, in one thread at a time. Where that has no room the log ends, with a note."""
        while True:
            with self._lock:
                at = len(self._numbers)
                if at == len(self._blocks) or self._cut:
                    return
                data = self._blocks[at]
                if self._store is None:
                    self._store = LogBlocks()
                store = self._store
                if not at:
                    weakref.finalize(self, store.give_back, self._numbers)
            assert isinstance(data, bytes)
            try:
                number = store.put(data)
            except OSError as error:
                self._cut_off(at, error)
                return
            with self._lock:
                self._blocks[at] = number
                self._numbers.append(number)

    def _cut_off(self, at: int, error: OSError) -> None:
        """Keep what comes before a block that could not be stored, and say so; the platform's lines go on."""
        with self._lock:
            self._cut = True
            end = IN_MEMORY + at * BLOCK
            lost = self._size - end
            kept = [
                (self._runs[index][0], self._run_bytes_locked(index))
                for index in range(max(0, bisect_right(self._starts, end) - 1), len(self._starts))
                if self._runs[index][1] == PLATFORM and self._starts[index] >= end
            ]
            del self._blocks[at:]
            self._rest.clear()
            self._size = end
            count = bisect_right(self._starts, end - 1)
            del self._starts[count:], self._runs[count:]
            time = self._runs[-1][0] if self._runs else 0.0
            note = f"\n[PLATFORM] The log is cut here ({lost} bytes lost, and what follows): {error}\n"
            self._write_locked(note.encode(), time, PLATFORM)
            for moment, line in kept:
                self._write_locked(line, moment, PLATFORM)

    def _run_bytes_locked(self, index: int) -> bytes:
        """Those of a run that is in memory."""
        stop = self._starts[index + 1] if index + 1 < len(self._starts) else self._size
        return self._joined(self._parts_locked(self._starts[index], stop))

    def write_platform(self, text: str, time: float) -> None:
        """A line of the platform, between what was written before it and after."""
        self.write(text.encode() + b"\n", time, PLATFORM)

    @property
    def size(self) -> int:
        return self._size

    def read(self, start: int = 0, end: int | None = None) -> bytes:
        """Output and platform lines between two byte offsets."""
        with self._lock:
            parts = self._parts_locked(start, end)
        return self._joined(parts)  # without the lock, as it may wait for the disk

    def _read_runs(self, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, float, str]]:
        """The same in runs of one source, with their time and source."""
        with self._lock:  # another thread may write meanwhile, or cut the log off
            stop = self._size if end is None else min(end, self._size)
            parts = self._parts_locked(start, stop)
            first, last = max(0, bisect_right(self._starts, start) - 1), bisect_left(self._starts, stop)
            starts, runs = self._starts[first:last], self._runs[first:last]
        data = self._joined(parts)
        for begin, following, (time, source) in zip(starts, [*starts[1:], stop], runs, strict=False):
            if max(begin, start) < following:
                yield data[max(begin, start) - start : following - start], time, source

    def _joined(self, parts: list[bytes | _Stored]) -> bytes:
        found = []
        for part in parts:
            if isinstance(part, _Stored):
                assert self._store is not None
                found.append(self._store.get(part.number)[part.start : part.end])
            else:
                found.append(part)
        return b"".join(found)

    def _parts_locked(self, start: int, end: int | None) -> list[bytes | _Stored]:
        stop = self._size if end is None else min(end, self._size)
        if stop <= len(self._head):
            return [bytes(self._head[start:stop])]
        parts: list[bytes | _Stored] = [bytes(self._head[start:])]
        position = max(start, IN_MEMORY)
        in_blocks = IN_MEMORY + len(self._blocks) * BLOCK
        while position < min(stop, in_blocks):
            number, offset = divmod(position - IN_MEMORY, BLOCK)
            block = self._blocks[number]
            last = min(BLOCK, offset + stop - position)
            parts.append(_Stored(block, offset, last) if isinstance(block, int) else block[offset:last])
            position += last - offset
        if position < stop:
            parts.append(bytes(self._rest[position - in_blocks : stop - in_blocks]))
        return parts

    def _body(self, start: int, end: int) -> list[LogLine]:
        """Lines of a stretch. Output cut in two by a platform's line shows as two lines.

        Unless the cut is just before the end of a line, which Python writes on its own: that end is where it belongs.
        """
        lines: list[tuple[float, str, list[bytes]]] = []
        unfinished = -1  # the output's line that has no end yet
        for data, time, source in self._read_runs(start, end):
            *texts, rest = data.split(b"\n")
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

    def frame_lines(self) -> list[str]:
        """The platform's lines before, between and after the output."""
        frame = self.frame()
        return [*frame.before, *frame.between, *frame.after]

    def lines(self) -> list[LogLine]:
        """The whole log so far, in the cloud's order (docs/cloud-contract.md#log)."""
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

    def last_lines(self, count: int) -> tuple[bool, list[LogLine]]:
        """Whether there is more, and the last ``count`` lines of the log: costs these, however long the log is."""
        more, lines = self._ending(count * _LINE)
        return more or len(lines) > count, lines[-count:]

    def _ending(self, size: int) -> tuple[bool, list[LogLine]]:
        """Whether there is more, and the lines of the last ``size`` bytes of output and what follows them."""
        end = self._size
        start = max(0, end - size)
        if start <= self._init_end:
            return False, self.lines()
        frame = self.frame()
        # From the beginning of a line on, but for a very long one.
        start += self.read(start, end - size // 2).find(b"\n") + 1
        return True, [*self._body(start, end), *(LogLine(frame.ended, PLATFORM, line) for line in frame.after)]

    def text(self) -> str:
        """The whole log so far."""
        return "".join(line.text + "\n" for line in self.lines())

    def tail(self, size: int) -> bytes:
        """The last ``size`` bytes of the log."""
        text = "".join(line.text + "\n" for line in self._ending(2 * size)[1])
        return text.encode("utf-8", "backslashreplace")[-size:]

    def user_bytes(self) -> bytes:
        """What the user's processes wrote, as they wrote it, without the platform's lines."""
        return b"".join(data for data, _time, source in self._read_runs() if source == CUSTOM)

    def user_text(self) -> str:
        return _text(self.user_bytes())

    def platform_lines(self) -> list[str]:
        """The ``[PLATFORM]`` lines, in order."""
        return [
            line for data, _time, source in self._read_runs() if source == PLATFORM for line in _text(data).splitlines()
        ]


class Frame(NamedTuple):
    """The platform's own lines of a log: START before the output, Init Report between, END and its fellows after."""

    started: float
    before: list[str]
    initialised: float
    between: list[str]
    ended: float
    after: list[str]


class EndReport(NamedTuple):
    """How a request ended, as far as its log tells: seconds since the epoch, milliseconds, bytes."""

    time: float
    duration_ms: float
    memory_bytes: int
    ret_msg: str
    err_msg: str


def log_frame(
    request_id: str,
    began: float,
    memory_mb: int,
    init: InitReport | None,
    end: EndReport | None,
    provisions: bool = False,
) -> Frame:
    """The platform's lines of one request's log; ``init`` of a cold start, ``end`` once it has ended.

    ``provisions``: of the start of a provisioned instance, which is no request.
    """
    between: list[str] = []
    if init is not None:
        between = [
            f"{'Provisioned' if provisions else 'Init'} Report RequestId: {request_id} "
            f"Coldstart: {init.total_ms:.0f}ms (PullCode: 0ms InitRuntime: {init.runtime_ms:.0f}ms "
            f"InitFunction: {init.function_ms:.0f}ms) Memory: {memory_mb}MB MemUsage: {init.memory_bytes / MIB:.2f}MB"
        ]
    if provisions:
        initialised = began if init is None else init.time
        failed = [f"ERROR RequestId:{request_id} Result:{end.err_msg}"] if end is not None and end.err_msg else []
        return Frame(began, [], initialised, between, 0.0 if end is None else end.time, failed)
    after: list[str] = []
    if end is not None:
        if end.err_msg:
            after.append(f"ERROR RequestId:{request_id} Result:{end.err_msg}")
        after += [
            f"Response RequestId:{request_id} RetMsg:{end.ret_msg}",
            f"END RequestId:{request_id}",
            f"Report RequestId:{request_id} Duration:{end.duration_ms:.0f}ms Memory:{memory_mb}MB "
            f"MemUsage:{end.memory_bytes / MIB:.2f}MB",
        ]
    initialised = began if init is None else init.time
    ended = 0.0 if end is None else end.time
    return Frame(began, [f"START RequestId:{request_id}"], initialised, between, ended, after)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
