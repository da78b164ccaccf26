"""The official command line, tccli: what it documents for each action that is there, and its ways of taking parameters.

It signs all of ``http://127.0.0.1:PORT`` for a host, and sends it so.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_scf import ScfRuntime
from pytest_scf.contract.action_registry import ACTIONS
from pytest_scf.endpoint.gateway import Answer
from pytest_scf.endpoint.server import Endpoint

if importlib.util.find_spec("tccli") is None:
    pytest.skip("tccli is not installed: pip install 'pytest-scf[tccli]'", allow_module_level=True)

DEADLINE = 240
WORKER = """
import time
def main_handler(event, context):
    while event.get("wait"):
        time.sleep(1)
    return "hello from scf"
"""
# Its command, once for each line of standard input: most of its time goes into being loaded.
MANY = """
import io, json, sys
import tccli.main
from tccli.command import CLICommand

class Kept(io.BytesIO):
    def close(self):  # it makes streams of its own above this, which close it when they are collected
        pass

for line in sys.stdin.read().splitlines():
    sys.argv = ["tccli", *json.loads(line)]
    kept = Kept()
    real, sys.stdout = sys.stdout, io.TextIOWrapper(kept, "utf-8", write_through=True)
    try:
        CLICommand()()
        sys.stdout.flush()
        found = json.loads(kept.getvalue())
    except Exception as error:
        found = {"Error": getattr(error, "code", None) or type(error).__name__, "Message": str(error)}
    finally:
        sys.stdout = real
    print(json.dumps(found), flush=True)
"""


@pytest.fixture
def many(scf_endpoint: Endpoint, tmp_path: Path) -> Callable[[list[list[str]]], list[Any]]:
    who = ["--secretId", scf_endpoint.secret_id, "--secretKey", scf_endpoint.secret_key]
    where = ["--region", scf_endpoint.region, "--endpoint", scf_endpoint.url]

    def run(commands: list[list[str]]) -> list[Any]:
        ran = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", MANY],
            input="\n".join(json.dumps(["scf", *command, *who, *where]) for command in commands),
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            cwd=tmp_path,
            env={**os.environ, "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "x"},
        )
        assert ran.returncode == 0, ran.stderr
        return [json.loads(line) for line in ran.stdout.splitlines()]

    return run


def documented() -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Action, parameters (by flattened names, or as JSON) and the answer's fields of each example of what we have."""
    file = Path(str(importlib.util.find_spec("tccli").origin)).parent / "services/scf/v20180416/examples.json"  # type: ignore[union-attr]
    found = []
    for action, examples in json.loads(file.read_text())["actions"].items():
        for example in examples if action in ACTIONS else []:
            answer = json.loads(example["output"])["Response"]
            if example["input"].startswith("POST"):
                params = json.loads(example["input"].partition("\n\n")[2])
            else:
                lines = [line.lstrip("&") for line in example["input"].split("\n")[1:]]
                params = dict(line.split("=", 1) for line in lines if "=" in line)
            found.append((action, params, answer))
    return found


def as_arguments(action: str, params: dict[str, Any]) -> list[str]:
    arguments = [action]
    if any("." in name for name in params):
        arguments.append("--cli-unfold-argument")
    for name, value in params.items():
        arguments += [f"--{name}", value if isinstance(value, str) else json.dumps(value)]
    return arguments


def test_each_command_line_that_it_documents(
    scf_runtime: ScfRuntime, many: Callable[[list[list[str]]], list[Any]]
) -> None:
    for name in ("function-demo", "helloworld"):
        function = scf_runtime.deploy(WORKER, name=name, async_run=True)
    asked, ended = (function.invoke_async({"wait": True}) for _ in range(2))
    ids = {"GetAsyncEventStatus": asked.request_id, "TerminateAsyncEvent": ended.request_id}
    examples = documented()
    assert {"Invoke", "InvokeFunction", "ListAsyncEvents", "GetAsyncEventStatus", "TerminateAsyncEvent"} <= {
        action for action, _, _ in examples
    }
    commands = []
    for action, params, _ in examples:
        for name, value in params.items():
            if isinstance(value, str):
                params[name] = re.sub(r"^<(\w+)>$", r"\1", value)
        if "InvokeRequestId" in params:
            params["InvokeRequestId"] = ids[action]
        if action == "ListAsyncEvents":
            params.pop("Qualifier")  # the example's version 1 was never published here
        commands.append(as_arguments(action, params))
    for (action, _, expected), found, command in zip(examples, many(commands), commands, strict=True):
        shown = shlex.join(command)
        if action in ("Invoke", "InvokeFunction", "ListAsyncEvents", "GetAsyncEventStatus", "TerminateAsyncEvent"):
            assert set(expected) == set(found), (shown, found)
            if "Result" in expected:
                assert set(expected["Result"]) == set(found["Result"]), (shown, found)
        elif "Error" in found:
            # What the example names (a bucket, a layer, a function) is not there, but nothing in it is unknown to us.
            family = found["Error"].partition(".")[0]
            assert family not in ("InternalError", "AuthFailure", "InvalidAction", "UnknownParameter"), (shown, found)
            assert found["Error"] != "InvalidParameter", (shown, found)
    assert (asked.status, ended.status) == ("RUNNING", "ABORTED")
    asked.terminate()


def test_its_ways_of_taking_parameters(
    scf_runtime: ScfRuntime, tmp_path: Path, many: Callable[[list[list[str]]], list[Any]]
) -> None:
    event = scf_runtime.deploy(WORKER, name="worker", async_run=True).invoke_async({"wait": True})
    interval = {"Start": "2000-01-01 00:00:00", "End": "2999-01-01 00:00:00"}
    asked = {"FunctionName": "worker", "Status": ["RUNNING"], "StartTimeInterval": interval, "Limit": 5}
    (tmp_path / "asked.json").write_text(json.dumps(asked))
    commands = [
        as_arguments("ListAsyncEvents", asked),
        ["ListAsyncEvents", "--cli-input-json", f"file://{tmp_path}/asked.json"],
        [
            *("ListAsyncEvents", "--cli-unfold-argument", "--FunctionName", "worker", "--Status", "RUNNING"),
            *("--StartTimeInterval.Start", interval["Start"], "--StartTimeInterval.End", interval["End"]),
        ],
        ["ListAsyncEvents", "--FunctionName", "worker", "--filter", "EventList[0].Status"],
        ["Invoke", "--FunctionName", "worker", "--ClientContext", '{"é": 1}', "--LogType", "Tail"],
        [
            *("TerminateAsyncEvent", "--FunctionName", "worker", "--InvokeRequestId", event.request_id),
            *("--GraceShutdown", "True"),
        ],
        ["GetAsyncEventStatus", "--InvokeRequestId", "1"],
    ]
    *listed, status, invoked, terminated, error = many(commands)
    assert [found.get("TotalCount") for found in listed] == [1] * 3, listed
    assert status == "RUNNING"
    assert (invoked["Result"]["RetMsg"], "START RequestId" in invoked["Result"]["Log"]) == ('"hello from scf"', True)
    assert set(terminated) == {"RequestId"}
    assert error["Error"] == "ResourceNotFound.AsyncEvent"
    event.assert_failed(439)


def test_its_waiter_waits_until_an_event_is_aborted(scf_runtime: ScfRuntime, tmp_path: Path) -> None:
    asked = threading.Semaphore(0)

    def log(peer: Any, answer: Answer, seconds: float) -> None:
        asked.release()

    event = scf_runtime.deploy(WORKER, name="worker", async_run=True).invoke_async({"wait": True})
    with Endpoint(scf_runtime.api, region="ap-guangzhou", secret_id="me", secret_key="mine", log=log) as endpoint:
        waiter = {"expr": "Result.Status", "to": "ABORTED", "timeout": DEADLINE, "interval": 1}
        process = subprocess.Popen(
            [
                *(sys.executable, "-W", "ignore", "-c", "import sys, tccli.main; sys.exit(tccli.main.main())"),
                *("scf", "GetAsyncEventStatus", "--InvokeRequestId", event.request_id, "--waiter", json.dumps(waiter)),
                *("--secretId", "me", "--secretKey", "mine", "--region", "ap-guangzhou", "--endpoint", endpoint.url),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "x"},
        )
        assert asked.acquire(timeout=DEADLINE)
        event.terminate()
        out, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, err
    assert json.loads(out)["Result"]["Status"] == "ABORTED"
