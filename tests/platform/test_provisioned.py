"""Provisioned concurrency, through the official SDK (docs/cloud-contract.md#provisioned-concurrency)."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from pytest_scf import Function, Instance, ScfRuntime, api_errors

models = pytest.importorskip("tencentcloud.scf.v20180416.models")
sdk = pytest.importorskip("tencentcloud.scf.v20180416.scf_client")
from tencentcloud.common.credential import Credential  # noqa: E402
from tencentcloud.common.exception import TencentCloudSDKException  # noqa: E402

COUNTING = """\
import os
print('module level')
seen = []
def main_handler(event, context):
    seen.append(event)
    print('works')
    if event == 'exit': os._exit(3)
    while event == 'wait': pass
    return [os.environ['SCF_FUNCTIONVERSION'], len(seen)]
"""
#: does not start where the file is
FAILING = """\
import os
if os.path.exists({path!r}):
    raise RuntimeError('no database')
def main_handler(event, context):
    return 7
"""
PATIENCE = 60


@pytest.fixture
def runtime(scf_runtime_of: Callable[..., ScfRuntime]) -> ScfRuntime:
    return scf_runtime_of("directory")


@pytest.fixture
def call(runtime: ScfRuntime) -> Callable[..., Any]:
    """An action of the official SDK's client on the function ``fn``, by its name and fields."""
    client = sdk.ScfClient(Credential("id", "key"), "ap-guangzhou")

    def call(action: str, **fields: Any) -> Any:
        request = getattr(models, f"{action}Request")()
        if hasattr(request, "FunctionName"):
            fields["FunctionName"] = "fn"
        request._deserialize(fields)
        with runtime.sdk():
            return getattr(client, action)(request)

    return call


@pytest.fixture
def put(runtime: ScfRuntime, call: Callable[..., Any]) -> Callable[..., Any]:
    """Provision a number of instances of a version, and wait until that is over; gives what is told of it then."""

    def put(number: int, version: str = "1", **fields: Any) -> Any:
        call("PutProvisionedConcurrencyConfig", Qualifier=version, VersionProvisionedConcurrencyNum=number, **fields)
        settle(runtime, version)
        return told(call, version)

    return put


def settle(runtime: ScfRuntime, version: str = "1") -> None:
    function = runtime._platform.functions.get("default", "fn")
    assert runtime._platform.provisioning.wait(function, version, PATIENCE)


def gone(instance: Instance) -> None:
    assert instance._record.gone.wait(PATIENCE)


def told(call: Callable[..., Any], version: str = "1") -> Any:
    (found,) = call("GetProvisionedConcurrencyConfig", Qualifier=version).Allocated
    return found


def numbers(info: Any) -> tuple[int, int, str]:
    return info.AllocatedProvisionedConcurrencyNum, info.AvailableProvisionedConcurrencyNum, info.Status


def deploy(runtime: ScfRuntime, source: str = COUNTING, **settings: Any) -> Function:
    """The function ``fn``, with a version 1."""
    fn = runtime.deploy(source, name="fn", **settings)
    runtime.api.call("PublishVersion", {"FunctionName": "fn"})
    return fn


def invoke(call: Callable[..., Any], qualifier: str = "1", event: str = "{}") -> Any:
    return call("Invoke", Qualifier=qualifier, ClientContext=event, LogType="Tail").Result


def test_the_first_invocations_find_instances_that_have_started(
    runtime: ScfRuntime, call: Callable[..., Any], put: Callable[..., Any]
) -> None:
    fn = deploy(runtime)
    assert numbers(put(2)) == (2, 2, "Done")
    warm = fn.instances
    assert [each.state for each in warm] == ["idle", "idle"]
    result = invoke(call)
    assert (result.InvokeResult, result.RetMsg) == (0, '["1", 1]')
    assert result.Log.splitlines()[1] == "works"
    assert "Init Report" not in result.Log
    assert fn.instances == warm
    # Each start has a log of its own.
    logs = call("GetFunctionLogs", Qualifier="1").Data
    starts = [each for each in logs if each.RequestId != result.FunctionRequestId]
    assert len(starts) == 2
    for start in starts:
        first, second = start.Log.splitlines()
        assert first == "module level"
        assert second.startswith(f"Provisioned Report RequestId: {start.RequestId} Coldstart: ")
        (found,) = call("GetFunctionLogs", FunctionRequestId=start.RequestId).Data
        assert (found.Log, found.RetCode, found.RetMsg) == (start.Log, 0, "")
    assert call("ListFunctions").Functions[0].TotalProvisionedConcurrencyMem == 256
    assert call("GetProvisionedConcurrencyConfig").UnallocatedConcurrencyNum == 98


def test_more_than_are_provisioned_start_as_they_are_needed(
    runtime: ScfRuntime, call: Callable[..., Any], put: Callable[..., Any]
) -> None:
    fn = deploy(runtime, async_run=True)
    put(1)
    (warm,) = fn.instances
    ids = [call("Invoke", Qualifier="1", InvocationType="Event", ClientContext='"wait"') for _ in range(2)]
    events = {event.request_id: event for event in runtime.events()}
    first, second = (events[each.Result.FunctionRequestId] for each in ids)
    second.wait_for_log("works")
    assert first.instance == warm != second.instance
    assert "Init Report" in second.logs.text
    assert numbers(told(call)) == (1, 1, "Done")
    second.terminate()
    # What it worked in is repossessed, and another is kept in its place.
    first.terminate()
    settle(runtime)
    assert warm not in fn.instances
    assert numbers(told(call)) == (1, 1, "Done")
    assert [each.state for each in fn.instances] == ["idle"]


def test_one_that_dies_is_replaced_and_none_grows_too_old(
    runtime: ScfRuntime, call: Callable[..., Any], put: Callable[..., Any]
) -> None:
    fn = deploy(runtime)
    put(1)
    (warm,) = fn.instances
    assert warm.pid is not None
    os.kill(warm.pid, signal.SIGKILL)
    gone(warm)
    settle(runtime)
    assert numbers(told(call)) == (1, 1, "Done")
    assert invoke(call).InvokeResult == 0
    assert invoke(call, event='"exit"').InvokeResult == -1
    settle(runtime)
    (third,) = fn.instances
    runtime.clock.advance(days=2)
    assert fn.instances == [third]


def test_an_init_that_fails_is_told_with_its_reason(
    runtime: ScfRuntime, call: Callable[..., Any], put: Callable[..., Any], tmp_path: Path
) -> None:
    mark = tmp_path / "down"
    mark.touch()
    fn = deploy(runtime, FAILING.format(path=str(mark)))
    failed = put(2)
    assert numbers(failed) == (2, 0, "Failed")
    assert failed.StatusReason.startswith("443: ")
    assert "no database" in failed.StatusReason
    for each in fn.instances:
        gone(each)
    logs = call("GetFunctionLogs", Qualifier="1").Data
    assert all("ERROR RequestId:" in each.Log and "no database" in each.Log for each in logs)
    assert {each.RetCode for each in logs} == {443}
    mark.unlink()
    assert numbers(put(2)) == (2, 2, "Done")
    assert told(call).StatusReason == ""


def test_what_ends_whenever_it_has_started_is_given_up(
    runtime: ScfRuntime, call: Callable[..., Any], put: Callable[..., Any]
) -> None:
    fn = deploy(runtime)
    put(1)
    while told(call).Status != "Failed":
        settle(runtime)
        for each in fn.instances:
            if each.state == "idle" and each.pid is not None:
                os.kill(each.pid, signal.SIGKILL)
                gone(each)
    assert "ended as soon as they were ready: the process ended by signal SIGKILL" in told(call).StatusReason
    assert not fn.instances


def test_fewer_and_none(runtime: ScfRuntime, call: Callable[..., Any], put: Callable[..., Any]) -> None:
    fn = deploy(runtime, async_run=True)
    put(3)
    begun = call("Invoke", Qualifier="1", InvocationType="Event", ClientContext='"wait"').Result
    (event,) = [each for each in runtime.events() if each.request_id == begun.FunctionRequestId]
    event.wait_for_log("works")
    assert numbers(put(1)) == (1, 1, "Done")
    for each in set(fn.instances) - {event.instance}:
        gone(each)
    assert fn.instances == [event.instance]
    call("DeleteProvisionedConcurrencyConfig", Qualifier="1")
    assert call("GetProvisionedConcurrencyConfig").Allocated == []
    assert (event.status, fn.instances) == ("RUNNING", [event.instance])
    event.terminate()
    assert not fn.instances
    call("DeleteProvisionedConcurrencyConfig", Qualifier="1")


@pytest.mark.parametrize("what", ["DeleteFunctionVersion", "DeleteFunction"])
def test_what_is_deleted_keeps_nothing(
    runtime: ScfRuntime, call: Callable[..., Any], put: Callable[..., Any], what: str
) -> None:
    deploy(runtime)
    put(2)
    warm = runtime.instances
    call(what, **({"Qualifier": "1"} if what == "DeleteFunctionVersion" else {}))
    for each in warm:
        gone(each)
    assert not runtime.instances


def test_an_instance_that_starts_ends_with_its_version(runtime: ScfRuntime, call: Callable[..., Any]) -> None:
    fn = deploy(runtime, "import time\ntime.sleep(600)\n", init_timeout=300)
    call("PutProvisionedConcurrencyConfig", Qualifier="1", VersionProvisionedConcurrencyNum=1)
    assert numbers(told(call)) == (1, 0, "InProgress")
    with pytest.raises(TencentCloudSDKException) as refused:
        call("PutProvisionedConcurrencyConfig", Qualifier="1", VersionProvisionedConcurrencyNum=2)
    assert refused.value.code == "FailedOperation.ProvisionedInProgress"
    (starting,) = fn.instances
    call("DeleteFunctionVersion", Qualifier="1")
    gone(starting)
    assert not fn.instances


def test_what_is_provisioned_is_taken_from_the_quota(
    runtime: ScfRuntime, call: Callable[..., Any], put: Callable[..., Any]
) -> None:
    deploy(runtime, max_instances=2)
    call("PublishVersion")
    put(1)
    with pytest.raises(TencentCloudSDKException) as refused:
        put(2, "2")
    assert refused.value.code == "FailedOperation.ProvisionedExceedAvailable"
    put(1, "2")
    result = call("GetProvisionedConcurrencyConfig")
    assert (result.UnallocatedConcurrencyNum, len(result.Allocated)) == (0, 2)
    assert invoke(call, "2").InvokeResult == 0
    with pytest.raises(TencentCloudSDKException, match="concurrency exceeded"):
        invoke(call, "$LATEST")
    call("DeleteProvisionedConcurrencyConfig", Qualifier="2")
    assert invoke(call, "$LATEST").InvokeResult == 0
    assert numbers(told(call)) == (1, 1, "Done")


def test_a_reserved_quota_bounds_it(runtime: ScfRuntime, call: Callable[..., Any], put: Callable[..., Any]) -> None:
    deploy(runtime)
    call("PutReservedConcurrencyConfig", ReservedConcurrencyMem=256)
    with pytest.raises(TencentCloudSDKException) as refused:
        put(3)
    assert refused.value.code == "FailedOperation.ProvisionedExceedReserved"
    put(2)
    with pytest.raises(TencentCloudSDKException) as refused:
        call("PutReservedConcurrencyConfig", ReservedConcurrencyMem=128)
    assert refused.value.code == "FailedOperation.ProvisionedExceedReserved"


def test_a_message_that_waits_is_served_by_the_instance_of_its_version(
    runtime: ScfRuntime, call: Callable[..., Any], put: Callable[..., Any], tmp_path: Path
) -> None:
    go = tmp_path / "go"
    source = f"""\
import os, time
def main_handler(event, context):
    while not os.path.exists({str(go)!r}):
        time.sleep(0.01)
    return context['function_version']
"""
    deploy(runtime, source, max_instances=2, timeout=60)
    put(1)
    begun = {}
    for qualifier in ("1", "$LATEST", "$LATEST", "1"):
        result = call("Invoke", Qualifier=qualifier, InvocationType="Event").Result
        begun[result.FunctionRequestId] = qualifier
    go.touch()
    for invocation in runtime.invocations():
        assert runtime._platform.wait_final(invocation._record, PATIENCE)
        assert invocation.return_value == begun[invocation.request_id]
    settle(runtime)
    assert numbers(told(call)) == (1, 1, "Done")


def test_a_stub_is_in_the_instances_that_take_the_place_of_the_provisioned(
    runtime: ScfRuntime, call: Callable[..., Any], put: Callable[..., Any]
) -> None:
    fn = deploy(runtime, "import os\ndef main_handler(event, context):\n    return os.getcwd()\n")
    put(1)
    fn.stub("index.os.getcwd").return_value = "elsewhere"
    settle(runtime)
    assert invoke(call).RetMsg == '"elsewhere"'
    assert numbers(told(call)) == (1, 1, "Done")


def test_actions_change_it_by_the_clock(runtime: ScfRuntime, call: Callable[..., Any], put: Callable[..., Any]) -> None:
    zone = timezone(timedelta(hours=8))
    now = datetime.fromtimestamp(runtime.clock.now(), zone)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    runtime.clock.advance(seconds=midnight.timestamp() - runtime.clock.now())
    fn = deploy(runtime)
    actions = [
        {"TriggerName": "morning", "TriggerProvisionedConcurrencyNum": 2, "TriggerCronConfig": "0 0 6 * * * *"},
        {"TriggerName": "night", "TriggerProvisionedConcurrencyNum": 0, "TriggerCronConfig": "0 0 22 * * * *"},
    ]
    info = put(0, TriggerActions=actions)
    assert [each.TriggerName for each in info.TriggerActions] == ["morning", "night"]
    assert info.TriggerActions[0].TriggerCronConfig == "0 0 6 * * * *"
    assert not fn.instances
    runtime.clock.advance(hours=7)
    assert numbers(told(call)) == (2, 2, "Done")
    warm = fn.instances
    assert len(warm) == 2
    runtime.clock.advance(hours=16)
    assert numbers(told(call)) == (0, 0, "Done")
    for each in warm:
        gone(each)
    assert not fn.instances
    call("DeleteProvisionedConcurrencyConfig", Qualifier="1")
    runtime.clock.advance(days=1)
    assert call("GetProvisionedConcurrencyConfig").Allocated == []


class Meanwhile:
    """What keeps the instances; something else happens before its lock is taken for the first time."""

    def __init__(self, keeper: Any, happens: Callable[[], object]) -> None:
        self._keeper = keeper
        self._happens: Callable[[], object] | None = happens

    @property
    def lock(self) -> Any:
        happens, self._happens = self._happens, None
        if happens is not None:
            happens()
        return self._keeper.lock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._keeper, name)


def test_what_is_deleted_as_an_action_fires_stays_deleted(
    runtime: ScfRuntime, call: Callable[..., Any], put: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fn = deploy(runtime)
    put(0, TriggerActions=[action(number=1)])
    provisioning = runtime._platform.provisioning
    deleted = Meanwhile(provisioning._keeper, lambda: call("DeleteProvisionedConcurrencyConfig", Qualifier="1"))
    monkeypatch.setattr(provisioning, "_keeper", deleted)

    runtime.clock.advance(days=1)

    assert call("GetProvisionedConcurrencyConfig").Allocated == []
    assert not fn.instances


def action(name: str = "a", number: object = 1, cron: str = "0 0 6 * * * *", **more: object) -> dict[str, object]:
    return {"TriggerName": name, "TriggerProvisionedConcurrencyNum": number, "TriggerCronConfig": cron, **more}


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"Qualifier": "$LATEST"}, "InvalidParameterValue.Qualifier"),
        ({"Qualifier": "7"}, "ResourceNotFound.FunctionVersion"),
        ({"VersionProvisionedConcurrencyNum": -1}, "InvalidParameterValue"),
        ({"VersionProvisionedConcurrencyNum": 101}, "FailedOperation.ProvisionedExceedAvailable"),
        ({"TriggerActions": [action(number=101)]}, "FailedOperation.ProvisionedExceedAvailable"),
        ({"TriggerActions": [action(cron="0 0 6")]}, "InvalidParameterValue.TriggerCronConfig"),
        ({"TriggerActions": [action(name="")]}, "InvalidParameterValue.ProvisionTriggerName"),
        ({"TriggerActions": [action(number=-1)]}, "InvalidParameterValue.TriggerProvisionedConcurrencyNum"),
        (
            {"TriggerActions": [action(), action(cron="0 0 7 * * * *")]},
            "InvalidParameterValue.ProvisionTriggerNameDuplicate",
        ),
        ({"TriggerActions": [action(), action("b")]}, "InvalidParameterValue.ProvisionTriggerCronConfigDuplicate"),
        (
            {"TriggerActions": [action(f"a{n}", cron=f"0 {n} 6 * * * *") for n in range(11)]},
            "LimitExceeded.ProvisionTriggerAction",
        ),
        ({"ProvisionedType": "Other"}, "InvalidParameterValue.ProvisionType"),
        ({"ProvisionedType": "ConcurrencyUtilizationTracking"}, "UnsupportedOperation"),
        ({"TrackingTarget": 0.5}, "UnsupportedOperation"),
    ],
)
def test_what_cannot_be_is_refused(runtime: ScfRuntime, fields: dict[str, Any], error: str) -> None:
    fn = deploy(runtime)
    asked = {"FunctionName": "fn", "Qualifier": "1", "VersionProvisionedConcurrencyNum": 1, **fields}
    with pytest.raises(api_errors.by_code[error]):
        runtime.api.call("PutProvisionedConcurrencyConfig", asked)
    assert not fn.instances
    assert runtime.api.call("GetProvisionedConcurrencyConfig", {"FunctionName": "fn"})["Allocated"] == []
