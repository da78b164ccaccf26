"""Logs: whole, in order, byte for byte, and readable while the event runs."""

from __future__ import annotations

import contextlib
import errno
import io
import re
import textwrap
import threading
import time
from collections.abc import Callable

import leaks
import pytest
from present import present

from pytest_scf import ScfRuntime, errors
from pytest_scf.facade.assertions import compiled
from pytest_scf.platform import log_blocks, log_writer, logs, waiting
from pytest_scf.platform.logs import EventLog, Frame

MIB = 1024 * 1024


def handler(body: str, before: str = "") -> str:
    """Source text of a handler with this body; ``before`` stands at module level."""
    lines = textwrap.indent(textwrap.dedent(body).strip(), "    ")
    return f"import os, signal, sys, threading, time\n{before}\ndef main_handler(event, context):\n{lines}\n"


# -- the platform's lines --------------------------------------------------------------------------------------------


def test_the_log_of_a_cold_request_has_every_line_in_its_place(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(handler("print('working')\nreturn 'END'", "print('starting')"), async_run=True)
    event = fn.invoke_async().wait()
    rid = event.request_id
    wanted = [
        f"START RequestId:{rid}",
        "starting",
        f"Init Report RequestId: {rid} Coldstart: Nms (PullCode: Nms InitRuntime: Nms InitFunction: Nms) "
        "Memory: 128MB MemUsage: N.NMB",
        "working",
        f'Response RequestId:{rid} RetMsg:"END"',
        f"END RequestId:{rid}",
        f"Report RequestId:{rid} Duration:Nms Memory:128MB MemUsage:N.NMB",
    ]
    assert [re.sub(r"\b\d+(?=ms|\.)|(?<=\.)\d+(?=MB)", "N", line) for line in event.logs.text.splitlines()] == wanted
    assert [line.source for line in event.logs.lines] == [
        "Platform" if line.startswith(("START", "Init", "Response", "END", "Report")) else "Custom" for line in wanted
    ]


def test_a_warm_request_has_no_init_in_its_log(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(handler("print('working')", "print('starting')"))
    fn.invoke()
    log = fn.invoke().log
    assert "Init Report" not in log
    assert "starting" not in log
    assert [line.split(":")[0] for line in log.splitlines()] == [
        "START RequestId",
        "working",
        "Response RequestId",
        "END RequestId",
        "Report RequestId",
    ]


def test_a_failure_has_an_error_line_before_the_response(scf_runtime: ScfRuntime) -> None:
    result = scf_runtime.deploy(handler("raise ValueError('no')")).invoke()
    lines = result.log.splitlines()
    assert [line.split(" ")[0] for line in lines] == ["START", "Init", "ERROR", "Response", "END", "Report"]
    assert lines[2].startswith(f'ERROR RequestId:{result.request_id} Result:{{"errorCode":1,"errorMessage":"')


def test_times_of_the_lines_never_go_back(scf_runtime: ScfRuntime) -> None:
    fn = scf_runtime.deploy(handler("for n in range(50): print(n)", "print('starting')"), async_run=True)
    event = fn.invoke_async().wait()
    times = [line.time for line in event.logs.lines]
    assert times == sorted(times)
    assert event.start_time <= times[0]
    assert times[-1] <= present(event.end_time)


def test_the_tail_is_the_last_four_kilobytes(scf_runtime: ScfRuntime) -> None:
    fn = scf_runtime.deploy(handler("print('x' * 10000)"))
    for kind, length in (("Tail", 4096), ("None", 0)):
        answer = scf_runtime.api.call("Invoke", {"FunctionName": fn.name, "LogType": kind})
        assert len(answer["Result"]["Log"]) == length
    result = scf_runtime.api.call("Invoke", {"FunctionName": fn.name, "LogType": "Tail"})["Result"]
    whole = next(each for each in scf_runtime.invocations() if each.request_id == result["FunctionRequestId"])
    assert whole.logs.text.endswith(result["Log"])


def test_lines_that_threads_print_at_once_stay_whole(each_level: ScfRuntime) -> None:
    body = """\
def talk(name):
    for count in range(300):
        print(name, count, 'said', sep='-')
threads = [threading.Thread(target=talk, args=(name,)) for name in ('one', 'two', 'three')]
for each in threads: each.start()
for each in threads: each.join()"""
    event = each_level.deploy(handler(body), async_run=True).invoke_async().wait()
    expected = {f"{name}-{count}-said" for name in ("one", "two", "three") for count in range(300)}
    assert set(event.logs.user.splitlines()) == expected


@pytest.mark.parametrize(
    ("body", "printed"),
    [
        ("print()", "\n"),
        ("print('a', 'b', sep=None, end=None, flush=True)", "a b\n"),
        ("print('a', file=sys.stderr)", "a\n"),
        ("print('a', end='|'); print('b', file=None)", "a|b\n"),
        ("sys.stdout = None; print('a')", ""),
        (
            "import io; sys.stdout = io.StringIO(); print('a', 'b'); sys.stderr.write(repr(sys.stdout.getvalue()))",
            "'a b\\n'",
        ),
        ("try: print('a', sep=1)\nexcept TypeError as error: print(error)", "sep must be None or a string, not int\n"),
    ],
)
def test_print_is_as_it_always_is(scf_runtime: ScfRuntime, body: str, printed: str) -> None:
    event = scf_runtime.deploy(handler(body), async_run=True).invoke_async().wait()
    assert event.logs.user == printed


# -- while the event runs --------------------------------------------------------------------------------------------


def test_the_log_can_be_read_while_the_event_runs(each_level: ScfRuntime) -> None:
    event = each_level.deploy(handler("print('begun')\ntime.sleep(600)"), async_run=True).invoke_async()
    event.wait_for_log("begun")
    assert event.status == "RUNNING"
    assert event.logs.user.startswith("begun")
    assert "END RequestId" not in event.logs.text
    event.terminate()
    assert event.logs.user == "begun\n"
    assert "END RequestId" in event.logs.text


def test_the_init_phase_can_be_read_while_it_lasts(each_level: ScfRuntime) -> None:
    event = each_level.deploy(handler("pass", "print('starting')\ntime.sleep(600)"), async_run=True).invoke_async()
    event.wait_for_log("starting")
    assert "Init Report" not in event.logs.text
    event.terminate()


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), signal.SIGKILL)", "os._exit(0)", "time.sleep(600)"])
def test_half_a_line_is_kept_when_the_process_is_killed(each_level: ScfRuntime, end: str) -> None:
    body = f"print('whole')\nprint('half', end='')\n{end}"
    event = each_level.deploy(handler(body), async_run=True).invoke_async()
    event.wait_for_log("half") if "sleep" in end else event.wait()
    if "sleep" in end:
        event.terminate()
    assert event.logs.user == "whole\nhalf"
    assert "half\nERROR RequestId" in event.logs.text


def test_a_process_that_never_stops_writing_can_be_terminated(each_level: ScfRuntime) -> None:
    event = each_level.deploy(handler("while True: os.write(1, b'x' * 65536)"), async_run=True).invoke_async()
    event.wait_for_log("xxx")
    event.terminate(graceful=True)
    event.assert_failed(439)
    other = each_level.deploy(handler("while True: os.write(1, b'x' * 65536)"), async_run=True).invoke_async()
    other.wait_for_log("xxx")
    other.terminate()
    other.assert_aborted()


# -- much ------------------------------------------------------------------------------------------------------------


def test_ten_megabytes_in_one_print_are_kept_byte_for_byte(each_level: ScfRuntime) -> None:
    body = f"print(('abcdefghijklmnopqrstuvwxyz' * {10 * MIB // 26 + 1})[:{10 * MIB}])"
    result = each_level.deploy(handler(body), timeout=60, memory=512).invoke()
    wanted = "".join(map(chr, range(97, 123))) * (10 * MIB // 26 + 1)
    # Compared first: a difference of ten megabytes is not to be explained.
    same = result.log.splitlines()[2] == wanted[: 10 * MIB]
    assert same


def test_ten_megabytes_in_many_lines_are_kept_byte_for_byte(each_level: ScfRuntime) -> None:
    event = each_level.deploy(
        handler("for n in range(100000): print(f'line {n:06} ' + 'x' * 92)"), async_run=True, timeout=120
    ).invoke_async()
    event.wait()
    same = event.logs.user == "".join(f"line {n:06} " + "x" * 92 + "\n" for n in range(100000))
    assert same
    assert len(event.logs.lines) == 100000 + 5


def test_a_waiter_reads_along_with_much_output(each_level: ScfRuntime) -> None:
    body = "for n in range(20000): print('noise ' * 20)\nprint('needle')\ntime.sleep(600)"
    event = each_level.deploy(handler(body), async_run=True).invoke_async()
    event.wait_for_log("needle", timeout=60)
    event.terminate()


def test_big_logs_share_one_descriptor_and_stay_readable_after_the_runtime_is_closed(
    scf_runtime_of: Callable[..., ScfRuntime],
) -> None:
    rt = scf_runtime_of("auto")
    fn = rt.deploy(handler("print(event * 300000)"), timeout=60)
    fn.invoke("0")
    deadline = time.monotonic() + 60
    while rt._platform._log_blocks._file is None:  # it is opened in the background
        assert time.monotonic() < deadline
    before = leaks.count_descriptors()
    results = [fn.invoke(str(digit)) for digit in range(10)]
    assert leaks.count_descriptors() <= before
    assert [result.log.count(str(digit) * 300000) for digit, result in enumerate(results)] == [1] * 10
    rt.close()
    assert [result.log.count(str(digit) * 300000) for digit, result in enumerate(results)] == [1] * 10


def test_a_thousand_logs_hold_no_descriptors(scf_runtime: ScfRuntime) -> None:
    fn = scf_runtime.deploy(handler("print('x' * 1000)"), async_run=True)
    fn.invoke_async().wait()
    before = leaks.count_descriptors()
    events = []
    for _ in range(1000):
        events.append(fn.invoke_async())
        events[-1].wait()
    assert leaks.count_descriptors() <= before
    assert all(event.logs.user == "x" * 1000 + "\n" for event in events)


def test_blocks_of_logs_that_nobody_holds_are_used_anew() -> None:
    store = log_blocks.LogBlocks()
    data = [bytes([n]) * log_blocks.BLOCK for n in range(3)]
    blocks = [store.put(each) for each in data]
    store.give_back([blocks[1]])
    assert store.put(data[2]) == blocks[1]
    assert [store.get(block)[0] for block in blocks] == [0, 2, 2]
    store.close()
    assert [store.get(block)[0] for block in blocks] == [0, 2, 2]
    assert store.get(store.put(data[1])) == data[1]


# -- whose output, and what bytes ------------------------------------------------------------------------------------


def test_output_of_python_c_children_and_descriptors_stands_in_the_order_it_was_written(each_level: ScfRuntime) -> None:
    body = """\
import ctypes, subprocess
libc = ctypes.CDLL(None)
for n in range(5):
    print('python', n)
    libc.printf(b'c %d\\n', n)
    subprocess.run(['echo', 'child', str(n)])
    print('stderr', n, file=sys.stderr)
    os.write(1, f'descriptor {n}\\n'.encode())
    sys.stdout.buffer.write(f'buffer {n}\\n'.encode())
    libc.puts(f'puts {n}'.encode())"""
    result = each_level.deploy(handler(body), timeout=60).invoke()
    kinds = ("python", "c", "child", "stderr", "descriptor", "buffer", "puts")
    assert result.log.splitlines()[2:-3] == [f"{kind} {n}" for n in range(5) for kind in kinds]


def test_a_traceback_and_the_logging_module_write_to_the_log(each_level: ScfRuntime) -> None:
    body = "import logging, traceback\nlogging.warning('warned')\ntry: 1 / 0\nexcept Exception: traceback.print_exc()"
    log = each_level.deploy(handler(body)).invoke().log
    assert "\nwarned\nTraceback (most recent call last):\n" in log
    assert "ZeroDivisionError: division by zero\n" in log


def test_bytes_that_are_not_utf8_stay_readable(each_level: ScfRuntime) -> None:
    body = "os.write(1, b'before \\xff\\xfe\\x80 after\\n')\nos.write(1, 'ü 漢 \U0001f600\\n'.encode())"
    event = each_level.deploy(handler(body), async_run=True).invoke_async().wait()
    assert event.logs.user == "before \\xff\\xfe\\x80 after\nü 漢 \U0001f600\n"
    assert "before \\xff\\xfe\\x80 after" in [line.text for line in event.logs.lines]


def test_a_character_cut_in_two_by_the_writer_is_whole_in_the_log(each_level: ScfRuntime) -> None:
    body = "data = '漢'.encode()\nos.write(1, data[:1])\ntime.sleep(0.05)\nos.write(1, data[1:] + b'\\n')"
    event = each_level.deploy(handler(body), async_run=True).invoke_async().wait()
    assert event.logs.user == "漢\n"


def test_carriage_returns_and_empty_lines_are_kept(each_level: ScfRuntime) -> None:
    event = each_level.deploy(handler("print('a\\r\\n\\nb\\rc')"), async_run=True).invoke_async().wait()
    assert event.logs.user == "a\r\n\nb\rc\n"
    assert [line.text for line in event.logs.lines if line.source == "Custom"] == ["a\r", "", "b\rc"]


def test_half_a_surrogate_pair_cannot_be_printed_as_anywhere(scf_runtime: ScfRuntime) -> None:
    result = scf_runtime.deploy(handler("print('\\ud800')")).invoke()
    assert int(result.status_code) == 430
    assert "UnicodeEncodeError" in result.error_message


def test_what_a_background_process_writes_between_two_requests_shows_in_the_next_ones_log(
    each_level: ScfRuntime,
) -> None:
    body = """
        if event == 'second':
            os.wait()
            print('second')
            return
        here = tempfile.gettempdir()
        os.mkfifo(f'{here}/go')
        os.mkfifo(f'{here}/done')
        print('first')
        if os.fork() == 0:
            open(f'{here}/go').read()
            os.write(1, b'in between\\n')
            open(f'{here}/done', 'w').close()
            os._exit(0)
    """
    fn = each_level.deploy(handler(body, "import tempfile"))
    first = fn.invoke("first")
    tmp = first.instance.tmp
    (tmp / "go").open("w").close()
    (tmp / "done").read_bytes()
    second = fn.invoke("second")
    assert first.log.splitlines()[2:-3] == ["first"]
    assert second.log.splitlines()[1:-3] == ["in between", "second"]
    assert len(fn.instances) == 1


# -- signals ---------------------------------------------------------------------------------------------------------


def test_a_signal_handler_that_prints_while_the_code_prints_loses_nothing(each_level: ScfRuntime) -> None:
    body = """
        told = []
        signal.signal(signal.SIGTERM, lambda *args: (told.append(1), print('signal handler', flush=True)))
        signal.signal(signal.SIGALRM, lambda *args: print('alarm', flush=True))
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0005)
        count = 0
        while count < 20000 or not told:
            print(f'line {count}', flush=True)
            count += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
        print('last')
        return count
    """
    event = each_level.deploy(handler(body), async_run=True, timeout=120).invoke_async()
    event.wait_for_signal_handler()
    event.terminate(graceful=True)
    event.assert_finished()
    text = event.logs.user
    assert "signal handler" in text
    assert "alarm" in text
    assert "RuntimeError" not in text
    # A signal handler may run between a line and its end, that of another signal handler, too.
    for _ in range(10):
        text = text.replace("signal handler\n", "").replace("alarm\n", "")
    same = text == "".join(f"line {n}\n" for n in range(event.return_value)) + "last\n"
    assert same


def test_the_platforms_line_stands_between_what_was_written_before_the_signal_and_after_it(
    each_level: ScfRuntime,
) -> None:
    body = """
        told = []
        signal.signal(signal.SIGTERM, lambda *args: told.append(1))
        print('before')
        while not told: time.sleep(0.01)
        print('after')
    """
    event = each_level.deploy(handler(body), async_run=True).invoke_async()
    # Python writes a line and its end one after the other: the signal may come between them.
    event.wait_for_log("before")
    event.terminate(graceful=True)
    event.assert_finished()
    middle = [line.text for line in event.logs.lines][2:-3]
    assert middle == ["before", "[PLATFORM] Signal received successfully", "after"]
    assert event.logs.user == "before\nafter\n"


def test_a_line_cut_in_two_by_the_platforms_shows_as_two() -> None:
    log = EventLog(lambda: Frame(0.0, [], 0.0, [], 0.0, []))
    log.write(b"one\ntw", 1.0)
    log.write_platform("[PLATFORM] here", 2.0)
    log.write(b"o\nthree", 3.0)
    log.write_platform("[PLATFORM] there", 4.0)
    log.write(b"\n\nfour", 5.0)
    log.write_platform("[PLATFORM] at last", 6.0)
    wanted = ["one", "tw", "[PLATFORM] here", "o", "three", "[PLATFORM] there", "", "four", "[PLATFORM] at last"]
    assert [line.text for line in log.lines()] == wanted
    assert log.user_text() == "one\ntwo\nthree\n\nfour"


def test_many_threads_read_a_log_as_it_grows(scf_runtime: ScfRuntime) -> None:
    fn = scf_runtime.deploy(handler("for n in range(20000): print('line', n)"), async_run=True, timeout=60)
    event = fn.invoke_async()
    wrong: list[str] = []

    def read() -> None:
        before = ""
        while not event.final:
            now = event.logs.user
            if not now.startswith(before):
                wrong.append(now[:100])
            before = now

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    event.assert_finished()
    assert wrong == []


# -- big logs --------------------------------------------------------------------------------------------------------


class CountingBlocks(log_blocks.LogBlocks):
    """Counts what is read, and can be full."""

    def __init__(self, room=10**9):
        super().__init__()
        self.room = room
        self.read = 0

    def put(self, data):
        if self.room < len(data):
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= len(data)
        return super().put(data)

    def get(self, block):
        self.read += log_blocks.BLOCK
        return super().get(block)


def empty_frame():
    return Frame(0.0, ["START"], 0.0, [], 9.0, ["END"])


def test_the_last_lines_of_a_big_log_cost_what_they_are() -> None:
    store = CountingBlocks()
    log = EventLog(empty_frame, store)
    log.end_init()
    for number in range(200_000):
        log.write(f"line {number:>6} {'x' * 50}\n".encode(), 1.0)
        if not number % 1000:
            log.put_away()
    log.put_away()
    assert log.size > 12_000_000
    more, lines = log.last_lines(20)
    assert more
    assert [line.text[:11] for line in lines] == [f"line {number:>6}" for number in range(199_981, 200_000)] + ["END"]
    assert log.tail(4096).endswith(b"xxx\nEND\n")
    assert len(log.tail(4096)) == 4096
    assert store.read <= 8 * log_blocks.BLOCK


def test_the_last_lines_of_a_small_log_are_all_of_it() -> None:
    log = EventLog(empty_frame)
    log.write(b"one\ntwo\n", 1.0)
    assert log.last_lines(20) == (False, log.lines())
    more, lines = log.last_lines(2)
    assert (more, [line.text for line in lines]) == (True, ["two", "END"])


def test_a_log_that_cannot_be_kept_is_cut_with_a_note_and_takes_the_platforms_lines_still() -> None:
    store = CountingBlocks(room=2 * log_blocks.BLOCK)
    log = EventLog(empty_frame, store)
    for number in range(10):
        log.write(b"x" * 49_999 + b"\n", float(number))
        if number == 7:
            log.write_platform("[PLATFORM] Signal received successfully", 7.5)
        log.put_away()
    log.write(b"lost", 20.0)
    log.write_platform("[PLATFORM] later", 21.0)
    text = log.text()
    kept = logs.IN_MEMORY + 2 * log_blocks.BLOCK
    assert log.user_text() == (("x" * 49_999 + "\n") * 10)[:kept]
    assert "[PLATFORM] The log is cut here" in text
    assert "No space left on device" in text
    assert text.count("[PLATFORM] Signal received successfully\n") == 1
    assert text.index("cut here") < text.index("Signal received") < text.index("[PLATFORM] later")
    assert text.endswith("END\n")
    assert "lost\n" not in log.user_text()


@pytest.mark.parametrize("look", [EventLog.lines, EventLog.user_text, EventLog.platform_lines])
def test_a_log_may_be_cut_while_it_is_read(look: Callable[[EventLog], object], monkeypatch: pytest.MonkeyPatch) -> None:
    log = EventLog(empty_frame, CountingBlocks(room=0))
    for number in range(20):
        log.write(b"x" * 49_999 + b"\n", float(number))
        log.write_platform("[PLATFORM] between", number + 0.5)
    whole = look(log)
    joined = EventLog._joined

    def cut_then_join(self: EventLog, parts: list[bytes | logs._Stored]) -> bytes:
        monkeypatch.undo()
        self.put_away()
        return joined(self, parts)

    monkeypatch.setattr(EventLog, "_joined", cut_then_join)
    read = look(log)
    cut = look(log)
    assert cut != whole
    assert read in (whole, cut)


def test_a_log_that_is_cut_while_it_is_searched_is_searched_on() -> None:
    log = EventLog(empty_frame, CountingBlocks(room=3 * MIB))
    log.write((b"x" * 49_999 + b"\n") * 200, 1.0)
    search = waiting._Search(compiled("cut here"), log)
    assert search.look(over=False) is None
    log.put_away()
    assert search.look(over=True)


def test_what_was_kept_before_the_disk_was_full_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, data):
            if self.tell() + len(data) > log_blocks.BLOCK:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: Full())
    store, data = log_blocks.LogBlocks(), b"x" * log_blocks.BLOCK
    number = store.put(data)
    with pytest.raises(OSError, match="No space"):
        store.put(data)
    store.close()
    assert store.get(number) == data


def test_an_event_ends_where_the_disk_is_full(scf_runtime: ScfRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(log_blocks.LogBlocks, "put", full)
    fn = scf_runtime.deploy(handler("print('x' * 1_000_000)", "print('starting')"), async_run=True)
    event = fn.invoke_async()
    event.assert_finished()
    # It is put away in the background.
    deadline = time.monotonic() + 60
    while "[PLATFORM] The log is cut here" not in event.logs.text:
        assert time.monotonic() < deadline
    assert "starting" in event.logs.user


def test_a_disk_that_does_not_answer_holds_up_nobody_else_and_fills_no_memory(
    scf_runtime: ScfRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, answers = threading.Event(), threading.Event()
    put = log_blocks.LogBlocks.put

    def put_late(self, data):
        begun.set()
        assert answers.wait(60)
        return put(self, data)

    monkeypatch.setattr(log_blocks.LogBlocks, "put", put_late)
    size = 24 * MIB
    fn = scf_runtime.deploy(handler(f"for _ in range({size // MIB}): os.write(1, b'x' * {MIB})"), async_run=True)
    other = scf_runtime.deploy(handler("return 'answer'"), timeout=60)
    event = fn.invoke_async()
    try:
        assert begun.wait(60)
        for _ in range(50):
            assert other.invoke().return_value == "answer"
        assert event.logs.user.startswith("xxx")
        assert event._record.attempt.log.size < log_writer.MOST_WAITING + 4 * MIB
        assert event.status == "RUNNING"
    finally:
        answers.set()
    event.assert_finished()
    assert len(event.logs.user) == size


def test_a_wait_reads_each_part_of_a_big_log_once(scf_runtime: ScfRuntime) -> None:
    fn = scf_runtime.deploy(
        handler(
            "for n in range(100): os.write(1, b'y' * 999 + b'\\n' + b'z' * 98_999 + b'\\n')\n"
            "print('needle')\n"
            "time.sleep(600)",
        ),
        async_run=True,
    )
    event = fn.invoke_async()
    found = event.wait_for_log("needle")
    assert found[0] == "needle"
    pieces = []

    def look(text):
        pieces.append(len(text))

    with pytest.raises(errors.WaitTimeout):
        scf_runtime._platform.wait_for_log(event._record, look, 0.05)
    assert max(pieces) <= 1 << 18
    assert sum(pieces) < 2 * event._record.attempt.log.size
    event.terminate()


def test_a_slow_pattern_holds_up_nobody_but_who_waits(scf_runtime: ScfRuntime) -> None:
    fn = scf_runtime.deploy(handler("print('a' * 5)\ntime.sleep(600)"), async_run=True)
    limited = scf_runtime.deploy(handler("time.sleep(600)"), timeout=1, async_run=True)
    event = fn.invoke_async()
    searching, searched = threading.Event(), threading.Event()

    def look(text):
        searching.set()
        assert searched.wait(60)

    def wait():
        with contextlib.suppress(errors.EventEnded):
            scf_runtime._platform.wait_for_log(event._record, look, 60)

    waiter = threading.Thread(target=wait)
    waiter.start()
    assert searching.wait(60)
    # Limits, invocations and terminations go on while the pattern is evaluated.
    limited.invoke_async().assert_failed(433)
    event.terminate()
    searched.set()
    waiter.join(60)
    assert not waiter.is_alive()
