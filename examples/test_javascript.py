"""A function in JavaScript: deployed and terminated as one in Python is."""

import shutil

import pytest

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node.js on PATH")


def test_all_items_are_worked_through(scf_runtime):
    function = scf_runtime.deploy("functions/javascript", runtime="Nodejs18.15")
    assert function.invoke({"items": 3}).return_value == {"done": 3, "complete": True}


def test_asked_to_stop_it_says_how_far_it_came(scf_runtime):
    function = scf_runtime.deploy("functions/javascript", runtime="Nodejs18.15", async_run=True)
    event = function.invoke_async({"items": 100_000})
    event.wait_for_signal_handler()
    event.wait_for_log("item 2 is done")
    event.terminate(graceful=True)
    event.wait()
    assert event.status == "FINISHED"
    assert event.return_value["complete"] is False
    assert 2 <= event.return_value["done"] < 100_000
    assert "asked to stop" in event.logs.text
