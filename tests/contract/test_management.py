"""The management actions, over the real platform: what they change is what the function then is."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_scf import ScfRuntime, api_errors

ECHO = "import os\ndef main_handler(event, context):\n    return {text!r}, dict(os.environ), context\n"


def zipped(text: str, name: str = "index.py", mode: int = 0o644) -> str:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = (0o100000 | mode) << 16
        archive.writestr(entry, text)
    return base64.b64encode(content.getvalue()).decode()


@pytest.fixture
def call(scf_runtime: ScfRuntime) -> Callable[..., dict[str, Any]]:
    return lambda action, **params: scf_runtime.api.call(action, params)


@pytest.fixture
def create(call: Callable[..., dict[str, Any]]) -> Callable[..., None]:
    """Create the function ``worker``, which returns a text, its environment and its context."""

    def create(text: str = "one", **params: Any) -> None:
        code = {"ZipFile": zipped(ECHO.format(text=text))}
        call("CreateFunction", **{"FunctionName": "worker", "Code": code, **params})

    return create


@pytest.fixture
def run(call: Callable[..., dict[str, Any]]) -> Callable[..., Any]:
    """Call ``worker``, and give what it returned."""

    def run(qualifier: str = "$LATEST", **params: Any) -> Any:
        result = call("Invoke", FunctionName="worker", Qualifier=qualifier, **params)["Result"]
        assert result["InvokeResult"] == 0, result
        return json.loads(result["RetMsg"])

    return run


class TestCreating:
    def test_what_is_created_is_what_runs_and_what_is_told(
        self, create: Callable[..., None], call: Callable[..., dict[str, Any]], run: Callable[..., Any]
    ) -> None:
        create(
            Description="works",
            MemorySize=256,
            Timeout=7,
            InitTimeout=9,
            Environment={"Variables": [{"Key": "LEVEL", "Value": "high"}]},
            TraceEnable="TRUE",
            Role="SCF_Role",
            Tags=[{"Key": "team", "Value": "a"}],
        )
        text, environ, context = run()
        assert text == "one"
        assert environ["LEVEL"] == "high"
        assert (context["memory_limit_in_mb"], context["time_limit_in_ms"]) == (256, 7000)
        told = call("GetFunction", FunctionName="worker", ShowCode="TRUE")
        assert told["Environment"] == {"Variables": [{"Key": "LEVEL", "Value": "high"}]}
        assert (told["MemorySize"], told["Timeout"], told["InitTimeout"]) == (256, 7, 9)
        assert (told["AsyncRunEnable"], told["TraceEnable"], told["Type"]) == ("FALSE", "TRUE", "Event")
        assert (told["Role"], told["Tags"]) == ("SCF_Role", [{"Key": "team", "Value": "a"}])
        assert told["Description"] == "works"
        assert told["CodeInfo"].startswith("import os")
        assert told["CodeSize"] == len(ECHO.format(text="one"))
        assert told["Status"] == "Active"

    def test_a_local_directory_is_used_in_place(
        self, call: Callable[..., dict[str, Any]], run: Callable[..., Any], tmp_path: Path
    ) -> None:
        (tmp_path / "app.py").write_text(ECHO.format(text="local").replace("main_handler", "go"))
        call("CreateFunction", FunctionName="worker", Code={"LocalPath": str(tmp_path)}, Handler="app.go")
        assert run()[0] == "local"

    def test_code_of_a_bucket(
        self, scf_runtime: ScfRuntime, call: Callable[..., dict[str, Any]], run: Callable[..., Any]
    ) -> None:
        bucket = scf_runtime.cos("code")
        bucket.put("a/one.zip", base64.b64decode(zipped(ECHO.format(text="one"))))
        bucket.put("two.zip", base64.b64decode(zipped(ECHO.format(text="two"))))
        bucket.put("none.zip", b"no zip")
        place = {"CosBucketName": "code", "CosObjectName": "/a/one.zip", "CosBucketRegion": "ap-guangzhou"}
        call("CreateFunction", FunctionName="worker", Code=place)
        assert run()[0] == "one"
        call("UpdateFunctionCode", FunctionName="worker", CosBucketName="code-1250000000", CosObjectName="two.zip")
        bucket.delete("two.zip")
        assert run()[0] == "two"
        with pytest.raises(api_errors.InvalidParameterValueCosObjectName, match=r"no object two\.zip in the bucket"):
            call("UpdateFunctionCode", FunctionName="worker", CosBucketName="code", CosObjectName="two.zip")
        with pytest.raises(
            api_errors.InvalidParameterValueCosBucketRegion, match="ap-guangzhou, where all buckets are"
        ):
            call("UpdateFunctionCode", FunctionName="worker", Code={**place, "CosBucketRegion": "ap-beijing"})
        with pytest.raises(api_errors.InvalidParameterValueCode, match=r"code-1250000000 is not valid: .*not a zip"):
            call("UpdateFunctionCode", FunctionName="worker", Code={**place, "CosObjectName": "none.zip"})

    def test_asynchronous_execution_has_its_own_limits_and_is_locked(
        self, create: Callable[..., None], call: Callable[..., dict[str, Any]]
    ) -> None:
        create(AsyncRunEnable="TRUE")
        assert call("GetFunction", FunctionName="worker")["Timeout"] == 86400
        with pytest.raises(api_errors.UnknownParameter, match="AsyncRunEnable"):
            call("UpdateFunctionConfiguration", FunctionName="worker", AsyncRunEnable="FALSE")

    def test_what_deploy_makes_is_told_and_the_other_way_round(
        self, scf_runtime: ScfRuntime, create: Callable[..., None], call: Callable[..., dict[str, Any]]
    ) -> None:
        fn = scf_runtime.deploy("def main_handler(event, context):\n    return 7\n", name="deployed", memory=512)
        assert call("GetFunction", FunctionName="deployed")["MemorySize"] == fn.config.memory == 512
        create()
        assert {each["FunctionName"] for each in call("ListFunctions")["Functions"]} == {"deployed", "worker"}

    def test_a_web_function(self, scf_runtime: ScfRuntime, call: Callable[..., dict[str, Any]]) -> None:
        bootstrap = "#!/bin/sh\nexec python3 -m http.server 9000 --bind 0.0.0.0\n"
        code = {"ZipFile": zipped(bootstrap, "scf_bootstrap", 0o755)}
        call("CreateFunction", FunctionName="site", Code=code, Type="HTTP")
        assert call("GetFunction", FunctionName="site")["Type"] == "HTTP"
        with pytest.raises(api_errors.UnsupportedOperation, match="web function"):
            call("Invoke", FunctionName="site")

    @pytest.mark.parametrize(
        ("params", "error", "message"),
        [
            ({"FunctionName": "1st"}, api_errors.InvalidParameterFunctionName, "begin with a letter"),
            ({"FunctionName": "a" * 61}, api_errors.InvalidParameterFunctionName, "2 to 60 characters"),
            ({"Handler": "main"}, api_errors.InvalidParameterValueHandler, "file.function"),
            ({"MemorySize": 100}, api_errors.InvalidParameterValueMemorySize, "got 100"),
            ({"MemorySize": "128"}, api_errors.InvalidParameter, "an integer"),
            ({"Timeout": 901}, api_errors.InvalidParameterValue, "Timeout.*900"),
            ({"InitTimeout": 0}, api_errors.InvalidParameterValue, "InitTimeout"),
            ({"Runtime": "Cobol"}, api_errors.InvalidParameterValueRuntime, "Cobol"),
            ({"Type": "event"}, api_errors.InvalidParameterValueFunctionType, "Event, HTTP"),
            ({"AsyncRunEnable": "yes"}, api_errors.InvalidParameterValueAsyncRunEnable, "TRUE, FALSE"),
            ({"TraceEnable": True}, api_errors.InvalidParameter, "TraceEnable"),
            ({"Description": "x" * 1001}, api_errors.InvalidParameterValueDescription, "1001 characters"),
            ({"Namespace": "nowhere"}, api_errors.ResourceNotFoundNamespace, "nowhere"),
            ({"Code": None}, api_errors.MissingParameterCode, "ZipFile"),
            ({"Code": {"ZipFile": "#"}}, api_errors.InvalidParameterValueZipFileBase64BinasciiError, "base64"),
            ({"Code": {"ZipFile": "aGVsbG8="}}, api_errors.InvalidParameterValueZipFile, "not a zip"),
            ({"Code": {"ZipFile": "aGVsbG8=", "LocalPath": "/"}}, api_errors.InvalidParameterValueCode, "give one"),
            ({"Code": {"LocalPath": "code"}}, api_errors.InvalidParameterValueCode, "LocalPath"),
            (
                {"Code": {"ZipFile": zipped("", "a/" * 1500)}},
                api_errors.InvalidParameterValueZipFile,
                "1500 levels deep",
            ),
            ({"Code": {"LocalPath": "/" + "x" * 300}}, api_errors.InvalidParameterValueCode, "LocalPath"),
            (
                {"Environment": {"Variables": [{"Key": "X", "Value": "\ud800"}]}},
                api_errors.InvalidParameterValueEnvironment,
                "UTF-8; X is",
            ),
            (
                {"Code": {"CosBucketName": "b"}},
                api_errors.InvalidParameterValueCosBucketName,
                "no bucket b here, only none",
            ),
            ({"Code": {"GitUrl": "b"}}, api_errors.UnsupportedOperation, "GitUrl"),
            ({"Layers": [{"LayerName": "x", "LayerVersion": 1}]}, api_errors.ResourceNotFoundLayer, "no layer x"),
            ({"Memory": 128}, api_errors.UnknownParameter, "MemorySize"),
            (
                {"Environment": {"Variables": [{"Key": "SCF_X", "Value": "1"}]}},
                api_errors.InvalidParameterValueEnvironmentSystemProtect,
                "SCF_X",
            ),
            (
                {"Environment": {"Variables": [{"Key": "1X", "Value": "1"}]}},
                api_errors.InvalidParameterValueEnvironment,
                "1X",
            ),
            ({"Environment": {"Variables": [{"Key": "X"}]}}, api_errors.MissingParameter, "Variables.0.Value"),
        ],
    )
    def test_what_cannot_be_is_refused_and_nothing_is_made(
        self, create: Callable[..., None], call: Callable[..., dict[str, Any]], params: Any, error: Any, message: str
    ) -> None:
        with pytest.raises(error, match=message):
            create(**params)
        assert call("ListFunctions")["TotalCount"] == 0

    def test_a_name_that_is_taken(self, create: Callable[..., None]) -> None:
        create()
        with pytest.raises(api_errors.ResourceInUseFunction):
            create()


class TestListing:
    def test_order_page_and_search(
        self, scf_runtime: ScfRuntime, call: Callable[..., dict[str, Any]], create: Callable[..., None]
    ) -> None:
        for name in ("beta", "alpha", "gamma"):
            create(FunctionName=name, Description=f"does {name}")
            scf_runtime.clock.advance(seconds=1)

        def names(**params):
            return [each["FunctionName"] for each in call("ListFunctions", **params)["Functions"]]

        assert names() == ["gamma", "alpha", "beta"]
        assert names(Orderby="FunctionName", Order="ASC") == ["alpha", "beta", "gamma"]
        assert names(Offset=1, Limit=1) == ["alpha"]
        assert names(SearchKey="et") == ["beta"]
        assert names(Description="gam") == ["gamma"]
        assert names(Filters=[{"Name": "Status", "Values": ["Active"]}]) == ["gamma", "alpha", "beta"]
        assert names(Filters=[{"Name": "Runtime", "Values": ["Php7"]}]) == []
        with pytest.raises(api_errors.InvalidParameterValueFilters):
            names(Filters=[{"Name": "Colour", "Values": ["red"]}])


class TestUpdating:
    def test_new_events_get_the_new_code_in_new_instances(
        self,
        scf_runtime: ScfRuntime,
        create: Callable[..., None],
        call: Callable[..., dict[str, Any]],
        run: Callable[..., Any],
    ) -> None:
        create()
        assert run()[0] == "one"
        call("UpdateFunctionCode", FunctionName="worker", ZipFile=zipped(ECHO.format(text="two")))
        assert run()[0] == "two"
        assert len(scf_runtime.instances) == 1

    def test_an_event_that_runs_keeps_the_old_code(
        self, scf_runtime: ScfRuntime, call: Callable[..., dict[str, Any]]
    ) -> None:
        code = """\
import signal
stop = []
signal.signal(signal.SIGTERM, lambda *args: stop.append(1))
def main_handler(event, context):
    while event == 'wait' and not stop:
        signal.pause()
    return VERSION
"""
        new = {"FunctionName": "worker", "Code": {"ZipFile": zipped(f"VERSION = 1\n{code}")}, "AsyncRunEnable": "TRUE"}
        call("CreateFunction", **new)
        invoked = call("Invoke", FunctionName="worker", InvocationType="Event", ClientContext='"wait"')
        (event,) = scf_runtime.events()
        assert event.request_id == invoked["Result"]["FunctionRequestId"]
        event.wait_for_signal_handler()
        call("UpdateFunctionCode", FunctionName="worker", Code={"ZipFile": zipped(f"VERSION = 2\n{code}")})
        assert call("Invoke", FunctionName="worker")["Result"]["RetMsg"] == "2"
        event.terminate()
        assert event.instance != scf_runtime.events()[0].function.instances[0]

    def test_configuration_is_changed_field_by_field(
        self, create: Callable[..., None], call: Callable[..., dict[str, Any]], run: Callable[..., Any]
    ) -> None:
        create(Environment={"Variables": [{"Key": "A", "Value": "1"}]}, MemorySize=256)
        run()
        call("UpdateFunctionConfiguration", FunctionName="worker", Timeout=9, Description="later")
        _text, environ, context = run()
        assert (context["time_limit_in_ms"], context["memory_limit_in_mb"], environ["A"]) == (9000, 256, "1")
        call("UpdateFunctionConfiguration", FunctionName="worker", Environment={"Variables": []})
        assert "A" not in run()[1]
        with pytest.raises(api_errors.InvalidParameterValueMemorySize):
            call("UpdateFunctionConfiguration", FunctionName="worker", MemorySize=1)
        assert call("GetFunction", FunctionName="worker")["Description"] == "later"

    def test_a_handler_that_is_not_there_fails_when_it_runs(
        self, create: Callable[..., None], call: Callable[..., dict[str, Any]]
    ) -> None:
        create()
        code = zipped(ECHO.format(text="x"))
        call("UpdateFunctionCode", FunctionName="worker", ZipFile=code, Handler="index.missing")
        assert call("Invoke", FunctionName="worker")["Result"]["InvokeResult"] == 1

    def test_deleted_is_gone(
        self,
        scf_runtime: ScfRuntime,
        create: Callable[..., None],
        call: Callable[..., dict[str, Any]],
        run: Callable[..., Any],
    ) -> None:
        create()
        run()
        call("DeleteFunction", FunctionName="worker")
        for action in ("GetFunction", "Invoke", "DeleteFunction"):
            with pytest.raises(api_errors.ResourceNotFoundFunction):
                call(action, FunctionName="worker")
        create("again")
        assert run()[0] == "again"


class TestVersionsAndAliases:
    @pytest.fixture
    def two_versions(self, create: Callable[..., None], call: Callable[..., dict[str, Any]]) -> None:
        create("first", Description="of the function")
        assert call("PublishVersion", FunctionName="worker", Description="v1")["FunctionVersion"] == "1"
        call("UpdateFunctionCode", FunctionName="worker", ZipFile=zipped(ECHO.format(text="second")), Publish="TRUE")
        call("UpdateFunctionCode", FunctionName="worker", ZipFile=zipped(ECHO.format(text="latest")))

    def test_a_version_is_frozen(
        self, two_versions: Any, call: Callable[..., dict[str, Any]], run: Callable[..., Any], scf_runtime: ScfRuntime
    ) -> None:
        call("UpdateFunctionConfiguration", FunctionName="worker", Timeout=20)
        assert [run(each)[0] for each in ("1", "2", "$LATEST", "1")] == ["first", "second", "latest", "first"]
        _text, environ, context = run("2")
        assert environ["SCF_FUNCTIONVERSION"] == context["function_version"] == "2"
        assert context["time_limit_in_ms"] == 3000
        assert len(scf_runtime.instances) == 3

    def test_the_code_of_a_local_directory_is_frozen_too(
        self, call: Callable[..., dict[str, Any]], run: Callable[..., Any], tmp_path: Path
    ) -> None:
        (tmp_path / "index.py").write_text(ECHO.format(text="before"))
        call("CreateFunction", FunctionName="worker", Code={"LocalPath": str(tmp_path)})
        call("PublishVersion", FunctionName="worker")
        (tmp_path / "index.py").write_text(ECHO.format(text="after"))
        assert (run("1")[0], run()[0]) == ("before", "after")

    def test_versions_are_listed_and_told(self, two_versions: Any, call: Callable[..., dict[str, Any]]) -> None:
        listed = call("ListVersionByFunction", FunctionName="worker")
        assert listed["FunctionVersion"] == ["$LATEST", "2", "1"]
        assert listed["TotalCount"] == 3
        assert [each["Description"] for each in listed["Versions"]] == ["of the function", "of the function", "v1"]
        told = call("GetFunction", FunctionName="worker", Qualifier="1")
        assert (told["FunctionVersion"], told["Description"]) == ("1", "v1")

    def test_an_alias_leads_to_its_version(
        self, two_versions: Any, call: Callable[..., dict[str, Any]], run: Callable[..., Any]
    ) -> None:
        call("CreateAlias", FunctionName="worker", Name="live", FunctionVersion="1", Description="for all")
        assert run("live")[0] == "first"
        call("UpdateAlias", FunctionName="worker", Name="live", FunctionVersion="2")
        assert run("live")[0] == "second"
        assert call("GetAlias", FunctionName="worker", Name="live")["FunctionVersion"] == "2"
        assert [each["Name"] for each in call("ListAliases", FunctionName="worker")["Aliases"]] == ["$DEFAULT", "live"]
        assert call("ListAliases", FunctionName="worker", FunctionVersion="1")["TotalCount"] == 0
        call("DeleteAlias", FunctionName="worker", Name="live")
        with pytest.raises(api_errors.ResourceNotFoundQualifier):
            run("live")
        for action in ("GetAlias", "DeleteAlias"):
            with pytest.raises(api_errors.ResourceNotFoundAlias):
                call(action, FunctionName="worker", Name="live")

    def test_calls_are_shared_out_by_weight(
        self, two_versions: Any, call: Callable[..., dict[str, Any]], run: Callable[..., Any]
    ) -> None:
        def weigh(weight):
            routing = {"AdditionalVersionWeights": [{"Version": "2", "Weight": weight}]}
            call("UpdateAlias", FunctionName="worker", Name="live", FunctionVersion="1", RoutingConfig=routing)

        call("CreateAlias", FunctionName="worker", Name="live", FunctionVersion="1")
        weigh(1)
        assert {run("live")[0] for _ in range(8)} == {"second"}
        weigh(0)
        assert {run("live")[0] for _ in range(8)} == {"first"}
        weigh(0.5)
        found = [run("live", RoutingKey=f'{{"user": "{number}"}}')[0] for number in range(32)]
        assert set(found) == {"first", "second"}
        assert found == [run("live", RoutingKey=f'{{"user": "{number}"}}')[0] for number in range(32)]

    def test_calls_are_sent_by_their_routing_key(
        self, two_versions: Any, call: Callable[..., dict[str, Any]], run: Callable[..., Any]
    ) -> None:
        exact = {"Version": "2", "Key": "invoke.headers.User", "Method": "exact", "Expression": "Bill"}
        within = {"Version": "$LATEST", "Key": "Age", "Method": "range", "Expression": "[18, 65)"}
        routing = {"AddtionVersionMatchs": [exact, within]}
        call("CreateAlias", FunctionName="worker", Name="live", FunctionVersion="1", RoutingConfig=routing)
        assert run("live", RoutingKey='{"User": "Bill"}')[0] == "second"
        assert run("live", RoutingKey='{"User": "Ann"}')[0] == "first"
        assert [run("live", RoutingKey=f'{{"Age": "{age}"}}')[0] for age in (17, 18, 64.9, 65, "old")] == [
            "first", "latest", "latest", "first", "first"
        ]  # fmt: skip
        assert call("GetAlias", FunctionName="worker", Name="live")["RoutingConfig"]["AddtionVersionMatchs"] == [
            exact,
            within,
        ]

    def test_the_alias_default_is_there_and_takes_calls_without_a_qualifier(
        self, two_versions: Any, call: Callable[..., dict[str, Any]], run: Callable[..., Any], scf_runtime: ScfRuntime
    ) -> None:
        told = call("GetAlias", FunctionName="worker", Name="$DEFAULT")
        assert (told["FunctionVersion"], told["RoutingConfig"]["AdditionalVersionWeights"]) == ("$LATEST", [])
        assert call("ListAliases", FunctionName="worker")["Aliases"][0]["Name"] == "$DEFAULT"

        def called(action="Invoke"):
            return json.loads(call(action, FunctionName="worker")["Result"]["RetMsg"])[0]

        assert called() == run("$DEFAULT")[0] == "latest"
        routing = {"AdditionalVersionWeights": [{"Version": "2", "Weight": 1}]}
        call("UpdateAlias", FunctionName="worker", Name="$DEFAULT", FunctionVersion="1", RoutingConfig=routing)
        assert called() == called("InvokeFunction") == run("$DEFAULT")[0] == "second"
        assert run("$LATEST")[0] == "latest"
        call("UpdateAlias", FunctionName="worker", Name="$DEFAULT", FunctionVersion="1")
        (function,) = {invocation.function for invocation in scf_runtime.invocations()}
        assert function.invoke().return_value[0] == "first"

    def test_the_alias_default_can_be_neither_made_nor_deleted(
        self, two_versions: Any, call: Callable[..., dict[str, Any]]
    ) -> None:
        with pytest.raises(api_errors.ResourceInUseAlias):
            call("CreateAlias", FunctionName="worker", Name="$DEFAULT", FunctionVersion="1")
        with pytest.raises(api_errors.FailedOperationDeleteAlias):
            call("DeleteAlias", FunctionName="worker", Name="$DEFAULT")
        call("UpdateAlias", FunctionName="worker", Name="$DEFAULT", FunctionVersion="1")
        with pytest.raises(api_errors.UnsupportedOperationAliasBind):
            call("DeleteFunctionVersion", FunctionName="worker", Qualifier="1")
        call("DeleteFunctionVersion", FunctionName="worker", Qualifier="1", ForceDelete="TRUE")
        assert call("GetAlias", FunctionName="worker", Name="$DEFAULT")["FunctionVersion"] == "$LATEST"

    @pytest.mark.parametrize(
        ("params", "error"),
        [
            ({"FunctionVersion": "9"}, api_errors.ResourceNotFoundFunctionVersion),
            ({"Name": "1st"}, api_errors.InvalidParameterValueAlias),
            ({"Name": "l" * 65}, api_errors.InvalidParameterValueAlias),
            (
                {"RoutingConfig": {"AdditionalVersionWeights": [{"Version": "2", "Weight": 1.5}]}},
                api_errors.InvalidParameterValueAdditionalVersionWeights,
            ),
            (
                {"RoutingConfig": {"AdditionalVersionWeights": [{"Version": "9", "Weight": 0.5}]}},
                api_errors.ResourceNotFoundFunctionVersion,
            ),
            (
                {"RoutingConfig": {"AddtionVersionMatchs": [
                    {"Version": "2", "Key": "k", "Method": "range", "Expression": "1-5"}]}},
                api_errors.InvalidParameterValueRoutingConfig,
            ),
        ],
    )  # fmt: skip
    def test_an_alias_that_cannot_be(
        self, two_versions: Any, call: Callable[..., dict[str, Any]], params: Any, error: Any
    ) -> None:
        with pytest.raises(error):
            call("CreateAlias", **{"FunctionName": "worker", "Name": "live", "FunctionVersion": "1", **params})

    def test_an_alias_that_is_there_already(self, two_versions: Any, call: Callable[..., dict[str, Any]]) -> None:
        call("CreateAlias", FunctionName="worker", Name="l" * 64, FunctionVersion="1")
        with pytest.raises(api_errors.ResourceInUseAlias):
            call("CreateAlias", FunctionName="worker", Name="l" * 64, FunctionVersion="2")

    def test_a_version_is_deleted_unless_an_alias_leads_to_it(
        self, two_versions: Any, call: Callable[..., dict[str, Any]], run: Callable[..., Any]
    ) -> None:
        call("CreateAlias", FunctionName="worker", Name="live", FunctionVersion="2")
        call("DeleteFunction", FunctionName="worker", Qualifier="1")
        with pytest.raises(api_errors.ResourceNotFoundQualifier):
            run("1")
        with pytest.raises(api_errors.UnsupportedOperationAliasBind, match="alias live"):
            call("DeleteFunctionVersion", FunctionName="worker", Qualifier="2")
        call("DeleteFunctionVersion", FunctionName="worker", Qualifier="2", ForceDelete="TRUE")
        with pytest.raises(api_errors.ResourceNotFoundVersion):
            call("DeleteFunction", FunctionName="worker", Qualifier="2")
        with pytest.raises(api_errors.InvalidParameterValue, match="LATEST"):
            call("DeleteFunction", FunctionName="worker", Qualifier="$LATEST")
        assert call("PublishVersion", FunctionName="worker")["FunctionVersion"] == "3"

    def test_events_of_a_version_are_listed_by_it(
        self, scf_runtime: ScfRuntime, create: Callable[..., None], call: Callable[..., dict[str, Any]]
    ) -> None:
        create(AsyncRunEnable="TRUE", TraceEnable="TRUE")
        call("PublishVersion", FunctionName="worker")
        for qualifier in ("1", "$LATEST"):
            call("Invoke", FunctionName="worker", Qualifier=qualifier, InvocationType="Event")
        for event in scf_runtime.events():
            event.wait()
        listed = call("ListAsyncEvents", FunctionName="worker", Qualifier="1")
        assert [each["Qualifier"] for each in listed["EventList"]] == ["1"]


class TestNamespaces:
    def test_from_beginning_to_end(self, call: Callable[..., dict[str, Any]], create: Callable[..., None]) -> None:
        call("CreateNamespace", Namespace="staging", Description="for trying")
        call("UpdateNamespace", Namespace="staging", Description="to try things")
        listed = call("ListNamespaces")
        assert [(each["Name"], each["Type"]) for each in listed["Namespaces"]] == [
            ("default", "DEFAULT"),
            ("staging", "CUSTOM"),
        ]
        assert listed["Namespaces"][1]["Description"] == "to try things"
        found = call("ListNamespaces", SearchKey=[{"Key": "Description", "Value": "try"}], Order="DESC", Limit=1)
        assert (found["TotalCount"], found["Namespaces"][0]["Name"]) == (1, "staging")
        create(Namespace="staging")
        with pytest.raises(api_errors.ResourceNotFoundFunction):
            call("GetFunction", FunctionName="worker")
        with pytest.raises(api_errors.FailedOperationDeleteNamespace, match="worker"):
            call("DeleteNamespace", Namespace="staging")
        call("DeleteFunction", FunctionName="worker", Namespace="staging")
        call("DeleteNamespace", Namespace="staging")
        with pytest.raises(api_errors.ResourceNotFoundNamespace):
            call("UpdateNamespace", Namespace="staging")

    def test_what_cannot_be(self, call: Callable[..., dict[str, Any]]) -> None:
        with pytest.raises(api_errors.InvalidParameterValueNamespace):
            call("CreateNamespace", Namespace="1st")
        with pytest.raises(api_errors.ResourceInUseNamespace):
            call("CreateNamespace", Namespace="default")
        with pytest.raises(api_errors.InvalidParameterValueDefaultNamespace):
            call("DeleteNamespace", Namespace="default")


class TestHowItIsInvoked:
    def test_retries_and_ttl(
        self, scf_runtime: ScfRuntime, create: Callable[..., None], call: Callable[..., dict[str, Any]]
    ) -> None:
        create()
        assert call("GetFunctionEventInvokeConfig", FunctionName="worker")["AsyncTriggerConfig"] == {
            "RetryConfig": [{"RetryNum": 2}],
            "MsgTTL": 21600,
        }
        config = {"RetryConfig": [{"RetryNum": 0}], "MsgTTL": 60}
        call("UpdateFunctionEventInvokeConfig", FunctionName="worker", AsyncTriggerConfig=config)
        assert call("GetFunctionEventInvokeConfig", FunctionName="worker")["AsyncTriggerConfig"] == config
        call("UpdateFunctionCode", FunctionName="worker", ZipFile=zipped("def main_handler(e, c):\n    1 / 0\n"))
        call("Invoke", FunctionName="worker", InvocationType="Event")
        (invocation,) = scf_runtime.invocations()
        assert invocation.wait().status == "FAILED"

    @pytest.mark.parametrize(
        ("config", "error"),
        [
            ({"RetryConfig": [{"RetryNum": 3}]}, api_errors.LimitExceededRetryNum),
            ({"MsgTTL": 21601}, api_errors.LimitExceededMsgTTL),
            ({"RetryConfig": [{"RetryNum": 1}, {"RetryNum": 2}]}, api_errors.InvalidParameterValueAsyncTriggerConfig),
        ],
    )
    def test_out_of_range(
        self, create: Callable[..., None], call: Callable[..., dict[str, Any]], config: Any, error: Any
    ) -> None:
        create()
        with pytest.raises(error):
            call("UpdateFunctionEventInvokeConfig", FunctionName="worker", AsyncTriggerConfig=config)

    def test_reserved_concurrency_is_memory_for_instances(
        self, scf_runtime: ScfRuntime, call: Callable[..., dict[str, Any]]
    ) -> None:
        stays = "import time\ndef main_handler(event, context):\n    time.sleep(3600)\n"
        fn = scf_runtime.deploy(stays, name="stays", async_run=True, memory=128)
        assert call("GetReservedConcurrencyConfig", FunctionName="stays")["ReservedMem"] is None
        call("PutReservedConcurrencyConfig", FunctionName="stays", ReservedConcurrencyMem=256)
        assert call("GetReservedConcurrencyConfig", FunctionName="stays")["ReservedMem"] == 256
        events = [fn.invoke_async(), fn.invoke_async()]
        refused = r"Function \[ stays \] concurrency exceeded reserved quota 256MB"
        with pytest.raises(api_errors.LimitExceededFunctionReservedConcurrencyMemory, match=refused):
            fn.invoke_async()
        call("DeleteReservedConcurrencyConfig", FunctionName="stays")
        events.append(fn.invoke_async())
        for event in events:
            event.terminate()
        call("PutReservedConcurrencyConfig", FunctionName="stays", ReservedConcurrencyMem=0)
        with pytest.raises(api_errors.LimitExceededFunctionReservedConcurrencyMemory):
            fn.invoke_async()

    def test_an_idle_instance_of_another_version_makes_room(
        self,
        scf_runtime: ScfRuntime,
        create: Callable[..., None],
        call: Callable[..., dict[str, Any]],
        run: Callable[..., Any],
    ) -> None:
        create("first")
        call("PublishVersion", FunctionName="worker")
        call("UpdateFunctionCode", FunctionName="worker", ZipFile=zipped(ECHO.format(text="second")))
        call("PutReservedConcurrencyConfig", FunctionName="worker", ReservedConcurrencyMem=128)
        assert [run(each)[0] for each in ("1", "$LATEST", "1")] == ["first", "second", "first"]
