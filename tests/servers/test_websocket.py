"""WebSocket connections to web functions (docs/cloud-contract.md#websocket): one is one invocation."""

from __future__ import annotations

import asyncio
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import websockets
from websockets.sync.client import connect

from pytest_scf import Function, ScfRuntime, UsageError, WaitTimeout, WebSocketClosed
from pytest_scf.api_errors import InvalidParameterValueProtocolType, LimitExceededFunctionReservedConcurrencyMemory

#: as functions in public have it: the package ``websockets``, one coroutine for each connection
SERVER = """\
import asyncio, http, json, os, signal, sys, time
import websockets
from websockets.asyncio.server import serve

async def handle(socket):
    print("opened", socket.request.path)
    await chat(socket)

def refuse(connection, request):
    if request.path == "/refused":
        return connection.respond(http.HTTPStatus.FORBIDDEN, "not you\\n")

def choose(connection, offered):
    return "chat" if "chat" in offered else None

async def main():
    async with serve(
        handle, "0.0.0.0", 9000, process_request=refuse, select_subprotocol=choose, max_size=None
    ):
        await asyncio.get_running_loop().create_future()

"""
ECHO = """
async def chat(socket):
    async for message in socket:
        await socket.send(message)
"""


@pytest.fixture
def chat(isolated: ScfRuntime, tmp_path: Path) -> Callable[..., Function]:
    """Deploy a server whose connections do ``code``."""

    def deploy(code: str = ECHO, rt: ScfRuntime = isolated, **settings: Any) -> Function:
        source = f"{SERVER}\n{textwrap.dedent(code)}\nasyncio.run(main())\n"
        (tmp_path / "app.py").write_text(source)
        command = ["python", "-u", "app.py"]
        settings = {"timeout": 60, "memory": 256, "websocket": True, "python": sys.executable, **settings}
        return rt.deploy_web(tmp_path, command=command, **settings)

    return deploy


def test_messages_go_both_ways(each_level: ScfRuntime, chat: Callable[..., Function]) -> None:
    fn = chat(rt=each_level)
    with fn.websocket("/room?name=é") as connection:
        connection.send("hello")
        assert connection.receive(timeout=60) == "hello"
        connection.send(b"\x00\xff")
        assert connection.receive(timeout=60) == b"\x00\xff"
        assert (connection.invocation.status, connection.invocation.status_code) == ("RUNNING", 0)
    result = connection.invocation
    assert (result.status, result.status_code) == ("FINISHED", 200)
    assert "opened /room?name=%C3%A9" in result.log
    assert result.diagnosis == "the client closed the WebSocket connection with 1000"
    assert [instance.state for instance in fn.instances] == ["idle"]
    with fn.websocket() as second:
        pass
    assert second.invocation.instance == result.instance


def test_the_request_is_the_upgrade_with_the_platforms_headers(chat: Callable[..., Function]) -> None:
    code = """
    async def chat(socket):
        await socket.send(json.dumps(dict(socket.request.headers.raw_items())))
        await socket.wait_closed()
    """
    fn = chat(code)
    headers = {"X-Mine": "yes", "X-Scf-Name": "forged"}
    with fn.websocket(headers=headers, subprotocols=["other", "chat"]) as connection:
        got = json_of(connection.receive(timeout=60))
        assert connection.subprotocol == "chat"
    assert (got["X-Mine"], got["X-Scf-Name"], got["Upgrade"]) == ("yes", fn.name, "websocket")
    assert got["X-Scf-Request-Id"] == connection.invocation.request_id


def json_of(message: str | bytes) -> dict[str, str]:
    import json

    found: dict[str, str] = json.loads(message)
    return found


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        (1000, 200, "the client closed the WebSocket connection with 1000"),
        (1011, 200, "with 1011"),
        (1001, 456, "with 1001"),
        (4000, 456, "with 4000"),
    ],
)
def test_the_code_of_the_client_is_that_of_the_invocation(
    chat: Callable[..., Function], code: int, status: int, said: str
) -> None:
    with chat().websocket() as connection:
        connection.close(code, "enough")
    assert connection.invocation.status_code == status
    assert said in connection.invocation.diagnosis


@pytest.mark.parametrize(("code", "status"), [(1000, 200), (1010, 200), (1011, 200), (1001, 439), (3000, 439)])
def test_the_code_of_the_server_too(chat: Callable[..., Function], code: int, status: int) -> None:
    server = f"async def chat(socket):\n    await socket.send('bye')\n    await socket.close({code}, 'enough')\n"
    with chat(server).websocket() as connection:
        assert connection.receive() == "bye"
        with pytest.raises(WebSocketClosed, match=f"the server closed the WebSocket connection with {code}") as caught:
            connection.receive()
        with pytest.raises(WebSocketClosed):
            connection.send("too late")
    assert (caught.value.code, connection.close_code, connection.close_reason) == (code, code, "enough")
    assert connection.invocation.status_code == status


def test_a_client_that_is_gone_without_a_word_is_456(chat: Callable[..., Function]) -> None:
    fn = chat()
    with pytest.raises(ZeroDivisionError), fn.websocket() as connection:
        raise ZeroDivisionError
    assert connection.invocation.status_code == 456
    assert connection.invocation.diagnosis == "the client ended the WebSocket connection without a close frame"


def test_a_server_that_drops_the_connection_and_one_that_exits_are_439(chat: Callable[..., Function]) -> None:
    code = """
    async def chat(socket):
        if socket.request.path == "/exit":
            os._exit(3)
        socket.transport.abort()
        await socket.wait_closed()
    """
    fn = chat(code)
    for path, why in (("/drop", "the server ended the WebSocket connection"), ("/exit", "exited with status 3")):
        with pytest.raises(WebSocketClosed, match=why) as caught, fn.websocket(path) as connection:
            connection.receive()
        assert caught.value.code == 1006
        assert connection.invocation.status_code == 439


def test_an_idle_connection_is_ended(chat: Callable[..., Function]) -> None:
    with chat(websocket_idle=1).websocket() as connection:
        with pytest.raises(WebSocketClosed, match="nothing was sent over the WebSocket connection for 1 s"):
            connection.receive()
    assert connection.invocation.status_code == 455


def test_a_connection_that_lasts_longer_than_the_timeout_is_ended_with_its_instance(
    chat: Callable[..., Function],
) -> None:
    fn = chat(timeout=2)  # which its opening has to do within, too
    with fn.websocket() as connection:
        with pytest.raises(WebSocketClosed, match="Timeout of 2 s"):
            while True:
                connection.send("still here")
                connection.receive()
    assert connection.invocation.status_code == 433
    assert fn.instances == []


@pytest.mark.parametrize("by", ["client", "server"])
def test_a_frame_of_more_than_1_mb_ends_the_connection(chat: Callable[..., Function], by: str) -> None:
    code = """
    async def chat(socket):
        async for message in socket:
            await socket.send("x" * (len(message) + int(socket.request.path[1:])))
    """
    megabyte = 1024 * 1024
    with chat(code).websocket(f"/{int(by == 'server')}") as connection:
        connection.send("x" * (megabyte - 1))
        assert len(connection.receive(timeout=60)) in (megabyte - 1, megabyte)
        why = f"the {by} sent a frame of {megabyte + 1} bytes, more than the {megabyte}"
        with pytest.raises(WebSocketClosed, match=why):
            connection.send("x" * (megabyte + int(by == "client")))
            connection.receive()
    assert connection.invocation.status_code == {"client": 456, "server": 439}[by]


def test_a_server_that_refuses_is_answered_as_any_request(chat: Callable[..., Function]) -> None:
    fn = chat()
    with pytest.raises(WebSocketClosed, match="the server answered 403 Forbidden") as caught:
        with fn.websocket("/refused"):
            pass
    response = caught.value.response
    assert (response.status_code, response.text, response.invocation.status_code) == (403, "not you\n", 200)
    with fn.websocket() as connection:
        connection.send("still there")
        assert connection.receive(timeout=60) == "still there"


def test_a_server_that_cannot_start_says_so(isolated: ScfRuntime, tmp_path: Path) -> None:
    fn = isolated.deploy_web(tmp_path, command=["sh", "-c", "echo not today; exit 4"], websocket=True)
    with pytest.raises(WebSocketClosed, match="exited with status 4") as caught, fn.websocket():
        pass
    assert caught.value.response.status_code == 405
    assert "not today" in caught.value.response.log


def test_a_connection_has_its_instance_for_itself(chat: Callable[..., Function]) -> None:
    fn = chat(max_instances=2)
    with fn.websocket() as first, fn.websocket() as second:
        assert first.invocation.instance != second.invocation.instance
        with pytest.raises(LimitExceededFunctionReservedConcurrencyMemory), fn.websocket():
            pass
    assert {first.invocation.status_code, second.invocation.status_code} == {200}


def test_neither_side_waits_for_the_other_to_read(chat: Callable[..., Function]) -> None:
    """What both write before they read is more than all that is between them can hold."""
    code = """
    async def chat(socket):
        for _ in range(64):
            await socket.send(b"s" * 500_000)
        count = 0
        async for message in socket:
            count += len(message)
            if count == 64 * 500_000:
                await socket.send(str(count))
    """
    with chat(code, memory=512).websocket() as connection:
        for _ in range(64):
            connection.send(b"c" * 500_000)
        assert sum(len(connection.receive(timeout=60)) for _ in range(64)) == 64 * 500_000
        assert connection.receive(timeout=60) == str(64 * 500_000)


def test_waiting_for_a_message_has_an_end(chat: Callable[..., Function]) -> None:
    with chat().websocket() as connection:
        with pytest.raises(WaitTimeout, match="no message came"):
            connection.receive(timeout=0)
        connection.send("and goes on")
        assert connection.receive(timeout=60) == "and goes on"


def test_a_runtime_that_is_closed_ends_its_connections(
    scf_runtime_of: Callable[..., ScfRuntime], chat: Callable[..., Function]
) -> None:
    rt = scf_runtime_of("namespaces")
    with chat(rt=rt).websocket() as connection:
        closing = threading.Thread(target=rt.close)
        closing.start()
        with pytest.raises(WebSocketClosed, match="the runtime was closed"):
            connection.receive()
        closing.join()
    assert connection.invocation.status_code == 499


def test_any_client_reaches_it_at_an_address(isolated: ScfRuntime, chat: Callable[..., Function]) -> None:
    fn = chat()
    with isolated.http(fn) as address:
        url = f"ws://127.0.0.1:{address.port}"
        with connect(f"{url}/room", additional_headers={"X-Mine": "yes"}) as client:
            client.send("x" * 100_000)  # compressed, as the two have agreed
            assert client.recv(timeout=60) == "x" * 100_000
        with pytest.raises(websockets.InvalidStatus) as caught, connect(f"{url}/refused"):
            pass
        assert caught.value.response.status_code == 403
        assert asyncio.run(_echoed(f"{url}/again")) == "again"
        with connect(url) as abandoned:
            abandoned.send("")
    codes = [event.wait(60).status_code for event in isolated.invocations()]
    assert codes == [200, 200, 200, 200]


async def _echoed(url: str) -> str | bytes:
    async with websockets.connect(url) as client:
        await client.send("again")
        return await client.recv()


def test_an_address_that_is_closed_ends_its_connections(isolated: ScfRuntime, chat: Callable[..., Function]) -> None:
    fn = chat()
    with isolated.http(fn) as address, connect(f"ws://127.0.0.1:{address.port}/") as client:
        client.send("hello")
        assert client.recv(timeout=60) == "hello"
        address.close()
        with pytest.raises(websockets.ConnectionClosedError):
            client.recv(timeout=60)
    assert isolated.invocations()[0].wait(60).status_code == 456


def test_what_cannot_be_is_refused(isolated: ScfRuntime, chat: Callable[..., Function], tmp_path: Path) -> None:
    fn = chat()
    plain = chat(websocket=False)
    with pytest.raises(UsageError, match="websocket=True"), plain.websocket():
        pass
    with pytest.raises(UsageError, match="begins with '/'"), fn.websocket("room"):
        pass
    connection = fn.websocket()
    with pytest.raises(UsageError, match="is not open yet"):
        connection.close()
    with pytest.raises(UsageError, match="is not open yet"):
        connection.send("x")
    with connection:
        with pytest.raises(UsageError, match="str or bytes"):
            connection.send(7)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="from 1000 to 4999"):
            connection.close(1006)
        with pytest.raises(UsageError, match="123 bytes"):
            connection.close(1000, "x" * 124)
    with pytest.raises(UsageError, match="opened once"), connection:
        pass
    for wrong in (0, 1801, 1.5, True):
        with pytest.raises(UsageError, match="websocket_idle"):
            isolated.deploy_web(tmp_path, command=["true"], websocket=True, websocket_idle=wrong)  # type: ignore[arg-type]


BOOTSTRAP = "#!/bin/bash\nexec /var/lang/python3/bin/python3 -u app.py\n"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A web function that echoes."""
    (tmp_path / "app.py").write_text(f"{SERVER}\n{ECHO}\nasyncio.run(main())\n")
    (tmp_path / "scf_bootstrap").write_text(BOOTSTRAP)
    (tmp_path / "scf_bootstrap").chmod(0o755)
    return tmp_path


def echoes(fn: Function) -> bool:
    with fn.websocket("/room") as connection:
        connection.send("hello")
        return bool(connection.receive(timeout=60) == "hello")


def test_an_image_takes_connections(isolated: ScfRuntime, directory: Path) -> None:
    command = ["python", "-u", "app.py"]
    fn = isolated.deploy_image(command, cwd=directory, web=True, websocket=True, websocket_idle=7, memory=256)
    assert echoes(fn)
    told = isolated.api.call("GetFunction", {"FunctionName": fn.name})
    assert (told["ProtocolType"], told["ProtocolParams"]) == ("WS", {"WSParams": {"IdleTimeOut": 7}})
    with pytest.raises(UsageError, match="web=True"):
        isolated.deploy_image(command, cwd=directory, websocket=True)
    with pytest.raises(UsageError, match="from 1 to 1800"):
        isolated.deploy_image(command, cwd=directory, web=True, websocket=True, websocket_idle=0)


def test_a_function_of_the_api_takes_connections(isolated: ScfRuntime, directory: Path) -> None:
    def call(action: str, **fields: object) -> dict[str, Any]:
        return isolated.api.call(action, {"FunctionName": "chat", **fields})

    def idle() -> object:
        told = call("GetFunction")
        assert told["ProtocolType"] == "WS"
        return told["ProtocolParams"]["WSParams"]["IdleTimeOut"]

    web = {"Type": "HTTP", "Code": {"LocalPath": str(directory)}, "MemorySize": 256}
    call("CreateFunction", **web, ProtocolType="WS")
    assert idle() == 15
    call("UpdateFunctionConfiguration", ProtocolParams={"WSParams": {"IdleTimeOut": 30}})
    call("UpdateFunctionCode", Code=web["Code"])
    assert idle() == 30
    call("PublishVersion")
    call("DeleteFunction")
    call("CreateFunction", **web)
    told = call("GetFunction")
    assert (told["ProtocolType"], told["ProtocolParams"]) == ("", None)
    with pytest.raises(InvalidParameterValueProtocolType, match="ProtocolType"):
        call("UpdateFunctionConfiguration", ProtocolParams={"WSParams": {"IdleTimeOut": 30}})


@pytest.mark.parametrize("code_first", [True, False])
def test_two_changes_at_once_lose_none(
    isolated: ScfRuntime, directory: Path, monkeypatch: pytest.MonkeyPatch, code_first: bool
) -> None:
    def call(action: str, **fields: object) -> dict[str, Any]:
        return isolated.api.call(action, {"FunctionName": "chat", **fields})

    changes: list[tuple[str, dict[str, object]]] = [
        ("UpdateFunctionCode", {"Code": {"LocalPath": str(directory)}}),
        ("UpdateFunctionConfiguration", {"ProtocolParams": {"WSParams": {"IdleTimeOut": 30}}}),
    ]
    first, second = changes if code_first else changes[::-1]
    call("CreateFunction", Type="HTTP", Code={"LocalPath": str(directory)}, MemorySize=256, ProtocolType="WS")
    update = isolated._platform.update_function

    def root() -> Path:
        server = isolated._platform.functions.get("default", "chat").config.server
        assert server is not None
        return server.root

    def with_another_before(function: Any, change: Any) -> None:
        monkeypatch.undo()
        call(first[0], **first[1])
        update(function, change)

    created = root()
    monkeypatch.setattr(isolated._platform, "update_function", with_another_before)
    call(second[0], **second[1])
    assert call("GetFunction")["ProtocolParams"]["WSParams"]["IdleTimeOut"] == 30
    assert root() != created  # what was made for the code before is on its way out


@pytest.mark.parametrize(
    "fields",
    [
        {"Type": "HTTP", "ProtocolType": "MQTT"},
        {"Type": "Event", "ProtocolType": "WS"},
        {"Type": "HTTP", "ProtocolParams": {"WSParams": {"IdleTimeOut": 30}}},
    ],
)
def test_a_protocol_that_cannot_be_is_refused(isolated: ScfRuntime, directory: Path, fields: dict[str, Any]) -> None:
    asked = {"FunctionName": "chat", "Code": {"LocalPath": str(directory)}, **fields}
    with pytest.raises(InvalidParameterValueProtocolType):
        isolated.api.call("CreateFunction", asked)


PROJECT = """
component: scf
name: chat
inputs:
  type: web
  src: .
  runtime: Python3.9
  memorySize: 256
  protocolType: WS
  protocolParams:
    wsParams:
      idleTimeOut: 600
"""


def test_a_project_file_has_connections(isolated: ScfRuntime, directory: Path) -> None:
    pytest.importorskip("yaml")
    (directory / "serverless.yml").write_text(PROJECT)
    fn = isolated.deploy(directory / "serverless.yml")
    assert echoes(fn)
    told = isolated.api.call("GetFunction", {"FunctionName": fn.name})
    assert told["ProtocolParams"] == {"WSParams": {"IdleTimeOut": 600}}
    (directory / "serverless.yml").write_text(PROJECT.replace("WS", "MQTT").replace("name: chat", "name: other"))
    with pytest.raises(UsageError, match=r"line 9: inputs\.protocolType: must be WS"):
        isolated.deploy(directory / "serverless.yml")
