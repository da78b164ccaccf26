"""The triggers of a function, and what they are fired by: buckets and topics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Generic, TypeVar

from pytest_scf import facts
from pytest_scf.endpoint.cos import CosService
from pytest_scf.endpoint.http_server import HttpServer
from pytest_scf.errors import ApiError, UsageError
from pytest_scf.platform.buckets import Buckets
from pytest_scf.runtimes.sdk import change_cos
from pytest_scf.triggers.rules import CkafkaRule, CmqRule, CosRule

if TYPE_CHECKING:
    from pytest_scf.contract.api import Api
    from pytest_scf.contract.operations import Operations
    from pytest_scf.platform.functions import FunctionRecord
    from pytest_scf.platform.records import Invocation
    from pytest_scf.platform.topics import Topics
    from pytest_scf.platform.triggers import Trigger as TriggerRecord

#: a test's handle of an invocation: an ``Event``
EventT = TypeVar("EventT")


class Trigger(Generic[EventT]):
    """A trigger of a function: ``function.triggers.timer(...)`` gives it."""

    def __init__(
        self,
        platform: Operations,
        function: FunctionRecord,
        record: TriggerRecord,
        handle: Callable[[Invocation], EventT],
    ) -> None:
        self._platform = platform
        self._function = function
        self._key = record.key
        self._handle = handle
        self._description = record.rule.text

    @property
    def name(self) -> str:
        return self._key[1]

    @property
    def kind(self) -> str:
        """ "timer", "cos", "ckafka", "cmq", ..."""
        return self._key[0]

    @property
    def events(self) -> list[EventT]:
        """What it called, oldest first; the latest 1000."""
        return [self._handle(each) for each in self._platform.triggers.events_of(self._function, self._key)]

    @property
    def refusals(self) -> list[ApiError]:
        """Why calls of it were refused, oldest first; the latest 1000. Those of CKafka are tried again instead.

        A function with asynchronous execution whose instances are all busy refuses with 432: its calls do not wait, and
        nothing becomes of them. ``bucket.put``, ``topic.send`` and ``clock.advance`` raise the error once all else is
        done. By HTTP the object is put all the same. What the test was not told of is an ``ScfWarning`` when the
        runtime closes.
        """
        return self._platform.triggers.refusals_of(self._function, self._key)

    def enable(self) -> None:
        self._platform.triggers.update(self._function, self._key, enabled=True)

    def disable(self) -> None:
        """It does not fire until it is enabled."""
        self._platform.triggers.update(self._function, self._key, enabled=False)

    def delete(self) -> None:
        self._platform.triggers.delete(self._function, self._key)

    def __repr__(self) -> str:
        return f"<Trigger {self.kind} {self.name}: {self._description}>"


class FunctionTriggers(Generic[EventT]):
    """The triggers of one function, in the order of their making. The methods add one; the API's errors are raised."""

    def __init__(
        self, platform: Operations, api: Api, function: FunctionRecord, handle: Callable[[Invocation], EventT]
    ) -> None:
        self._platform = platform
        self._api = api
        self._function = function
        self._handle = handle

    def timer(
        self, cron: str, *, name: str = "timer", message: str = "", qualifier: str = facts.LATEST, enabled: bool = True
    ) -> Trigger[EventT]:
        """Fire by the platform's clock; ``cron`` has the vendor's seven fields, in UTC+8 (``timer_utc_offset_hours``).

        ``message`` is the event's Message.
        """
        return self._create("timer", name, cron, qualifier, enabled, CustomArgument=message)

    def cos(
        self,
        bucket: str,
        event: str = "cos:ObjectCreated:*",
        *,
        prefix: str = "",
        suffix: str = "",
        qualifier: str = facts.LATEST,
        enabled: bool = True,
    ) -> Trigger[EventT]:
        """Fire where an object of the bucket (``runtime.cos(bucket)``) is put or removed."""
        domain = self._platform.buckets.make(bucket).domain
        return self._create("cos", domain, CosRule(domain, event, prefix, suffix).text, qualifier, enabled, event)

    def ckafka(
        self,
        topic: str,
        *,
        batch: int = 100,
        retry: int = 10_000,
        qualifier: str = facts.LATEST,
        enabled: bool = True,
    ) -> Trigger[EventT]:
        """Take the messages of a topic (``runtime.topic(topic)``), in batches of at most ``batch``."""
        return self._create("ckafka", topic, CkafkaRule(most=batch, retry=retry).text, qualifier, enabled)

    def cmq(
        self, topic: str, *, tags: Sequence[str] = (), qualifier: str = facts.LATEST, enabled: bool = True
    ) -> Trigger[EventT]:
        """Take the messages of a topic, of all tags or of some, each with a call of its own."""
        return self._create("cmq", topic, CmqRule(1, tuple(tags)).text, qualifier, enabled)

    def _create(
        self, kind: str, name: str, description: str, qualifier: str, enabled: bool, event: str = "", **more: str
    ) -> Trigger[EventT]:
        asked = {
            "FunctionName": self._function.name,
            "Namespace": self._function.namespace,
            "TriggerName": name,
            "Type": kind,
            "TriggerDesc": description,
            "Qualifier": qualifier,
            "Enable": "OPEN" if enabled else "CLOSE",
        }
        self._api.call("CreateTrigger", {**asked, **{key: value for key, value in more.items() if value}})
        return self._trigger(self._platform.triggers.find(self._function, (kind, name, qualifier, event)).trigger)

    def _trigger(self, record: TriggerRecord) -> Trigger[EventT]:
        return Trigger(self._platform, self._function, record, self._handle)

    def __iter__(self) -> Iterator[Trigger[EventT]]:
        yield from map(self._trigger, self._platform.triggers.of(self._function))

    def __len__(self) -> int:
        return len(self._platform.triggers.of(self._function))

    def __repr__(self) -> str:
        return f"<triggers of {self._function.name}: {', '.join(each.name for each in self) or 'none'}>"


class Topic(Generic[EventT]):
    """A topic of CKafka or CMQ: ``runtime.topic("orders")``."""

    def __init__(self, topics: Topics, name: str, handle: Callable[[Invocation], EventT]) -> None:
        self.name = name
        self._topics = topics
        self._handle = handle

    def send(self, *bodies: object, key: str | None = None, partition: int = 0, tags: str = "") -> list[EventT]:
        """Send messages; a body that is no text is sent as JSON. Gives what was called for them, in order.

        Triggers of CKafka get batches, one after the other, and these have ended; one that failed is tried again each
        minute of the clock. Those of CMQ get each message by itself, asynchronously. ``tags`` are joined by commas.

        Raises ApiError, when all is sent, where a call was refused: see ``Trigger.refusals``.
        """
        if not bodies:
            raise UsageError("send() takes at least one message")
        fired = self._topics.send(self.name, bodies, key=key, partition=partition, tags=tags)
        return [self._handle(each) for each in fired.checked()]

    def __repr__(self) -> str:
        return f"<Topic {self.name}>"


class Bucket(Generic[EventT]):
    """A bucket of COS in memory: ``runtime.cos("shots")``. The official SDK of COS reaches it too."""

    def __init__(self, buckets: Buckets, name: str, handle: Callable[[Invocation], EventT]) -> None:
        self._buckets = buckets
        self._bucket = buckets.make(name)
        self._handle = handle

    @property
    def name(self) -> str:
        """With the account at its end: shots-1250000000."""
        return self._bucket.name

    def put(self, key: str, data: bytes | str, *, headers: Mapping[str, str] | None = None) -> list[EventT]:
        """Put an object, with headers such as Content-Type; gives what its triggers called.

        Raises ApiError, when all is done, where a call was refused: see ``Trigger.refusals``.
        """
        content = data.encode() if isinstance(data, str) else bytes(data)
        return [self._handle(each) for each in self._buckets.put(self._bucket, key, content, headers or {}).checked()]

    def get(self, key: str) -> bytes:
        """The object's content. Raises KeyError where there is none."""
        return self._bucket.objects[key].data

    def delete(self, key: str) -> list[EventT]:
        """Remove an object, if it is there; gives what its triggers called. Raises ApiError as ``put`` does."""
        return [self._handle(each) for each in self._buckets.delete(self._bucket, key).checked()]

    def keys(self, prefix: str = "") -> list[str]:
        """The keys that begin with ``prefix``, in the order of their bytes."""
        return self._buckets.keys(self._bucket, prefix)

    def __contains__(self, key: str) -> bool:
        return key in self._bucket.objects

    def __repr__(self) -> str:
        return f"<Bucket {self.name}: {len(self._bucket.objects)} objects>"


class CosAddress:
    """Where the SDK of COS finds the buckets: this process's at once, the functions' when their instances start."""

    def __init__(self, buckets: Buckets, closing: ExitStack) -> None:
        server = HttpServer(CosService(buckets).answer)
        closing.callback(server.close, grace=0)
        self.port = server.port
        try:
            from qcloud_cos import cos_client
        except ImportError:
            return  # the functions may have it
        closing.callback(change_cos(cos_client, f"127.0.0.1:{self.port}"))
