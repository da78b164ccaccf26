"""What a handler in Python finds, and what becomes of its answers and errors."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_scf import ScfRuntime


def handler(code: str) -> str:
    return "def main_handler(event, context):\n" + textwrap.indent(textwrap.dedent(code), "    ")


def test_an_answer_is_utf_8_as_it_is_written(each_start: ScfRuntime) -> None:
    answer = each_start.deploy(handler('return {"名": "中文 \\U0001f600"}')).invoke()
    assert answer.result["RetMsg"] == '{"名": "中文 \U0001f600"}'
    assert 'RetMsg:{"名": "中文 \U0001f600"}' in str(answer.logs)
    half_a_pair = each_start.deploy(handler('return "\\ud83d"')).invoke()
    assert half_a_pair.result["RetMsg"] == '"\\ud83d"'
    assert half_a_pair.return_value == "\ud83d"


def test_the_limit_of_an_answer_counts_the_bytes_of_its_utf_8(each_start: ScfRuntime) -> None:
    fn = each_start.deploy(handler('return "中" * event'), memory=512, timeout=60)
    most = 2 * 1024 * 1024 - 1
    assert fn.invoke(most).return_value == "中" * most
    assert fn.invoke(most + 1).status_code == 407


def test_a_decimal_is_answered_as_text(each_start: ScfRuntime) -> None:
    answer = each_start.deploy(handler("import decimal\nreturn {'sum': [decimal.Decimal('1.50')]}")).invoke()
    assert answer.return_value == {"sum": ["1.50"]}


def test_what_json_cannot_hold_is_a_failure_and_what_the_user_teaches_its_encoder_is_not(
    each_start: ScfRuntime,
) -> None:
    fn = each_start.deploy(
        handler(
            """
            import json
            if event:
                json.JSONEncoder.default = lambda self, value: sorted(value)
            return {2, 1}
            """
        )
    )
    refused = fn.invoke(False)
    assert refused.status_code == 430
    assert "set is not JSON serializable" in refused.error_message.replace("'", "")
    assert fn.invoke(True).return_value == [1, 2]


BROKEN = {
    "class": """
        class Broken(Exception):
            @property
            def __class__(self):
                raise RuntimeError("no class")
        """,
    "module": """
        class Broken(Exception):
            __module__ = property(lambda self: 1 / 0)
        """,
    "module-of-metaclass": """
        class Meta(type):
            __module__ = property(lambda cls: 1 / 0)
            __name__ = property(lambda cls: 1 / 0)
        class Broken(Exception, metaclass=Meta):
            pass
        """,
    "no-module": """
        class Broken(Exception):
            __module__ = None
        """,
    "str": """
        class Broken(Exception):
            def __str__(self):
                raise RuntimeError("no text")
        """,
    "str-is-none": """
        class Broken(Exception):
            def __str__(self):
                return None
        """,
    "traceback": """
        class Broken(Exception):
            __traceback__ = property(lambda self: 1 / 0)
            __cause__ = property(lambda self: 1 / 0)
        """,
}


@pytest.mark.parametrize("broken", BROKEN)
def test_an_exception_that_is_broken_is_an_exception_of_the_handlers(each_start: ScfRuntime, broken: str) -> None:
    code = textwrap.dedent(BROKEN[broken])
    fn = each_start.deploy(f"{code}\n\ndef main_handler(event, context):\n    raise Broken('what')\n")
    answer = fn.invoke()
    assert answer.status_code == 430
    assert "Broken" in answer.error_message
    at_load = each_start.deploy(f"{code}\nraise Broken('what')\n\ndef main_handler(event, context): pass\n").invoke()
    assert at_load.status_code == 443


@pytest.mark.parametrize("isolation", ["namespaces", "directory"])
def test_what_the_user_replaces_cannot_keep_the_process_from_ending(
    isolation: str, scf_runtime_of: Callable[..., ScfRuntime]
) -> None:
    runtime = scf_runtime_of(isolation)
    kept = runtime.deploy(handler("return 1"))
    assert kept.invoke().return_value == 1
    event = runtime.deploy(
        handler(
            """
            import os, sys, json, time
            os._exit = sys.exit = lambda *arguments: None
            os.getpid = time.perf_counter = json.dumps = json.loads = None
            raise SystemExit(3)
            """
        ),
        async_run=True,
    ).invoke_async()
    event.assert_failed(439)
    assert "exited with status 3" in event.diagnosis
    assert runtime._platform.base_dir.exists()
    assert kept.invoke().return_value == 1


@pytest.mark.parametrize("name", ["src/index.main_handler", "src.index.main_handler"])
def test_a_handler_in_a_directory_below_imports_what_lies_beside_it(
    each_start: ScfRuntime, tmp_path: Path, name: str
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/index.py").write_text(
        """\
import os, above, beside


def main_handler(event, context):
    return [beside.NAME, above.NAME, os.getcwd(), open('page.html').read()]
"""
    )
    (tmp_path / "src/beside.py").write_text("NAME = 'beside'\n")
    (tmp_path / "src/page.html").write_text("<p>")
    (tmp_path / "above.py").write_text("NAME = 'above'\n")
    answer = each_start.deploy(tmp_path, handler=name).invoke()
    assert answer.return_value == ["beside", "above", "/var/user/src", "<p>"]


def test_the_users_code_finds_no_module_of_ours(each_start: ScfRuntime) -> None:
    fn = each_start.deploy(
        handler("import sys\nreturn [name for name in sys.modules if name.startswith('pytest_scf')]")
    )
    assert fn.invoke().return_value == []
