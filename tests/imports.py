"""Who imports whom in a package, read from the source without running it."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Mapping, Sequence
from pathlib import Path

#: by module: the modules of the package that it imports, for the type checker and inside of functions as well
Graph = Mapping[str, frozenset[str]]


def read(package: Path) -> Graph:
    """The imports of a package, whose directory is given."""
    modules = {_name(package, path): path for path in package.rglob("*.py")}
    return {name: _imports(name, path, modules) for name, path in modules.items()}


def _name(package: Path, path: Path) -> str:
    return ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")


def _imports(name: str, path: Path, modules: Mapping[str, Path]) -> frozenset[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # A package is one level above what it holds; for its __init__ itself, that level is its own name.
            above = [*name.split("."), ""] if path.name == "__init__.py" else name.split(".")
            base = above[: -node.level] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                member = f"{source}.{alias.name}"
                found.add(member if member in modules else source)
    return frozenset(found & set(modules)) - {name}


def circle(graph: Graph) -> list[str]:
    """The modules of one circle of imports, in its order; empty where there is none."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        modules: list[str] = error.args[1]
        return modules[::-1]
    return []


def room(module: str) -> str:
    """The package or module below the topmost package; for that itself, its own name."""
    return module.split(".")[1] if "." in module else module


def backward(graph: Graph, rooms: Sequence[str]) -> list[str]:
    """The imports of a room by one further to the right, as lines."""
    place = {name: index for index, name in enumerate(rooms)}
    return sorted(
        f"{module} imports {imported}"
        for module, imports in graph.items()
        for imported in imports
        if place[room(imported)] < place[room(module)]
    )
