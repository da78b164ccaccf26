"""The environment of a function, of each kind: docs/environment.md is what it says it is."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_scf import Function, ScfRuntime, UsageError
from pytest_scf.instances import interpreters

PAGE = Path(__file__).parents[2] / "docs/environment.md"
REPORT = "import os, sys, time\n\ndef main_handler(event, context):\n    return {result}\n"


def report(result: str) -> str:
    return REPORT.format(result=result)


def table() -> dict[str, tuple[str, str]]:
    """The cloud's value and ours of each variable, as the page has them."""
    found = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("| ") and not line.startswith(("| variable", "| ---")):
            names, cloud, ours = (cell.strip() for cell in line.strip("|").split("|"))
            found.update(dict.fromkeys(re.split(r",\s*", names), (cloud, ours)))
    return found


def test_the_page_names_every_variable_of_a_handler_in_python(each_start: ScfRuntime) -> None:
    environ = each_start.deploy(report("dict(os.environ)")).invoke().return_value
    page = table()
    assert set(environ) - set(page) == set()
    others = {
        "CLASSPATH",
        "NODE_PATH",
        "PYTEST_SCF_COS_ENDPOINT",
        "PYTHONUNBUFFERED",
        "SCF_RUNTIME_API",
        "SCF_RUNTIME_API_PORT",
        "_HANDLER",
    }
    assert set(page) - set(environ) == others | {"TMPDIR", "TMP", "TEMP"}
    for name, (cloud, ours) in page.items():
        if ours.startswith("the same") and name in environ and name.isupper() and not name.startswith("SCF_"):
            assert environ[name] in (cloud, "C.UTF-8"), name


def test_the_page_names_every_variable_at_the_directory_level(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    environ = scf_runtime_of("directory").deploy(report("dict(os.environ)")).invoke().return_value
    assert set(environ) - set(table()) == set()
    assert environ["TMPDIR"] == environ["TMP"] == environ["TEMP"]
    assert environ["LD_LIBRARY_PATH"].split(":")[1] == environ["PWD"]


GIVEN = {
    "HOME": "/tmp/home",
    "PATH": "/usr/bin:/bin",
    "LANG": "C",
    "LC_ALL": "POSIX",
    "PYTHONPATH": "/var/user/vendored",
    "USER": "somebody",
    "PWD": "/somewhere",
    "TZ": "Asia/Shanghai",
    "TMPDIR": "/tmp",
    "LD_LIBRARY_PATH": "/nowhere",
    "USER_CODE_ROOT": "/mine/",
    "TRIGGER_SRC": "timer",
}


def test_what_the_function_is_deployed_with_replaces_what_is_built_in(each_start: ScfRuntime) -> None:
    fn = each_start.deploy(report("dict(os.environ)"), environment=GIVEN)
    environ = fn.invoke().return_value
    assert {name: environ[name] for name in GIVEN} == GIVEN


@pytest.mark.parametrize("name", ["SCF_RUNTIME", "QCLOUD_X", "TENCENTCLOUD_REGION", "_SCF_SERVER_PORT"])
def test_what_cannot_be_taken_is_refused_with_its_name(isolated: ScfRuntime, name: str) -> None:
    with pytest.raises(UsageError, match=name):
        isolated.deploy(report("1"), environment={name: "x"})


def test_a_temporary_directory_below_tmp_is_the_instances_own(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    runtime = scf_runtime_of("directory")
    found = runtime.deploy(report("[os.environ['TMPDIR'], os.environ['TMP']]"), environment={"TMPDIR": "/tmp/below"})
    below, tmp = found.invoke().return_value
    assert below == f"{tmp}/below"
    assert tmp != "/tmp"


# -- what is read when a process starts --------------------------------------------------------------------------------


def test_what_python_reads_when_it_starts_has_its_effect(isolated: ScfRuntime) -> None:
    hashes = {
        isolated.deploy(report("hash('x')"), environment={"PYTHONHASHSEED": "7"}).invoke().return_value
        for _ in range(2)
    }
    expected = subprocess.run(
        [sys.executable, "-c", "print(hash('x'))"], env={"PYTHONHASHSEED": "7"}, check=True, capture_output=True
    )
    assert hashes == {int(expected.stdout)}
    strict = isolated.deploy(
        "import warnings\n\ndef main_handler(event, context):\n    warnings.warn('now')\n",
        environment={"PYTHONWARNINGS": "error"},
    ).invoke()
    assert strict.status_code == 430
    assert "UserWarning: now" in strict.error_message
    optimised = isolated.deploy(report("sys.flags.optimize"), environment={"PYTHONOPTIMIZE": "2"})
    assert optimised.invoke().return_value == 2


def test_modules_on_the_users_pythonpath_are_found(isolated: ScfRuntime, tmp_path: Path) -> None:
    (tmp_path / "vendored").mkdir()
    (tmp_path / "vendored/extra_module.py").write_text("NAME = 'extra'\n")
    (tmp_path / "index.py").write_text("import extra_module\n\ndef main_handler(e, c): return extra_module.NAME\n")
    fn = isolated.deploy(tmp_path, environment={"PYTHONPATH": "/var/user/vendored"})
    assert fn.invoke().return_value == "extra"


@pytest.mark.parametrize("isolation", ["namespaces", "directory"])
def test_a_library_beside_the_handler_is_found_by_its_name(
    isolation: str, scf_runtime_of: Callable[..., ScfRuntime], tmp_path: Path
) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    code = tmp_path / "code"
    code.mkdir()
    (tmp_path / "answer.c").write_text("int answer(void) { return 42; }\n")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", code / "libanswer.so.1", tmp_path / "answer.c"], check=True)
    (code / "index.py").write_text(
        "import ctypes\n\ndef main_handler(event, context):\n    return ctypes.CDLL('libanswer.so.1').answer()\n"
    )
    assert scf_runtime_of(isolation).deploy(code).invoke().return_value == 42


def test_the_locale_is_one_that_there_is(each_start: ScfRuntime) -> None:
    code = """
    import locale, os, subprocess, sys

    def main_handler(event, context):
        locale.setlocale(locale.LC_ALL, "")
        said = subprocess.run(["bash", "-c", "echo $LANG"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        encodings = [sys.getfilesystemencoding(), locale.getpreferredencoding()]
        return [said.stdout.decode(), os.environ["LANG"], *[name.lower() for name in encodings]]
    """
    options: dict[str, Any] = {}
    with contextlib.suppress(UsageError):
        interpreters.find_python("3.6")
        options["python"] = "3.6"
    for each in ({}, options):
        said, lang, *encodings = each_start.deploy(textwrap.dedent(code), **each).invoke().return_value
        assert said == f"{lang}\n"  # and no warning of bash's
        assert encodings == ["utf-8", "utf-8"]


# -- the time zone ---------------------------------------------------------------------------------------------------

ZONES = [(None, 0), ("Asia/Shanghai", 8), ("EST5", -5)]


@pytest.fixture(params=["python", "image", "web", "custom", "node"])
def function_of_each_kind(
    request: pytest.FixtureRequest, isolated: ScfRuntime, tmp_path: Path
) -> Callable[[dict[str, str]], list[str]]:
    """Deploys a function of each kind; gives the hour at which it has 12:00 UTC, and its zone's difference to UTC."""
    show = "date -d '2024-01-15 12:00 UTC' '+%H %z'"

    def run(environment: dict[str, str]) -> list[str]:
        kind = request.param
        if kind == "python":
            code = "time.strftime('%H %z', time.localtime(1705320000))"
            return str(isolated.deploy(report(code), environment=environment).invoke().return_value).split()
        if kind == "node":
            if shutil.which("node") is None:
                pytest.skip("there is no Node.js")
            (tmp_path / "index.js").write_text(
                "exports.main_handler = async () => require('child_process').execSync("
                f'"{show}").toString() + new Date(1705320000000).getHours()'
            )
            fn = isolated.deploy(tmp_path, runtime="Nodejs18.15", environment=environment)
            hour, offset, its_own = str(fn.invoke().return_value).split()
            assert int(its_own) == int(hour)
            return [hour, offset]
        if kind == "custom":
            (tmp_path / "bootstrap").write_text(
                "#!/bin/bash\napi=http://$SCF_RUNTIME_API:$SCF_RUNTIME_API_PORT/runtime\n"
                "curl -s -X POST $api/init/ready\nwhile curl -s $api/invocation/next > /dev/null; do\n"
                f'  curl -s -X POST $api/invocation/response -d "$({show})"\ndone\n'
            )
            (tmp_path / "bootstrap").chmod(0o755)
            if shutil.which("curl") is None:
                pytest.skip("there is no curl")
            fn = isolated.deploy(tmp_path, runtime="CustomRuntime", environment=environment)
            return str(fn.invoke().return_value).split()
        (tmp_path / "app.py").write_text(
            textwrap.dedent(
                f"""
                import http.server, subprocess

                class Handler(http.server.BaseHTTPRequestHandler):
                    def do_POST(self):
                        self.send_response(200)
                        self.end_headers()
                        self.wfile.write(subprocess.check_output(['bash', '-c', "{show}"]))
                    do_GET = do_POST

                http.server.HTTPServer(('', 9000), Handler).serve_forever()
                """
            )
        )
        if kind == "image":
            fn = isolated.deploy_image([sys.executable, "app.py"], cwd=tmp_path, environment=environment)
            return str(fn.invoke().return_value).split()
        (tmp_path / "scf_bootstrap").write_text("#!/bin/bash\n/var/lang/python310/bin/python3.10 app.py\n")
        (tmp_path / "scf_bootstrap").chmod(0o755)
        return _body(isolated.deploy_web(tmp_path, environment=environment)).split()

    return run


def _body(fn: Function) -> str:
    return fn.request("GET", "/").text


@pytest.mark.parametrize(("zone", "hours"), ZONES)
def test_the_time_zone_is_utc_unless_the_function_says_otherwise(
    function_of_each_kind: Callable[[dict[str, str]], list[str]], zone: str | None, hours: int
) -> None:
    hour, offset = function_of_each_kind({} if zone is None else {"TZ": zone})
    assert (int(hour), offset) == (12 + hours, f"{hours:+03d}00")


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_the_zone_of_this_machine_does_not_reach_an_instance_however_it_is_started(
    start_method: str, isolated: ScfRuntime
) -> None:
    code = f"""
    from pytest_scf import ScfRuntime

    with ScfRuntime(start_method={start_method!r}) as runtime:
        for environment in ({{}}, {{"TZ": "Asia/Shanghai"}}):
            print(runtime.deploy({report("time.strftime('%H %z', time.localtime(1705320000))")!r},
                  environment=environment).invoke().return_value)
    """
    program = [sys.executable, "-c", textwrap.dedent(code)]
    environ = {**os.environ, "TZ": "America/New_York"}
    done = subprocess.run(program, env=environ, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["12 +0000", "20 +0800"]
