"""One state machine: whatever races, an event ends once, and as what really happened to its process."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule
from present import present

from pytest_scf import ApiError, Event, EventEnded, ScfRuntime

#: waits until it is told how to end: by its event, or by a file, or by the signal. What it does it writes first, so
#: that the log tells what really happened to the process.
SOURCE = """
import json, os, signal, tempfile, time

class Stop(Exception):
    pass

def end(how):
    os.write(1, f'ends: {how}\\n'.encode())  # at once: a signal handler may write, too
    if how == 'raise':
        raise Stop(how)
    if how == 'exit':
        raise SystemExit(3)
    if how == 'crash':
        os.kill(os.getpid(), signal.SIGKILL)
    return how

def main_handler(event, context):
    told = []
    def on_signal(*args):
        os.write(1, b'signalled\\n')
        if event['signal'] in ('raise', 'exit', 'crash'):
            end(event['signal'])
        if event['signal'] == 'return':
            told.append('return')
    if event['signal'] != 'default':
        signal.signal(signal.SIGTERM, on_signal)
    else:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if event['now']:
        return end(event['now'])
    path = os.path.join(tempfile.gettempdir(), context['request_id'])
    os.mkfifo(path)
    pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    print('ready')
    while not told:
        try:
            data = os.read(pipe, 100)
        except BlockingIOError:  # opened by who tells, and not written to yet
            data = b''
        if data:
            told.append(data.decode().split()[0])
        else:
            time.sleep(0.002)
    return end(told[0])
"""

ENDS = ("return", "raise", "exit", "crash")
ON_SIGNAL = ("return", "raise", "exit", "crash", "go on", "default")
_pool: ThreadPoolExecutor


@pytest.fixture(scope="module", autouse=True)
def pool() -> Iterator[None]:
    global _pool
    with ThreadPoolExecutor(8) as _pool:
        yield


class Witness:
    """Watches one event from the outside."""

    def __init__(self, event: Event, on_signal: str, now: str = "") -> None:
        self.event = event
        self.on_signal = on_signal
        self.now = now
        self.signals = 0
        self.forced = 0
        self.seen: list[tuple[str, int]] = []

    def look(self) -> None:
        """What is final once is final for ever."""
        # In this order: the code is there before the status is.
        status = str(self.event.status)
        code = int(self.event.status_code)
        if status != "RUNNING":
            self.seen.append((status, code))
        assert len(set(self.seen)) <= 1, self.seen

    def terminate(self, graceful: bool) -> None:
        try:
            self.event.terminate(graceful=graceful)
        except ApiError as error:
            assert error.code == "FailedOperation.AsyncEventStatus"
            assert self.event.status != "RUNNING"
            return
        if graceful:
            self.signals += 1
        else:
            self.forced += 1
            assert self.event.status == "ABORTED"

    def tell(self, how: str) -> None:
        try:
            # Not to wait for a reader: there may be none any more.
            pipe = os.open(self.event.instance.tmp / self.event.request_id, os.O_WRONLY | os.O_NONBLOCK)
            try:
                os.write(pipe, f"{how} ".encode())
            finally:
                os.close(pipe)
        except OSError:
            assert self.event.wait().final  # it was faster

    def judge(self) -> None:
        event = self.event.wait()
        self.look()
        status, code = self.seen[-1]
        text = event.logs.user
        said = [line.partition(": ")[2] for line in text.splitlines() if line.startswith("ends: ")]
        record = event._record.attempt
        # It ended once, and the times are in order.
        assert [step.status for step in event.transitions] == ["RUNNING", status]
        assert event.transitions[0].time <= event.transitions[1].time == event.end_time
        assert event.logs.text.count("END RequestId") == 1
        assert (code == 200) == (status == "FINISHED")
        assert (code == 499) == (status == "ABORTED") == (self.forced == 1)
        # What it is said to be is what happened. A signal may come when the event is over, or has not begun; a signal
        # handler that raises then, outside of the handler, ends the process with status 1.
        if status == "FINISHED":
            assert said[:1] == [event.return_value] == ["return"], text
        elif code == 430:
            assert "raise" in said, event.error
        elif code == 439:
            exit = present(record.exit)
            endings = {("status", 3): "exit", ("status", 1): "raise", ("signal", 9): "crash"}
            how = endings.get(("status", exit.status or 0) if exit.signal is None else ("signal", exit.signal))
            if how is None:
                assert exit.signal == 15
                assert self.signals
                assert self.on_signal == "default" or "ready" not in text
            else:
                assert how in said, (text, event.diagnosis)
                assert how != "raise" or self.signals
        elif code == 433:
            assert "Timeout of 0.15 s" in event.diagnosis
        else:
            assert code == 499
        # And its instance is gone, unless it returned.
        if status != "FINISHED":
            assert not event.instance.alive
        assert event.logs.platform.count("[PLATFORM] Signal received successfully") <= self.signals
        assert len(event.logs.platform) == self.signals


class Machine(RuleBasedStateMachine):
    """Events of one function with real processes; rules act on them, alone and at the same time."""

    events = Bundle("events")

    @initialize()
    def begin(self) -> None:
        self.runtime = ScfRuntime(max_instances=20)
        self.function = self.runtime.deploy(SOURCE, async_run=True)
        self.brief = self.runtime.deploy(SOURCE, async_run=True, timeout=1)
        # Less than a user can ask for, since there are many.
        self.brief._record.config = replace(self.brief.config, timeout=cast("int", 0.15))
        self.witnesses: list[Witness] = []

    def invoked(self, on_signal: str, now: str = "", *, brief: bool = False) -> Witness:
        function = self.brief if brief else self.function
        witness = Witness(function.invoke_async({"signal": on_signal, "now": now}), on_signal, now)
        self.witnesses.append(witness)
        return witness

    @rule(target=events, on_signal=st.sampled_from(ON_SIGNAL))
    def invoke(self, on_signal: str) -> Witness:
        witness = self.invoked(on_signal)
        witness.event.wait_for_log("ready")
        return witness

    @rule(target=events, on_signal=st.sampled_from(ON_SIGNAL))
    def invoke_and_look_away(self, on_signal: str) -> Witness:
        return self.invoked(on_signal)

    @rule(target=events, on_signal=st.sampled_from(ON_SIGNAL))
    def invoke_with_a_short_timeout(self, on_signal: str) -> Witness:
        return self.invoked(on_signal, brief=True)

    @rule(witness=consumes(events))
    def outlast(self, witness: Witness) -> None:
        if witness.event.function == self.brief:
            witness.event.wait()
            witness.look()

    @rule(on_signal=st.sampled_from(ON_SIGNAL), now=st.sampled_from(ENDS))
    def invoke_what_ends_at_once(self, on_signal: str, now: str) -> None:
        self.invoked(on_signal, now)

    @rule(on_signal=st.sampled_from(ON_SIGNAL), now=st.sampled_from(ENDS), graceful=st.booleans())
    def terminate_what_ends_at_once(self, on_signal: str, now: str, graceful: bool) -> None:
        self.invoked(on_signal, now).terminate(graceful)

    @rule(witness=events, graceful=st.booleans())
    def terminate(self, witness: Witness, graceful: bool) -> None:
        witness.terminate(graceful)

    @rule(witness=consumes(events), how=st.sampled_from(ENDS))
    def tell(self, witness: Witness, how: str) -> None:
        with contextlib.suppress(EventEnded):
            witness.event.wait_for_log(r"ready|ends")
        witness.tell(how)

    @rule(witness=events, how=st.sampled_from(ENDS), acts=st.lists(st.booleans(), min_size=1, max_size=4))
    def race(self, witness: Witness, how: str, acts: list[bool]) -> None:
        """Terminations of both kinds at the same time, while the handler is told to end."""
        gate = threading.Barrier(len(acts) + 1)

        def act(graceful: bool) -> None:
            gate.wait()
            witness.terminate(graceful)

        def tell() -> None:
            gate.wait()
            if "ready" in witness.event.logs.user:
                witness.tell(how)

        for future in [_pool.submit(tell), *(_pool.submit(act, graceful) for graceful in acts)]:
            future.result(60)
        witness.look()

    @rule()
    def look_at_all(self) -> None:
        for witness in self.witnesses:
            witness.look()

    def teardown(self) -> None:
        if not hasattr(self, "witnesses"):
            return
        try:
            for witness in self.witnesses:
                if not witness.event.final:
                    witness.terminate(graceful=False)
                witness.judge()
            listed = {
                each["InvokeRequestId"]: each["Status"]
                for fn in (self.function, self.brief)
                for each in self.runtime.api.call("ListAsyncEvents", {"FunctionName": fn.name, "Limit": 100})[
                    "EventList"
                ]
            }
            assert listed == {each.event.request_id: each.event.status for each in self.witnesses}
            instances = self.function.instances
            assert {instance.state for instance in instances} <= {"idle"}
        finally:
            self.runtime.close()


Machine.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=15,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
TestMachine = Machine.TestCase


@pytest.mark.parametrize("how", ["return", "raise", "exit", "crash"])
@pytest.mark.parametrize("graceful", [True, False])
def test_an_end_races_with_a_termination_and_the_event_tells_the_truth(
    scf_runtime: ScfRuntime, how: str, graceful: bool
) -> None:
    """Told to end and terminated in the same moment, again and again, on instances that are warm where they can be."""
    fn = scf_runtime.deploy(SOURCE, async_run=True)
    for on_signal in itertools.islice(itertools.cycle(ON_SIGNAL), 18):
        witness = Witness(fn.invoke_async({"signal": on_signal, "now": ""}), on_signal)
        witness.event.wait_for_log("ready")
        gate = threading.Barrier(2)

        def end(witness=witness, gate=gate) -> None:
            gate.wait()
            witness.terminate(graceful)

        ending = _pool.submit(end)
        gate.wait()
        witness.tell(how)
        ending.result(60)
        witness.judge()
        assert fn.invoke_async({"signal": "go on", "now": "return"}).wait().return_value == "return"


RETURNS_AT_MOMENTS = """
import signal, time

def main_handler(event, context):
    signal.signal(signal.SIGTERM, lambda *args: None)
    for line, moment in event:
        time.sleep(max(0, moment - time.monotonic()))
        print(line)
    return 'returned'
"""


def test_a_timeout_races_with_terminations_and_returns(scf_runtime: ScfRuntime) -> None:
    fn = scf_runtime.deploy(RETURNS_AT_MOMENTS, async_run=True, timeout=1)
    warm = [fn.invoke_async([]) for _ in range(6)]
    for event in warm:
        event.wait()
    moment = time.monotonic() + 0.999
    events = [fn.invoke_async([("soon", moment - 0.002 * number), ("now", moment)]) for number in range(6)]

    def terminate(event: Event, graceful: bool) -> str:
        try:
            event.wait_for_log("soon")
            event.terminate(graceful=graceful)
        except EventEnded:
            return "ended"
        except ApiError as error:
            return error.code
        return "terminated"

    acts = [_pool.submit(terminate, event, bool(number % 2)) for number, event in enumerate(events[:4])]
    told = [act.result(60) for act in acts]
    for number, event in enumerate(events):
        event.wait()
        assert int(event.status_code) in (200, 433, 499)
        assert (event.status_code == 499) == (number in (0, 2) and told[number] == "terminated")
        assert (event.status_code == 200) == (event.return_value == "returned")
        assert event.instance.alive == (event.status_code == 200)
        assert json.dumps([step.status for step in event.transitions]).count("RUNNING") == 1
