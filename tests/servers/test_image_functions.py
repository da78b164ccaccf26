"""Image functions: a web server in a container that is a process (docs/cloud-contract.md#image-functions)."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_scf import Event, ScfRuntime, UsageError

SAMPLE = Path(__file__).resolve().parents[3] / "shared" / "seed" / "samples" / "image"
COMMAND = ["python", "app.py"]

LOOPING = """
stop = False

def on_sigterm(*args):
    global stop
    print("do something before shutdown.")
    stop = True

def answer(request, event):
    print("working", flush=True)
    while not stop:
        time.sleep(0.01)
    request.reply(200, "END", "text/plain")

signal.signal(signal.SIGTERM, on_sigterm)
"""


def test_each_event_is_a_post_with_the_clouds_headers(each_level: ScfRuntime, server: Callable[..., Path]) -> None:
    fn = each_level.deploy_image(COMMAND, cwd=server(), name="greeter", timeout=20)
    result = fn.invoke({"job": [1, "é"]})
    assert result.status_code == 200, result.log
    got = result.return_value
    assert (got["event"], got["path"]) == ({"job": [1, "é"]}, "/event-invoke")
    headers = {name.lower(): value for name, value in got["headers"].items()}
    assert headers["content-type"] == "application/json"
    assert headers["x-scf-request-id"] == result.request_id
    assert headers["x-scf-memory"] == "128"
    assert headers["x-scf-timeout"] == "20000"
    assert headers["x-scf-version"] == "$LATEST"
    assert headers["x-scf-name"] == "greeter"
    assert headers["x-scf-namespace"] == "default"
    assert headers["x-scf-region"] == each_level.settings.region
    assert headers["x-scf-appid"] == each_level.settings.appid
    assert headers["x-scf-uin"] == each_level.settings.uin


def test_an_instance_is_kept_for_the_next_event(each_level: ScfRuntime, server: Callable[..., Path]) -> None:
    fn = each_level.deploy_image(
        COMMAND, cwd=server("count = 0\ndef answer(r, e):\n    global count; count += 1; r.reply(200, str(count))\n")
    )
    assert [fn.invoke().return_value for _ in range(3)] == [1, 2, 3]
    assert len(fn.instances) == 1


def test_a_server_that_takes_one_connection_at_a_time_is_no_problem(
    each_level: ScfRuntime, server: Callable[..., Path]
) -> None:
    run = 'from http.server import HTTPServer\nHandler.protocol_version = "HTTP/1.1"\n'
    run += 'HTTPServer(("0.0.0.0", 9000), Handler).serve_forever()\n'
    fn = each_level.deploy_image(COMMAND, cwd=server(run=run))
    assert [fn.invoke(number).return_value["event"] for number in range(3)] == [0, 1, 2]


def test_graceful_termination_reaches_the_main_process(each_level: ScfRuntime, server: Callable[..., Path]) -> None:
    fn = each_level.deploy_image(COMMAND, cwd=server(LOOPING), async_run=True)
    event = fn.invoke_async()
    event.wait_for_signal_handler()
    event.wait_for_log("working")
    event.terminate(graceful=True)
    event.assert_finished("END")
    assert "do something before shutdown." in event.logs.text
    assert event.logs.platform == ["[PLATFORM] Signal received successfully"]


def test_without_a_signal_handler_the_process_exits_with_439(
    each_level: ScfRuntime, server: Callable[..., Path]
) -> None:
    fn = each_level.deploy_image(COMMAND, cwd=server(LOOPING.replace("signal.signal(", "(")), async_run=True)
    event = fn.invoke_async()
    event.wait_for_log("working")
    event.terminate(graceful=True)
    event.assert_failed(439)
    event.assert_repossessed()
    assert "no signal handler was registered" in event.diagnosis


def test_a_shell_in_between_does_not_hand_the_signal_on(isolated: ScfRuntime, server: Callable[..., Path]) -> None:
    command = ["sh", "-c", f"{' '.join(COMMAND)}; true"]
    event = isolated.deploy_image(command, cwd=server(LOOPING), async_run=True).invoke_async()
    event.wait_for_log("working")
    event.terminate(graceful=True)
    event.assert_failed(439)
    assert event.diagnosis.endswith(
        "the process that the command starts, here sh, which hands it on to none: use `exec`"
    )


def test_a_signal_handler_that_leaves_through_the_interpreter_is_439_too(
    each_level: ScfRuntime, server: Callable[..., Path]
) -> None:
    code = """
    def answer(request, event):
        print("working", flush=True)
        while True:
            time.sleep(0.01)
    signal.signal(signal.SIGTERM, lambda *args: sys.exit(0))
    """
    run = 'from http.server import HTTPServer\nHTTPServer(("0.0.0.0", 9000), Handler).serve_forever()\n'
    event = each_level.deploy_image(COMMAND, cwd=server(code, run), async_run=True).invoke_async()
    event.wait_for_log("working")
    event.terminate(graceful=True)
    event.assert_failed(439)


def test_forced_termination_repossesses_the_container(each_level: ScfRuntime, server: Callable[..., Path]) -> None:
    fn = each_level.deploy_image(COMMAND, cwd=server(LOOPING), async_run=True)
    event = fn.invoke_async()
    event.wait_for_log("working")
    tmp = event.instance.tmp
    event.terminate()
    event.assert_aborted()
    assert not event.instance.alive
    assert not tmp.exists()


def test_what_it_printed_is_in_the_log_of_a_killed_server(each_level: ScfRuntime, server: Callable[..., Path]) -> None:
    code = """
    def answer(request, event):
        print("before the end")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    event = each_level.deploy_image(COMMAND, cwd=server(code), async_run=True).invoke_async()
    event.assert_failed(439)
    assert "before the end" in event.logs.user


def test_the_function_may_choose_buffered_output(each_level: ScfRuntime, server: Callable[..., Path]) -> None:
    code = "def answer(request, event):\n    request.reply(200, json.dumps(os.environ['PYTHONUNBUFFERED']))\n"
    fn = each_level.deploy_image(COMMAND, cwd=server(code), environment={"PYTHONUNBUFFERED": ""})
    assert fn.invoke().return_value == ""


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ('200, "END", "text/html"', "END"),
        ('200, "12", "text/plain"', "12"),
        ('200, "12"', 12),
        ('200, "not JSON"', "not JSON"),
        ('201, b"\\xff", "text/plain"', "\\xff"),
        ('204, ""', None),
    ],
)
def test_the_body_of_the_answer_is_the_return_value(
    isolated: ScfRuntime, server: Callable[..., Path], reply: str, value: int | str | None
) -> None:
    fn = isolated.deploy_image(COMMAND, cwd=server(f"def answer(request, event):\n    request.reply({reply})\n"))
    assert fn.invoke().return_value == value


def test_an_error_answer_is_a_failure_that_says_what_came(each_level: ScfRuntime, server: Callable[..., Path]) -> None:
    fn = each_level.deploy_image(
        COMMAND, cwd=server('def answer(r, e):\n    r.reply(500, "no database", "text/plain")\n')
    )
    result = fn.invoke()
    assert result.status_code == 443
    assert "the server answered 500" in result.error_message
    assert "no database" in result.error_message
    assert len(fn.instances) == 1


def test_an_answer_that_is_no_http_is_a_failure(isolated: ScfRuntime, server: Callable[..., Path]) -> None:
    code = "def answer(request, event):\n    request.wfile.write(b'hello')\n"
    result = isolated.deploy_image(COMMAND, cwd=server(code), timeout=20).invoke()
    assert result.status_code == 443
    assert "no answer that is HTTP" in result.error_message


def test_a_response_of_more_than_6_mb_is_407(isolated: ScfRuntime, server: Callable[..., Path]) -> None:
    code = "def answer(request, event):\n    request.reply(200, b'x' * (6 * 1024 * 1024 + event), 'text/plain')\n"
    fn = isolated.deploy_image(COMMAND, cwd=server(code), timeout=60, memory=512)
    assert len(fn.invoke(0).return_value) == 6 * 1024 * 1024
    assert fn.invoke(1).status_code == 407


@pytest.fixture
def unreached(server: Callable[..., Path], time_is_up: Callable[..., None]) -> Callable[..., Event]:
    """An event whose server listens on this address, after the time in which it had to be reached."""

    def unreached(runtime: ScfRuntime, address: str) -> Event:
        run = f"server = ThreadingHTTPServer(({address}), Handler)\nprint('listens')\nserver.serve_forever()\n"
        event = runtime.deploy_image(COMMAND, cwd=server(run=run), async_run=True).invoke_async()
        event.wait_for_log("listens")
        time_is_up(runtime, event)
        event.assert_failed(446)
        return event

    return unreached


def test_a_server_that_is_bound_to_loopback_alone_is_446(
    each_level: ScfRuntime, unreached: Callable[..., Event]
) -> None:
    event = unreached(each_level, '"127.0.0.1", 9000')
    assert "listens on 127.0.0.1 only" in event.diagnosis
    assert "0.0.0.0" in event.error_message


def test_a_server_on_another_port_is_446(isolated: ScfRuntime, unreached: Callable[..., Event]) -> None:
    assert "listens on port 5000 instead" in unreached(isolated, '"", 5000').diagnosis


def test_a_container_that_exits_while_it_starts_is_405(each_level: ScfRuntime, server: Callable[..., Path]) -> None:
    result = each_level.deploy_image(COMMAND, cwd=server(run='print("no configuration"); sys.exit(3)')).invoke()
    assert result.status_code == 405
    assert "exited with status 3" in result.diagnosis
    assert "no configuration" in result.log


def test_a_command_that_is_not_there_is_445(each_level: ScfRuntime, server: Callable[..., Path]) -> None:
    result = each_level.deploy_image(["no-such-program", "--now"], cwd=server()).invoke()
    assert result.status_code == 445
    assert "no-such-program --now" in result.diagnosis
    assert "there is no program 'no-such-program' on its PATH" in result.diagnosis


def test_a_time_limit_ends_it(each_level: ScfRuntime, server: Callable[..., Path]) -> None:
    result = each_level.deploy_image(COMMAND, cwd=server(LOOPING), timeout=1).invoke()
    assert result.status_code == 433


def test_ten_instances_at_once_each_have_the_port(isolated: ScfRuntime, server: Callable[..., Path]) -> None:
    fn = isolated.deploy_image(COMMAND, cwd=server(LOOPING), async_run=True)
    events = [fn.invoke_async(number) for number in range(10)]
    for event in events:
        event.wait_for_log("working")
    assert len(fn.instances) == 10
    for event in events[::2]:
        event.terminate(graceful=True)
    for event in events[1::2]:
        event.terminate()
    assert [event.wait().status for event in events] == ["FINISHED", "ABORTED"] * 5


@pytest.mark.usefixtures("port_9000")
def test_at_the_directory_level_one_instance_can_have_the_port(
    scf_runtime_of: Callable[..., ScfRuntime], server: Callable[..., Path]
) -> None:
    fn = scf_runtime_of("directory").deploy_image(COMMAND, cwd=server(LOOPING), async_run=True)
    first = fn.invoke_async()
    first.wait_for_log("working")
    second = fn.invoke_async()
    second.assert_failed(446)
    assert "only one can use it at a time" in second.diagnosis
    first.terminate()


def test_services_of_the_test_are_reachable_on_the_ports_named(
    isolated: ScfRuntime, server: Callable[..., Path]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as service:
        port = service.getsockname()[1]

        def echo():
            for _ in range(2):
                connection, _address = service.accept()
                with connection:
                    while data := connection.recv(65536):
                        connection.sendall(data)

        thread = threading.Thread(target=echo)
        thread.start()
        code = f"""
        def answer(request, event):
            with socket.create_connection(("127.0.0.1", {port})) as sock:
                sent = b"x" * event
                threading.Thread(target=lambda: (sock.sendall(sent), sock.shutdown(socket.SHUT_WR))).start()
                got = b""
                while data := sock.recv(65536):
                    got += data
            request.reply(200, json.dumps(got == sent))
        import threading
        """
        fn = isolated.deploy_image(COMMAND, cwd=server(code), host_ports=[port], timeout=60)
        assert fn.invoke(10).return_value is True
        assert fn.invoke(3_000_000).return_value is True
        thread.join()


def test_other_services_of_the_machine_are_out_of_reach(isolated: ScfRuntime, server: Callable[..., Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as service:
        port = service.getsockname()[1]
        code = f"""
        def answer(request, event):
            try:
                socket.create_connection(("127.0.0.1", {port}), timeout=5)
            except ConnectionRefusedError:
                request.reply(200, json.dumps("refused"))
        """
        assert isolated.deploy_image(COMMAND, cwd=server(code)).invoke().return_value == "refused"


def test_the_environment_is_that_of_a_container(each_level: ScfRuntime, server: Callable[..., Path]) -> None:
    directory = server(
        "def answer(request, event):\n    request.reply(200, json.dumps([os.getcwd(), dict(os.environ)]))\n"
    )
    cwd, environ = each_level.deploy_image(COMMAND, cwd=directory, environment={"MINE": "1"}).invoke().return_value
    assert cwd == environ["PWD"] == str(directory)
    assert environ["MINE"] == "1"
    assert environ["PYTHONUNBUFFERED"] == "1"
    assert environ["TENCENTCLOUD_RUNENV"] == "SCF"
    assert not {"PYTHONPATH", "USER_CODE_ROOT"} & set(environ)


def test_a_program_inherits_no_signal_masks_and_no_descriptors(
    isolated: ScfRuntime, server: Callable[..., Path]
) -> None:
    code = """
    def answer(request, event):
        with open("/proc/self/status") as file:
            masks = dict(line.rstrip().split(":\\t") for line in file if line.startswith("Sig"))
        request.reply(200, json.dumps([masks["SigBlk"], masks["SigIgn"], os.listdir("/proc/self/fd")]))
    """
    blocked, ignored, descriptors = isolated.deploy_image(COMMAND, cwd=server(code)).invoke().return_value
    assert int(blocked, 16) == 0
    # Python ignores some itself; those below SIGRTMIN are the C library's own, which not every Python leaves alone.
    expected = {signal.SIGPIPE, signal.SIGXFSZ, *range(32, signal.SIGRTMIN)}
    assert {number for number in range(1, 65) if int(ignored, 16) >> number - 1 & 1} <= expected
    assert {"0", "1", "2"} <= set(descriptors)
    assert len(descriptors) <= 6  # its listening socket, the connection, and the directory that is being read


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "command= or dockerfile="),
        ({"command": "python app.py"}, "must be a list"),
        ({"command": []}, "must be a list"),
        ({"command": [1]}, "str and paths only"),
        ({"command": COMMAND, "cwd": "nowhere"}, "no directory 'nowhere'"),
        ({"command": COMMAND, "port": 0}, "port must be"),
        ({"command": COMMAND, "host_ports": [9000]}, "port of the function's own server"),
        ({"command": COMMAND, "host_ports": 5432}, "must be a list of port numbers"),
        ({"command": COMMAND, "memory": 100}, "memory"),
        ({"command": COMMAND, "environment": {"SCF_X": "1"}}, "environment"),
    ],
)
def test_what_cannot_be_is_refused_at_once(isolated: ScfRuntime, arguments: Any, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        isolated.deploy_image(**arguments)


@pytest.mark.skipif(not SAMPLE.is_dir(), reason=f"the vendor's sample is not at {SAMPLE}")
class TestTheVendorsSample:
    """Flask on port 9000, unchanged. It is not part of this project."""

    def test_graceful(self, each_level: ScfRuntime) -> None:
        fn = each_level.deploy_image(COMMAND, cwd=SAMPLE, async_run=True)
        event = fn.invoke_async({"job": 7})
        event.wait_for_signal_handler()
        event.wait_for_log("False")
        event.terminate(graceful=True)
        event.assert_finished("END")
        assert "do something before shutdown." in event.logs.text
        assert "Graceful shutdown." in event.logs.text

    def test_ten_at_once_terminated_both_ways(self, isolated: ScfRuntime) -> None:
        fn = isolated.deploy_image(COMMAND, cwd=SAMPLE, async_run=True)
        events = [fn.invoke_async({"job": number}) for number in range(10)]
        for event in events:
            event.wait_for_log("False", timeout=120)
        assert len(fn.instances) == 10
        for number, event in enumerate(events):
            event.terminate(graceful=number % 2 == 0)
        assert [event.wait().status_code for event in events] == [200, 499] * 5
