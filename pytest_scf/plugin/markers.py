"""``@pytest.mark.scf(...)``: settings of a test's runtime, and what the test requires of the machine."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from pytest_scf.plugin import moments, options, watch

HELP = (
    "scf(requires=None, **settings): settings of this test's scf_runtime, by keyword, with the names of ScfRuntime's "
    "(isolation, max_instances, idle_seconds, ...); the nearest marker wins. requires='namespaces' skips the test, "
    "with the reason, where instances cannot be isolated by namespaces.",
    moments.HELP,
)
_REQUIRES = ("namespaces", "directory")


def settings(item: pytest.Item) -> dict[str, Any]:
    """What the markers of a test ask of its runtime, the nearest marker last and so the winner."""
    merged: dict[str, Any] = {}
    for mark in reversed(list(item.iter_markers("scf"))):
        merged.update(mark.kwargs)
    merged.pop("requires", None)
    return merged


def check(item: pytest.Item) -> None:
    """Refuse a marker that says nothing we understand, and skip the test whose requirement is not met."""
    marks = list(item.iter_markers("scf"))
    if not marks:
        return
    for mark in marks:
        _check_form(item, mark)
    _check_use(item)
    required = next((mark.kwargs["requires"] for mark in marks if "requires" in mark.kwargs), None)
    if required is not None:
        _require(item, required)


def _check_form(item: pytest.Item, mark: pytest.Mark) -> None:
    if mark.args:
        given = ", ".join(map(repr, mark.args))
        refuse(item, f"takes keyword arguments only, not {given}; for example @pytest.mark.scf(isolation='directory')")
    known = ["requires", *watch.setting_names()]
    for name in mark.kwargs:
        if name not in known:
            import difflib

            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            refuse(item, f"has no setting {name!r}.{hint} The settings are: {', '.join(known)}")


def _check_use(item: pytest.Item) -> None:
    """A setting on a test that only uses the shared runtime would do nothing, and nobody would be told."""
    own = {name for mark in item.own_markers if mark.name == "scf" for name in mark.kwargs} - {"requires"}
    used = getattr(item, "fixturenames", ())
    if own and "scf_runtime_session" in used and "scf_runtime" not in used:
        refuse(
            item,
            f"sets {', '.join(sorted(own))}, but the test uses scf_runtime_session, which is made once for all tests. "
            "Use scf_runtime, or override the fixture scf_settings",
        )


def _require(item: pytest.Item, level: object) -> None:
    if level not in _REQUIRES:
        refuse(item, f"requires={level!r} is not one of {', '.join(_REQUIRES)}")
    asked, source = settings(item).get("isolation"), "the marker"
    if asked is None:
        asked, source = options.ISOLATION.given(item.config) or (options.ISOLATION.default, "default")
    if asked == "auto":
        reason = watch.unavailable(item.config, str(level))
    else:
        # Asked for and not to be had is an error, which the runtime raises; another level is simply not this one.
        reason = None if asked == level else f"{asked} was asked for by {source}"
    if reason is not None:
        pytest.skip(f"requires scf isolation level {level!r}: {reason}")


def refuse(item: pytest.Item, what: str) -> NoReturn:
    pytest.fail(f"the scf marker of {item.nodeid} {what}.", pytrace=False)
