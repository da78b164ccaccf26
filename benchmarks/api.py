"""Speed of the API, in process and over HTTP, beside moto's in the same run. ``python -m benchmarks.api`` prints it.

What is asked of moto is as small: the address of a queue that is there. It checks no signature. In process it is
reached through boto3, its only way in. ``pip install -e '.[benchmarks]'``; without it the peer's rows are left out.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import importlib.util
import json
import logging
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator

from pytest_scf import ScfRuntime
from pytest_scf.endpoint.server import Endpoint
from pytest_scf.platform.outcomes import Outcome
from pytest_scf.platform.records import Invocation
from pytest_scf.platform.request_ids import new_request_id
from pytest_scf.platform.status import SUCCESS

RUNS = 3000
REGION = "us-east-1"


def median(call: Callable[[], object], runs: int = RUNS) -> float:
    """Median seconds of one call."""
    call()
    found = []
    for _ in range(runs):
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def signed_headers(endpoint: Endpoint, action: str, body: bytes) -> dict[str, str]:
    """TC3-HMAC-SHA256, made once: what is timed is the server."""
    now = int(time.time())
    date = time.strftime("%Y-%m-%d", time.gmtime(now))
    payload = hashlib.sha256(body).hexdigest()
    canonical = f"POST\n/\n\ncontent-type:application/json\nhost:{endpoint.host}\n\ncontent-type;host\n{payload}"
    scope = f"{date}/scf/tc3_request"
    text = f"TC3-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"TC3{endpoint.secret_key}".encode()
    for part in (date, "scf", "tc3_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    return {
        "Host": endpoint.host,
        "Content-Type": "application/json",
        "X-TC-Action": action,
        "X-TC-Version": "2018-04-16",
        "X-TC-Region": endpoint.region,
        "X-TC-Timestamp": str(now),
        "Authorization": f"TC3-HMAC-SHA256 Credential={endpoint.secret_id}/{scope}, SignedHeaders=content-type;host, "
        f"Signature={signature}",
    }


def over_http(port: int, headers: dict[str, str], body: bytes) -> float:
    """Seconds of one request on a connection that is kept."""
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def once() -> None:
        connection.request("POST", "/", body, headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()

    found = median(once)
    connection.close()
    return found


@contextlib.contextmanager
def moto() -> Iterator[tuple[float, float]]:
    """Seconds of one call in process and over HTTP."""
    import boto3
    from moto import mock_aws
    from moto.server import ThreadedMotoServer

    credentials = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": REGION}
    with mock_aws():
        client = boto3.client("sqs", **credentials)
        client.create_queue(QueueName="queue")
        in_process = median(lambda: client.get_queue_url(QueueName="queue"), 300)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        port = server.get_host_and_port()[1]
        boto3.client("sqs", endpoint_url=f"http://127.0.0.1:{port}", **credentials).create_queue(QueueName="queue")
        scope = f"a/20260101/{REGION}/sqs/aws4_request"
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": "AmazonSQS.GetQueueUrl",
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00",
        }
        yield in_process, over_http(port, headers, b'{"QueueName": "queue"}')
    finally:
        server.stop()


def main() -> None:
    rows: list[tuple[str, float, str]] = []
    with ScfRuntime() as runtime, runtime.endpoint() as endpoint:
        function = runtime.deploy("def main_handler(event, context):\n    return event\n", async_run=True)
        asked = {"InvokeRequestId": function.invoke_async({}).wait().request_id}
        body = json.dumps(asked).encode()
        call = runtime.api.call
        rows.append(("control call, in process", median(lambda: call("GetAsyncEventStatus", asked)), "<= 0.1 ms"))
        headers = signed_headers(endpoint, "GetAsyncEventStatus", body)
        rows.append(("the same over HTTP, signature checked", over_http(endpoint.port, headers, body), "<= 1 ms"))
        listed = {"FunctionName": function.name, "Limit": 20}
        for count in (100, 10_000):
            while len(runtime.events()) < count:
                add_event(runtime, function._record, count - len(runtime.events()))
            rows.append(
                (f"list of 20 among {count} events", median(lambda: call("ListAsyncEvents", listed)), "the same")
            )
    if importlib.util.find_spec("moto") and importlib.util.find_spec("flask"):
        with moto() as (in_process, http_seconds):
            rows.append(("  peer: moto in process, through boto3", in_process, ""))
            rows.append(("  peer: moto over HTTP", http_seconds, ""))
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}; medians of {RUNS} runs")
    for name, seconds, limit in rows:
        print(f"{name:42} {seconds * 1e3:>9.3f} ms  {limit}")


def add_event(runtime: ScfRuntime, function: object, count: int) -> None:
    """Events of the past, without processes."""
    platform = runtime._platform
    for _ in range(count):
        event = Invocation(
            new_request_id(),
            function,  # type: ignore[arg-type]
            asynchronous=True,
            invoke_type="OTHERS",
            qualifier="$LATEST",
            start_time=platform.clock.now(),
        )
        platform.events.add(event)
        event.attempt.conclude(Outcome("FINISHED", SUCCESS.code, "for the benchmark"), platform.clock.now())
        event.attempt.publish()
        platform.events.finish(event)


if __name__ == "__main__":
    main()
