"""The directories for code that was not given as one: who may write to them, and when they go."""

from __future__ import annotations

import base64
import io
import os
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pytest_scf import ScfRuntime, UsageError
from pytest_scf.errors import ScfError
from pytest_scf.platform.staging import Staging, StagingArea

DEADLINE = 60


def test_what_a_block_that_raises_has_made_is_removed(tmp_path: Path) -> None:
    area = StagingArea(lambda: tmp_path)
    with area.writing() as staging:
        kept = staging.new()
    with pytest.raises(ZeroDivisionError), area.writing() as staging:
        (staging.new() / "file").write_text("x")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == [kept]


def test_what_nothing_uses_is_removed_but_never_while_something_is_being_written(tmp_path: Path) -> None:
    area = StagingArea(lambda: tmp_path)
    with area.writing() as staging:
        used, unused = staging.new(), staging.new()
    (used / "code").mkdir()
    with area.writing() as staging:
        written = staging.new()
        area.retain(lambda: [used / "code"])
        assert {used, unused, written} == set(tmp_path.iterdir())
    assert [used] == list(tmp_path.iterdir())


def test_a_close_ends_what_is_being_written_and_waits_for_it(tmp_path: Path) -> None:
    area = StagingArea(lambda: tmp_path)
    begun = threading.Event()
    ended: list[BaseException] = []

    def write() -> None:
        try:
            with area.writing() as staging:
                directory = staging.new()
                for number in range(10**9):
                    staging.check()
                    (directory / str(number % 100)).write_text("x")
                    begun.set()
        except UsageError as error:
            ended.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    assert begun.wait(DEADLINE)
    area.close()
    assert list(tmp_path.iterdir()) == []
    writer.join(DEADLINE)
    assert "this ScfRuntime is closed" in str(ended[0])
    with pytest.raises(UsageError):
        area.new()
    with pytest.raises(UsageError), area.writing():
        pass


def test_a_directory_above_that_a_cleaner_has_taken_is_made_anew(tmp_path: Path) -> None:
    area = StagingArea(lambda: tmp_path / "gone")
    with area.writing() as staging:
        assert staging.new().is_dir()


def zipped(files: dict[str, str]) -> str:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return base64.b64encode(content.getvalue()).decode()


def staged(runtime: ScfRuntime) -> set[str]:
    base = runtime._platform.base_dir
    return {name for name in os.listdir(base) if name.startswith("code-")} if base.exists() else set()


@pytest.mark.parametrize("publish", [False, True], ids=["unpacked", "copied"])
def test_code_that_is_being_written_when_the_runtime_is_closed(publish: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = ScfRuntime(isolation="directory")
    many = {f"d{number % 5}/f{number}": "x" for number in range(200)}
    code = {"ZipFile": zipped({"index.py": "def main_handler(event, context):\n    return 1\n", **many})}

    def create() -> None:
        runtime.api.call("CreateFunction", {"FunctionName": "many", "Code": code})

    try:
        call = create
        if publish:
            create()

            def call() -> None:
                runtime.api.call("PublishVersion", {"FunctionName": "many"})

        before, begun, said = staged(runtime), threading.Event(), []
        check = Staging.check

        def check_slowly(staging: Staging) -> None:
            """The first files are written, and the next ones no faster than the runtime is closed."""
            check(staging)
            new = [runtime._platform.base_dir / name for name in staged(runtime) - before]
            if sum(len(names) for path in new for _, _, names in os.walk(path)) >= 50:
                begun.set()
                deadline = time.monotonic() + DEADLINE
                while time.monotonic() < deadline:
                    check(staging)
                    time.sleep(0.002)

        def run() -> None:
            try:
                call()
            except ScfError as error:
                said.append(str(error))

        monkeypatch.setattr(Staging, "check", check_slowly)
        thread = threading.Thread(target=run)
        thread.start()
        assert begun.wait(DEADLINE)
    finally:
        runtime.close()
    assert staged(runtime) == set()
    thread.join(DEADLINE)
    assert len(said) == 1
    assert "this ScfRuntime is closed" in said[0]
    assert staged(runtime) == set()


def test_the_directories_of_code_that_is_no_longer_there_go(scf_runtime: ScfRuntime) -> None:
    def call(action: str, **params: Any) -> None:
        scf_runtime.api.call(action, {"FunctionName": "worker", **params})

    before = staged(scf_runtime)
    text = "def main_handler(event, context):\n    return {}\n"
    call("CreateFunction", Code={"ZipFile": zipped({"index.py": text.format(1)})})
    first = staged(scf_runtime) - before
    call("PublishVersion")
    call("UpdateFunctionCode", Code={"ZipFile": zipped({"index.py": text.format(2)})})
    kept = staged(scf_runtime) - before
    assert len(kept) == 2  # of version 1, which has a copy of its own, and of $LATEST
    assert not first & kept
    call("UpdateFunctionConfiguration", Timeout=7)
    assert staged(scf_runtime) - before == kept
    call("DeleteFunction", Qualifier="1")
    assert len(staged(scf_runtime) - before) == 1
    call("DeleteFunction")
    assert staged(scf_runtime) == before


def test_code_that_cannot_be_taken_leaves_no_directory(scf_runtime: ScfRuntime) -> None:
    before = staged(scf_runtime)
    for code in (zipped({"index.py": "x", "index.py/x": "x"}), "aGVsbG8="):
        with pytest.raises(ScfError, match="ZipFile"):
            scf_runtime.api.call("CreateFunction", {"FunctionName": "worker", "Code": {"ZipFile": code}})
    assert staged(scf_runtime) == before
