"""A custom runtime: a bootstrap fetches its events from the runtime API (docs/cloud-contract.md#custom-runtimes)."""

from __future__ import annotations

import shutil
import subprocess
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from present import present

from pytest_scf import Function, ScfRuntime, UsageError

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler (cc)")

BASH = """\
#!/bin/bash
headers=${TMPDIR:-/tmp}/headers
api=http://$SCF_RUNTIME_API:$SCF_RUNTIME_API_PORT
count=0
echo "starting $_HANDLER"
curl -s -d " " $api/runtime/init/ready
while true; do
    event=$(curl -s -D $headers $api/runtime/invocation/next)
    count=$((count + 1))
    echo "event $count: $event"
    source work.sh
done
"""
RESPOND = 'curl -s -d "$count" $api/runtime/invocation/response\n'

#: the same API from Python, which can do what curl cannot easily
PYTHON = """\
#!/usr/bin/env python3
import http.client, json, os, signal, sys, time

def call(method, path, body=None):
    connection = http.client.HTTPConnection(os.environ["SCF_RUNTIME_API"], int(os.environ["SCF_RUNTIME_API_PORT"]))
    connection.request(method, path, body)
    response = connection.getresponse()
    return response.status, dict(response.getheaders()), response.read()

def respond(value):
    return call("POST", "/runtime/invocation/response", json.dumps(value))[0]

"""

SERVE = """
call("POST", "/runtime/init/ready")
while True:
    work(*call("GET", "/runtime/invocation/next"))
"""


@pytest.fixture
def bootstrap(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str, **files: str) -> Path:
        (tmp_path / "bootstrap").write_text(text)
        (tmp_path / "bootstrap").chmod(0o755)
        for name, content in files.items():
            (tmp_path / f"{name}.sh").write_text(content)
        return tmp_path

    return write


@pytest.fixture
def python(bootstrap: Callable[..., Path]) -> Callable[..., Path]:
    """A bootstrap in Python that does ``code``, which defines ``work(status, headers, body)``."""

    def write(code: str, run: str = SERVE) -> Path:
        return bootstrap(PYTHON + textwrap.dedent(code) + run)

    return write


@pytest.fixture(params=["namespaces", "directory"])
def deploy(request: pytest.FixtureRequest, scf_runtime_of: Callable[..., ScfRuntime]) -> Callable[..., Function]:
    runtime = scf_runtime_of(request.param)
    return lambda source, **more: runtime.deploy(source, runtime="CustomRuntime", **more)


def test_memory_of_what_a_bootstrap_started_counts(
    deploy: Callable[..., Function], python: Callable[..., Path]
) -> None:
    source = python("""
        def work(status, headers, body):
            keep = bytearray(300 << 20)
            time.sleep(600)
    """)
    (source / "bootstrap").rename(source / "server")
    (source / "bootstrap").write_text('#!/bin/bash\n"$(dirname "$0")/server"\necho ended\n')
    (source / "bootstrap").chmod(0o755)
    result = deploy(source, timeout=120).invoke()
    assert result.status_code == 434, result.diagnosis


@needs_curl
class TestBashWithCurl:
    def test_events_are_fetched_and_answered_by_one_instance(
        self, deploy: Callable[..., Function], bootstrap: Callable[..., Path]
    ) -> None:
        fn = deploy(bootstrap(BASH, work=RESPOND), handler="my.handler", timeout=20)
        first = fn.invoke({"job": 1})
        assert first.return_value == 1
        assert "starting my.handler" in first.log
        assert 'event 1: {"job": 1}' in first.log
        assert fn.invoke({"job": 2}).return_value == 2
        assert len(fn.instances) == 1

    def test_the_headers_tell_of_the_event(
        self, deploy: Callable[..., Function], bootstrap: Callable[..., Path]
    ) -> None:
        work = "tr -d '\\r' < $headers | curl -s --data-binary @- $api/runtime/invocation/response\n"
        result = deploy(bootstrap(BASH, work=work), timeout=20).invoke()
        assert f"Request_Id: {result.request_id}" in result.return_value
        assert "Memory_Limit_In_Mb: 128" in result.return_value
        assert "Time_Limit_In_Ms: 20000" in result.return_value

    def test_graceful_termination_runs_the_trap(
        self, deploy: Callable[..., Function], bootstrap: Callable[..., Path]
    ) -> None:
        work = 'while [ -z "$stop" ]; do sleep 0.05; done\n' + RESPOND
        text = BASH.replace("count=0", "count=0\ntrap 'echo trapped; stop=1' TERM")
        event = deploy(bootstrap(text, work=work), async_run=True).invoke_async()
        event.wait_for_signal_handler()
        event.wait_for_log("event 1")
        event.terminate(graceful=True)
        event.assert_finished(1)
        event.assert_logged("trapped")

    def test_without_a_trap_it_is_439(self, deploy: Callable[..., Function], bootstrap: Callable[..., Path]) -> None:
        event = deploy(bootstrap(BASH, work="while :; do sleep 0.05; done\n"), async_run=True).invoke_async()
        event.wait_for_log("event 1")
        event.terminate(graceful=True)
        event.assert_failed(439)
        event.assert_repossessed()

    def test_forced_termination(self, deploy: Callable[..., Function], bootstrap: Callable[..., Path]) -> None:
        event = deploy(bootstrap(BASH, work="sleep 3600\n"), async_run=True).invoke_async()
        event.wait_for_log("event 1")
        event.terminate()
        event.assert_aborted()
        assert not event.instance.alive


def test_the_first_result_stands(deploy: Callable[..., Function], python: Callable[..., Path]) -> None:
    code = """
    answers = []

    def work(status, headers, body):
        answers.append(respond(answers))
        answers.append(call("POST", "/runtime/invocation/error", b"too late")[0])
    """
    fn = deploy(python(code))
    assert fn.invoke().return_value == []
    assert fn.invoke().return_value == [200, 409]


def test_an_event_without_a_result_is_given_again(deploy: Callable[..., Function], python: Callable[..., Path]) -> None:
    code = """
    def work(status, headers, body):
        again = call("GET", "/runtime/invocation/next")
        respond([json.loads(body) == json.loads(again[2]), headers["Request_Id"] == again[1]["Request_Id"]])
    """
    assert deploy(python(code)).invoke({"n": 1}).return_value == [True, True]


def test_an_error_is_430_and_the_instance_stays(deploy: Callable[..., Function], python: Callable[..., Path]) -> None:
    code = """
    def work(status, headers, body):
        if json.loads(body) == "text":
            call("POST", "/runtime/invocation/error", "no such job")
        else:
            call("POST", "/runtime/invocation/error", json.dumps(
                {"errorType": "JobError", "errorMessage": "job 7", "stackTrace": ["line 1", "line 2"]}))
    """
    fn = deploy(python(code))
    plain, said = fn.invoke("text"), fn.invoke("json")
    assert (plain.status_code, said.status_code) == (430, 430)
    assert "no such job" in plain.error_message
    assert "JobError: job 7" in said.error_message
    assert present(said.error)["stackTrace"] == "line 1\nline 2"
    assert len(fn.instances) == 1


@pytest.mark.parametrize(("body", "value"), [("'{\"a\": [1]}'", {"a": [1]}), ("'hello'", "hello"), ("''", None)])
def test_a_result_is_json_or_text(
    deploy: Callable[..., Function], python: Callable[..., Path], body: str, value: Any
) -> None:
    code = f"def work(status, headers, body):\n    call('POST', '/runtime/invocation/response', {body})\n"
    assert deploy(python(code)).invoke().return_value == value


def test_a_result_of_more_than_6_mb_is_407(deploy: Callable[..., Function], python: Callable[..., Path]) -> None:
    code = "def work(status, headers, body):\n    call('POST', '/runtime/invocation/response', b'1' * int(body))\n"
    fn = deploy(python(code), timeout=60)
    assert fn.invoke(6 * 1024 * 1024 + 1).status_code == 407
    assert fn.invoke(3).return_value == 111


def test_a_body_in_chunks_is_taken(deploy: Callable[..., Function], python: Callable[..., Path]) -> None:
    code = """
    def work(status, headers, body):
        call("POST", "/runtime/invocation/response", iter([b'{"in":', b' "pieces"}']))
    """
    assert deploy(python(code)).invoke().return_value == {"in": "pieces"}


def test_events_wait_for_the_bootstrap_to_be_ready(
    isolated: ScfRuntime, python: Callable[..., Path], time_is_up: Callable[..., None]
) -> None:
    run = (
        'print(call("GET", "/runtime/invocation/next"), call("GET", "/x")[0], call("POST", "/x")[0])\nsignal.pause()\n'
    )
    event = isolated.deploy(python("", run), runtime="CustomRuntime", async_run=True).invoke_async()
    event.wait_for_log("404 404")
    time_is_up(isolated, event)
    event.assert_failed(450)
    assert "did not POST /runtime/init/ready" in event.diagnosis
    assert "(403," in event.logs.text


def test_a_bootstrap_that_exits_is_439(
    deploy: Callable[..., Function], python: Callable[..., Path], bootstrap: Callable[..., Path]
) -> None:
    early = deploy(bootstrap("#!/bin/sh\necho not today\nexit 3\n")).invoke()
    assert early.status_code == 439
    assert "exited with status 3 while the instance started" in early.diagnosis
    assert "not today" in early.log
    late = deploy(python("def work(status, headers, body):\n    sys.exit(4)\n")).invoke()
    assert late.status_code == 439
    assert "exited with status 4" in late.diagnosis


def test_a_bootstrap_that_is_no_program_is_445(deploy: Callable[..., Function], bootstrap: Callable[..., Path]) -> None:
    result = deploy(bootstrap("#!/no/such/interpreter\n")).invoke()
    assert result.status_code == 445
    assert "./bootstrap" in result.diagnosis


def test_what_cannot_be_is_refused_at_once(
    deploy: Callable[..., Function], bootstrap: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="has none"):
        deploy(tmp_path)
    directory = bootstrap(BASH)
    with pytest.raises(UsageError, match="leave python= out"):
        deploy(directory, python="3.12")
    (directory / "bootstrap").chmod(0o644)
    with pytest.raises(UsageError, match="not executable"):
        deploy(directory)


C = r"""
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <sys/socket.h>

static volatile sig_atomic_t stopped;
static void on_sigterm(int signum) { stopped = 1; write(1, "compiled handler\n", 17); }

static char *call(const char *request) {
    static char answer[65536];
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(atoi(getenv("SCF_RUNTIME_API_PORT"))) };
    inet_pton(AF_INET, getenv("SCF_RUNTIME_API"), &to.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0), got = 0, n;
    connect(fd, (struct sockaddr *) &to, sizeof to);
    write(fd, request, strlen(request));
    while (!strstr(answer, "\r\n\r\n") || got == 0) {
        n = read(fd, answer + got, sizeof answer - 1 - got);
        if (n <= 0) break;
        got += n;
        answer[got] = 0;
    }
    close(fd);
    char *body = strstr(answer, "\r\n\r\n");
    return body ? body + 4 : answer;
}

int main(void) {
    char request[1024], body[256];
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct sigaction action = { .sa_handler = on_sigterm };
    sigaction(SIGTERM, &action, NULL);
    call("POST /runtime/init/ready HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    for (;;) {
        char *event = call("GET /runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n");
        printf("event %s\n", event);
        if (strstr(event, "wait")) while (!stopped) usleep(1000);
        snprintf(body, sizeof body, "{\"stopped\": %s}", stopped ? "true" : "false");
        snprintf(request, sizeof request, "POST /runtime/invocation/response HTTP/1.1\r\nHost: x\r\n"
                 "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
        call(request);
    }
}
"""


@needs_compiler
def test_a_compiled_bootstrap(deploy: Callable[..., Function], tmp_path: Path) -> None:
    (tmp_path / "bootstrap.c").write_text(C)
    subprocess.run(["cc", "-w", "-o", "bootstrap", "bootstrap.c"], cwd=tmp_path, check=True)
    fn = deploy(tmp_path, async_run=True)
    fn.invoke_async({"job": 1}).assert_finished({"stopped": False})
    event = fn.invoke_async({"job": "wait"})
    event.wait_for_signal_handler()
    event.wait_for_log("event .*wait")
    event.terminate(graceful=True)
    event.assert_finished({"stopped": True})
    event.assert_logged("compiled handler")
