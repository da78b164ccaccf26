"""Image functions as containers of a Docker-compatible engine (``launcher="docker"``)."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import engine
import pytest
from http_app import RUN, SERVER

from pytest_scf import Function, ScfRuntime, UsageError

WAITING = """
stop = False

def on_sigterm(*args):
    global stop
    print("do something before shutdown.")
    stop = True

def answer(request, event):
    print("working")
    while not stop:
        time.sleep(0.01)
    request.reply(200, "END", "text/plain")
"""
CATCHING = WAITING + "signal.signal(signal.SIGTERM, on_sigterm)\n"


@pytest.fixture
def docker_engine() -> Iterator[Any]:
    with contextlib.closing(engine.client()) as client:
        yield client


@pytest.fixture(scope="module")
def image() -> str:
    with contextlib.closing(engine.client()) as client:
        return engine.base_image(client)


@pytest.fixture
def docker_runtime(image: str) -> Iterator[ScfRuntime]:
    with ScfRuntime(launcher="docker") as runtime:
        yield runtime


@pytest.fixture
def deploy(docker_runtime: ScfRuntime, image: str) -> Callable[..., Function]:
    """Deploy a server that does ``code`` in place of what it does by default."""

    def deployed(code: str = "", run: str = RUN, **more: Any) -> Function:
        more.setdefault("environment", {})["CODE"] = SERVER + textwrap.dedent(code) + textwrap.dedent(run)
        return docker_runtime.deploy_image(image=image, **more)

    return deployed


def test_events_are_posts_to_one_container(deploy: Callable[..., Function]) -> None:
    fn = deploy(name="greeter", environment={"MINE": "too"})
    first, second = fn.invoke({"job": "é"}), fn.invoke([1])
    assert first.status_code == 200, first.log
    assert first.return_value["event"] == {"job": "é"}
    assert second.return_value["event"] == [1]
    headers = {name.lower(): value for name, value in first.return_value["headers"].items()}
    assert headers["x-scf-request-id"] == first.request_id
    assert headers["x-scf-name"] == "greeter"
    (instance,) = fn.instances
    assert instance.isolation == "container"


def test_it_has_the_variables_of_the_image_and_of_the_function(deploy: Callable[..., Function]) -> None:
    code = "def answer(r, e): r.reply(200, json.dumps(dict(os.environ)))"
    found = deploy(code, name="told", environment={"MINE": "too"}).invoke().return_value
    assert (found["OF_THE_IMAGE"], found["MINE"], found["SCF_FUNCTIONNAME"]) == ("here", "too", "told")
    assert "PYTEST_CURRENT_TEST" not in found


def test_only_tmp_can_be_written_to_and_is_the_containers_own(deploy: Callable[..., Function]) -> None:
    code = """
    def answer(request, event):
        open("/tmp/mine", "w").close()
        try:
            open("/etc/mine", "w")
        except OSError as error:
            refused = error.strerror
        request.reply(200, json.dumps([os.listdir("/tmp"), refused, os.statvfs("/tmp").f_blocks > 0]))
    """
    result = deploy(code).invoke()
    assert result.return_value == [["mine"], "Read-only file system", True], result.log


def test_graceful_termination_reaches_the_main_process(deploy: Callable[..., Function]) -> None:
    event = deploy(CATCHING, async_run=True).invoke_async()
    event.wait_for_signal_handler()
    event.wait_for_log("working")
    event.terminate(graceful=True)
    event.assert_finished("END")
    assert event.logs.platform == ["[PLATFORM] Signal received successfully"]


def test_without_a_signal_handler_the_process_exits_with_439(deploy: Callable[..., Function]) -> None:
    event = deploy(WAITING, async_run=True).invoke_async()
    event.wait_for_log("working")
    event.terminate(graceful=True)
    event.assert_failed(439)
    event.assert_repossessed()


def test_forced_termination_leaves_no_container(deploy: Callable[..., Function], docker_engine: Any) -> None:
    fn = deploy(CATCHING.replace("stop = True", "pass"), async_run=True, name="stubborn")
    event = fn.invoke_async()
    event.wait_for_log("working")
    event.terminate()
    event.assert_aborted()
    assert not event.instance.alive
    assert not [each for each in docker_engine.containers.list(all=True) if event.instance.id in each.name]


def test_a_server_that_ends_itself_has_said_what_it_said(deploy: Callable[..., Function]) -> None:
    code = 'def answer(request, event):\n    print("before the end"); os.kill(os.getpid(), signal.SIGKILL)\n'
    event = deploy(code, async_run=True).invoke_async()
    event.assert_failed(439)
    assert "before the end" in event.logs.text


def test_more_memory_than_the_limit_is_434(deploy: Callable[..., Function]) -> None:
    code = 'def answer(request, event):\n    data = bytearray(1 << 30); request.reply(200, "too much")\n'
    event = deploy(code, async_run=True, memory=64).invoke_async()
    event.assert_failed(434)


def test_a_command_that_is_not_there_is_405_and_the_log_says_so(docker_runtime: ScfRuntime, image: str) -> None:
    result = docker_runtime.deploy_image(["no-such-program"], image=image).invoke()
    assert result.status_code == 405, result.diagnosis
    assert "no-such-program" in result.log


def test_a_container_that_the_engine_refuses_is_445(docker_runtime: ScfRuntime, image: str) -> None:
    result = docker_runtime.deploy_image(image=image, cwd="not-absolute").invoke()
    assert result.status_code == 445, result.diagnosis
    assert "not-absolute" in result.error_message


def test_a_container_that_ends_while_it_starts_is_405(deploy: Callable[..., Function]) -> None:
    result = deploy(run="sys.exit('no configuration')").invoke()
    assert result.status_code == 405
    assert "no configuration" in result.log


def test_a_server_on_the_loopback_address_alone_is_446(
    docker_runtime: ScfRuntime, deploy: Callable[..., Function], time_is_up: Callable[..., None]
) -> None:
    run = "server = ThreadingHTTPServer(('127.0.0.1', 9000), Handler)\nprint('listens')\nserver.serve_forever()\n"
    event = deploy(run=run, async_run=True).invoke_async()
    event.wait_for_log("listens")
    time_is_up(docker_runtime, event)
    event.assert_failed(446)
    assert "127.0.0.1 only" in event.diagnosis


def test_a_dockerfile_is_built(docker_runtime: ScfRuntime, image: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(SERVER + RUN)
    lines = [f"FROM {image}", "ARG WHO", "WORKDIR /srv", "COPY app.py .", "RUN echo built > /srv/note"]
    (tmp_path / "Dockerfile").write_text("\n".join([*lines, 'CMD ["python3", "app.py"]']))
    result = docker_runtime.deploy_image(dockerfile=tmp_path, name="built").invoke("here")
    assert result.return_value["event"] == "here", result.log
    (tmp_path / "Dockerfile").write_text(f"FROM {image}\nRUN exit 3\n")
    with pytest.raises(UsageError, match="exit 3"):
        docker_runtime.deploy_image(dockerfile=tmp_path)


def test_what_cannot_be_is_refused_at_once(docker_runtime: ScfRuntime, image: str) -> None:
    with pytest.raises(UsageError, match=r"no image 'no/such:image'.*docker pull"):
        docker_runtime.deploy_image(image="no/such:image")
    with pytest.raises(UsageError, match="image= or dockerfile="):
        docker_runtime.deploy_image(["python", "app.py"])
    with pytest.raises(UsageError, match="host_ports"):
        docker_runtime.deploy_image(image=image, host_ports=[5432])


def test_nothing_is_left_with_the_engine(image: str, docker_engine: Any) -> None:
    with ScfRuntime(launcher="docker") as rt:
        fn = rt.deploy_image(image=image, environment={"CODE": SERVER + CATCHING + RUN}, async_run=True)
        event = fn.invoke_async()
        event.wait_for_log("working")
        (name,) = [each.name for each in docker_engine.containers.list() if event.instance.id in each.name]
        rt.close()
    assert not docker_engine.containers.list(all=True, filters={"name": name})


def test_what_a_killed_run_has_left_is_removed_by_the_next(image: str, docker_engine: Any) -> None:
    script = f"""
    import os, signal
    from pytest_scf import ScfRuntime
    rt = ScfRuntime(launcher="docker")
    fn = rt.deploy_image(image={image!r}, environment={{"CODE": {SERVER + CATCHING + RUN!r}}}, async_run=True)
    event = fn.invoke_async()
    event.wait_for_log("working")
    print(event.instance.id, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True, timeout=120
    )
    assert ran.returncode == -signal.SIGKILL
    assert [each for each in docker_engine.containers.list() if ran.stdout.strip() in each.name]
    with ScfRuntime(launcher="docker") as rt:
        rt.deploy_image(image=image)
    assert not [each for each in docker_engine.containers.list(all=True) if ran.stdout.strip() in each.name]
