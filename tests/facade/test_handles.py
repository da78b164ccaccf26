from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import warnings
from datetime import timedelta
from typing import Any

import pytest
from present import present

from pytest_scf import (
    ApiError,
    Event,
    EventEnded,
    Function,
    Instance,
    InvokeResult,
    IsolationUnavailable,
    IsolationWarning,
    LeftRunningWarning,
    Logs,
    ScfError,
    ScfRuntime,
    UsageError,
    WaitTimeout,
)

# Catches SIGTERM as the vendor's sample does, but waits for it instead of looking every second.
GRACEFUL = """\
import os, signal

class Killer:
    def __init__(self):
        self.reading, self.writing = os.pipe()
        signal.signal(signal.SIGTERM, self.stop)

    def stop(self, *args):
        print("do something before shutdown.")
        os.write(self.writing, b"x")

def main_handler(event, context):
    killer = Killer()
    print("waiting", flush=True)
    os.read(killer.reading, 1)
    return "END"
"""
# What does not come back, and says so.
STUCK = """\
import signal, tempfile

def main_handler(event, context):
    tempfile.NamedTemporaryFile(prefix="mark", delete=False).close()
    print("job", event.get("job"), "waits", flush=True)
    signal.pause()
"""
# Would register a signal handler, if it came to it.
LATE = """\
import signal

def stop(*args):
    pass

def main_handler(event, context):
    print("started", flush=True)
    signal.sigwait([signal.SIGUSR1])
    signal.signal(signal.SIGTERM, stop)
"""


def test_graceful_termination(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(GRACEFUL, async_run=True)
    event = fn.invoke_async({"job": 7})
    assert event.wait_for_signal_handler() is event
    event.wait_for_log("waiting\n")
    event.terminate(graceful=True)
    assert event.wait() is event
    assert event.status == "FINISHED"
    assert event.status_code == 200
    assert event.return_value == "END"
    assert event.error is None
    assert event.error_message == ""
    assert "do something before shutdown." in event.logs.text
    assert event.logs.platform == ["[PLATFORM] Signal received successfully"]
    assert event.logs.user == "waiting\ndo something before shutdown.\n"
    assert "the signal handler was Killer.stop, registered at index.py:6" in event.diagnosis
    event.assert_finished("END")
    event.assert_logged("do something")


def test_forced_termination(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(STUCK, async_run=True)
    event = fn.invoke_async({})
    event.wait_for_log("job None waits")
    instance = event.instance
    assert instance.alive
    assert instance.state == "busy"
    assert fn.instances == [instance] == each_level.instances
    assert list(instance.tmp.glob("mark*"))
    event.terminate()
    assert (event.status, event.status_code) == ("ABORTED", 499)
    assert not event.instance.alive
    assert not event.instance.tmp.exists()
    assert fn.instances == []
    another = fn.invoke_async({})
    assert another.instance != event.instance
    another.terminate()
    event.assert_aborted()
    event.assert_repossessed()


def test_a_signal_before_the_registration_ran(each_level: ScfRuntime) -> None:
    event = each_level.deploy(LATE, async_run=True).invoke_async()
    event.wait_for_log("started")
    event.terminate(graceful=True)
    event.wait()
    assert (event.status, event.status_code) == ("FAILED", 439)
    assert "User process exit when running" in event.error_message
    assert "SIGTERM was default" in event.diagnosis
    assert event.diagnosis.endswith("; `stop` is registered at index.py:9, which had not run yet")


def late(event, context):
    import signal

    print("started", flush=True)
    signal.sigwait([signal.SIGUSR1])
    signal.signal(signal.SIGTERM, print)


def test_a_registration_in_a_test_module_is_named_there(each_level: ScfRuntime) -> None:
    event = each_level.deploy(late, async_run=True).invoke_async()
    event.wait_for_log("started")
    event.terminate(graceful=True)
    event.assert_failed(439)
    line = late.__code__.co_firstlineno + 5
    assert f"`print` is registered at test_handles.py:{line}, which had not run yet" in event.diagnosis


def test_a_registration_in_a_function_of_the_test_is_named_there(scf_runtime: ScfRuntime) -> None:
    def stopping(event, context):
        import signal
        import sys

        signal.signal(signal.SIGTERM, lambda *args: sys.exit(3))
        print("started", flush=True)
        signal.pause()

    event = scf_runtime.deploy(stopping, async_run=True).invoke_async()
    event.wait_for_log("started")
    event.terminate(graceful=True)
    event.assert_failed(439)
    place = f"registered at test_handles.py:{stopping.__code__.co_firstlineno + 4}"
    assert place in event.diagnosis
    assert place in repr(event)


def test_a_registration_that_python_refused(each_level: ScfRuntime) -> None:
    event = each_level.deploy(
        """
        import signal, threading
        def main_handler(event, context):
            thread = threading.Thread(target=lambda: signal.signal(signal.SIGTERM, print))
            thread.start()
            thread.join()
            print("joined", flush=True)
            signal.pause()
        """,
        async_run=True,
    ).invoke_async()
    event.wait_for_log("joined")
    event.terminate(graceful=True)
    event.assert_failed(439)
    assert "`print` is registered at index.py:4, in a thread that is not the main one" in event.diagnosis


def test_no_signal_handler_at_all_leaves_the_diagnosis_alone(each_level: ScfRuntime) -> None:
    event = each_level.deploy(STUCK, async_run=True).invoke_async()
    event.wait_for_log("waits")
    event.terminate(graceful=True)
    event.assert_failed(439)
    assert "no signal handler was registered" in event.diagnosis
    assert "had not run yet" not in event.diagnosis


def test_synchronous_calls(each_level: ScfRuntime) -> None:
    fn = each_level.deploy("def main_handler(event, context):\n    print('é')\n    return event\n")
    result = fn.invoke({"a": [1, None]})
    assert result.return_value == {"a": [1, None]}
    assert result.status_code == 200
    assert result.error_message == ""
    assert result.log.startswith(f"START RequestId:{result.request_id}\n")
    assert "\né\n" in result.log
    assert result.result["RetMsg"] == '{"a": [1, null]}'
    assert result.result["InvokeResult"] == 0
    assert result.duration > 0
    assert result.memory > 1_000_000
    assert result.function == fn
    assert result.diagnosis == "the handler returned"
    assert repr(result) == f"<InvokeResult {result.request_id}: 200>"
    assert fn.invoke().return_value == {}
    assert fn.invoke(None).return_value is None
    assert fn.invoke('{"a": 1}').return_value == '{"a": 1}'
    assert result.instance == fn.invoke().instance
    assert result.instance.function == fn


def test_synchronous_calls_that_fail(each_level: ScfRuntime) -> None:
    result = each_level.deploy("def main_handler(event, context):\n    return event['x']\n").invoke()
    assert result.status_code == 430
    assert result.return_value is None
    assert "KeyError: 'x'" in result.error_message
    assert 'index.py", line 2, in main_handler' in present(result.error)["stackTrace"]
    assert result.result["InvokeResult"] == 1


def test_events_that_are_not_json(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(STUCK, async_run=True)
    for call in (fn.invoke, fn.invoke_async):
        with pytest.raises(UsageError, match=r"event is \{1\} of type set"):
            call({1})
    assert each_level.invocations() == []


def test_lists_of_events(each_level: ScfRuntime) -> None:
    fn = each_level.deploy("def main_handler(event, context):\n    return event\n", async_run=True)
    first = fn.invoke_async(1).wait()
    result = fn.invoke(2)
    second = fn.invoke_async(3).wait()
    assert each_level.events() == [first, second]
    assert [event.request_id for event in each_level.invocations()] == [
        first.request_id,
        result.request_id,
        second.request_id,
    ]
    assert [event.asynchronous for event in each_level.invocations()] == [True, False, True]
    assert len({first, second, *each_level.events()}) == 2
    assert first != result
    assert second.function == fn
    listed = each_level.api.call("ListAsyncEvents", {"FunctionName": fn.name})
    assert listed["TotalCount"] == 2


def test_times(each_level: ScfRuntime) -> None:
    event = each_level.deploy(STUCK, async_run=True).invoke_async()
    assert event.end_time is None
    assert event.start_time.utcoffset() == timedelta(hours=8)
    each_level.clock.advance(hours=1)
    event.wait_for_log("waits")
    event.terminate()
    assert timedelta(hours=1) < present(event.end_time) - event.start_time < timedelta(hours=1, minutes=1)
    assert [(step.status, step.status_code) for step in event.transitions] == [("RUNNING", 0), ("ABORTED", 499)]
    assert event.transitions[0].time == event.start_time
    assert event.transitions[1].time == event.end_time
    assert event.start_time <= event.logs.lines[0].time <= event.logs.lines[-1].time
    assert {line.source for line in event.logs.lines} == {"Platform", "Custom"}


def test_handles_stay_readable_when_the_runtime_is_closed(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(STUCK, async_run=True)
    event = fn.invoke_async({"job": 1})
    event.wait_for_log("job 1 waits")
    assert each_level.close() == [event]
    assert each_level.close() == []
    assert (event.status, event.status_code) == ("ABORTED", 499)
    assert "the runtime was closed" in event.diagnosis
    assert "job 1 waits" in event.logs
    assert not event.instance.alive
    assert each_level.events() == [event]
    with pytest.raises(UsageError, match="this ScfRuntime is closed"):
        each_level.deploy(STUCK)
    with pytest.raises(UsageError, match="this ScfRuntime is closed"), each_level:
        pass
    with pytest.raises(ScfError, match="closed"):
        fn.invoke()


def test_pytest_is_not_needed() -> None:
    program = (
        "import sys, pytest_scf; pytest_scf.ScfRuntime; print([m for m in sys.modules if 'pytest' in m.split('.')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_leaving_the_block_warns_of_what_still_runs() -> None:
    with pytest.warns(LeftRunningWarning) as caught:
        with ScfRuntime(isolation="directory") as rt:
            event = rt.deploy(STUCK, name="stuck", async_run=True).invoke_async()
    assert f"{event.request_id} of function stuck" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert event.status == "ABORTED"


def test_an_error_in_the_block_is_not_hidden() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rt = ScfRuntime(isolation="directory")
        with contextlib.suppress(KeyError), rt:
            event = rt.deploy(STUCK, async_run=True).invoke_async()
            raise KeyError
    assert event.final


class TestWaiting:
    def test_for_the_end(self, each_level: ScfRuntime) -> None:
        event = each_level.deploy(STUCK, async_run=True).invoke_async()
        event.wait_for_log("waits")
        with pytest.raises(WaitTimeout) as caught:
            event.wait(timeout=0.01)
        text = str(caught.value)
        assert text.startswith("the event did not end within 0.01 s\n")
        assert text.endswith("  RUNNING")
        assert "| job None waits" in text
        assert isinstance(caught.value, TimeoutError)
        event.terminate()

    def test_for_a_signal_handler(self, each_level: ScfRuntime) -> None:
        event = each_level.deploy(STUCK, async_run=True).invoke_async()
        event.wait_for_log("waits")
        with pytest.raises(WaitTimeout, match=r"did not register a signal handler for SIGTERM within 0\.01 s"):
            event.wait_for_signal_handler(timeout=0.01)
        event.terminate()
        with pytest.raises(EventEnded, match="a signal handler"):
            event.wait_for_signal_handler()

    def test_for_a_line_of_the_log(self, each_level: ScfRuntime) -> None:
        event = each_level.deploy(STUCK, async_run=True).invoke_async({"job": 42})
        assert event.wait_for_log(r"job (\d+)")[1] == "42"
        assert event.wait_for_log(re.compile("JOB", re.IGNORECASE))[0] == "job"
        assert event.wait_for_log("START RequestId:")
        assert event.wait_for_log("^job 42 waits$")
        with pytest.raises(WaitTimeout, match="did not log 'nothing' within 0"):
            event.wait_for_log("nothing", timeout=0)
        event.terminate()
        with pytest.raises(EventEnded):
            event.wait_for_log("nothing")
        assert event.wait_for_log("END RequestId")

    def test_a_text_stands_for_itself_first(self, each_level: ScfRuntime) -> None:
        event = each_level.deploy(
            "def main_handler(e, c):\n    print('a(b [PLATFORM] c+')\n", async_run=True
        ).invoke_async()
        for pattern in ("a(b", "[PLATFORM] c+"):
            assert event.wait_for_log(pattern)[0] == pattern
        event.wait()

    @pytest.mark.parametrize("timeout", [None, -1, "3", True, float("nan")])
    def test_timeouts_that_are_none(self, timeout: Any) -> None:
        with ScfRuntime(isolation="directory") as rt:
            event = rt.deploy(GRACEFUL, async_run=True).invoke_async()
            for wait in (event.wait, event.wait_for_signal_handler, lambda t: event.wait_for_log("x", t)):
                with pytest.raises(UsageError, match="timeout must be a number of seconds, 0 or more; got"):
                    wait(timeout)
            event.terminate()

    @pytest.mark.parametrize("pattern", [None, b"x", 5, re.compile(b"x")])
    def test_patterns_that_are_none(self, pattern: Any) -> None:
        with ScfRuntime(isolation="directory") as rt:
            event = rt.deploy(GRACEFUL, async_run=True).invoke_async()
            with pytest.raises(UsageError, match="pattern"):
                event.wait_for_log(pattern)
            event.terminate()


def test_terminating_what_cannot_be(each_level: ScfRuntime) -> None:
    result: Any = each_level.deploy("def main_handler(e, c):\n    pass\n").invoke()
    with pytest.raises(AttributeError, match=r"no attribute 'terminate', as .*: fn\.invoke_async\(\) gives an event"):
        result.terminate()
    with pytest.raises(AttributeError, match=r"'InvokeResult' object has no attribute 'colour'$"):
        _ = result.colour
    looping: Any = each_level.deploy(GRACEFUL, async_run=True).invoke_async()
    with pytest.raises(UsageError, match="graceful must be True or False; got 'forced'"):
        looping.terminate("forced")
    looping.terminate()
    event = each_level.deploy("def main_handler(e, c):\n    pass\n", async_run=True).invoke_async().wait()
    with pytest.raises(ApiError) as caught:
        event.terminate()
    assert caught.value.code == "FailedOperation.AsyncEventStatus"
    assert caught.value.action == "TerminateAsyncEvent"
    assert present(caught.value.request_id) in str(caught.value)
    event = each_level.deploy("def main_handler(e, c):\n    pass\n").invoke_async()
    assert not event.asynchronous
    with pytest.raises(ApiError) as caught:
        event.terminate(graceful=True)
    assert caught.value.code == "UnsupportedOperation.AsyncRunEnable"
    event.wait()


def test_an_invocation_that_waits_for_an_instance(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(STUCK, max_instances=1, timeout=900)
    busy = fn.invoke_async()
    waiting = fn.invoke_async()
    with pytest.raises(UsageError, match="has no instance"):
        _ = waiting.instance
    assert busy.instance.alive


@pytest.mark.parametrize(
    ("handle", "giver"),
    [
        (Event, "invoke_async"),
        (Function, "deploy"),
        (Instance, "event.instance"),
        (InvokeResult, "invoke"),
        (Logs, "event.logs"),
    ],
)
def test_handles_are_received(handle: Any, giver: str) -> None:
    with pytest.raises(TypeError, match=f"^{handle.__name__} is received, not constructed: .*{giver}"):
        handle()
    with pytest.raises(TypeError):
        handle("session", record=1)


def test_representations(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(STUCK, name="stuck", async_run=True)
    event = fn.invoke_async()
    event.wait_for_log("waits")
    assert repr(event) == f"<Event {event.request_id} of stuck: RUNNING>"
    assert repr(event.instance) == f"<Instance {event.instance.id}: busy>"
    assert repr(event.logs) == f"<Logs of {event.request_id}>"
    assert str(event.logs) == event.logs.text
    assert event.status_code == 0
    event.terminate()
    assert repr(event) == f"<Event {event.request_id} of stuck: ABORTED 499, {event.diagnosis}>"
    assert repr(each_level) == "<ScfRuntime: 1 functions>"
    each_level.close()
    assert repr(each_level) == "<ScfRuntime: closed>"


def refuse_namespaces(monkeypatch):
    from pytest_scf.facade import runtime
    from pytest_scf.instances.host import Host

    real = Host.fork_server

    def fork_server(self, level):
        if level == "namespaces":
            raise IsolationUnavailable(level, "unshare: refused for this test")
        return real(self, level)

    monkeypatch.setattr(Host, "fork_server", fork_server)
    monkeypatch.setattr(runtime, "_warned_of", set())


def test_weaker_isolation_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_namespaces(monkeypatch)
    with pytest.warns(
        IsolationWarning, match=r"refuses namespaces: unshare: refused for this test\. Not isolated"
    ) as said:
        rt = ScfRuntime()
    assert said[0].filename == __file__  # it points at the line that is to be changed
    assert rt.isolation == "directory"
    rt.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ScfRuntime().close()
        ScfRuntime(isolation="directory").close()


def test_weaker_isolation_as_an_error_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_namespaces(monkeypatch)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(IsolationWarning):
            ScfRuntime()
    with pytest.raises(IsolationUnavailable, match="refused for this test"):
        ScfRuntime(isolation="namespaces")
