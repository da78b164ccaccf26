"""What the README shows is run: every block of Python as it stands there, and the commands by the CI."""

from __future__ import annotations

import itertools
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from present import present

ROOT = Path(__file__).resolve().parents[1]
#: what the README shows must also run where instances are isolated by directories, with a warning that says so
STRICT = (
    *("-W", "error", "-W", "ignore:instances are isolated by directories only"),
    *("-W", "ignore:datetime.datetime.utcfromtimestamp"),  # the official SDK's, from Python 3.12 on
)
_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    language: str
    file: str
    text: str


README = (ROOT / "README.md").read_text()
BLOCKS = [Block(*found) for found in _BLOCK.findall(README)]
PYTHON = [block for block in BLOCKS if block.language == "python"]
TESTS = [block for block in PYTHON if Path(block.file).name.startswith("test_")]
SCRIPTS = [block for block in PYTHON if not block.file]
#: how many runs of pytest the blocks of tests are shared out to
PARTS = 4
COMMANDS = [line for block in BLOCKS if block.language == "console" for line in block.text.splitlines()]


def test_every_fence_is_a_block_that_is_understood() -> None:
    assert README.count("\n```") == 2 * len(BLOCKS)
    assert {block.language for block in BLOCKS} == {"python", "console", "text"}
    assert len(TESTS) >= 4


def test_what_pypi_shows_of_it_has_the_names_of_files_and_links_that_lead_somewhere() -> None:
    for block in PYTHON:
        if block.file:  # the fence has the name too, which no page shows
            assert f"\n`{block.file}`:\n\n```python {block.file}\n" in README
    here = re.findall(r'^Source = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[0]
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if target.startswith("#"):
            headings = re.findall(r"^#+ (.+)$", README, re.MULTILINE)
            assert target[1:] in {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}
        else:
            assert re.match(rf"{re.escape(here)}/(blob|tree)/main/", target), target
            assert (ROOT / target.partition("/main/")[2]).exists(), target


@pytest.mark.parametrize("blocks", [TESTS[start::PARTS] for start in range(PARTS)], ids=range(PARTS))
def test_blocks_of_tests_pass_beside_the_other_files(pytester: pytest.Pytester, blocks: list[Block]) -> None:
    for each in [*blocks, *(block for block in PYTHON if block.file and block not in TESTS)]:
        path = pytester.path / each.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(each.text)
    result = pytester.runpytest_subprocess(
        *STRICT,
        *("--strict-markers", "--scf-left-running=error", "-p", "no:cacheprovider", "-p", "no:asyncio"),
        *("-p", "no:anyio", "-p", "no:hypothesispytest", "-p", "no:syrupy"),
        timeout=120,
    )
    outcomes = result.parseoutcomes()
    assert set(outcomes) <= {"passed", "skipped"}
    assert sum(outcomes.values()) == sum(block.text.count("def test_") for block in blocks)


@pytest.mark.parametrize("block", SCRIPTS, ids=range(len(SCRIPTS)))
def test_a_block_without_a_name_is_a_script_that_runs(tmp_path: Path, block: Any) -> None:
    ran = subprocess.run(
        [sys.executable, *STRICT, "-c", block.text], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == "2\n"


def test_the_first_command_installs_and_runs_the_examples_and_the_second_the_tests_and_ci_runs_both() -> None:
    assert COMMANDS[:2] == ["pip install -e '.[dev]' && pytest examples", "pytest"]
    script = (ROOT / ".ci" / "run").read_text()
    assert COMMANDS[0] in script
    assert re.search(r"^\s*pytest$", script, re.MULTILINE)


def test_the_settings_and_fixtures_and_options_are_all_described() -> None:
    from dataclasses import fields

    from pytest_scf.platform.settings import Settings
    from pytest_scf.plugin import options

    described = set(re.findall(r"`([\w-]+)`", "\n".join(re.findall(r"^\| (`.*?) \|", README, re.MULTILINE))))
    assert {field.name for field in fields(Settings)} <= described
    for choice in (options.ARTIFACTS, options.ISOLATION, options.LEFT_RUNNING, options.RATE_LIMIT):
        assert f"`{choice.option}=" in README
        assert f"`{choice.ini}`" in README


def test_the_arguments_of_deploy_are_described_with_their_defaults() -> None:
    import inspect

    from pytest_scf import ScfRuntime

    for name, parameter in inspect.signature(ScfRuntime.deploy).parameters.items():
        if name in ("self", "source"):
            continue
        row = re.search(rf"^\| `{name}` \| (.*?) \|", README, re.MULTILINE)
        assert row, f"{name} is not in the README"
        if parameter.default not in (None, {}):
            assert row[1].strip("`") == str(parameter.default)


def test_the_command_that_serves_is_one_that_runs(tmp_path: Path) -> None:
    (command,) = [line for line in COMMANDS if line.startswith("python -m pytest_scf serve functions ")]
    (tmp_path / "functions" / "worker").mkdir(parents=True)
    (tmp_path / "functions" / "worker" / "index.py").write_text("def main_handler(event, context):\n    return event\n")
    arguments = [*shlex.split(command)[1:], "--port=0"]
    for more in re.findall(r"`(--set [^`]+)`", README):
        arguments += shlex.split(more.replace("NAME", "worker").replace("handler=app.main", ""))
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", *arguments], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    try:
        printed = list(itertools.takewhile(lambda line: not line.startswith("ready"), present(process.stdout)))
        assert printed[-1] == "function worker: functions/worker, index.main_handler, asynchronous execution\n"
    finally:
        process.terminate()
        assert process.communicate(timeout=120)[0] == "SIGTERM: closing\nclosed\n"
    assert process.returncode == 0
