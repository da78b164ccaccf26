"""The official Node.js SDK (tencentcloud-sdk-nodejs-scf), where node and the SDK are: NODE_PATH leads to it."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest
from serving import DEADLINE, node_with

from pytest_scf import ScfRuntime
from pytest_scf.endpoint.server import Endpoint

WORKER = """
import time
def main_handler(event, context):
    while event.get("wait"):
        time.sleep(1)
    return event
"""
CLIENT = """
const { scf } = require("tencentcloud-sdk-nodejs-scf");
const [endpoint, secretId, secretKey, region, ways] = process.argv.slice(1);

async function main() {
  const found = [];
  for (const [signMethod, reqMethod] of JSON.parse(ways)) {
    const client = new scf.v20180416.Client({
      credential: { secretId, secretKey },
      region,
      profile: { signMethod, httpProfile: { endpoint, protocol: "http://", reqMethod } },
    });
    const FunctionName = "worker";
    const text = JSON.stringify({ "é & +": "7 ~*'()" });
    const echoed = JSON.parse((await client.Invoke({ FunctionName, ClientContext: text })).Result.RetMsg);
    const asked = { FunctionName, InvocationType: "Event", ClientContext: '{"wait": true}' };
    const InvokeRequestId = (await client.Invoke(asked)).Result.FunctionRequestId;
    const listed = await client.ListAsyncEvents({ FunctionName, Status: ["RUNNING"], Limit: 1, Offset: 0 });
    const running = (await client.GetAsyncEventStatus({ InvokeRequestId })).Result.Status;
    await client.TerminateAsyncEvent({ FunctionName, InvokeRequestId, GraceShutdown: false });
    const ended = (await client.GetAsyncEventStatus({ InvokeRequestId })).Result.Status;
    const error = await client.TerminateAsyncEvent({ FunctionName, InvokeRequestId }).catch((caught) => caught.code);
    found.push([echoed, listed.TotalCount, running, ended, error]);
  }
  const other = new scf.v20180416.Client({
    credential: { secretId, secretKey: "other" },
    region,
    profile: { httpProfile: { endpoint, protocol: "http://" } },
  });
  found.push(await other.GetAsyncEventStatus({ InvokeRequestId: "1" }).catch((caught) => caught.code));
  console.log(JSON.stringify(found));
}
main();
"""


@pytest.fixture(scope="module")
def node() -> str:
    return node_with("tencentcloud-sdk-nodejs-scf")


def test_its_client_in_each_way_of_signing_and_sending(
    node: str, scf_runtime: ScfRuntime, scf_endpoint: Endpoint
) -> None:
    scf_runtime.deploy(WORKER, name="worker", async_run=True)
    ways = [(sign, method) for sign in ("TC3-HMAC-SHA256", "HmacSHA1", "HmacSHA256") for method in ("POST", "GET")]
    who = [scf_endpoint.host, scf_endpoint.secret_id, scf_endpoint.secret_key, scf_endpoint.region]
    ran = subprocess.run(
        [node, "-e", CLIENT, *who, json.dumps(ways)],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        env={**os.environ, "NODE_NO_WARNINGS": "1"},
    )
    assert ran.stdout, ran.stderr
    *found, refused = json.loads(ran.stdout)
    each: list[Any] = [{"é & +": "7 ~*'()"}, 1, "RUNNING", "ABORTED", "FailedOperation.AsyncEventStatus"]
    assert dict(zip(map(str, ways), found, strict=True)) == {str(way): each for way in ways}
    assert refused == "AuthFailure.SignatureFailure"
