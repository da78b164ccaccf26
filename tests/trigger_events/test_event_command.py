"""``python -m pytest_scf event``."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from pytest_scf import command, trigger_events
from pytest_scf.event_command import KINDS


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert command.main(["event", *words]) == 0
    return json.loads(capsys.readouterr().out)


def test_from_a_shell() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest_scf", "event", "cos", "--key", "a.jpg"], capture_output=True, check=True
    )
    assert json.loads(done.stdout)["Records"][0]["cos"]["cosObject"]["key"].endswith("/a.jpg")


def test_arguments_of_all_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    timer = printed(capsys, "timer", "--name", "n", "--message", "m", "--time", "2024-03-05T01:30:00Z")
    assert timer == {"Type": "Timer", "TriggerName": "n", "Time": "2024-03-05T01:30:00Z", "Message": "m"}
    kafka = printed(capsys, "ckafka", "one", "two", "--partition", "3")["Records"]
    assert [(each["Ckafka"]["msgBody"], each["Ckafka"]["partition"]) for each in kafka] == [("one", 3), ("two", 3)]
    url = printed(capsys, "function_url", "--method", "POST", "--path", "/a?b=1", "--json", '{"c": 2}')
    assert (url["body"], url["queryString"]) == ('{"c": 2}', {"b": "1"})
    assert printed(capsys, "eventbridge", "x", "--batch", "true")["EventList"][0]["data"] == "x"
    assert printed(capsys, "timer", "--override", '{"Type": "T"}')["Type"] == "T"
    assert printed(capsys, "apigw", "--path-parameters", '{"id": "7"}')["pathParameters"] == {"id": "7"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_help(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["event", kind, "--help"])
    assert ended.value.code == 0
    assert "usage: python -m pytest_scf event " + kind in capsys.readouterr().out
    assert getattr(trigger_events, kind).__doc__


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["cos", "--event", "foo"], "is not an event of COS"),
        (["timer", "--time", "yesterday"], "is no time like"),
        (["function_url", "--query", "{"], "is not JSON"),
        (["eventbridge", "x", "--batch", "yes"], "neither true nor false"),
        (["ckafka"], "required: BODIES"),
        (["nothing"], "invalid choice"),
    ],
)
def test_what_cannot_be_ends_with_2(words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status: object = command.main(["event", *words])
    except SystemExit as ended:
        status = ended.code
    assert status == 2
    assert complaint in capsys.readouterr().err
