"""Where the code of a project's function, or layer, lies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pytest_scf.facade.projects.document import Node


class Source(NamedTuple):
    """``stored`` is what the API is asked with for a zip in a bucket; else ``path`` is the code's directory or zip."""

    path: Path
    #: patterns of what is left out
    exclude: list[str]
    stored: Mapping[str, str]


def source_of(src: Node, below: Node | None = None) -> Source:
    """What ``src`` says; ``below`` is a directory in that. Raises UsageError.

    With ``object`` the code is what lies in ``bucket``; a ``bucket`` beside ``src`` is where the cloud uploads that.
    """
    exclude: list[str] = []
    place = src
    if isinstance(src.value, dict):
        if "object" in src:
            if "src" in src:
                src.fail("has both src, a directory, and object, a zip in a bucket: give one")
            return Source(src.file.parent, [], stored_code(src, "bucket", "object"))
        place = src.get("src") if "src" in src else src.get("dist")  # what a hook has built
        exclude = [each.text() for each in src.get("exclude").list()]
    path = src.file.parent / place.text(".")
    if below is not None and below.value is not None:
        place, path = below, path / below.text()
    if not path.exists():
        place.fail(f"there is no {path}")
    return Source(path, exclude, {})


def stored_code(src: Node, bucket: str, key: str) -> dict[str, str]:
    """The API's Code of a zip in a bucket, which stand under these keys. Raises UsageError."""
    for name in (bucket, key):
        if not src.get(name).text():
            src.fail(f"needs {bucket} and {key}, where the zip with the code lies")
    return {"CosBucketName": src.get(bucket).text(), "CosObjectName": f"/{src.get(key).text().removeprefix('/')}"}
