"""GetFunction and ListFunctions."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

from pytest_scf.api_errors import ResourceNotFoundQualifier, ResourceNotFoundVersion
from pytest_scf.contract import file_systems, function_filters
from pytest_scf.contract.actions import layers
from pytest_scf.contract.actions.triggers import trigger_info
from pytest_scf.contract.call import Call
from pytest_scf.contract.code import code_info, code_size
from pytest_scf.contract.models.function_parts import (
    DeadLetterConfig,
    EipConfigOut,
    Environment,
    IntranetConfigIn,
    IntranetConfigOut,
    ProtocolParams,
    PublicNetConfigIn,
    PublicNetConfigOut,
    Variable,
    VpcConfig,
    WSParams,
)
from pytest_scf.contract.models.functions import (
    Function,
    GetFunctionRequest,
    GetFunctionResponse,
    ListFunctionsRequest,
    ListFunctionsResponse,
)
from pytest_scf.platform.functions import FunctionRecord


def get_function(call: Call, request: GetFunctionRequest) -> GetFunctionResponse:
    function = call.operations.functions.get(request.Namespace, request.FunctionName)
    with _version_not_found():
        config = function.resolve(request.Qualifier)
    version = function.versions.get(config.version)
    variables = tuple(Variable(Key=key, Value=value) for key, value in config.environment.items())
    remembered: Any = config.remembered
    idle = None if config.server is None else config.server.websocket_idle
    return GetFunctionResponse(
        FunctionName=function.name,
        FunctionId=function.id,
        Namespace=function.namespace,
        Qualifier=request.Qualifier,
        FunctionVersion=config.version,
        Runtime=config.runtime,
        Handler=config.handler,
        Type=config.type,
        Description=config.description,
        MemorySize=config.memory,
        Timeout=config.timeout,
        InitTimeout=config.init_timeout,
        Environment=Environment(Variables=variables),
        AsyncRunEnable=_flag(config.async_run),
        TraceEnable=_flag(config.trace),
        AddTime=call.seconds(function.add_time if version is None else version.time),
        ModTime=call.seconds(function.mod_time if version is None else version.time),
        CodeSize=code_size(config),
        CodeInfo=code_info(config) if request.ShowCode == "TRUE" else "",
        VpcConfig=remembered.get("VpcConfig", VpcConfig()),
        Role=remembered.get("Role", ""),
        ClsLogsetId=remembered.get("ClsLogsetId", ""),
        ClsTopicId=remembered.get("ClsTopicId", ""),
        DeadLetterConfig=remembered.get("DeadLetterConfig", DeadLetterConfig()),
        PublicNetConfig=_public_net(remembered.get("PublicNetConfig", PublicNetConfigIn())),
        Tags=remembered.get("Tags", ()),
        DnsCache=remembered.get("DnsCache", "FALSE"),
        IntranetConfig=IntranetConfigOut(IpFixed=remembered.get("IntranetConfig", IntranetConfigIn()).IpFixed),
        L5Enable=remembered.get("L5Enable", "FALSE"),
        ImageConfig=remembered.get("ImageConfig"),
        ProtocolType="" if idle is None else "WS",
        ProtocolParams=None if idle is None else ProtocolParams(WSParams=WSParams(IdleTimeOut=idle)),
        CfsConfig=file_systems.told(config.file_systems),
        Layers=layers.told(call, config.layers),
        Triggers=_triggers(call, function) if request.ShowTriggers == "TRUE" else [],
    )


def _triggers(call: Call, function: FunctionRecord) -> list[dict[str, Any]]:
    """As ListTriggers tells them, but for BoundResources, which this action has not."""
    found = [dataclasses.asdict(trigger_info(call, each)) for each in call.operations.triggers.of(function)]
    return [{name: value for name, value in each.items() if name != "BoundResources"} for each in found]


@contextlib.contextmanager
def _version_not_found() -> Iterator[None]:
    """This action has a code of its own for a version that there is not."""
    try:
        yield
    except ResourceNotFoundQualifier as error:
        raise ResourceNotFoundVersion(error.message) from None


def _public_net(config: PublicNetConfigIn) -> PublicNetConfigOut:
    eip = EipConfigOut() if config.EipConfig is None else EipConfigOut(EipStatus=config.EipConfig.EipStatus)
    return PublicNetConfigOut(PublicNetStatus=config.PublicNetStatus, EipConfig=eip)


def _flag(value: bool) -> str:
    return "TRUE" if value else "FALSE"


def list_functions(call: Call, request: ListFunctionsRequest) -> ListFunctionsResponse:
    call.operations.functions.namespace(request.Namespace)
    wanted = function_filters.compiled(request.Filters)
    found = [
        function
        for function in call.operations.functions.all(request.Namespace)
        if request.SearchKey in function.name
        and request.Description in function.config.description
        and request.Type in (None, "", function.config.type)
        and wanted(function)
    ]
    keys = {"AddTime": "add_time", "ModTime": "mod_time", "FunctionName": "name"}
    found.sort(key=lambda function: getattr(function, keys[request.Orderby]), reverse=request.Order == "DESC")
    page = [_listed(call, function) for function in found[request.Offset : request.Offset + request.Limit]]
    return ListFunctionsResponse(page, len(found))


def _listed(call: Call, function: FunctionRecord) -> Function:
    config = function.config
    remembered: Any = config.remembered
    return Function(
        FunctionName=function.name,
        FunctionId=function.id,
        Namespace=function.namespace,
        Runtime=config.runtime,
        Type=config.type,
        Description=config.description,
        AsyncRunEnable=_flag(config.async_run),
        TraceEnable=_flag(config.trace),
        AddTime=call.seconds(function.add_time),
        ModTime=call.seconds(function.mod_time),
        ReservedConcurrencyMem=function.reserved_memory or 0,
        TotalProvisionedConcurrencyMem=call.operations.provisioning.memory(function),
        Tags=remembered.get("Tags", ()),
    )
