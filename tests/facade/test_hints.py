"""Common mistakes: the diagnosis says what is wrong, where, and what to do."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_scf import InvokeResult, ScfRuntime, UsageError
from pytest_scf.facade import builtin_modules


@pytest.fixture
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "functions" / "worker").mkdir(parents=True)
    return tmp_path / "functions"


@pytest.fixture
def runtime(functions: Path) -> Iterator[Any]:
    with ScfRuntime(isolation="directory") as runtime:
        yield runtime


def called(runtime: ScfRuntime, code: str, event: object = None, **options: Any) -> InvokeResult:
    Path("functions/worker/index.py").write_text(textwrap.dedent(code))
    return runtime.deploy("functions/worker", **options).invoke({} if event is None else event)


def test_a_handler_that_the_module_lacks(runtime: Any) -> None:
    result = called(runtime, "def handler(event, context): pass\n\ndef helper(): pass\n")
    assert result.status_code == 437
    assert (
        "functions/worker/index.py defines handler, helper: did you mean handler='index.handler'?" in result.diagnosis
    )


def test_a_module_without_functions(runtime: Any) -> None:
    assert "functions/worker/index.py defines no function" in called(runtime, "X = 1\n").diagnosis


def test_an_asynchronous_handler(runtime: Any) -> None:
    result = called(runtime, "async def main_handler(event, context):\n    return 1\n")
    assert "main_handler is an `async def`" in result.diagnosis
    assert "asyncio.run(...)" in result.diagnosis
    assert result.traceback == ""


def test_a_return_value_that_is_no_json(runtime: Any) -> None:
    result = called(runtime, "def main_handler(event, context):\n    return {1}\n")
    assert result.diagnosis.endswith("what the handler returned is, or holds, a set, which JSON cannot say")


def test_code_for_python_2(runtime: Any) -> None:
    result = called(runtime, "def main_handler(event, context):\n    print 'done'\n")
    assert result.diagnosis.endswith("the code is written for Python 2, which is not run here")
    code = {"LocalPath": str(Path("functions/worker").absolute())}
    runtime.api.call("CreateFunction", {"FunctionName": "old", "Runtime": "Python2.7", "Code": code})
    runtime.api.call("Invoke", {"FunctionName": "old"})
    assert "Python2.7 is not run here: it was run by Python 3" in runtime.invocations()[-1].diagnosis


def test_a_file_that_cannot_be_written(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    result = (
        scf_runtime_of("namespaces").deploy("def main_handler(event, context):\n    open('result.txt', 'w')\n").invoke()
    )
    assert result.diagnosis.endswith("only /tmp can be written to, as in the cloud")


@pytest.mark.parametrize("where", ["module", "handler"])
def test_a_missing_variable(runtime: Any, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    code = "import os\n\ndef main_handler(event, context):\n    return os.environ['DATABASE_URL']\n"
    if where == "module":
        code = "import os\n\nURL = os.environ['DATABASE_URL']\n\ndef main_handler(event, context): pass\n"
    monkeypatch.setenv("DATABASE_URL", "postgres://")
    diagnosis = called(runtime, code, environment={"DATABASE_URI": "x"}).diagnosis
    assert "no environment variable DATABASE_URL; it has DATABASE_URI: give it with deploy(" in diagnosis
    assert "environment={'DATABASE_URL': ...})" in diagnosis
    assert "the test's own environment, where the variable is set, reaches" in diagnosis
    # Another KeyError is not about the environment.
    assert "environment" not in called(runtime, "def main_handler(e, c):\n    return e['DATABASE_URL']\n").diagnosis


def test_pdb_without_a_terminal(runtime: Any) -> None:
    code = "import pdb\n\ndef main_handler(event, context):\n    pdb.set_trace()\n    return 1\n"
    assert "pdb was left, by `quit` or as nobody types: it is opened on" in called(runtime, code).diagnosis


def test_an_event_that_is_json_as_text(runtime: Any) -> None:
    code = "def main_handler(event, context):\n    return event['a']\n"
    assert "the event was given as a str that holds JSON" in called(runtime, code, json.dumps({"a": 1})).diagnosis
    assert "as a str" not in called(runtime, code, {"b": 1}).diagnosis
    # A text that fails for another reason than being one, and a call that does not fail.
    assert "as a str" not in called(runtime, code, "plain text").diagnosis
    assert "as a str" not in called(runtime, "def main_handler(e, c):\n    return e\n", "{}").diagnosis


def test_a_syntax_error_has_its_file_and_line(runtime: Any) -> None:
    result = called(runtime, "def main_handler(event, context):\n    x = (1\n    return 1\n")
    assert "functions/worker/index.py cannot be compiled: '(' was never closed (index.py, line 2)" in result.diagnosis
    worker = os.path.abspath("functions/worker/index.py")
    assert result.traceback.startswith(f'  File "{worker}", line 2\n    x = (1\n        ^\nSyntaxError: ')


def test_a_time_limit_that_is_the_default(runtime: Any) -> None:
    code = "import time\n\ndef main_handler(event, context):\n    time.sleep(60)\n"
    assert "deploy(..., timeout=SECONDS) allows more" in called(runtime, code, timeout=1).diagnosis


@pytest.mark.parametrize(
    ("given", "meant"),
    [("functions/wroker", "functions/worker"), ("function/worker", "functions/worker"), ("alone", "alone.py")],
)
def test_a_path_that_nearly_exists(runtime: Any, functions: Path, given: str, meant: str) -> None:
    (functions / "worker" / "index.py").write_text("")
    (functions.parent / "alone.py").write_text("")
    with pytest.raises(UsageError, match=rf"there is no file or directory '{given}'. Did you mean \S*/{meant}\?"):
        runtime.deploy(given)


def test_a_path_that_is_like_none(runtime: Any) -> None:
    with pytest.raises(UsageError) as caught:
        runtime.deploy("nothing/like/it")
    assert "Did you mean" not in str(caught.value)


def test_the_traceback_has_the_paths_and_lines_of_the_users_files(runtime: Any, functions: Path) -> None:
    code = "def main_handler(event, context):\n    raise ValueError(event)\n"
    (functions / "worker" / "index.py").write_text(code)
    (functions / "single.py").write_text(code)
    worker = functions / "worker" / "index.py"
    assert (
        f'File "{worker}", line 2, in main_handler\n    raise' in runtime.deploy("functions/worker").invoke().traceback
    )
    alone = runtime.deploy("functions/single.py").invoke().traceback
    assert f'File "{functions / "single.py"}", line 2' in alone
    here = runtime.deploy(raises).invoke().traceback
    assert f'File "{__file__}", line {raises.__code__.co_firstlineno + 1}, in raises' in here
    # What was given as text is in no file of the user's.
    assert 'File "index.py", line 2, in main_handler' in runtime.deploy(code).invoke().traceback
    assert runtime.deploy("def main_handler(event, context):\n    return 1\n").invoke().traceback == ""


def test_code_that_is_executed_as_text_has_no_lines_of_others(scf_runtime_of: Any) -> None:
    """Python 3.13 takes the text of ``python -c`` for that of every "<string>"."""
    executes = "def main_handler(event, context):\n    exec('def fails():\\n  1 / 0\\nfails()')\n"
    for level in ("namespaces", "directory"):
        traceback = scf_runtime_of(level).deploy(executes).invoke().traceback
        assert 'File "<string>", line 2, in fails\nZeroDivisionError' in traceback


def raises(event: object, context: object) -> None:
    raise ValueError(event)


APP = """
from flask import Flask

app = Flask(__name__)


@app.route("/{path}", methods=["POST"])
def invoke():
    return "x"


app.run(host="0.0.0.0", port=9000, debug={debug})
"""


@pytest.mark.parametrize("path", ["", "other"])
def test_a_server_without_the_route_for_events(
    scf_runtime_of: Callable[..., ScfRuntime], functions: Path, path: str
) -> None:
    pytest.importorskip("flask")
    (functions / "app.py").write_text(APP.format(path=path, debug=False))
    runtime = scf_runtime_of("namespaces")
    result = runtime.deploy_image([sys.executable, "app.py"], cwd=functions).invoke()
    assert result.status_code == 443
    assert "the cloud sends each event as POST /event-invoke" in result.diagnosis
    assert result.diagnosis.count("Not Found") == 1


def test_a_server_in_debug_mode(scf_runtime_of: Callable[..., ScfRuntime], functions: Path) -> None:
    pytest.importorskip("flask")
    (functions / "app.py").write_text(APP.format(path="event-invoke", debug=True))
    runtime = scf_runtime_of("namespaces")
    event = runtime.deploy_image([sys.executable, "app.py"], cwd=functions, async_run=True).invoke_async().wait()
    if event.status == "FINISHED":  # where its reloader can start
        pytest.skip("the reloader works here")
    assert "Flask's debug mode is on (see the log)" in event.diagnosis
    assert "debug=False" in event.diagnosis


@pytest.mark.parametrize(
    ("runtime", "message", "clauses"),
    [
        ("Python3.6", "ModuleNotFoundError: No module named 'PIL'", ["pip install Pillow", "put Pillow into a layer"]),
        ("Python2.7", "ImportError: No module named 'google.protobuf'", ["pip install protobuf"]),
        ("Python3.6", "No module named 'qcloud_cos_v5'", ["scf_runtime.cos(", "says `from qcloud_cos import *`"]),
        ("Python3.10", "No module named 'requests.auth'", ["nothing into Python3.10: ship requests with the code"]),
        ("Nodejs12.16", "Error: Cannot find module 'lodash/fp'", ["npm install lodash", "layers=[DIRECTORY]"]),
        ("Nodejs16.13", "Error: Cannot find module 'xml2js'", ["nothing into Nodejs16.13"]),
        ("Python3.6", "No module named 'helpers'", []),
        ("Nodejs12.16", "Error: Cannot find module './lodash'", []),
        ("CustomRuntime", "No module named 'PIL'", []),
    ],
)
def test_a_module_that_the_cloud_has_built_in(runtime: str, message: str, clauses: list[str]) -> None:
    hint = builtin_modules.hint(runtime, message)
    assert (hint is None) == (not clauses)
    assert all(clause in str(hint) for clause in clauses)


def test_a_handler_that_imports_what_the_cloud_has_built_in(runtime: Any) -> None:
    # Under this name this machine cannot have it: no package of PyPI does.
    code = "import qcloud_cos_v5\n\ndef main_handler(event, context):\n    return 1\n"
    fn = runtime.deploy(code, runtime="Python3.6", python=sys.executable)
    result = fn.invoke()
    assert "the cloud's Python3.6 has qcloud_cos_v5 built in, and this machine has not" in result.diagnosis
