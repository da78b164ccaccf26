"""A YAML document whose values know their lines, so that what cannot be is refused with file, line and key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from pytest_scf.errors import UsageError


@dataclass(frozen=True)
class Node:
    """``value`` is a dict of nodes by key, a list of nodes, or a scalar; ``key`` the way to it: ``inputs.name``."""

    value: Any
    file: Path
    line: int
    key: str

    def fail(self, problem: str) -> NoReturn:
        """Raises UsageError: alone, as ``problem`` says all of an error that led to it."""
        raise UsageError(f"{self.file}, line {self.line}: {self.key or 'the document'}: {problem}") from None

    def __contains__(self, key: str) -> bool:
        return self.get(key).value is not None

    def names(self) -> list[str]:
        return list(self.value) if isinstance(self.value, dict) else []

    def get(self, key: str) -> Node:
        """The value of a key; a node of None where it is not there, or this is no mapping that could hold it."""
        if self.value is None:
            return Node(None, self.file, self.line, self._below(key))
        if not isinstance(self.value, dict):
            self.fail(f"must be a mapping, not {self.value!r}" if not isinstance(self.value, list) else "is a list")
        found = self.value.get(key)
        return Node(None, self.file, self.line, self._below(key)) if found is None else found

    def _below(self, key: str) -> str:
        return f"{self.key}.{key}" if self.key else key

    def items(self) -> Iterator[tuple[str, Node]]:
        """Of a mapping; nothing where there is none. Raises UsageError for another kind of value."""
        if self.value is None:
            return iter(())
        if not isinstance(self.value, dict):
            self.fail("must be a mapping")
        return iter(self.value.items())

    def list(self) -> list[Node]:
        """The items; none where there is nothing. Raises UsageError for what is no list."""
        if self.value is None:
            return []
        if not isinstance(self.value, list):
            self.fail("must be a list")
        return list(self.value)

    def text(self, default: str = "") -> str:
        """Numbers and booleans too, as they are written into variables."""
        if self.value is None:
            return default
        if isinstance(self.value, (dict, list)):
            self.fail("must be a text")
        return str(self.value).lower() if isinstance(self.value, bool) else str(self.value)

    def number(self) -> int | None:
        """A whole number, also one that is written as a text."""
        text = self.text().strip()
        if not text:
            return None
        if isinstance(self.value, bool) or not text.isdecimal():
            self.fail(f"must be a whole number, not {self.value!r}")
        return int(text)

    def flag(self, default: bool = False) -> bool:
        text = self.text().lower()
        if text not in ("", "true", "false", "open", "close"):
            self.fail(f"must be true or false, not {self.value!r}")
        return text in ("true", "open") if text else default

    def plain(self) -> Any:
        """The value without nodes."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        return [node.plain() for node in self.value] if isinstance(self.value, list) else self.value

    def mapped(self, change: Callable[[str, Node], object]) -> Node:
        """The same with each text replaced by what ``change`` gives for it."""
        value = self.value
        if isinstance(value, dict):
            value = {key: node.mapped(change) for key, node in value.items()}
        elif isinstance(value, list):
            value = [node.mapped(change) for node in value]
        elif isinstance(value, str):
            value = change(value, self)
        return Node(value, self.file, self.line, self.key)


def load(file: Path) -> Node:
    """Read a YAML file. Raises UsageError where it cannot be read, or PyYAML is not there."""
    try:
        import yaml
    except ImportError as error:
        raise UsageError(f"{file} cannot be read without PyYAML: pip install 'pytest-scf[projects]'") from error
    try:
        text = file.read_text(encoding="utf-8")
        loader = yaml.SafeLoader(text)
        try:
            root = loader.get_single_node()
            return Node(None, file, 1, "") if root is None else _node(loader, root, file, "")
        finally:
            loader.dispose()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    except yaml.MarkedYAMLError as error:
        line = 1 if error.problem_mark is None else error.problem_mark.line + 1
        raise UsageError(f"{file}, line {line}: {error.problem}") from error


def _node(loader: Any, node: Any, file: Path, key: str) -> Node:
    line = node.start_mark.line + 1
    if node.id == "mapping":
        loader.flatten_mapping(node)
        found: dict[str, Node] = {}
        for name_node, value_node in node.value:
            name = str(loader.construct_object(name_node, deep=True))
            found[name] = _node(loader, value_node, file, f"{key}.{name}" if key else name)
        return Node(found, file, line, key)
    if node.id == "sequence":
        return Node([_node(loader, each, file, f"{key}[{at}]") for at, each in enumerate(node.value)], file, line, key)
    return Node(loader.construct_object(node), file, line, key)


def merged(first: Mapping[str, Node], second: Mapping[str, Node]) -> dict[str, Node]:
    """Keys of the second win, where they say something."""
    return {**first, **{key: node for key, node in second.items() if node.value is not None}}
