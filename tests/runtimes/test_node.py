"""Functions in JavaScript, run by Node.js: the same contract as for those in Python."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_scf import ScfRuntime, UsageError
from pytest_scf.instances import interpreters

RECEIVED = "[PLATFORM] Signal received successfully"
RUNTIME = "Nodejs18.15"


@pytest.fixture(autouse=True)
def node() -> Any:
    try:
        return interpreters.find_node()
    except UsageError as error:
        pytest.skip(str(error))


@pytest.fixture
def one(scf_runtime_of: Callable[..., ScfRuntime]) -> Any:
    """A runtime of the best level, for what does not depend on it."""
    return scf_runtime_of("auto")


def deployed(scf, source, **more):
    return scf.deploy(source + "\n", **{"runtime": RUNTIME, "async_run": True, **more})


def returned(runtime, body, event=None):
    return deployed(runtime, f"exports.main_handler = {body}", async_run=False).invoke(event)


WAITING = """
let stop = false;
exports.main_handler = async () => {{
  process.on("SIGTERM", function onTerm() {{
    console.log("signal handler");
    {after_signal}
  }});
  console.log("ready");
  while (!stop) await new Promise((wake) => setTimeout(wake, 5));
  return "END";
}};
"""


def signalled(runtime, after_signal):
    event = deployed(runtime, WAITING.format(after_signal=after_signal)).invoke_async()
    event.wait_for_signal_handler()
    event.terminate(graceful=True)
    return event


def test_a_signal_handler_that_lets_the_code_return_finishes_the_event(each_level: ScfRuntime) -> None:
    event = signalled(each_level, "stop = true;")
    event.assert_finished("END")
    assert event.logs.platform == [RECEIVED]
    assert "signal handler" in event.logs.text
    assert event.instance.alive
    assert "the signal handler was onTerm, registered at index.js:4" in event.diagnosis
    again = event.function.invoke_async()
    assert again.instance == event.instance
    again.assert_finished("END")


def test_a_signal_handler_that_exits_fails_the_event_with_439(each_level: ScfRuntime) -> None:
    event = signalled(each_level, "process.exit(0);")
    event.assert_failed(439)
    assert "exited with status 0" in event.diagnosis
    event.assert_repossessed()


def test_a_signal_handler_that_throws_fails_the_event_with_443(each_level: ScfRuntime) -> None:
    event = signalled(each_level, 'throw new RangeError("in the signal handler");')
    event.assert_failed(443)
    assert "RangeError: in the signal handler" in event.error_message
    event.assert_repossessed()


def test_one_that_goes_on_stays_running_until_it_is_forced(each_level: ScfRuntime) -> None:
    event = signalled(each_level, "")
    event.wait_for_log("signal handler")
    assert event.status == "RUNNING"
    event.terminate()
    event.assert_aborted()
    event.assert_repossessed()


@pytest.mark.parametrize(
    ("before", "since"),
    [
        ("", ""),
        (
            'const f = () => {}; process.on("SIGTERM", f); process.removeListener("SIGTERM", f);',
            " any more since index.js:1",
        ),
    ],
    ids=["never", "no longer"],
)
def test_without_a_signal_handler_the_process_dies_of_the_signal(
    each_level: ScfRuntime, before: str, since: str
) -> None:
    """Node.js itself catches SIGTERM from its start on, which would look like the user's signal handler."""
    source = f'{before}\nexports.main_handler = () => new Promise(() => console.log("ready"));'
    event = deployed(each_level, source).invoke_async()
    event.wait_for_log("ready")
    event.terminate(graceful=True)
    event.assert_failed(439)
    assert event.logs.platform == [RECEIVED]
    assert f"no signal handler was registered{since}, so the process died of it" in event.diagnosis


@pytest.mark.parametrize(
    ("registration", "called"),
    [
        ('process.on("SIGTERM", stop);', "`stop`"),
        ("process.once('SIGTERM', this.stop);", "`this.stop`"),
        ("process .prependListener(`SIGTERM`, async function stop() {});", "`stop`"),
        ('process.on("SIGTERM", () => process.exit(0));', "an anonymous function"),
        ('process.on("SIGTERM", signal => process.exit(0));', "an anonymous function"),
        ('process.on("SIGTERM", function () {});', "an anonymous function"),
    ],
)
def test_a_registration_that_has_not_run_yet_is_named(one: Any, registration: str, called: str) -> None:
    source = f"""\
        const stop = () => {{}};
        // process.on("SIGTERM", notThis);
        exports.main_handler = async () => {{
          console.log("ready");
          await new Promise(() => {{}});
          {registration}
        }};
    """
    event = deployed(one, source).invoke_async()
    event.wait_for_log("ready")
    event.terminate(graceful=True)
    event.assert_failed(439)
    assert event.diagnosis.endswith(f"; {called} is registered at index.js:6, which had not run yet")


def test_a_signal_that_comes_to_a_loop_that_never_yields_is_not_handled(one: Any) -> None:
    source = """
    exports.main_handler = async () => {
      process.once("SIGTERM", () => process.exit(3));
      console.log("ready");
      for (;;) { }
    };
    """
    event = deployed(one, source).invoke_async()
    event.wait_for_log("ready")
    event.terminate(graceful=True)
    assert event.status == "RUNNING"
    assert "caught when it was sent" in event.diagnosis
    event.terminate()
    event.assert_aborted()


def test_forced_termination_of_one_that_does_not_listen(each_level: ScfRuntime) -> None:
    event = deployed(each_level, 'exports.main_handler = () => { console.log("ready"); for (;;) { } };').invoke_async()
    event.wait_for_log("ready")
    event.terminate()
    event.assert_aborted()
    assert not event.instance.alive


def test_what_the_handler_is_given(each_level: ScfRuntime, tmp_path: Path) -> None:
    source = """
    const { text } = require("./lib/text");
    exports.main_handler = async (event, context) => {
      console.log(context);
      return {
        event, text, context: { ...context }, left: context.getRemainingTimeInMillis(),
        waits: context.callbackWaitsForEmptyEventLoop, environ: process.env, argv: process.argv,
        cwd: process.cwd(), code: __dirname, isMain: require.main === module,
      };
    };
    """
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "text.js").write_text('exports.text = "from beside";\n')
    (tmp_path / "index.js").write_text(source)
    fn = each_level.deploy(tmp_path, runtime=RUNTIME, environment={"ANSWER": "42"}, timeout=7)
    result = fn.invoke({"a": [1, "ü"]})
    found = result.return_value
    assert (found["event"], found["text"]) == ({"a": [1, "ü"]}, "from beside")
    assert found["cwd"] == found["code"] == found["environ"]["USER_CODE_ROOT"].rstrip("/")
    assert found["argv"][1] == f"{found['code']}/index.js"
    assert found["isMain"] is False
    assert 0 < found["left"] <= 7000
    assert found["waits"] is True
    assert found["environ"]["SCF_RUNTIME"] == RUNTIME
    assert found["environ"]["ANSWER"] == "42"
    assert found["environ"]["NODE_PATH"].split(":")[0] == found["cwd"]
    assert not [name for name in found["environ"] if name.startswith("PYTHON") or name == "PYTEST_CURRENT_TEST"]
    assert list(found["context"]) == [
        *("memory_limit_in_mb", "time_limit_in_ms", "request_id", "environment", "environ", "function_version"),
        *("function_name", "namespace", "tencentcloud_region", "tencentcloud_appid", "tencentcloud_uin"),
    ]
    assert found["context"]["request_id"] == result.request_id
    assert json.loads(found["context"]["environment"]) == {"SCF_NAMESPACE": "default", "ANSWER": "42"}
    assert f"  request_id: '{result.request_id}'," in result.log


@pytest.mark.parametrize(
    ("handler", "value"),
    [
        ("async (event) => event", {"n": 1}),
        ("async () => undefined", None),
        ("async () => 'END'", "END"),
        ("async () => new Date(0)", "1970-01-01T00:00:00.000Z"),
        ("(event, context, callback) => callback(null, event)", {"n": 1}),
        ("(event, context, callback) => { setTimeout(() => callback(null, 'late'), 3); }", "late"),
        ("(event, context, callback) => { callback(null, 1); callback(null, 2); callback(new Error('no')); }", 1),
        # By the vendor's table a return is for async functions alone, a callback for the others.
        ("() => 'not returned'", None),
        ("async (event, context, callback) => { callback(null, 'not this'); return 'this'; }", "this"),
        # The event loop is waited for, unless that is switched off.
        (
            "(event, context, callback) => { const given = { late: false }; callback(null, given);"
            " setTimeout(() => { given.late = true; }, 3); }",
            {"late": True},
        ),
        (
            "(event, context, callback) => { context.callbackWaitsForEmptyEventLoop = false;"
            " setInterval(() => {}, 9); setTimeout(() => callback(null, 'at once'), 3); }",
            "at once",
        ),
    ],
)
def test_what_a_handler_returns(one: Any, handler: str, value: Any) -> None:
    result = returned(one, handler, {"n": 1})
    assert (result.status_code, result.return_value) == (200, value)


def test_a_callback_with_open_handles_answers_at_once_by_a_setting(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    body = "(event, context, callback) => { callback(null, 'said'); setInterval(() => {}, 9); }"
    assert returned(scf_runtime_of("auto", node_callback_waits=False), body).return_value == "said"
    waiting = deployed(scf_runtime_of("auto"), f"exports.main_handler = {body}", async_run=False, timeout=1)
    assert waiting.invoke().status_code == 433


@pytest.mark.parametrize("runtime", ["Nodejs6.10", "Nodejs8.9"])
def test_older_runtimes_have_done_succeed_and_fail(one: Any, runtime: str) -> None:
    def answered(body):
        source = f"exports.main_handler = (event, context) => {{ setInterval(() => {{}}, 9); {body} }}"
        return deployed(one, source, async_run=False, runtime=runtime).invoke()

    assert answered("context.done(null, 1);").return_value == 1
    assert answered("setTimeout(() => context.succeed({ a: 2 }), 1);").return_value == {"a": 2}
    failed = answered("context.fail(new RangeError('far'));")
    assert (failed.status_code, "RangeError: far" in failed.error_message) == (430, True)
    assert answered("context.fail();").status_code == 430
    newer = returned(one, "async (event, context) => [typeof context.succeed, typeof context.done]")
    assert newer.return_value == ["undefined", "undefined"]


def test_a_handler_in_a_directory_below_has_what_lies_beside_it(one: Any, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/index.js").write_text(
        "const { NAME } = require('./beside'); const fs = require('fs');\n"
        "exports.main_handler = async () => [NAME, fs.readFileSync('./page.html', 'utf8')];\n"
    )
    (tmp_path / "src/beside.js").write_text("exports.NAME = 'beside';\n")
    (tmp_path / "src/page.html").write_text("<p>")
    fn = one.deploy(tmp_path, handler="src/index.main_handler", runtime=RUNTIME)
    assert fn.invoke().return_value == ["beside", "<p>"]


@pytest.mark.parametrize(
    ("handler", "code", "message"),
    [
        ("async () => { throw new TypeError('what'); }", 430, "TypeError: what"),
        ("() => { throw new TypeError('what'); }", 430, "TypeError: what"),
        ("async () => { throw 'a text'; }", 430, "Error: a text"),
        ("(event, context, callback) => callback(new RangeError('far'))", 430, "RangeError: far"),
        ("(event, context, callback) => callback({ code: 7 })", 430, "Error: { code: 7 }"),
        ("async () => { const a = {}; a.a = a; return a; }", 430, "TypeError: Converting circular structure"),
        ("async () => 1n", 430, "TypeError: Do not know how to serialize a BigInt"),
        ("async () => 'x'.repeat(7e6)", 407, "7000002 bytes"),
        ("async () => { Promise.reject(new Error('lost')); await new Promise(() => {}); }", 443, "Error: lost"),
        ("() => { setTimeout(() => { throw new Error('later'); }, 1); }", 443, "Error: later"),
        ("async () => process.exit(0)", 439, "User process exit when running"),
        ("async () => process.abort()", 439, "User process exit when running"),
    ],
)
def test_how_a_handler_fails(one: Any, handler: str, code: int, message: str) -> None:
    result = returned(one, handler)
    assert result.status_code == code
    assert message in result.error_message
    assert "node.js" not in result.result["RetMsg"]
    assert returned(one, "async () => 'the next is served'").return_value == "the next is served"


@pytest.mark.parametrize(
    ("source", "code", "message"),
    [
        ("exports.other = 1;", 437, "has no function 'main_handler'"),
        ("exports.main_handler = 1;", 437, "/index.js is not a function"),
        ("exports.main_handler = (;", 437, "/index.js:1 cannot be compiled: Unexpected token ';'"),
        ("require('./missing');", 443, "Error: Cannot find module './missing'"),
        ("JSON.parse('{');", 443, "SyntaxError: "),
        ("setTimeout(() => { throw new Error('soon'); }); exports.main_handler = async () => 1; for (;;) ;", 450, ""),
        ("process.exit(5);", 439, "User process exit when running"),
    ],
)
def test_code_that_does_not_load(one: Any, source: str, code: int, message: str) -> None:
    fn = deployed(one, source, async_run=False, init_timeout=1 if code == 450 else 65)
    result = fn.invoke()
    assert result.status_code == code
    assert message in result.error_message


def test_other_forms_of_modules(one: Any, tmp_path: Path) -> None:
    forms = {
        "whole.js": "module.exports = async (event) => ['whole', event];\n",
        "old.cjs": "exports.main_handler = async (event) => ['old', event];\n",
        "new.mjs": "import { sep } from 'path';\nexport const main_handler = async (event) => [sep, event];\n",
        "default.mjs": "export default { main_handler: async (event) => ['default', event] };\n",
    }
    for name, text in forms.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "index.js").write_text("exports.main_handler = async () => 'package';\n")
    found = {
        name: one.deploy(tmp_path, handler=f"{name}.main_handler", runtime=RUNTIME).invoke(1).return_value
        for name in ("whole", "old", "new", "default", "package")
    }
    assert found == {
        "whole": ["whole", 1],
        "old": ["old", 1],
        "new": ["/", 1],
        "default": ["default", 1],
        "package": "package",
    }


def test_a_file_and_an_archive(one: Any, tmp_path: Path) -> None:
    (tmp_path / "hello.js").write_text("exports.main_handler = async () => __filename;\n")
    assert one.deploy(tmp_path / "hello.js", runtime=RUNTIME).invoke().return_value.endswith("/hello.js")
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as archive:
        archive.writestr("index.js", "exports.main_handler = async () => 'zipped';\n")
    assert one.deploy(tmp_path / "code.zip", runtime=RUNTIME).invoke().return_value == "zipped"


def test_output_is_in_the_log_whole_when_it_is_written(each_level: ScfRuntime) -> None:
    """Of a process that then never yields, and is killed: more than a pipe holds, from it and from a child of it."""
    source = """
    const { execFileSync } = require("child_process");
    exports.main_handler = () => {
      console.log("%s and %d", "text", 7);
      console.error("an error");
      process.stdout.write("half a line");
      process.stdout.write(" and its end\\n");
      execFileSync(process.execPath, ["-e", "console.log('from a child')"], { stdio: "inherit" });
      for (let i = 0; i < 20000; i++) console.log("line", i, "of many");
      console.log("all written");
      for (;;) { }
    };
    """
    event = deployed(each_level, source).invoke_async()
    event.wait_for_log("all written")
    event.terminate()
    lines = event.logs.user.splitlines()
    assert lines[:4] == ["text and 7", "an error", "half a line and its end", "from a child"]
    assert lines[4:] == [*(f"line {i} of many" for i in range(20000)), "all written"]


def test_large_events_and_answers_pass(one: Any) -> None:
    text = "x" * 5_000_000
    fn = deployed(one, "exports.main_handler = async (event) => event", async_run=False, timeout=60)
    assert fn.invoke(text).return_value == text


def test_a_program_that_the_handler_starts_holds_nothing_of_ours(one: Any) -> None:
    body = "async () => require('fs').readdirSync('/proc/self/fd').length"
    source = (
        "exports.main_handler = async () => Number(require('child_process')"
        """.execFileSync(process.execPath, ["-p", "require('fs').readdirSync('/proc/self/fd').length"]));"""
    )
    inside = deployed(one, source, async_run=False, timeout=60).invoke().return_value
    alone = int(subprocess.check_output([interpreters.find_node().executable, "-p", body[len("async () => ") :]]))
    assert inside == alone


def test_measuring_coverage_changes_nothing(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are no lines of it to be counted, and nobody waits for them."""
    pytest.importorskip("pytest_cov")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # others take most of the time that pytest needs
    pytester.makepyfile(
        """
        def test_ends(scf_runtime):
            source = "exports.main_handler = () => new Promise(() => console.log('ready'));\\n"
            fn = scf_runtime.deploy(source, runtime="Nodejs18.15", async_run=True)
            event = fn.invoke_async()
            event.wait_for_log("ready")
            assert event.instance._record.process._coverage is None
            event.terminate(graceful=True)
            event.assert_failed(439)
        """
    )
    plugins = ("-pscf", "-ptimeout", "-ppytest_cov", "-pno:cacheprovider")
    result = pytester.runpytest_subprocess(*plugins, "--cov=.", timeout=120)
    result.assert_outcomes(passed=1)


def test_the_limit_of_time(one: Any) -> None:
    fn = deployed(one, "exports.main_handler = () => new Promise(() => {});", timeout=1)
    fn.invoke_async().assert_failed(433)


def test_what_cannot_be_is_refused(one: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"runtime 'Nodejs18\.15' is not Python's: leave python= out"):
        one.deploy("exports.main_handler = async () => 1;\n", runtime=RUNTIME, python="3.12")
    with pytest.raises(UsageError, match=r"a Python function cannot be deployed for a runtime of Node\.js"):
        one.deploy(deployed, runtime=RUNTIME)
    (tmp_path / "index.py").write_text("\n")
    with pytest.raises(UsageError, match=r"needs index\.js, which directory .* does not hold; there is: index\.py"):
        one.deploy(tmp_path, runtime=RUNTIME)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"runtime 'Nodejs18\.15': there is no Node\.js at hand"):
        one.deploy("exports.main_handler = async () => 1;\n", runtime=RUNTIME)
    (tmp_path / "node").write_text('#!/bin/sh\necho \'["/x/node", "14.21.3"]\'\n')
    (tmp_path / "node").chmod(0o755)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "node").symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path / "other"))
    with pytest.raises(UsageError, match=r"other/node is no Node\.js: asked for its version it said ''"):
        one.deploy("exports.main_handler = async () => 1;\n", runtime=RUNTIME)
    monkeypatch.setenv("PATH", str(tmp_path) + os.pathsep)
    with pytest.raises(UsageError, match=r"node is Node\.js 14\.21\.3: functions run with 15 or later"):
        one.deploy("exports.main_handler = async () => 1;\n", runtime=RUNTIME)
