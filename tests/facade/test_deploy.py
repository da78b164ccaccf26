from __future__ import annotations

import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from present import present

from pytest_scf import Function, ScfRuntime, UsageError

HANDLER = "def main_handler(event, context):\n    return [__file__, event]\n"
OFFSET = 10


def add(event, context):
    return event + OFFSET


@pytest.fixture
def here(each_level: ScfRuntime, tmp_path: Path) -> ScfRuntime:
    """A runtime of each level, which looks for code in the test's own directory."""
    each_level.base_dirs = [tmp_path]
    return each_level


def test_every_form_of_source_runs(here: ScfRuntime, tmp_path: Path) -> None:
    (tmp_path / "worker").mkdir()
    (tmp_path / "worker" / "index.py").write_text(HANDLER)
    (tmp_path / "single.py").write_text(HANDLER)
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        archive.writestr("index.py", HANDLER)
    for source, name, file in [
        ("worker", "worker", "index.py"),
        (tmp_path / "worker", "worker-2", "index.py"),
        ("single.py", "single", "single.py"),
        ("packed.zip", "packed", "index.py"),
        (HANDLER, "function", "index.py"),
    ]:
        fn = here.deploy(source)
        assert fn.name == name
        value = fn.invoke({"a": 1}).return_value
        assert value[0].endswith("/" + file)
        assert value[1] == {"a": 1}
    fn = here.deploy(add)
    assert fn.name == "add"
    assert fn.invoke(5).return_value == 15


def test_tracebacks_of_a_function_name_its_own_lines(here: ScfRuntime) -> None:
    line = add.__code__.co_firstlineno + 1
    assert f'index.py", line {line}, in add' in present(here.deploy(add).invoke("text").error)["stackTrace"]


def test_settings_reach_the_function(here: ScfRuntime) -> None:
    fn = here.deploy(
        "import os\ndef main_handler(event, context):\n    return dict(context, A=os.environ['A'])\n",
        name="settings",
        timeout=7,
        memory=64,
        environment={"A": "1"},
        namespace="other",
    )
    value = fn.invoke().return_value
    assert value["function_name"] == "settings"
    assert value["namespace"] == "other"
    assert value["memory_limit_in_mb"] == 64
    assert value["time_limit_in_ms"] == 7000
    assert value["A"] == "1"
    assert fn.namespace == "other"
    assert repr(fn) == "<Function settings in namespace other>"


def test_defaults(here: ScfRuntime) -> None:
    plain, asynchronous = here.deploy(HANDLER).config, here.deploy(HANDLER, async_run=True).config
    assert (plain.timeout, plain.memory, plain.init_timeout, plain.namespace) == (3, 128, 65, "default")
    assert (plain.async_run, plain.trace, plain.max_instances) == (False, True, None)
    assert asynchronous.timeout == 86400
    assert (plain.name, asynchronous.name) == ("function", "function-2")


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("9 lives!.py", "lives"),
        ("x.py", "function-x"),
        ("_.py", "function"),
        ("wörk_er-.py", "w-rk_er"),
        ("a" * 100 + ".py", "a" * 54),
    ],
)
def test_default_names_are_made_valid(here: ScfRuntime, tmp_path: Path, file: str, name: str) -> None:
    (tmp_path / file).write_text(HANDLER)
    assert here.deploy(file).name == name
    assert here.deploy(file).name == name + "-2"


def test_a_name_that_is_taken(here: ScfRuntime) -> None:
    here.deploy(HANDLER, name="worker")
    here.deploy(HANDLER, name="worker", namespace="other")
    with pytest.raises(UsageError, match="there is a function 'worker' in namespace 'default' already"):
        here.deploy(HANDLER, name="worker")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "a"}, "name must have 2 to 60 characters; 'a' has 1"),
        ({"name": "a b"}, "name must begin with a letter"),
        ({"namespace": ""}, "namespace must have 1 to 60 characters"),
        ({"handler": "main_handler"}, "handler must be 'file.function'"),
        ({"memory": 100}, "memory must be 64, or 128 to 3072 in steps of 128 (MB); got 100"),
        ({"timeout": 0}, "timeout must be 1 to 900 seconds; got 0"),
        ({"timeout": 901}, "timeout must be 1 to 900 seconds; got 901 (with asynchronous execution up to 86400)"),
        ({"timeout": 86401, "async_run": True}, "timeout must be 1 to 86400 seconds; got 86401"),
        ({"timeout": 2.5}, "timeout must be an int, 1 to 900 seconds; got 2.5 of type float"),
        ({"init_timeout": 301}, "init_timeout must be 1 to 300 seconds; got 301"),
        ({"init_timeout": None}, "init_timeout must be an int"),
        ({"environment": {"SCF_A": "1"}}, "environment must not set SCF_A"),
        ({"environment": {"A": 1}}, "environment must have values of type str; A is 1 of type int"),
        ({"environment": {"A-B": "1"}}, "environment must have keys of letters"),
        ({"async_run": "TRUE"}, "async_run must be True or False, not 'TRUE'"),
        ({"trace": None}, "trace must be True or False, not None"),
        ({"max_instances": 0}, "max_instances must be an int of at least 1, not 0"),
    ],
)
def test_bad_input_is_refused_before_anything_is_made(given: Any, said: str) -> None:
    with ScfRuntime(isolation="directory") as rt:
        with pytest.raises(UsageError) as caught:
            rt.deploy(HANDLER, **given)
        assert said in str(caught.value)
        assert rt.deploy(HANDLER).name == "function"


def test_what_was_staged_goes_with_the_runtime(tmp_path: Path) -> None:
    with ScfRuntime(isolation="directory") as rt:
        fn = rt.deploy(HANDLER)
        root = fn.config.code_root
        assert (root / "index.py").exists()
    assert not root.exists()


def test_a_deployed_directory_is_not_written_to_and_stays(here: ScfRuntime, tmp_path: Path) -> None:
    (tmp_path / "worker").mkdir()
    (tmp_path / "worker" / "index.py").write_text(HANDLER)
    here.deploy("worker").invoke()
    here.close()
    assert [path.name for path in (tmp_path / "worker").iterdir()] == ["index.py"]


def test_base_directories_may_be_set_at_any_time(here: ScfRuntime, tmp_path: Path) -> None:
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "single.py").write_text(HANDLER)
    with pytest.raises(UsageError, match=f"Looked for:\n  {tmp_path}/single.py"):
        here.deploy("single.py")
    here.base_dirs = [tmp_path / "later"]
    assert isinstance(here.deploy("single.py"), Function)


def test_settings_that_are_none() -> None:
    with pytest.raises(UsageError, match="'isolatoin' is not a setting; the settings are isolation, "):
        ScfRuntime(isolatoin="auto")
    with pytest.raises(UsageError, match="isolation must be one of 'auto', 'namespaces', 'directory', not 'chroot'"):
        ScfRuntime(isolation="chroot")


def test_what_is_being_deployed_outlives_the_deletion_of_other_functions(scf_runtime: ScfRuntime) -> None:
    """Deleting one removes the staged code that nobody needs: that of a function which is not there yet stays."""
    failures: list[BaseException] = []
    over = threading.Event()

    def delete_others() -> None:
        try:
            while not over.is_set():
                other = scf_runtime.deploy("def main_handler(event, context):\n    return 0\n")
                scf_runtime.api.call("DeleteFunction", {"FunctionName": other.name})
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=delete_others)
    thread.start()
    try:
        for number in range(100):
            fn = scf_runtime.deploy(f"def main_handler(event, context):\n    return {number}\n", name=f"fn-{number}")
            assert (fn.config.code_root / "index.py").exists()
    finally:
        over.set()
        thread.join()
    assert not failures
