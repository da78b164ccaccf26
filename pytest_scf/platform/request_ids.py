"""Request ids, which are the ids of invocations too."""

from __future__ import annotations

import uuid


def new_request_id() -> str:
    """A version 4 UUID, from the system's random numbers: a fork of this process gives others."""
    return str(uuid.uuid4())
