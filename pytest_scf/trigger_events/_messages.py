"""The events of message queues, logs and the event bus (583/17530, 583/39901; CMQ, CLS and EventBridge triggers)."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, TypedDict

from pytest_scf.errors import UsageError
from pytest_scf.trigger_events._common import APPID, REGION, UIN, Override, as_text, finished, moment, new_id, utc_text


class CkafkaMessage(TypedDict):
    topic: str
    partition: int
    offset: int
    msgKey: str
    msgBody: str


class CkafkaRecord(TypedDict):
    Ckafka: CkafkaMessage


class CkafkaEvent(TypedDict):
    Records: list[CkafkaRecord]


def ckafka(
    *bodies: object,
    topic: str = "topic",
    partition: int = 0,
    offset: int = 0,
    key: str | None = None,
    override: Override = None,
) -> CkafkaEvent:
    """The event of a batch of messages; a body that is no text is sent as JSON. Their offsets count from ``offset``."""
    _refuse_nothing(bodies)
    event = CkafkaEvent(
        Records=[
            CkafkaRecord(
                Ckafka=CkafkaMessage(
                    topic=topic,
                    partition=partition,
                    offset=number,
                    msgKey="None" if key is None else key,  # the word None is what a message without a key has
                    msgBody=as_text(body),
                )
            )
            for number, body in enumerate(bodies, offset)
        ]
    )
    return finished(event, override)


class CmqMessage(TypedDict):
    type: str
    topicOwner: str
    topicName: str
    subscriptionName: str
    publishTime: str
    msgId: str
    requestId: str
    msgBody: str
    msgTag: str


class CmqRecord(TypedDict):
    CMQ: CmqMessage


class CmqEvent(TypedDict):
    Records: list[CmqRecord]


def cmq(
    *bodies: object,
    topic: str = "topic",
    tags: str = "",
    subscription: str = "subscription",
    owner: str = APPID,
    time: datetime | None = None,
    override: Override = None,
) -> CmqEvent:
    """The event of messages of a CMQ topic; a body that is no text is sent as JSON. ``tags`` are joined by commas."""
    _refuse_nothing(bodies)
    event = CmqEvent(
        Records=[
            CmqRecord(
                CMQ=CmqMessage(
                    type="topic",
                    topicOwner=owner,
                    topicName=topic,
                    subscriptionName=subscription,
                    publishTime=utc_text(time),
                    msgId=str(int(moment(time).timestamp() * 1000) + number),
                    requestId=new_id(),
                    msgBody=as_text(body),
                    msgTag=tags,
                )
            )
            for number, body in enumerate(bodies)
        ]
    )
    return finished(event, override)


class ClsData(TypedDict):
    data: str


class ClsEvent(TypedDict):
    clslogs: ClsData


def cls(
    *lines: object,
    topic: str = "topic",
    topic_id: str = "00000000-0000-0000-0000-000000000000",
    time: datetime | None = None,
    override: Override = None,
) -> ClsEvent:
    """The event of log lines, packed as base64 of gzip of JSON. A line that is no text is sent as JSON.

    Each line is a microsecond after the one before it; the first at ``time``.
    """
    _refuse_nothing(lines)
    first = moment(time)
    content = {
        "topic_id": topic_id,
        "topic_name": topic,
        "records": [
            {"timestamp": _microseconds(first + timedelta(microseconds=number)), "content": as_text(line)}
            for number, line in enumerate(lines)
        ],
    }
    # mtime: the same lines at the same time make the same event
    packed = gzip.compress(json.dumps(content, ensure_ascii=False).encode(), mtime=0)
    return finished(ClsEvent(clslogs=ClsData(data=base64.b64encode(packed).decode())), override)


def _microseconds(time: datetime) -> str:
    return str(int(time.timestamp()) * 1_000_000 + time.microsecond)


class CloudEvent(TypedDict):
    specversion: str
    id: str
    type: str
    source: str
    subjuect: str
    time: str
    region: str
    datacontenttype: str
    data: Any


class CloudEventBatch(TypedDict):
    EventList: list[CloudEvent]


def tdmq(
    body: object = "",
    *,
    topic: str = "topic",
    namespace: str = "default",
    tags: str = "",
    subscription: str = "subscription",
    appid: str = APPID,
    uin: str = UIN,
    region: str = REGION,
    time: datetime | None = None,
    override: Override = None,
) -> CloudEvent:
    """The event of a message of TDMQ, which comes by the event bus; a body that is no text is sent as JSON."""
    milliseconds = str(int(moment(time).timestamp() * 1000))
    event = _cloud_event(
        {
            "topic": f"persistent://{appid}/{namespace}/{topic}",
            "tags": tags,
            "TopicType": "0",
            "subscriptionName": subscription,
            "toTimestamp": milliseconds,
            "partitions": "0",
            "msgId": milliseconds,
            "msgBody": as_text(body),
        },
        type_="connector:tdmq",
        source="tdmq.cloud.tencent",
        subject=f"qcs::tdmq:{region}:uin/{uin}:topicName/{topic}",
        region=region,
        time=time,
    )
    return finished(event, override)


def eventbridge(
    *data: object,
    type: str = "custom:event",
    source: str = "custom",
    subject: str = "",
    region: str = REGION,
    batch: bool | None = None,
    time: datetime | None = None,
    override: Override = None,
) -> CloudEvent | CloudEventBatch:
    """The event of the event bus with ``data``, in the shape of CloudEvents.

    ``batch``: as where the bus delivers in batches, in ``EventList``; that is how more than one comes in any case.
    """
    _refuse_nothing(data)
    events = [_cloud_event(each, type_=type, source=source, subject=subject, region=region, time=time) for each in data]
    if batch is False and len(events) > 1:
        raise UsageError(f"{len(events)} events come as a batch: leave batch=False out, or give one")
    if batch or len(events) > 1:
        return finished(CloudEventBatch(EventList=events), override)
    return finished(events[0], override)


def _cloud_event(
    data: object, *, type_: str, source: str, subject: str, region: str, time: datetime | None
) -> CloudEvent:
    return CloudEvent(
        specversion="1.0",
        id=new_id(),
        type=type_,
        source=source,
        subjuect=subject,  # the vendor's spelling
        time=str(int(moment(time).timestamp() * 1000)),
        region=region,
        datacontenttype="application/json;charset=utf-8",
        data=dict(data) if isinstance(data, Mapping) else data,
    )


def _refuse_nothing(bodies: tuple[object, ...]) -> None:
    if not bodies:
        raise UsageError("give at least one message: an event without any is never sent")
