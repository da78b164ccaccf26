"""What an instance may send: the frames of the runtime and of the init, each with its shape and its greatest length.

The user's code runs in the process that sends them, and may send anything. What passes ``check`` can be taken apart
without looking again.
"""

from __future__ import annotations

import json
from typing import Any

from pytest_scf.runtimes import wire
from pytest_scf.runtimes.wire import FrameError

#: bytes of an answer: the 6 MB that a handler may return, and what surrounds them, several times over
_ANSWER = 1 << 25
#: bytes of what is reported beside an answer
_NOTE = 1 << 20

#: greatest length of each kind from the user's process or what serves beside it
RUNTIME_LIMITS = {
    wire.READY: _NOTE,
    wire.RETURNED: _ANSWER,
    wire.RAISED: _ANSWER,
    wire.LOAD_FAILED: _ANSWER,
    wire.TOO_LARGE: _NOTE,
    wire.SIGNAL_HANDLER: _NOTE,
    wire.SHARED_TMP: _NOTE,
    wire.PONG: _NOTE,
    wire.RETURNED_TEXT: _ANSWER,
    wire.ERROR_ANSWER: _ANSWER,
    wire.RESPONDED: _ANSWER,
    wire.CLOSED: _NOTE,
    wire.UNCAUGHT: _ANSWER,
}
#: greatest length of each kind from the init
INIT_LIMITS = dict.fromkeys(
    (
        wire.USER_PID,
        wire.INIT_STARTED,
        wire.USER_EXIT,
        wire.START_FAILED,
        wire.SIGNALLED,
        wire.LISTENING,
        wire.OUT_OF_MEMORY,
    ),
    _NOTE,
)

_MEASURED = {
    wire.READY,
    wire.RETURNED,
    wire.RAISED,
    wire.LOAD_FAILED,
    wire.TOO_LARGE,
    wire.RETURNED_TEXT,
    wire.ERROR_ANSWER,
    wire.RESPONDED,
    wire.CLOSED,
}
#: the kinds that end an event
ANSWERS = frozenset(
    (
        wire.RETURNED,
        wire.RAISED,
        wire.TOO_LARGE,
        wire.RETURNED_TEXT,
        wire.ERROR_ANSWER,
        wire.RESPONDED,
        wire.CLOSED,
    )
)
_FAILURE: dict[str, type] = {"type": str, "message": str, "stack": str}
#: the JSON object that ends the payload of a kind
_FACTS: dict[int, dict[str, type]] = {
    wire.RAISED: _FAILURE,
    wire.LOAD_FAILED: {**_FAILURE, "reason": str},
    wire.ERROR_ANSWER: {"message": str},
    wire.CLOSED: {"by": str, "code": int, "remark": str},
    wire.UNCAUGHT: _FAILURE,
    wire.SIGNAL_HANDLER: {"disposition": str, "name": str, "file": str, "line": int},
    wire.SHARED_TMP: {"path": str, "operation": str},
}
_RESPONSE = {"status": int, "reason": str, "headers": list}
_REASONS = ("handler", "code", "container", "port")
_DISPOSITIONS = ("caught", "ignored", "default")


def check(kind: int, payload: bytes) -> None:
    """Raises FrameError where a frame of the runtime is not of the shape that ``wire`` describes."""
    body = payload
    if kind in _MEASURED:
        if len(payload) < wire.MEASURE.size:
            raise FrameError(f"a frame of kind {kind} with {len(payload)} bytes is too short")
        seconds, _peak_kib = wire.MEASURE.unpack_from(payload)
        if not 0 <= seconds < float("inf"):
            raise FrameError(f"a frame of kind {kind} says that it took {seconds} s")
        body = payload[wire.MEASURE.size :] if kind in _FACTS or kind == wire.TOO_LARGE else b""
    if kind in _FACTS:
        facts = _object(kind, body, _FACTS[kind])
        if kind == wire.LOAD_FAILED and facts["reason"] not in _REASONS:
            raise FrameError(f"a frame of kind {kind} gives {facts['reason']!r} as a reason")
        if kind == wire.SIGNAL_HANDLER and facts["disposition"] not in _DISPOSITIONS:
            raise FrameError(f"a frame of kind {kind} gives {facts['disposition']!r} as a disposition")
    elif kind == wire.TOO_LARGE and not (body.isdigit() and len(body) < 20):
        raise FrameError(f"a frame of kind {kind} says that a response has {body[:20]!r} bytes")
    elif kind == wire.RESPONDED:
        _check_response(payload[wire.MEASURE.size :])


def read(payload: bytes) -> dict[str, Any]:
    """The JSON object of a frame that ``check`` has let pass, as text that can be shown and written everywhere.

    Half of a surrogate pair, which JSON can hold and UTF-8 cannot, becomes its escape.
    """
    found: dict[str, Any] = json.loads(payload)
    return {name: _shown(value) for name, value in found.items()} if b"\\ud" in payload.lower() else found


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_shown(name): _shown(each) for name, each in value.items()}
    return [_shown(each) for each in value] if isinstance(value, list) else value


def _object(kind: int, body: bytes, shape: dict[str, type]) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"a frame of kind {kind} holds no JSON: {error}") from None
    if not isinstance(found, dict):
        raise FrameError(f"a frame of kind {kind} holds no JSON object")
    for name, wanted in shape.items():
        if not isinstance(found.get(name), wanted):
            raise FrameError(f"a frame of kind {kind} holds {found.get(name)!r:.50} as {name}")
    return found


def _check_response(message: bytes) -> None:
    try:
        head, _body = wire.unpack_message(message)
    except Exception as error:
        raise FrameError(f"a response cannot be taken apart: {error}") from None
    if not isinstance(head, dict):
        raise FrameError("the head of a response is no JSON object")
    for name, wanted in _RESPONSE.items():
        if not isinstance(head.get(name), wanted):
            raise FrameError(f"the head of a response holds {head.get(name)!r:.50} as {name}")
    headers = head["headers"]
    assert isinstance(headers, list)
    for each in headers:
        if not (isinstance(each, list) and len(each) == 2 and all(isinstance(part, str) for part in each)):
            raise FrameError(f"the head of a response holds {each!r:.50} as a header")
