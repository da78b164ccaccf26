"""Reading a project: its file, those of its components, and what they share."""

from __future__ import annotations

import contextlib
import os
import warnings
from pathlib import Path
from typing import NamedTuple

from pytest_scf.errors import ScfWarning, UsageError
from pytest_scf.facade.projects.document import Node, load
from pytest_scf.facade.projects.plans import (
    COMPONENTS,
    HTTP_COMPONENTS,
    FunctionPlan,
    LayerPlan,
    of_http,
    of_layer,
    of_multi,
    of_scf,
)
from pytest_scf.facade.projects.templates import of_template
from pytest_scf.facade.projects.variables import env_file, read_env, resolve

FILES = ("serverless.yml", "serverless.yaml", "serverless.json", "template.yaml", "template.yml")


class ProjectPlan(NamedTuple):
    """What a project says: functions, and layers."""

    functions: list[FunctionPlan]
    layers: list[LayerPlan]


def find(path: Path) -> Path:
    """The project file: itself, or the one in a directory. Raises UsageError."""
    if path.is_file():
        return path
    for name in FILES:
        if (path / name).is_file():
            return path / name
    near = next((path.parent / name for name in FILES if (path.parent / name).is_file()), None)
    if near is not None and not path.exists():
        raise UsageError(f"there is no file {path}; there is {near}")
    raise UsageError(f"{path} is no project file, and no directory with {' or '.join(FILES)}")


def read(path: Path, stage: str | None = None) -> ProjectPlan:
    """All of a project. Raises UsageError, with file, line and key, for what cannot be.

    ``stage`` beats the variable SERVERLESS_STAGE, which beats the file's own.
    """
    document = load(find(path).resolve())
    if "Resources" in document:
        return ProjectPlan(list(of_template(document)), [])
    below = [] if "component" in document else _below(document.file.parent)
    if not below:
        return _of_document(document, stage)
    found = ProjectPlan([], [])
    for file in below:
        part = load(file)
        if _kind(part) in COMPONENTS:
            more = _of_document(part, stage)
            found.functions.extend(more.functions)
            known = {layer.name for layer in found.layers}
            found.layers.extend(layer for layer in more.layers if layer.name not in known)
        else:
            said = f"{file}: {_kind(part) or 'what it says'} is not deployed here"
            warnings.warn(ScfWarning(said), stacklevel=2)
    if found == ([], []):
        document.fail(f"none of {', '.join(COMPONENTS)} is below it")
    return found


def _below(directory: Path) -> list[Path]:
    """The files of components in the directories of a project; its own file has nothing but what they share."""
    return sorted(path for name in FILES[:2] for path in directory.glob(f"*/{name}"))


def _kind(document: Node) -> str:
    return document.get("component").text().partition("@")[0]


def _shared(file: Path) -> Node:
    """What a component inherits, its app and stage: of a file above it that is no component itself."""
    for name in FILES[:2]:
        above = file.parent.parent / name
        with contextlib.suppress(UsageError):  # another tool's file, which may be anything
            if above.is_file() and "component" not in (shared := load(above)):
                return shared
    return Node(None, file, 1, "")


def _of_document(document: Node, stage: str | None) -> ProjectPlan:
    """One component."""
    file, shared, environ = document.file, _shared(document.file), dict(os.environ)
    stage = stage or environ.get("SERVERLESS_STAGE") or document.get("stage").text(shared.get("stage").text("dev"))
    dotenv = env_file(file.parent, stage)
    if dotenv is not None:
        environ = {**read_env(dotenv.read_text(encoding="utf-8")), **environ}
    name = document.get("name").text()
    app = document.get("app").text(shared.get("app").text(name))
    names = {"stage": stage, "name": name, "app": app, "org": document.get("org").text()}
    document = resolve(document, names, environ)
    kind, inputs = _kind(document), document.get("inputs")
    if kind == "scf":
        return _with_layers([of_scf(document, inputs, names)], stage)
    if kind in HTTP_COMPONENTS:
        return _with_layers([of_http(document, inputs, names)], stage)
    if kind == "multi-scf":
        return _with_layers(list(of_multi(inputs, names)), stage)
    if kind == "layer":
        return ProjectPlan([], [of_layer(inputs, names)])
    if not kind:
        if any("component" in each for _name, each in document.items() if isinstance(each.value, dict)):
            document.fail('has several components, as files once had: each needs a file of its own, "component" first')
        document.fail('has no "component" (and no "Resources", as a template.yaml has)')
    return document.get("component").fail(f"{kind!r} is not supported here: {', '.join(COMPONENTS)}")


def _with_layers(functions: list[FunctionPlan], stage: str) -> ProjectPlan:
    """Functions, and the layers of theirs that components in directories below their file publish."""
    wanted = {layer.component: layer.node.file.parent for plan in functions for layer in plan.layers if layer.component}
    layers = [_layer_below(directory, name, stage) for name, directory in wanted.items()]
    return ProjectPlan(functions, [layer for layer in layers if layer is not None])


def _layer_below(directory: Path, name: str, stage: str) -> LayerPlan | None:
    for file in _below(directory):
        document = load(file)
        if _kind(document) == "layer" and document.get("name").text() == name:
            return _of_document(document, stage).layers[0]
    return None
