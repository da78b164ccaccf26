"""Objects of the test's that a function is given: it asks the test about them, as about a Mock."""

from __future__ import annotations

import asyncio
import io
import sqlite3
import types
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest

from pytest_scf import Function, ScfRuntime, UsageError

SOURCE = """
import asyncio

class Client:
    def __init__(self, region, token=None):
        self.timeout = 60

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def __len__(self):
        return 2

    def __getitem__(self, key):
        return key

    def get(self, key, version=1):
        return "original"

    @property
    def session(self):
        raise OSError("no network")

class Session:
    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        pass

    def get(self, url):
        pass

def make():
    pass

def enter(thing):
    with thing as found:
        return found

def caught(call, kind):
    try:
        call()
    except kind():
        return True

async def fetch():
    async with Session() as session:
        async with session.get("u") as response:
            return await response.text()

def what(call):
    try:
        return call()
    except Exception as error:
        return "%s: %s" % (type(error).__name__, error)

client = Client("r")
late = None
SIZE = 5
"""


def deploy(rt: ScfRuntime, *calls: str, python: str | None = None) -> Function:
    """A function that gives what each of the expressions gives or raises."""
    lines = "".join(f"        what(lambda: {call}),\n" for call in calls)
    return rt.deploy(f"{SOURCE}\ndef main_handler(event, context):\n    return [\n{lines}    ]\n", python=python)


class Response:
    """As tests write them."""

    status_code = 404

    def __init__(self, text: str) -> None:
        self.text = text
        self.closed = False

    def json(self, *, default: int = 0) -> dict[str, object]:
        return {"text": self.text, "default": default}

    def raise_for_status(self) -> None:
        raise LookupError("404")

    def __enter__(self) -> Response:
        return self

    def __exit__(self, *error: object) -> None:
        self.closed = True

    def __iter__(self) -> Iterator[str]:
        return iter(self.text)

    def __repr__(self) -> str:
        return "<Response 404>"


@pytest.mark.parametrize("python", [None, "3.6"])
def test_an_object_of_the_tests_is_asked_there(scf_runtime_of: Callable[..., ScfRuntime], python: str | None) -> None:
    calls = {
        "make().status_code": 404,
        "make().json(default=3)": {"text": "ab", "default": 3},
        "make().raise_for_status()": "LookupError: 404",
        "make().nosuch": "AttributeError: 'Response' object has no attribute 'nosuch'",
        "make()._secret": "AttributeError: _secret belongs to the test, and is not to be had in the function",
        "list(make())": ["a", "b"],
        "enter(make()) is make()": True,
        "[bool(make()), str(make()), repr(make())]": [True, "<Response 404>", "<Response 404>"],
        "setattr(make(), 'seen', 2) or make().seen": 2,
    }
    try:
        fn = deploy(scf_runtime_of("directory"), *calls, python=python)
    except UsageError as error:
        pytest.skip(str(error))
    response: Any = Response("ab")
    fn.stub("index.make", return_value=response)
    assert fn.invoke().return_value == list(calls.values())
    assert response.closed
    assert response.seen == 2


def test_functions_classes_files_and_exceptions_of_the_tests(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    closed = []

    class Gone(LookupError):
        pass

    def rows() -> Iterator[int]:
        try:
            yield 1
        finally:
            closed.append(True)

    async def text() -> str:
        return "awaited"

    database = sqlite3.connect(":memory:", check_same_thread=False)
    given: dict[str, tuple[Any, Any]] = {
        "make()(2)": (lambda n: n * 2, 4),
        "make()('text').text": (Response, "text"),
        "make().body.read().decode()": (types.SimpleNamespace(body=io.BytesIO(b"body")), "body"),
        "[(next(each), each.close(), next(each, 'over')) for each in [make()]]": (rows(), [[1, None, "over"]]),
        "asyncio.new_event_loop().run_until_complete(make()())": (text, "awaited"),
        "[issubclass(each.Missing, KeyError) for each in [make()]]": (mock.Mock(Missing=KeyError), [True]),
        "[row for row in make().execute('select 1, 2')]": (database, [[1, 2]]),
        "[each * 2 for each in make()]": (range(2), [0, 2]),
        "make().gi_frame": (rows(), None),
        "caught(late, lambda: make().Gone)": (mock.Mock(Gone=Gone), True),
        "caught(late, lambda: LookupError)": (None, True),
    }
    fn = deploy(scf_runtime_of("directory"), *given)
    fn.stub("index.make", side_effect=[value for value, _ in given.values() if value])
    fn.stub("index.late", side_effect=Gone("x"))
    found = fn.invoke().return_value
    refused = list(given).index("make().gi_frame")
    assert found.pop(refused).startswith("TypeError: the stand-in <generator object")
    assert found == [expected for call, (_, expected) in given.items() if call != "make().gi_frame"]
    database.close()
    assert closed == [True]


def test_modules_and_classes_that_the_function_has_are_its_own(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    calls = ["make() is asyncio", "isinstance(client, make())", "make()"]
    fn = deploy(scf_runtime_of("directory"), *calls)
    there = type("Client", (), {"__module__": "index", "__qualname__": "Client"})
    here = types.ModuleType("only_in_the_test")
    fn.stub("index.make", side_effect=[asyncio, there, here])
    found = fn.invoke().return_value
    assert found[:2] == [True, True]
    assert found[2].startswith("CodecError: the test gives its module 'only_in_the_test', which cannot be")


def test_what_the_function_sets_is_seen(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    fn = deploy(
        scf_runtime_of("directory"),
        "setattr(client, 'timeout', 3) or client.timeout",
        "setattr(client, 'headers', {}) or client.headers.update(a=1) or client.headers",
        "setattr(client, 'verify', object()) or type(client.verify).__name__",
        "setattr(client, 'return_value', 7) or setattr(client, '_own', 8) or [client.return_value, client._own]",
    )
    client = fn.stub("index.client")
    headers = mock.PropertyMock()
    type(client).headers = headers
    assert fn.invoke().return_value == [3, {"a": 1}, "object", [7, 8]]
    assert client.timeout == 3
    headers.assert_called_once_with({})
    assert client.verify.type == "object"
    assert isinstance(client.return_value, mock.Mock)


def test_names_that_are_no_object_yet(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    calls = ["late.get('k')", "open('/nowhere').read()", "print('said')", "client.session.post(1)"]
    fn = deploy(scf_runtime_of("directory"), *calls)
    fn.stub("index.Client.session").post.return_value = "posted"
    fn.stub("index.late").get.return_value = 1
    fn.stub("index.open", mock.mock_open(read_data="data"))
    printed = fn.stub("index.print", return_value="not said")
    assert fn.invoke().return_value == [1, "data", "not said", "posted"]
    printed.assert_called_once_with("said")


def test_calls_are_compared_by_the_signature_of_what_is_called(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    fn = deploy(scf_runtime_of("directory"), "Client('r').get('k')", "client.get('k', version=2)")
    client, instance = fn.stub("index.Client"), fn.stub("index.client")
    client.return_value.get.return_value = instance.get.return_value = 1
    assert fn.invoke().return_value == [1, 1]
    client.assert_called_once_with(region="r")
    client.return_value.get.assert_called_once_with(key="k")
    instance.get.assert_called_once_with("k", 2)
    with pytest.raises(AssertionError):
        instance.get.assert_called_once_with("k")


def test_what_a_block_gives_is_like_what_opened_it(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    """``__aenter__`` of a Mock gives an AsyncMock, of which each method would have to be awaited."""
    fn = deploy(
        scf_runtime_of("directory"),
        "asyncio.new_event_loop().run_until_complete(fetch())",
        "enter(Client('r')).execute()",
    )
    session = fn.stub("index.Session").return_value.__aenter__.return_value
    session.get.return_value.__aenter__.return_value.text.return_value = "text"
    fn.stub("index.Client").return_value.__enter__.return_value.execute.return_value = "of another class"
    assert fn.invoke().return_value == ["text", "of another class"]
    session.get.assert_called_once_with("u")


def test_a_wrapped_original_is_called(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    calls = [
        "client.get('k')",
        "client.timeout",
        "enter(client).get('k')",
        "Client('r').get('k')",
        "asyncio.new_event_loop().run_until_complete(fetch())",
        "[bool(client), 'Client' in str(client), client[1], len(client)]",
        "client + 1",
    ]
    fn = deploy(scf_runtime_of("directory"), *calls)
    client, method = fn.stub("index.client", wraps=True), fn.stub("index.Client.get", wraps=True)
    fetch = fn.stub("index.fetch", wraps=True, side_effect=["of the test", mock.DEFAULT])
    first, second = (fn.invoke().return_value for _ in range(2))
    assert first[:4] == second[:4] == ["original", 60, "original", "original"]
    assert first[4] == "of the test"
    assert second[4].startswith(("AttributeError", "TypeError"))  # the original has come to None
    assert first[5] == [True, True, 1, 2]
    assert first[6].startswith("TypeError: unsupported operand")
    client.get.assert_called_with("k")
    assert (method.call_count, fetch.await_count) == (6, 2)


def test_another_value_in_its_place(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    fn = deploy(scf_runtime_of("directory"), "SIZE", "make()", "client.get('k')", "Client('r').timeout")
    assert fn.stub("index.SIZE", 7) == 7
    fn.stub("index.make", new=lambda: "made")
    get = fn.stub("index.client.get", mock.Mock(return_value="got"))
    fn.stub("index.Client", **{"return_value.timeout": 9})
    assert fn.invoke().return_value == [7, "made", "got", 9]
    get.assert_called_once_with("k")
    with pytest.raises(UsageError, match="nothing else to say"):
        fn.stub("index.late", 1, return_value=2)  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="cannot be sent"):
        fn.stub("index.late", object())
    with pytest.raises(UsageError, match="takes no retrun_value=; did you mean return_value="):
        fn.stub("index.late", retrun_value=1)
    with pytest.raises(UsageError, match=r"takes no new_callable=; stub\(target, AsyncMock\(\)\)"):
        fn.stub("index.late", new_callable=mock.AsyncMock)


def test_operators_and_texts(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    fn = deploy(
        scf_runtime_of("directory"),
        "str(client.name)",
        "'%s' % client.other",
        "[1, 2][client.place]",
        "[client.size > 3, client.size + 1]",
        "bool(1 + client.size)",
        "client.other >= 3",
    )
    client = fn.stub("index.client", autospec=False)
    client.name.__str__.return_value = "configured"
    client.size.__gt__.return_value = True
    client.size.__add__.return_value = 5
    found = fn.invoke().return_value
    assert found[:4] == ["configured", "<stand-in index.client.other>", 2, [True, 5]]
    assert found[4] is True
    assert found[5].startswith("TypeError: '>=' not supported between instances of ")


def test_a_block_at_whose_end_the_original_is_back(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    """As with ``with patch(...)``; the function's own ``with`` is another matter."""
    calls = ["Client('r').get('k')", "enter(client) is client", "SIZE"]
    fn = deploy(scf_runtime_of("directory"), *calls)
    for text in ("first", "second"):
        with fn.stub("index.Client.get") as get, fn.stub("index.client") as client:
            get.return_value = text
            client.__enter__.return_value = "entered"
            assert fn.invoke().return_value == [text, False, 5]
            assert fn.invoke().return_value == [text, False, 5]
        client.__enter__.assert_called_with()
        client.__exit__.assert_called_with(None, None, None)
        assert get.call_count == client.__enter__.call_count == 2
    with pytest.raises(ZeroDivisionError), fn.stub("index.client", wraps=True) as client:
        assert fn.invoke().return_value == ["original", False, 5]
        _ = 1 / 0
    assert fn.invoke().return_value == ["original", True, 5]


def test_the_handler_itself_can_be_looked_at(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    fn = deploy(scf_runtime_of("directory"), "SIZE")
    handler = fn.stub("index.main_handler", wraps=True)
    assert fn.invoke({"key": "k"}).return_value == [5]
    event, context = handler.call_args.args
    assert event == {"key": "k"}
    assert context["function_name"] == fn.name
