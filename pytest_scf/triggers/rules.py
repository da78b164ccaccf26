"""What the TriggerDesc of each kind of trigger says: read, checked, and as the API gives it back.

``read`` makes the rule of a description. Kinds that fire here have a class of their own; of the others the description
is remembered as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_scf.trigger_events._cos import COS_EVENTS
from pytest_scf.triggers.cron import Cron, CronError

#: kinds that CreateTrigger takes. MPS, CLB, VOD and the event bus are bound from their own side
KINDS = ("timer", "cos", "ckafka", "cmq", "http", "apigw", "cls")
#: what each of several COS events stands for
_COS_FAMILIES = ("cos:ObjectCreated:*", "cos:ObjectRemove:*", "cos:ObjectRestore:*")


class RuleError(ValueError):
    """A TriggerDesc that its kind does not take; the text says what is wrong with it."""


@dataclass(frozen=True)
class TimerRule:
    cron: Cron

    @property
    def text(self) -> str:
        return json.dumps({"cron": self.cron.text}, separators=(",", ":"))


@dataclass(frozen=True)
class CosRule:
    """``bucket`` is the domain of the bucket, which is the trigger's name."""

    bucket: str
    event: str
    prefix: str = ""
    suffix: str = ""

    @property
    def text(self) -> str:
        described = {
            "bucketUrl": self.bucket,
            "event": self.event,
            "filter": {"Prefix": self.prefix, "Suffix": self.suffix},
        }
        return json.dumps(described, ensure_ascii=False, separators=(",", ":"))

    def fires(self, event: str, key: str) -> bool:
        """Whether an object's event is one of the rule's. ``key`` is the object's, without a slash before it."""
        return self._is_of(event) and key.startswith(self.prefix) and key.endswith(self.suffix)

    def _is_of(self, event: str) -> bool:
        return event == self.event or (self.event.endswith("*") and event.startswith(self.event[:-1]))

    def conflicts(self, other: CosRule) -> bool:
        """Whether there may be an object that both fire for: the cloud refuses the second one."""
        return (
            self.bucket == other.bucket
            and (self._is_of(other.event) or other._is_of(self.event))
            and (self.prefix.startswith(other.prefix) or other.prefix.startswith(self.prefix))
            and (self.suffix.endswith(other.suffix) or other.suffix.endswith(self.suffix))
        )


@dataclass(frozen=True)
class CkafkaRule:
    """``most`` messages come in a batch; one that fails is tried ``retry`` times again."""

    most: int = 100
    offset: str = "latest"
    retry: int = 10_000
    #: seconds that the cloud waits for a batch to fill
    wait: int = 60
    #: what else was described: consumerGroupName, easConfig, Topic
    others: Mapping[str, Any] | None = None

    def is_of(self, topic: str, name: str) -> bool:
        """Whether a trigger of this name takes the messages of a topic, which may stand behind an instance in it."""
        return topic in (name, (self.others or {}).get("Topic")) or name.endswith(f"-{topic}")

    @property
    def text(self) -> str:
        described = {"maxMsgNum": self.most, "offset": self.offset, "retry": self.retry, "timeOut": self.wait}
        return json.dumps({**described, **(self.others or {})}, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class CmqRule:
    """Messages with one of the tags; all messages where there are none."""

    filter_type: int = 1
    keys: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return json.dumps({"filterType": self.filter_type, "filterKey": list(self.keys)}, separators=(",", ":"))

    def fires(self, tags: str) -> bool:
        """Choice: routing keys (filter type 2) are compared as tags are, without wildcards."""
        return not self.keys or not set(self.keys).isdisjoint(tags.split(","))


@dataclass(frozen=True)
class OtherRule:
    """Of a trigger that is remembered, and does not fire."""

    text: str


Rule = TimerRule | CosRule | CkafkaRule | CmqRule | OtherRule


def read(kind: str, name: str, text: str, *, before: Rule | None = None) -> Rule:
    """The rule of a TriggerDesc; ``before`` is the one that it changes, where the kind merges the two.

    Raises RuleError, and CronError for a timer's.
    """
    if kind == "timer":
        return TimerRule(Cron.parse(_cron_text(text)))
    if kind == "cos":
        return _cos(name, _json(text))
    if kind == "ckafka":
        return _ckafka(_json(text), before)
    if kind == "cmq":
        return _cmq(_json(text))
    _json(text)
    return OtherRule(text)


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError as why:
        raise RuleError(f"it is not JSON: {why}") from why
    if not isinstance(found, dict):
        raise RuleError("it is no JSON object")
    return found


def _cron_text(text: str) -> str:
    """The bare expression, also where it comes as it is given back: ``{"cron": "..."}``."""
    if not text.lstrip().startswith("{"):
        return text
    cron = _json(text).get("cron")
    if not isinstance(cron, str):
        raise CronError(f'{text!r} has no "cron"')
    return cron


def _cos(bucket: str, given: dict[str, Any]) -> CosRule:
    event = given.get("event")
    if event not in COS_EVENTS and event not in _COS_FAMILIES:
        raise RuleError(f"event must be one of {', '.join([*_COS_FAMILIES, *COS_EVENTS])}, not {event!r}")
    limits = given.get("filter") or {}
    if not isinstance(limits, dict):
        raise RuleError(f"filter must be an object with Prefix and Suffix, not {limits!r}")
    prefix, suffix = limits.get("Prefix") or "", limits.get("Suffix") or ""
    if not isinstance(prefix, str) or not isinstance(suffix, str):
        raise RuleError("Prefix and Suffix of the filter must be strings")
    if suffix and not suffix.startswith("."):
        raise RuleError(f"the Suffix of the filter must begin with a dot, and {suffix!r} does not")
    return CosRule(bucket, event, prefix, suffix)


def _ckafka(given: dict[str, Any], before: Rule | None) -> CkafkaRule:
    old = before if isinstance(before, CkafkaRule) else CkafkaRule()
    known = ("maxMsgNum", "offset", "retry", "timeOut")
    offset = str(given.get("offset", old.offset))
    if offset not in ("latest", "earliest") and not offset.isdecimal():
        raise RuleError(f"offset must be latest, earliest or a time in milliseconds, not {offset!r}")
    return CkafkaRule(
        most=_number(given, "maxMsgNum", old.most, 1, 10_000),
        offset=offset,
        retry=_number(given, "retry", old.retry, 0, 10_000),
        wait=_number(given, "timeOut", old.wait, 1, 60),
        others={**(old.others or {}), **{name: value for name, value in given.items() if name not in known}},
    )


def _number(given: dict[str, Any], name: str, default: int, least: int, most: int) -> int:
    value = given.get(name, default)
    if isinstance(value, str) and value.isdecimal():  # as the documents' own samples have it
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise RuleError(f"{name} must be a number from {least} to {most}, not {value!r}")
    return value


def _cmq(given: dict[str, Any]) -> CmqRule:
    keys = given.get("filterKey") or []
    if isinstance(keys, str):
        keys = keys.split(",")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise RuleError(f"filterKey must be a list of strings, not {keys!r}")
    return CmqRule(_number(given, "filterType", 1, 1, 2), tuple(keys))
