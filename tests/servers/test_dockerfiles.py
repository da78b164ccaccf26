"""Image functions from a Dockerfile: what suffices is run, what does not is an error that names the line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_scf import Function, ScfRuntime, UsageError

TELL = """
def answer(request, event):
    names = ("LEVEL", "PATH_TO_IT", "PLAIN", "QUOTED", "FROM_ARG", "ESCAPED")
    request.reply(200, json.dumps({"cwd": os.getcwd(), "argv": sys.argv[1:], "files": sorted(os.listdir()),
                                   "pid": os.getpid(), **{name: os.environ.get(name) for name in names}}))
"""


@pytest.fixture
def deploy(isolated: ScfRuntime, server: Callable[..., Path]) -> Callable[..., Function]:
    """Deploy a Dockerfile beside ``app.py`` and some files."""

    def deploy(text: str, **more: Any) -> Function:
        directory = server(TELL)
        (directory / "conf").mkdir()
        (directory / "conf" / "a.ini").write_text("a")
        (directory / "Dockerfile").write_text(text)
        return isolated.deploy_image(dockerfile=directory, **more)

    return deploy


def test_the_usual_one(deploy: Callable[..., Function]) -> None:
    fn = deploy(
        """\
# syntax=docker/dockerfile:1
FROM python:3.9-slim
ARG LEVEL=debug
LABEL maintainer="nobody"
ENV LEVEL=$LEVEL PATH_TO_IT="${PWD:-/usr/src}/it" ESCAPED=\\$HOME
ENV PLAIN a plain   text
ENV QUOTED='two words' \\
    FROM_ARG=${LEVEL:+set}
WORKDIR /usr/src/app
COPY . .
EXPOSE 9000
CMD ["python", "app.py", "--fast"]
"""
    )
    result = fn.invoke()
    assert result.status_code == 200, result.log
    found = result.return_value
    assert found["cwd"] == "/usr/src/app"
    assert found["argv"] == ["--fast"]
    assert found["files"] == ["Dockerfile", "app.py", "conf"]
    assert (found["LEVEL"], found["PATH_TO_IT"]) == ("debug", "/usr/src/it")
    assert (found["PLAIN"], found["QUOTED"], found["FROM_ARG"]) == ("a plain   text", "two words", "set")
    assert found["ESCAPED"] == "$HOME"


def test_entrypoint_with_cmd_and_files_that_are_copied_one_by_one(deploy: Callable[..., Function]) -> None:
    fn = deploy(
        """\
FROM python:3.9
COPY app.py /srv/it/main.py
COPY ["conf/a.ini", "conf", "/srv/it/settings/"]
WORKDIR /srv
WORKDIR it
ENTRYPOINT ["python", "main.py"]
CMD ["--default"]
"""
    )
    found = fn.invoke().return_value
    assert (found["cwd"], found["argv"]) == ("/srv/it", ["--default"])
    assert found["files"] == ["main.py", "settings"]


def test_a_command_without_brackets_is_run_by_a_shell_which_gets_the_signal(deploy: Callable[..., Function]) -> None:
    fn = deploy(
        "FROM x\nWORKDIR /app\nCOPY app.py .\nCMD python app.py $LEVEL; true\n",
        environment={"LEVEL": "high"},
        async_run=True,
    )
    event = fn.invoke_async()
    event.wait()
    assert event.return_value["argv"] == ["high"]
    assert event.return_value["pid"] != 2


def test_the_functions_environment_goes_before_the_images(deploy: Callable[..., Function]) -> None:
    fn = deploy(
        'FROM x\nENV LEVEL=low\nWORKDIR /app\nCOPY . /app\nCMD ["python", "app.py"]\n', environment={"LEVEL": "high"}
    )
    assert fn.invoke().return_value["LEVEL"] == "high"


def test_the_copied_tree_cannot_be_written_to(
    deploy: Callable[..., Function], isolated: ScfRuntime, server: Callable[..., Path]
) -> None:
    directory = server(
        """
        def answer(request, event):
            problems = []
            for path in ("/app/new", "/new", "/usr/new"):
                try:
                    open(path, "w")
                except OSError as error:
                    problems.append(error.strerror)
            request.reply(200, json.dumps(problems))
        """
    )
    (directory / "Dockerfile").write_text('FROM x\nWORKDIR /app\nCOPY . .\nCMD ["python", "app.py"]\n')
    result = isolated.deploy_image(dockerfile=directory / "Dockerfile").invoke()
    assert result.return_value == ["Read-only file system"] * 3, result.log


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("FROM x\n\nRUN pip install flask\nCMD a\n", r"line 3: RUN changes the image.*ignored=\['RUN'\]"),
        ("FROM x\nUSER app\nCMD a\n", r"line 2: USER changes the image.*ignored=\['USER'\]"),
        ("FROM x AS build\nFROM y\nCMD a\n", "line 2: FROM begins a second stage"),
        ("FROM x\nCOPY --from=build /a /b\nCMD a\n", "line 2: COPY has --from=build"),
        ("FROM x\nCOPY nothing /b\nCMD a\n", "line 2: COPY names 'nothing'"),
        ("FROM x\nCOPY ../../etc /b\nCMD a\n", "line 2: COPY names '../../etc'"),
        ("FROM x\nADD https://example.com/a /b\nCMD a\n", "line 2: ADD fetches"),
        ("FROM x\nCMD [python]\n", "line 2: CMD is not the JSON list"),
        ("FROM x\nCOPY app.py /etc/\nCMD a\n", "copies to /etc"),
        ("FROM x\nENV A=1 B\nCMD a\n", "line 2: ENV has 'B'"),
        ("FROM x\nWORKDIR /app\n", "neither CMD nor ENTRYPOINT"),
    ],
)
def test_what_does_not_suffice_is_an_error_that_names_the_line(
    deploy: Callable[..., Function], text: str, problem: str
) -> None:
    with pytest.raises(UsageError, match=problem):
        deploy(text)


def test_instructions_may_be_ignored(deploy: Callable[..., Function]) -> None:
    text = 'FROM x\nRUN pip install flask\nUSER app\nWORKDIR /app\nCOPY . .\nCMD ["python", "app.py"]\n'
    assert deploy(text, ignored=["RUN", "user"]).invoke().return_value["cwd"] == "/app"


def test_a_dockerfile_that_is_not_there(isolated: ScfRuntime, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no 'no/Dockerfile'"):
        isolated.deploy_image(dockerfile="no/Dockerfile")
    with pytest.raises(UsageError, match="WORKDIR"):
        isolated.deploy_image(dockerfile=tmp_path, cwd=tmp_path)


def test_the_directory_level_cannot_move_directories(scf_runtime_of: Callable[..., ScfRuntime], tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM x\nWORKDIR /app\nCMD {json.dumps(['python', 'app.py'])}\n")
    with pytest.raises(UsageError, match="namespaces level"):
        scf_runtime_of("directory").deploy_image(dockerfile=tmp_path)
