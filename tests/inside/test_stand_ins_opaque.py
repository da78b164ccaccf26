"""Objects of the function's that come to the test: what it sees of them afterwards, and does with them meanwhile."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from pytest_scf import ScfRuntime, UsageError

SOURCE = """
import asyncio, enum, io, signal, time, urllib.request

class Color(enum.Enum):
    RED = "red"

class Filter(object):
    __slots__ = ("name",)

    def __init__(self, name):
        self.name = name

class Request(object):
    '''As those of the vendor's SDK are.'''

    def __init__(self):
        self._Urls = None
        self.me = self
        self.filters = [Filter("a"), Filter("b")]
        self.color = Color.RED
        self.cache = list(range(100000))
        self.lock = Color

    @property
    def Urls(self):
        return self._Urls

    @property
    def computed(self):
        raise AssertionError("not to be asked for")

    def to_json(self, indent=0):
        return "json %d" % indent

def send(request):
    pass

async def receive(*given):
    pass

def rows():
    yield 1
    yield 2

def fail():
    raise KeyError("of the function")

def what(call):
    try:
        return call()
    except Exception as error:
        return "%s: %s" % (type(error).__name__, error)

def request():
    made = Request()
    made._Urls = ["u"]
    return made
"""


class Plain:
    """Of another class than those in the function."""


def deploy(rt: ScfRuntime, *calls: str, python: str | None = None) -> Any:
    lines = "".join(f"        what(lambda: {call}),\n" for call in calls)
    try:
        return rt.deploy(f"{SOURCE}\ndef main_handler(event, context):\n    return [\n{lines}    ]\n", python=python)
    except UsageError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("python", [None, "3.6"])
def test_what_an_object_is_made_of_is_seen(scf_runtime_of: Callable[..., ScfRuntime], python: str | None) -> None:
    fn = deploy(
        scf_runtime_of("directory"),
        "send(request())",
        "send(urllib.request.Request('http://a', data=b'x', headers={'K': 'v'}))",
        "send(open(__file__))",
        python=python,
    )
    send = fn.stub("index.send", return_value=0)
    assert fn.invoke().return_value == [0, 0, 0]
    found, request, file = (call.args[0] for call in send.call_args_list)
    assert found.type == "index.Request"
    assert found.Urls == found.attributes["_Urls"] == ["u"]
    assert found.me is found
    assert [each.name for each in found.filters] == ["a", "b"]
    assert (found.color.name, found.color.value) == ("RED", "red")
    assert "Urls=['u']" in repr(found)
    assert (request.full_url, request.data, request.headers) == ("http://a", b"x", {"K": "v"})
    assert Path(file.name).name == "index.py"
    assert not {"cache", "computed"} & set(found.attributes)
    assert len(repr(found)) < 300
    with pytest.raises(AttributeError, match=r"Request has no attribute 'to_json' .*Urls.* in a side_effect only"):
        _ = found.to_json
    for use in (found, list, len, lambda found: found["x"], lambda found: "x" in found):
        with pytest.raises(TypeError, match="can be used in a side_effect only"):
            use(found)
    assert found


def test_objects_that_compare_by_what_they_have(scf_runtime_of: Callable[..., ScfRuntime], tmp_path: Path) -> None:
    @dataclasses.dataclass
    class Order:
        number: int
        items: list[str]

    Order.__module__, Order.__qualname__ = "index", "Order"
    fn = scf_runtime_of("directory").deploy(
        "import dataclasses\n\n@dataclasses.dataclass\nclass Order:\n    number: int\n    items: list\n\n"
        "def send(order):\n    pass\n\ndef main_handler(event, context):\n    return send(Order(1, ['a']))\n"
    )
    send = fn.stub("index.send", return_value=None)
    fn.invoke()
    send.assert_called_once_with(Order(1, ["a"]))
    assert mock.call(Order(2, ["a"])) not in send.mock_calls
    assert mock.call(Plain()) not in send.mock_calls


@pytest.mark.parametrize("python", [None, "3.6"])
def test_within_its_call_an_object_can_be_used(scf_runtime_of: Callable[..., ScfRuntime], python: str | None) -> None:
    calls: dict[str, tuple[Callable[[Any], object], object]] = {
        "send(lambda n: n * 2)": (lambda given: given(4), 8),
        "send(rows())": (list, [1, 2]),
        "send(fail)": (lambda given: given(), "KeyError: 'of the function'"),
        "send(request())": (lambda given: given.to_json(indent=3), "json 3"),
        "send(rows)": (lambda given: given() and "called", "called"),
        "send(range(3))": (lambda given: [len(given), given[0], 9 in given, list(given)], [3, 0, False, [0, 1, 2]]),
        "asyncio.new_event_loop().run_until_complete(receive(lambda n: n + 1))": (lambda given: given(1), 2),
    }
    fn = deploy(scf_runtime_of("directory"), *calls, python=python)
    uses: Iterator[Callable[[Any], object]] = iter([use for use, _ in calls.values()])
    for target in ("index.send", "index.receive"):
        fn.stub(target, side_effect=lambda given: next(uses)(given))
    assert fn.invoke().return_value == [expected for _, expected in calls.values()]


def test_what_is_written_into_a_file_in_memory_is_in_it(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    fn = deploy(
        scf_runtime_of("directory"),
        "[(send(each), each.read().decode()) for each in [io.BytesIO(b'old')]]",
        "[(send({'to': each}), each.seek(0), each.read()) for each in [io.StringIO()]]",
        "[(send([each]), each.read().decode()) for each in [io.BytesIO(b'left alone')]]",
    )

    def write(file: Any) -> None:
        if isinstance(file, io.BytesIO):
            assert file.read() == b"old"
            file.seek(0)
            file.truncate()
        elif isinstance(file, dict):
            file["to"].write("text")

    send = fn.stub("index.send", side_effect=write)
    assert fn.invoke().return_value == [[[None, ""]], [[None, 0, "text"]], [[None, "left alone"]]]
    assert [call.args[0] for call in send.call_args_list][2][0].read() == b"left alone"


def test_a_signal_handler_runs_while_the_test_uses_an_object(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    fn = scf_runtime_of("namespaces").deploy(
        "import signal, time\n\nclass Stopped(Exception):\n    pass\n\n"
        "def stop(*given):\n    raise Stopped\n\nsignal.signal(signal.SIGTERM, stop)\n\n"
        "def send(callback):\n    pass\n\ndef waits():\n    print('waits', flush=True)\n    time.sleep(60)\n\n"
        "def main_handler(event, context):\n    try:\n        return send(waits)\n"
        "    except Stopped:\n        return send('again')\n",
        async_run=True,
        timeout=60,
    )
    given: list[object] = []

    def call(callback: Any) -> str:
        if callback == "again":
            return "stopped"
        callback()
        given.append("went on")
        return "not stopped"

    fn.stub("index.send", side_effect=call)
    event = fn.invoke_async()
    event.wait_for_log("waits")
    event.terminate(graceful=True)
    event.assert_finished("stopped")  # as what the signal handler has raised, and not only by its name
    assert given == []
