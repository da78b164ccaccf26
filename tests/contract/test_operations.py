"""One way in: what two callers do at once is all done, and a handle works on what it was given."""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import FakePlatform

from pytest_scf import ScfRuntime, api_errors
from pytest_scf.contract.action_registry import ACTIONS
from pytest_scf.contract.api import Api
from pytest_scf.contract.operations import Operations
from pytest_scf.errors import ApiError, InvalidSetting, UsageError
from pytest_scf.platform.functions import FunctionConfig, FunctionRecord
from pytest_scf.platform.platform import Platform

ROUNDS = 100


@pytest.fixture
def switch_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(*work: Callable[[], object]) -> None:
    raised: list[BaseException] = []

    def run(each: Callable[[], object]) -> None:
        try:
            each()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(each,)) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert raised == []


class OvertakenPlatform(FakePlatform):
    """While it is asked for its first update, it is asked for another, which is done before."""

    overtaken_by: Callable[[], object] | None = None

    def update_function(self, function: FunctionRecord, change: Callable[[FunctionConfig], FunctionConfig]) -> None:
        other, self.overtaken_by = self.overtaken_by, None
        if other is not None:
            other()
        super().update_function(function, change)


@pytest.mark.parametrize(
    ("action", "params"),
    [
        ("UpdateFunctionConfiguration", {"Timeout": 7, "Role": "mine"}),
        ("UpdateFunctionCode", {"Code": {"LocalPath": "HERE"}}),
    ],
)
def test_of_two_updates_of_a_function_at_once_none_is_lost(tmp_path: Path, action: str, params: dict[str, Any]) -> None:
    platform = OvertakenPlatform(tmp_path)
    api, worker = Api(platform), platform.deploy("worker")
    other = {"FunctionName": "worker", "Description": "other", "InitTimeout": 9, "ClsTopicId": "topic"}
    platform.overtaken_by = lambda: api.call("UpdateFunctionConfiguration", other)
    params = {name: {"LocalPath": str(tmp_path)} if name == "Code" else value for name, value in params.items()}
    api.call(action, {"FunctionName": "worker", **params})
    config = worker.config
    assert (config.description, config.init_timeout, config.remembered["ClsTopicId"]) == ("other", 9, "topic")
    if action == "UpdateFunctionCode":
        assert config.code_root == tmp_path.resolve()
    else:
        assert (config.timeout, config.remembered["Role"]) == (7, "mine")


@pytest.mark.usefixtures("switch_often", "worker")
def test_who_lists_aliases_is_not_disturbed_by_who_makes_them(api: Api) -> None:
    over = threading.Event()

    def make() -> None:
        try:
            for number in range(ROUNDS):
                alias = {"FunctionName": "worker", "Name": f"a{number}"}
                api.call("CreateAlias", {**alias, "FunctionVersion": "$LATEST"})
                if number % 2:
                    api.call("DeleteAlias", alias)
        finally:
            over.set()

    def look() -> None:
        while not over.is_set():
            api.call("ListAliases", {"FunctionName": "worker"})
            api.call("ListVersionByFunction", {"FunctionName": "worker"})
            api.call("ListNamespaces", {})

    together(make, look)


def test_a_handle_works_on_its_own_function_and_not_on_another_of_its_name(scf_runtime: ScfRuntime) -> None:
    old = scf_runtime.deploy("def main_handler(event, context):\n    return 'old'\n", name="worker", async_run=True)
    assert old.invoke().return_value == "old"
    scf_runtime.api.call("DeleteFunction", {"FunctionName": "worker"})
    new = scf_runtime.deploy("def main_handler(event, context):\n    return 'new'\n", name="worker", async_run=True)
    for call in (old.invoke, old.invoke_async):
        with pytest.raises(api_errors.ResourceNotFoundFunction, match="deleted") as refused:
            call()
        assert (refused.value.action, bool(refused.value.request_id)) == ("Invoke", True)
    assert new.invoke().return_value == "new"


def test_nothing_is_started_for_a_function_that_is_deleted_meanwhile(
    scf_runtime: ScfRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    fn = scf_runtime.deploy("def main_handler(event, context):\n    return 1\n", name="worker")
    resolve = FunctionRecord.resolve

    def resolve_and_be_deleted(self: FunctionRecord, *asked: str) -> FunctionConfig:
        config = resolve(self, *asked)
        monkeypatch.undo()
        scf_runtime.api.call("DeleteFunction", {"FunctionName": "worker"})
        return config

    monkeypatch.setattr(FunctionRecord, "resolve", resolve_and_be_deleted)
    with pytest.raises(api_errors.ResourceNotFoundFunction, match="deleted"):
        fn.invoke()
    assert scf_runtime.instances == []
    assert scf_runtime.invocations() == []


def test_an_event_of_a_deleted_function_is_terminated_by_its_handle(scf_runtime: ScfRuntime) -> None:
    stays = "import time\ndef main_handler(event, context):\n    time.sleep(3600)\n"
    event = scf_runtime.deploy(stays, name="worker", async_run=True).invoke_async()
    scf_runtime.api.call("DeleteFunction", {"FunctionName": "worker"})
    event.terminate()
    assert (event.status, event.status_code) == ("ABORTED", 499)


def test_the_limit_of_an_action_counts_the_handles_too() -> None:
    with ScfRuntime(rate_limit=2) as runtime:
        fn = runtime.deploy("def main_handler(event, context):\n    return 1\n", name="worker")
        fn.invoke()
        runtime.api.call("Invoke", {"FunctionName": "worker"})
        with pytest.raises(api_errors.RequestLimitExceeded):
            fn.invoke()


def test_an_event_is_as_large_as_it_may_be_by_each_way(scf_runtime: ScfRuntime) -> None:
    fn = scf_runtime.deploy("def main_handler(event, context):\n    return len(event)\n", async_run=True)
    with pytest.raises(api_errors.InvalidParameterRequestTooLarge):
        fn.invoke_async("x" * 128 * 1024)
    with pytest.raises(api_errors.InvalidParameterRequestTooLarge):
        fn.invoke("x" * 6 * 1024 * 1024)


def test_deploy_and_the_action_refuse_the_same_for_the_same_reason(scf_runtime: ScfRuntime, tmp_path: Path) -> None:
    settings: list[tuple[str, str, Any]] = [
        ("MemorySize", "memory", 100),
        ("Timeout", "timeout", 901),
        ("InitTimeout", "init_timeout", 301),
        ("FunctionName", "name", "1st"),
    ]
    for field, name, value in settings:
        with pytest.raises(InvalidSetting) as deployed:
            scf_runtime.deploy("def main_handler(event, context):\n    pass\n", **{name: value})
        assert isinstance(deployed.value, UsageError)
        params = {"FunctionName": "worker", "Code": {"LocalPath": str(tmp_path)}, field: value}
        with pytest.raises(ApiError) as called:
            scf_runtime.api.call("CreateFunction", params)
        assert called.value.message == f"The parameter `{field}` {deployed.value.problem}."


def test_actions_know_the_operations_only() -> None:
    for action in ACTIONS.values():
        assert list(inspect.signature(action.function).parameters) == ["call", "request"]
    verbs = {name for name, value in vars(Operations).items() if callable(value) and not name.startswith("_")}
    for implementation in (Platform, FakePlatform):
        for verb in verbs:
            assert callable(getattr(implementation, verb))
