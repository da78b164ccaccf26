"""Which lines make the moments of a termination map."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from map_workers import FAULTY, line_of

from pytest_scf import ScfRuntime, UsageError
from pytest_scf.facade.termination_map.options import Options


@pytest.mark.parametrize("version", ["3.6", "3.12", "3.13"])
def test_with_other_pythons(scf_runtime_of: Callable[..., ScfRuntime], version: str) -> None:
    rt = scf_runtime_of("namespaces")
    try:
        fn = rt.deploy(FAULTY, python=version, async_run=True)
    except UsageError as error:
        pytest.skip(str(error))
    found = fn.termination_map({"count": 1})
    after = line_of(FAULTY, "return len(done)")
    assert f"index.py:{after}" in {moment.name for moment in found.failures}
    assert all(moment.reached for moment in found.moments)
    assert {moment.outcome for moment in found.by_line["index.py", line_of(FAULTY, "done.append")]} == {"FINISHED 200"}


@pytest.mark.parametrize("version", ["3.8", "3.12", "3.13"])
def test_lines_of_several_files_and_of_a_generator_that_the_init_phase_began(
    scf_runtime_of: Callable[..., ScfRuntime], tmp_path: Path, version: str
) -> None:
    (tmp_path / "rows.py").write_text("def rows():\n    for n in range(3):\n        yield n\n\ndef more():\n    pass\n")
    (tmp_path / "index.py").write_text(
        "import rows\nheld = rows.rows()\nnext(held)\n\n"
        "def main_handler(event, context):\n    next(held)\n    rows.more()\n    return next(held)\n"
    )
    try:
        fn = scf_runtime_of("namespaces").deploy(tmp_path, python=version, async_run=True)
    except UsageError as error:
        pytest.skip(str(error))
    recorded, _total = fn._map_runner({}, Options(graceful=False)).moments()
    names = {"init": "index:1 rows:1 rows:5 index:2 index:3 rows:2 rows:3 index:5"}
    names["handler"] = "index:6 rows:2 rows:3 index:7 rows:6 index:8 rows:2 rows:3"
    for phase, wanted in names.items():
        lines = [f"{moment.file[:-3]}:{moment.line}" for moment in recorded if moment.phase == phase]
        assert " ".join(lines) == wanted
    found = fn.termination_map({}, graceful=False, only=["rows.py:3#2", "index.py:8"])
    assert {moment.outcome for moment in found.moments} == {"ABORTED 499"}


@pytest.mark.parametrize("version", [None, "3.12", "3.13"])
def test_what_is_on_one_line_counts_each_time(scf_runtime_of: Callable[..., ScfRuntime], version: str | None) -> None:
    source = textwrap.dedent(
        """\
        def one(n): return n
        def main_handler(event, context):
            n = 3
            while n: n -= 1
            values = [one(n) for n in range(2)]
            return sorted(values, key=lambda n: -n)
        """
    )
    try:
        fn = scf_runtime_of("directory").deploy(source, python=version, async_run=True)
    except UsageError as error:
        pytest.skip(str(error))
    found = fn.termination_map({}, graceful=False)
    # Comprehensions are functions of their own up to Python 3.11.
    own_function = version is None and sys.version_info < (3, 12)
    # The loop is looked at once more by what Python 3.14 makes of it.
    times = 4 if version is None and sys.version_info >= (3, 14) else 3
    wanted = {1: 3, 2: 1, 3: 1, 4: times, 5: 4 if own_function else 3, 6: 3}
    assert {line: len(moments) for (_file, line), moments in found.by_line.items()} == wanted
    assert {moment.outcome for moment in found.moments} == {"ABORTED 499"}


@pytest.mark.parametrize("version", ["3.8", "3.12"])
def test_lines_that_only_the_functions_python_stops_at(scf_runtime_of: Callable[..., ScfRuntime], version: str) -> None:
    source = 'def main_handler(event, context):\n    return f"""{\n    event\n    } and {\n    1\n    }"""\n'
    rt = scf_runtime_of("directory")
    try:
        fn = rt.deploy(source, python=version, async_run=True)
    except UsageError as error:
        pytest.skip(str(error))
    found = fn.termination_map({}, graceful=False)
    names = [moment.name for moment in found.moments]
    if version == "3.12":
        assert "index.py:4" in names
    again = fn.termination_map({}, graceful=False, only=names)
    assert [(moment.name, moment.outcome) for moment in again.moments] == [(name, "ABORTED 499") for name in names]
    with pytest.raises(UsageError, match="the nearest that can is"):
        fn.invoke_async({}, stop_at="index.py:6")


def test_code_that_no_file_of_python_holds_makes_no_moment(
    scf_runtime_of: Callable[..., ScfRuntime], tmp_path: Path
) -> None:
    """Its lines are not those of the file that it names."""
    (tmp_path / "page.html").write_text("<p>{{ text }}</p>\n")
    (tmp_path / "index.py").write_text(
        "import os\n\ndef main_handler(event, context):\n"
        "    for name in ('page.html', 'gone.py'):\n"
        "        exec(compile('a = 1\\nb = 2\\n', os.path.abspath(name), 'exec'))\n"
    )
    found = scf_runtime_of("directory").deploy(tmp_path, async_run=True).termination_map({}, graceful=False)
    assert list(found.by_line) == [("index.py", line) for line in (1, 3, 4, 5)]


def test_what_ends_the_process_at_once_is_recorded_too(each_way: ScfRuntime) -> None:
    source = "import os\n\ndef main_handler(event, context):\n    a = 1\n    b = 2\n    os._exit(3)\n"
    fn = each_way.deploy(source, async_run=True)
    found = fn.termination_map({}, graceful=False)
    assert [moment.line for moment in found.moments if moment.phase == "handler"] == [4, 5, 6]
    assert {moment.outcome for moment in found.moments} == {"ABORTED 499"}


@pytest.mark.parametrize("ends", ["raise ValueError('no')", "raise SystemExit(3)", "import index as main"])
def test_what_ran_until_the_handler_could_not_be_loaded(scf_runtime_of: Callable[..., ScfRuntime], ends: str) -> None:
    fn = scf_runtime_of("directory").deploy(f"a = 1\n{ends}\n", handler="index.main_handler", async_run=True)
    found = fn.termination_map({}, graceful=False)
    assert [(moment.name, moment.outcome) for moment in found.moments] == [
        ("index.py:1", "ABORTED 499"),
        ("index.py:2", "ABORTED 499"),
    ]
    (note,) = found.notes
    assert re.match(r"left alone, it ends FAILED \d+: \w+", note)


def test_a_function_of_which_nothing_runs(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    fn = scf_runtime_of("directory").deploy("def main_handler(event, context):\n    1 = 2\n", async_run=True)
    with pytest.raises(AssertionError, match=r"no line of the function's code ran[^$]*437: .*cannot be compiled"):
        fn.termination_map({}).assert_finished()


@pytest.mark.parametrize("version", [None, "3.12"])
def test_an_empty_module_has_no_line_to_be_stopped_at(
    scf_runtime_of: Callable[..., ScfRuntime], tmp_path: Path, version: str | None
) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package/__init__.py").touch()
    (tmp_path / "index.py").write_text("import package\n\ndef main_handler(event, context):\n    return 1\n")
    try:
        fn = scf_runtime_of("directory").deploy(tmp_path, python=version, async_run=True)
    except UsageError as error:
        pytest.skip(str(error))
    found = fn.termination_map({}, graceful=False)
    assert [(moment.line, moment.outcome) for moment in found.moments if moment.file == "index.py"] == [
        (line, "ABORTED 499") for line in (1, 3, 4)
    ]
    assert all(moment.line for moment in found.moments)


def test_a_forked_child_comes_to_no_moment(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    """The signal goes to its parent, which is elsewhere."""
    source = textwrap.dedent(
        """\
        import os
        import signal


        def stop(signum, frame):
            raise SystemError


        def step(n):
            return n


        def main_handler(event, context):
            signal.signal(signal.SIGTERM, stop)
            try:
                child = os.fork()
                if not child:
                    step(1)
                    os._exit(0)
                os.waitpid(child, 0)
            except SystemError:
                return "saved"
            return step(2)
        """
    )
    fn = scf_runtime_of("directory").deploy(source, async_run=True)
    step = f"index.py:{line_of(source, 'return n')}"
    (moment,) = fn.termination_map({}, only=step).moments
    assert moment.outcome == "FAILED 430"
    event = fn.invoke_async({}, stop_at=step)
    for n in (1, 2):
        stop = event.wait_for_stop()
        assert stop.locals == {"n": str(n)}
        stop.release()
    event.assert_finished(2)
