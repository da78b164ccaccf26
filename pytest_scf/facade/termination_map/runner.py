"""Makes a termination map: records what runs, then terminates an event at each moment of that."""

from __future__ import annotations

import collections
import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

from pytest_scf.api_errors import FailedOperationAsyncEventStatus
from pytest_scf.errors import UsageError, WaitTimeout
from pytest_scf.facade.payload import encode
from pytest_scf.facade.probing import function_probe, lines
from pytest_scf.facade.probing.lines import Place
from pytest_scf.facade.probing.plans import Plan, Stopped
from pytest_scf.facade.termination_map import blocking
from pytest_scf.facade.termination_map.moments import (
    HANDLER,
    INIT,
    LOG,
    E,
    Moment,
    chosen,
    left_alone,
    of_recording,
    raised,
    without_excuse,
    written,
)
from pytest_scf.facade.termination_map.options import Options
from pytest_scf.facade.termination_map.result import TerminationMap, shown
from pytest_scf.runtimes.probe.recording import LINES_LIMIT

if TYPE_CHECKING:
    from pytest_scf.facade.session import Session
    from pytest_scf.platform.functions import FunctionRecord
    from pytest_scf.platform.records import Invocation

#: seconds that a recorded event which a signal does not end is given, and between two words on the progress
_LEAVE_DEADLINE = 5.0
_PROGRESS_INTERVAL = 0.5
#: so often an instance that has served others is tried in vain
_LEFT_OVER = 3


class MapRunner(Generic[E]):
    """One map of one function with one event. Raises UsageError where there can be none."""

    def __init__(
        self,
        session: Session,
        record: FunctionRecord,
        event_of: Callable[[Invocation], E],
        event: Any,
        options: Options,
    ) -> None:
        """``event_of`` makes the handle of an invocation."""
        options.validate()
        self._session = session
        self._platform = session.platform
        self._record = record
        self._origins = session.origins.get(record, {})
        self._handle = event_of
        self._event = event
        self._payload = encode(event).encode()
        self._options = options
        if not self._record.config.async_run:
            raise UsageError(
                f"function {record.name} has no asynchronous execution, so its invocations cannot be terminated: "
                "deploy it with async_run=True"
            )
        self._by_log = options.moments == "log"
        #: a server does not say where an event begins and ends: each moment has an instance of its own
        self._is_server = function_probe.is_python_server(self._record)
        if not self._by_log and not self._record.config.is_python and not self._is_server:
            raise UsageError(
                f"the lines of function {record.name} cannot be seen, as its handler is not Python: ask for "
                "moments='log' (in a shell: --log), which terminates it after each line of its log"
            )
        self._probe = None if self._by_log else function_probe.trace(self._session, self._record)
        self.notes: list[str] = []
        self._checking = threading.Lock()
        self._local = threading.local()
        self._errors: list[BaseException] = []
        self._stopping = False
        self._invoked: list[Invocation] = []
        #: how often an instance was not as it was before the events that it had served
        self._left_over = 0
        #: a signal handler was registered while it was recorded; None where that is not told of
        self.registers: bool | None = None
        #: it had not ended when its recording did
        self.lasting = False
        #: moments of a recording that may have come after the answer
        self._late: set[int] = set()

    @property
    def _root(self) -> Path:
        server = self._record.config.server
        return Path(server.cwd) if server is not None and server.cwd is not None else self._record.config.code_root

    # -- the whole -----------------------------------------------------------------------------------------------

    def run(self) -> TerminationMap[E]:
        moments, total = self.moments()
        self._run_all(moments)
        # What a server does after its answer belongs to no event that could be terminated.
        moments = [each for each in moments if each.reached or id(each) not in self._late]
        if self._options.only is None and (self.registers is False or (not self.registers and len(moments) == total)):
            self.notes += without_excuse(moments)
        how = "graceful" if self._options.graceful else "forced"
        title = f"termination map of function {self._record.name}, {how}, event {shown(self._event, cut='...')}"
        return TerminationMap(title, moments, total=total, notes=self.notes, root=self._root, origins=self._origins)

    def moments(self) -> tuple[list[Moment[E]], int]:
        """Those that are to be run, and how many there are."""
        options = self._options
        if options.only is not None:
            all_of_them = found = [self._named(name) for name in options.names]
        elif self._by_log:
            all_of_them = self._record_log()
            found = chosen(all_of_them, "all", options.limit)
        else:
            all_of_them = self._record_lines()
            found = chosen(all_of_them, options.occurrences, options.limit)
        if len(found) < len(all_of_them):
            self.notes.append(
                f"{len(found)} of {len(all_of_them)} moments were run (occurrences={options.occurrences!r}, "
                f"limit={options.limit})"
            )
        for moment in found:
            moment.graceful = options.graceful
            moment.copied_from = self._origins[moment.file].name if moment.file in self._origins else ""
            moment.example = self._example(moment)
        return found, len(all_of_them)

    def _named(self, name: str) -> Moment[E]:
        if self._by_log:
            return Moment(LOG, int(name.partition(":")[2]), 1, HANDLER)
        line, blocked = (name[: -len(" blocked")], True) if str(name).endswith(" blocked") else (name, False)
        (place,) = lines.parse(line, self._root, self._origins, lines.python_of(self._record.config), "only")
        source = self._source(place.file, place.line)
        return Moment(place.file, place.line, place.occurrence, HANDLER, blocked=blocked, source=source)

    def _source(self, file: str, line: int) -> str:
        return lines.line_text(self._root / file, line)

    def _example(self, moment: Moment[E]) -> str:
        return f"fn.termination_map({shown(self._event)}, {self._options.arguments()}, only={moment.name!r})"

    # -- recording -----------------------------------------------------------------------------------------------

    def _record_lines(self) -> list[Moment[E]]:
        assert self._probe is not None
        plan = Plan(record=True, steadily=self._is_server, keeps=True)
        invocation = self._probe.begin(plan, lambda: self._invoke(fresh=True))
        end = self._let_end(invocation, lambda: len(plan.recorded))
        answered = len(plan.recorded)
        if self._is_server:
            plan.recorded.wait_until_complete(_LEAVE_DEADLINE)
            self._platform.equip(self._record, self._probe)  # what has no end is recorded as long as its instance lives
        self._probe.settle(invocation)
        self._probe.forget(invocation.request_id)
        if len(plan.recorded) >= LINES_LIMIT:
            self.notes.append(
                f"no more than the first {LINES_LIMIT:,} lines that run are recorded: the moments end there"
            )
        found = of_recording(plan.recorded, len(plan.recorded) if end is None else end, self._source)
        if self._is_server and end is None:
            # After its last line it waits for the next event, which is no moment of this one.
            self._late = {id(each) for each in found if each.index + each.blocked >= answered}
        return found

    def _record_log(self) -> list[Moment[E]]:
        invocation = self._invoke(fresh=True)
        event = self._handle(invocation)
        end = self._let_end(invocation, lambda: len(written(event)))
        texts = written(event)[:end]
        return [Moment[E](LOG, number, 1, HANDLER, source=text) for number, text in enumerate(texts, 1)]

    def _let_end(self, invocation: Invocation, count: Callable[[], int]) -> int | None:
        """Wait until it has ended. One that does not end by itself is terminated: what it had done until then."""
        event = self._handle(invocation)
        ended = self._platform.wait_final(invocation, self._options.record_for)
        function_probe.check(invocation)
        if self._record.config.is_python:
            instance = invocation.attempt.instance
            self.registers = instance is not None and instance.registration is not None
        if ended:
            self.notes.append(left_alone(event))
            return None
        end = count()
        self.lasting = True
        self.notes.append(
            f"left alone, it does not end within {self._options.record_for:g} s (record_for): the moments are those "
            "until then"
        )
        with contextlib.suppress(FailedOperationAsyncEventStatus):
            self._platform.terminate(invocation, graceful=self._options.graceful)
        if not self._platform.wait_final(invocation, _LEAVE_DEADLINE):
            self._end_by_force(invocation)
        return end

    # -- running -------------------------------------------------------------------------------------------------

    def _run_all(self, moments: list[Moment[E]]) -> None:
        waiting = collections.deque(moments)
        workers = [
            threading.Thread(target=self._work, args=(waiting,), name="pytest-scf-map", daemon=True)
            for _ in range(min(self._workers(), len(moments)))
        ]
        began = time.monotonic()
        for worker in workers:
            worker.start()
        try:
            for worker in workers:
                while worker.is_alive():
                    worker.join(_PROGRESS_INTERVAL)
                    if worker.is_alive() and time.monotonic() - began > 2 * _PROGRESS_INTERVAL:
                        failed = sum(1 for each in moments if each.event is not None and each.problem)
                        self._say(f"termination map: {len(moments) - len(waiting)}/{len(moments)}, {failed} failed")
        finally:
            self._stopping = True
            for worker in workers:
                while worker.is_alive():  # the user has had enough of it
                    for invocation in self._invoked:
                        self._end_by_force(invocation)
                    worker.join(_PROGRESS_INTERVAL)
            self._say("")
        if self._errors:
            raise self._errors[0]

    def _say(self, text: str) -> None:
        if self._session.progress is not None:
            self._session.progress(text)

    def _workers(self) -> int:
        if self._options.parallel is not None:
            wanted = self._options.parallel
        elif self._options.prepare is not None or (self._probe is not None and self._probe.has_stubs):
            wanted = 1  # what the test has is shared by all moments
        else:
            wanted = (os.cpu_count() or 1) + 1  # as one waits for its instance to come or to go
        most = self._record.config.max_instances or self._platform.settings.max_instances
        # One instance that is idle or on its way out for each that works.
        return max(1, min(wanted, most))

    def _work(self, waiting: collections.deque[Moment[E]]) -> None:
        while not self._stopping:
            try:
                moment = waiting.popleft()
            except IndexError:
                return
            try:
                self._run(moment)
            except BaseException as error:
                self._errors.append(error)
                self._stopping = True

    def _run(self, moment: Moment[E]) -> None:
        fresh = self._options.fresh or self._left_over >= _LEFT_OVER
        if self._by_log or self._is_server or moment.phase != HANDLER or fresh or moment.position < 0:
            self._run_once(moment, fresh=True)
            return
        # An instance that has served a moment well may serve another. Whatever is wrong then is tried anew in a fresh
        # one, and that is what counts.
        if not self._run_once(moment, fresh=False) or (
            moment.event is not None and not self._local.cold and not moment.ok
        ):
            self._run_once(moment, fresh=True)

    def _run_once(self, moment: Moment[E], *, fresh: bool) -> bool:
        """Whether what was found counts: in an instance that had served others, it came there on the same way."""
        moment.event = moment.resumed = moment.error = None
        moment.reached = moment.ran_on = moment.checked = False
        moment.problem = ""
        self._local.cold = True
        try:
            if self._options.prepare is not None:
                self._options.prepare(moment)
        except BaseException as error:  # pytest.fail() and pytest.skip() too
            moment.problem, moment.error = raised("prepare", error), error
            return True
        invocation = (
            self._terminate_at_line(moment, fresh=fresh) if not self._by_log else self._terminate_at_log(moment)
        )
        if invocation is None:
            return False
        moment.event = self._mapped(invocation)
        self._local.cold = invocation.attempt.cold
        if not moment.reached:
            function_probe.check(invocation)
            moment.problem = f"it was not reached again: {moment.event.diagnosis}"
            return True
        if self._options.resume:
            # By force nothing is left of its instance, and what others have left in theirs is no checkpoint.
            again = self._invoke(fresh=not self._options.graceful)
            if not self._platform.wait_final(again, max(self._options.timeout, self._options.record_for * 2)):
                self._end_by_force(again)
            moment.resumed = self._mapped(again)
        self._check(moment)
        return True

    def _mapped(self, invocation: Invocation) -> E:
        if self._options.only is None:
            self._session.mapped.add(invocation.request_id)
        return self._handle(invocation)

    def _check(self, moment: Moment[E]) -> None:
        check = self._options.check
        if check is None:
            return
        events = [moment.event, moment.resumed] if self._options.resume else [moment.event]
        with self._checking:
            try:
                check(*events, moment)
            except BaseException as error:
                moment.problem, moment.error = raised("check", error), error
        if moment.ran_on and not moment.problem:
            moment.problem = moment.unfinished
        moment.checked = True

    def _terminate_at_line(self, moment: Moment[E], *, fresh: bool) -> Invocation | None:
        """Gives None where an instance that had served others came there on another way."""
        assert self._probe is not None
        place = Place(moment.file, moment.line, moment.occurrence)
        plan = Plan([place], reset=True, keeps=self._options.graceful)
        invocation = self._probe.begin(plan, lambda: self._invoke(fresh=fresh))

        def look(record: Invocation) -> Stopped | bool | None:
            return plan.stopped[0] if plan.stopped else True if record.final else None

        try:
            deadline = self._options.timeout + self._options.record_for
            found: Any = None
            with contextlib.suppress(WaitTimeout):
                found = self._platform.wait(invocation, look, deadline, "the moment")
            warm = not invocation.attempt.cold
            if not isinstance(found, Stopped):
                if found is None:
                    self._end_by_force(invocation)
                return None if warm else invocation
            if warm and (found.left_over or found.position != moment.position + 1):
                self._left_over += found.left_over
                self._end_by_force(invocation)
                return None
            if moment.blocked and not blocking.let_block(invocation, plan, found, self._options.timeout):
                self._end_by_force(invocation)
                return invocation
            instance = invocation.attempt.instance
            ready = instance is not None and instance.init is not None
            moment.phase = found.phase if not self._is_server else HANDLER if ready else INIT
            self._terminate(moment, invocation, plan)
            return invocation
        finally:
            plan.release()
            self._probe.forget(invocation.request_id)

    def _terminate_at_log(self, moment: Moment[E]) -> Invocation:
        invocation = self._invoke(fresh=True)
        event = self._handle(invocation)

        def look(record: Invocation) -> bool | None:
            return len(written(event)) >= moment.line or record.final or None

        with contextlib.suppress(WaitTimeout):
            self._platform.wait(invocation, look, self._options.timeout + self._options.record_for, "the log line")
        if invocation.final or len(written(event)) < moment.line:
            self._end_by_force(invocation)
            return invocation
        moment.source = moment.source or written(event)[moment.line - 1]
        self._terminate(moment, invocation, None)
        return invocation

    def _terminate(self, moment: Moment[E], invocation: Invocation, plan: Plan | None) -> None:
        taken = blocking.wait_until_taken(invocation, plan)
        try:
            self._platform.terminate(invocation, graceful=self._options.graceful)
        except FailedOperationAsyncEventStatus:
            return  # it ended before
        moment.reached = True
        if plan is not None:
            taken()
            plan.release()
        if self._options.graceful and not self._platform.wait_final(invocation, self._options.timeout):
            moment.ran_on = True
            self._end_by_force(invocation)

    def _end_by_force(self, invocation: Invocation) -> None:
        with contextlib.suppress(FailedOperationAsyncEventStatus):
            self._platform.terminate(invocation)

    def _invoke(self, *, fresh: bool = False) -> Invocation:
        invocation = self._platform.invoke(self._record, self._payload, asynchronous=True, fresh=fresh)
        self._invoked.append(invocation)
        return invocation
