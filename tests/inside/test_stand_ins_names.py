"""Stand-ins for names that the probe itself uses: it works as before, and their calls are the function's alone."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from unittest import mock

from pytest_scf import ScfRuntime

USES_ALL = """
import array, datetime, inspect, os, signal, socket, threading

signal.signal(signal.SIGTERM, lambda *given: None)

def now():
    return None

def main_handler(event, context):
    socket.socket("to").connect("a")
    threading.Thread(target="work")
    array.array("kind")
    threading.current_thread()
    open("/tmp/data")
    at = now()
    return [os.getpid(), at.isoformat(), datetime.datetime("now")]
"""
CALLS = {
    "socket.socket": mock.call("to"),
    "threading.Thread": mock.call(target="work"),
    "array.array": mock.call("kind"),
    "threading.current_thread": mock.call(),
    "builtins.open": mock.call("/tmp/data"),
    "os.getpid": mock.call(),
    "datetime.datetime": mock.call("now"),
}


def test_stand_ins_for_what_the_probe_uses(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    fn = scf_runtime_of("namespaces").deploy(USES_ALL, async_run=True)
    stubs = {target: fn.stub(target, return_value=7) for target in CALLS}
    stubs["socket.socket"].return_value = mock.MagicMock()
    stubs["socket.socket"].return_value.connect.return_value = None
    at = datetime.datetime(2024, 1, 2)
    fn.stub("index.now", return_value=at)
    assert fn.invoke_async().wait().return_value == [7, at.isoformat(), 7]
    for target, stub in stubs.items():
        assert [call for call in stub.mock_calls if not call[0]] == [CALLS[target]], target
    found = fn.termination_map({}, graceful=False)
    assert not found.failures
    assert found.moments
    for target, stub in stubs.items():
        assert all(call == CALLS[target] for call in stub.mock_calls if not call[0]), target
