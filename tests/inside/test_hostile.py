"""What an instance sends is data: whatever it is, it ends at worst the event of the one who sent it."""

from __future__ import annotations

import ast
import contextlib
import json
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_scf import ScfRuntime
from pytest_scf.runtimes.probe import codec
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
    assert isinstance(Codec().decode(json.dumps(form).encode()), codec.RemoteError)


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
    return [each._link._sock for each in contents if hasattr(each, "_link")]

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
                for fd in (reading, writing, os.open("/dev/null", os.O_RDWR)):
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
