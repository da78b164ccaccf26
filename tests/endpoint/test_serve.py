"""``python -m pytest_scf serve``, in a process of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from serving import DEADLINE, Serve
from wiring import GOOD, connect, read_answer, zipped

pytest.importorskip("tencentcloud.scf.v20180416.models")
from tencentcloud.common.exception import TencentCloudSDKException

ECHO = "def main_handler(event, context):\n    return event\n"
SLEEPER = "import time\n\ndef main_handler(event, context):\n    print('sleeps')\n    time.sleep(9999)\n"
BOOTSTRAP = """#!{python}
import os, urllib.request
base = "http://127.0.0.1:" + os.environ["SCF_RUNTIME_API_PORT"] + "/runtime/"
urllib.request.urlopen(base + "init/ready", b"")
while True:
    event = urllib.request.urlopen(base + "invocation/next").read()
    urllib.request.urlopen(base + "invocation/response", event)
"""
SERVER = """
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)
HTTPServer(("", 9000), Handler).serve_forever()
"""
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} "
REQUEST = TIME + r"127\.0\.0\.1:\d+ [\d.]+ ms "
ID = "[0-9a-f-]{36}"


def function(directory: Path, text: str, file: str = "index.py") -> Path:
    """A directory with one file."""
    directory.mkdir(parents=True)
    (directory / file).write_text(text)
    return directory


@pytest.fixture
def functions(tmp_path: Path) -> Path:
    for name, text in (("echo", ECHO), ("sleeper", SLEEPER)):
        function(tmp_path / "functions" / name, text)
    (tmp_path / "functions" / "notes").mkdir()
    (tmp_path / "functions" / "README.md").write_text("no function")
    return tmp_path / "functions"


def test_a_refused_call_of_a_trigger_is_printed_at_once(serve: Serve, functions: Path) -> None:
    served = serve(functions, "--port=0", "--async-run-of=sleeper", "--max-instances=1")
    timer = {"TriggerName": "often", "Type": "timer", "TriggerDesc": "* * * * * * *"}
    served.call("CreateTrigger", FunctionName="sleeper", **timer)
    refused = "a call was refused, and nothing became of it: timer often of sleeper: LimitExceeded"
    served.until(f"^{TIME}{refused}")
    served.end()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_subdirectory_is_a_function_and_nothing_is_left(serve: Serve, functions: Path, number: int) -> None:
    served = serve(functions, "--port=0", "--async-run-of=sleeper")
    listed = [line for line in served.printed if line.startswith("function ")]
    assert listed == [
        f"function echo: {functions}/echo, index.main_handler",
        f"function sleeper: {functions}/sleeper, index.main_handler, asynchronous execution",
    ]
    assert json.loads(served.call("Invoke", FunctionName="echo", ClientContext="[7]")["Result"]["RetMsg"]) == [7]
    invoked = served.call("Invoke", FunctionName="sleeper", InvocationType="Event")["Result"]["FunctionRequestId"]
    served.until("sleeps$")
    assert served.call("GetAsyncEventStatus", InvokeRequestId=invoked)["Result"]["Status"] == "RUNNING"
    with pytest.raises(TencentCloudSDKException):
        served.call("TerminateAsyncEvent", FunctionName="echo", InvokeRequestId=invoked)
    below = psutil.Process(served.process.pid).children(recursive=True)
    assert below
    printed = served.end(number)
    assert served.process.returncode == 0
    assert psutil.wait_procs(below, timeout=DEADLINE)[1] == []
    patterns = [
        TIME + rf"echo {ID} FINISHED 200, \d+ ms",
        REQUEST + rf"Invoke echo: ok, RequestId {ID}",
        REQUEST + rf"Invoke sleeper: ok, RequestId {invoked}",
        TIME + rf"sleeper {invoked[:8]} \| sleeps",
        REQUEST + rf"GetAsyncEventStatus: ok, RequestId {ID}",
        REQUEST + rf"TerminateAsyncEvent echo: UnsupportedOperation\.AsyncRunEnable: .* RequestId {ID}",
        signal.Signals(number).name + ": closing",
        TIME + rf"sleeper {invoked} ABORTED 499, \d+ ms: .*",
        f"sleeper: event {invoked} was still running: terminated",
        "closed",
    ]
    # The request may be answered before or after the function writes.
    printed[2:4] = sorted(printed[2:4], key=lambda line: line.endswith("| sleeps"))
    assert len(printed) == len(patterns), printed
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
    served.end()


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node on this machine")
def test_a_function_in_javascript(serve: Serve, functions: Path) -> None:
    (functions / "js").mkdir()
    (functions / "js" / "index.js").write_text("exports.main_handler = async (event) => event.length;\n")
    served = serve(functions, "--port=0")
    assert served.call("Invoke", FunctionName="js", ClientContext="[7, 8]")["Result"]["RetMsg"] == "2"
    served.end()


def test_its_log_says_what_became_of_each_invocation(serve: Serve, tmp_path: Path) -> None:
    fragile = """
import os
def main_handler(event, context):
    print("tries", event)
    if event == "exit":
        os._exit(3)
    return 1 // event
"""
    served = serve(function(tmp_path / "fragile", fragile), "--port=0", "--async-run")
    failed = served.call("Invoke", FunctionName="fragile", ClientContext="0")["Result"]
    died = served.call("Invoke", FunctionName="fragile", InvocationType="Event", ClientContext='"exit"')["Result"]
    served.until(r"FAILED 439")
    printed = served.end()
    first, second = failed["FunctionRequestId"], died["FunctionRequestId"]
    assert printed[0].endswith(f" fragile {first[:8]} | tries 0")
    assert re.fullmatch(TIME + rf"fragile {first} FAILED 430, \d+ ms: .*ZeroDivisionError: .*", printed[1])
    assert printed[2] == "    Traceback (most recent call last):"
    assert any(line.startswith("    ZeroDivisionError") for line in printed[3:12])
    assert any(
        re.fullmatch(REQUEST + rf"Invoke fragile: the invocation failed, RequestId {ID}", line) for line in printed
    )
    assert any(line.endswith(f" fragile {second[:8]} | tries exit") for line in printed)
    assert any(re.fullmatch(TIME + rf"fragile {second} FAILED 439, \d+ ms: .*", line) for line in printed)


def test_each_attempt_at_a_message_is_in_its_log(serve: Serve, tmp_path: Path) -> None:
    source = "def main_handler(event, context):\n    print('tries')\n    raise ValueError('no')\n"
    directory = function(tmp_path / "fragile", source)
    served = serve(directory, "--port=0", "--set", "fragile", "retry_num=0")
    invoked = served.call("Invoke", FunctionName="fragile", InvocationType="Event")["Result"]["FunctionRequestId"]
    served.until(rf"fragile {invoked} FAILED 430")
    served.end()


def test_it_begins_without_functions_and_clients_create_them(serve: Serve) -> None:
    served = serve("--port=0")
    assert "no functions yet: clients create them" in served.printed
    code = {"ZipFile": zipped({"index.py": "def main_handler(event, context):\n    print('here')\n    return event\n"})}
    served.call("CreateFunction", FunctionName="made", Code=code)
    assert served.call("Invoke", FunctionName="made", ClientContext="[7]")["Result"]["RetMsg"] == "[7]"
    assert any(re.search(r" made \w{8} \| here$", line) for line in served.end())


def test_changed_code_is_what_the_next_instance_runs(serve: Serve, tmp_path: Path) -> None:
    directory = function(tmp_path / "worker", "import helper\ndef main_handler(event, context):\n    return helper.A\n")
    (directory / "helper.py").write_text("A = 1\n")
    served = serve(directory, "--port=0")

    def answers() -> str:
        found: str = served.call("Invoke", FunctionName="worker")["Result"]["RetMsg"]
        return found

    assert answers() == "1"
    (directory / "helper.py").write_text("A = 22\n")
    deadline = time.monotonic() + DEADLINE
    while (found := answers()) == "1":  # a burst of calls looks at the disk twice a second only
        assert time.monotonic() < deadline
    assert found == "22"
    (directory / "more.py").write_text("")
    printed = served.end()
    assert printed.count("worker: its code has changed, and is loaded anew") == 1


def test_settings_of_single_functions(serve: Serve, functions: Path) -> None:
    function(functions / "other", "import os\ndef run(event, context):\n    return os.environ['GREETING']\n", "app.py")
    served = serve(
        *(functions, "--port=0", "--max-instances=1", "--set", "other", "handler=app.run", "memory=256", "timeout=9"),
        *("environment.GREETING=hello = you", "--set", "sleeper", "async_run=true", "timeout=7000"),
    )
    assert served.call("Invoke", FunctionName="other")["Result"]["RetMsg"] == '"hello = you"'
    found = served.call("GetFunction", FunctionName="other")
    assert (found["MemorySize"], found["Timeout"], found["Handler"]) == (256, 9, "app.run")
    found = served.call("GetFunction", FunctionName="sleeper")
    assert (found["AsyncRunEnable"], found["Timeout"]) == ("TRUE", 7000)
    served.call("Invoke", FunctionName="sleeper", InvocationType="Event")
    with pytest.raises(TencentCloudSDKException, match="concurrency exceeded"):
        served.call("Invoke", FunctionName="sleeper", InvocationType="Event")
    served.end()


def test_a_custom_runtime_and_an_image(serve: Serve, tmp_path: Path) -> None:
    custom = function(tmp_path / "functions" / "custom", BOOTSTRAP.format(python=sys.executable), "bootstrap")
    (custom / "bootstrap").chmod(0o755)
    image = function(tmp_path / "functions" / "image", SERVER, "app.py")
    (image / "Dockerfile").write_text(
        f"FROM python\nCOPY app.py /srv/\nWORKDIR /srv\nCMD [{json.dumps(sys.executable)}, 'app.py']".replace("'", '"')
    )
    served = serve(tmp_path / "functions", "--port=0", "--timeout=60")
    assert served.call("Invoke", FunctionName="custom", ClientContext="[7]")["Result"]["RetMsg"] == "[7]"
    assert served.call("Invoke", FunctionName="image", ClientContext="[8]")["Result"]["RetMsg"] == "[8]"
    served.end()


def test_a_temporary_directory_that_a_cleaner_has_taken(serve: Serve, functions: Path, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    served = serve(functions, "--port=0", environment={"TMPDIR": str(tmp_path / "tmp")})
    for path in (tmp_path / "tmp").iterdir():
        shutil.rmtree(path)
    assert served.call("Invoke", FunctionName="echo", ClientContext="[7]")["Result"]["RetMsg"] == "[7]"
    served.call("CreateFunction", FunctionName="made", Code={"ZipFile": zipped({"index.py": ECHO})})
    assert served.call("Invoke", FunctionName="made", ClientContext="[8]")["Result"]["RetMsg"] == "[8]"
    served.end()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_another_address(serve: Serve, functions: Path) -> None:
    served = serve(functions, "--port=0", "--host=0.0.0.0")
    assert any("more than this machine" in line for line in served.printed)
    port = int(served.said(r"serving on http://0\.0\.0\.0:(\d+)"))
    with connect(port) as sock:
        sock.sendall(GOOD)
        assert "Error" in read_answer(sock)
    served.end()


@pytest.mark.parametrize(
    ("number", "module"),
    [
        (signal.SIGINT, "argparse"),
        (signal.SIGINT, "pytest_scf.platform.scheduler"),
        (signal.SIGTERM, "h11"),
        (signal.SIGHUP, "pytest_scf.serve.command"),
    ],
)
def test_a_signal_while_it_is_being_loaded(functions: Path, tmp_path: Path, number: int, module: str) -> None:
    (tmp_path / "tmp").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "pytest_scf", "serve", str(functions), "--port=0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore", "TMPDIR": str(tmp_path / "tmp")},
    )
    assert process.stderr is not None
    for line in process.stderr:  # one for each module when it has been loaded
        if line.rstrip("\n").endswith(f" {module}"):
            break
    process.send_signal(number)
    out, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, err
    assert list((tmp_path / "tmp").iterdir()) == []
    assert out.splitlines()[-2:] == [f"{signal.Signals(number).name}: closing", "closed"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{}/nowhere"], "nowhere is not a directory"),
        (["{}/notes"], "neither it nor one of its subdirectories holds index.py"),
        (["{}", "--handler=main.handler"], "holds main.py"),
        (["{}", "--async-run-of=other"], "no such function, only echo, sleeper"),
        (["{}", "--secret-id=me"], "go together"),
        (["{}", "--port=70000"], "port must be a number from 0 to 65535"),
        (["{}", "--timeout=0"], "/echo cannot be served: timeout must"),
        (["{}", "--set", "other", "timeout=7"], "no such function, only echo, sleeper"),
        (["--set", "other", "timeout=7"], "no directory is given"),
        (["{}", "--set", "echo"], "what is to be set?"),
        (["{}", "--set", "echo", "timeout"], "'timeout' is not KEY=VALUE"),
        (["{}", "--set", "echo", "timeout=soon"], "timeout must be a whole number"),
        (["{}", "--set", "echo", "async_run=yes"], "async_run must be true or false"),
        (["{}", "--set", "echo", "speed=7"], "'speed' is not a setting"),
        (["{}", "--host=nowhere.invalid"], "cannot listen on nowhere.invalid"),
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


def test_a_directory_that_cannot_be_a_function_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pytest_scf.command import main

    function(tmp_path / "two words", ECHO)
    assert main(["serve", str(tmp_path)]) == 2
    assert f"{tmp_path}/two words cannot be served: name" in capsys.readouterr().err


def test_a_port_that_is_taken(serve: Serve, functions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pytest_scf.command import main

    served = serve(functions, "--port=0")
    port = served.said(r"serving on http://127.0.0.1:(\d+),")
    assert main(["serve", str(functions), f"--port={port}"]) == 2
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err
    served.end()
