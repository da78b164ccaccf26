"""A long job that is interrupted, and taken up again where it was."""

import json

import pytest


@pytest.fixture
def counter(scf_runtime):
    return scf_runtime.deploy("functions/checkpoint", name="counter", async_run=True)


def test_an_interrupted_count_is_taken_up_where_it_was(counter):
    first = counter.invoke_async({"until": 1_000_000, "pause": 0.001})
    first.wait_for_log("count 5")
    first.terminate(graceful=True)
    first.wait()
    assert first.status == "FINISHED"
    assert not first.return_value["finished"]
    reached = first.return_value["resume"]
    assert reached >= 5

    second = counter.invoke_async({"start": reached, "until": reached + 10})
    second.assert_finished({"finished": True, "resume": reached + 10})


def test_at_every_moment_it_ends_well_and_says_where_it_was(counter):
    found = counter.termination_map({"until": 2})
    found.assert_finished()
    stopped = [moment for moment in found.moments if not moment.unregistered]
    assert {moment.event.return_value["resume"] for moment in stopped} == {0, 1, 2}


def test_progress_in_tmp_can_be_read_while_the_instance_lives_and_not_after(counter):
    event = counter.invoke_async({"until": 1_000_000, "pause": 0.001})
    event.wait_for_log("count 5")
    progress = event.instance.tmp / "progress.json"
    assert progress.exists()
    event.terminate()
    assert not progress.exists()


def test_an_idle_instance_serves_the_next_event_with_its_tmp(counter):
    first = counter.invoke_async({"until": 3})
    first.assert_finished()
    second = counter.invoke_async({"until": 5})
    second.assert_finished()
    assert second.instance == first.instance
    assert json.loads((second.instance.tmp / "progress.json").read_text()) == {"count": 5}
