"""Exceptions that stand-ins raise arrive as what they are, with what they know."""

from __future__ import annotations

import http.client
import io
import socket
import subprocess
import urllib.error
from collections.abc import Callable
from email.message import Message
from typing import Any

import pytest

from pytest_scf import ScfRuntime
from pytest_scf.runtimes.probe.codec import Codec
from pytest_scf.runtimes.probe.exceptions import RemoteError
from pytest_scf.runtimes.probe.questions import find_exception

FETCH = """
import urllib.error
import urllib.request

def main_handler(event, context):
    try:
        urllib.request.urlopen(event)
    except urllib.error.HTTPError as error:
        return [isinstance(error, OSError), error.code, error.reason, error.url, str(error), error.read().decode(),
                error.headers.get('retry-after')]
"""


def test_an_answer_that_is_an_error(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    fn = scf_runtime_of("directory").deploy(FETCH)
    headers = Message()
    headers["Retry-After"] = "3"
    with urllib.error.HTTPError("http://x", 404, "Not Found", headers, io.BytesIO(b"no such page")) as error:
        fn.stub("urllib.request.urlopen").side_effect = error
        expected = [True, 404, "Not Found", "http://x", "HTTP Error 404: Not Found", "no such page", "3"]
        assert fn.invoke("http://x").return_value == expected


class KeywordOnly(Exception):
    def __new__(cls, *, code: int) -> KeywordOnly:
        return super().__new__(cls)

    def __init__(self, *, code: int) -> None:
        self.code = code


class Response(Exception):
    def __init__(self, response: dict[str, int], /, retry: bool) -> None:
        super().__init__("refused")
        self.response = response
        self.retry = retry


class TwoBases(ValueError, OSError):
    def __init__(self, path: str, reason: str) -> None:
        OSError.__init__(self, 2, reason, path)

    @property
    def filename2(self) -> str:
        raise ValueError("a property of the class")


class NotToBeMade(Exception):
    __slots__ = ()

    @property
    def args(self) -> Any:  # type: ignore[override]
        return ()


def travelled(error: BaseException) -> Any:
    codec = Codec(exception=find_exception)
    return codec.decode(codec.encode(error))


@pytest.mark.parametrize(
    ("error", "names"),
    [
        (FileNotFoundError(2, "No such file", "/a"), "errno strerror filename filename2"),
        (PermissionError(13, "denied", "/a", None, "/b"), "errno strerror filename filename2"),
        (BlockingIOError(11, "busy", 5), "errno strerror characters_written"),
        (ModuleNotFoundError("No module named 'a'", name="a", path="/a.py"), "msg name path"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), "object reason start end"),
        (SystemExit(3), "code"),
        (StopIteration(5), "value"),
        (SyntaxError("bad", ("f.py", 1, 2, "x")), "filename lineno text"),
        (subprocess.CalledProcessError(3, ["ls"], b"out"), "returncode cmd output"),
        (http.client.IncompleteRead(b"abc", 5), "partial expected"),
        (socket.gaierror(-2, "unknown"), "errno strerror"),
        (KeywordOnly(code=3), "code"),
        (Response({"status": 503}, retry=True), "response retry"),
        (TwoBases("/a", "gone"), "errno strerror filename"),
    ],
    ids=lambda given: type(given).__name__ if isinstance(given, BaseException) else "",
)
def test_an_exception_has_what_it_was_made_with(error: BaseException, names: str) -> None:
    found = travelled(error)
    assert type(found) is type(error)
    assert found.args == error.args
    assert str(found) == str(error)
    for name in names.split():
        assert getattr(found, name) == getattr(error, name), name


def test_an_exception_that_cannot_be_made_there_is_told_of() -> None:
    found = travelled(NotToBeMade("x"))
    assert isinstance(found, RemoteError)
    assert "NotToBeMade" in str(found)


def test_an_exception_that_holds_itself_travels_once() -> None:
    error: Any = ValueError("x")
    error.parent = error.me = error
    error.args = ("x", error)
    found = travelled(error)
    assert found.args[0] == "x"
    assert found.parent.startswith("ValueError(")
