"""Every way in which an invocation can end, each on a real process."""

from __future__ import annotations

import json
import math
import os
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from present import present

from pytest_scf import ApiError, ScfRuntime

MIB = 1024 * 1024


def handler(body: str, before: str = "") -> str:
    """Source text of a handler with this body; ``before`` stands at module level."""
    lines = textwrap.indent(textwrap.dedent(body).strip(), "    ")
    return f"import os, signal, sys, threading, time\n{before}\ndef main_handler(event, context):\n{lines}\n"


def ended(rt, body: str, before: str = "", event: object = None, **config):
    """An event of a handler with this body, ended; and its synchronous twin. Both have the same outcome."""
    asynchronous = rt.deploy(handler(body, before), async_run=True, **config).invoke_async(event)
    twin = rt.deploy(handler(body, before), **config).invoke(event)
    asynchronous.wait()
    assert int(twin.status_code) == int(asynchronous.status_code)
    return asynchronous, twin


# -- 200 -----------------------------------------------------------------------------------------------------------


def test_a_handler_that_returns_finishes_with_200_and_keeps_its_instance(each_level: ScfRuntime) -> None:
    event, result = ended(each_level, "return {'got': event}", event={"a": [1, None, True]})
    event.assert_finished({"got": {"a": [1, None, True]}})
    assert result.return_value == event.return_value
    assert result.result["InvokeResult"] == 0
    assert event.instance.alive
    assert result.instance.alive
    assert event.duration > 0
    assert result.memory > MIB


@pytest.mark.parametrize("value", [None, True, 0, -1.5, "", "END", "ünï 漢字 \U0001f600", [], {}, [[{"a": None}]]])
def test_every_value_that_json_knows_comes_back(scf_runtime: ScfRuntime, value: Any) -> None:
    fn = scf_runtime.deploy(handler("return event"))
    assert fn.invoke(value).return_value == value


def test_a_string_is_encoded_once_more_in_the_message(scf_runtime: ScfRuntime) -> None:
    assert scf_runtime.deploy(handler("return 'END'")).invoke().result["RetMsg"] == '"END"'


def test_half_a_surrogate_pair_and_numbers_that_json_has_not_come_back_as_python_writes_them(
    scf_runtime: ScfRuntime,
) -> None:
    fn = scf_runtime.deploy(handler("return ['\\ud800', float('nan'), float('inf')]"))
    half, nan, infinite = fn.invoke().return_value
    assert half == "\ud800"
    assert math.isnan(nan)
    assert infinite == math.inf


def test_an_event_of_six_megabytes_reaches_a_cold_and_a_warm_instance(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(handler("return [len(event), event[-3:]]"), timeout=60)
    event = "x" * (6 * MIB - 5) + "end"
    for _ in range(2):
        assert fn.invoke(event).return_value == [6 * MIB - 2, "end"]
    assert len(fn.instances) == 1


def test_a_response_of_just_six_megabytes_comes_back(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(handler("return 'x' * event"), memory=256, timeout=60)
    assert len(fn.invoke(6 * MIB - 2).return_value) == 6 * MIB - 2


def test_a_thread_that_outlives_the_handler_does_not_hold_up_the_answer(each_level: ScfRuntime) -> None:
    body = "threading.Thread(target=time.sleep, args=(600,)).start()\nreturn 'answered'"
    fn = each_level.deploy(handler(body))
    assert fn.invoke().return_value == "answered"
    assert fn.invoke().return_value == "answered"


# -- refused -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["RequestResponse", "Event"])
def test_an_event_that_is_not_json_is_refused(scf_runtime: ScfRuntime, kind: str) -> None:
    fn = scf_runtime.deploy(handler("return 1"), async_run=True)
    with pytest.raises(ApiError) as refused:
        scf_runtime.api.call("Invoke", {"FunctionName": fn.name, "InvocationType": kind, "ClientContext": "{no"})
    assert refused.value.code in ("InvalidParameterValue.ClientContext", "InvalidParameter.Payload")
    assert refused.value.status_code == 400
    assert fn.instances == []


@pytest.mark.parametrize(("kind", "limit"), [("RequestResponse", 6 * MIB), ("Event", 128 * 1024)])
def test_an_event_over_its_limit_is_refused(scf_runtime: ScfRuntime, kind: str, limit: int) -> None:
    fn = scf_runtime.deploy(handler("return len(event)"), async_run=True)
    call = {"FunctionName": fn.name, "InvocationType": kind}
    with pytest.raises(ApiError) as refused:
        scf_runtime.api.call("Invoke", {**call, "ClientContext": json.dumps("x" * (limit - 1))})
    assert refused.value.code == "InvalidParameter.RequestTooLarge"
    assert refused.value.status_code == 406
    request_id = scf_runtime.api.call("Invoke", {**call, "ClientContext": json.dumps("x" * (limit - 2))})
    request_id = request_id["Result"]["FunctionRequestId"]
    for event in scf_runtime.events():
        if event.request_id == request_id:
            event.assert_finished(limit - 2)


# -- 407, 430: the handler's own ---------------------------------------------------------------------------------------


def test_a_response_over_six_megabytes_fails_with_407(each_level: ScfRuntime) -> None:
    event, result = ended(each_level, "return 'x' * (6 * 1024 * 1024 - 1)", memory=256, timeout=60)
    event.assert_failed(407)
    event.assert_repossessed()
    assert str(6 * MIB + 1) in event.error_message
    assert result.instance.alive


def test_an_exception_fails_with_430_and_says_where(each_level: ScfRuntime) -> None:
    event, result = ended(each_level, "raise ValueError('I failed!')")
    event.assert_failed(430)
    event.assert_repossessed()
    assert event.error["statusCode"] == 430
    assert (event.error["errorCode"], event.error["errorMessage"]) == (1, "user code exception caught")
    assert "ValueError: I failed!" in event.error_message
    stack = event.error["stackTrace"]
    assert 'index.py", line 4, in main_handler' in stack
    assert "pytest_scf" not in stack
    assert event.return_value is None
    # Choice, for a synchronous call: an exception harms no process, so the instance stays.
    assert result.instance.alive
    assert result.result["InvokeResult"] == 1
    assert json.loads(result.result["ErrMsg"])["statusCode"] == 430


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param("raise KeyboardInterrupt", "KeyboardInterrupt", id="KeyboardInterrupt"),
        pytest.param("raise GeneratorExit('stop')", "GeneratorExit: stop", id="GeneratorExit"),
        pytest.param("class Own(BaseException): pass\nraise Own('base')", "index.Own: base", id="BaseException"),
        pytest.param(
            "class Mute(Exception):\n    def __str__(self): raise KeyError('mute')\nraise Mute",
            "str() of it raised KeyError",
            id="str raises",
        ),
        pytest.param("def deeper(): deeper()\ndeeper()", "RecursionError", id="recursion"),
        pytest.param("raise ValueError('\\ud800 ü 漢')", "ValueError: \\ud800 ü 漢", id="surrogate"),
        pytest.param("raise ExceptionGroup('many', [ValueError('one')])", "many", id="group"),
        pytest.param("return {1, 2}", "not JSON serializable", id="set"),
        pytest.param("return object()", "not JSON serializable", id="object"),
        pytest.param("return b'bytes'", "not JSON serializable", id="bytes"),
        pytest.param("value = []\nvalue.append(value)\nreturn value", "Circular reference", id="circle"),
        pytest.param(
            "value = []\nfor _ in range(100000): value = [value]\nreturn value", "RecursionError", id="too deep"
        ),
    ],
)
def test_whatever_the_handler_raises_or_returns_that_json_cannot_hold_is_430(
    scf_runtime: ScfRuntime, body: str, message: str
) -> None:
    if "ExceptionGroup" in body:
        body = f"if sys.version_info < (3, 11): raise ValueError('many')\n{body}"
    event, result = ended(scf_runtime, body)
    event.assert_failed(430)
    assert message in event.error_message
    assert message in result.error_message
    assert result.instance.alive


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("async def main_handler(event, context):\n    return 1\n", "coroutine"),
        ("def main_handler(event, context):\n    yield 1\n", "generator"),
    ],
)
def test_a_handler_that_is_a_coroutine_or_a_generator_is_430_for_its_value_is_no_json(
    scf_runtime: ScfRuntime, source: str, kind: str
) -> None:
    event = scf_runtime.deploy(source, async_run=True).invoke_async()
    event.assert_failed(430)
    assert f"Object of type {kind} is not JSON serializable" in event.error_message


def test_an_exception_of_a_chain_shows_the_whole_chain(scf_runtime: ScfRuntime) -> None:
    body = "try:\n    {}['key']\nexcept KeyError as error:\n    raise RuntimeError('outer') from error"
    result = scf_runtime.deploy(handler(body)).invoke()
    stack = present(result.error)["stackTrace"]
    assert "KeyError: 'key'" in stack
    assert "RuntimeError: outer" in stack


# -- 433, 434: limits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["time.sleep(600)", "while True: pass", "os.kill(os.getpid(), signal.SIGSTOP)"])
def test_a_handler_over_its_timeout_fails_with_433_and_its_instance_goes(each_level: ScfRuntime, body: str) -> None:
    event, result = ended(each_level, body, timeout=1)
    event.assert_failed(433)
    event.assert_repossessed()
    assert not result.instance.alive
    assert "time out" in event.error_message
    assert "Timeout of 1 s" in event.diagnosis
    assert event.duration >= 1000


@pytest.mark.parametrize(
    ("body", "before", "code"),
    [("print('began')\ntime.sleep(600)", "", 433), ("return 1", "print('began')\ntime.sleep(600)", 450)],
    ids=["handler", "module"],
)
def test_what_was_printed_before_the_time_was_up_is_in_the_log(
    each_level: ScfRuntime, time_is_up: Callable[..., None], body: str, before: str, code: int
) -> None:
    event = each_level.deploy(handler(body, before), async_run=True).invoke_async()
    event.wait_for_log("began")
    time_is_up(each_level, event)
    event.assert_failed(code)
    assert event.logs.user == "began\n"


def test_a_timeout_counts_anew_for_each_event(scf_runtime: ScfRuntime) -> None:
    fn = scf_runtime.deploy(handler("time.sleep(event)\nreturn event"), timeout=2)
    for _ in range(6):
        assert fn.invoke(0.4).return_value == 0.4
    assert int(fn.invoke(600).status_code) == 433


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("held = bytearray(200 * 1024 * 1024)\ntime.sleep(600)", id="held"),
        pytest.param("bytearray(200 * 1024 * 1024)\nreturn 'in time'", id="for a moment"),
        pytest.param("bytearray(200 * 1024 * 1024)\nraise ValueError('in time')", id="and raised"),
        pytest.param(
            "if os.fork() == 0:\n    held = bytearray(200 * 1024 * 1024)\n    time.sleep(600)\ntime.sleep(600)",
            id="in a child",
        ),
    ],
)
def test_a_handler_over_its_memory_fails_with_434_and_its_instance_goes(each_level: ScfRuntime, body: str) -> None:
    event, result = ended(each_level, body, memory=128, timeout=60)
    event.assert_failed(434)
    event.assert_repossessed()
    assert not result.instance.alive
    assert "128 MB" in event.error_message
    assert result.memory > 128 * MIB


def test_memory_over_the_limit_while_the_instance_starts_is_434(scf_runtime: ScfRuntime) -> None:
    before = "held = bytearray(200 * 1024 * 1024)"
    event, _ = ended(scf_runtime, "return 'started'", before, memory=128)
    event.assert_failed(434)
    event.assert_repossessed()


def test_memory_under_the_limit_is_no_matter(each_level: ScfRuntime) -> None:
    event, _ = ended(each_level, "return len(bytearray(90 * 1024 * 1024))", memory=128, timeout=60)
    event.assert_finished(90 * MIB)


# -- 437, 443: the code cannot be loaded -----------------------------------------------------------------------------


def call(rt: ScfRuntime, files: dict[str, str], name: str, directory):
    """Invoke a handler of a directory; what is missing may be missing, other than where a source is prepared."""
    directory.mkdir(exist_ok=True)
    for file, text in files.items():
        (directory / file).write_text(text)
    return rt.deploy(directory, handler=name, async_run=True).invoke_async().wait()


@pytest.mark.parametrize(
    ("source", "name", "message"),
    [
        ("def other(event, context): pass\n", "index.main_handler", "'module' object has no attribute 'main_handler'"),
        ("main_handler = 7\n", "index.main_handler", "not callable"),
        ("def main_handler(event, context)\n", "index.main_handler", "cannot be compiled"),
        ("x = '\\0'\n\0", "index.main_handler", "cannot be compiled"),
    ],
)
def test_code_without_a_handler_that_can_be_called_fails_with_437(
    each_level: ScfRuntime, tmp_path: Path, source: str, name: str, message: str
) -> None:
    event = call(each_level, {"index.py": source}, name, tmp_path / "code")
    event.assert_failed(437)
    event.assert_repossessed()
    assert message in event.error_message
    assert "Init Report" not in event.logs.text


def test_a_module_that_goes_after_it_was_deployed_is_437(scf_runtime: ScfRuntime, tmp_path: Path) -> None:
    (tmp_path / "index.py").write_text(handler("return 1"))
    fn = scf_runtime.deploy(tmp_path, async_run=True)
    (tmp_path / "index.py").unlink()
    event = fn.invoke_async()
    event.assert_failed(437)
    assert "No module named 'index'" in event.error_message


@pytest.mark.parametrize(
    ("before", "message"),
    [
        ("raise RuntimeError('at import')", "RuntimeError: at import"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("1 / 0", "ZeroDivisionError"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
def test_code_that_fails_outside_the_handler_is_443_and_its_instance_goes(
    each_level: ScfRuntime, before: str, message: str
) -> None:
    event, result = ended(each_level, "return 1", before)
    event.assert_failed(443)
    event.assert_repossessed()
    assert not result.instance.alive
    assert message in event.error_message
    assert 'index.py", line 2' in event.error["stackTrace"]


def test_the_next_invocation_tries_to_load_the_code_again(scf_runtime: ScfRuntime, tmp_path: Path) -> None:
    (tmp_path / "index.py").write_text("1 / 0\n")
    fn = scf_runtime.deploy(tmp_path)
    assert int(fn.invoke().status_code) == 443
    (tmp_path / "index.py").write_text(handler("return 'mended'"))
    assert fn.invoke().return_value == "mended"


# -- 439: the process ends -------------------------------------------------------------------------------------------

ENDS = [
    pytest.param("sys.exit(0)", "exited with status 0", id="exit 0"),
    pytest.param("sys.exit()", "exited with status 0", id="exit None"),
    pytest.param("sys.exit(47)", "exited with status 47", id="exit 47"),
    pytest.param("sys.exit(143)", "exited with status 143", id="exit 143"),
    pytest.param("sys.exit(-1)", "exited with status 255", id="exit -1"),
    pytest.param("sys.exit(True)", "exited with status 1", id="exit True"),
    pytest.param("raise SystemExit('told why')", "exited with status 1", id="exit text"),
    pytest.param("os._exit(3)", "exited with status 3", id="_exit"),
    pytest.param("os.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(600)", "signal SIGTERM", id="SIGTERM"),
    pytest.param("os.kill(os.getpid(), signal.SIGKILL)", "signal SIGKILL", id="SIGKILL"),
    pytest.param("os.abort()", "signal SIGABRT", id="abort"),
    pytest.param("import ctypes; ctypes.string_at(0)", "signal SIGSEGV", id="segmentation fault"),
    pytest.param("os.execv('/bin/sh', ['sh', '-c', 'exit 5'])", "exited with status 5", id="exec"),
]


@pytest.mark.parametrize(("body", "how"), ENDS)
def test_a_process_that_ends_in_the_handler_is_439_and_the_diagnosis_tells_how(
    each_level: ScfRuntime, body: Any, how: Any
) -> None:
    event, result = ended(each_level, f"print('last words')\n{body}")
    event.assert_failed(439)
    event.assert_repossessed()
    assert not result.instance.alive
    assert event.error_message == "User process exit when running"
    assert how in event.diagnosis
    assert "last words" in event.logs.user


def test_a_text_given_to_exit_stands_in_the_log(scf_runtime: ScfRuntime) -> None:
    assert "told why" in scf_runtime.deploy(handler("sys.exit('told why')")).invoke().log


def test_exit_functions_run_and_threads_are_waited_for_as_any_interpreter_does(each_level: ScfRuntime) -> None:
    body = """\
import atexit
atexit.register(print, 'exit function')
threading.Thread(target=lambda: (time.sleep(0.1), print('thread done'))).start()
sys.exit(0)"""
    event = each_level.deploy(handler(body), async_run=True).invoke_async()
    event.assert_failed(439)
    assert event.logs.user == "thread done\nexit function\n"


@pytest.mark.parametrize(("leave", "how"), [("sys.exit(9)", "status 9"), ("os.abort()", "signal SIGABRT")])
def test_a_process_that_ends_while_the_instance_starts_is_439(each_level: ScfRuntime, leave: str, how: str) -> None:
    event, _ = ended(each_level, "return 1", f"print('starting')\n{leave}")
    event.assert_failed(439)
    event.assert_repossessed()
    assert how in event.diagnosis
    assert "while the instance started" in event.diagnosis
    assert "starting" in event.logs.user


@pytest.mark.parametrize(("settings", "code"), [({}, 450), ({"init_timeout_code": 443}, 443)])
def test_an_instance_that_is_not_ready_in_time_fails_with_the_code_that_is_set(
    scf_runtime_of: Callable[..., ScfRuntime], settings: Any, code: int
) -> None:
    rt = scf_runtime_of("auto", **settings)
    event, result = ended(rt, "return 1", "time.sleep(600)", init_timeout=1)
    event.assert_failed(code)
    event.assert_repossessed()
    assert not result.instance.alive
    assert "InitTimeout of 1 s" in event.diagnosis


def test_the_init_phase_is_no_part_of_the_timeout(scf_runtime: ScfRuntime) -> None:
    fn = scf_runtime.deploy(handler("return 'in time'", "time.sleep(1.1)"), timeout=1)
    assert fn.invoke().return_value == "in time"


# -- forks -----------------------------------------------------------------------------------------------------------


def test_a_child_that_comes_back_out_of_the_handler_answers_nothing(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(
        handler("pid = os.fork()\nif pid: os.waitpid(pid, 0)\nreturn 'child' if pid == 0 else 'parent'")
    )
    for _ in range(5):
        assert fn.invoke().return_value == "parent"
    assert len(fn.instances) == 1


@pytest.mark.parametrize(
    ("leave", "status"), [("return", 0), ("sys.exit(3)", 3), ("raise ValueError('child')", 1), ("os._exit(4)", 4)]
)
def test_a_child_that_leaves_the_handler_exits_as_it_would_anywhere(
    each_level: ScfRuntime, leave: str, status: int
) -> None:
    body = f"pid = os.fork()\nif pid == 0:\n    {leave}\nreturn os.WEXITSTATUS(os.waitpid(pid, 0)[1])"
    result = each_level.deploy(handler(body)).invoke()
    assert result.return_value == status
    assert ("ValueError: child" in result.log) == ("ValueError" in leave)


def test_a_child_forked_at_module_level_does_not_take_the_events(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(handler("return pid > 0", "pid = os.fork()"))
    assert [fn.invoke().return_value for _ in range(5)] == [True] * 5


def with_multiprocessing(start_method: str) -> str:
    # Not its queues and locks: they need /dev/shm, and only /tmp can be written to.
    return handler(f"""
        import multiprocessing, subprocess
        ours, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context({start_method!r})
        child = context.Process(target=theirs.send, args=('from the child',))
        child.start()
        said = ours.recv()
        child.join()
        return [said, child.exitcode, subprocess.check_output(['echo', 'ran'], text=True)]
    """)


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_processes_of_multiprocessing_and_subprocess_work_in_a_handler(
    each_level: ScfRuntime, start_method: str
) -> None:
    fn = each_level.deploy(with_multiprocessing(start_method), timeout=60)
    assert fn.invoke().return_value == ["from the child", 0, "ran\n"]


def test_the_fork_server_of_multiprocessing_works_in_a_handler(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    """How processes are started from Python 3.14 on. Its socket is in the temporary directory."""
    fn = scf_runtime_of("namespaces").deploy(with_multiprocessing("forkserver"), timeout=60)
    assert fn.invoke().return_value == ["from the child", 0, "ran\n"]


def test_the_path_of_the_temporary_directory_is_short_enough_for_sockets(each_level: ScfRuntime) -> None:
    source = handler("import tempfile; return tempfile.gettempdir()")
    directory = each_level.deploy(source, name="a-long-name-for-a-function-that-does-little").invoke().return_value
    socket = os.path.join(directory, "pymp-12345678", "listener-12345678")  # as multiprocessing has it
    # Below /tmp, which the temporary directory of this test run is not.
    assert len(socket.replace(tempfile.gettempdir(), "/tmp")) <= 107


def test_the_end_of_a_child_does_not_end_the_event(each_level: ScfRuntime) -> None:
    body = "if os.fork() == 0: os.kill(os.getpid(), signal.SIGKILL)\nos.wait()\nreturn 'goes on'"
    assert each_level.deploy(handler(body)).invoke().return_value == "goes on"
