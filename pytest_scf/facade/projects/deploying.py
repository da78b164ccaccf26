"""Deploying the functions of a project file, through the API's own actions, and their triggers."""

from __future__ import annotations

import fnmatch
import json
import os
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_scf import facts
from pytest_scf.contract.archives import unpack
from pytest_scf.errors import ApiError, ScfWarning, UsageError
from pytest_scf.facade.projects.plans import BOOTSTRAP, AskedLayer, FunctionPlan, LayerPlan, TriggerPlan

if TYPE_CHECKING:
    from pytest_scf.contract.api import Api
    from pytest_scf.facade.projects.document import Node
    from pytest_scf.platform.layers import Layers, LayerVersion

#: triggers that need nothing here: requests reach the function by ``request`` and ``runtime.http``
_REQUESTS = ("apigw", "clb")


def deploy(
    api: Api,
    plan: FunctionPlan,
    staging: Callable[[], Path],
    domain: Callable[[str], str],
    layers: Layers,
    published: Mapping[str, str],
) -> None:
    """Make the function of a plan, and its triggers. Raises UsageError, with file and line, for what is refused.

    ``staging`` gives a new directory, ``domain`` the domain of a bucket's name; ``published`` has the names of the
    project's own layers by their components.
    """
    bound = [_found(layer, layers, published) for layer in plan.layers]
    call = _Caller(api, plan)
    if plan.namespace != "default":
        call.make_namespace(plan.namespace)
    code = {"ImageConfig": plan.image} if plan.image is not None else _code_of(plan, staging)
    asked: dict[str, Any] = {
        "FunctionName": plan.name,
        "Namespace": plan.namespace,
        "Code": code,
        "Handler": plan.handler,
        "Runtime": plan.runtime,
        "Type": "HTTP" if plan.is_web else "Event",
        "Description": plan.description or None,
        "MemorySize": plan.memory,
        "Timeout": plan.timeout,
        "InitTimeout": plan.init_timeout,
        "Environment": {"Variables": [{"Key": key, "Value": value} for key, value in plan.environment.items()]},
        "AsyncRunEnable": "TRUE" if plan.async_run else "FALSE",
        # Other than in the cloud, as with ``deploy``: what is not tracked is not listed by ListAsyncEvents.
        "TraceEnable": "TRUE",
        "VpcConfig": plan.vpc or None,
        "CfsConfig": {"CfsInsList": plan.file_systems} if plan.file_systems else None,
        "Layers": [{"LayerName": layer.name, "LayerVersion": layer.number} for layer in bound],
        **plan.websocket,
    }
    call("CreateFunction", asked, plan.node.get("src") if plan.stored else None)
    if plan.retry_num is not None or plan.msg_ttl is not None:
        retry = {"RetryConfig": [{"RetryNum": plan.retry_num}]} if plan.retry_num is not None else {}
        ttl = {"MsgTTL": plan.msg_ttl} if plan.msg_ttl is not None else {}
        name = {"FunctionName": plan.name, "Namespace": plan.namespace}
        call("UpdateFunctionEventInvokeConfig", {**name, "AsyncTriggerConfig": {**retry, **ttl}})
    if plan.provisioned:
        _keep_warm(call, plan)
    for trigger in plan.triggers:
        _create(call, plan, trigger, domain)
    if plan.without_effect:
        warnings.warn(
            ScfWarning(f"{plan.node.file}: without effect here: {', '.join(sorted(plan.without_effect))}"),
            stacklevel=5,
        )


def _keep_warm(call: _Caller, plan: FunctionPlan) -> None:
    """Keep instances warm of a version that is published for it, to which the alias $DEFAULT leads."""
    name = {"FunctionName": plan.name, "Namespace": plan.namespace}
    version = call("PublishVersion", name)["FunctionVersion"]
    number = {"VersionProvisionedConcurrencyNum": plan.provisioned}
    call("PutProvisionedConcurrencyConfig", {**name, "Qualifier": version, **number})
    call("UpdateAlias", {**name, "Name": facts.DEFAULT_ALIAS, "FunctionVersion": version})


def update_code(api: Api, plan: FunctionPlan, staging: Callable[[], Path]) -> None:
    """Give the function of a plan its code as that is now. Raises UsageError."""
    code = _code_of(plan, staging)
    call = _Caller(api, plan)
    name = {"FunctionName": plan.name, "Namespace": plan.namespace}
    call("UpdateFunctionCode", {**name, "Code": code})
    if plan.provisioned:
        before = call("GetAlias", {**name, "Name": facts.DEFAULT_ALIAS})["FunctionVersion"]
        call("DeleteProvisionedConcurrencyConfig", {**name, "Qualifier": before})
        _keep_warm(call, plan)


def publish(api: Api, plan: LayerPlan, staging: Callable[[], Path]) -> int:
    """Publish the layer of a plan; the number of its version. Raises UsageError, with file and line."""
    answer = _Caller(api, plan)(
        "PublishLayerVersion",
        {
            "LayerName": plan.name,
            "CompatibleRuntimes": plan.runtimes,
            "Description": plan.description,
            "Content": _code_of(plan, staging),
        },
    )
    return int(answer["LayerVersion"])


def _found(layer: AskedLayer, layers: Layers, published: Mapping[str, str]) -> LayerVersion:
    """What a function's layer is. Choice: of a component that is not in the project, the layer of the same name."""
    name = layer.name or published.get(layer.component, layer.component)
    try:
        return layers.find(name, layer.version)
    except ApiError as error:
        layer.node.fail(
            f"{error.message.removesuffix('.')}: publish it before, with the component layer or PublishLayerVersion, "
            f"or give a directory for it, layers={{{name!r}: DIRECTORY}}"
        )


class _Caller:
    def __init__(self, api: Api, plan: FunctionPlan | LayerPlan) -> None:
        self._api = api
        self._plan = plan

    def __call__(self, action: str, asked: dict[str, Any], node: Node | None = None) -> dict[str, Any]:
        """``node`` is where the file asks for it, if not where the function stands."""
        try:
            return self._api.call(action, asked)
        except ApiError as error:
            _refuse(self._plan, error, node)

    def make_namespace(self, name: str) -> None:
        try:
            self._api.call("CreateNamespace", {"Namespace": name})
        except ApiError as error:
            if error.code != "ResourceInUse.Namespace":
                _refuse(self._plan, error)


def _refuse(plan: FunctionPlan | LayerPlan, error: ApiError, node: Node | None = None) -> NoReturn:
    node, what = node or plan.node, "layer" if isinstance(plan, LayerPlan) else "function"
    raise UsageError(f"{node.file}, line {node.line}: {node.key}: {what} {plan.name}: {error}") from None


def _code_of(plan: FunctionPlan | LayerPlan, staging: Callable[[], Path]) -> dict[str, Any]:
    """The API's Code of what is not in an image."""
    return dict(plan.stored) or {"LocalPath": str(_code(plan, staging).resolve())}


def _code(plan: FunctionPlan | LayerPlan, staging: Callable[[], Path]) -> Path:
    """The directory of the code: in place, or a copy without what is excluded, and with a bootstrap of ours."""
    if plan.source.is_file():
        try:
            return unpack(plan.source, staging)
        except UsageError as error:
            plan.node.get("src").fail(str(error))
    added = plan.bootstrap if isinstance(plan, FunctionPlan) else ""
    below = plan.target.strip("/") if isinstance(plan, LayerPlan) else ""
    if not plan.exclude and not added and not below:
        return plan.source
    root = staging() / "code"
    target = root / below

    def ignore(directory: str, names: list[str]) -> list[str]:
        below = os.path.relpath(directory, plan.source)
        paths = {name: name if below == "." else f"{below}/{name}" for name in names}
        return [name for name, path in paths.items() if _is_excluded(path, plan.exclude)]

    shutil.copytree(plan.source, target, symlinks=True, ignore=ignore)
    if added:
        bootstrap = target / BOOTSTRAP
        bootstrap.write_text(added, encoding="utf-8")
        bootstrap.chmod(0o777)
    return root


def _is_excluded(path: str, patterns: list[str]) -> bool:
    """Choice: ``**`` and ``*`` both match slashes too; a directory goes with its whole content."""
    for pattern in patterns:
        pattern = pattern.removeprefix("./").rstrip("/")
        for each in (pattern, pattern.removesuffix("/**"), pattern.removeprefix("**/")):
            if fnmatch.fnmatchcase(path, each):
                return True
    return False


def _create(call: _Caller, plan: FunctionPlan, trigger: TriggerPlan, domain: Callable[[str], str]) -> None:
    parameters = trigger.parameters
    asked: dict[str, Any] = {
        "FunctionName": plan.name,
        "Namespace": plan.namespace,
        "TriggerName": trigger.name,
        "Type": trigger.kind,
    }
    enabled = parameters.get("enable") if "enable" in parameters else parameters.get("Enable")
    asked["Enable"] = "OPEN" if enabled.flag(True) else "CLOSE"

    def value(*names: str) -> str:
        return next((parameters.get(name).text() for name in names if name in parameters), "")

    if trigger.kind == "timer":
        asked["TriggerDesc"] = value("cronExpression", "CronExpression")
        argument = parameters.get("argument") if "argument" in parameters else parameters.get("Message")
        text = argument.text() if not isinstance(argument.value, (dict, list)) else json.dumps(argument.plain())
        if text:
            asked["CustomArgument"] = text
    elif trigger.kind == "cos":
        limits = parameters.get("filter") if "filter" in parameters else parameters.get("Filter")
        prefix = limits.get("prefix").text() or limits.get("Prefix").text()
        suffix = limits.get("suffix").text() or limits.get("Suffix").text()
        bucket = value("bucket", "Bucket") or (trigger.name if ".cos." in trigger.name else "")
        if not bucket:
            parameters.get("bucket").fail("must name a bucket")
        # Choice: buckets are in the region of the runtime, whatever the file says.
        asked["TriggerName"] = domain(bucket.partition(".")[0])
        described = {"event": value("events", "Events"), "filter": {"Prefix": prefix, "Suffix": suffix}}
        asked["TriggerDesc"] = json.dumps(described)
    elif trigger.kind == "ckafka":
        asked["TriggerName"] = value("topic", "Topic", "name", "Name") or trigger.name
        names = {"maxMsgNum": "maxMsgNum", "MaxMsgNum": "maxMsgNum", "retry": "retry", "timeout": "timeOut"}
        found = {api: parameters.get(own).number() for own, api in names.items() if own in parameters}
        asked["TriggerDesc"] = json.dumps({key: number for key, number in found.items() if number is not None})
    elif trigger.kind == "cmq":
        asked["TriggerName"] = value("name", "Name") or trigger.name
        keys = [each.text() for each in parameters.get("filterKey").list()]
        asked["TriggerDesc"] = json.dumps({"filterType": 1, "filterKey": keys})
    elif trigger.kind == "http":
        net = parameters.get("netConfig")
        asked["TriggerDesc"] = json.dumps(
            {
                "AuthType": value("authType") or "NONE",
                "NetConfig": {
                    "EnableIntranet": net.get("enableIntranet").flag(False),
                    "EnableExtranet": net.get("enableExtranet").flag(True),
                },
            }
        )
    elif trigger.kind in _REQUESTS:
        return
    else:
        plan.without_effect.add(f"the trigger {trigger.kind}")
        return
    call("CreateTrigger", asked, parameters)
