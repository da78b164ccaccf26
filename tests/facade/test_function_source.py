from __future__ import annotations

import functools
import importlib.util
import json
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path
from typing import Any

import pytest
from present import present

from pytest_scf import UsageError
from pytest_scf.facade.function_source import extract
from pytest_scf.facade.sources import prepare


def imported(file: Path) -> Any:
    spec = present(importlib.util.spec_from_file_location(file.stem, file))
    made = importlib.util.module_from_spec(spec)
    present(spec.loader).exec_module(made)
    return made


@pytest.fixture
def module(tmp_path: Path) -> Any:
    """Write a module, import it, and give it out."""

    def make(text: str, name: str = "test_written"):
        file = tmp_path / f"{name}.py"
        file.write_text(text)
        return imported(file)

    return make


def answer(function, event=None):
    """What the extracted function returns in an interpreter of its own, and the names that its module then has."""
    extracted = extract(function)
    program = f"""
        import json, sys
        space = {{'__name__': 'index'}}
        exec(compile(sys.stdin.read(), 'index.py', 'exec'), space)
        value = space[{extracted.name!r}]({event!r}, None)
        names = sorted(name for name in space if not name.startswith('__'))
        print(json.dumps([value, names]))
    """
    done = subprocess.run(
        [sys.executable, "-I", "-c", textwrap.dedent(program)],
        input=extracted.text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + extracted.text
    return json.loads(done.stdout)


def refusal(function) -> str:
    with pytest.raises(UsageError) as caught:
        extract(function)
    return str(caught.value)


def test_takes_what_is_needed_and_nothing_else(module: Any) -> None:
    made = module(
        """\
import json
import os.path as paths
import pytest
from collections import OrderedDict as Ordered, deque

LIMIT = 3
OTHER = pytest
NAMES, (A, *B) = ["x"], (1, 2, 3)
NAMES.append("y")
TABLE = {}
TABLE["k"] = LIMIT
print("a bare call stays behind")


class Base:
    rate = LIMIT


class Thing(Base):
    def twice(self, n):
        return helper(n) * self.rate


def helper(n):
    return n + len(NAMES)


def decorate(function):
    return function


@decorate
def handler(event, context, extra=LIMIT):
    json = Thing().twice(1)
    return [json, paths.join("a", "b"), TABLE, B, extra]


def test_something(unused):
    assert handler
"""
    )
    value, names = answer(made.handler)
    assert value == [9, "a/b", {"k": 3}, [2, 3], 3]
    assert names == ["A", "B", "Base", "LIMIT", "NAMES", "TABLE", "Thing", "decorate", "handler", "helper", "paths"]


def test_every_statement_stays_on_its_line(module: Any) -> None:
    text = "import time\n\nX = 1\nY = 2\n\n\ndef handler(event, context):\n    return Y\n"
    extracted = extract(module(text).handler)
    lines = extracted.text.split("\n")
    assert lines[3] == "Y = 2"
    assert lines[6] == "def handler(event, context):"
    assert lines[0] == lines[2] == ""


def test_statements_that_share_a_line_are_taken_together(module: Any) -> None:
    made = module("A = 1; B = 2\nC = A; D = (\n    B\n); E = 5\ndef handler(event, context):\n    return D\n")
    assert answer(made.handler) == [2, ["A", "B", "C", "D", "E", "handler"]]


def test_conditions_loops_and_tries_are_taken_whole(module: Any) -> None:
    made = module(
        """\
try:
    import no_such_module as fast
except ImportError as error:
    fast = None
    WHY = str(error)
for number in range(3):
    TOTAL = number
if True:
    def handler(event, context):
        return [fast, TOTAL]
with open(__file__) as file:
    TEXT = file.read()
while (UNUSED := 0):
    pass
"""
    )
    value, names = answer(made.handler)
    assert value == [None, 2]
    assert names == ["TOTAL", "WHY", "fast", "handler", "number"]


def test_future_imports_are_kept_and_count(module: Any) -> None:
    made = module(
        '"""Doc."""\nfrom __future__ import annotations\nimport decimal\n\n'
        "def handler(event: decimal.Decimal, context: Missing):\n    return 1\n"
    )
    assert answer(made.handler) == [1, ["annotations", "handler"]]


def test_star_imports_are_kept_where_they_may_be_needed(module: Any) -> None:
    made = module("from math import *\nimport json\ndef handler(event, context, p=pi):\n    return floor(p)\n")
    value, names = answer(made.handler)
    assert value == 3
    assert "json" not in names


def test_what_the_compiler_warns_of_is_not_said_again(module: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = module("def handler(event, context):\n    return '\\d'\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        extracted = extract(made.handler)
    assert "'\\d'" in extracted.text


def test_globals_that_are_written(module: Any) -> None:
    made = module("COUNT = 0\ndef handler(event, context):\n    global COUNT\n    COUNT += 1\n    return COUNT\n")
    assert answer(made.handler) == [1, ["COUNT", "handler"]]


def test_wrapped_functions_keep_their_decorator(module: Any) -> None:
    source = """
        import functools
        def twice(f):
            @functools.wraps(f)
            def inner(*a):
                return 2 * f(*a)
            return inner
        @twice
        def handler(event, context):
            return 4
    """
    made = module(textwrap.dedent(source))
    assert answer(made.handler) == [8, ["functools", "handler", "twice"]]


def test_text_in_several_lines_and_carriage_returns(module: Any, tmp_path: Path) -> None:
    file = tmp_path / "test_crlf.py"
    file.write_bytes(b'T = """a\r\n  b"""\r\n\x0c\r\ndef handler(event, context):\r\n    return T\r\n')
    assert answer(imported(file).handler)[0] == "a\n  b"


PREFIX = "-"


def nested_handlers():
    text = "local"

    def plain(event, context):
        if event:
            return plain(None, context)
        return (
            PREFIX
            + """
one
  two"""
        )

    def closure(event, context):
        return text

    def default(event, context, value=text):
        return value

    def itself(event, context):
        return nested_handlers

    return plain, closure, default, itself


class Holder:
    def method(self, event, context):
        return None

    @staticmethod
    def static(event, context):
        return None


async def coroutine(event, context):
    return None


def generator(event, context):
    yield None


def test_a_nested_function_without_local_names() -> None:
    assert answer(nested_handlers()[0], 1) == ["-\none\n  two", ["PREFIX", "annotations", "plain"]]


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (nested_handlers()[1], "uses the local names text of the function around it"),
        (nested_handlers()[2], "default() uses text in its decorators, defaults or annotations"),
        (nested_handlers()[3], "is needed together with the function that it is defined in"),
        (lambda event, context: None, "is a lambda"),
        (Holder().method, "is a method"),
        (Holder.method, "is a method of Holder"),
        (Holder.static, "is a method of Holder"),
        (Holder, "is a class"),
        (coroutine, "is async"),
        (generator, "is a generator"),
        (functools.partial(generator, 1), "is a partial object"),
        (len, "not a function with source text"),
    ],
    ids=lambda value: None if isinstance(value, str) else getattr(value, "__name__", "partial"),
)
def test_what_cannot_be_extracted(function: Any, said: str) -> None:
    text = refusal(function)
    assert said in text
    assert "deploy takes a function written with def at the top of its module" in text


def test_relative_imports_are_refused(module: Any, tmp_path: Path) -> None:
    made = module("if 0:\n    from . import sibling\ndef handler(event, context):\n    return sibling\n")
    assert "relative import from . (test_written.py:2)" in refusal(made.handler)
    made = module("if 0:\n    from . import sibling\ndef handler(event, context):\n    return 5\n")
    assert answer(made.handler)[0] == 5


def test_source_that_is_not_there() -> None:
    space: dict = {}
    # "<string>" would be the source of ``python -c`` itself from 3.13 on, as a worker of pytest-xdist is started.
    exec(compile("def handler(event, context): pass", "<made>", "exec"), space)
    assert "the source of handler() cannot be read (<made>)" in refusal(space["handler"])


def test_source_that_has_changed(module: Any, tmp_path: Path) -> None:
    made = module("def handler(event, context):\n    return 1\n")
    Path(made.__file__).write_text("# another first line, and more\ndef handler(event, context):\n    return 1\n")
    assert "was the file changed after it was imported?" in refusal(made.handler)
    Path(made.__file__).write_text("def handler(event, context:\n    return 12345\n")
    assert f"{made.__file__} line 1" in refusal(made.handler)


def main_handler(event, context):
    return PREFIX


def test_deployed(tmp_path: Path) -> None:
    def staging():
        (tmp_path / "staging").mkdir()
        return tmp_path / "staging"

    prepared = prepare(main_handler, staging=staging)
    assert prepared.handler == "index.main_handler"
    assert prepared.default_name == "main_handler"
    assert prepared.origin == Path(__file__)
    assert prepared.origins == {"index.py": Path(__file__)}
    assert "return PREFIX" in (tmp_path / "staging" / "index.py").read_text()
    with pytest.raises(UsageError, match="a function is its own handler"):
        prepare(main_handler, handler="index.other", staging=staging)
