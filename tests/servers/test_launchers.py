"""Launchers that plugins provide: the page that shows one is run, and what cannot be is refused."""

from __future__ import annotations

import itertools
import re
import socket
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from present import present

from pytest_scf import BackgroundError, InstanceError, ScfRuntime, UsageError
from pytest_scf.instances.docker import DockerLauncher
from pytest_scf.launchers import ContainerExit, ContainerSpec, Mount

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "launchers.md").read_text()
FILES = dict(re.findall(r"^```python (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("how", ["marker", "option", "ini"])
def test_the_page_is_run(pytester: pytest.Pytester, how: str) -> None:
    for name, text in FILES.items():
        (pytester.path / name).write_text(text if how == "marker" else text.replace("pytestmark =", "unused ="))
    if how == "ini":
        pytester.makeini("[pytest]\nscf_launcher = directory\n")
    arguments = ["--scf-launcher=directory"] if how == "option" else []
    result = pytester.runpytest_subprocess(
        *arguments,
        "-p",
        "no:asyncio",
        "-W",
        "error",
        "-W",
        "ignore:instances are isolated",
        "--strict-markers",
        timeout=120,
    )
    assert result.parseoutcomes() == {"passed": 3}


def test_a_name_that_nobody_knows_is_refused(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(scf_runtime): pass")
    result = pytester.runpytest_subprocess("--scf-launcher=nobodys", timeout=120)
    result.stdout.fnmatch_lines(["*launcher: 'nobodys'*no plugin knows it*pytest_scf_launcher*"])
    assert result.parseoutcomes() == {"errors": 1}


def test_what_is_no_launcher_is_refused() -> None:
    with pytest.raises(UsageError, match="a name or a Launcher"):
        ScfRuntime(launcher=object())
    with ScfRuntime() as each_level, pytest.raises(UsageError, match="--scf-launcher=docker"):
        each_level.deploy_image(image="some/image")


class Broken:
    """A launcher whose containers do not start."""

    closed = False

    def prepare(self, name, image, dockerfile, ignored):
        return image

    def start(self, spec):
        raise RuntimeError(f"no place for {spec.image} with {spec.memory_bytes} bytes")

    def close(self):
        self.closed = True


def test_a_container_that_does_not_start_is_445_and_the_launcher_is_closed_with_its_runtime() -> None:
    launcher = Broken()
    with ScfRuntime(launcher=launcher) as each_level:
        result = each_level.deploy_image(image="big", memory=256).invoke()
        assert result.status_code == 445
        assert f"no place for big with {256 << 20} bytes" in result.error_message
        assert not each_level.instances
        assert not launcher.closed
    assert launcher.closed


def test_an_image_that_is_named_in_a_request_is_the_launcher_s() -> None:
    image = {"ImageType": "personal", "ImageUri": "ccr.ccs.tencentyun.com/shop/api:1"}
    asked = {"as-is": {}, "other": {"Command": "python -u", "Args": "app.py"}, "more": {"Args": "x"}}
    specs: list[ContainerSpec] = []

    class Noting(Broken):
        def start(self, spec):
            specs.append(spec)
            return super().start(spec)

    with ScfRuntime(launcher=Noting()) as runtime:
        for name, words in asked.items():
            code = {"ImageConfig": {**image, **words}}
            runtime.api.call("CreateFunction", {"FunctionName": name, "Runtime": "CustomImage", "Code": code})
            runtime.api.call("Invoke", {"FunctionName": name})
    assert [spec.image for spec in specs] == [image["ImageUri"]] * 3
    assert [(spec.command, spec.arguments) for spec in specs] == [
        (None, None),
        (("python", "-u", "app.py"), None),
        (None, ("x",)),
    ]


def test_a_runtime_that_ran_no_container_closes_its_launcher_too() -> None:
    launcher = Broken()
    ScfRuntime(launcher=launcher).close()
    assert launcher.closed


def test_layers_and_file_systems_are_mounts_of_the_container(tmp_path: Path) -> None:
    class Kept(Broken):
        specs: ClassVar[list[ContainerSpec]] = []

        def start(self, spec):
            self.specs.append(spec)
            return super().start(spec)

    with ScfRuntime(launcher=Kept()) as runtime:
        runtime.deploy_image(image="big", layers=[tmp_path], cfs={"/mnt/data": tmp_path}).invoke()
    assert Kept.specs[0].mounts == (
        Mount(source=str(tmp_path), target="/opt", read_only=True),
        Mount(source=str(tmp_path), target="/mnt/data", read_only=False),
    )


class Listening:
    """A launcher whose container takes connections, answers nothing, and breaks none of them when it ends."""

    pid = None

    def __init__(self, ends_when_connected):
        self.ends_when_connected = ends_when_connected
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.given = None
        self.connected = threading.Event()
        self.ended = threading.Event()

    def prepare(self, name, image, dockerfile, ignored):
        return image

    def start(self, spec):
        return self

    def connect(self):
        self.given = socket.create_connection(self.listener.getsockname())
        if self.ends_when_connected:
            self.ended.set()
        self.connected.set()
        return self.given

    def output(self):
        return iter(())

    def signal(self, signum):
        return False

    def kill(self):
        self.ended.set()

    def wait(self):
        self.ended.wait()
        return ContainerExit(status=3)

    def remove(self):
        self.listener.close()

    def close(self):
        pass


@pytest.mark.parametrize("ends_when_connected", [True, False])
def test_no_connection_stays_open_or_holds_up_the_end(ends_when_connected: bool) -> None:
    launcher = Listening(ends_when_connected)
    with ScfRuntime(launcher=launcher) as each_level:
        event = each_level.deploy_image(image="silent", async_run=True).invoke_async()
        if ends_when_connected:
            assert event.wait().status_code in (405, 439)
        else:
            assert launcher.connected.wait(120)
            event.terminate()
            event.assert_aborted()
    assert present(launcher.given).fileno() == -1


def test_docker_holds_nothing_of_a_container_that_cannot_be_started() -> None:
    """Against a client that stands in for an engine's, which not every machine has."""
    errors = pytest.importorskip("docker.errors")
    closed: list[str] = []

    def refuse() -> None:
        raise errors.APIError("refused", explanation="no such program")

    container = SimpleNamespace(id="1", start=refuse, remove=lambda **how: closed.append("container"))
    output = SimpleNamespace(_response=SimpleNamespace(close=lambda: closed.append("output")))
    launcher: Any = DockerLauncher.__new__(DockerLauncher)
    launcher._errors, launcher._log_config = errors, None
    launcher._client = SimpleNamespace(
        containers=SimpleNamespace(create=lambda *given, **how: container),
        api=SimpleNamespace(attach=lambda *given, **how: output),
    )
    of: dict[str, Any] = {"command": None, "arguments": None, "cwd": None, "environment": {}}
    spec = ContainerSpec(name="one", image="some", port=9000, memory_bytes=1 << 27, tmp_bytes=1 << 20, **of)
    with pytest.raises(InstanceError, match="no such program"):
        launcher.start(spec)
    assert closed == ["output", "container"]


class Failing(Listening):
    """One whose container cannot be sent a signal, nor killed the first times."""

    def __init__(self, failing_kills):
        super().__init__(ends_when_connected=False)
        self.failing_kills = failing_kills
        self.killed = 0
        self.removed = False

    def signal(self, signum):
        raise TimeoutError("the engine does not answer")

    def kill(self):
        self.killed += 1
        if self.killed <= self.failing_kills:
            raise ConnectionError("the engine is gone")
        super().kill()

    def remove(self):
        self.removed = True
        super().remove()


def test_a_launcher_that_fails_to_send_a_signal_and_to_kill_is_told_of_and_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pytest_scf.instances.process.RESUME_INTERVAL", 0.02)
    launcher = Failing(failing_kills=2)
    runtime = ScfRuntime(launcher=launcher)
    event = runtime.deploy_image(image="some", name="web", async_run=True).invoke_async()
    assert launcher.connected.wait(120)
    event.terminate(graceful=True)
    assert "Signal reception failed" in event.log
    assert event.diagnosis == (
        "the termination signal could not be delivered: TimeoutError: the engine does not answer; "
        "the event is still RUNNING"
    )
    event.terminate()
    event.assert_aborted()
    assert launcher.removed
    with pytest.raises(BackgroundError) as caught:
        runtime.close()
    sent, killed = (str(error) for error in caught.value.errors)
    assert re.search(r"of function web could not be sent the signal 15: TimeoutError: the engine does not", sent)
    assert re.search(r"of function web could not be killed: ConnectionError: the engine is gone", killed)


@pytest.mark.parametrize(("thread", "starts"), [(1, False), (2, False), (3, True), (4, True)])
def test_no_container_is_left_where_a_thread_cannot_be_started(
    monkeypatch: pytest.MonkeyPatch, thread: int, starts: bool
) -> None:
    launcher = Failing(failing_kills=0)
    start, count = threading.Thread.start, itertools.count(1)

    def start_or_not(self: threading.Thread) -> None:
        if self.name == "pytest-scf-container" and next(count) == thread:
            raise RuntimeError("can't start new thread")
        start(self)

    with ScfRuntime(launcher=launcher) as runtime:
        function = runtime.deploy_image(image="some", async_run=True)
        monkeypatch.setattr(threading.Thread, "start", start_or_not)
        if thread == 1:
            with pytest.raises(InstanceError, match="can't start new thread"):
                function.invoke_async()
        else:
            event = function.invoke_async()
            event.assert_failed(timeout=60)
            assert "can't start new thread" in event.diagnosis
        assert (launcher.killed > 0, launcher.removed) == (starts, starts)
    launcher.listener.close()
