"""Stand-ins behave as what they take the place of: as with autospec of ``unittest.mock``, and across processes."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest

from pytest_scf import ScfRuntime, UsageError

SOURCE = """
import asyncio, copy, functools

class Client:
    kind = "client"

    def __init__(self, region):
        self.region = region

    def put(self, key, body=None):
        pass

    @staticmethod
    def check(key):
        pass

    async def fetch(self, key):
        pass

RealClient = Client
cos = Client("r")

def make():
    return Client("r")

def waits(function):
    @functools.wraps(function)
    def wrapper(*args):
        return asyncio.new_event_loop().run_until_complete(function(*args))
    return wrapper

@waits
async def load(key):
    pass

async def page():
    pass

def run(coroutine):
    return asyncio.new_event_loop().run_until_complete(coroutine)

def what(call):
    try:
        return call()
    except Exception as error:
        return "%s: %s" % (type(error).__name__, error)

async def pages():
    return [await page(), await page()]

async def rows():
    return [row async for row in make()]

def main_handler(event, context):
    return {name: what(call) for name, call in CALLS.items()}

CALLS = {
    "too many": lambda: Client("r").put(1, 2, 3),
    "static": lambda: Client("r").check(),
    "no attribute": lambda: Client("r").nosuch(),
    "set by __init__": lambda: Client("r").region.lower(),
    "awaited": lambda: [run(Client("r").fetch("k")), run(cos.fetch("k"))],
    "not awaited": lambda: load("k"),
    "isinstance": lambda: [isinstance(each, RealClient) for each in (cos, Client("r"), cos.put)],
    "the same": lambda: [cos.put is cos.put, make() == make(), Client("r") is Client("r")],
    "no value left": lambda: run(pages()),
    "async for": lambda: run(rows()),
    "copied": lambda: copy.deepcopy([cos])[0] is cos,
    "said to be awaited": lambda: run(cos.put("k")),
}
"""


@pytest.mark.parametrize("python", [None, "3.6"])
def test_stand_ins_behave_as_the_originals(scf_runtime_of: Callable[..., ScfRuntime], python: str | None) -> None:
    try:
        fn = scf_runtime_of("directory").deploy(SOURCE, python=python)
    except UsageError as error:
        pytest.skip(str(error))
    client, cos, make = fn.stub("index.Client"), fn.stub("index.cos"), fn.stub("index.make")
    client.return_value.region.lower.return_value = "region"
    client.return_value.fetch.return_value = "of a class"
    cos.fetch.return_value = "of an object"
    cos.put = mock.AsyncMock(return_value="awaited")
    load, page = fn.stub("index.load", return_value=7), fn.stub("index.page", side_effect=[1])
    make.return_value.__aiter__.return_value = [1, 2]
    page.assert_not_awaited()
    unknown = "AttributeError: index.Client(), which a stand-in takes the place of, has no attribute 'nosuch'"
    assert fn.invoke().return_value == {
        "too many": "TypeError: Client.put() too many positional arguments",
        "static": "TypeError: Client.check() missing a required argument: 'key'",
        "no attribute": unknown,
        "set by __init__": "region",
        "awaited": ["of a class", "of an object"],
        "not awaited": 7,
        "isinstance": [True, True, False],
        "the same": [True, True, True],
        "no value left": "StopAsyncIteration: ",
        "async for": [1, 2],
        "copied": True,
        "said to be awaited": "awaited",
    }
    load.assert_called_once_with("k")
    assert page.await_count == 2
    assert page.await_args_list == [mock.call(), mock.call()]
    cos.fetch.assert_awaited_once_with("k")


def test_what_a_class_is_told_to_make_need_not_be_of_it(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    fn = scf_runtime_of("directory").deploy(
        "class Client:\n    pass\n\ndef main_handler(event, context):\n    return Client().put()\n"
    )
    other = mock.MagicMock()
    other.put.return_value = "another"
    fn.stub("index.Client", return_value=other)
    assert fn.invoke().return_value == "another"


def test_what_an_asynchronous_generator_of_the_test_gives(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    fn = scf_runtime_of("directory").deploy(
        "import asyncio\n\ndef rows():\n    pass\n\nasync def work():\n    return [row async for row in rows()]\n\n"
        "def main_handler(event, context):\n    return asyncio.new_event_loop().run_until_complete(work())\n"
    )

    async def rows() -> Any:
        yield 1
        yield 2

    fn.stub("index.rows").side_effect = [rows(), rows()]
    assert [fn.invoke().return_value for _ in range(2)] == [[1, 2], [1, 2]]


@pytest.mark.parametrize("autospec", [True, False])
def test_a_class_can_be_derived_from_and_compared_with(
    scf_runtime_of: Callable[..., ScfRuntime], autospec: bool
) -> None:
    """As the socket's is by ssl, which is loaded after the stand-in is in place."""
    fn = scf_runtime_of("directory").deploy(
        "import datetime, threading\nfrom datetime import date\n\n"
        "class Worker(threading.Thread):\n    def run(self):\n        self.done = date.today()\n\n"
        "def main_handler(event, context):\n    worker = Worker()\n    worker.start()\n    worker.join()\n"
        "    return [worker.done, isinstance(worker, threading.Thread), isinstance(datetime.datetime.now(), date)]\n"
    )
    thread, date = fn.stub("threading.Thread", autospec=autospec), fn.stub("index.date", autospec=autospec)
    date.today.return_value = "today"
    assert fn.invoke().return_value == ["today", True, True]
    thread.assert_not_called()


@pytest.mark.parametrize("used", ["", ".datetime"])
def test_a_clock_that_is_set(scf_runtime_of: Callable[..., ScfRuntime], used: str) -> None:
    """``datetime.now`` cannot be replaced, and of its class all but that is to be as ever."""
    imported = "import datetime" if used else "from datetime import datetime"
    fn = scf_runtime_of("directory").deploy(
        f"{imported}\n\ndef main_handler(event, context):\n    now = datetime{used}.now()\n"
        f"    later = datetime{used}(now.year + 1, 1, 1)\n"
        f"    return [str(now), later > now, (later - now).days, isinstance(later, datetime{used}),\n"
        f"            datetime{used}.strptime('2024', '%Y').year, datetime{used}.max.year]\n"
    )
    stub = fn.stub("index.datetime", wraps=True)
    now = stub.now if not used else stub.datetime.now
    now.return_value = datetime.datetime(2031, 5, 6)
    assert fn.invoke().return_value == ["2031-05-06 00:00:00", True, 240, True, 2024, 9999]
    now.assert_called_once_with()
