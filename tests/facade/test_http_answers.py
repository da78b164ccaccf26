"""What a handler returned, taken apart as by a function URL and as by the API gateway."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_scf.facade import http_answers

JSON = ("Content-Type", "application/json")
MALFORMED = {"errno": 403, "error": "Invalid scf response format. please check your scf response format."}


@pytest.mark.parametrize("via", http_answers.WAYS)
def test_an_integrated_response(via: str) -> None:
    value = {
        "isBase64Encoded": False,
        "statusCode": 201,
        "headers": {"X-A": "1", "Set-Cookie": ["a=1", "b=2"], "X-Count": 3, "X-Yes": True},
        "body": "né",
    }
    answer = http_answers.of_value(value, via)
    assert (answer.status, answer.reason, answer.body, answer.problem) == (201, "Created", "né".encode(), "")
    assert answer.headers == (
        ("X-A", "1"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("X-Count", "3"),
        ("X-Yes", "true"),
    )


@pytest.mark.parametrize("via", http_answers.WAYS)
@pytest.mark.parametrize("flag", [True, "true"])
def test_a_body_in_base64_is_decoded(via: str, flag: object) -> None:
    value = {"isBase64Encoded": flag, "statusCode": 200, "headers": {}, "body": "/9j/AA=="}
    assert http_answers.of_value(value, via).body == b"\xff\xd8\xff\x00"


@pytest.mark.parametrize("via", http_answers.WAYS)
def test_what_may_be_left_out(via: str) -> None:
    answer = http_answers.of_value({"statusCode": 204}, via)
    assert (answer.status, answer.headers, answer.body) == (204, (), b"")
    assert http_answers.of_value({"statusCode": 200, "headers": None, "body": None}, via).status == 200


@pytest.mark.parametrize("value", [{"a": 1}, [1, "é"], "text", 7, None, True])
def test_json_without_a_status_code(value: Any) -> None:
    answer = http_answers.of_value(value, "url")
    assert (answer.status, answer.headers) == (200, (JSON,))
    assert json.loads(answer.body) == value
    through = http_answers.of_value(value, "apigw")
    assert through.status == 403
    assert json.loads(through.body) == MALFORMED
    assert "an integrated response is an object with statusCode" in through.problem


@pytest.mark.parametrize("via", http_answers.WAYS)
@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"statusCode": "200"}, "statusCode must be a number"),
        ({"statusCode": True}, "statusCode"),
        ({"statusCode": 0}, "statusCode"),
        ({"statusCode": 200.0}, "statusCode"),
        ({"body": {"a": 1}}, "body must be a string, not of type dict: encode it with json.dumps"),
        ({"headers": ["a"]}, "headers must be an object"),
        ({"headers": {"X": {}}}, "headers: X must be a string"),
        ({"headers": {"X": "a\r\nY: b"}}, "is not a header"),
        ({"headers": {"a b": "c"}}, "is not a header"),
        ({"isBase64Encoded": 1.5}, "isBase64Encoded must be"),
        ({"isBase64Encoded": True, "body": "no base64!"}, "body is no base64"),
    ],
)
def test_what_is_malformed_is_the_gateways_error(via: str, changed: dict[str, Any], problem: str) -> None:
    answer = http_answers.of_value({"statusCode": 200, "headers": {}, "body": "", **changed}, via)
    assert (answer.status, answer.headers) == (403, (JSON,))
    assert json.loads(answer.body) == MALFORMED
    assert problem in answer.problem


def test_failures() -> None:
    error = '{"errorCode": -1}'
    assert http_answers.of_failure(430, error, "url").status == 430
    assert http_answers.of_failure(430, error, "url").body == error.encode()
    assert http_answers.of_failure(433, error, "apigw").status == 200
    assert http_answers.of_failure(433, error, "apigw").body == error.encode()
    through = http_answers.of_failure(430, error, "apigw")
    assert (through.status, json.loads(through.body)) == (502, {"errorMessage": "Internal error"})
