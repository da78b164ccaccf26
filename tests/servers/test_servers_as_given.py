"""Servers as real projects bring them: without a bootstrap, with a Python of their own, with routes in an image."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_scf import ScfRuntime, UsageError
from pytest_scf.instances import interpreters

VERSION = """
def answer(request, event):
    request.reply(200, json.dumps([request.command, request.path, list(sys.version_info[:2])]))
"""
OTHER = next(
    (version for version in ("3.9", "3.8", "3.12", "3.13") if shutil.which(f"python{version}") is not None), "3.9"
)


@pytest.fixture
def other_python() -> tuple[str, list[int]]:
    """A Python that is not the test's, as it is asked for, and its version."""
    try:
        found = interpreters.find_python(OTHER)
    except UsageError as error:
        pytest.skip(str(error))
    assert found is not None
    return OTHER, list(found.version[:2])


def with_bootstrap(directory: Path, text: str) -> Path:
    (directory / "scf_bootstrap").write_text(text)
    (directory / "scf_bootstrap").chmod(0o755)
    return directory


# Web functions -------------------------------------------------------------------------------------------------------


def test_a_command_in_place_of_a_bootstrap(each_level: ScfRuntime, server: Callable[..., Path]) -> None:
    fn = each_level.deploy_web(server(VERSION), command=["python", "app.py"])
    assert fn.request("POST", "/a?b=1", body=b"").json()[:2] == ["POST", "/a?b=1"]


def test_a_bootstrap_with_an_absolute_path_at_each_level(each_level: ScfRuntime, server: Callable[..., Path]) -> None:
    directory = with_bootstrap(server(VERSION), "#!/bin/bash\n/var/lang/python3/bin/python3 -u app.py\n")
    assert each_level.deploy_web(directory).request("GET", "/x").json()[:2] == ["GET", "/x"]


def test_a_version_that_a_bootstrap_names_is_that_version(
    isolated: ScfRuntime, server: Callable[..., Path], other_python: tuple[str, list[int]]
) -> None:
    name, version = other_python
    directory = with_bootstrap(
        server(VERSION), f"#!/bin/bash\n/var/lang/python{name.replace('.', '')}/bin/python{name} -u app.py\n"
    )
    response = isolated.deploy_web(directory).request("GET")
    assert response.json()[2] == version
    assert "stands in" not in response.log


def test_what_stands_in_for_a_version_that_there_is_not_says_so(
    isolated: ScfRuntime, server: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(wanted: str) -> None:
        raise UsageError(f"there is no {wanted}")

    monkeypatch.setattr(interpreters, "find_python", nothing)
    own = ".".join(str(part) for part in sys.version_info[:2])
    asked = "3.9" if own != "3.9" else "3.10"
    bootstrap = f"#!/bin/bash\n/var/lang/python{asked.replace('.', '')}/bin/python{asked} -u app.py\n"
    fn = isolated.deploy_web(with_bootstrap(server(VERSION + "    os._exit(3)\n"), bootstrap))
    response = fn.request("GET")
    assert f"there is no Python {asked} at hand: Python {own}" in response.log
    fails = isolated.deploy_web(
        with_bootstrap(server("def answer(request, event):\n    os.kill(os.getppid(), 9); os._exit(3)\n"), bootstrap)
    )
    assert f"there is no Python {asked} at hand" in fails.request("GET").invocation.diagnosis


def test_the_python_of_a_web_function_can_be_said(
    each_level: ScfRuntime, server: Callable[..., Path], other_python: tuple[str, list[int]]
) -> None:
    name, version = other_python
    directory = with_bootstrap(server(VERSION), "#!/bin/bash\n/var/lang/python310/bin/python3.10 -u app.py\n")
    assert each_level.deploy_web(directory, python=name).request("GET").json()[2] == version


def test_the_python_of_a_command_can_be_said(
    each_level: ScfRuntime, server: Callable[..., Path], other_python: tuple[str, list[int]]
) -> None:
    name, version = other_python
    fn = each_level.deploy_web(server(VERSION), python=name, command=["python", "app.py"])
    assert fn.request("GET").json()[2] == version


def test_the_tests_own_python_has_the_packages_of_the_tests(isolated: ScfRuntime, server: Callable[..., Path]) -> None:
    pytest.importorskip("flask")
    code = "import flask\n\ndef answer(request, event):\n    request.reply(200, json.dumps(sys.version_info[:2]))\n"
    for version in ("36", "37", "39"):
        directory = with_bootstrap(server(code), f"#!/bin/bash\n/var/lang/python{version}/bin/python3 -u app.py\n")
        fn = isolated.deploy_web(directory, python=sys.executable)
        assert fn.request("GET").json() == list(sys.version_info[:2])


@pytest.mark.parametrize("start", ["/var/lang/python2/bin/python", "/var/lang/python27/bin/python2.7", "python2.7"])
def test_python_2_is_refused_at_once(isolated: ScfRuntime, server: Callable[..., Path], start: str) -> None:
    with pytest.raises(UsageError, match=r"Python 2, which is not run here"):
        isolated.deploy_web(with_bootstrap(server(), f"#!/bin/bash\n{start} app.py\n"))
    with pytest.raises(UsageError, match=r"Python 2 is not run here"):
        isolated.deploy("def main_handler(event, context): pass\n", runtime="Python2.7")
    with pytest.raises(UsageError, match=r"Python 2\.7 is not run here"):
        isolated.deploy("def main_handler(event, context): pass\n", python="2.7")


# Images --------------------------------------------------------------------------------------------------------------


def test_the_python_of_an_image_can_be_said(
    isolated: ScfRuntime, server: Callable[..., Path], other_python: tuple[str, list[int]]
) -> None:
    name, version = other_python
    directory = server(VERSION)
    fn = isolated.deploy_image(["python", "app.py"], cwd=directory, python=name)
    assert fn.invoke().return_value == ["POST", "/event-invoke", version]
    (directory / "Dockerfile").write_text("FROM python\nWORKDIR /app\nCOPY app.py .\nCMD python app.py\n")
    pytest.importorskip("dockerfile_parse")
    shell = isolated.deploy_image(dockerfile=directory, python=interpreters_path(name))
    assert shell.invoke().return_value[2] in (version, list(sys.version_info[:2]))


def interpreters_path(name: str) -> str:
    found = interpreters.find_python(name)
    assert found is not None
    return found.executable


def test_an_image_with_routes_is_reached_by_requests(each_level: ScfRuntime, server: Callable[..., Path]) -> None:
    fn = each_level.deploy_image(["python", "app.py"], cwd=server(VERSION), web=True)
    assert fn.request("GET", "/jobs/7").json()[:2] == ["GET", "/jobs/7"]
    assert fn.config.type == "HTTP"
    with pytest.raises(UsageError, match="web="):
        each_level.deploy_image(["python", "app.py"], cwd=server(VERSION), web=True, async_run=True)


def test_the_volume_of_a_dockerfile_and_its_path(isolated: ScfRuntime, server: Callable[..., Path]) -> None:
    pytest.importorskip("dockerfile_parse")
    directory = server("def answer(request, event):\n    request.reply(200, json.dumps(os.environ['PATH']))\n")
    (directory / "Dockerfile").write_text(
        'FROM python\nVOLUME /data\nENV PATH=/app/bin:$PATH\nWORKDIR /app\nCOPY app.py .\nCMD ["python", "app.py"]\n'
    )
    path = isolated.deploy_image(dockerfile=directory).invoke().return_value
    assert path.startswith("/app/bin:/")
    assert path.endswith(":/usr/sbin:/usr/bin:/sbin:/bin")


# Answers that are none -----------------------------------------------------------------------------------------------

RAW = """
import os, socket

listener = socket.create_server(("", 9000))
while True:
    connection, _address = listener.accept()
    received, length = connection.makefile("rb"), 0
    for line in received:
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
        if line == b"\\r\\n":
            break
    received.read(length)  # what is left unread when it closes would break the connection
    {answer}
    received.close()
    connection.close()
"""
HALF = "connection.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 100\\r\\n\\r\\nhalf of it')"
CHUNKED = "connection.sendall(b'HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n64\\r\\nhalf of it')"
DEEP = (
    "body = b'[' * 200_000 + b']' * 200_000; connection.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Type: application/json"
    "\\r\\nContent-Length: 400000\\r\\n\\r\\n' + body)"
)


@pytest.mark.parametrize("answer", [HALF, CHUNKED])
@pytest.mark.parametrize(("end", "code"), [("os._exit(1)", 439), ("os.kill(os.getpid(), 9)", 439), ("", 443)])
def test_an_answer_that_is_broken_off_is_a_failure(
    isolated: ScfRuntime, tmp_path: Path, answer: str, end: str, code: int
) -> None:
    (tmp_path / "app.py").write_text(RAW.format(answer=f"{answer}; {end}"))
    fn = isolated.deploy_image(["python", "app.py"], cwd=tmp_path, async_run=True)
    event = fn.invoke_async()
    event.assert_failed(code)
    assert event.return_value is None


def test_an_answer_that_is_nested_too_deeply_ends_the_event_as_text(isolated: ScfRuntime, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(RAW.format(answer=DEEP))
    event = isolated.deploy_image(["python", "app.py"], cwd=tmp_path, async_run=True, timeout=60).invoke_async()
    event.assert_finished("[" * 200_000 + "]" * 200_000)


def test_a_result_of_a_bootstrap_that_is_nested_too_deeply(isolated: ScfRuntime, tmp_path: Path) -> None:
    code = """\
    #!/usr/bin/env python3
    import http.client, os

    def call(method, path, body=None):
        connection = http.client.HTTPConnection(os.environ["SCF_RUNTIME_API"], int(os.environ["SCF_RUNTIME_API_PORT"]))
        connection.request(method, path, body)
        return connection.getresponse().read()

    call("POST", "/runtime/init/ready")
    while True:
        failed = call("GET", "/runtime/invocation/next") == b"true"
        call("POST", "/runtime/invocation/" + ("error" if failed else "response"), b"[" * 200_000 + b"]" * 200_000)
    """
    (tmp_path / "bootstrap").write_text(textwrap.dedent(code))
    (tmp_path / "bootstrap").chmod(0o755)
    fn = isolated.deploy(tmp_path, runtime="CustomRuntime", async_run=True, timeout=60)
    fn.invoke_async(False).assert_finished("[" * 200_000 + "]" * 200_000)
    fn.invoke_async(True).assert_failed(430)
