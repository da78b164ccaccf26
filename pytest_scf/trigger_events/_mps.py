"""The event of media processing (MPS)."""

from __future__ import annotations

from typing import Any, TypedDict

from pytest_scf.errors import UsageError
from pytest_scf.trigger_events._common import APPID, REGION, Override, finished, new_id
from pytest_scf.trigger_events._cos import split_bucket


class _MpsEvent(TypedDict):
    EventType: str


class MpsEvent(_MpsEvent, total=False):
    WorkflowTaskEvent: dict[str, Any]
    EditMediaTaskEvent: dict[str, Any]


def mps(
    event: str = "WorkflowTask",
    *,
    bucket: str = "bucket",
    key: str = "video.mp4",
    status: str = "FINISH",
    result_type: str = "Transcode",
    error_code: int = 0,
    message: str = "",
    task_id: str | None = None,
    appid: str = APPID,
    region: str = REGION,
    override: Override = None,
) -> MpsEvent:
    """The event of a task of media processing (``event`` is "WorkflowTask" or "EditMediaTask") on an object of COS.

    ``status`` is "PROCESSING" or "FINISH"; an ``error_code`` other than 0 makes the result a failure.
    """
    if event not in ("WorkflowTask", "EditMediaTask"):
        raise UsageError(f'event={event!r} is neither "WorkflowTask" nor "EditMediaTask"')
    name, appid = split_bucket(bucket, appid)
    task = {
        "TaskId": task_id or f"{appid}-{event}-{new_id()}",
        "Status": status,
        "ErrCode": error_code,
        "Message": message,
    }
    place = {
        "Type": "COS",
        "CosInputInfo": {"Bucket": f"{name}-{appid}", "Region": region, "Object": f"/{key.lstrip('/')}"},
    }
    if event == "EditMediaTask":
        return finished(MpsEvent(EventType=event, EditMediaTaskEvent={**task, "Input": place, "Output": {}}), override)
    detail = {
        **task,
        "InputInfo": place,
        "MetaData": {"Duration": 60, "Width": 1280, "Height": 720},
        "MediaProcessResultSet": [
            {
                "Type": result_type,
                f"{result_type}Task": {"Status": "FAIL" if error_code else "SUCCESS", "ErrCode": error_code},
            }
        ],
        "AiContentReviewResultSet": [],
        "AiAnalysisResultSet": [],
        "AiRecognitionResultSet": [],
    }
    return finished(MpsEvent(EventType=event, WorkflowTaskEvent=detail), override)
