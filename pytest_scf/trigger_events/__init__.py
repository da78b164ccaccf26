"""The events that triggers send, as plain dictionaries: ``trigger_events.cos(key="in/a.csv")``.

Each function takes what matters of its trigger and makes the whole event of it, in the vendor's shape, encodings
done; the events are dictionaries of JSON values, and typed. ``override`` is merged into the event at the end, mapping
by mapping; where the event has a list, it is merged into each of its items:
``timer(override={"TriggerName": "tick"})``, ``cos(override={"Records": {"cos": {"cosNotificationId": "n-1"}}})``.

Where no time is given it is now; where no request id is given it is a new one. All raise UsageError for an argument
that cannot be.
"""

from pytest_scf.trigger_events._cos import CosEvent, cos
from pytest_scf.trigger_events._http import (
    ApigwEvent,
    ClbEvent,
    FunctionUrlEvent,
    WebSocketEvent,
    apigw,
    clb,
    function_url,
    websocket,
)
from pytest_scf.trigger_events._messages import (
    CkafkaEvent,
    CloudEvent,
    CloudEventBatch,
    ClsEvent,
    CmqEvent,
    ckafka,
    cls,
    cmq,
    eventbridge,
    tdmq,
)
from pytest_scf.trigger_events._mps import MpsEvent, mps
from pytest_scf.trigger_events._timer import TimerEvent, timer

__all__ = [
    "ApigwEvent",
    "CkafkaEvent",
    "ClbEvent",
    "CloudEvent",
    "CloudEventBatch",
    "ClsEvent",
    "CmqEvent",
    "CosEvent",
    "FunctionUrlEvent",
    "MpsEvent",
    "TimerEvent",
    "WebSocketEvent",
    "apigw",
    "ckafka",
    "clb",
    "cls",
    "cmq",
    "cos",
    "eventbridge",
    "function_url",
    "mps",
    "tdmq",
    "timer",
    "websocket",
]
