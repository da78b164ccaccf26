"""Each moment of a termination map as a subtest."""

from __future__ import annotations

import pytest

TEST = """
SOURCE = '''
import signal

def on_sigterm(number, frame):
    raise RuntimeError("stopped")

signal.signal(signal.SIGTERM, on_sigterm)

def main_handler(event, context):
    done = 0
    try:
        done += 1
    except RuntimeError:
        done = -1
    return done
'''

def test_moments(scf_runtime, subtests):
    found = scf_runtime.deploy(SOURCE, async_run=True).termination_map({})
    wrong = [each for each in found.moments if each.is_unfinished(strict=False)]
    assert 0 < len(wrong) < len(found.moments)
    print("wrong moments:", len(wrong))
    found.subtests(subtests)
"""


def test_each_moment_is_a_subtest(pytester: pytest.Pytester, pytestconfig: pytest.Config) -> None:
    if not (hasattr(pytest, "Subtests") or pytestconfig.pluginmanager.has_plugin("subtests")):
        pytest.skip("there is no fixture subtests: pytest 9 has one, and pytest-subtests")
    pytester.makepyfile(TEST)
    without = [f"-pno:{name}" for name in ("hypothesispytest", "asyncio", "anyio", "syrupy")]
    result = pytester.runpytest_subprocess(*without, "-rA", timeout=120)
    text = result.stdout.str()
    wrong = next(int(line.split()[-1]) for line in text.splitlines() if line.startswith("wrong moments:"))
    failed = [line for line in text.splitlines() if line.startswith("SUBFAILED") and "moment='index.py:" in line]
    assert len(failed) == wrong, text
