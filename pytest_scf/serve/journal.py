"""What ``serve`` prints: requests, what functions write, and what became of each invocation."""

from __future__ import annotations

import contextlib
import json
import textwrap
import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any

from pytest_scf import facts
from pytest_scf.endpoint.gateway import Answer
from pytest_scf.platform.records import Attempt, Invocation
from pytest_scf.platform.triggers import Refusal

#: digits of a request id that tell the lines of one invocation from those of another
_SHORT = 8


def say(text: str) -> None:
    """Print it at once."""
    with contextlib.suppress(OSError, ValueError):  # stdout is closed
        print(text, flush=True)


class Journal:
    """Prints in a thread of its own, so that nobody waits for the terminal. Thread-safe, until it is closed."""

    def __init__(self, write: Callable[[str], None] = say) -> None:
        self._write = write
        self._changed = threading.Condition()
        self._items: deque[str | Invocation] = deque()
        #: invocations among the items
        self._noted: set[Invocation] = set()
        self._closed = False
        #: where the output of an invocation goes on: the attempt's number, and bytes of its log
        self._positions: dict[Invocation, tuple[int, int]] = {}
        self._thread = threading.Thread(target=self._run, name="pytest-scf-journal", daemon=True)
        self._thread.start()

    def say(self, text: str) -> None:
        """Print a line, after what was noted before it."""
        self._add(text)

    def request(self, peer: Any, answer: Answer, seconds: float) -> None:
        """A request of the API and its answer: the ``log`` of an ``Endpoint``."""
        self._add(f"{_now()} {peer[0]}:{peer[1]} {seconds * 1000:.1f} ms {describe(answer)}")

    def http(self, what: str, seconds: float) -> None:
        """A request to an address of a function or a bucket, and what came of it."""
        self._add(f"{_now()} {seconds * 1000:.1f} ms {what}")

    def follow(self, event: Invocation) -> None:
        """Something about an invocation has changed: what ``Platform.observe`` calls."""
        with self._changed:
            if event not in self._noted:
                self._noted.add(event)
                self._items.append(event)
                self._changed.notify()

    def refused(self, refusal: Refusal) -> None:
        """A call of a trigger was refused: what ``Triggers.observe_refusals`` calls."""
        self._add(f"{_now()} a call was refused, and nothing became of it: {refusal}")

    def close(self) -> None:
        """Returns when everything is printed."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _add(self, text: str) -> None:
        with self._changed:
            self._items.append(text)
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._closed)
                if not self._items:
                    return
                item = self._items.popleft()
                if isinstance(item, Invocation):
                    self._noted.discard(item)
            if isinstance(item, Invocation):
                self._print_news(item)
            else:
                self._write(item)

    def _print_news(self, event: Invocation) -> None:
        """What an invocation has written since the last time, and how its attempts ended."""
        number, offset = self._positions.pop(event, (0, 0))
        is_final = event.final  # asked first: what comes afterwards is noted anew
        for attempt in event.attempts[number:]:
            ended = attempt.final
            offset = self._print_output(attempt, offset, whole=ended)
            if not ended:
                break
            self._write(_outcome(attempt))
            number, offset = number + 1, 0
        if not is_final:
            self._positions[event] = (number, offset)

    def _print_output(self, attempt: Attempt, offset: int, *, whole: bool) -> int:
        """Print complete lines from ``offset`` on, or all there is; where the next ones begin."""
        try:
            data = attempt.log.read(offset)
        except (OSError, ValueError):  # the runtime is closed, and what was on the disk is gone
            data = b""
        if not whole:
            data = data[: data.rfind(b"\n") + 1]
        name, short = _name(attempt), attempt.request_id[:_SHORT]
        for line in data.splitlines():
            self._write(f"{_now()} {name} {short} | {line.decode('utf-8', 'backslashreplace')}")
        return offset + len(data)


def describe(answer: Answer) -> str:
    """One line: the action, the function, and what came of it."""
    what = f"{answer.action or 'no action'}{answer.function and ' '}{answer.function}"
    found = json.loads(answer.body)["Response"]
    if "Error" in found:
        said = f"{found['Error']['Code']}: {found['Error']['Message']}"
    elif isinstance(result := found.get("Result"), dict) and result.get("InvokeResult"):
        said = "the invocation failed,"
    else:
        said = "ok,"
    return f"{what}: {said} RequestId {answer.request_id}"


def _outcome(attempt: Attempt) -> str:
    outcome = attempt.outcome
    assert outcome is not None
    tried = f" in attempt {attempt.number + 1}" if attempt.number else ""
    line = (
        f"{_now()} {_name(attempt)} {attempt.request_id} {attempt.status} {attempt.status_code}{tried}, "
        f"{attempt.duration_ms:.0f} ms"
    )
    if outcome.failed:
        line += f": {outcome.message or outcome.cause}"
    stack = textwrap.indent(outcome.stack.rstrip("\n"), "    ")
    return f"{line}\n{stack}" if stack else line


def _name(attempt: Attempt) -> str:
    function, version = attempt.function, attempt.config.version
    name = function.name if function.namespace == facts.DEFAULT_NAMESPACE else f"{function.namespace}/{function.name}"
    return name if version == facts.LATEST else f"{name}:{version}"


def _now() -> str:
    return datetime.now().isoformat(sep=" ", timespec="milliseconds")
