"""An event as JSON text, or a refusal that says which part of it is not JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

from pytest_scf.errors import UsageError

# Made once: json.dumps would make one for each call that asks for anything.
_encoder = json.JSONEncoder(allow_nan=False)


def encode(event: object) -> str:
    """The JSON text of an event; UsageError names the first value in it that JSON cannot say."""
    try:
        return _encoder.encode(event)
    except (TypeError, ValueError, RecursionError) as error:
        culprit = next(_culprits(event, "event", ()), None)
        what = f"{culprit}; " if culprit else f"{error}; "
        raise UsageError(
            f"the event must be a value that JSON can say: {what}"
            "what is allowed is None, bool, int, finite float, str, and lists and dicts of these"
        ) from None  # whose frames are the encoder's, and tell less


def _culprits(value: object, path: str, around: tuple[int, ...]) -> Iterator[str]:
    if id(value) in around:
        yield f"{path} contains itself"
    elif len(around) > 500:
        yield f"{path[:80]}... is nested too deeply"
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{path} is {value!r}"
    elif isinstance(value, dict):
        for key, item in value.items():
            if key is not None and not isinstance(key, (str, int, float)):
                yield f"{path} has the key {key!r} of type {type(key).__name__}"
            yield from _culprits(item, f"{path}[{key!r}]", (*around, id(value)))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _culprits(item, f"{path}[{index}]", (*around, id(value)))
    elif value is not None and not isinstance(value, (str, int, float)):
        text = repr(value)
        yield f"{path} is {text if len(text) <= 80 else text[:77] + '...'} of type {type(value).__name__}"
