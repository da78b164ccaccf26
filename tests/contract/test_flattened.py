"""Parameters that came as texts by flattened names mean what the same parameters mean in JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_scf.api_errors import InvalidParameter
from pytest_scf.contract.flattened import FlattenedParams


@dataclass
class Inner:
    Text: str
    Number: float | None = None
    Flag: bool = False


@dataclass
class Outer:
    Text: str = ""
    Count: int | None = None
    Ratio: float = 0.0
    Flag: bool | None = None
    Texts: tuple[str, ...] = ()
    Inner: Inner | None = None
    Inners: list[Inner] | None = None  # type: ignore[valid-type]
    Whatever: Any = None


def flattened(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """As the vendor's clients write it."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from flattened(item, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from flattened(item, f"{name}.{index}")
    elif isinstance(value, bool):
        yield name, "true" if value else "false"
    else:
        yield name, str(value)


TEXT = st.text() | st.sampled_from(["128", "true", "1.5", "0"])
NUMBER = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 3))
INNER = st.fixed_dictionaries({"Text": TEXT}, optional={"Number": NUMBER, "Flag": st.booleans()})
ANYTHING = st.recursive(
    TEXT,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=12)
        | st.dictionaries(st.sampled_from(["Key", "Value", "A"]), inner, min_size=1)
    ),
    max_leaves=20,
)
OUTER = st.fixed_dictionaries(
    {},
    optional={
        "Text": TEXT,
        "Count": st.integers(-(10**9), 10**9),
        "Ratio": NUMBER,
        "Flag": st.booleans(),
        "Texts": st.lists(TEXT, min_size=1, max_size=12),
        "Inner": INNER,
        "Inners": st.lists(INNER, min_size=1, max_size=12),
        "Whatever": ANYTHING,
    },
)


@given(OUTER)
def test_what_was_flattened_is_nested_again(params: dict[str, Any]) -> None:
    assert FlattenedParams(flattened(params)).nested(Outer) == params


@pytest.mark.parametrize(
    ("name", "text", "meant"),
    [
        ("Flag", "True", True),  # Python
        ("Flag", "false", False),  # Go, Java, JavaScript, Ruby
        ("Flag", "1", True),  # PHP
        ("Flag", "0", False),
        ("Flag", "yes", "yes"),  # for the field's check to refuse
        ("Count", "128", 128),
        ("Count", "1.5", "1.5"),
        ("Count", "many", "many"),
        ("Count", "9" * 30, "9" * 30),
        ("Ratio", "0.25", 0.25),
        ("Ratio", "1e3", 1000.0),
        ("Text", "128", "128"),
        ("Unknown", "128", "128"),
        ("Whatever", "true", "true"),
    ],
)
def test_what_a_text_is_meant_as(name: str, text: str, meant: object) -> None:
    found = FlattenedParams([(name, text)]).nested(Outer)[name]
    assert found == meant
    assert type(found) is type(meant)


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([("A", "1"), ("A", "2")], "`A` is given twice"),
        ([("A", "1"), ("A.B", "2")], "`A.B` is inside of one that is a value"),
        ([("A.B", "1"), ("A", "2")], "`A` is given twice"),
        ([(".".join("A" * 13), "1")], "too many parts"),
    ],
)
def test_names_that_contradict_each_other(pairs: list[tuple[str, str]], words: str) -> None:
    with pytest.raises(InvalidParameter, match=words):
        FlattenedParams(pairs)
