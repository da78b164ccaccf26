"""The clock: what is remembered for how long, and what never moves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from present import present

from pytest_scf import ApiError, ScfRuntime, UsageError

RETURNS = "def main_handler(event, context):\n    return event\n"
SLEEPS = "import time\ndef main_handler(event, context):\n    print('working')\n    time.sleep(600)\n"


def known(rt, event) -> bool:
    """Whether the API still tells of an event."""
    try:
        rt.api.call("GetAsyncEventStatus", {"InvokeRequestId": event.request_id})
    except ApiError as error:
        assert error.code == "ResourceNotFound.AsyncEvent"
        return False
    return True


def listed(rt, fn) -> list[str]:
    answer = rt.api.call("ListAsyncEvents", {"FunctionName": fn.name, "Order": "ASC"})
    assert answer["TotalCount"] == len(answer["EventList"])
    return [each["InvokeRequestId"] for each in answer["EventList"]]


def test_a_status_can_be_asked_for_until_72_hours_after_the_end(scf_runtime: ScfRuntime) -> None:
    event = scf_runtime.deploy(RETURNS, async_run=True).invoke_async().wait()
    scf_runtime.clock.advance(hours=71, minutes=59)
    assert known(scf_runtime, event)
    scf_runtime.clock.advance(minutes=1)
    assert not known(scf_runtime, event)
    # The handle stays readable: the test holds it.
    event.assert_finished({})


def test_retention_counts_from_the_end_not_from_the_start(scf_runtime: ScfRuntime) -> None:
    event = scf_runtime.deploy(SLEEPS, async_run=True).invoke_async()
    scf_runtime.clock.advance(hours=100)
    event.terminate()
    scf_runtime.clock.advance(hours=71)
    assert known(scf_runtime, event)
    scf_runtime.clock.advance(hours=1)
    assert not known(scf_runtime, event)


def test_an_event_that_is_running_never_expires(scf_runtime: ScfRuntime) -> None:
    fn = scf_runtime.deploy(SLEEPS, async_run=True)
    event = fn.invoke_async()
    event.wait_for_log("working")
    scf_runtime.clock.advance(days=300)
    assert known(scf_runtime, event)
    assert listed(scf_runtime, fn) == [event.request_id]
    event.terminate()
    event.assert_aborted()
    assert present(event.end_time) - event.start_time >= timedelta(days=300)


def test_the_list_reaches_back_three_days(scf_runtime: ScfRuntime) -> None:
    fn = scf_runtime.deploy(RETURNS, async_run=True)
    old = fn.invoke_async().wait()
    scf_runtime.clock.advance(hours=48)
    new = fn.invoke_async().wait()
    assert listed(scf_runtime, fn) == [old.request_id, new.request_id]
    scf_runtime.clock.advance(hours=24)
    assert listed(scf_runtime, fn) == [new.request_id]
    scf_runtime.clock.advance(hours=48)
    assert listed(scf_runtime, fn) == []


def test_retention_and_window_are_settings(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("auto", retention_hours=2, window_hours=1)
    fn = rt.deploy(RETURNS, async_run=True)
    event = fn.invoke_async().wait()
    rt.clock.advance(hours=1.5)
    assert listed(rt, fn) == []
    assert known(rt, event)
    rt.clock.advance(hours=0.5)
    assert not known(rt, event)


@pytest.mark.parametrize("async_run", [True, False])
def test_without_retention_a_test_still_holds_what_it_invoked(
    scf_runtime_of: Callable[..., ScfRuntime], async_run: bool
) -> None:
    rt = scf_runtime_of("auto", retention_hours=0)
    fn = rt.deploy(RETURNS, async_run=async_run)
    for _ in range(20):
        assert fn.invoke(1).return_value == 1
        event = fn.invoke_async(2).wait()
        event.assert_finished(2)
        assert not known(rt, event)


def test_an_expired_event_cannot_be_terminated(scf_runtime: ScfRuntime) -> None:
    event = scf_runtime.deploy(RETURNS, async_run=True).invoke_async().wait()
    scf_runtime.clock.advance(hours=72)
    with pytest.raises(ApiError) as refused:
        event.terminate()
    assert refused.value.code == "ResourceNotFound.AsyncEvent"


def test_due_work_is_done_in_order_each_at_its_moment_before_advance_returns(scf_runtime: ScfRuntime) -> None:
    clock = scf_runtime.clock
    began = clock.now()
    done: list[tuple[str, float]] = []

    def note(name: str) -> None:
        done.append((name, clock.now() - began))

    def second() -> None:
        note("second")
        clock.call_at(began + 250, lambda: note("between"))

    clock.call_at(began + 300, lambda: note("third"))
    clock.call_at(began + 100, lambda: note("first"))
    cancelled = clock.call_at(began + 150, lambda: note("never"))
    clock.call_at(began + 200, second)
    clock.call_at(began + 10_000, lambda: note("later"))
    cancelled.cancel()
    clock.advance(hours=1)
    assert [name for name, _moment in done] == ["first", "second", "between", "third"]
    # Real time goes on meanwhile.
    assert [moment for _name, moment in done] == pytest.approx([100, 200, 250, 300], abs=25)
    assert clock.now() - began == pytest.approx(3600, abs=25)


def test_work_falls_due_in_real_time_too(scf_runtime: ScfRuntime) -> None:
    fired = threading.Event()
    scf_runtime.clock.call_at(scf_runtime.clock.now() + 0.02, fired.set)
    assert fired.wait(120)


def test_instances_of_many_functions_are_repossessed_in_the_order_they_fell_idle(scf_runtime: ScfRuntime) -> None:
    functions = [scf_runtime.deploy(RETURNS) for _ in range(3)]
    for fn in reversed(functions):
        fn.invoke()
        scf_runtime.clock.advance(seconds=80)
    scf_runtime.clock.advance(seconds=20)
    assert [len(fn.instances) for fn in functions] == [1, 1, 1]
    left = []
    for _ in range(3):
        scf_runtime.clock.advance(seconds=80)
        left.append([len(fn.instances) for fn in functions])
    assert left == [[1, 1, 0], [1, 0, 0], [0, 0, 0]]


def test_the_clock_never_touches_the_handlers_own_time(each_level: ScfRuntime) -> None:
    source = """\
import time
def main_handler(event, context):
    began = time.time(), time.monotonic()
    print('working')
    time.sleep(0.3)
    return [time.time() - began[0], time.monotonic() - began[1], began[0]]
"""
    event = each_level.deploy(source, async_run=True, timeout=60).invoke_async()
    event.wait_for_log("working")
    each_level.clock.advance(days=10)
    before = time.time()
    event.wait()
    by_clock, monotonic, began = event.return_value
    assert 0.3 <= monotonic < 60
    assert -1 < by_clock < 60
    assert abs(began - before) < 60
    assert 300 <= event.duration < 60_000
    assert present(event.end_time) - event.start_time >= timedelta(days=10)


def test_a_timeout_is_the_handlers_own_time(scf_runtime: ScfRuntime) -> None:
    event = scf_runtime.deploy(SLEEPS, async_run=True, timeout=3000).invoke_async()
    event.wait_for_log("working")
    scf_runtime.clock.advance(hours=5)
    assert event.status == "RUNNING"
    event.terminate()


def test_the_clock_only_goes_ahead(scf_runtime: ScfRuntime) -> None:
    for amount in (-1, float("nan")):
        with pytest.raises(UsageError):
            scf_runtime.clock.advance(seconds=amount)
    before = scf_runtime.clock.now()
    scf_runtime.clock.advance()
    assert scf_runtime.clock.now() >= before
    assert "UTC" in repr(scf_runtime.clock)


def test_many_threads_advance_at_once_and_each_piece_of_work_is_done_once(scf_runtime: ScfRuntime) -> None:
    clock = scf_runtime.clock
    began = clock.now()
    done: list[int] = []
    for number in range(200):
        clock.call_at(began + number, partial(done.append, number))
    threads = [threading.Thread(target=lambda: clock.advance(seconds=50)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == list(range(200))
    assert clock.now() - began >= 200
