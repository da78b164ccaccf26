"""``python -m pytest_scf serve``, in a process of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

pytest.importorskip("tencentcloud.scf.v20180416.models")
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

DEADLINE = 120
ECHO = "def main_handler(event, context):\n    return event\n"
SLEEPER = "import time\n\ndef main_handler(event, context):\n    print('sleeps')\n    time.sleep(9999)\n"
Serve = Callable[..., "Served"]


class Served:
    """A running ``serve``, and what it printed up to its being ready."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.printed: list[str] = []
        assert process.stdout is not None
        for line in process.stdout:
            self.printed.append(line.rstrip("\n"))
            if line.startswith("ready"):
                break

    def said(self, pattern: str) -> str:
        found = re.search(pattern, "\n".join(self.printed))
        assert found, self.printed
        return found[1]

    def call(self, action: str, **params: Any) -> dict[str, Any]:
        host = self.said(r"serving on http://(\S+),")
        credential = Credential(self.said("SecretId (.+)"), self.said("SecretKey (.+)"))
        profile = ClientProfile(httpProfile=HttpProfile(endpoint=host, protocol="http"))
        client = CommonClient("scf", "2018-04-16", credential, self.said(r"region (\S+)"), profile)
        found: dict[str, Any] = client.call_json(action, params, headers={"Connection": "close"})["Response"]
        return found

    def end(self, number: int) -> list[str]:
        """What it printed after it was ready."""
        self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=DEADLINE)
        return out.splitlines()


@pytest.fixture
def functions(tmp_path: Path) -> Path:
    for name, text in (("echo", ECHO), ("sleeper", SLEEPER)):
        (tmp_path / "functions" / name).mkdir(parents=True)
        (tmp_path / "functions" / name / "index.py").write_text(text)
    (tmp_path / "functions" / "notes").mkdir()
    (tmp_path / "functions" / "README.md").write_text("no function")
    return tmp_path / "functions"


@pytest.fixture
def serve() -> Iterator[Serve]:
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> Served:
        command = [sys.executable, "-m", "pytest_scf", "serve", *map(str, arguments)]
        environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        started.append(process)
        return Served(process)

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=DEADLINE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_each_subdirectory_is_a_function_and_nothing_is_left(serve: Serve, functions: Path, number: int) -> None:
    served = serve(functions, "--port=0", "--async-run-of=sleeper")
    listed = [line for line in served.printed if line.startswith("function ")]
    assert listed == [
        f"function echo: {functions}/echo, index.main_handler",
        f"function sleeper: {functions}/sleeper, index.main_handler, asynchronous execution",
    ]
    assert json.loads(served.call("Invoke", FunctionName="echo", ClientContext="[7]")["Result"]["RetMsg"]) == [7]
    invoked = served.call("Invoke", FunctionName="sleeper", InvocationType="Event")["Result"]["FunctionRequestId"]
    assert served.call("GetAsyncEventStatus", InvokeRequestId=invoked)["Result"]["Status"] == "RUNNING"
    with pytest.raises(TencentCloudSDKException):
        served.call("TerminateAsyncEvent", FunctionName="echo", InvokeRequestId=invoked)
    below = psutil.Process(served.process.pid).children(recursive=True)
    assert below
    printed = served.end(number)
    assert served.process.returncode == 0
    assert psutil.wait_procs(below, timeout=DEADLINE)[1] == []
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} 127\.0\.0\.1:\d+ [\d.]+ ms "
    patterns = [
        stamp + r"Invoke: ok, RequestId [0-9a-f-]{36}",
        stamp + rf"Invoke: ok, RequestId {invoked}",
        stamp + r"GetAsyncEventStatus: ok, RequestId [0-9a-f-]{36}",
        stamp + r"TerminateAsyncEvent: UnsupportedOperation\.AsyncRunEnable: .* RequestId [0-9a-f-]{36}",
        signal.Signals(number).name + ": closing",
        f"sleeper: event {invoked} was still running: terminated",
        "closed",
    ]
    assert len(printed) == len(patterns)
    assert [line for line, pattern in zip(printed, patterns, strict=True) if not re.fullmatch(pattern, line)] == []


def test_one_function_with_all_options(serve: Serve, functions: Path) -> None:
    served = serve(
        *(functions / "echo", "--port=0", "--secret-id=me", "--secret-key=mine", "--region=ap-hongkong"),
        *("--async-run", "--handler=index.main_handler", "--timeout=7", "--isolation=directory"),
    )
    assert served.said("SecretId (.+)") == "me"
    assert served.said("SecretKey (.+)") == "mine"
    assert served.call("ListAsyncEvents", FunctionName="echo")["TotalCount"] == 0
    assert served.said(r"region (\S+)") == "ap-hongkong"
    served.end(signal.SIGTERM)


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node on this machine")
def test_a_function_in_javascript(serve: Serve, functions: Path) -> None:
    (functions / "js").mkdir()
    (functions / "js" / "index.js").write_text("exports.main_handler = async (event) => event.length;\n")
    served = serve(functions, "--port=0")
    assert served.call("Invoke", FunctionName="js", ClientContext="[7, 8]")["Result"]["RetMsg"] == "2"
    served.end(signal.SIGTERM)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{}/nowhere"], "nowhere is not a directory"),
        (["{}/notes"], "neither it nor one of its subdirectories holds index.py"),
        (["{}", "--handler=main.handler"], "holds main.py"),
        (["{}", "--async-run-of=other"], "no such function, only echo, sleeper"),
        (["{}", "--secret-id=me"], "go together"),
        (["{}", "--port=70000"], "port must be a number from 0 to 65535"),
        (["{}", "--timeout=0"], "timeout must"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_begins(
    functions: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    from pytest_scf.command import main

    before = signal.getsignal(signal.SIGINT)
    assert main(["serve", *(argument.format(functions) for argument in arguments)]) == 2
    assert words in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is before


def test_a_port_that_is_taken(serve: Serve, functions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pytest_scf.command import main

    served = serve(functions, "--port=0")
    port = served.said(r"serving on http://127.0.0.1:(\d+),")
    assert main(["serve", str(functions), f"--port={port}"]) == 2
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err
    served.end(signal.SIGINT)
