"""What docs/architecture.md says of the modules, read from the source: rooms, circles, lengths, public names."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import imports
import pytest

import pytest_scf
from pytest_scf import errors, launchers, trigger_events

PACKAGE = Path(pytest_scf.__file__).parent
GRAPH = imports.read(PACKAGE)
# Type checkers are not to see it.
HOMES: dict[str, str] = vars(pytest_scf)["_HOMES"]

#: Each may import those to its right. What stands on top comes first, the leaves last.
ROOMS = (
    *("pytest_scf", "__main__", "command", "event_command", "map_command", "serve"),
    *("plugin", "facade", "endpoint", "contract", "platform", "instances", "runtimes"),
    *("triggers", "trigger_events", "launchers", "api_errors", "errors", "facts"),
)

LONGEST = 400
#: tables, which are not easier to read in two files
TABLES = {
    "api_errors.py": "one class for each error code of the cloud",
}


def test_no_room_imports_one_to_its_left() -> None:
    assert imports.backward(GRAPH, ROOMS) == []


def test_each_room_has_its_place() -> None:
    assert {imports.room(module) for module in GRAPH} == set(ROOMS)


def test_no_circle_of_imports() -> None:
    assert imports.circle(GRAPH) == []


def test_what_runs_inside_instances_knows_the_cloud_s_facts_only() -> None:
    """A user's function gets a clean interpreter, and what is loaded there must run under Python 3.6."""
    known = {
        imports.room(imported) for module in GRAPH if imports.room(module) == "runtimes" for imported in GRAPH[module]
    }
    assert known <= {"runtimes", "facts"}


def test_modules_are_short() -> None:
    lengths = {
        path.relative_to(PACKAGE).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.js")]
    }
    long = {name for name, length in lengths.items() if length > LONGEST}
    allowed = set(TABLES)
    assert long - allowed == set(), f"more than {LONGEST} lines: split it by what it holds"
    assert allowed - long == set(), "short by now: take it off the lists"


def test_the_package_gives_what_it_lists() -> None:
    """The three lists in ``pytest_scf``: for ``import *``, for the type checker, and where each name is loaded from."""
    typed = {
        alias.name: node.module
        for node in ast.walk(ast.parse(Path(pytest_scf.__file__).read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("pytest_scf")
        for alias in node.names
    }
    assert typed == HOMES
    assert sorted(typed) == pytest_scf.__all__
    for name, home in typed.items():
        assert getattr(pytest_scf, name) is vars(importlib.import_module(str(home)))[name]
        assert getattr(pytest_scf, name).__module__ == home


def test_the_package_gives_all_of_its_own_errors() -> None:
    own = {
        name for name, value in vars(errors).items() if inspect.isclass(value) and value.__module__ == errors.__name__
    }
    assert own == {name for name, home in HOMES.items() if home == errors.__name__}


@pytest.mark.parametrize("module", [launchers, trigger_events], ids=lambda module: module.__name__)
def test_public_modules_list_what_is_public(module: object) -> None:
    name = module.__name__  # type: ignore[attr-defined]
    own = {
        key
        for key, value in vars(module).items()
        if getattr(value, "__module__", "").startswith(name) and not key.startswith("_")
    }
    assert own == set(module.__all__)  # type: ignore[attr-defined]


def test_tests_and_fixtures_are_annotated() -> None:
    bare = []
    for path in Path(__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            is_fixture = any(ast.unparse(each).startswith("pytest.fixture") for each in node.decorator_list)
            if node.name.startswith("test_") or is_fixture:
                given = [each for each in [*node.args.args, *node.args.kwonlyargs] if each.arg != "self"]
                if node.returns is None or any(each.annotation is None for each in given):
                    bare.append(f"{path.name}: {node.name}")
    assert bare == []


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package of three rooms, ``a`` to ``c``, whose first imports the others as it should."""
    package = tmp_path / "house"
    for name, source in {
        "__init__": "",
        "a": "from house import b\nimport house.c.deep",
        "b": "from house.c.deep import thing",
        "c/__init__": "",
        "c/deep": "import os",
    }.items():
        path = package / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
    return package


ORDER = ("house", "a", "b", "c")


def test_imports_are_read_as_they_stand(package: Path) -> None:
    graph = imports.read(package)
    assert graph == {
        "house": frozenset(),
        "house.a": {"house.b", "house.c.deep"},
        "house.b": {"house.c.deep"},
        "house.c": frozenset(),
        "house.c.deep": frozenset(),
    }
    assert imports.circle(graph) == []
    assert imports.backward(graph, ORDER) == []


@pytest.mark.parametrize(
    "source",
    [
        "from house import a",
        "from house.a import thing",
        "if TYPE_CHECKING:\n    import house.a",
        "def late():\n    from house.a import thing",
        "from .. import a",
        "from ..a import thing",
    ],
)
def test_an_import_to_the_left_is_found_wherever_it_stands(package: Path, source: str) -> None:
    (package / "c" / "deep.py").write_text(source)
    graph = imports.read(package)
    assert imports.backward(graph, ORDER) == ["house.c.deep imports house.a"]
    assert {"house.a", "house.c.deep"} <= set(imports.circle(graph))


def test_a_circle_within_a_room_is_found(package: Path) -> None:
    (package / "c" / "deep.py").write_text("def late():\n    from house.c import other")
    (package / "c" / "other.py").write_text("from house.c.deep import late")
    graph = imports.read(package)
    assert imports.backward(graph, ORDER) == []
    assert set(imports.circle(graph)) == {"house.c.deep", "house.c.other"}
