"""Timer triggers fire by the platform's clock."""

from __future__ import annotations

import time
import warnings
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from pytest_scf import ApiError, ScfRuntime, ScfWarning
from pytest_scf.contract.api import Api

ZONE = timezone(timedelta(hours=8))
#: seconds that pass on any machine while the clock is moved, which goes on meanwhile
REAL = 25

RECORD = """
import os

def main_handler(event, context):
    print("TRIGGER_SRC", os.environ["TRIGGER_SRC"])
    return event
"""
BUSY = """
import time

def main_handler(event, context):
    time.sleep(3600)
"""
FRAGILE = """
def main_handler(event, context):
    raise ValueError("not today")
"""


@pytest.fixture
def runtime(scf_runtime_of: Any) -> ScfRuntime:
    return scf_runtime_of("directory")


def to_midnight(runtime: ScfRuntime) -> datetime:
    """Move the clock to the next midnight of the zone of timers; gives it."""
    now = datetime.fromtimestamp(runtime.clock.now(), ZONE)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    runtime.clock.advance(seconds=midnight.timestamp() - runtime.clock.now())
    return midnight


def create(runtime: ScfRuntime, function: str, name: str, cron: str, **more: object) -> dict[str, Any]:
    asked = {"FunctionName": function, "TriggerName": name, "Type": "timer", "TriggerDesc": cron, **more}
    return runtime.api.call("CreateTrigger", asked)["TriggerInfo"]


def test_a_day_of_cron(runtime: ScfRuntime) -> None:
    runtime.deploy(RECORD, name="report")
    midnight = to_midnight(runtime)
    create(runtime, "report", "thrice", "0 30 1,9,23 * * * *", CustomArgument='{"job":"report"}')
    create(runtime, "report", "hourly", "0 0 */6 * * * *")
    runtime.clock.advance(days=1)
    found = runtime.invocations()
    assert all(event.final for event in found)
    events = [event.return_value for event in found]
    expected = [(1.5, "thrice"), (6.0, "hourly"), (9.5, "thrice"), (12.0, "hourly"), (18.0, "hourly"), (23.5, "thrice")]
    expected += [(24.0, "hourly")]
    assert [(event["TriggerName"], event["Time"]) for event in events] == [
        (name, (midnight + timedelta(hours=hour)).astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"))
        for hour, name in expected
    ]
    assert {event["Message"] for event in events if event["TriggerName"] == "thrice"} == {'{"job":"report"}'}
    assert [(event.start_time - midnight).total_seconds() for event in found] == pytest.approx(
        [3600 * hour for hour, _name in expected], abs=REAL
    )
    assert all("TRIGGER_SRC timer" in event.logs.user for event in found)


def test_what_fails_is_tried_again_before_the_next_time(runtime: ScfRuntime) -> None:
    runtime.deploy(FRAGILE, name="fragile")
    to_midnight(runtime)
    create(runtime, "fragile", "t", "0 0 3,4 * * * *")
    runtime.clock.advance(hours=5)
    first, second = runtime.invocations()
    for event in (first, second):
        assert (event.status, event.status_code, event.retries) == ("FAILED", 430, 2)
        attempts = [attempt.transitions[-1].time for attempt in event.attempts]
        assert [(each - attempts[0]).total_seconds() for each in attempts] == pytest.approx([0, 60, 120], abs=REAL)
    assert (second.start_time - first.start_time).total_seconds() == pytest.approx(3600, abs=REAL)


def test_more_fires_than_there_may_be_instances(runtime: ScfRuntime) -> None:
    runtime.deploy(RECORD, name="report", max_instances=1)
    to_midnight(runtime)
    create(runtime, "report", "one", "0 0 * * * * *")
    create(runtime, "report", "two", "0 0 * * * * *")
    runtime.clock.advance(hours=12)
    found = runtime.invocations()
    assert len(found) == 24
    assert {event.status for event in found} == {"FINISHED"}
    assert len({event.instance for event in found}) < 24


def test_in_real_time(runtime: ScfRuntime) -> None:
    runtime.deploy(RECORD, name="report")
    create(runtime, "report", "t", "* * * * * * *")
    deadline = time.monotonic() + 60
    while len(runtime.invocations()) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    first, second = runtime.invocations()[:2]
    assert first.wait().return_value["Type"] == second.wait().return_value["Type"] == "Timer"


def test_who_is_refused_while_the_clock_is_advanced_holds_up_nobody(runtime: ScfRuntime) -> None:
    to_midnight(runtime)
    full = runtime.deploy(BUSY, name="busy", async_run=True, max_instances=1).triggers.timer("0 0 1,2,3 * * * *")
    other = runtime.deploy(RECORD, name="report").triggers.timer("0 0 1,3 * * * *")
    before = runtime.clock.now()
    with pytest.raises(ApiError, match="concurrency exceeded"):
        runtime.clock.advance(hours=4)
    assert runtime.clock.now() >= before + 4 * 3600
    assert (len(full.events), len(full.refusals)) == (1, 2)
    assert [event.return_value["Type"] for event in other.events] == ["Timer", "Timer"]
    runtime.clock.advance(hours=1)  # it has been told of


def test_who_is_refused_in_real_time_is_told_of_in_the_end(scf_runtime_of: Any) -> None:
    runtime = scf_runtime_of("directory")
    fn = runtime.deploy(BUSY, name="busy", async_run=True, max_instances=1)
    fn.invoke_async({})
    fn.triggers.timer("* * * * * * *", name="t")
    deadline = time.monotonic() + 60
    while not runtime._platform.triggers._refusals and time.monotonic() < deadline:
        time.sleep(0.05)
    with pytest.warns(ScfWarning, match=r"refused.*\ntimer t of busy: LimitExceeded\..*128MB"):
        runtime.close()


def test_what_an_observer_is_told_of_is_not_told_again(scf_runtime_of: Any) -> None:
    runtime = scf_runtime_of("directory")
    seen: list[str] = []
    runtime._platform.triggers.observe_refusals(lambda refusal: seen.append(str(refusal)))
    fn = runtime.deploy(BUSY, name="busy", async_run=True, max_instances=1)
    to_midnight(runtime)
    fn.triggers.timer("0 0 * * * * *", name="t")
    runtime.clock.advance(hours=2, minutes=1)
    assert [each.partition(".")[0] for each in seen] == ["timer t of busy: LimitExceeded"]
    with warnings.catch_warnings():
        warnings.simplefilter("error", ScfWarning)
        runtime.close()


def test_a_timer_that_is_changed_as_it_fires_fires_once_at_a_time(runtime: ScfRuntime) -> None:
    fn = runtime.deploy(RECORD, name="report")
    to_midnight(runtime)
    fn.triggers.timer("0 0 * * * * *", name="t")
    triggers = runtime._platform.triggers
    armed = triggers.find(fn._record, ("timer", "t", "$LATEST", ""))
    due = armed.due
    assert due is not None
    fire = due.call
    assert fire is not None

    def fire_late() -> None:
        triggers.update(fn._record, armed.trigger.key, argument="changed")
        fire()

    due.call = fire_late
    runtime.clock.advance(hours=3, minutes=1)
    assert [event.return_value["Message"] for event in runtime.invocations()] == ["changed"] * 3


def test_a_function_that_is_deleted_as_it_gets_a_timer_has_none(runtime: ScfRuntime) -> None:
    fn = runtime.deploy(RECORD, name="report")
    fn.triggers.timer("* * * * * * *")
    triggers = runtime._platform.triggers
    (trigger,) = triggers.of(fn._record)
    runtime.api.call("DeleteFunction", {"FunctionName": "report"})
    with pytest.raises(ApiError, match=r"ResourceNotFound\.Function.*deleted"):
        triggers.create(fn._record, trigger)
    assert not triggers.of(fn._record)


def test_of_two_triggers_that_are_made_at_once_each_has_its_own_handle(
    runtime: ScfRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    fn = runtime.deploy(RECORD, name="report")
    call = Api.call

    def call_and_make_another(api: Api, action: str, params: dict[str, Any]) -> dict[str, Any]:
        made = call(api, action, params)
        call(api, action, {**params, "TriggerName": "other"})
        return made

    monkeypatch.setattr(Api, "call", call_and_make_another)
    assert fn.triggers.timer("0 0 0 * * * *", name="own").name == "own"
    assert [each.name for each in fn.triggers] == ["own", "other"]


def test_the_zone_is_a_setting(scf_runtime_of: Any) -> None:
    runtime = scf_runtime_of("directory", timer_utc_offset_hours=0)
    runtime.deploy(RECORD, name="report")
    to_midnight(runtime)
    create(runtime, "report", "t", "0 0 0 * * * *")
    runtime.clock.advance(days=1)
    (event,) = runtime.invocations()
    assert event.return_value["Time"].endswith("T00:00:00Z")


def test_disabled_changed_and_deleted(runtime: ScfRuntime) -> None:
    call = runtime.api.call
    runtime.deploy(RECORD, name="report")
    to_midnight(runtime)
    asked = {"FunctionName": "report", "TriggerName": "t", "Type": "timer"}
    assert create(runtime, "report", "t", "0 0 1 * * * *", Enable="CLOSE")["Enable"] == 0
    runtime.clock.advance(hours=24)
    assert runtime.invocations() == []
    call("UpdateTriggerStatus", {**asked, "Enable": "OPEN"})
    runtime.clock.advance(hours=24)
    assert len(runtime.invocations()) == 1
    call("UpdateTrigger", {**asked, "TriggerDesc": "0 0 1,2 * * * *", "CustomArgument": "m", "Description": "d"})
    runtime.clock.advance(hours=24)
    assert [event.return_value["Message"] for event in runtime.invocations()] == ["", "m", "m"]
    (found,) = call("ListTriggers", {"FunctionName": "report"})["Triggers"]
    assert (found["TriggerDesc"], found["CustomArgument"], found["Description"], found["Enable"]) == (
        '{"cron":"0 0 1,2 * * * *"}',
        "m",
        "d",
        1,
    )
    call("DeleteTrigger", asked)
    runtime.clock.advance(hours=24)
    assert len(runtime.invocations()) == 3
    with pytest.raises(ApiError, match=r"ResourceNotFound\.Trigger"):
        call("DeleteTrigger", asked)


def test_a_deleted_function_is_called_no_more(runtime: ScfRuntime) -> None:
    runtime.deploy(RECORD, name="report")
    create(runtime, "report", "t", "* * * * * * *", Enable="CLOSE")
    create(runtime, "report", "u", "0 0 * * * * *")
    runtime.api.call("DeleteFunction", {"FunctionName": "report"})
    runtime.deploy(RECORD, name="report")
    assert runtime.api.call("ListTriggers", {"FunctionName": "report"})["TotalCount"] == 0
    runtime.clock.advance(days=1)
    assert runtime.invocations() == []


def test_an_alias_and_asynchronous_execution(runtime: ScfRuntime) -> None:
    fn = runtime.deploy(RECORD, name="report", async_run=True)
    runtime.api.call("PublishVersion", {"FunctionName": "report"})
    runtime.api.call("CreateAlias", {"FunctionName": "report", "Name": "live", "FunctionVersion": "1"})
    to_midnight(runtime)
    create(runtime, "report", "t", "0 0 1 * * * *", Qualifier="live")
    runtime.clock.advance(hours=2)
    (event,) = runtime.events()
    assert event.wait().return_value["TriggerName"] == "t"
    (listed,) = runtime.api.call("ListAsyncEvents", {"FunctionName": fn.name})["EventList"]
    assert (listed["InvokeType"], listed["Qualifier"]) == ("TRIGGER_TIMER", "live")
