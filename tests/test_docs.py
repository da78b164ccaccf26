"""References in code and docs lead somewhere: sections of a document, and files of the checkout."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
SOURCES = [
    *DOCUMENTS,
    *(
        path
        for directory in ("pytest_scf", "tests", "examples", "benchmarks")
        for suffix in ("py", "js")
        for path in (ROOT / directory).rglob(f"*.{suffix}")
    ),
]
_LINK = re.compile(r"\]\(([^)\s]*)\)")


def _anchors(document: Path) -> set[str]:
    """As GitHub makes them of headings."""
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _sections_named() -> Iterator[tuple[Path, str, str]]:
    """Each section of a document in docs/ that a source names: where, document and section."""
    for path in SOURCES:
        for document, section in re.findall(r"(docs/[\w-]+\.md)#([\w-]+)", path.read_text(encoding="utf-8")):
            yield path, document, section


def test_sections_that_code_and_docs_name_are_there() -> None:
    named = list(_sections_named())
    assert len(named) > 20
    missing = [
        f"{path.relative_to(ROOT)}: {document}#{section}"
        for path, document, section in named
        if section not in _anchors(ROOT / document)
    ]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_of_documents_lead_somewhere(document: Path) -> None:
    for link in _LINK.findall(document.read_text(encoding="utf-8")):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, section = link.partition("#")
        target = document.parent / name if name else document
        assert target.exists(), link
        assert not section or section in _anchors(target), link


def test_nothing_refers_to_what_is_not_in_the_checkout() -> None:
    """Marks of before the documents were here."""
    marks = re.compile(r"\bcontract \d|\bSILEN[T]\b")
    found = [path.relative_to(ROOT) for path in SOURCES if marks.search(path.read_text(encoding="utf-8"))]
    assert found == []
