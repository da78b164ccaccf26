from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_scf import UsageError
from pytest_scf.facade.payload import encode


@pytest.mark.parametrize("event", [None, True, 0, -1.5, "", "é\n\ud800", [], {}, {"a": [{"b": None}]}])
def test_json_stays_what_it_is(event: Any) -> None:
    assert json.loads(encode(event)) == event


def test_a_text_is_a_json_string() -> None:
    assert encode('{"a": 1}') == '"{\\"a\\": 1}"'


def test_tuples_are_lists() -> None:
    assert encode((1, (2,))) == "[1, [2]]"


class Thing:
    def __repr__(self):
        return "x" * 200


def circular():
    event: dict[str, Any] = {"a": []}
    event["a"].append(event)
    return event


def deep():
    event: list[Any] = []
    for _ in range(100_000):
        event = [event]
    return event


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (b"{}", "event is b'{}' of type bytes"),
        ({"a": [1, {2}]}, "event['a'][1] is {2} of type set"),
        ({"a": float("nan")}, "event['a'] is nan"),
        ([float("-inf")], "event[0] is -inf"),
        ({("a", 1): 2}, "event has the key ('a', 1) of type tuple"),
        ({"a": Thing()}, f"event['a'] is {'x' * 77}... of type Thing"),
        (circular(), "event['a'][0] contains itself"),
        (deep(), "is nested too deeply"),
    ],
    ids=["bytes", "set", "nan", "infinity", "key", "object", "circular", "deep"],
)
def test_what_json_cannot_say(event: Any, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        encode(event)
    assert said in str(caught.value)
    assert "what is allowed is None, bool, int, finite float, str, and lists and dicts of these" in str(caught.value)
