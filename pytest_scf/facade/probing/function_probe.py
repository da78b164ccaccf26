"""What a function's instances are told to do on the test's behalf, and who answers their questions."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from pytest_scf.errors import UsageError
from pytest_scf.facade.probing import debugging
from pytest_scf.facade.probing.connections import Connections
from pytest_scf.facade.probing.debugging import DebuggedInstance, EditedInstance, Editor, Terminal
from pytest_scf.facade.probing.plans import Plan
from pytest_scf.facade.probing.stub_table import Blame, StubTable
from pytest_scf.runtimes.probe import link

if TYPE_CHECKING:
    from pytest_scf.contract.operations import Operations
    from pytest_scf.facade.probing.stubs import Stub
    from pytest_scf.facade.session import Session
    from pytest_scf.instances.interpreters import Interpreter
    from pytest_scf.platform.functions import FunctionRecord
    from pytest_scf.platform.records import Attempt, InstanceRecord, Invocation

#: seconds that a side_effect of the user's is given to return once its instance is gone and the runtime closes
LEAVE_DEADLINE = 5.0
_TEXT = 4000
#: bytes that the calls of a function's stand-ins may hold in all: their Mocks keep them as long as the test does
CALLS_LIMIT = 1 << 30


@dataclass(frozen=True, eq=False)
class StartFault:
    """What goes wrong with cold starts: seconds that they take longer, or an error."""

    seconds: float
    message: str
    strikes: Any
    no_network: bool = False


class FunctionProbe:
    """Of one function: made when it first uses something of this."""

    def __init__(self, platform: Operations, setup: dict[str, str] | None = None) -> None:
        self._platform = platform
        self._setup = setup
        self._lock = threading.Lock()
        self._stubs = StubTable()
        self._held_by_calls = 0
        self._instances: list[Connections] = []
        #: whether instances look which lines run
        self.traced = False
        #: where ``breakpoint()`` opens pdb; None: it does not
        self.terminal: Terminal | None = None
        #: what instances wait for before the handler is loaded; None: nothing
        self.editor: Editor | None = None
        self.start_faults: list[StartFault] = []
        self._plans: dict[str, Plan] = {}
        #: what a stand-in raised last, of its own accord
        self._blamed: WeakKeyDictionary[Attempt, Blame] = WeakKeyDictionary()
        #: what was wrong with what an instance sent first during an attempt
        self._nonsense: WeakKeyDictionary[Attempt, str] = WeakKeyDictionary()
        #: held while an event is invoked whose plan is noted right after
        self._planning = threading.RLock()
        #: by instance: what the test asked for and could not be done in it
        self._refused: dict[InstanceRecord, str] = {}
        #: what of that the test knows
        self._told: set[str] = set()

    # -- what the platform asks, under its lock ------------------------------------------------------------------

    def server(self, instance: InstanceRecord) -> Connections:
        config = {
            "setup": self._setup,
            "handler": instance.config.handler,
            "stand_ins": self._stubs.config(),
            "trace": self.traced,
            "debug": self.terminal is not None,
            "editor": self.editor is not None,
            "fault": self._take_faults(),
        }
        connections = Connections(self._platform, config, self._answer, self._refuse, self._forget)
        connections.instance = instance
        with self._lock:
            self._instances.append(connections)
        return connections

    def _take_faults(self) -> dict[str, Any] | None:
        """What is wrong with the next start: all that strikes it, of several failures one."""
        struck: list[StartFault] = []
        for fault in list(self.start_faults):
            fails = any(each.message for each in struck)
            if not (fault.message and fails) and fault.strikes.take():
                struck.append(fault)
        if not struck:
            return None
        return {
            "seconds": sum(each.seconds for each in struck),
            "message": "".join(each.message for each in struck),
            "no_network": any(each.no_network for each in struck),
        }

    def _forget(self, connections: Connections) -> None:
        if connections.debugged is not None:
            connections.debugged.leave()
        if connections.plan is not None:
            connections.plan.recorded.end()
        with self._lock:
            self._instances = [each for each in self._instances if not each.gone or not each.join(0)]

    # -- what the test asks --------------------------------------------------------------------------------------

    def stub(self, target: str, removed: Callable[[], object], **how: Any) -> Stub:
        """``removed`` is called when it is not to be there any more; for ``how`` see ``StubTable.add``."""

        def remove(stub: Stub) -> None:
            self._stubs.remove(stub)
            removed()

        return self._stubs.add(target, remove, **how)

    def begin(self, plan: Plan, invoke: Callable[[], Invocation]) -> Invocation:
        """Invoke an event that is to be handled by a plan."""
        with self._planning:
            record = invoke()
            self._plans[record.request_id] = plan
        return record

    @property
    def has_stubs(self) -> bool:
        return bool(self._stubs.config())

    def settle(self, record: Invocation) -> None:
        """An event has ended: wait until all that its instance had said is taken in, if that is gone."""
        instance = record.attempt.instance
        for connections in list(self._instances):
            if connections.instance is instance and connections.gone:
                connections.join(LEAVE_DEADLINE)

    def explain(self, attempt: Attempt) -> list[str]:
        """Clauses for a diagnosis: what keeps an attempt from going on; what of the test's raised what ended it."""
        if not attempt.final:
            plan = self._plans.get(attempt.request_id)
            stops = () if plan is None else [each.place for each in plan.stopped if not each.released.is_set()]
            held = [what for each in list(self._instances) if each.instance is attempt.instance for what in each.held]
            return [
                *(f"it is stopped at {place}, until stop.release() is called" for place in stops),
                *(f"it is held in the call of {what}, until the block of held() ends" for what in held),
            ]
        blame, nonsense = self._blamed.get(attempt), self._nonsense.get(attempt)
        ended_by_it = blame is not None and attempt.outcome is not None and attempt.outcome.cause.endswith(blame.error)
        return [
            *([blame.clause] if blame is not None and ended_by_it else []),
            *([f"the test refused what its code sent on a connection of the probe ({nonsense})"] if nonsense else []),
        ]

    def plan(self, request_id: str) -> Plan | None:
        return self._plans.get(request_id)

    def forget(self, request_id: str) -> None:
        self._plans.pop(request_id, None)

    def check(self, record: Invocation) -> None:
        """Raises UsageError where an instance that worked on it could not be made what the test asked for."""
        __tracebackhide__ = True
        for attempt in record.attempts:
            refused = "" if attempt.instance is None else self._refused.get(attempt.instance, "")
            if refused:
                self._told.add(refused)
                raise UsageError(f"{refused} ({record.request_id} of function {record.function.name} ended with it)")

    def take_untold(self) -> list[str]:
        """What could not be done inside and nobody was told of, as no event was waited for that it ended."""
        untold = [text for text in dict.fromkeys(self._refused.values()) if text not in self._told]
        self._told.update(untold)
        return untold

    def close(self) -> None:
        """The instances are gone: wait for the threads that served them."""
        self._stubs.let_go()
        for connections in list(self._instances):
            connections.join(LEAVE_DEADLINE)

    # -- what an instance asks, in a thread of its connection's --------------------------------------------------

    def _answer(self, connections: Connections, kind: int, payload: bytes) -> tuple[int, bytes] | None:
        if kind == link.CALL:
            self._held_by_calls += _size(payload)
            if self._held_by_calls > CALLS_LIMIT:
                raise link.LinkError(f"calls of this function's stand-ins hold more than {CALLS_LIMIT:,} bytes by now")
            kind, answer, blame = self._stubs.call(connections, payload)
            if blame is not None and (caller := self._platform.attempt_of(connections.instance)) is not None:
                self._blamed[caller] = blame
            return kind, answer
        if kind == link.INSTALLED:
            self._take(connections, json.loads(payload))
            return link.ANSWER, b""
        if kind == link.DEBUG and (self.terminal is not None or self.editor is not None):
            return link.ANSWER, self._debug(connections, payload).encode("utf-8", "replace")
        plan, attempt = self._current(connections)
        if kind == link.BEGIN:
            connections.plan = plan
            return link.ANSWER, plan.message(of_event=attempt is not None and not attempt.invocation.provisions)
        if kind == link.LINES and connections.plan is not None:
            # Of the event that it has begun, which may have ended meanwhile.
            connections.plan.recorded.take(payload)
            return link.ANSWER, b""
        if kind == link.STOPPED and attempt is not None:
            resume = connections.suspend()
            try:
                connections.catch_up()
                stopped = plan.stop(payload)
                self._platform.notify(attempt.invocation)
                connections.wait(stopped.released)
            finally:
                resume()
            return link.ANSWER, b""
        return None

    def _refuse(self, connections: Connections, problem: str) -> None:
        attempt = self._platform.attempt_of(connections.instance)
        if attempt is not None:
            self._nonsense.setdefault(attempt, problem)

    def _take(self, connections: Connections, facts: dict[str, Any]) -> None:
        """What became of a stand-in or of the set-up."""
        refused = ""
        if "id" in facts:
            refused = self._stubs.refused(facts)
            if not refused:
                self._stubs.installed(facts)
        elif self._setup is not None:
            file, call = os.path.basename(self._setup["file"]), self._setup["call"]
            what = f"the set-up {call}()" if call else "the set-up"
            line = f"at {file}:{facts['line']}" if facts["line"] else f"({file})"
            refused = f"{what} failed {line}: {facts['set_up']}"
        if refused:
            self._refused.setdefault(connections.instance, refused[:_TEXT])

    def _debug(self, connections: Connections, payload: bytes) -> str:
        with self._lock:
            if connections.debugged is None:
                if self.editor is not None:
                    connections.debugged = EditedInstance(self.editor)
                elif self.terminal is not None:
                    connections.debugged = DebuggedInstance(self.terminal)
        attempt = self._platform.attempt_of(connections.instance)
        event = "" if attempt is None else f", event {attempt.request_id}"
        title = f"{'pdb' if self.editor is None else 'debugpy'} in function {connections.instance.function.name}{event}"
        debugged: DebuggedInstance | EditedInstance | None = connections.debugged
        return "" if debugged is None else debugged.answer(connections, payload, title)

    def _current(self, connections: Connections) -> tuple[Plan, Attempt | None]:
        """What the instance works on, as the platform knows it: what the instance says of that counts for nothing."""
        with self._planning:
            attempt = self._platform.attempt_of(connections.instance)
            plan = None if attempt is None else self._plans.get(attempt.request_id)
            return plan or Plan(), attempt


def _size(payload: bytes) -> int:
    """About what the objects of a call take here, by the lists and dicts that it is made of."""
    return len(payload) + 64 * payload.count(b"[") + 200 * payload.count(b"{")


def probe_of(session: Session, function: FunctionRecord) -> FunctionProbe:
    """The probe of a function, made if it has none. Raises UsageError where its code is not ours to enter.

    The caller holds ``session.equipping`` until the function is equipped with it: of two probes one would be lost.
    """
    probe: Any = function.config.probe
    if probe is None:
        refuse_other_runtimes(function)
        probe = FunctionProbe(session.platform)
        session.probes.append(probe)
    assert isinstance(probe, FunctionProbe)
    return probe


def to_debug(
    session: Session, probe: FunctionProbe | None, roots: list[Path], interpreter: Interpreter | None
) -> FunctionProbe | None:
    """The probe that a new function has where it is debugged, as the session wants; ``probe`` where it is not.

    ``roots``: where its code lies.
    """
    if interpreter is not None and interpreter.language != "python":
        return probe
    if session.editor is not None:
        probe = probe or FunctionProbe(session.platform)
        probe.editor = session.editor
    elif any(map(debugging.is_asked_for, roots)):
        probe = probe or FunctionProbe(session.platform)
        probe.terminal = session.terminal
    return probe


def is_python_server(function: FunctionRecord) -> bool:
    """Whether it is a process of this machine that runs Python: its lines can be seen, though not its events."""
    server = function.config.server
    return server is not None and server.image is None and os.path.basename(server.command[0]).startswith("python")


def refuse_other_runtimes(function: FunctionRecord) -> None:
    if not function.config.is_python:
        kind = function.config.server.kind.name if function.config.server is not None else function.config.runtime
        raise UsageError(
            f"function {function.name} ({kind}) is not a handler in Python: stand-ins, set-up, stops and faults of "
            "cold starts work in functions whose handler is Python"
        )


def trace(session: Session, function: FunctionRecord) -> FunctionProbe:
    """The probe of a function whose instances look which lines run; those that do not are repossessed."""
    with session.equipping:
        probe: Any = function.config.probe
        if probe is None and is_python_server(function):
            probe = FunctionProbe(session.platform)
            session.probes.append(probe)
        if probe is None:
            probe = probe_of(session, function)
        assert isinstance(probe, FunctionProbe)
        if not probe.traced:
            probe.traced = True
            session.platform.equip(function, probe)
        return probe


def add_stub(session: Session, function: FunctionRecord, target: str, **how: Any) -> Stub:
    """See ``Function.stub``, and for ``how`` ``StubTable.add``."""

    def equip() -> None:
        with session.equipping:
            session.platform.equip(function, probe)

    with session.equipping:
        probe = probe_of(session, function)
        stub = probe.stub(target, equip, **how)
        session.platform.equip(function, probe)
        return stub


def check(record: Invocation) -> None:
    """Raises UsageError where what the test asked for inside could not be done in an instance that worked on it."""
    __tracebackhide__ = True
    probe = record.attempt.config.probe
    if isinstance(probe, FunctionProbe):
        probe.check(record)


def plan_of(record: Invocation) -> Plan | None:
    """What an invocation is handled by; None where nothing was asked for."""
    probe = record.function.config.probe
    return probe.plan(record.request_id) if isinstance(probe, FunctionProbe) else None
