"""A termination map as one HTML page, without anything from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Protocol

from pytest_scf.facade.termination_map.marks import marked
from pytest_scf.facade.termination_map.moments import LOG

if TYPE_CHECKING:
    from pytest_scf.facade.termination_map.moments import AnyMoment

_STYLE = """
:root { color-scheme: light dark; --good: #d8f5d8; --bad: #ffd9d4; --some: #fff0c2; --text: #1a1a1a; --back: #fff }
@media (prefers-color-scheme: dark) {
  :root { --good: #17351b; --bad: #4d1f1b; --some: #443a12; --text: #e8e8e8; --back: #16181c }
}
body { background: var(--back); color: var(--text); font: 15px/1.45 system-ui, sans-serif; margin: 2rem }
h1 { font-size: 1.25rem } h2 { font-size: 1.05rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% }
td { padding: 0 .6rem; vertical-align: top }
td, pre, code { font: 13px/1.5 ui-monospace, monospace }
td.n, td.m { text-align: right; white-space: nowrap; opacity: .75; width: 1% }
td.s { white-space: pre-wrap }
tr.good { background: var(--good) } tr.bad { background: var(--bad) } tr.some { background: var(--some) }
details { margin: .25rem 0 } pre { margin: .25rem 0 .75rem 1rem; white-space: pre-wrap }
.key span { padding: .1rem .5rem; margin-right: .5rem }
"""


class Shown(Protocol):
    """A termination map, as far as its page shows it."""

    notes: list[str]

    @property
    def title(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def failures(self) -> Sequence[AnyMoment]: ...
    @property
    def by_line(self) -> Mapping[tuple[str, int], Sequence[AnyMoment]]: ...
    def sources(self) -> dict[str, list[str]]: ...
    def shown_name(self, file: str) -> str: ...


def page(found: Shown) -> str:
    """The whole page."""
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(found.title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(found.title)}</h1>",
        f"<p>{escape(found.summary)}</p>",
        *(f"<p>{escape(note)}</p>" for note in found.notes),
        '<p class="key"><span style="background: var(--good)">as it should</span>'
        '<span style="background: var(--some)">some moments of the line fail</span>'
        '<span style="background: var(--bad)">all fail</span></p>',
    ]
    if found.failures:
        parts.append(f"<h2>{len(found.failures)} failures</h2>")
        parts += [_failure(moment) for moment in found.failures]
    by_line = found.by_line
    for file, source in found.sources().items():
        parts.append(f"<h2>{escape(found.shown_name(file))}</h2><table>")
        for number, text in enumerate(source, 1):
            moments = by_line.get((file, number), [])
            if moments or file != LOG:
                parts.append(_row(number, text, moments))
        parts.append("</table>")
    parts.append("</body></html>")
    return "\n".join(parts) + "\n"


def _failure(moment: AnyMoment) -> str:
    first, *rest = moment.describe().splitlines()
    more = escape("\n".join(rest))
    return f"<details open><summary><code>{escape(first)}</code></summary><pre>{more}</pre></details>"


def _row(number: int, text: str, moments: Sequence[AnyMoment]) -> str:
    wrong = sum(1 for moment in moments if not moment.ok)
    kind = "" if not moments else "good" if not wrong else "bad" if wrong == len(moments) else "some"
    names = ", ".join(f"{moment.name}: {moment.outcome}" for moment in moments[:50])
    title = f' title="{escape(names)}"' if names else ""
    return (
        f'<tr class="{kind}"{title}><td class="m">{escape(marked(moments))}</td><td class="n">{number}</td>'
        f'<td class="s">{escape(text)}</td></tr>'
    )
