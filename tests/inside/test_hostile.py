"""What an instance sends is data: whatever it is, it ends at worst the event of the one who sent it."""

from __future__ import annotations

import array
import ast
import contextlib
import json
import pickle
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_scf import ScfRuntime
from pytest_scf.facade.probing import connections, function_probe, lines, plans
from pytest_scf.instances.sockets import Socket
from pytest_scf.runtimes.probe import codec, exceptions, link
from pytest_scf.runtimes.probe.codec import Codec, CodecError

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["$", "v", "name", "args", "x"]) | st.text(), inner)
    ),
    max_leaves=20,
)


@given(_JSON)
def test_any_json_is_a_value_or_refused(data: Any) -> None:
    with contextlib.suppress(CodecError):
        Codec().decode(json.dumps(data).encode())


@given(st.binary())
def test_any_bytes_are_a_value_or_refused(data: Any) -> None:
    with contextlib.suppress(CodecError):
        Codec().decode(data)


@pytest.mark.parametrize(
    "form",
    [
        {"$": "exception", "module": "os", "name": "system", "text": "x", "args": ["true"], "state": {}},
        {"$": "exception", "module": "builtins", "name": "eval", "text": "x", "args": ["1"], "state": {}},
        {"$": "exception", "module": "subprocess", "name": "CalledProcessError", "text": "", "args": [], "state": {}},
    ],
)
def test_a_name_in_the_data_is_neither_imported_nor_called(form: Any) -> None:
    assert isinstance(Codec().decode(json.dumps(form).encode()), exceptions.RemoteError)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100000,
        b'{"$": "int", "v": "zz"}',
        b'{"$": "set", "v": [[1]]}',
        b'{"$": "dict", "v": [[1]]}',
        b'{"$": "datetime", "v": [[99999, 1, 1, 0, 0, 0, 0], 0, null]}',
        b'{"$": "bytes", "v": "***"}',
        b'{"$": "mock", "id": 1}',
        b'{"$": {"$": 1}}',
        pickle.dumps(ValueError()),
    ],
)
def test_broken_data_is_refused(data: Any) -> None:
    with pytest.raises(CodecError):
        Codec().decode(data)


def test_keys_that_are_chosen_to_collide_are_refused() -> None:
    keys = [{"$": "int", "v": hex(number * sys.hash_info.modulus)} for number in range(1, 1100)]
    for form in (
        {"$": "set", "v": keys},
        {"$": "frozenset", "v": keys},
        {"$": "dict", "v": [[key, 1] for key in keys]},
    ):
        with pytest.raises(CodecError, match="have the same hash"):
            Codec().decode(json.dumps(form).encode())
    many = {number: {number} for number in range(5000)}
    assert Codec().decode(Codec().encode(many)) == many


def test_too_deep_and_too_large_values_are_refused() -> None:
    deep: list = []
    for _ in range(200):
        deep = [deep]
    with pytest.raises(CodecError, match="more than 100 levels"):
        Codec().encode(deep)
    with pytest.raises(CodecError, match="larger than"):
        Codec().encode("x" * codec.SIZE_LIMIT)


#: finds the socket of the probe, and speaks for the probe
ATTACK = """
import array, os, socket, struct

def act():
    pass

def sockets():
    contents = [cell.cell_contents for cell in act.__closure__]
    return [each.questions._link._sock for each in contents if hasattr(each, "questions")]

def main_handler(event, context):
    for each in sockets():
        try:
            for data in ATTACKS[event]:
                ours, theirs = socket.socketpair()
                each.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [theirs.fileno()]))])
                theirs.close()
                ours.sendall(data)
                ours.settimeout(0.2)
                try:
                    ours.recv(100)
                except OSError:
                    pass
            if event == "files":
                reading, writing = os.pipe()
                netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)  # which nothing but a message wakes
                for fd in (reading, writing, os.open("/dev/null", os.O_RDWR), netlink.fileno()):
                    each.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
            if event == "many":
                held = []
                for _ in range(400):
                    ours, theirs = socket.socketpair()
                    held.append(ours)
                    each.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [theirs.fileno()]))])
                    theirs.close()
            if event == "no descriptor":
                each.sendall(b"y" * 1000)
        except OSError:
            pass
    act()
    return "went on"

def message(kind, payload):
    return struct.pack("<IB", len(payload), kind) + payload

CALL = 3
ATTACKS = {
    "garbage": [b"\\xff" * 5, b"\\xff" * 1000, b"", b"\\x01"],
    "kinds": [message(kind, b"{}") for kind in range(256)],
    "huge": [struct.pack("<IB", 0xffffffff, CALL), struct.pack("<IB", 1 << 23, CALL) + b"x" * 1000],
    "calls": [
        message(CALL, b'[1, "get", "side_effect", {"$": "tuple", "v": []}, {"$": "dict", "v": []}]'),
        message(CALL, b'[1, "get", "__class__", {"$": "tuple", "v": []}, {"$": "dict", "v": []}]'),
        message(CALL, b'[1, "special", "__reduce__", {"$": "tuple", "v": []}, {"$": "dict", "v": []}]'),
        message(CALL, b'[99, "call", "", {"$": "tuple", "v": []}, {"$": "dict", "v": []}]'),
        message(CALL, b'[1, "call", "", 7, 7]'),
        message(CALL, b'"text"'),
    ],
    "files": [],
    "many": [],
    "no descriptor": [],
    "nothing": [],
}
"""


@pytest.mark.parametrize("attack", ["garbage", "kinds", "huge", "calls", "files", "many", "no descriptor"])
def test_code_that_speaks_for_the_probe_reaches_nothing(scf_runtime_of: Callable[..., ScfRuntime], attack: str) -> None:
    fn = scf_runtime_of("namespaces").deploy(ATTACK, timeout=120, max_instances=2)
    act = fn.stub("index.act")
    act.return_value = None
    fn.invoke(attack)
    # The next event is served as ever, by the same instance or another.
    assert fn.invoke("no descriptor" if attack == "no descriptor" else "nothing").return_value == "went on"
    assert act.side_effect is None
    assert act.called


SENDS = """
import array, json, os, socket, struct, time

def act():
    pass

def main_handler(event, context):
    contents = [cell.cell_contents for cell in act.__closure__]
    link = next(each.questions._link for each in contents if hasattr(each, "questions"))
    if event["do"] == "ask":
        answers = []
        for kind, payload in event["asked"]:
            try:
                answers.append(link.ask(kind, payload.encode()))
            except RuntimeError as error:
                answers.append(str(error))
        return answers
    listening = socket.create_server(("127.0.0.1", 0))
    leaving = socket.create_connection(listening.getsockname())
    kept = listening.accept()
    leaving.setblocking(False)
    try:
        while True:
            leaving.send(bytes(65536))
    except BlockingIOError:
        pass
    leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 60))
    link._sock.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [leaving.fileno()]))])
    leaving.close()
    act()
    time.sleep(3600)
"""


def test_what_makes_no_sense_is_refused_and_said(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    fn = scf_runtime_of("directory").deploy(SENDS, timeout=60)
    act = fn.stub("index.act")
    place = '{"file": "index.py", "line": Infinity, "occurrence": 1}'
    result = fn.invoke({"do": "ask", "asked": [(4, place), (1, "null"), (4, '{"file": []}'), (99, "")]})
    answers = [answer.removeprefix("the test does not answer: ") for answer in result.return_value]
    assert answers[0] == "OverflowError: cannot convert float infinity to integer"
    assert answers[1].startswith("TypeError: argument of type 'NoneType' is not ")
    assert answers[2:] == ["KeyError: 'line'", "LinkError: it was asked what it does not expect"]
    assert "the test refused what its code sent on a connection of the probe (OverflowError: " in result.diagnosis
    assert "refused" not in fn.invoke({"do": "ask", "asked": []}).diagnosis
    assert not act.called


def test_a_socket_whose_end_takes_its_time_holds_nobody_up(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("namespaces")
    fn, other = rt.deploy(SENDS, async_run=True), rt.deploy("def main_handler(event, context):\n    return 1\n")
    stub = fn.stub("index.act")
    with stub.held() as call:
        event = fn.invoke_async({"do": "linger"})
        call.wait()
        begun = time.monotonic()
        assert other.invoke().return_value == 1
        assert time.monotonic() - begun < 40
        event.terminate()
    event.assert_aborted()


def test_calls_hold_a_bounded_share_of_memory(
    scf_runtime_of: Callable[..., ScfRuntime], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function_probe, "CALLS_LIMIT", 100_000)
    rt = scf_runtime_of("directory")
    source = "def act(it):\n    pass\n\ndef main_handler(event, context):\n    for _ in range(9):\n        act(event)\n"
    for passed, calls in (("x" * 30_000, 3), ([[]] * 300, 4)):
        fn = rt.deploy(source)
        act = fn.stub("index.act")
        act.return_value = None
        assert "calls of this function's stand-ins hold more than 100,000 bytes" in fn.invoke(passed).error_message
        assert act.call_count == calls


class Sender:
    """An instance that sends what it likes, to a test that answers nothing."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.connections = connections.Connections(
            mock.Mock(), {}, lambda *_: (link.ANSWER, b""), lambda _, problem: self.refused.append(problem), mock.Mock()
        )
        self.ours: list[socket.socket] = []

    def connect(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        self.ours.append(ours)
        self.connections.connected(Socket(fileno=theirs.detach()))
        return ours

    def close(self) -> None:
        self.connections.closed()
        assert self.connections.join(30)
        for each in self.ours:
            each.close()


@pytest.fixture
def sender() -> Iterator[Sender]:
    made = Sender()
    yield made
    made.close()


def test_messages_that_never_end_take_a_bounded_share_of_memory(sender: Sender) -> None:
    size = link.SIZE_LIMIT
    begun = link.HEADER.pack(size, link.CALL) + bytes(4 << 20)
    first, *_ = [sender.connect() for _ in range(connections.LARGE_AT_ONCE)]
    for each in sender.ours:
        each.sendall(begun)
    late, small = sender.connect(), sender.connect()
    late.settimeout(0.1)
    with pytest.raises(TimeoutError):
        late.sendall(begun)
    small.sendall(link.HEADER.pack(10, link.CALL) + bytes(10))
    assert link.receive(small) == (link.ANSWER, b"")
    first.sendall(bytes(size - (4 << 20)))
    assert link.receive(first) == (link.ANSWER, b"")
    late.settimeout(30)
    late.sendall(bytes(4 << 20))  # room has become free
    assert sender.refused == []


def test_more_connections_than_are_served_are_told_so(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS_LIMIT", 2)
    one, _two, three, four = (sender.connect() for _ in range(4))
    with pytest.raises(link.LinkError, match="the test does not answer: an instance has no more than 2 connections"):
        link.Link(one).ask_on(four, link.CALL, b"[]")
    assert link.receive(three) == (link.REFUSED, b"an instance has no more than 2 connections to it at a time")
    one.sendall(link.HEADER.pack(link.SIZE_LIMIT + 1, link.CALL))
    kind, said = link.receive(one) or (0, b"")
    assert (kind, said.decode()) == (link.REFUSED, sender.refused[0])
    assert "is longer than" in sender.refused[0]


def test_what_is_told_of_stops_and_lines_is_bounded() -> None:
    place = lines.Place("index.py", 1)
    plan = plans.Plan([place])
    stop = json.dumps(
        {"file": "index.py", "line": 1, "occurrence": 1, "position": 0, "loaded": 1, "thread": "", "tid": 1}
    )
    for _ in range(plans._STOPS_LIMIT):
        plan.stop(stop.encode())
    with pytest.raises(ValueError, match="more stops"):
        plan.stop(stop.encode())

    def told(new: list[str], blocked: list[tuple[int, int]], numbers: list[int]) -> bytes:
        head = json.dumps({"new": new, "blocked": blocked, "loaded": -1, "over": False}).encode()
        return head + b"\n" + array.array("I", numbers).tobytes()

    plan.recorded.take(told(["x" * 100_000], [], [1] * 500_000))
    assert len(plan.recorded.lines(1)[0][0]) < 5000
    plan.recorded.take(told([], [(1, 499_999)], []))
    with pytest.raises(ValueError, match="more lines that block"):
        plan.recorded.take(told([], [(7, 499_999)] * 1000, []))
    with pytest.raises(ValueError, match="more files"):
        plan.recorded.take(told(["x"] * 5000, [], []))


def test_an_instance_that_stops_reading_holds_nobody_up(each_way: ScfRuntime) -> None:
    fn = each_way.deploy(
        "import os, signal\n\ndef act():\n    pass\n\n"
        "def main_handler(event, context):\n    act()\n    os.kill(os.getpid(), signal.SIGSTOP)\n",
        async_run=True,
    )
    stub = fn.stub("index.act")
    stub.return_value = "x" * (1 << 22)
    event = fn.invoke_async()
    deadline = time.monotonic() + 30
    while not stub.called:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    event.terminate()
    event.assert_aborted()


@pytest.mark.parametrize("file", sorted(Path(codec.__file__).parent.rglob("*.py")), ids=lambda file: file.name)
def test_what_runs_inside_is_python_3_6(file: Path) -> None:
    ast.parse(file.read_text(), feature_version=(3, 6))
