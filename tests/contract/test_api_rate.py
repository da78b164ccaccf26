"""How often an action may be asked for, and from when on an event is known."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest
from fakes import START, FakePlatform

from pytest_scf import ScfError, api_errors
from pytest_scf.contract.api import Api
from pytest_scf.platform.settings import Settings


def limited(most: int) -> tuple[FakePlatform, Api]:
    platform = FakePlatform(rate_limit=most)
    platform.deploy("worker", async_run=True)
    return platform, Api(cast(Any, platform))


def listing(api: Api) -> None:
    api.call("ListAsyncEvents", {"FunctionName": "worker"})


def test_more_than_20_within_a_second_are_refused() -> None:
    platform, api = limited(20)
    for _ in range(20):
        listing(api)
    with pytest.raises(api_errors.RequestLimitExceeded) as caught:
        listing(api)
    assert caught.value.code == "RequestLimitExceeded"
    assert "ListAsyncEvents" in caught.value.message
    assert "20" in caught.value.message
    assert caught.value.request_id
    platform.clock.time = START + 0.999
    with pytest.raises(api_errors.RequestLimitExceeded):
        listing(api)
    platform.clock.time = START + 1
    listing(api)


def test_each_action_has_its_own_limit() -> None:
    _, api = limited(1)
    listing(api)
    api.call("Invoke", {"FunctionName": "worker"})
    for action in ("ListAsyncEvents", "Invoke"):
        with pytest.raises(api_errors.RequestLimitExceeded):
            api.call(action, {"FunctionName": "worker"})


def test_it_is_any_second_and_not_each() -> None:
    platform, api = limited(2)
    taken = []
    for tenth in range(0, 25, 3):
        platform.clock.time = START + tenth / 10
        try:
            listing(api)
        except api_errors.RequestLimitExceeded:
            continue
        taken.append(tenth)
    assert taken == [0, 3, 12, 15, 24]


def test_a_request_that_is_refused_for_another_reason_counts_and_an_unknown_action_does_not() -> None:
    _, api = limited(1)
    with pytest.raises(api_errors.InvalidAction):
        api.call("Nothing", {})
    with pytest.raises(api_errors.MissingParameter):
        api.call("Invoke", {})
    with pytest.raises(api_errors.RequestLimitExceeded):
        api.call("Invoke", {})


def test_without_the_switch_there_is_no_limit() -> None:
    _, api = limited(0)
    for _ in range(200):
        listing(api)


def test_of_many_at_once_no_more_than_the_limit_pass() -> None:
    _, api = limited(20)
    passed = []

    def ask() -> None:
        for _ in range(10):
            try:
                listing(api)
            except api_errors.RequestLimitExceeded:
                continue
            passed.append(1)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 20


@pytest.mark.parametrize("wrong", [-1, 2.5, True, "20"])
def test_limits_that_are_refused(wrong: Any) -> None:
    with pytest.raises(ScfError, match="rate_limit"):
        Settings(rate_limit=wrong)


# What is not visible yet -------------------------------------------------------------------------------------------


def test_before_its_delay_an_event_is_unknown_to_the_status_actions() -> None:
    platform = FakePlatform(visible_after_seconds=5)
    api = Api(cast(Any, platform))
    worker = platform.deploy("worker", async_run=True)
    old = platform.add(worker, "old", start_time=START - 10)
    event = platform.add(worker, "1234")
    platform.clock.time = START + 4.9
    asked: list[tuple[str, dict[str, Any]]] = [
        ("GetAsyncEventStatus", {}),
        ("TerminateAsyncEvent", {"FunctionName": "worker"}),
        ("TerminateAsyncEvent", {"FunctionName": "worker", "GraceShutdown": True}),
    ]
    for action, params in asked:
        messages = []
        for request_id in ("1234", "unknown"):
            with pytest.raises(api_errors.ResourceNotFoundAsyncEvent) as caught:
                api.call(action, {"InvokeRequestId": request_id, **params})
            messages.append(caught.value.message.replace(request_id, ""))
        assert messages[0] == messages[1]
    answer = api.call("ListAsyncEvents", {"FunctionName": "worker"})
    assert (answer["TotalCount"], [each["InvokeRequestId"] for each in answer["EventList"]]) == (1, ["old"])
    platform.end(event)
    platform.clock.time = START + 5
    assert api.call("GetAsyncEventStatus", {"InvokeRequestId": "1234"})["Result"]["Status"] == "FINISHED"
    answer = api.call("ListAsyncEvents", {"FunctionName": "worker"})
    assert (answer["TotalCount"], [each["InvokeRequestId"] for each in answer["EventList"]]) == (2, ["1234", "old"])
    api.call("TerminateAsyncEvent", {"FunctionName": "worker", "InvokeRequestId": "old"})
    assert platform.terminated == [(old, False)]
