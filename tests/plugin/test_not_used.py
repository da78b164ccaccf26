from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

ASK = """
    import sys

    def test_own():
        loaded = [name for name in sys.modules if name.startswith("pytest_scf.")]
        others = {name for name in loaded if not name.startswith("pytest_scf.plugin")}
        assert others <= {"pytest_scf.facts"}  # a leaf: names and numbers
        heavy = ["pytest_scf.facade", "pytest_scf.contract", "pytest_scf.platform", "pytest_scf.instances"]
        assert not set(heavy) & set(sys.modules)

    def test_failing():
        assert "FINISHED" == "FAILED"
"""


@pytest.mark.parametrize("arguments", [[], ["-n", "1"], ["--scf-isolation=directory"]])
def test_a_run_that_does_not_use_the_fixtures_loads_none_of_the_machinery(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester, arguments: Any
) -> None:
    pytester.makepyfile(ASK)
    result = run(*arguments)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.no_fnmatch_line("*scf events*")
