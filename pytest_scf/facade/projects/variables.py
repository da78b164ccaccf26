"""What stands for something else in a project file: ``${env:NAME}``, ``${stage}``, ``${name}``; and its .env file.

Choice: a reference to what only the deployment knows (``${output:...}``, ``${param:...}``) stays as it is written, but
for a function's layers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from pytest_scf.facade.projects.document import Node

_REFERENCE = re.compile(r"\$\{\s*([\w:.-]+)\s*\}")
_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*=\s*(.*?)\s*")


def env_file(directory: Path, stage: str) -> Path | None:
    """The first that there is: of the stage or not, beside the project file or above it."""
    for place in (directory, directory.parent, directory.parent.parent):
        for name in (f".env.{stage}", ".env"):
            if (place / name).is_file():
                return place / name
    return None


def read_env(text: str) -> dict[str, str]:
    """The variables of a .env file; comments and what is no assignment are passed over."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None or line.lstrip().startswith("#"):
            continue
        value = match[2]
        quoted = re.match(r"""(["'])(.*?)\1\s*(?:#.*)?$""", value)
        if quoted is not None:
            value = quoted[2].replace("\\n", "\n") if quoted[1] == '"' else quoted[2]
        else:
            value = value.partition(" #")[0].rstrip()
        found[match[1]] = value
    return found


def resolve(document: Node, names: Mapping[str, str], environ: Mapping[str, str]) -> Node:
    """The document with its references replaced. Raises UsageError for a variable that is not set."""

    def one(reference: str, node: Node) -> str | None:
        source, _, name = reference.partition(":") if ":" in reference else reference.partition(".")
        if source == "env" and name:
            if name not in environ:
                node.fail(f"${{{reference}}}: the variable {name} is neither in the environment nor in the .env file")
            return environ[name]
        return names.get(reference)

    def change(text: str, node: Node) -> str:
        def put(match: re.Match[str]) -> str:
            found = one(match[1], node)
            return match[0] if found is None else found

        return _REFERENCE.sub(put, text)

    return document.mapped(change)
