"""Values that are more than JSON: what of them arrives on the other side."""

from __future__ import annotations

import collections
import datetime
import enum
import http
import io
from email.message import EmailMessage
from email.mime.text import MIMEText
from typing import Any, NamedTuple

import pytest

from pytest_scf.runtimes.probe.codec import Codec, CodecError


class Text(str):
    __slots__ = ()


class Kind(str, enum.Enum):
    A = "a"


class Moment(datetime.datetime):
    """As freezegun has one."""


class NoMoment(datetime.datetime):
    """As pandas has one."""

    @property
    def year(self) -> Any:
        return float("nan")


class Point(NamedTuple):
    x: int
    y: object


class Row(tuple):
    """As of a database: its columns need not be names."""

    _fields = ("count(*)",)


def travelled(value: object) -> Any:
    codec = Codec()
    return codec.decode(codec.encode(value))


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (http.HTTPStatus.CONFLICT, 409),
        (Text("x"), "x"),
        (Kind.A, "a"),
        (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (collections.defaultdict(list, {"$": [Text("x")]}), {"$": ["x"]}),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (Row([3]), (3,)),
        (Moment(2024, 2, 29, fold=1), datetime.datetime(2024, 2, 29, fold=1)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_of_a_derived_class_arrives_as_the_plain_one(value: object, plain: object) -> None:
    found = travelled([value])[0]
    assert found == plain
    assert type(found) is type(plain)


def test_a_namedtuple_keeps_its_names() -> None:
    found = travelled(Point(1, [Point(2, Text("z"))]))
    assert found == (1, [(2, "z")])
    assert (found.x, found.y[0].y) == (1, "z")


def test_files_in_memory_and_messages() -> None:
    data = io.BytesIO(b"data")
    data.seek(2)
    found = travelled(data)
    assert (type(found), found.read(), found.getvalue()) == (io.BytesIO, b"ta", b"data")
    assert travelled(io.StringIO("a\r\nb\n")).getvalue() == "a\r\nb\n"
    mail = MIMEText("Grüße", "plain", "utf-8")
    mail["Subject"] = "Café"
    found = travelled(mail)
    assert isinstance(found, EmailMessage)
    assert (found["subject"], found.get_content().strip()) == ("Café", "Grüße")


def test_what_is_not_what_its_class_says_is_told_of_as_ever() -> None:
    with pytest.raises(CodecError, match="NoMoment"):
        travelled(NoMoment(2024, 1, 1))
    closed = io.BytesIO()
    closed.close()
    with pytest.raises(CodecError, match="BytesIO object"):
        travelled(closed)


@pytest.mark.parametrize("names", ['["x y"]', '["a", "a"]', '["class"]', '"import os"', "[1]", '["x()"]', '["_a"]'])
def test_names_of_a_namedtuple_are_but_names(names: str) -> None:
    with pytest.raises(CodecError):
        Codec().decode(b'{"$": "namedtuple", "name": "T", "fields": %s, "v": [1]}' % names.encode())
