"""Which level of isolation is in force, and what is said where it is the lesser one. The refusals are real."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_scf import ScfRuntime
from pytest_scf.instances.forkserver import linux
from pytest_scf.instances.forkserver.isolation import ISOLATIONS
from pytest_scf.instances.levels import LEVELS
from pytest_scf.plugin import options

LESSER = str(Path(__file__).with_name("lesser.py"))

SAYS = """
    import json, os, sys, warnings
    from pytest_scf import IsolationUnavailable, ScfRuntime

    def handler(event, context):
        import os
        return [os.getpid(), os.readlink("/proc/self/ns/user")]

    said = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            with ScfRuntime() as rt:
                said.append(rt.isolation)
                pid, user_namespace = rt.deploy(handler, timeout=60).invoke().return_value
        try:
            ScfRuntime(isolation="namespaces").close()
            refused = None
        except IsolationUnavailable as error:
            refused = error.reason
    print(json.dumps({
        "levels": said, "refused": refused, "warnings": [[w.category.__name__, str(w.message)] for w in caught],
        "pid": pid, "own user namespace": user_namespace != os.readlink("/proc/self/ns/user"),
    }))
"""

TESTS = """
    import pytest

    def handler(event, context):
        return "answer"

    @pytest.mark.parametrize("number", [1, 2])
    def test_any_level_will_do(scf_runtime, number):
        assert scf_runtime.deploy(handler, timeout=60).invoke().return_value == "answer"
        assert scf_runtime.isolation == "directory"

    @pytest.mark.scf(requires="namespaces")
    def test_only_the_better_one_will_do(scf_runtime):
        assert False
"""

REFUSALS = [
    ("no_user_namespaces", "user.max_user_namespaces is 0"),
    ("no_mount_of_proc", "mount proc on /proc: Operation not permitted"),
]


def lesser(how: str) -> tuple[str, ...]:
    """The command that runs Python in that way, on a machine that can."""
    command = (sys.executable, LESSER, how)
    probe = subprocess.run([*command, sys.executable, "-c", ""], capture_output=True, text=True, check=False)
    if probe.returncode == 77:
        pytest.skip(f"what is to be refused is not there in the first place: {probe.stderr.strip()}")
    assert probe.returncode == 0, probe.stderr
    return (*command, sys.executable)


def test_the_test_process_the_fork_server_and_the_options_know_the_same_levels() -> None:
    assert sorted(LEVELS) == sorted(ISOLATIONS) == sorted({*options.ISOLATION.values} - {"auto"})
    assert [level.own_network for level in LEVELS.values()] == [ISOLATIONS[name].own_network for name in LEVELS]


@pytest.mark.parametrize(("how", "reason"), REFUSALS)
def test_refused_namespaces_are_warned_of_once_and_instances_run_in_directories(
    script: Callable[..., Any], how: Any, reason: Any
) -> None:
    said = script(SAYS, command=lesser(how))
    assert said["levels"] == ["directory", "directory"]
    ((category, message),) = said["warnings"]
    assert category == "IsolationWarning"
    assert reason in message
    for what in ("/tmp", "file system", "process ids"):
        assert what in message.partition("Not isolated")[2]
    assert reason in said["refused"]


@pytest.mark.parametrize(("how", "reason"), REFUSALS)
def test_a_test_that_requires_namespaces_is_skipped_with_the_reason(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, how: Any, reason: Any
) -> None:
    # Others that are installed take most of the time that pytest needs to start.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(TESTS)
    result = pytester.run(*lesser(how), "-m", "pytest", "-pscf", "-ptimeout", "-pno:cacheprovider", "-rs", timeout=120)
    result.assert_outcomes(passed=2, skipped=1, warnings=1)
    result.stdout.fnmatch_lines_random([f"*SKIPPED*requires scf isolation level 'namespaces': *{reason}*"])
    assert result.stdout.str().count("IsolationWarning: ") == 1


def test_root_without_the_capability_gets_namespaces_by_way_of_a_user_namespace(script: Callable[..., Any]) -> None:
    if os.geteuid() != 0:
        pytest.skip("it takes root, without capabilities; this is an ordinary user, for whom it is always so")
    said = script(SAYS, command=lesser("root_without_admin"))
    if said["refused"] is not None and not can_unshare():
        pytest.skip(f"user namespaces are refused here: {said['refused']}")
    assert said["levels"] == ["namespaces", "namespaces"]
    assert said["warnings"] == []
    assert said["pid"] == 2
    assert said["own user namespace"]


def can_unshare() -> bool:
    tool = shutil.which("unshare")
    if tool is None or sys.platform != "linux":
        return False
    command = [tool, "--user", "--map-current-user", "--mount", "--pid", "--fork", "--mount-proc", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_where_the_system_allows_namespaces_they_are_used() -> None:
    """So that a mistake of ours does not pass for a refusal, and skips half of these tests."""
    if not can_unshare():
        pytest.skip("namespaces are refused here, whoever asks")
    with ScfRuntime() as rt:
        assert rt.isolation == "namespaces"


def test_capabilities_that_are_kept_are_few() -> None:
    assert 21 not in linux.KEPT_CAPABILITIES, "CAP_SYS_ADMIN would allow everything"
    assert 19 not in linux.KEPT_CAPABILITIES, "CAP_SYS_PTRACE reaches into the init"


def test_an_interpreter_that_is_called_by_a_roundabout_path_is_found_inside_too(
    script: Callable[..., Any], tmp_path: Path
) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    (tmp_path / "deep").mkdir()  # which an instance does not have below its /tmp
    program = """
        import json
        from pytest_scf import ScfRuntime

        HANDLER = '''
        import subprocess, sys
        def main_handler(event, context):
            told = subprocess.run(["python", "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True)
            return [sys.executable, told.stdout.strip() or told.stderr]
        '''
        with ScfRuntime() as rt:
            print(json.dumps(rt.deploy(HANDLER, timeout=60).invoke().return_value))
    """
    packages = [place for place in sys.path if place.endswith("site-packages")]
    found = script(
        program,
        command=(f"{tmp_path}/deep/../venv/bin/python", "-W", "ignore"),
        PYTHONPATH=os.pathsep.join([str(Path(__file__).resolve().parents[2]), *packages]),
    )
    assert found == [f"{tmp_path}/venv/bin/python", f"{tmp_path}/venv"]
