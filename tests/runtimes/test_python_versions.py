"""Functions that run with another Python than the tests: the same contract, whatever the version."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_scf import ScfRuntime, UsageError
from pytest_scf.instances import interpreters
from pytest_scf.runtimes import python as python_runtime
from pytest_scf.runtimes import sdk, wire

OWN = f"{sys.version_info[0]}.{sys.version_info[1]}"
VERSIONS = [f"3.{minor}" for minor in range(6, 15) if f"3.{minor}" != OWN]
#: one that is about as new as the tests' own
ANOTHER = "3.12" if OWN != "3.12" else "3.11"

CONTRACT = """
import json
import os
import signal
import sys
import time

print("loading")
stop = []


def on_signal(number, frame):
    print("signal handler")
    stop.append(number)


def main_handler(event, context):
    if event == "facts":
        return {
            "version": list(sys.version_info[:2]),
            "executable": sys.executable,
            "path": sys.path,
            "environ": dict(os.environ),
            "cwd": os.getcwd(),
            "context": sorted(context),
        }
    if event == "raise":
        raise KeyError("what")
    if event == "exit":
        sys.exit(0)
    if event == "catch":
        signal.signal(signal.SIGTERM, on_signal)
    print("working")
    while not stop:
        time.sleep(0.01)
    return "END"
"""


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> Any:
    try:
        interpreters.find_python(request.param)
    except UsageError as error:
        pytest.skip(str(error))
    return request.param


@pytest.mark.parametrize(
    ("version", "each_level"),
    [*((version, "namespaces") for version in VERSIONS), ("3.6", "directory"), (ANOTHER, "directory")],
    indirect=True,
)
def test_the_same_contract_holds(version: Any, each_level: Any) -> None:
    fn = each_level.deploy(CONTRACT, python=version, async_run=True, environment={"ANSWER": "42"})

    facts = fn.invoke_async("facts").wait()
    facts.assert_finished()
    found = facts.return_value
    assert ".".join(map(str, found["version"])) == version
    assert found["path"][:2] == [found["cwd"], "/opt"]
    assert found["environ"]["SCF_RUNTIME"] == f"Python{version}"
    assert found["environ"]["PATH"].split(":")[0] == str(Path(found["executable"]).parent)
    assert found["environ"]["ANSWER"] == "42"
    # Nothing of the test's interpreter: its packages are for another version.
    assert not [place for place in found["path"] if place.startswith(sys.prefix + "/lib")]
    assert len(found["context"]) == 11
    assert next(line.text for line in facts.logs.lines if line.source == "Custom") == "loading"

    raised = fn.invoke_async("raise")
    raised.assert_failed(430)
    assert "KeyError: 'what'" in raised.error_message
    assert "python.py" not in raised.error_message

    fn.invoke_async("exit").assert_failed(439)

    caught = fn.invoke_async("catch")
    caught.wait_for_signal_handler()
    caught.terminate(graceful=True)
    caught.assert_finished("END")
    assert "signal handler" in caught.logs.text
    assert "on_signal, registered at index.py:" in caught.diagnosis

    again = each_level.deploy(CONTRACT, python=version, async_run=True)
    unhandled = again.invoke_async("work")
    unhandled.wait_for_log("working")
    unhandled.terminate(graceful=True)
    unhandled.assert_failed(439)

    forced = again.invoke_async("work")
    forced.wait_for_log("working")
    forced.terminate()
    forced.assert_aborted()


@pytest.mark.usefixtures("patient_coverage")
@pytest.mark.parametrize(
    ("version", "branch"), [("3.6", ()), ("3.8", ("--cov-branch",)), (ANOTHER, ("--cov-branch",))], indirect=["version"]
)
def test_its_lines_are_counted_without_a_package_in_it(
    version: str, branch: Any, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pytest_cov")
    # Others that are installed take most of the time that pytest needs to start.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.mkdir("functions")
    (pytester.path / "functions" / "index.py").write_text(
        textwrap.dedent(
            """\
            import time


            def numbers():
                for each in range(3):
                    yield each


            def main_handler(event, context):
                if event == "never":
                    return "not this"
                total = sum(numbers())
                if event == "wait":
                    print("waiting") or time.sleep(3600)
                return total
            """
        )
    )
    pytester.makepyfile(
        f"""
        def test_counted(scf_runtime):
            fn = scf_runtime.deploy("functions", python={version!r}, async_run=True)
            fn.invoke_async("go").assert_finished(3)
            event = fn.invoke_async("wait")
            event.wait_for_log("waiting")
            event.terminate()
        """
    )
    plugins = (f"-p{name}" for name in ("scf", "timeout", "pytest_cov", "no:cacheprovider"))
    arguments = (*plugins, "--cov=functions", "--cov-report=term-missing")
    result = pytester.runpytest_subprocess(*arguments, *branch, timeout=120)
    result.assert_outcomes(passed=1)
    # All else that ran did so in both ways.
    assert result.stdout.str().split("functions/index.py")[1].split("%")[1].splitlines()[0].strip() == "11"


@pytest.mark.parametrize("runtime", [python_runtime, sdk, wire], ids=lambda module: module.__name__.rpartition(".")[2])
def test_what_runs_inside_is_python_3_6(runtime: Any) -> None:
    ast.parse(Path(runtime.__file__).read_text(), feature_version=(3, 6))


def test_the_tests_own_version_is_the_tests_own_interpreter(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    runtime = scf_runtime_of("directory")
    source = "import sys\n\ndef main_handler(event, context):\n    return [sys.prefix, list(sys.version_info[:2])]\n"
    for wanted in (OWN, f"Python{OWN}", sys.executable, None):
        assert runtime.deploy(source, python=wanted).invoke().return_value == [
            sys.prefix,
            list(sys.version_info[:2]),
        ]


def test_an_interpreter_is_named_by_its_path(each_level: ScfRuntime, tmp_path: Path) -> None:
    """That of a virtual environment of its own, below /tmp as tests have it, which finds what is installed there."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    place = next((tmp_path / "env" / "lib").glob("python3.*")) / "site-packages"
    (place / "only_here.py").write_text("answer = 42\n")
    source = "import sys, only_here\n\ndef main_handler(event, context):\n    return [sys.prefix, only_here.answer]\n"
    fn = each_level.deploy(source, python=tmp_path / "env" / "bin" / "python")
    assert fn.invoke().return_value == [str(tmp_path / "env"), 42]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("3.5", "Python 3.5 is not run here"),
        ("no-such-python", "there is no 'no-such-python' that can be executed"),
        ("/bin/ls", "/bin/ls cannot run functions: asked for its version it ended with exit status"),
        ("/bin/true", "/bin/true is no Python: asked for its version it said ''"),
        (3.12, "python must be a version, as text"),
    ],
)
def test_one_that_cannot_be_had_is_refused_at_once(
    scf_runtime_of: Callable[..., ScfRuntime], wanted: Any, said: str
) -> None:
    runtime = scf_runtime_of("directory")
    with pytest.raises(UsageError, match=said):
        runtime.deploy(CONTRACT, python=wanted)


def test_one_that_is_older_or_broken_says_so(
    scf_runtime_of: Callable[..., ScfRuntime], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = scf_runtime_of("directory")
    for name, prints in (
        ("python3.14", 'echo "no stdlib" >&2; exit 1'),
        ("python3.5", "echo '[\"/x\", [3, 5, 1], []]'"),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{prints}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"no python3\.14 on PATH that starts(?s:.)*said 'no stdlib'"):
        runtime.deploy(CONTRACT, python="3.14.99")
    with pytest.raises(UsageError, match=r"python3\.5 is Python 3\.5\.1: functions run with Python 3\.6 or later"):
        runtime.deploy(CONTRACT, python=tmp_path / "python3.5")


def test_a_runtime_by_the_clouds_name_asks_for_its_version(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    runtime = scf_runtime_of("directory")
    source = "import os\n\ndef main_handler(event, context):\n    return os.environ['SCF_RUNTIME']\n"
    assert runtime.deploy(source, runtime=f"Python{OWN}").invoke().return_value == f"Python{OWN}"
    assert runtime.deploy(source).invoke().return_value == f"Python{OWN}"
    assert runtime.deploy(source, runtime="Python3.99", python=OWN).invoke().return_value == "Python3.99"
    with pytest.raises(UsageError, match=r"runtime 'Python3\.99': there is no Python 3\.99(?s:.)*give python= too"):
        runtime.deploy(source, runtime="Python3.99")
    with pytest.raises(UsageError, match="there is no runtime 'Cobol74' here"):
        runtime.deploy(source, runtime="Cobol74")
