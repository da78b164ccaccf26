"""Set-up: what a test has run in each instance before the function's own code."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
from present import present

from pytest_scf import ScfRuntime, UsageError

VALUE = 42
SOURCE = """
import cloud_only

print("loaded with", cloud_only.answer)


def main_handler(event, context):
    cloud_only.answer += 1
    return cloud_only.answer
"""


def fake_module() -> None:
    print("setting up")
    module = types.ModuleType("cloud_only")
    module.answer = VALUE  # type: ignore[attr-defined]
    sys.modules["cloud_only"] = module


def test_a_function_of_the_tests_module_is_run_before_the_code(each_way: ScfRuntime) -> None:
    fn = each_way.deploy(SOURCE, setup=fake_module)
    first = fn.invoke()
    assert first.return_value == 43
    assert first.log.index("setting up") < first.log.index("loaded with 42")
    # Once for each instance.
    assert fn.invoke().return_value == 44


def test_a_file_is_run(each_way: ScfRuntime, tmp_path: Path) -> None:
    file = tmp_path / "patches.py"
    file.write_text("import sys, types\nsys.modules['cloud_only'] = types.SimpleNamespace(answer=1)\n")
    assert each_way.deploy(SOURCE, setup=file).invoke().return_value == 2


def test_it_goes_together_with_stand_ins(each_way: ScfRuntime) -> None:
    fn = each_way.deploy(
        "def helper():\n    pass\n" + SOURCE.replace("return ", "return helper(), "), setup=fake_module
    )
    fn.stub("index.helper").return_value = "stood in"
    assert fn.invoke().return_value == ["stood in", 43]


def broken() -> None:
    raise LookupError("nothing to patch")


def test_one_that_fails_ends_the_event_and_says_why(each_way: ScfRuntime) -> None:
    line = broken.__code__.co_firstlineno + 1
    said = rf"the set-up broken\(\) failed at test_setup\.py:{line}: LookupError: nothing to patch"
    with pytest.raises(UsageError, match=said):
        each_way.deploy(SOURCE, setup=broken).invoke()
    (event,) = each_way.invocations()
    assert event.status_code == 443
    assert "LookupError: nothing to patch" in event.error_message
    assert "in broken" in present(event.error)["stackTrace"]


def test_what_is_no_set_up_is_refused_at_once(scf_runtime_of: Callable[..., ScfRuntime], tmp_path: Path) -> None:
    rt = scf_runtime_of("directory")
    (tmp_path / "wrong.py").write_text("def (\n")
    (tmp_path / "data.txt").write_text("x")
    for given, said in [
        (7, "setup is a Python function of the test's module or a .py file, not 7"),
        (tmp_path / "no.py", "there is no file or directory"),
        (tmp_path / "data.txt", "data.txt is neither"),
        (tmp_path, "is neither"),
        (tmp_path / "wrong.py", "the set-up cannot be compiled"),
        (lambda: None, "is a lambda"),
        (test_it_goes_together_with_stand_ins, "setup is called without arguments, and .* needs each_way"),
    ]:
        with pytest.raises(UsageError, match=said):
            rt.deploy(SOURCE, setup=given)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="not for a custom runtime"):
        rt.deploy(tmp_path, runtime="CustomRuntime", setup=fake_module)


def test_with_an_interpreter_that_is_not_the_tests(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("namespaces")
    try:
        fn = rt.deploy(SOURCE, setup=fake_module, python="3.8")
    except UsageError as error:
        pytest.skip(str(error))
    assert fn.invoke().return_value == 43


def changes_the_handlers_module() -> None:
    import index  # type: ignore[import-not-found]

    index.cloud_only = None


def imports_what_is_not_there() -> None:
    import beside_the_test  # type: ignore[import-not-found]  # noqa: F401


@pytest.mark.parametrize(
    ("setup", "said"),
    [
        (
            changes_the_handlers_module,
            r"\(test_setup\.py\): it imports index, which is loaded anew .* fn\.stub\('index\.NAME'",
        ),
        (imports_what_is_not_there, r"at test_setup\.py:\d+: .*'beside_the_test' \(what it imports must be installed"),
    ],
)
def test_what_a_set_up_cannot_import(
    scf_runtime_of: Callable[..., ScfRuntime], setup: Callable[[], None], said: str
) -> None:
    fn = scf_runtime_of("directory").deploy("def main_handler(event, context):\n    return 1\n", setup=setup)
    with pytest.raises(UsageError, match=said):
        fn.invoke()
