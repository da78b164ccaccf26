"""What is to be done in one event's instance: where to stop, whether to record; and what came of it."""

from __future__ import annotations

import array
import json
import threading
from dataclasses import dataclass, field

from pytest_scf.facade.probing.lines import Place
from pytest_scf.instances import messages
from pytest_scf.runtimes.probe.recording import LINE_BITS, LINES_LIMIT

_TEXT = 2000
_ENTRIES = 200
#: what no event comes to, and an instance must not go beyond
_STOPS_LIMIT = 10_000
_FILES_LIMIT = 1 << (32 - LINE_BITS)


@dataclass(frozen=True, eq=False)
class Stopped:
    """A thread that has come to a line, as its instance says. Those of two attempts may differ in nothing else."""

    place: Place
    #: how many lines of the user's code it had run before in this event, or before it in the init phase
    position: int
    #: "init" or "handler"
    phase: str
    thread: str
    tid: int
    locals: dict[str, str]
    #: (file, line, function), outermost first
    stack: tuple[tuple[str, int, str], ...]
    #: of an instance that had served others before: it is not as it was before them
    left_over: bool = False
    released: threading.Event = field(default_factory=threading.Event)


class Plan:
    """Of one event."""

    def __init__(
        self,
        stops: list[Place] | None = None,
        *,
        record: bool = False,
        steadily: bool = False,
        details: bool = False,
        reset: bool = False,
        keeps: bool = False,
    ) -> None:
        self.stops = stops or []
        self.record = record
        #: what is recorded is told of at each look, also when nothing has run
        self.steadily = steadily
        self.details = details
        #: in an instance that has served others before: give SIGTERM back what it was after the init phase
        self.reset = reset
        #: in a new instance: note how it is before its first event, as it may serve one that resets it
        self.keeps = keeps
        self.stopped: list[Stopped] = []
        self.recorded = Recorded()
        #: those that the test has been given
        self.given: list[Stopped] = []

    def message(self, *, of_event: bool = True) -> bytes:
        """What an instance is told; without an event it asks again when it has one."""
        return json.dumps(
            {
                "of_event": of_event,
                "stops": [[each.file, each.line, each.occurrence] for each in self.stops],
                "record": self.record,
                "steadily": self.steadily,
                "details": self.details,
                "reset": self.reset,
                "keeps": self.keeps,
            }
        ).encode("ascii")

    def stop(self, payload: bytes) -> Stopped:
        """Note what an instance says of a stop. Raises ValueError, KeyError or TypeError where it makes no sense."""
        facts = messages.read(payload)
        place = Place(str(facts["file"]), int(facts["line"]), int(facts["occurrence"]))
        if place not in self.stops:
            raise ValueError(f"nothing was to be stopped at {place}")
        if len(self.stopped) >= _STOPS_LIMIT:
            raise ValueError("more stops than are taken in")
        variables = dict(list(facts.get("locals", {}).items())[:_ENTRIES])
        found = Stopped(
            place,
            int(facts["position"]),
            "handler" if facts["loaded"] else "init",
            str(facts["thread"])[:_TEXT],
            int(facts["tid"]),
            {str(name)[:_TEXT]: str(value)[:_TEXT] for name, value in variables.items()},
            tuple((str(file), int(line), str(name)) for file, line, name in facts.get("stack", [])[:_ENTRIES]),
            bool(facts.get("left_over", False)),
        )
        self.stopped.append(found)
        return found

    def release(self) -> None:
        for each in self.stopped:
            each.released.set()


class Recorded:
    """The lines of an event in the order in which they ran."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._files: list[str] = []
        self._numbers = array.array("I")
        #: how often something has been told of it
        self._told = 0
        #: positions of lines in which the main thread blocked; of each that of the last line which had run then
        self.blocked: dict[int, int] = {}
        #: the position at which the init phase was over; -1 where it was not
        self.loaded_at = -1
        #: the instance has said its last
        self.over = False

    def take(self, payload: bytes) -> None:
        """Raises ValueError, KeyError or TypeError where it makes no sense."""
        head, _, data = payload.partition(b"\n")
        facts = json.loads(head)
        numbers = array.array("I")
        numbers.frombytes(data)
        with self._changed:
            if len(self._numbers) + len(numbers) > LINES_LIMIT:
                raise ValueError("more lines than are recorded")
            files = [*self._files, *(str(name)[:_TEXT] for name in facts["new"])]
            if len(files) > _FILES_LIMIT:
                raise ValueError("more files than can be told apart")
            looked_at = 0
            if len(numbers) and max(numbers) >> LINE_BITS >= len(files):
                raise ValueError("a line of a file without a name")
            self._files = files
            self._numbers.extend(numbers)
            for number, at in facts["blocked"]:
                earlier = range(min(int(at), len(self._numbers) - 1), -1, -1)
                begun = next((each for each in earlier if self._numbers[each] == number), None)
                looked_at += len(earlier) if begun is None else len(earlier) - begun
                if looked_at > LINES_LIMIT:
                    raise ValueError("more lines that block than are looked for")
                if begun is not None:
                    self.blocked.setdefault(begun, int(at))
            self.loaded_at = int(facts["loaded"])
            self.over = bool(facts["over"])
            self._told += 1
            self._changed.notify_all()

    def end(self) -> None:
        """The instance is gone: nobody waits for more."""
        with self._changed:
            self.over = True
            self._changed.notify_all()

    def wait_until_complete(self, timeout: float) -> bool:
        """Of one that is told of steadily: wait until all is in that has run by now; False where the time came first.

        What is told of next may have been looked at before. What follows that was looked at after it was answered.
        """
        with self._changed:
            wanted = self._told + 2
            return self._changed.wait_for(lambda: self.over or self._told >= wanted, timeout)

    def __len__(self) -> int:
        return len(self._numbers)

    def lines(self, end: int | None = None) -> list[tuple[str, int]]:
        with self._changed:
            numbers, files = self._numbers[:end], self._files
        lowest = (1 << LINE_BITS) - 1
        named = {number: (files[number >> LINE_BITS], number & lowest) for number in set(numbers)}
        return [named[number] for number in numbers]
