"""A Python function of a test module, made into a module of its own.

The text of the function is kept, together with those top-level statements of its module that it needs, directly or
through others: imports, constants, helpers, classes, ``from __future__`` and star imports. Each stays on its own
line, so that tracebacks, breakpoints and coverage point at the right line of the test module.

What is taken is text, not values: the statements run again in the instance, and see neither fixtures nor what was
monkeypatched. A top-level statement is needed when it binds, or changes in place (``TABLE["a"] = 1``,
``NAMES.append(1)``), a name that something needed reads.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import dis
import functools
import inspect
import linecache
import types
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_scf.errors import UsageError

_INSTEAD = "deploy takes a function written with def at the top of its module (or one that uses no local names)"
_READS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"})


@dataclass(frozen=True)
class Extracted:
    name: str
    text: str
    file: Path


@dataclass(frozen=True)
class _Unit:
    """Top-level statements that share a line, and so can be taken together only."""

    first: int
    last: int
    statements: tuple[ast.stmt, ...]


def extract(source: object) -> Extracted:
    """The module that ``source`` needs to be a function of; UsageError says why there is none."""
    with warnings.catch_warnings():
        # What the compiler thinks of the module was said when it was imported.
        warnings.simplefilter("ignore")
        return _extract(_plain_function(source))


def _extract(function: types.FunctionType) -> Extracted:
    name = function.__name__
    file = Path(function.__code__.co_filename)
    linecache.checkcache(str(file))
    lines = linecache.getlines(str(file), function.__globals__)
    if not lines:
        raise UsageError(
            f"the source of {name}() cannot be read ({file}): write it in a file, or deploy it as source text"
        )
    try:
        module = ast.parse("".join(lines))
    except SyntaxError as error:
        raise UsageError(f"the source of {name}() cannot be read: {file} line {error.lineno}: {error.msg}") from error
    definition = _definition(module, function)
    if definition is None:
        raise UsageError(
            f"{file} does not hold the function {name}() at line {function.__code__.co_firstlineno}: "
            "was the file changed after it was imported?"
        )
    units = list(_units(module))
    nested = "<locals>" in function.__qualname__
    start: ast.stmt = definition
    if not nested:
        # The def itself, or the top-level if, try or with that it stands in.
        start = next(s for u in units for s in u.statements if _first(s) <= definition.lineno <= _last(s))
    chosen = _needed(module, units, start, name=name, file=file)
    if nested:
        return Extracted(name, _nested_text(lines, chosen, definition, name), file)
    return Extracted(name, _text(lines, [(unit.first, unit.last) for unit in chosen]), file)


def _plain_function(source: object) -> types.FunctionType:
    described = getattr(source, "__qualname__", None) or repr(source)
    problem = None
    if isinstance(source, type):
        problem = "is a class"
    elif isinstance(source, types.MethodType):
        problem = "is a method"
    elif isinstance(source, functools.partial):
        problem = "is a partial object"
    function = inspect.unwrap(source) if callable(source) else source
    if problem is None and not isinstance(function, types.FunctionType):
        problem = f"is a {type(source).__name__}, not a function with source text"
    if isinstance(function, types.FunctionType) and problem is None:
        free = [name for name in function.__code__.co_freevars if name != function.__name__]
        outer = function.__qualname__.rpartition(".")[0]
        if function.__name__ == "<lambda>" or function.__code__.co_name == "<lambda>":
            problem = "is a lambda"
        elif outer and not outer.endswith("<locals>"):
            problem = f"is a method of {outer}"
        elif inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            problem = "is async, which the runtime does not call (use asyncio.run inside a plain function)"
        elif inspect.isgeneratorfunction(function):
            problem = "is a generator"
        elif free:
            problem = f"uses the local names {', '.join(free)} of the function around it, which an instance cannot see"
        else:
            return function
    raise UsageError(f"{described} {problem}; {_INSTEAD}")


def _definition(module: ast.Module, function: types.FunctionType) -> ast.FunctionDef | None:
    name, line = function.__code__.co_name, function.__code__.co_firstlineno
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef) and node.name == name and _first(node) == line:
            return node
    return None


def _units(module: ast.Module) -> Iterator[_Unit]:
    group: list[ast.stmt] = []
    for statement in module.body:
        if group and _first(statement) > _last(group[-1]):
            yield _Unit(_first(group[0]), _last(group[-1]), tuple(group))
            group = []
        group.append(statement)
    if group:
        yield _Unit(_first(group[0]), _last(group[-1]), tuple(group))


def _needed(module: ast.Module, units: list[_Unit], start: ast.stmt, *, name: str, file: Path) -> list[_Unit]:
    binders: dict[str, list[_Unit]] = {}
    stars: list[_Unit] = []
    chosen: list[_Unit] = []
    imported = _imported(module)
    for unit in units:
        for statement in unit.statements:
            if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
                chosen.append(unit)
            for bound in _bound(statement) | (_changed_by_calls(statement) - imported):
                if bound == "*":
                    stars.append(unit)
                else:
                    binders.setdefault(bound, []).append(unit)
    flags = _future_flags(module)
    waiting = [*(s for unit in chosen for s in unit.statements), start]
    chosen += [unit for unit in units if start in unit.statements and unit not in chosen]
    unresolved: set[str] = set()
    seen: set[str] = set()
    while waiting:
        statement = waiting.pop()
        _refuse_relative_imports(statement, name, file)
        for read in _reads(statement, flags) - seen:
            seen.add(read)
            more = binders.get(read, [])
            if not more and not hasattr(builtins, read):
                more = stars
                if not stars and not read.startswith("__"):
                    unresolved.add(read)
            for unit in more:
                if unit not in chosen:
                    chosen.append(unit)
                    waiting.extend(unit.statements)
    _refuse_local_defaults(start, unresolved, name, flags)
    return sorted(chosen, key=lambda unit: unit.first)


def _reads(statement: ast.stmt, flags: int) -> set[str]:
    """The global names that a statement, or a function or class in it, looks up when it runs."""
    code = compile(ast.Module([statement], []), "<source>", "exec", flags=flags, dont_inherit=True, optimize=0)
    return {
        instruction.argval
        for part in _codes(code)
        for instruction in dis.get_instructions(part)
        if _is_read(instruction)
    }


def _is_read(instruction: dis.Instruction) -> bool:
    return instruction.opname in _READS


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _future_flags(module: ast.Module) -> int:
    flags = 0
    for statement in module.body:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            for alias in statement.names:
                flags |= getattr(__future__, alias.name).compiler_flag
    return flags


def _bound(statement: ast.stmt) -> set[str]:
    """The names that a top-level statement binds or changes in place."""
    names: set[str] = set()
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
            continue  # what is inside has names of its own
        if isinstance(node, ast.Lambda):
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            names.add(node.id)
        elif isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, (ast.Store, ast.Del)):
            names.update(_root(node))
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            names.add(node.name)
        waiting.extend(ast.iter_child_nodes(node))
    return names


def _imported(module: ast.Module) -> set[str]:
    imports = (node for node in ast.walk(module) if isinstance(node, (ast.Import, ast.ImportFrom)))
    return {(alias.asname or alias.name).partition(".")[0] for node in imports for alias in node.names}


def _changed_by_calls(statement: ast.stmt) -> set[str]:
    """The names whose methods a top-level statement calls for their effect.

    ``NAMES.append(1)`` changes NAMES. ``logging.basicConfig()`` and a bare call may do anything; they are the test
    module's own business, and the caller leaves imported names out.
    """
    return {
        name
        for node in ast.walk(statement)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        for name in _root(node.value.func)
        if isinstance(node.value.func, ast.Attribute)
    }


def _root(node: ast.expr) -> list[str]:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return [node.id] if isinstance(node, ast.Name) else []


def _refuse_relative_imports(statement: ast.stmt, name: str, file: Path) -> None:
    for node in ast.walk(statement):
        if isinstance(node, ast.ImportFrom) and node.level:
            written = "." * node.level + (node.module or "")
            raise UsageError(
                f"{name}() needs the relative import from {written} ({file.name}:{node.lineno}), which means nothing "
                "in an instance: import by the full name, or deploy a directory"
            )


def _refuse_local_defaults(start: ast.stmt, unresolved: set[str], name: str, flags: int) -> None:
    """Defaults, decorators and annotations run at once, and so must not use names that only the test function has."""
    if not isinstance(start, ast.FunctionDef) or not unresolved:
        return
    outside = ast.FunctionDef(**{field: getattr(start, field) for field in start._fields if hasattr(start, field)})
    outside.body = [ast.Pass()]
    ast.copy_location(outside, start)
    ast.copy_location(outside.body[0], start)
    local = sorted(_reads(outside, flags) & unresolved)
    if local:
        raise UsageError(
            f"{name}() uses {', '.join(local)} in its decorators, defaults or annotations, which is no top-level name "
            f"of its module; {_INSTEAD}"
        )


def _text(lines: list[str], spans: list[tuple[int, int]]) -> str:
    kept = [""] * max(last for _, last in spans)
    for first, last in spans:
        for number in range(first, last + 1):
            kept[number - 1] = lines[number - 1].rstrip("\n")
    return "\n".join(kept) + "\n"


def _nested_text(lines: list[str], chosen: list[_Unit], definition: ast.FunctionDef, name: str) -> str:
    first, last = _first(definition), _last(definition)
    # Its indentation stays (text in several lines would change with it), so a block is opened on the line before.
    if any(unit.first <= last and unit.last >= first - 1 for unit in chosen):
        raise UsageError(f"{name}() is needed together with the function that it is defined in; {_INSTEAD}")
    text = _text(lines, [(unit.first, unit.last) for unit in chosen] + [(first, last)]).split("\n")
    text[first - 2] = "if True:"
    return "\n".join(text)


def _first(statement: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(decorator.lineno for decorator in decorators)])


def _last(statement: ast.stmt) -> int:
    return statement.lineno if statement.end_lineno is None else statement.end_lineno
