"""``--scf-live``: log lines on the terminal as they come."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

DEADLINE = 90
TEST = '''
SOURCE = """
import sys, time

def main_handler(event, context):
    sys.stdout.write("1 of 2\\\\rbe")
    sys.stdout.flush()
    time.sleep(0.05)
    sys.stdout.write("gun " + event["name"] + "\\\\n" + "unfinished")
    sys.stdout.flush()
    if event["name"] == "held":
        time.sleep(3600)
"""

def test_two(scf_runtime):
    fn = scf_runtime.deploy(SOURCE, name="worker", async_run=True)
    print("captured")
    held = fn.invoke_async({"name": "held"})
    held.wait_for_log("begun held")
    fn.invoke_async({"name": "short"}).wait()
    %s
    held.terminate()
    held.wait()
'''
LINE = r"(?m)^worker [0-9a-f]{8} \| "


@pytest.mark.parametrize("capturing", ["fd", "sys", "no"])
def test_whole_lines_are_shown_with_function_and_event(
    pytester: pytest.Pytester, arguments: tuple[str, ...], capturing: str
) -> None:
    pytester.makepyfile(TEST % "")
    result = pytester.runpytest_subprocess(*arguments, "--scf-live", f"--capture={capturing}", timeout=DEADLINE)
    result.assert_outcomes(passed=1)
    text = result.stdout.str()
    names = set(re.findall(LINE.replace("[0-9a-f]{8}", "([0-9a-f]{8})"), text))
    assert len(names) == 2
    for name in ("held", "short"):
        assert len(re.findall(LINE + f"begun {name}$", text)) == 1
    assert len(re.findall(LINE + "unfinished$", text)) == 2, "a last line without an end is shown when the event ends"
    assert ("captured" in text) == (capturing == "no")


def test_they_are_shown_while_the_test_runs(pytester: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    pytester.makepyfile(TEST % "import pathlib, time\n    while not pathlib.Path('seen').exists(): time.sleep(0.01)")
    command = [sys.executable, "-m", "pytest", *arguments, "--scf-live"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if re.match(LINE + "begun short$", line):
                (pytester.path / "seen").touch()
        assert run.wait(DEADLINE) == 0


def test_without_the_option_and_in_a_worker_nothing_is_shown(
    pytester: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    pytester.makepyfile(TEST % "")
    for more in ((), ("--scf-live", "-n", "1")):
        result = pytester.runpytest_subprocess(*arguments, *more, timeout=DEADLINE)
        result.assert_outcomes(passed=1)
        assert "begun" not in result.stdout.str()
