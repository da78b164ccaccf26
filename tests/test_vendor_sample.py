"""The vendor's own sample for graceful shutdown, unchanged, terminated both ways.

It is not part of this project, as it is not ours. To run these tests, write the Python sample of the vendor's document
583/45897 (https://www.tencentcloud.com/document/product/583/45897, "Sending termination signal") to
``../shared/seed/samples/code/index.py`` beside the checkout, with the indentation that the page has lost.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_scf import ScfRuntime

SAMPLE = Path(__file__).resolve().parents[2] / "shared" / "seed" / "samples" / "code"

pytestmark = pytest.mark.skipif(
    not SAMPLE.is_dir(),
    reason=f"the vendor's sample is not at {SAMPLE}; the docstring of this module says where to get it",
)


@pytest.fixture(params=["namespaces", "directory"])
def fn(request: pytest.FixtureRequest, scf_runtime_of: Callable[..., ScfRuntime]) -> Any:
    return scf_runtime_of(request.param).deploy(SAMPLE, handler="index.main_handler", async_run=True)


def test_graceful_termination_runs_the_signal_handler_and_finishes(fn: Any) -> None:
    event = fn.invoke_async({"job": 7})
    event.wait_for_signal_handler()
    event.terminate(graceful=True)
    event.wait()
    assert event.status == "FINISHED"
    assert event.status_code == 200
    assert event.return_value == "END"
    assert "do something before shutdown." in event.logs.text
    assert "Graceful shutdown." in event.logs.text
    assert event.logs.platform == ["[PLATFORM] Signal received successfully"]


def test_the_kept_instance_serves_the_next_event_and_its_termination(fn: Any) -> None:
    for _ in range(2):
        event = fn.invoke_async({})
        event.wait_for_signal_handler()
        event.terminate(graceful=True)
        event.assert_finished("END")
    assert len(fn.instances) == 1


def test_forced_termination_repossesses_the_instance(fn: Any) -> None:
    event = fn.invoke_async({})
    event.wait_for_signal_handler()
    event.terminate()
    assert (event.status, event.status_code) == ("ABORTED", 499)
    assert not event.instance.alive
    assert not event.instance.tmp.exists()
    following = fn.invoke_async({})
    assert following.instance != event.instance
    following.terminate()
