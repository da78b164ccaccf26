"""A test process whose threads and sockets are those of gevent or eventlet."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest
from kinds import LEVELS

PATCH = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
}
PROGRAM = """
    import json, os, sys
    from pytest_scf import ScfRuntime
    from pytest_scf.instances.forkserver.lifeline import Lifeline

    HANDLER = '''
    import time
    def main_handler(event, context):
        if event.get("stays"):
            print("stays")
            time.sleep(600)
        return event
    '''
    with ScfRuntime(isolation=sys.argv[1]) as rt:
        fn = rt.deploy(HANDLER, async_run=True, timeout=60)
        calls = rt.deploy(HANDLER, timeout=60)
        # Larger than what a socket holds, so that some of it has to wait.
        answers = [calls.invoke({"number": number, "filling": "x" * 50_000 * number}) for number in range(25)]
        answers += [event.wait() for event in [fn.invoke_async({"number": number}) for number in range(25)]]
        stays = fn.invoke_async({"stays": True})
        stays.wait_for_log("stays")
        stays.terminate()
    lifeline = Lifeline()
    lifeline.cut()
    is_cut = not os.path.exists(f"/proc/self/fd/{lifeline.reading}")
    print(json.dumps([[answer.return_value["number"] for answer in answers], stays.status, is_cut]))
"""


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("library", PATCH)
def test_every_invocation_is_answered_in_a_process_patched_by(
    need: Callable[[str], None], script: Callable[..., Any], level: str, library: str
) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    need(level)
    found = script(f"\n    {PATCH[library]}{PROGRAM}", level)
    # Where a lifeline is not cut at once the fork server does not leave at once, and closing takes ten seconds.
    assert found == [[*range(25), *range(25)], "ABORTED", True]
