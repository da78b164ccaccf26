"""A running event can be terminated in two ways. What each does to our functions."""

import pytest


def test_a_graceful_termination_lets_the_function_end_in_good_order(scf_runtime):
    function = scf_runtime.deploy("functions/graceful", async_run=True)
    event = function.invoke_async({"job": 7})
    event.wait_for_signal_handler()
    event.terminate(graceful=True)
    event.wait()
    assert event.status == "FINISHED"
    assert event.status_code == 200
    assert event.return_value == "END"
    assert "asked to stop, finishing the current item" in event.logs.text
    assert event.logs.platform == ["[PLATFORM] Signal received successfully"]


def test_a_forced_termination_takes_the_instance_away(scf_runtime):
    function = scf_runtime.deploy("functions/graceful", async_run=True)
    event = function.invoke_async({"job": 7})
    event.wait_for_signal_handler()
    event.terminate()
    assert (event.status, event.status_code) == ("ABORTED", 499)
    assert "asked to stop" not in event.logs.text
    assert not event.instance.alive
    assert not event.instance.tmp.exists()
    following = function.invoke_async({"job": 8})
    assert following.instance != event.instance
    following.terminate()


def test_without_a_signal_handler_the_process_ends_at_once(scf_runtime):
    function = scf_runtime.deploy("functions/unhandled", async_run=True)
    event = function.invoke_async()
    event.wait_for_log("working")
    event.terminate(graceful=True)
    event.assert_failed(439)
    event.assert_repossessed()
    assert "User process exit when running" in event.error_message
    assert "no signal handler was registered" in event.diagnosis


def test_asyncio_catches_the_signal_too(scf_runtime):
    function = scf_runtime.deploy("functions/asyncio_worker", async_run=True)
    event = function.invoke_async({"job": 7})
    event.wait_for_signal_handler()
    event.terminate(graceful=True)
    event.assert_finished({"job": 7, "ended": "in good order"})
    event.assert_logged("closing what is open")


def test_an_event_that_has_ended_cannot_be_terminated(scf_runtime):
    from pytest_scf import ApiError

    function = scf_runtime.deploy("functions/checkpoint", async_run=True)
    event = function.invoke_async({"until": 3})
    event.assert_finished({"finished": True, "resume": 3})
    with pytest.raises(ApiError, match=r"FailedOperation\.AsyncEventStatus"):
        event.terminate()
