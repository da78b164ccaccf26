"""``--scf-debugpy``: an editor attaches to an instance; here one that speaks the debug adapter protocol."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from pytest_scf.facade.probing import debugging, function_probe
from pytest_scf.runtimes.probe import debugging as inside

pytest.importorskip("debugpy")

DEADLINE = 60
WORKER = """
print("loaded")

def main_handler(event, context):
    value = event["n"] + 1
    return value * 2
"""
TEST = """
SLEEPER = "import time\\n\\ndef main_handler(event, context):\\n    print('asleep')\\n    time.sleep(3600)\\n"

def test_debugged(scf_runtime):
    def let_time_be_over(event):
        scheduler = scf_runtime._platform._scheduler
        with scheduler.lock:
            scheduler.time_limits.set_locked(event.instance._record, 0.0)

    fn = scf_runtime.deploy("worker", timeout=60, init_timeout=60, async_run=True)
    first = fn.invoke_async({"n": 20})
    open("stopped").close()
    try:
        # Of two whose time is over it ends the one that the editor does not hold.
        let_time_be_over(first)
        other = scf_runtime.deploy(SLEEPER, async_run=True).invoke_async()
        other.wait_for_log("asleep")
        let_time_be_over(other)
        other.assert_failed(433)
        second = fn.invoke_async({"n": 1})
        assert "[DEBUG] the editor is for another instance" in second.wait().logs.user
        second.assert_finished(4)
    finally:
        open("over", "w").close()
    first.wait(timeout=60)
    first.assert_finished(84)
    assert first.logs.user == "loaded\\n"
"""


class Editor:
    """A client of the debug adapter protocol."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), DEADLINE)
        self._file = self._socket.makefile("rb")
        self._number = 0
        self._come: list[dict[str, Any]] = []

    def send(self, command: str, **arguments: Any) -> int:
        self._number += 1
        message = {"seq": self._number, "type": "request", "command": command, "arguments": arguments}
        body = json.dumps(message).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        return self._number

    def _receive(self) -> dict[str, Any]:
        size = 0
        while (line := self._file.readline()) != b"\r\n":
            assert line, "the debugger has closed the connection"
            if line.lower().startswith(b"content-length:"):
                size = int(line.split(b":")[1])
        found: dict[str, Any] = json.loads(self._file.read(size))
        return found

    def answer(self, number: int) -> dict[str, Any]:
        message = self._next(lambda each: each.get("request_seq") == number)
        assert message["success"], message
        return dict(message.get("body") or {})

    def _next(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first such message, of those that have come and those that will."""
        while True:
            for message in self._come:
                if wanted(message):
                    self._come.remove(message)
                    return message
            self._come.append(self._receive())

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        return self.answer(self.send(command, **arguments))

    def event(self, name: str) -> dict[str, Any]:
        return dict(self._next(lambda each: each.get("event") == name).get("body") or {})

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@contextmanager
def _run(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "pytest", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        try:
            yield run
        finally:
            run.terminate()


@pytest.mark.parametrize("level", ["namespaces", "directory"])
def test_an_editor_stops_the_handler_at_a_line(
    pytester: pytest.Pytester, arguments: tuple[str, ...], level: str
) -> None:
    directory = pytester.mkdir("worker")
    (directory / "index.py").write_text(WORKER)
    pytester.makepyfile(test_worker=TEST)
    for name in ("stopped", "over"):
        os.mkfifo(name)
    with _run(*arguments, "--scf-debugpy=0", f"--scf-isolation={level}") as run:
        assert run.stdout is not None
        shown = ""
        for line in run.stdout:
            shown += line
            if found := re.search(r"debugpy in function worker.*: waits for an editor on 127\.0\.0\.1:(\d+)", line):
                break
        else:
            pytest.fail(f"nothing waits for an editor:\n{shown}")
        editor = Editor(int(found[1]))
        editor.ask("initialize", adapterID="test", pathFormat="path", linesStartAt1=True)
        mappings = [{"localRoot": str(directory), "remoteRoot": "/var/user"}] if level == "namespaces" else []
        attached = editor.send("attach", pathMappings=mappings)
        editor.event("initialized")
        source = {"path": str(directory / "index.py")}
        editor.ask("setBreakpoints", source=source, breakpoints=[{"line": 6}])
        editor.ask("configurationDone")
        editor.answer(attached)
        thread = editor.event("stopped")["threadId"]
        frame = editor.ask("stackTrace", threadId=thread)["stackFrames"][0]
        assert (frame["line"], frame["source"]["path"]) == (6, source["path"])
        Path("stopped").write_text("")
        Path("over").read_text()
        assert editor.ask("evaluate", expression="value", frameId=frame["id"])["result"] == "21"
        editor.ask("evaluate", expression="value = 42", frameId=frame["id"], context="repl")
        editor.send("continue", threadId=thread)  # the instance may be gone before it has answered
        shown += run.stdout.read()
        editor.close()
        assert "1 passed" in shown, shown
        assert "runs without the editor, which another instance has" in shown
        assert run.wait(DEADLINE) == 0


def test_any_free_port_is_chosen_by_who_listens_and_not_long_before() -> None:
    terminal = mock.Mock()
    instance = debugging.EditedInstance(debugging.Editor(terminal, 0))
    assert instance.answer(mock.Mock(gone=False), b'{"do": "attach"}', "title") == "0"
    instance.answer(mock.Mock(gone=False), b'{"do": "listening", "port": "41000"}', "title")
    terminal.write.assert_called_once_with("title: waits for an editor on 127.0.0.1:41000\n")


def test_a_python_of_its_own_needs_debugpy_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    session: Any = mock.Mock(editor=debugging.Editor(mock.Mock(), 0))
    for language, editor in [("python", session.editor), ("node", None)]:
        interpreter: Any = mock.Mock(language=language)
        probe = function_probe.to_debug(session, None, [tmp_path], interpreter)
        assert (None if probe is None else probe.editor) is editor
    asked: Any = mock.Mock()
    asked.ask.return_value = (0, b"")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    inside.wait_for_editor(asked, 6)
    asked.ask.assert_called_once_with(6, b'{"do": "without"}')
    assert capsys.readouterr().out == "[DEBUG] this Python has no debugpy: it runs without the editor\n"
    debugging.EditedInstance(session.editor).answer(mock.Mock(), b'{"do": "without"}', "debugpy in function worker")
    assert "runs without the editor, as its Python has no debugpy" in session.editor.terminal.write.call_args[0][0]


def test_what_cannot_be_is_refused(pytester: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    for more, said in (
        (("--scf-debugpy=70000",), "--scf-debugpy: 70000 is no port"),
        (("--scf-debugpy=0", "-n", "1"), "--scf-debugpy: an editor is for one process"),
    ):
        result = pytester.runpytest_subprocess(*arguments, *more, timeout=DEADLINE)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: {said}*"])


def test_without_debugpy_it_says_what_to_install(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_scf.plugin import options

    find_spec = importlib.util.find_spec
    config = pytester.parseconfig()
    config.option.scf_debugpy = 5678
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "debugpy" else find_spec(name))
    with pytest.raises(pytest.UsageError, match=r"debugpy is not installed: pip install pytest-scf\[debugpy\]"):
        options.check(config)


def test_a_port_that_is_in_use_ends_the_start_and_is_said(
    pytester: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        """
        def test_debugged(scf_runtime):
            worker = scf_runtime.deploy("def main_handler(event, context):\\n    return 1\\n", name="worker")
            assert worker.invoke().status_code == 200
        """
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        result = pytester.runpytest_subprocess(*arguments, f"--scf-debugpy={port}", timeout=DEADLINE)
    result.assert_outcomes(failed=1)
    said = f"no editor can be waited for on 127.0.0.1:{port}: Address already in use"
    result.stdout.fnmatch_lines([f"debugpy in function worker*: {said}", f"*443*RuntimeError: --scf-debugpy: {said}"])
