"""Which instance gets an invocation, and which instances stay."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import pytest

from pytest_scf import ApiError, ScfError, ScfRuntime
from pytest_scf.instances.process_exit import ProcessExit
from pytest_scf.platform.records import Invocation

#: says which of its process's events this is, and by which process; leaves a file behind
COUNTING = """\
import os, tempfile
print('module level')
seen = []
mark = os.path.join(tempfile.gettempdir(), 'mark')
def main_handler(event, context):
    seen.append(event)
    found = os.path.exists(mark)
    open(mark, 'w').close()
    return [os.getpid(), len(seen), found]
"""
#: ends as its event tells it
ENDING = """\
import os, sys, time
def main_handler(event, context):
    print('working')
    if event == 'raise': raise ValueError(event)
    if event == 'exit': sys.exit(3)
    if event == 'too much': return 'x' * (6 * 1024 * 1024)
    if event == 'sleep': time.sleep(600)
    return event
"""


# -- reuse -----------------------------------------------------------------------------------------------------------


def test_an_idle_instance_is_reused_with_its_globals_and_its_tmp(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(COUNTING)
    results = [fn.invoke() for _ in range(4)]
    assert [result.return_value[1:] for result in results] == [[1, False], [2, True], [3, True], [4, True]]
    assert {result.return_value[0] for result in results} == {results[0].return_value[0]}
    assert {result.instance for result in results} == set(fn.instances)
    assert (results[0].instance.tmp / "mark").exists()


def test_module_level_code_runs_once_per_instance(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(COUNTING)
    assert ["module level" in fn.invoke().log for _ in range(3)] == [True, False, False]


def test_instances_share_neither_globals_nor_tmp(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(COUNTING)
    other = each_level.deploy(COUNTING)
    assert fn.invoke().return_value[1:] == other.invoke().return_value[1:] == [1, False]
    assert fn.instances != other.instances


def test_while_all_are_busy_an_event_gets_a_new_instance(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(ENDING, async_run=True)
    events = [fn.invoke_async("sleep") for _ in range(3)]
    for event in events:
        event.wait_for_log("working")
    assert len({event.instance for event in events}) == len(fn.instances) == 3
    assert [instance.state for instance in fn.instances] == ["busy"] * 3
    for event in events:
        event.terminate()
    assert fn.instances == []


def test_an_instance_works_on_one_event_at_a_time(each_level: ScfRuntime) -> None:
    source = """\
import time
working = []
def main_handler(event, context):
    working.append(event)
    alone = len(working) == 1
    time.sleep(0.001)
    working.pop()
    return alone
"""
    fn = each_level.deploy(source, async_run=True, max_instances=200)
    events = [fn.invoke_async() for _ in range(30)]
    for event in events:
        event.assert_finished(True)


def test_the_most_recently_used_instance_is_taken_first(scf_runtime: ScfRuntime) -> None:
    fn = scf_runtime.deploy(ENDING, async_run=True)
    first, second = fn.invoke_async("sleep"), fn.invoke_async("x")
    second.wait()
    first.wait_for_log("working")
    assert fn.invoke_async("y").wait().instance == second.instance
    first.terminate()


def test_fifty_threads_invoke_at_once_and_each_gets_its_own_answer(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(ENDING, timeout=60)
    wrong = []

    def invoke(number: int) -> None:
        for turn in range(5):
            event = {"number": number, "turn": turn}
            value = fn.invoke(event).return_value
            if value != event:
                wrong.append((event, value))

    threads = [threading.Thread(target=invoke, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(fn.instances) <= 50
    assert {instance.state for instance in fn.instances} == {"idle"}
    assert Counter(int(each.status_code) for each in each_level.invocations()) == {200: 250}


# -- which ends keep an instance -------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["raise", "exit", "too much"])
def test_any_exceptional_end_of_an_asynchronous_execution_repossesses(each_level: ScfRuntime, how: str) -> None:
    fn = each_level.deploy(ENDING, async_run=True, memory=256)
    event = fn.invoke_async(how).wait()
    event.assert_repossessed()
    assert fn.instances == []
    following = fn.invoke_async("next").wait()
    following.assert_finished("next")
    assert following.instance != event.instance
    assert "Init Report" in following.logs.text


@pytest.mark.parametrize(("how", "kept"), [("raise", True), ("too much", True), ("exit", False)])
def test_a_synchronous_call_keeps_the_instance_unless_the_process_is_gone(
    each_level: ScfRuntime, how: str, kept: bool
) -> None:
    fn = each_level.deploy(ENDING, memory=256, timeout=60)
    failed = fn.invoke(how)
    assert failed.return_value is None
    assert (fn.invoke("next").instance == failed.instance) is kept


def test_an_idle_instance_that_dies_on_its_own_is_replaced(each_level: ScfRuntime) -> None:
    source = """\
import os, threading, tempfile
here = tempfile.gettempdir()
def leave():
    open(f'{here}/go').read()
    os._exit(0)
def main_handler(event, context):
    os.mkfifo(f'{here}/go')
    threading.Thread(target=leave).start()
"""
    fn = each_level.deploy(source)
    first = fn.invoke().instance
    (first.tmp / "go").open("w").close()
    assert first._record.gone.wait(120)
    second = fn.invoke()
    assert int(second.status_code) == 200
    assert second.instance != first


# -- idle time -------------------------------------------------------------------------------------------------------


def test_an_instance_idle_for_long_enough_is_gone_when_the_clock_has_moved(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(COUNTING)
    instance = fn.invoke().instance
    tmp = instance.tmp
    each_level.clock.advance(seconds=240)
    assert fn.invoke().instance == instance
    each_level.clock.advance(seconds=240)
    assert fn.instances == [instance]
    each_level.clock.advance(seconds=60)
    assert not instance.alive
    assert not tmp.exists()
    assert fn.instances == []
    assert fn.invoke().return_value[1:] == [1, False]


def test_each_instance_grows_old_on_its_own(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("auto", idle_seconds=100)
    fn = rt.deploy(ENDING, async_run=True)
    long, short = fn.invoke_async("sleep"), fn.invoke_async("x").wait()
    long.wait_for_log("working")
    rt.clock.advance(seconds=60)
    second = fn.invoke_async("sleep")
    third = fn.invoke_async("y").wait()
    assert second.instance == short.instance
    second.wait_for_log("working")
    rt.clock.advance(seconds=60)
    assert third.instance.alive
    rt.clock.advance(seconds=60)
    assert not third.instance.alive
    assert long.instance.alive
    assert second.instance.alive
    for event in (long, second):
        event.terminate()


def test_a_busy_instance_is_not_idle_however_far_the_clock_moves(scf_runtime: ScfRuntime) -> None:
    event = scf_runtime.deploy(ENDING, async_run=True).invoke_async("sleep")
    event.wait_for_log("working")
    scf_runtime.clock.advance(days=30)
    assert event.instance.alive
    assert event.status == "RUNNING"
    event.terminate()


def test_without_idle_time_no_instance_is_kept(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("auto", idle_seconds=0)
    fn = rt.deploy(ENDING)
    results = [fn.invoke("x") for _ in range(20)]
    assert [result.return_value for result in results] == ["x"] * 20
    assert all(result.instance._record.gone.wait(120) for result in results)
    assert fn.instances == []


def test_idle_instances_race_with_invocations_and_no_invocation_is_lost(
    scf_runtime_of: Callable[..., ScfRuntime],
) -> None:
    rt = scf_runtime_of("auto", idle_seconds=0.002)
    fn = rt.deploy(ENDING, timeout=60)
    assert [fn.invoke(number).return_value for number in range(200)] == list(range(200))


# -- how many --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of_the_function", [True, False])
def test_beyond_the_most_instances_an_invocation_is_refused_with_432(
    scf_runtime_of: Callable[..., ScfRuntime], of_the_function: bool
) -> None:
    rt = scf_runtime_of("auto", max_instances=100 if of_the_function else 2)
    fn = rt.deploy(ENDING, name="crowded", async_run=True, memory=256, max_instances=2 if of_the_function else None)
    events = [fn.invoke_async("sleep") for _ in range(2)]
    for invoke in (fn.invoke, fn.invoke_async):
        with pytest.raises(ApiError) as refused:
            invoke("one too many")
        assert refused.value.status_code == 432
        assert "Function [ crowded ] concurrency exceeded reserved quota 512MB" in refused.value.message
    assert len(rt.invocations()) == 2
    events[0].terminate()
    assert fn.invoke("again").return_value == "again"
    events[1].terminate()


# -- the queue of asynchronous invocations of functions without asynchronous execution -------------------------------


def test_an_asynchronous_invocation_of_an_ordinary_function_waits_for_an_instance(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(COUNTING, max_instances=1)
    events = [fn.invoke_async(number) for number in range(10)]
    values = [event.wait().return_value for event in events]
    assert [count for _, count, _ in values] == list(range(1, 11))
    assert len({event.instance for event in events}) == 1
    assert not any(event.asynchronous for event in events)
    assert each_level.events() == []
    assert len(each_level.invocations()) == 10


def test_the_queue_goes_on_when_instances_die(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(ENDING, max_instances=2, retry_num=0)
    events = [fn.invoke_async("exit" if number % 2 else number) for number in range(12)]
    codes = [int(event.wait().status_code) for event in events]
    assert codes == [200, 439] * 6
    assert len(fn.instances) <= 2


def test_a_synchronous_call_is_refused_while_the_queue_waits(scf_runtime: ScfRuntime) -> None:
    fn = scf_runtime.deploy(ENDING, max_instances=1, timeout=60)
    events = [fn.invoke_async("sleep"), fn.invoke_async("waits")]
    events[0].wait_for_log("working")
    with pytest.raises(ApiError) as refused:
        fn.invoke("x")
    assert refused.value.status_code == 432
    assert events[1].status == "RUNNING"
    with pytest.raises(ScfError):
        _ = events[1].instance


# -- who is told of an end ---------------------------------------------------------------------------------------------


def test_what_follows_an_invocation_sees_its_end_before_who_waits_for_it(scf_runtime: ScfRuntime) -> None:
    """So what ``serve`` prints of it stands before the request that is answered with it."""
    answered = threading.Event()
    before: list[bool] = []

    def follow(invocation: Invocation) -> None:
        if invocation.final:
            before.append(not answered.wait(0.1))

    scf_runtime._platform.observe(follow)
    scf_runtime.deploy(ENDING).invoke("x")
    answered.set()
    assert before[:1] == [True]


# -- closing ---------------------------------------------------------------------------------------------------------


def test_closing_ends_what_runs_and_what_waits(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("auto")
    fn = rt.deploy(ENDING, max_instances=1, timeout=60)
    running, queued = fn.invoke_async("sleep"), fn.invoke_async("waits")
    long = rt.deploy(ENDING, async_run=True).invoke_async("sleep")
    running.wait_for_log("working")
    assert rt.close() == [long]
    for event in (running, queued, long):
        assert (event.status, event.status_code) == ("ABORTED", 499)
        assert "the runtime was closed" in event.diagnosis
    assert rt.instances == []
    with pytest.raises(ScfError, match="closed"):
        fn.invoke()


def test_closing_while_instances_start_leaves_nothing(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    for _ in range(10):
        rt = scf_runtime_of("auto")
        fn = rt.deploy(ENDING, async_run=True)
        events = [fn.invoke_async("sleep") for _ in range(3)]
        rt.close()
        assert [int(event.status_code) for event in events] == [499] * 3
        assert not any(event.instance.alive for event in events)


def test_a_runtime_closed_by_another_thread_ends_the_call_that_waits(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("auto")
    fn = rt.deploy(ENDING, timeout=60)
    results = []
    waiting = threading.Thread(target=lambda: results.append(fn.invoke("sleep")))
    waiting.start()
    while not rt.invocations():
        pass
    rt.invocations()[0].wait_for_log("working")
    rt.close()
    waiting.join()
    assert int(results[0].status_code) == 499
    assert results[0].return_value is None


def test_two_threads_close_at_once(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("auto")
    rt.deploy(ENDING, async_run=True).invoke_async("sleep")
    found = []
    threads = [threading.Thread(target=lambda: found.append(rt.close())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, found)) == [0, 0, 0, 1]
    assert rt.instances == []


def test_an_idle_instance_whose_process_has_ended_gets_no_event(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("directory")
    fn = rt.deploy("import os\ndef main_handler(event, context):\n    return os.getpid()\n")
    first = fn.invoke({}).return_value
    (instance,) = fn.instances
    assert fn.invoke({}).return_value == first
    instance._record.process.exit = ProcessExit(0, 0)  # it is told, and not all of the instance is gone yet
    assert fn.invoke({}).return_value != first


def test_nothing_is_held_of_a_function_that_has_been_deleted(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    runtime = scf_runtime_of("directory")
    for invoked in (True, False):
        fn = runtime.deploy(COUNTING, name="counting")
        if invoked:
            fn.invoke({})
        runtime.api.call("DeleteFunction", {"FunctionName": "counting"})
    runtime.clock.advance(seconds=runtime.settings.idle_seconds + 1)
    assert runtime._platform._scheduler._pools == {}
