"""The deployment engine of the serverless framework (tencent-component-toolkit), where node and it are: NODE_PATH leads
to it. It uploads code to a bucket, and deploys a function from there: to a ``serve`` in a process of its own.

It knows no other hosts than the cloud's. So what it sends to these goes to ``serve`` instead, with the Host as it is,
which it has signed.
"""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from serving import DEADLINE, Serve, node_with
from wiring import zipped

CODE = """
import os
def main_handler(event, context):
    return [event, os.environ.get("STAGE"), context["function_version"], os.listdir("/opt")]
"""
CLIENT = """
const http = require("http"), https = require("https");
const [endpoint, bucket, zip, layerZip] = process.argv.slice(1);
https.request = (options, done) => {
  const name = options.hostname || options.host;
  const [host, port] = (name.endsWith(".myqcloud.com") ? bucket : endpoint).split(":");
  const { uri, href, agent, ...sent } = options;
  const headers = { ...options.headers, host: name };
  return http.request({ ...sent, protocol: "http:", hostname: host, host, port, headers }, done);
};
const found = [];
console.log = () => {};
const { Cos, Layer, Scf } = require("tencent-component-toolkit");

async function main() {
  const credentials = { SecretId: "me", SecretKey: "mine" };
  const cos = new Cos(credentials, "ap-guangzhou");
  await cos.upload({ bucket: "code-1250000000", file: zip, key: "made.zip" });
  await cos.upload({ bucket: "code-1250000000", file: layerZip, key: "layer.zip" });
  const layer = new Layer(credentials, "ap-guangzhou");
  const stored = { bucket: "code", object: "layer.zip", region: "ap-guangzhou" };
  const published = await layer.deploy({ name: "libs", runtimes: ["Python3.9"], description: "some", ...stored });
  found.push(published);
  const scf = new Scf(credentials, "ap-guangzhou");
  const inputs = {
    name: "made",
    type: "event",
    code: { bucket: "code", object: "made.zip" },
    handler: "index.main_handler",
    runtime: "Python3.9",
    memorySize: 256,
    timeout: 10,
    environment: { variables: { STAGE: "one" } },
    publish: true,
    publishDescription: "first",
    traffic: 0.9,
    layers: [{ name: "libs", version: published.version }],
    events: [
      { timer: { name: "tick", parameters: { cronExpression: "0 0 3 * * * *", argument: "x", enable: true } } },
      { timer: { name: "tock", parameters: { cronExpression: "0 0 4 * * * *", enable: false } } },
      { http: { parameters: { qualifier: "$DEFAULT", netConfig: { enableExtranet: true } } } },
      {
        cos: {
          parameters: {
            bucket: "code-1250000000.cos.ap-guangzhou.myqcloud.com",
            events: "cos:ObjectRemove:*",
            filter: { prefix: "in/", suffix: ".csv" },
            enable: true,
          },
        },
      },
      {
        ckafka: {
          parameters: { name: "ckafka-1-orders", topic: "orders", qualifier: "$DEFAULT", maxMsgNum: 10, retry: 3 },
        },
      },
    ],
  };
  found.push(await scf.deploy({ ...inputs }));
  inputs.environment = { variables: {} };
  inputs.memorySize = 512;
  inputs.layers = [];
  inputs.aliasName = "live";
  inputs.additionalVersionWeights = [{ version: "1", weight: 0.1 }];
  inputs.events[1].timer.parameters.cronExpression = "0 0 5 * * * *";
  found.push(await scf.deploy({ ...inputs }));
  found.push(await scf.alias.get({ functionName: "made", aliasName: "live" }));
  found.push(await scf.invoke({ functionName: "made", clientContext: { a: 1 }, qualifier: "1" }));
  found.push(await scf.invoke({ functionName: "made", clientContext: { a: 1 } }));
  found.push(await scf.remove({ functionName: "made" }));
  await layer.remove(published);
  process.stdout.write(JSON.stringify(found));
}
main().catch((error) => {
  process.stderr.write(`${error.stack}`);
  process.exitCode = 1;
});
"""


@pytest.fixture(scope="module")
def node() -> str:
    return node_with("tencent-component-toolkit")


def test_it_deploys_a_function_changes_it_and_removes_it(node: str, serve: Serve, tmp_path: Path) -> None:
    zips = [tmp_path / "made.zip", tmp_path / "layer.zip"]
    for path, files in zip(zips, [{"index.py": CODE}, {"helper.py": ""}], strict=True):
        path.write_bytes(base64.b64decode(zipped(files)))
    served = serve("--port=0", "--secret-id=me", "--secret-key=mine", "--bucket=code")
    places = [served.said(r"serving on http://(\S+),"), served.said(r"http://(\S+)/: bucket code-")]
    ran = subprocess.run(
        [node, "-e", CLIENT, *places, *map(str, zips)], capture_output=True, text=True, timeout=DEADLINE
    )
    assert ran.returncode == 0, ran.stderr
    layer, first, second, alias, of_version, of_latest, removed = json.loads(ran.stdout)

    assert (layer["name"], layer["version"]) == ("libs", 1)
    assert [(each["LayerName"], each["LayerVersion"]) for each in first["Layers"]] == [("libs", 1)]
    assert second["Layers"] == []
    assert (first["Status"], first["MemorySize"], first["LastVersion"]) == ("Active", 256, "1")
    assert (first["Traffic"], first["ConfigTrafficVersion"]) == (0.9, "1")
    assert [each["Type"] for each in first["Triggers"]] == ["timer", "timer", "http", "cos", "ckafka"]
    assert all(each["NeedCreate"] for each in first["Triggers"])
    assert [each["Enable"] for each in first["Triggers"][:2]] == [1, 0]

    assert (second["Status"], second["MemorySize"]) == ("Active", 512)
    assert second["Environment"] == {"Variables": []}
    # By what it read back it knows which are as they are to be: only one timer is made anew.
    assert [each["NeedCreate"] for each in second["Triggers"]] == [False, True, False, False, False]
    assert json.loads(second["Triggers"][1]["TriggerDesc"]) == {"cron": "0 0 5 * * * *"}

    assert (alias["FunctionVersion"], alias["RoutingConfig"]["AdditionalVersionWeights"]) == (
        "2",
        [{"Version": "1", "Weight": 0.1}],
    )
    assert returned(of_version) == [{"a": 1}, "one", "1", ["helper.py"]]
    assert returned(of_latest) == [{"a": 1}, None, "$LATEST", []]
    assert removed is True
    assert served.call("ListFunctions")["TotalCount"] == served.call("ListLayers")["TotalCount"] == 0
    served.end()
    refused = [line for line in served.printed if " ms " in line and "FINISHED" not in line and ": ok," not in line]
    assert [line.partition(": ")[2].partition(":")[0] for line in refused] == [
        *["200"] * 2,  # the uploads
        "ResourceNotFound.Function",  # it is not there yet
        "ResourceNotFound.Alias",
        *["ResourceNotFound.Function"] * 2,  # it is gone
    ]


def returned(answer: dict[str, Any]) -> Any:
    return json.loads(answer["Result"]["RetMsg"])
