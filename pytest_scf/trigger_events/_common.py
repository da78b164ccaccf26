"""What the events have in common: times, ids, encodings, and the merge of ``override``."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, TypeVar, cast

from pytest_scf.errors import UsageError

EventT = TypeVar("EventT")
Override = Mapping[str, Any] | None

REGION = "ap-guangzhou"
APPID = "1250000000"
UIN = "100000000000"


def new_id() -> str:
    return str(uuid.uuid4())


def moment(time: datetime | None) -> datetime:
    """In UTC; now where none is given. Raises UsageError for a time without a zone."""
    if time is None:
        return datetime.now(timezone.utc)
    if time.tzinfo is None:
        raise UsageError(f"time={time!r} has no zone: write datetime(..., tzinfo=timezone.utc)")
    return time.astimezone(timezone.utc)


def utc_text(time: datetime | None) -> str:
    """As in ``2024-03-05T01:30:00Z``."""
    return moment(time).strftime("%Y-%m-%dT%H:%M:%SZ")


def as_text(body: object) -> str:
    """A body as a message carries it: a text as it is, anything else as JSON. Raises UsageError for bytes."""
    if isinstance(body, str):
        return body
    try:
        return json.dumps(body, ensure_ascii=False)
    except (TypeError, ValueError) as why:
        raise UsageError(f"a body is a text or a value that JSON can carry, not {body!r} ({why})") from why


def finished(event: EventT, override: Override) -> EventT:
    """The event with ``override`` merged into it."""
    return cast(EventT, _merged(event, override)) if override else event


def _merged(value: object, override: object) -> object:
    if not isinstance(override, Mapping):
        return override
    if isinstance(value, list):
        return [_merged(item, override) for item in value]
    if not isinstance(value, Mapping):
        return dict(override)
    return {**value, **{key: _merged(value.get(key), each) for key, each in override.items()}}
