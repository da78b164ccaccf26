"""The event of a COS trigger (583/9707)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict

from pytest_scf.errors import UsageError
from pytest_scf.trigger_events._common import APPID, REGION, Override, finished, moment, new_id

#: the kinds of events that the documents list, without the ones that stand for several
COS_EVENTS = (
    "cos:ObjectCreated:Put",
    "cos:ObjectCreated:Post",
    "cos:ObjectCreated:Copy",
    "cos:ObjectCreated:CompleteMultipartUpload",
    "cos:ObjectCreated:Append",
    "cos:ObjectCreated:Origin",
    "cos:ObjectCreated:Replication",
    "cos:ObjectRemove:Delete",
    "cos:ObjectRemove:DeleteMarkerCreated",
    "cos:ObjectRestore:Post",
    "cos:ObjectRestore:Completed",
)
#: the short codes of regions in ``cosBucket.region``, as far as the documents show them
_SHORT_REGIONS = {
    "ap-guangzhou": "gz",
    "ap-shanghai": "sh",
    "ap-beijing": "bj",
    "ap-chengdu": "cd",
    "ap-chongqing": "cq",
    "ap-nanjing": "nj",
    "ap-hongkong": "hk",
    "ap-singapore": "sg",
}
_WITH_APPID = re.compile(r"(?P<name>.+)-(?P<appid>\d{8,12})")


class CosObject(TypedDict):
    url: str
    meta: dict[str, str]
    vid: str
    key: str
    size: int


class CosBucket(TypedDict):
    region: str
    name: str
    appid: str


class CosPart(TypedDict):
    cosSchemaVersion: str
    cosObject: CosObject
    cosBucket: CosBucket
    cosNotificationId: str


class CosEventPart(TypedDict):
    eventName: str
    eventVersion: str
    eventTime: int
    eventSource: str
    requestParameters: dict[str, Any]
    eventQueue: str
    reservedInfo: str
    reqid: int


class CosRecord(TypedDict):
    cos: CosPart
    event: CosEventPart


class CosEvent(TypedDict):
    Records: list[CosRecord]


def split_bucket(bucket: str, appid: str = APPID) -> tuple[str, str]:
    """The name and the account of a bucket's name, which may have the account at its end."""
    found = _WITH_APPID.fullmatch(bucket)
    return (found["name"], found["appid"]) if found else (bucket, appid)


def check_bucket(bucket: str) -> None:
    """Raises UsageError for what is no bucket's name: an object's key, or the domain of a bucket."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", bucket):
        raise UsageError(
            "a bucket's name has lower-case letters, digits and hyphens, such as 'shots' or 'shots-1250000000'; got "
            f"{bucket!r}"
        )


def cos(
    bucket: str = "bucket",
    key: str = "file",
    *,
    event: str = "cos:ObjectCreated:Put",
    size: int = 1024,
    meta: Mapping[str, str] | None = None,
    version_id: str = "",
    appid: str = APPID,
    region: str = REGION,
    function: str = "function",
    time: datetime | None = None,
    override: Override = None,
) -> CosEvent:
    """The event of an object ``key`` that was put into, or removed from, a ``bucket``.

    The bucket is named with its account at the end ("shots-1259990001") or without ("shots"; then it is ``appid``).
    ``meta`` are headers of the object, such as Content-Type. ``size`` is in bytes, ``function`` the one that is called.

    Choice: a region without a documented short code keeps its own name in ``cosBucket.region``.
    """
    check_bucket(bucket)
    if event not in COS_EVENTS:
        raise UsageError(f"event={event!r} is not an event of COS; they are {', '.join(COS_EVENTS)}")
    name, appid = split_bucket(bucket, appid)
    key = key.lstrip("/")
    if not name or not key:
        raise UsageError(f"bucket={bucket!r} and key={key!r}: neither may be empty")
    host = f"{name}-{appid}.cos.{region}.myqcloud.com"
    record = CosRecord(
        cos=CosPart(
            cosSchemaVersion="1.0",
            cosObject=CosObject(
                url=f"http://{host}/{key}",
                meta={"x-cos-request-id": new_id(), "Content-Type": "", **(meta or {})},
                vid=version_id,
                key=f"/{appid}/{name}/{key}",
                size=size,
            ),
            cosBucket=CosBucket(region=_SHORT_REGIONS.get(region, region), name=name, appid=appid),
            cosNotificationId="unkown",
        ),
        event=CosEventPart(
            eventName=event,
            eventVersion="1.0",
            eventTime=int(moment(time).timestamp()),
            eventSource="qcs::cos",
            requestParameters={
                "requestSourceIP": "127.0.0.1",
                "requestHeaders": {"Authorization": "q-sign-algorithm=sha1"},
            },
            eventQueue=f"qcs:0:scf:{region}:appid/{appid}:default.{function}.$LATEST",
            reservedInfo="",
            reqid=1,
        ),
    )
    return finished(CosEvent(Records=[record]), override)
