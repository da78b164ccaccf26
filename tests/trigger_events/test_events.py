"""Each event beside what the vendor shows of it: the same keys, types and values, in the same places."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import datetime, timezone
from typing import Any

import pytest
import vendor_examples as vendor

from pytest_scf import UsageError, trigger_events

TIME = datetime(2024, 3, 5, 1, 30, tzinfo=timezone.utc)
WITHOUT_ID = {"id": "13a3f42d"}


def test_timer() -> None:
    event = trigger_events.timer("nightly-report", message='{"job":"report"}', time=TIME)
    assert event == vendor.TIMER
    assert trigger_events.timer()["Message"] == ""


def test_cos() -> None:
    event = trigger_events.cos(
        "shots-1259990001",
        "in/a.csv",
        size=2048,
        meta={"x-cos-request-id": "NWUwMTIz", "Content-Type": "text/csv", "x-cos-meta-owner": "lin"},
        function="importer",
        time=TIME,
    )
    assert event == vendor.COS
    removed = trigger_events.cos(
        "shots", "/a", event="cos:ObjectRemove:Delete", appid="1259990001", region="ap-beijing"
    )
    assert removed["Records"][0]["cos"]["cosObject"]["key"] == "/1259990001/shots/a"
    assert removed["Records"][0]["cos"]["cosBucket"] == {"region": "bj", "name": "shots", "appid": "1259990001"}
    assert removed["Records"][0]["event"]["eventName"] == "cos:ObjectRemove:Delete"


def test_ckafka() -> None:
    event = trigger_events.ckafka({"id": 7}, "plain", topic="orders", partition=2, offset=1204, key="user-7")
    assert event == vendor.CKAFKA
    assert trigger_events.ckafka("b")["Records"][0]["Ckafka"]["msgKey"] == "None"


def test_cmq() -> None:
    event = trigger_events.cmq(
        {"id": 7},
        topic="sales",
        tags="red,blue",
        subscription="importer-sub",
        owner="1259990001",
        time=TIME,
        override={"Records": {"CMQ": {"requestId": "9dd3c1e0"}}},
    )
    assert event == vendor.CMQ


def test_tdmq() -> None:
    event = trigger_events.tdmq(
        "hello",
        topic="orders",
        namespace="ns1",
        tags="red",
        subscription="stock-sub",
        appid="1259990001",
        uin="100000000001",
        time=TIME,
        override=WITHOUT_ID,
    )
    assert event == vendor.TDMQ


def test_eventbridge() -> None:
    arguments: dict[str, Any] = {
        "type": "connector:tdmq",
        "source": "tdmq.cloud.tencent",
        "subject": vendor.TDMQ["subjuect"],
        "time": TIME,
    }
    event: Any = trigger_events.eventbridge(vendor.TDMQ["data"], override=WITHOUT_ID, **arguments)
    assert event == vendor.TDMQ
    both = {"EventList": [vendor.TDMQ, vendor.TDMQ]}
    data = vendor.TDMQ["data"]
    assert trigger_events.eventbridge(data, data, override={"EventList": WITHOUT_ID}, **arguments) == both
    batch: Any = trigger_events.eventbridge(data, batch=True)
    assert len(batch["EventList"]) == 1


def test_cls() -> None:
    event = trigger_events.cls("line", {"level": "info"}, topic="applog", topic_id="b1c2", time=TIME)
    assert list(event) == ["clslogs"]
    assert list(event["clslogs"]) == ["data"]
    packed = base64.b64decode(event["clslogs"]["data"], validate=True)
    assert json.loads(gzip.decompress(packed)) == vendor.CLS_CONTENT
    assert event == trigger_events.cls("line", {"level": "info"}, topic="applog", topic_id="b1c2", time=TIME)


def test_apigw() -> None:
    event = trigger_events.apigw(
        "post",
        "/shop/42?lang=en",
        query={"dry": "1"},
        resource="/shop/{id}",
        json={"qty": 2},
        headers={"User-Agent": "curl/8.5", "Host": "service-k2m9x0aa-1259990001.gz.apigw.tencentcs.com"},
        query_parameters={"lang": "en"},
        header_parameters={"X-Tenant": "acme"},
        secret_id="AKIDinvented01",
        service_id="service-k2m9x0aa",
        override={
            "requestContext": {"requestId": "5c1e7d0a9b"},
            "headers": {"x-api-requestid": "5c1e7d0a9b", "x-b3-traceid": "5c1e7d0a9b"},
        },
    )
    assert event == vendor.APIGW


def test_function_url() -> None:
    event = trigger_events.function_url("POST", "/orders?lang=en", json={"qty": 2}, appid="1259990001")
    assert event == vendor.FUNCTION_URL
    assert trigger_events.function_url("GET", "/")["body"] == ""


def test_clb() -> None:
    event = trigger_events.clb(
        "POST",
        "/hook",
        json={"k": "v"},
        headers={"user-agent": "curl/8.5"},
        source_ip="198.51.100.4",
        override={"headers": {"X-Stgw-Time": "1709602200.000"}},
    )
    assert event == vendor.CLB
    image = trigger_events.clb("POST", "/", body=b"\xff\xd8", headers={"Content-Type": "image/jpeg"})
    assert (image["payload"], image["isBase64Encoded"]) == ("/9g=", "true")
    text = trigger_events.clb("POST", "/", body="a=1", headers={"Content-Type": "text/plain"})
    assert (text["payload"], text["isBase64Encoded"]) == ("a=1", "false")


def test_mps() -> None:
    event = trigger_events.mps(
        bucket="vid-1259990001", key="a.mp4", override={"WorkflowTaskEvent": {"TaskId": "901-WorkflowTask-ab12cd"}}
    )
    assert event == vendor.MPS
    edited = trigger_events.mps("EditMediaTask", key="a.mp4")
    assert set(edited["EditMediaTaskEvent"]) == {"TaskId", "Status", "ErrCode", "Message", "Input", "Output"}


def test_websocket() -> None:
    connecting = trigger_events.websocket(
        protocol="chat",
        path="/room",
        service="chat",
        connection_id="d2Vi",
        override={"requestContext": {"requestId": "92b1"}},
    )
    assert connecting == vendor.WEBSOCKET_CONNECTING
    text = {"action": "data send", "secConnectionID": "d2Vi", "dataType": "text", "data": "hi"}
    assert trigger_events.websocket("data send", data="hi", connection_id="d2Vi") == {"websocket": text}
    binary = {**text, "dataType": "binary", "data": "AAE="}
    assert trigger_events.websocket("data send", data=b"\x00\x01", connection_id="d2Vi") == {"websocket": binary}
    closing = {"action": "closing", "secConnectionID": "d2Vi"}
    assert trigger_events.websocket("closing", connection_id="d2Vi") == {"websocket": closing}


def test_all_are_json_values() -> None:
    for event in (
        trigger_events.timer(),
        trigger_events.cos(),
        trigger_events.ckafka("a"),
        trigger_events.cmq("a"),
        trigger_events.tdmq("a"),
        trigger_events.eventbridge({"a": 1}),
        trigger_events.cls("a"),
        trigger_events.apigw(query={"a": ("1", "2")}, query_parameters={"a": ("1", "2")}),
        trigger_events.function_url(query={"a": ("1", "2")}),
        trigger_events.clb(),
        trigger_events.mps(),
        trigger_events.websocket(),
    ):
        assert json.loads(json.dumps(event)) == event


@pytest.mark.parametrize("make", [trigger_events.apigw, trigger_events.function_url])
def test_bodies(make: Any) -> None:
    assert make("POST", "/", body="é")["body"] == "é"
    assert make("POST", "/", body="é".encode())["body"] == "é"
    binary = make("POST", "/", body=b"\xff\x00")
    assert base64.b64decode(binary["body"]) == b"\xff\x00"
    assert binary["isBase64Encoded"] is True
    assert not make("POST", "/", body="text").get("isBase64Encoded")
    assert make("GET", "/?a=1&a=2&b=")["queryString"] == {"a": ["1", "2"], "b": ""}


def test_headers_arrive_in_lower_case() -> None:
    assert trigger_events.function_url(headers={"X-Token": "t"})["headers"]["x-token"] == "t"
    assert trigger_events.apigw(headers={"X-Token": "t"})["headers"]["x-token"] == "t"


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: trigger_events.cos(event="ObjectCreated:Put"), "is not an event of COS"),
        (lambda: trigger_events.cos(event="cos:ObjectCreated:*"), "is not an event of COS"),
        (lambda: trigger_events.cos(key=""), "neither may be empty"),
        (lambda: trigger_events.cos("in/a.csv", "shots"), "a bucket's name has lower-case letters.*got 'in/a.csv'"),
        (lambda: trigger_events.timer(time=datetime(2024, 1, 1)), "has no zone"),
        (lambda: trigger_events.ckafka(), "at least one message"),
        (lambda: trigger_events.ckafka(b"bytes"), "a text or a value that JSON can carry"),
        (lambda: trigger_events.cls(), "at least one message"),
        (lambda: trigger_events.eventbridge({}, {}, batch=False), "come as a batch"),
        (lambda: trigger_events.apigw("GET", "shop"), "begin with a slash"),
        (lambda: trigger_events.apigw("GET", "/", body="", json={}), "not both"),
        (lambda: trigger_events.apigw("GET", "/other/1", resource="/shop/{id}"), "not a path of resource"),
        (lambda: trigger_events.apigw("GET", "/shop", resource="/shop/{id}"), "not a path of resource"),
        (lambda: trigger_events.clb("POST", "/", body="{"), "is not"),
        (lambda: trigger_events.mps("Other"), "neither"),
        (lambda: trigger_events.websocket("open"), "none of"),
    ],
)
def test_what_cannot_be_is_refused(make: Any, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        make()
