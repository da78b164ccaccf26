"""Triggers of COS, CKafka and CMQ, from the test: buckets and topics whose changes call functions."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from pytest_scf import ApiError, ScfRuntime, ScfWarning, UsageError
from pytest_scf.endpoint.cos import CosService
from pytest_scf.endpoint.http_server import HttpServer
from pytest_scf.platform.buckets import Buckets, etag_of

cos_client = pytest.importorskip("qcloud_cos")

# The handler that a user has: the official SDK, with the hosts of the cloud.
THUMBNAILS = """
import os
from qcloud_cos import CosConfig, CosS3Client

def main_handler(event, context):
    record = event["Records"][0]["cos"]
    bucket = record["cosBucket"]["name"] + "-" + record["cosBucket"]["appid"]
    key = record["cosObject"]["key"].split("/", 3)[3]
    config = CosConfig(Region="ap-guangzhou", SecretId="id", SecretKey="key", Token="token")
    client = CosS3Client(config)
    data = client.get_object(Bucket=bucket, Key=key)["Body"].get_raw_stream().read()
    client.put_object(Bucket=bucket, Key="small/" + key[3:], Body=data[:4])
    return [os.environ["TRIGGER_SRC"], event["Records"][0]["event"]["eventName"], key]
"""


def echo(event, context):
    return event


def picky(event, context):
    bodies = [record["Ckafka"]["msgBody"] for record in event["Records"]]
    if "bad" in bodies:
        raise ValueError(bodies)
    return bodies


def busy(event, context):
    import time

    time.sleep(3600)


def client() -> Any:
    """One that does not try again what an error of the server refuses, after pauses of seconds."""
    return cos_client.CosS3Client(cos_client.CosConfig(Region="ap-guangzhou", SecretId="id", SecretKey="key"), retry=0)


def test_a_function_that_reads_and_writes_a_bucket(each_level: ScfRuntime) -> None:
    bucket = each_level.cos("shots")
    fn = each_level.deploy(THUMBNAILS, timeout=60)
    trigger = fn.triggers.cos("shots", prefix="in/", suffix=".jpg")
    (event,) = bucket.put("in/a.jpg", b"\xff\xd8\xff\xe0 and much more", headers={"Content-Type": "image/jpeg"})
    event.wait()
    assert event.return_value == ["cos", "cos:ObjectCreated:Put", "in/a.jpg"]
    assert bucket.get("small/a.jpg") == b"\xff\xd8\xff\xe0"
    assert bucket.keys() == ["in/a.jpg", "small/a.jpg"]
    assert bucket.put("in/a.txt", "text") == []
    assert trigger.events == [event]


def test_the_official_sdk_reaches_a_bucket_as_it_is(each_level: ScfRuntime) -> None:
    bucket = each_level.cos("shots-1250000000")
    assert bucket.name == "shots-1250000000"
    sdk, name = client(), bucket.name
    created = each_level.deploy(echo).triggers.cos("shots")
    removed = each_level.deploy(echo).triggers.cos("shots", "cos:ObjectRemove:Delete")
    sdk.put_object(
        Bucket=name, Key="a b/é.txt", Body=b"hello", ContentType="text/plain", Metadata={"x-cos-meta-o": "lin"}
    )
    assert bucket.get("a b/é.txt") == b"hello"
    got = sdk.get_object(Bucket=name, Key="a b/é.txt")
    assert (got["Body"].get_raw_stream().read(), got["Content-Type"], got["x-cos-meta-o"]) == (
        b"hello",
        "text/plain",
        "lin",
    )
    ranged = sdk.get_object(Bucket=name, Key="a b/é.txt", Range="bytes=1-3")
    assert ranged["Body"].get_raw_stream().read() == b"ell"
    head = sdk.head_object(Bucket=name, Key="a b/é.txt")
    assert head["Content-Length"] == "5"
    assert sdk.object_exists(Bucket=name, Key="a b/é.txt")
    assert not sdk.object_exists(Bucket=name, Key="none")
    source = {"Bucket": name, "Key": "a b/é.txt", "Region": "ap-guangzhou"}
    sdk.copy_object(Bucket=name, Key="copy.txt", CopySource=source)
    assert bucket.get("copy.txt") == b"hello"
    sdk.delete_object(Bucket=name, Key="copy.txt")
    assert "copy.txt" not in bucket
    names = [event.wait().return_value["Records"][0]["event"]["eventName"] for event in created.events]
    assert names == ["cos:ObjectCreated:Put", "cos:ObjectCreated:Copy"]
    record = created.events[0].return_value["Records"][0]["cos"]
    assert record["cosObject"]["key"] == "/1250000000/shots/a b/é.txt"
    assert record["cosObject"]["size"] == 5
    assert record["cosObject"]["meta"]["Content-Type"] == "text/plain"
    assert [event.wait().return_value["Records"][0]["event"]["eventName"] for event in removed.events] == [
        "cos:ObjectRemove:Delete"
    ]


def test_lists_uploads_in_parts_and_deletions_of_many(each_level: ScfRuntime) -> None:
    bucket, sdk = each_level.cos("shots"), client()
    name = bucket.name
    for key in ("a/1", "a/2", "b/1", "c"):
        bucket.put(key, key)
    listed = sdk.list_objects(Bucket=name)
    assert [each["Key"] for each in listed["Contents"]] == ["a/1", "a/2", "b/1", "c"]
    folders = sdk.list_objects(Bucket=name, Delimiter="/")
    assert [each["Prefix"] for each in folders["CommonPrefixes"]] == ["a/", "b/"]
    first = sdk.list_objects(Bucket=name, MaxKeys=2)
    assert (first["IsTruncated"], [each["Key"] for each in first["Contents"]]) == ("true", ["a/1", "a/2"])
    rest = sdk.list_objects(Bucket=name, Marker=first["NextMarker"])
    assert [each["Key"] for each in rest["Contents"]] == ["b/1", "c"]
    trigger = each_level.deploy(echo).triggers.cos("shots")
    content = b"x" * (3 * 1024 * 1024)
    sdk.upload_file_from_buffer(Bucket=name, Key="large", Body=io.BytesIO(content), MaxBufferSize=1, PartSize=1)
    assert bucket.get("large") == content
    (event,) = trigger.events
    assert event.wait().return_value["Records"][0]["event"]["eventName"] == "cos:ObjectCreated:CompleteMultipartUpload"
    sdk.delete_objects(Bucket=name, Delete={"Object": [{"Key": "a/1"}, {"Key": "c"}]})
    assert bucket.keys() == ["a/2", "b/1", "large"]


def test_what_cos_refuses(each_level: ScfRuntime) -> None:
    bucket, sdk = each_level.cos("shots"), client()
    with pytest.raises(cos_client.CosServiceError) as refused:
        sdk.get_object(Bucket=bucket.name, Key="none")
    assert (refused.value.get_status_code(), refused.value.get_error_code()) == (404, "NoSuchKey")
    with pytest.raises(cos_client.CosServiceError) as refused:
        sdk.get_object(Bucket="other-1250000000", Key="none")
    assert refused.value.get_error_code() == "NoSuchBucket"
    with pytest.raises(cos_client.CosServiceError) as refused:
        sdk.get_bucket_lifecycle(Bucket=bucket.name)
    assert refused.value.get_error_code() == "NotImplemented"
    with pytest.raises(KeyError):
        bucket.get("none")
    with pytest.raises(UsageError, match=r"a bucket's name has .*got 'shots-1250000000\.cos\.ap-guangzhou"):
        each_level.cos("shots-1250000000.cos.ap-guangzhou.myqcloud.com")
    each_level.deploy(echo).triggers.cos("shots", prefix="in/")
    with pytest.raises(ApiError, match="CosNotifyRuleConflict"):
        each_level.deploy(echo).triggers.cos("shots")
    send = cos_client.CosS3Client.send_request
    each_level.close()
    assert cos_client.CosS3Client.send_request is not send


def test_what_is_wrong_with_a_request_to_cos_is_not_an_error_of_ours(scf_runtime: ScfRuntime) -> None:
    bucket = scf_runtime.cos("shots")
    bucket.put("digits", "0123456789")
    upload = re.compile(r"<UploadId>(.*)</UploadId>")
    with HttpServer(CosService(scf_runtime._platform.buckets, bucket._bucket).answer) as server, httpx.Client() as http:
        for asked, status, content in (
            ("bytes=2-4", 206, "234"),
            ("bytes=-3", 206, "789"),
            ("bytes=8-", 206, "89"),
            ("bytes=-", 200, "0123456789"),
            ("bytes=x-", 200, "0123456789"),
            ("bytes=0-1,3-4", 200, "0123456789"),
        ):
            response = http.get(f"{server.url}/digits", headers={"Range": asked})
            assert (response.status_code, response.text) == (status, content), asked
        assert http.get(f"{server.url}/digits", headers={"Range": "bytes=10-"}).status_code == 416
        (number,) = upload.findall(http.post(f"{server.url}/large?uploads").text)
        for method, target in (("GET", "?max-keys=x"), ("GET", "?max-keys=-1"), ("PUT", f"large?uploadId={number}")):
            response = http.request(method, f"{server.url}/{target}")
            assert (response.status_code, "InvalidArgument" in response.text) == (400, True), target


def test_triggers_are_switched_and_deleted(each_level: ScfRuntime) -> None:
    bucket, fn = each_level.cos("shots"), each_level.deploy(echo)
    trigger = fn.triggers.cos("shots")
    assert (len(fn.triggers), [each.name for each in fn.triggers]) == (1, [trigger.name])
    trigger.disable()
    assert bucket.put("a", "") == []
    trigger.enable()
    assert len(bucket.put("a", "")) == 1
    trigger.delete()
    assert bucket.put("a", "") == []
    assert len(fn.triggers) == 0
    each_level.api.call("DeleteFunction", {"FunctionName": fn.name})


def test_batches_of_kafka(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(picky)
    fn.triggers.ckafka("orders", batch=2)
    each_level.api.call(
        "CreateTrigger",
        {
            "FunctionName": each_level.deploy(echo).name,
            "TriggerName": "ckafka-1-orders",
            "Type": "ckafka",
            "TriggerDesc": "{}",
        },
    )
    named = {"TriggerName": "any", "Type": "ckafka", "TriggerDesc": '{"Topic":"named"}'}
    each_level.api.call("CreateTrigger", {"FunctionName": fn.name, **named})
    assert len(each_level.topic("named").send("a")) == 1
    topic = each_level.topic("orders")
    events = topic.send("a", {"b": 1}, "c", key="k")
    assert [event.return_value for event in events[:2]] == [["a", '{"b": 1}'], ["c"]]
    whole = events[2].return_value["Records"]
    assert [record["Ckafka"]["offset"] for record in whole] == [0, 1, 2]
    assert {(record["Ckafka"]["msgKey"], record["Ckafka"]["topic"]) for record in whole} == {("k", "orders")}
    assert topic.send("d")[1].return_value["Records"][0]["Ckafka"]["offset"] == 3
    assert each_level.topic("others").send("x") == []


def test_a_batch_that_fails_is_tried_again_and_holds_up_its_partition(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(picky)
    fn.triggers.ckafka("orders", retry=2)
    topic = each_level.topic("orders")
    (failed,) = topic.send("bad", "a")
    assert failed.status_code == 430
    assert topic.send("behind") == []
    (other,) = topic.send("elsewhere", partition=1)
    assert other.return_value == ["elsewhere"]
    each_level.clock.advance(seconds=61)
    assert [event.status_code for event in each_level.invocations()] == [430, 200, 430]
    each_level.clock.advance(seconds=61)
    # It has failed three times: it is passed over, and the one behind it comes.
    assert [event.status_code for event in each_level.invocations()] == [430, 200, 430, 430, 200]
    assert each_level.invocations()[-1].return_value == ["behind"]


def test_a_batch_that_failed_is_tried_again_once_its_trigger_is_enabled_again(scf_runtime: ScfRuntime) -> None:
    trigger = scf_runtime.deploy(picky).triggers.ckafka("orders", retry=1)
    topic = scf_runtime.topic("orders")
    topic.send("bad")
    trigger.disable()
    scf_runtime.clock.advance(minutes=3)
    assert len(trigger.events) == 1
    trigger.enable()
    scf_runtime.clock.advance(seconds=61)
    # It is passed over now, and the next one comes.
    assert [event.status_code for event in trigger.events] == [430, 430]
    assert [event.return_value for event in topic.send("good")] == [["good"]]


def test_nothing_is_held_of_a_batch_whose_trigger_is_deleted(scf_runtime: ScfRuntime) -> None:
    trigger = scf_runtime.deploy(picky).triggers.ckafka("orders")
    scf_runtime.topic("orders").send("bad")
    trigger.delete()
    scf_runtime.clock.advance(minutes=2)
    assert len(scf_runtime.invocations()) == 1
    assert scf_runtime._platform.topics._lanes == {}


def test_topics_of_cmq(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(echo)
    fn.triggers.cmq("sales", tags=["red", "blue"])
    topic = each_level.topic("sales")
    assert topic.send("x") == []
    one, two = topic.send("a", "b", tags="green,blue")
    messages = [event.wait().return_value["Records"][0]["CMQ"] for event in (one, two)]
    assert [(each["msgBody"], each["msgTag"], each["topicName"]) for each in messages] == [
        ("a", "green,blue", "sales"),
        ("b", "green,blue", "sales"),
    ]
    with pytest.raises(UsageError, match="at least one"):
        topic.send()


def test_a_refused_call_fails_nobody_who_puts_an_object(scf_runtime_of: Any) -> None:
    runtime = scf_runtime_of("directory")
    bucket, fn = runtime.cos("shots"), runtime.deploy(busy, async_run=True, max_instances=1)
    trigger = fn.triggers.cos("shots", "cos:ObjectCreated:*")
    (event,) = bucket.put("a", b"1")
    with pytest.raises(ApiError, match="concurrency exceeded"):
        bucket.put("b", b"2")
    client().put_object(Bucket=bucket.name, Key="c", Body=b"3")
    assert bucket.keys() == ["a", "b", "c"]
    assert trigger.events == [event]
    with pytest.warns(ScfWarning, match=r"refused.*\ncos shots-.* of .*: LimitExceeded.*128MB$"):
        runtime.close()
    assert [error.status_code for error in trigger.refusals] == [432, 432]


def test_a_message_is_for_all_who_take_it_whoever_refuses(scf_runtime_of: Any) -> None:
    runtime = scf_runtime_of("directory")
    full = runtime.deploy(busy, async_run=True, max_instances=1).triggers.cmq("sales")
    other = runtime.deploy(echo).triggers.cmq("sales")
    with pytest.raises(ApiError, match="concurrency exceeded"):
        runtime.topic("sales").send("a", "b", "c")
    assert (len(full.events), len(full.refusals), len(other.events), other.refusals) == (1, 2, 3, [])


def test_a_timer(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(echo)
    # To midnight in the zone of timers, so that half past one does not come before the clock is moved.
    each_level.clock.advance(seconds=-(each_level.clock.now() + 8 * 3600) % 86400)
    trigger = fn.triggers.timer("0 30 1 * * * *", name="nightly", message="go")
    each_level.clock.advance(days=2)
    assert [event.return_value["Message"] for event in trigger.events] == ["go", "go"]
    assert "nightly" in repr(trigger)


def test_an_object_that_is_deleted_as_soon_as_it_is_there(
    scf_runtime: ScfRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a function that its upload has called."""
    bucket, source = (
        scf_runtime.cos("shots"),
        """
from qcloud_cos import CosConfig, CosS3Client

def main_handler(event, context):
    client = CosS3Client(CosConfig(Region="ap-guangzhou", SecretId="a", SecretKey="b"), retry=0)
    bucket = "shots-1250000000"
    found = [client.put_object(Bucket=bucket, Key="a", Body=b"1")["ETag"]]
    found.append(client.copy_object(
        Bucket=bucket, Key="a", CopySource={"Bucket": bucket, "Key": "kept", "Region": "ap-guangzhou"})["ETag"])
    return found
""",
    )
    bucket.put("kept", b"1")
    put = Buckets.put

    def put_and_delete(self: Buckets, bucket: Any, key: str, *given: Any) -> Any:
        called = put(self, bucket, key, *given)
        self.delete(bucket, key)
        return called

    monkeypatch.setattr(Buckets, "put", put_and_delete)
    assert scf_runtime.deploy(source, timeout=60).invoke().return_value == [f'"{etag_of(b"1")}"'] * 2


def test_the_sdk_of_cos_under_its_name_in_the_cloud(each_level: ScfRuntime) -> None:
    """Public handlers of Python 3.6 import what the cloud has built in."""
    source = """
from qcloud_cos_v5 import CosConfig, CosS3Client
from qcloud_cos_v5.cos_exception import CosServiceError
import qcloud_cos, qcloud_cos_v5.cos_exception

def main_handler(event, context):
    client = CosS3Client(CosConfig(Region="ap-guangzhou", SecretId="a", SecretKey="b"))
    client.put_object(Bucket="shots-1250000000", Key="a", Body=b"1")
    try:
        client.get_object(Bucket="shots-1250000000", Key="none")
    except CosServiceError as error:
        return [error.get_error_code(), qcloud_cos.CosS3Client is CosS3Client, qcloud_cos.cos_exception.__spec__.name]
"""
    bucket = each_level.cos("shots")
    fn = each_level.deploy(source, timeout=60)
    assert fn.invoke().return_value == ["NoSuchKey", True, "qcloud_cos.cos_exception"]
    assert bucket.get("a") == b"1"


def test_a_module_of_that_name_which_the_code_brings_along(each_level: ScfRuntime, tmp_path: Path) -> None:
    (tmp_path / "qcloud_cos_v5.py").write_text("OWN = 7\n")
    (tmp_path / "index.py").write_text("import qcloud_cos_v5\ndef main_handler(e, c):\n    return qcloud_cos_v5.OWN\n")
    each_level.cos("shots")
    assert each_level.deploy(tmp_path).invoke().return_value == 7
