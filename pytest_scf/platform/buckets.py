"""Buckets in memory: objects that are put and removed, which triggers of COS are told of."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_scf import trigger_events
from pytest_scf.platform.triggers import Fired, Triggers
from pytest_scf.trigger_events._cos import check_bucket, split_bucket
from pytest_scf.triggers.rules import CosRule

if TYPE_CHECKING:
    from pytest_scf.platform.settings import Settings

PUT = "cos:ObjectCreated:Put"
COPY = "cos:ObjectCreated:Copy"
COMPLETE = "cos:ObjectCreated:CompleteMultipartUpload"
DELETE = "cos:ObjectRemove:Delete"


@dataclass(frozen=True)
class StoredObject:
    """``modified`` in seconds since the epoch; ``headers`` are those that it was put with, such as Content-Type."""

    data: bytes
    headers: Mapping[str, str]
    modified: float
    etag: str


def etag_of(data: bytes) -> str:
    """As COS has it for an object that was put at once, without the quotes."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@dataclass
class Bucket:
    """``name`` has the account at its end: shots-1250000000."""

    name: str
    domain: str
    objects: dict[str, StoredObject] = field(default_factory=dict)


class Buckets:
    """The buckets of one runtime. Thread-safe."""

    def __init__(self, settings: Settings, triggers: Triggers, now: Callable[[], float]) -> None:
        self._settings = settings
        self._triggers = triggers
        self._now = now
        self._lock = threading.Lock()
        self._buckets: dict[str, Bucket] = {}

    def full_name(self, name: str) -> str:
        """With the account at its end."""
        short, appid = split_bucket(name, self._settings.appid)
        return f"{short}-{appid}"

    def make(self, name: str) -> Bucket:
        """The bucket of this name, made if need be."""
        check_bucket(name)
        name = self.full_name(name)
        domain = f"{name}.cos.{self._settings.region}.myqcloud.com"
        with self._lock:
            return self._buckets.setdefault(name, Bucket(name, domain))

    def find(self, name: str) -> Bucket | None:
        return self._buckets.get(name)

    def all(self) -> list[Bucket]:
        with self._lock:
            return list(self._buckets.values())

    def keys(self, bucket: Bucket, prefix: str = "") -> list[str]:
        """In the order of their bytes."""
        with self._lock:
            return sorted((key for key in bucket.objects if key.startswith(prefix)), key=str.encode)

    def put(self, bucket: Bucket, key: str, data: bytes, headers: Mapping[str, str], event: str = PUT) -> Fired:
        """Put an object; gives what its triggers called."""
        stored = StoredObject(data, dict(headers), self._now(), etag_of(data))
        with self._lock:
            bucket.objects[key] = stored
        return self._fire(bucket, key, stored, event)

    def delete(self, bucket: Bucket, key: str) -> Fired:
        """Remove an object, if it is there; gives what its triggers called."""
        with self._lock:
            stored = bucket.objects.pop(key, None)
        return Fired() if stored is None else self._fire(bucket, key, stored, DELETE)

    def _fire(self, bucket: Bucket, key: str, stored: StoredObject, event: str) -> Fired:
        fired = Fired()
        for armed in self._triggers.enabled("cos"):
            rule = armed.trigger.rule
            if isinstance(rule, CosRule) and rule.bucket == bucket.domain and rule.fires(event, key):
                made = trigger_events.cos(
                    bucket.name,
                    key,
                    event=event,
                    size=len(stored.data),
                    meta=stored.headers,
                    region=self._settings.region,
                    function=armed.function.name,
                    override={"Records": {"event": {"eventTime": int(self._now())}}},
                )
                self._triggers.fire_also(fired, armed, made)
        return fired
