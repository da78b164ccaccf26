"""Stand-ins: real Mocks in the test, which the function's code calls from its instance."""

from __future__ import annotations

import datetime
import decimal
import json
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from present import present

from pytest_scf import ScfRuntime, UsageError
from pytest_scf.facade.probing.stubs import Stub

#: an event calls into the test many times
pytestmark = pytest.mark.usefixtures("long_time_limits")


def handler(body: str, before: str = "") -> str:
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    return f"{before}\n\ndef main_handler(event, context):\n{lines}\n"


def test_a_stand_in_for_what_the_probe_itself_uses(scf_runtime: ScfRuntime) -> None:
    fn = scf_runtime.deploy(
        "import json, signal\n"
        "def main_handler(event, context):\n"
        "    signal.signal(signal.SIGTERM, lambda *given: None)\n"
        "    return [json.loads('[1]'), json.dumps([1])]\n"
    )
    loads = fn.stub("index.json.loads", return_value="loaded")
    fn.stub("index.json.dumps", return_value="dumped")
    assert fn.invoke().return_value == ["loaded", "dumped"]
    loads.assert_called_once_with("[1]")


def test_what_a_stand_in_gives_is_said_as_patch_is_told(scf_runtime: ScfRuntime, uploader: Path) -> None:
    fn = scf_runtime.deploy(uploader)
    put = fn.stub("index.client.put_object", return_value={"ETag": "47"})
    assert fn.invoke({"key": "a"}).return_value == "47"
    put.assert_called_once_with("bucket", Key="a")
    failing = scf_runtime.deploy(uploader)
    failing.stub("index.client.put_object", side_effect=OSError("full"))
    assert "OSError: full" in failing.invoke({"key": "a"}).error_message


def test_a_stand_in_answers_and_knows_its_calls(each_way: ScfRuntime, uploader: Path) -> None:
    fn = each_way.deploy(uploader)
    assert "no network" in fn.invoke({"key": "k"}).error_message
    put = fn.stub("index.client.put_object")
    assert isinstance(put, mock.Mock)
    put.return_value = {"ETag": "abc"}
    assert fn.invoke({"key": "k"}).return_value == "abc"
    put.assert_called_once_with("bucket", Key="k")
    put.return_value = {"ETag": "def"}
    assert fn.invoke({"key": "l"}).return_value == "def"
    assert put.mock_calls == [mock.call("bucket", Key="k"), mock.call("bucket", Key="l")]
    # By the signature of the original, as with autospec.
    put.assert_called_with(Bucket="bucket", Key="l")


def test_a_module_that_the_function_imports_is_patched_before_it_is_used(each_way: ScfRuntime, tmp_path: Path) -> None:
    """``from helpers import upload`` gets the stand-in, as it would with a patch that was there before."""
    (tmp_path / "helpers.py").write_text("def upload(name):\n    raise OSError('no network')\n")
    (tmp_path / "index.py").write_text("from helpers import upload\n" + handler("return [upload('a'), FIRST]"))
    with open(tmp_path / "index.py", "a") as file:
        file.write("\nFIRST = upload('while loading')\n")
    fn = each_way.deploy(tmp_path)
    upload = fn.stub("helpers.upload")
    upload.side_effect = lambda name: name.upper()
    assert fn.invoke().return_value == ["A", "WHILE LOADING"]


def test_a_module_that_is_not_the_functions_is_patched_before_the_function_is_loaded(each_way: ScfRuntime) -> None:
    fn = each_way.deploy(handler("return which('ls')", "from shutil import which"))
    fn.stub("shutil.which").return_value = "/nowhere/ls"
    assert fn.invoke().return_value == "/nowhere/ls"


def test_a_module_that_is_imported_by_the_handler_is_patched_then(each_way: ScfRuntime, tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text("def value():\n    return 1\n")
    (tmp_path / "index.py").write_text(handler("import late\nreturn late.value()"))
    fn = each_way.deploy(tmp_path)
    fn.stub("late.value").return_value = 2
    assert [fn.invoke().return_value for _ in range(2)] == [2, 2]


@pytest.mark.parametrize("entry", ["src/index.main_handler", "index.main_handler"])
def test_a_module_that_the_handler_makes_importable(
    scf_runtime_of: Callable[..., ScfRuntime], tmp_path: Path, entry: str
) -> None:
    """It is beside the handler's file, or where that has put it on sys.path."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "util.py").write_text("def helper():\n    return 'real'\n")
    (tmp_path / "src" / "index.py").write_text("import util\n" + handler("return util.helper()"))
    source = "import os, sys\nsys.path.insert(0, os.path.join(os.path.dirname(__file__), 'src'))\n"
    (tmp_path / "index.py").write_text(source + "from util import helper\n" + handler("return helper()"))
    fn = scf_runtime_of("namespaces").deploy(tmp_path, handler=entry)
    fn.stub("util.helper", return_value="stood in")
    assert fn.invoke().return_value == "stood in"


def test_side_effects(each_way: ScfRuntime) -> None:
    fn = each_way.deploy(handler("return get(event)", "def get(key):\n    return None"), async_run=True)
    get = fn.stub("index.get")
    get.side_effect = [1, KeyError("gone"), "last"]
    fn.invoke_async("a").assert_finished(1)
    failed = fn.invoke_async("b")
    failed.assert_failed(430)
    assert "KeyError: 'gone'" in failed.error_message
    # The traceback is of the user's code, as if the original had raised.
    assert "runtimes/probe" not in present(failed.error)["stackTrace"]
    fn.invoke_async("c").assert_finished("last")
    seen = []

    def note(key: str) -> int:
        seen.append((key, threading.current_thread()))
        return len(seen)

    get.side_effect = note
    fn.invoke_async("d").assert_finished(1)
    assert seen[0][0] == "d"
    assert seen[0][1] is not threading.main_thread()
    get.side_effect = None
    get.return_value = "value"
    fn.invoke_async("e").assert_finished("value")


VALUES = [
    None,
    True,
    0,
    -(2**80),
    1.5,
    "text \ud800",
    [1, [2]],
    {"a": {"b": 1}, 2: 3},
    b"\x00\xff",
    bytearray(b"x"),
    (1, (2, "x")),
    {1, 2},
    frozenset({"a"}),
    datetime.datetime(2024, 2, 29, 12, 30, 1, 5),
    datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.timezone.utc),
    datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone(datetime.timedelta(hours=8), "CST")),
    datetime.date(2024, 2, 29),
    datetime.time(1, 2, 3),
    datetime.timedelta(days=-1, microseconds=7),
    decimal.Decimal("1.10"),
    Path("/var/user"),
]


def test_values_travel_as_what_they_are(each_way: ScfRuntime) -> None:
    """Into the test as arguments, and back as what the stand-in gives."""
    source = handler("return all(same(value) for value in values())", "import index\n")
    source = (
        "def values():\n    pass\ndef echo(value):\n    pass\n"
        "def same(value):\n    got = echo(value)\n    return type(got) is type(value) and got == value\n" + source
    )
    fn = each_way.deploy(source.replace("import index\n", ""))
    fn.stub("index.values").return_value = VALUES
    echo = fn.stub("index.echo")
    got = []

    def note(value: Any) -> Any:
        got.append(value)
        return value

    echo.side_effect = note
    assert fn.invoke().return_value is True
    assert got == VALUES
    assert [type(each) for each in got] == [type(each) for each in VALUES]


def test_an_exception_comes_as_what_it_is(each_way: ScfRuntime) -> None:
    body = """
try:
    act(ValueError("from inside", 1))
except json.JSONDecodeError as error:
    return [error.pos, str(error)]
"""
    fn = each_way.deploy(handler(body, "import json\ndef act(error):\n    pass"))
    act = fn.stub("index.act")
    act.side_effect = json.JSONDecodeError("bad", "doc", 2)
    assert fn.invoke().return_value == [2, "bad: line 1 column 3 (char 2)"]
    (error,) = act.call_args.args
    assert type(error) is ValueError
    assert error.args == ("from inside", 1)


def test_an_exception_whose_class_is_not_known_there(each_way: ScfRuntime) -> None:
    class Mine(Exception):
        pass

    fn = each_way.deploy(handler("act()", "def act():\n    pass"))
    fn.stub("index.act").side_effect = Mine("of the test")
    result = fn.invoke()
    assert result.status_code == 430
    assert "test_stubs" in result.error_message or "Mine" in result.error_message
    assert "of the test" in result.error_message


def test_what_cannot_travel_shows_what_it_is_and_can_be_given_back(each_way: ScfRuntime) -> None:
    body = "thing = Thing()\nreturn keep(thing) is thing"
    fn = each_way.deploy(handler(body, "class Thing:\n    pass\ndef keep(thing):\n    pass"))
    keep = fn.stub("index.keep")
    keep.side_effect = lambda thing: thing
    assert fn.invoke().return_value is True
    (opaque,) = keep.call_args.args
    assert opaque.type == "index.Thing"
    assert "Thing object at" in opaque.repr
    # In another call it is not there any more.
    keep.side_effect = None
    keep.return_value = opaque
    result = fn.invoke()
    assert result.status_code == 430
    assert "within the call that it came with" in result.error_message


def test_what_cannot_be_given_is_refused_with_what_can(each_way: ScfRuntime) -> None:
    fn = each_way.deploy(handler("act()", "def act():\n    pass"))
    act = fn.stub("index.act")
    for value in (object(), threading.Lock()):
        act.return_value = value
        result = fn.invoke()
        assert result.status_code == 430
        assert "the stand-in index.act cannot give this to the function" in result.error_message
        assert "JSON values, bytes, dates" in result.error_message
    loop: list = []
    loop.append(loop)
    act.return_value = loop
    assert "or holds itself" in fn.invoke().error_message


def test_the_signature_of_the_original_is_kept(each_way: ScfRuntime) -> None:
    source = handler("return act(*event['args'], **event['kwargs'])", "def act(a, b=2, *, c):\n    pass")
    fn = each_way.deploy(source)
    act = fn.stub("index.act")
    act.return_value = "ok"
    assert fn.invoke({"args": [1], "kwargs": {"c": 3}}).return_value == "ok"
    for args, kwargs, said in [([], {"c": 1}, "'a'"), ([1], {}, "'c'"), ([1], {"c": 1, "d": 1}, "'d'")]:
        result = fn.invoke({"args": args, "kwargs": kwargs})
        assert "TypeError" in result.error_message
        assert said in result.error_message
    act.assert_called_once_with(1, c=3)
    failed = fn.invoke({"args": [], "kwargs": {"c": 1}})
    assert failed.error_message.endswith("TypeError: act() missing a required argument: 'a'")
    assert "inspect.py" not in failed.traceback
    other = each_way.deploy(source)
    loose = other.stub("index.act", autospec=False)
    loose.return_value = "anything"
    assert other.invoke({"args": [], "kwargs": {"d": 1}}).return_value == "anything"
    loose.assert_called_once_with(d=1)


METHODS = """
class Client:
    def plain(self, a):
        pass

    @staticmethod
    def static(a):
        pass

    @classmethod
    def of_class(cls, a):
        pass
"""


@pytest.mark.parametrize(
    ("name", "autospec"), [("plain", True), ("plain", False), ("static", True), ("of_class", True)]
)
def test_methods_of_a_class(each_way: ScfRuntime, name: str, autospec: bool) -> None:
    fn = each_way.deploy(handler(f"return Client().{name}(7)", METHODS))
    method = fn.stub(f"index.Client.{name}", autospec=autospec)
    method.return_value = "stood in"
    assert fn.invoke().return_value == "stood in"
    if name == "plain" and autospec:
        assert method.call_args == mock.call(mock.ANY, 7)
        assert method.call_args.args[0].type == "index.Client"
    else:
        assert method.call_args == mock.call(7)


def test_a_class_and_what_it_makes(each_way: ScfRuntime) -> None:
    body = """
with Session("x") as session:
    answer = session.get("http://a", timeout=3)
    answer.encoding = "utf-8"
    return [answer.status_code, answer.json(), [line for line in answer], len(answer), answer["k"], "k" in answer,
            answer.encoding, bool(answer)]
"""
    fn = each_way.deploy(handler(body, "class Session:\n    def __init__(self, name):\n        self.name = name\n"))
    session_class = fn.stub("index.Session")
    session = session_class.return_value.__enter__.return_value
    answer = session.get.return_value
    answer.status_code = 200
    answer.json.return_value = {"a": 1}
    answer.__iter__.return_value = [1, 2]
    answer.__len__.return_value = 2
    answer.__getitem__.side_effect = {"k": "v"}.__getitem__
    answer.__contains__.return_value = True
    assert fn.invoke().return_value == [200, {"a": 1}, [1, 2], 2, "v", True, "utf-8", True]
    session_class.assert_called_once_with("x")
    session.get.assert_called_once_with("http://a", timeout=3)


def test_an_object_and_its_methods(each_way: ScfRuntime, uploader: Path) -> None:
    fn = each_way.deploy(uploader, async_run=True)
    client = fn.stub("index.client")
    client.put_object.return_value = {"ETag": "abc"}
    assert fn.invoke({"key": "k"}).return_value == "abc"
    client.put_object.assert_called_once_with("bucket", Key="k")
    with client.put_object.held() as call:
        event = fn.invoke_async({"key": "l"})
        assert call.wait().kwargs == {"Key": "l"}
        assert event.status == "RUNNING"
    event.assert_finished("abc")
    (uploader / "index.py").write_text((uploader / "index.py").read_text().replace("client.put_object", "client.put"))
    other = each_way.deploy(uploader)
    other.stub("index.client")
    assert "has no attribute 'put'" in other.invoke({"key": "k"}).error_message


def test_iterators_and_generators(each_way: ScfRuntime) -> None:
    body = "rows = page()\nfirst = next(iter(rows))\nreturn [first, list(rows)]"
    fn = each_way.deploy(handler(body, "def page():\n    yield 1"))
    page = fn.stub("index.page")

    def rows():
        yield from ["a", b"b".decode(), "c"]

    page.side_effect = rows
    assert fn.invoke().return_value == ["a", ["b", "c"]]
    page.side_effect = lambda: iter([1, 2])
    assert fn.invoke().return_value == [1, [2]]


COROUTINES = """
import asyncio


async def fetch(key):
    raise OSError("no network")


class Client:
    async def get(self, key):
        pass


async def work(event):
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    task = asyncio.ensure_future(tick())
    found = await asyncio.gather(*[fetch(key) for key in event])
    task.cancel()
    async with Client() as client:
        found.append(await client.get("last"))
    return found, ticks > 1


def main_handler(event, context):
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work(event))
    finally:
        loop.close()
"""


def test_coroutine_functions_leave_the_loop_running(each_way: ScfRuntime) -> None:
    fn = each_way.deploy(COROUTINES, timeout=60)
    fetch = fn.stub("index.fetch")
    barrier = threading.Barrier(3)

    def answer(key):
        barrier.wait(30)  # all three are under way at once
        return key * 2

    fetch.side_effect = answer
    client = fn.stub("index.Client").return_value
    client.__aenter__.return_value.get = mock.AsyncMock(return_value="from a coroutine")
    assert fn.invoke(["a", "b", "c"]).return_value == [["aa", "bb", "cc", "from a coroutine"], True]
    fetch.assert_any_await("b")
    with pytest.raises(AssertionError, match="called once"):
        fetch.assert_awaited_once_with("a")
    fetch.side_effect = None
    fetch.return_value = "x"
    barrier.reset()


def test_threads_call_at_once(each_way: ScfRuntime) -> None:
    body = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(8) as pool:
    return sorted(pool.map(lambda n: act(n), range(200)))
"""
    fn = each_way.deploy(handler(body, "def act(n):\n    pass"), timeout=60)
    act = fn.stub("index.act")
    barrier = threading.Barrier(8)
    act.side_effect = lambda n: (barrier.wait(60) and n) or n
    assert fn.invoke().return_value == list(range(200))
    assert act.call_count == 200
    assert len(act.mock_calls) == 200


def test_a_forked_child_of_the_handler_calls(each_way: ScfRuntime) -> None:
    body = """
import os
before = act(0)
reading, writing = os.pipe()
pid = os.fork()
if pid == 0:
    os.write(writing, str(act(1)).encode())
    os._exit(0)
os.waitpid(pid, 0)
return [before, os.read(reading, 10).decode(), act(2)]
"""
    fn = each_way.deploy(handler(body, "def act(n):\n    pass"))
    fn.stub("index.act").side_effect = lambda n: n * 10
    assert fn.invoke().return_value == [0, "10", 20]


def test_the_diagnosis_tells_what_the_test_did(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    fn = scf_runtime_of("namespaces").deploy(handler("return get(event)", "def get(key):\n    return None"))
    get = fn.stub("index.get")
    assert "stub.return_value = ... says what it gives" in fn.invoke().diagnosis

    def answer(key: object) -> None:
        raise ValueError("of the test")

    get.side_effect = answer
    blamed = fn.invoke().diagnosis
    place = f"test_stubs.py:{answer.__code__.co_firstlineno + 1}"
    assert blamed.endswith(f"it was raised in the test by the side_effect of the stand-in index.get, at {place}")
    get.side_effect = lambda: None
    assert fn.invoke().diagnosis.endswith("of the stand-in index.get, at its call, whose arguments it does not take")
    get.side_effect = []
    assert fn.invoke().diagnosis.endswith("the side_effect of the stand-in index.get has no value left for this call")
    get.side_effect = ValueError("on purpose")
    assert fn.invoke().diagnosis.endswith("ValueError: on purpose")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("index.cliemt.put_object", r"index has no attribute 'cliemt'; did you mean 'client'"),
        ("index.client.put_objekt", r"index\.client has no attribute 'put_objekt'; did you mean 'put_object'"),
        ("idnex.client", r"there is no module 'idnex'; did you mean 'index'"),
        ("hypothesi.given", r"there is no module 'hypothesi'; did you mean 'hypothesis'"),
        ("qqqqqq.client", r"there is no module 'qqqqqq'; there is 'cos', 'index'"),
        ("cos.Clint.put_object", r"cos has no attribute 'Clint'; did you mean 'Client'"),
        ("shutil.wich", r"shutil has no attribute 'wich'; did you mean 'which'"),
        ("index.client.name", r"is a value \('id'\): a stand-in takes the place of a function"),
        ("datetime.datetime.now", r"datetime\.now cannot be replaced .* use a stand-in for a function of yours"),
    ],
)
def test_a_target_that_cannot_be_had_says_what_there_is(
    scf_runtime_of: Callable[..., ScfRuntime], uploader: Path, target: str, said: str
) -> None:
    rt = scf_runtime_of("directory")
    fn = rt.deploy(uploader)
    line = sys._getframe().f_lineno + 1
    fn.stub(target)
    with pytest.raises(UsageError, match=said) as error:
        fn.invoke({"key": "k"})
    (result,) = rt.invocations()
    assert result.status_code == 443
    for text in (str(error.value), result.error_message):
        assert re.search(said, text), text
        assert f"the stand-in for {target!r}, of test_stubs.py:{line}, cannot be put in place" in text
    assert "During handling" not in result.traceback


@pytest.mark.parametrize("target", ["index", "", "index..x", "index.put-object", ".x", 7, None, b"a.b"])
def test_what_is_no_target_is_refused_at_once(
    scf_runtime_of: Callable[..., ScfRuntime], uploader: Path, target: object
) -> None:
    fn = scf_runtime_of("directory").deploy(uploader)
    with pytest.raises(UsageError, match="a dotted name such as"):
        fn.stub(target)  # type: ignore[call-overload]


def test_other_refusals(scf_runtime_of: Callable[..., ScfRuntime], uploader: Path, tmp_path: Path) -> None:
    rt = scf_runtime_of("directory")
    fn = rt.deploy(uploader)
    fn.stub("index.client")
    with pytest.raises(UsageError, match=r"there is a stand-in for 'index\.client' already"):
        fn.stub("index.client")
    with pytest.raises(UsageError, match="use its attribute put_object"):
        fn.stub("index.client.put_object")
    with pytest.raises(UsageError, match="autospec must be True or False"):
        fn.stub("index.other", autospec="no")  # type: ignore[call-overload]
    image = rt.deploy_image([sys.executable, "-m", "http.server"], cwd=tmp_path)
    with pytest.raises(UsageError, match="is not a handler in Python"):
        image.stub("index.x")


def test_the_mock_itself_is_out_of_reach_for_the_function(each_way: ScfRuntime) -> None:
    """What hostile code tries with a stand-in changes nothing in the test."""
    body = """
found = []
for name in ("side_effect", "return_value", "mock_calls", "configure_mock", "_mock_parent", "method_calls", "held"):
    try:
        getattr(thing, name)
        found.append(name)
    except AttributeError:
        pass
return found
"""
    fn = each_way.deploy(handler(body, "class Thing:\n    pass\nthing = Thing()"))
    stub = fn.stub("index.thing", autospec=False)
    assert fn.invoke().return_value == []
    assert isinstance(stub, Stub)


def test_a_published_version_has_its_stand_ins_too(each_way: ScfRuntime, uploader: Path) -> None:
    fn = each_way.deploy(uploader)
    each_way.api.call("PublishVersion", {"FunctionName": fn.name})
    fn.stub("index.client.put_object").return_value = {"ETag": "v"}
    result = each_way.api.call("Invoke", {"FunctionName": fn.name, "Qualifier": "1", "ClientContext": '{"key": "k"}'})
    assert result["Result"]["RetMsg"] == '"v"'


@pytest.mark.parametrize("version", ["3.6", "3.7", "3.8", "3.9", "3.10", "3.12", "3.13"])
def test_with_other_pythons(scf_runtime_of: Callable[..., ScfRuntime], uploader: Path, version: str) -> None:
    rt = scf_runtime_of("directory")
    try:
        fn = rt.deploy(uploader, python=version, async_run=True)
        other = rt.deploy(
            COROUTINES.replace("[fetch(key) for key in event]", "[fetch(key) for key in event]"), python=version
        )
    except UsageError as error:
        pytest.skip(str(error))
    put, abort = fn.stub("index.client.put_object"), fn.stub("index.client.abort")
    with put.held() as call:
        event = fn.invoke_async({"key": "k"})
        call.wait()
        event.terminate(graceful=True)
        event.assert_finished("interrupted")
    abort.assert_called_once_with("k")
    other.stub("index.fetch").side_effect = lambda key: datetime.datetime(2024, 1, 1) and key
    other.stub("index.Client").return_value.__aenter__.return_value.get = mock.AsyncMock(return_value="end")
    assert other.invoke(["a"]).return_value[0] == ["a", "end"]
