"""The actions on layers: what they refuse and tell, and what becomes of functions that have them."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pytest_scf import ScfRuntime, api_errors, facts
from pytest_scf.contract.api import Api

READ = "def main_handler(event, context):\n    import helper\n    return helper.WHAT\n"
Call = Callable[..., dict[str, Any]]


def zipped(text: str, name: str = "helper.py") -> str:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(name, text)
    return base64.b64encode(content.getvalue()).decode()


@pytest.fixture
def call(scf_runtime: ScfRuntime) -> Call:
    return lambda action, **params: scf_runtime.api.call(action, params)


@pytest.fixture
def publish(call: Call) -> Callable[..., int]:
    """Publish a version of a layer, whose module ``helper`` holds this text."""

    def publish(what: str = "one", name: str = "libs", **params: Any) -> int:
        defaults = {"CompatibleRuntimes": ["Python3.10"], "Content": {"ZipFile": zipped(f"WHAT = {what!r}\n")}}
        number: int = call("PublishLayerVersion", **{"LayerName": name, **defaults, **params})["LayerVersion"]
        return number

    return publish


@pytest.fixture
def create(call: Call) -> Callable[..., None]:
    def create(*layers: tuple[str, int], **params: Any) -> None:
        code = {"ZipFile": zipped(READ, "index.py")}
        call("CreateFunction", FunctionName="worker", Code=code, Layers=bound(*layers), **params)

    return create


def bound(*layers: tuple[str, int]) -> list[dict[str, Any]]:
    return [{"LayerName": name, "LayerVersion": number} for name, number in layers]


def run(call: Call, qualifier: str = "$LATEST") -> Any:
    result = call("Invoke", FunctionName="worker", Qualifier=qualifier)["Result"]
    return json.loads(result["RetMsg"]) if result["InvokeResult"] == 0 else result["ErrMsg"]


def told(call: Call, **params: Any) -> list[tuple[str, int]]:
    layers = call("GetFunction", FunctionName="worker", **params)["Layers"]
    return [(each["LayerName"], each["LayerVersion"]) for each in layers]


def test_versions_are_published_told_listed_and_deleted(
    call: Call, publish: Callable[..., int], scf_runtime: ScfRuntime
) -> None:
    content = zipped("WHAT = 1\n")
    tags = [{"Key": "team", "Value": "a"}]
    said = {"Description": "the first", "LicenseInfo": "MIT", "CompatibleRuntimes": ["Python3.6", "Python3.10"]}
    assert publish(Content={"ZipFile": content}, Tags=tags, **said) == 1
    scf_runtime.clock.advance(seconds=2)
    assert [publish("two"), publish("other", "more"), publish("three")] == [2, 1, 3]
    first = call("GetLayerVersion", LayerName="libs", LayerVersion=1)
    del first["RequestId"]
    location = Path(first.pop("Location").removeprefix("file://"))
    assert (location / "helper.py").read_text() == "WHAT = 1\n"
    added = first.pop("AddTime")
    digest = hashlib.sha256(base64.b64decode(content)).hexdigest()
    assert first == {**said, "LayerName": "libs", "LayerVersion": 1, "Status": "Active", "CodeSha256": digest}
    versions = call("ListLayerVersions", LayerName="libs")["LayerVersions"]
    assert [each["LayerVersion"] for each in versions] == [3, 2, 1]
    assert (versions[2]["Tags"], versions[2]["AddTime"], versions[2]["Status"]) == (tags, added, "Active")
    assert versions[0]["AddTime"] > added
    older = call("ListLayerVersions", LayerName="libs", CompatibleRuntime=["Python3.6", "Python3.7"])["LayerVersions"]
    assert [each["LayerVersion"] for each in older] == [1]

    def names(**params: object) -> list[tuple[str, int]]:
        found = call("ListLayers", **params)
        layers = [(each["LayerName"], each["LayerVersion"]) for each in found["Layers"]]
        assert found["TotalCount"] >= len(layers)
        return layers

    assert names() == [("libs", 3), ("more", 1)]
    assert names(Limit=1, Offset=1) == [("more", 1)]
    assert names(SearchKey="ib") == [("libs", 3)]
    assert names(CompatibleRuntime="Python3.6") == [("libs", 1)]
    call("DeleteLayerVersion", LayerName="libs", LayerVersion=3)
    assert names() == [("libs", 2), ("more", 1)]
    assert publish("four") == 4
    call("DeleteLayerVersion", LayerName="more", LayerVersion=1)
    for action in ("GetLayerVersion", "DeleteLayerVersion"):
        with pytest.raises(api_errors.ResourceNotFoundLayerVersion, match="libs has no version 3"):
            call(action, LayerName="libs", LayerVersion=3)
        with pytest.raises(api_errors.ResourceNotFoundLayer, match="no layer more"):
            call(action, LayerName="more", LayerVersion=1)
    with pytest.raises(api_errors.ResourceNotFoundLayer):
        call("ListLayerVersions", LayerName="more")
    assert publish("again", "more") == 2


def test_a_function_has_the_layers_that_it_is_bound_to(
    call: Call, publish: Callable[..., int], create: Callable[..., None]
) -> None:
    for what in ("one", "two"):
        publish(what)
    publish("more", "more")
    create(("libs", 1))
    assert (run(call), told(call)) == ("one", [("libs", 1)])
    call("UpdateFunctionConfiguration", FunctionName="worker", Timeout=5)
    assert told(call) == [("libs", 1)]
    call("UpdateFunctionConfiguration", FunctionName="worker", Layers=bound(("libs", 1), ("more", 1)))
    assert (run(call), told(call)) == ("more", [("libs", 1), ("more", 1)])
    call("UpdateFunctionConfiguration", FunctionName="worker", Layers=bound(("more", 1), ("libs", 2)))
    assert run(call) == "two"
    call("UpdateFunctionConfiguration", FunctionName="worker", Layers=bound(("", 0)))
    assert told(call) == []
    assert "No module named 'helper'" in run(call)


def test_what_is_deleted_stays_with_those_who_have_it_until_nobody_has(
    call: Call, publish: Callable[..., int], create: Callable[..., None], scf_runtime: ScfRuntime
) -> None:
    base = scf_runtime._platform.base_dir
    before = set(os.listdir(base))
    publish()
    create(("libs", 1))
    call("PublishVersion", FunctionName="worker")
    call("UpdateFunctionConfiguration", FunctionName="worker", Layers=bound(("", 0)))
    call("DeleteLayerVersion", LayerName="libs", LayerVersion=1)
    assert (run(call, "1"), told(call, Qualifier="1"), told(call)) == ("one", [("libs", 1)], [])
    with pytest.raises(api_errors.ResourceNotFoundLayer):
        call("UpdateFunctionConfiguration", FunctionName="worker", Layers=bound(("libs", 1)))
    call("DeleteFunction", FunctionName="worker")
    assert set(os.listdir(base)) == before


def test_a_local_directory_is_copied(
    call: Call, publish: Callable[..., int], create: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / "helper.py").write_text("WHAT = 'before'\n")
    publish(Content={"LocalPath": str(tmp_path)})
    (tmp_path / "helper.py").write_text("WHAT = 'after'\n")
    create(("libs", 1))
    assert run(call) == "before"


def test_a_zip_in_a_bucket(
    call: Call, publish: Callable[..., int], create: Callable[..., None], scf_runtime: ScfRuntime
) -> None:
    scf_runtime.cos("libs").put("layer.zip", base64.b64decode(zipped("WHAT = 'of the bucket'\n")))
    publish(Content={"CosBucketName": "libs", "CosObjectName": "/layer.zip"})
    create(("libs", 1))
    assert run(call) == "of the bucket"


PUBLISHED: dict[str, Any] = {"LayerName": "libs", "CompatibleRuntimes": ["Python3.10"]}


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"LayerName": "1st"}, api_errors.InvalidParameterValueLayerName),
        ({"LayerName": "libs-"}, api_errors.InvalidParameterValueLayerName),
        ({"LayerName": "l" * 65}, api_errors.InvalidParameterValueLayerName),
        ({"CompatibleRuntimes": []}, api_errors.InvalidParameterValueCompatibleRuntimes),
        ({"CompatibleRuntimes": ["Python"]}, api_errors.InvalidParameterValueCompatibleRuntimes),
        ({"Content": None}, api_errors.MissingParameter),
        ({"Content": {}}, api_errors.MissingParameterCode),
        ({"Content": {"ZipFile": "%"}}, api_errors.InvalidParameterValueZipFileBase64BinasciiError),
        ({"Content": {"ZipFile": zipped("x", "../x")}}, api_errors.InvalidParameterValueZipFile),
        ({"Content": {"ZipFile": zipped("x" * 4000)}}, api_errors.InvalidParameterValueContent),
        ({"Content": {"CosBucketName": "b", "CosObjectName": "/o"}}, api_errors.InvalidParameterValueCosBucketName),
        ({"Content": {"GitUrl": "https://example.com"}}, api_errors.UnsupportedOperation),
    ],
)
def test_what_is_not_published(
    api: Api, monkeypatch: pytest.MonkeyPatch, params: dict[str, Any], error: type[Exception]
) -> None:
    monkeypatch.setattr(facts, "LAYER_ZIP_BYTES", 4000)
    with pytest.raises(error):
        api.call("PublishLayerVersion", {**PUBLISHED, "Content": {"ZipFile": zipped("x")}, **params})
    assert api.call("ListLayers", {})["TotalCount"] == 0


def test_how_many_there_may_be(
    call: Call, publish: Callable[..., int], create: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "LAYERS", 2)
    monkeypatch.setattr(facts, "LAYER_VERSIONS", 3)
    assert [publish(), publish(), publish(), publish(name="more")] == [1, 2, 3, 1]
    with pytest.raises(api_errors.LimitExceededLayerVersions):
        publish()
    with pytest.raises(api_errors.LimitExceededLayers):
        publish(name="third")
    with pytest.raises(api_errors.InvalidParameterValueLayers, match="may have 5 layers"):
        create(*[("libs", 1)] * 6)
    create(*[("libs", 1)] * 5)
    monkeypatch.setattr(facts, "CODE_BYTES", len(READ) + 5 * len("WHAT = 'one'\n"))
    larger = {"ZipFile": zipped(READ + "\n", "index.py")}
    with pytest.raises(api_errors.InvalidParameterValueLayers, match="and, with its layers,"):
        call("UpdateFunctionCode", FunctionName="worker", Code=larger)
    call("UpdateFunctionCode", FunctionName="worker", Code={"ZipFile": zipped(READ, "index.py")})
    with pytest.raises(api_errors.ResourceNotFoundLayerVersion):
        call("UpdateFunctionConfiguration", FunctionName="worker", Layers=bound(("libs", 9)))
    assert run(call) == "one"


def test_many_publish_bind_and_delete_at_the_same_time(
    call: Call, publish: Callable[..., int], scf_runtime: ScfRuntime
) -> None:
    """Nobody's layer goes before its function is made, no number is given twice, and nothing is left."""
    base = scf_runtime._platform.base_dir
    before = set(os.listdir(base))
    code = {"ZipFile": zipped(READ, "index.py")}

    def work(worker: int) -> list[int]:
        numbers = []
        for _ in range(6):
            numbers.append(publish(f"of {worker}"))
            name = f"worker-{worker}"
            layers = bound(*[("libs", numbers[-1])] * 2)
            call("CreateFunction", FunctionName=name, Code=code, Layers=layers)
            call("DeleteLayerVersion", LayerName="libs", LayerVersion=numbers[-1])
            call("UpdateFunctionConfiguration", FunctionName=name, Layers=bound(("", 0)))
            call("DeleteFunction", FunctionName=name)
        return numbers

    with ThreadPoolExecutor(4) as pool:
        numbers = [number for found in pool.map(work, range(4)) for number in found]
    assert sorted(numbers) == list(range(1, 25))
    assert call("ListLayers")["Layers"] == []
    assert set(os.listdir(base)) == before
