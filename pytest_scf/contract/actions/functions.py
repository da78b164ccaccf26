"""CreateFunction, GetFunction, ListFunctions, UpdateFunctionCode, UpdateFunctionConfiguration, DeleteFunction."""

from __future__ import annotations

import base64
import binascii
import io
import os
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_scf import facts
from pytest_scf.api_errors import (
    InvalidParameterFunctionName,
    InvalidParameterValue,
    InvalidParameterValueCode,
    InvalidParameterValueDescription,
    InvalidParameterValueEnvironment,
    InvalidParameterValueEnvironmentSystemProtect,
    InvalidParameterValueFilters,
    InvalidParameterValueHandler,
    InvalidParameterValueMemorySize,
    InvalidParameterValueNamespace,
    InvalidParameterValueRuntime,
    InvalidParameterValueZipFile,
    InvalidParameterValueZipFileBase64BinasciiError,
    MissingParameterCode,
)
from pytest_scf.contract import languages, limits
from pytest_scf.contract.archives import unpack
from pytest_scf.contract.function_models import (
    Code,
    CreateFunctionRequest,
    CreateFunctionResponse,
    DeleteFunctionRequest,
    DeleteFunctionResponse,
    DeleteFunctionVersionRequest,
    DeleteFunctionVersionResponse,
    Environment,
    Function,
    GetFunctionRequest,
    GetFunctionResponse,
    ListFunctionsRequest,
    ListFunctionsResponse,
    UpdateFunctionCodeRequest,
    UpdateFunctionCodeResponse,
    UpdateFunctionConfigurationRequest,
    UpdateFunctionConfigurationResponse,
)
from pytest_scf.contract.times import write_seconds
from pytest_scf.errors import UsageError
from pytest_scf.platform import bootstraps
from pytest_scf.platform.functions import FunctionConfig, FunctionRecord, Server

if TYPE_CHECKING:
    from pytest_scf.platform.platform import Platform
    from pytest_scf.platform.staging import Staging

_REMEMBERED = {field.name for field in fields(GetFunctionResponse)} & {
    "VpcConfig",
    "Role",
    "ClsLogsetId",
    "ClsTopicId",
    "DeadLetterConfig",
    "PublicNetConfig",
    "Tags",
    "DnsCache",
    "IntranetConfig",
}


def create_function(platform: Platform, request: CreateFunctionRequest, request_id: str) -> CreateFunctionResponse:
    asynchronous = request.AsyncRunEnable == "TRUE"
    timeout = limits.default_timeout(asynchronous=asynchronous) if request.Timeout is None else request.Timeout
    _check("FunctionName", limits.function_name_problem(request.FunctionName), InvalidParameterFunctionName)
    _check("Namespace", limits.namespace_problem(request.Namespace), InvalidParameterValueNamespace)
    _check("Timeout", limits.timeout_problem(timeout, asynchronous=asynchronous))
    _check("InitTimeout", limits.init_timeout_problem(request.InitTimeout))
    _check("MemorySize", limits.memory_problem(request.MemorySize), InvalidParameterValueMemorySize)
    _check_description(request.Description)
    if request.Type == "HTTP" and asynchronous:
        raise InvalidParameterValue("The parameter `AsyncRunEnable` cannot be TRUE for a web function (Type HTTP).")
    named, interpreter = _runtime(request.Runtime)
    if request.Type == "Event" and named != languages.CUSTOM:
        _check("Handler", limits.handler_problem(request.Handler), InvalidParameterValueHandler)
    with platform.staging.writing() as staging:
        code_root = _code(staging, request.Code)
        config = FunctionConfig(
            name=request.FunctionName,
            namespace=request.Namespace,
            handler=request.Handler,
            code_root=code_root,
            description=request.Description,
            runtime=named,
            interpreter=interpreter,
            memory=request.MemorySize,
            timeout=timeout,
            init_timeout=request.InitTimeout,
            environment=_environment(request.Environment),
            async_run=asynchronous,
            trace=request.TraceEnable == "TRUE",
            server=_server(platform, staging, request.Type, named, code_root),
            remembered=_remembered(request),
        )
        platform.create_function(config, make_namespace=False)
    return CreateFunctionResponse()


def _check(field: str, problem: str | None, error: type[Any] = InvalidParameterValue) -> None:
    if problem is not None:
        raise error(f"The parameter `{field}` {problem}.", field=field)


def _check_description(description: str) -> None:
    if len(description) > facts.DESCRIPTION_LENGTH:
        problem = f"has {len(description)} characters, and at most {facts.DESCRIPTION_LENGTH} are accepted"
        _check("Description", problem, InvalidParameterValueDescription)


def _runtime(runtime: str | None) -> tuple[str, Any]:
    """SILENT what runs a Python that this machine does not have: the test's own, under the name that was asked for."""
    try:
        return languages.choose(runtime, None)
    except UsageError as error:
        if languages.is_python(runtime):
            assert runtime is not None
            return runtime, None
        raise InvalidParameterValueRuntime(
            f"The parameter `Runtime` is not valid: {error}.", field="Runtime"
        ) from error


def _environment(environment: Environment | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for variable in environment.Variables if environment is not None else ():
        problem = limits.environment_key_problem(variable.Key)
        if problem is not None:
            reserved = variable.Key.startswith(facts.RESERVED_PREFIXES)
            error = InvalidParameterValueEnvironmentSystemProtect if reserved else InvalidParameterValueEnvironment
            _check("Environment", problem, error)
        if variable.Key in found:
            _check("Environment", f"has the key {variable.Key} twice", InvalidParameterValueEnvironment)
        found[variable.Key] = variable.Value
    _check("Environment", limits.environment_problem(found), InvalidParameterValueEnvironment)
    return found


def _code(staging: Staging, code: Code | None) -> Path:
    if code is None or (code.ZipFile is None and code.LocalPath is None):
        raise MissingParameterCode(
            "The parameter `Code` needs `ZipFile` (a zip, in base64), or `LocalPath` (a directory of this machine).",
            field="Code",
        )
    if code.ZipFile is not None and code.LocalPath is not None:
        raise InvalidParameterValueCode("The parameter `Code` has both `ZipFile` and `LocalPath`: give one.")
    if code.ZipFile is not None:
        return _unpacked(staging, code.ZipFile)
    path = Path(str(code.LocalPath))
    if not path.is_absolute() or not os.path.isdir(path):  # Path.is_dir raises for a name that is too long
        expected = "the path, from the root, of a directory of this machine"
        raise InvalidParameterValueCode(field="Code.LocalPath", value=code.LocalPath, expected=expected)
    return path.resolve()


def _unpacked(staging: Staging, zip_file: str) -> Path:
    try:
        content = base64.b64decode(zip_file, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidParameterValueZipFileBase64BinasciiError(
            field="ZipFile", value=zip_file, expected=f"a zip in base64 ({error})"
        ) from error
    try:
        return unpack(io.BytesIO(content), staging.new, staging.check)
    except UsageError as error:
        staging.check()
        raise InvalidParameterValueZipFile(
            f"The parameter `ZipFile` is not valid: {error}.", field="ZipFile"
        ) from error


def _server(platform: Platform, staging: Staging, kind: str, runtime: str, code_root: Path) -> Server | None:
    try:
        if kind == "HTTP":
            return bootstraps.web_server(code_root, staging=staging.new, can_mount=platform.isolation == "namespaces")
        return bootstraps.custom_runtime(code_root) if runtime == languages.CUSTOM else None
    except UsageError as error:
        raise InvalidParameterValueCode(f"The parameter `Code` is not valid: {error}.", field="Code") from error


def _remembered(request: Any) -> dict[str, object]:
    return {name: value for name in sorted(_REMEMBERED) if (value := getattr(request, name, None)) is not None}


# Reading -----------------------------------------------------------------------------------------------------------


def get_function(platform: Platform, request: GetFunctionRequest, request_id: str) -> GetFunctionResponse:
    function = platform.functions.get(request.Namespace, request.FunctionName)
    config = function.resolve(request.Qualifier)
    hours = platform.settings.utc_offset_hours
    version = function.versions.get(config.version)
    variables = [{"Key": key, "Value": value} for key, value in config.environment.items()]
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
        Environment={"Variables": variables},
        AsyncRunEnable=_flag(config.async_run),
        TraceEnable=_flag(config.trace),
        AddTime=write_seconds(function.add_time if version is None else version.time, hours),
        ModTime=write_seconds(function.mod_time if version is None else version.time, hours),
        CodeSize=code_size(config.code_root),
        CodeInfo=_code_info(config) if request.ShowCode == "TRUE" else "",
        **config.remembered,  # type: ignore[arg-type]
    )


def _flag(value: bool) -> str:
    return "TRUE" if value else "FALSE"


def code_size(code_root: Path) -> int:
    """Bytes of all files of the code, unpacked."""
    return sum(path.lstat().st_size for path in code_root.rglob("*") if path.is_file())


def _code_info(config: FunctionConfig) -> str:
    file = config.handler.rpartition(".")[0]
    for path in sorted(config.code_root.glob(f"{file}.*")) if file else ():
        if path.is_file():
            return path.read_text(encoding="utf-8", errors="replace")
    return ""


def list_functions(platform: Platform, request: ListFunctionsRequest, request_id: str) -> ListFunctionsResponse:
    """SILENT which Filters there are beside the vendor's examples: Status, Runtime and Type are known here."""
    platform.functions.namespace(request.Namespace)
    found = [
        function
        for function in platform.functions.all(request.Namespace)
        if request.SearchKey in function.name and request.Description in function.config.description
    ]
    for one in request.Filters:
        found = [function for function in found if _facet(function, one.Name) in one.Values]
    keys = {"AddTime": "add_time", "ModTime": "mod_time", "FunctionName": "name"}
    found.sort(key=lambda function: getattr(function, keys[request.Orderby]), reverse=request.Order == "DESC")
    hours = platform.settings.utc_offset_hours
    page = [_listed(function, hours) for function in found[request.Offset : request.Offset + request.Limit]]
    return ListFunctionsResponse(page, len(found))


def _facet(function: FunctionRecord, name: str) -> str:
    facets: Mapping[str, str] = {
        "Status": "Active",
        "Runtime": function.config.runtime,
        "Type": function.config.type,
        "FunctionName": function.name,
    }
    if name not in facets:
        raise InvalidParameterValueFilters(field="Filters.Name", value=name, expected=f"one of {', '.join(facets)}")
    return facets[name]


def _listed(function: FunctionRecord, hours: float) -> Function:
    config = function.config
    return Function(
        FunctionName=function.name,
        FunctionId=function.id,
        Namespace=function.namespace,
        Runtime=config.runtime,
        Type=config.type,
        Description=config.description,
        AsyncRunEnable=_flag(config.async_run),
        TraceEnable=_flag(config.trace),
        AddTime=write_seconds(function.add_time, hours),
        ModTime=write_seconds(function.mod_time, hours),
        ReservedConcurrencyMem=function.reserved_memory or 0,
        Tags=config.remembered.get("Tags", []),
    )


# Changing ----------------------------------------------------------------------------------------------------------


def update_function_code(
    platform: Platform, request: UpdateFunctionCodeRequest, request_id: str
) -> UpdateFunctionCodeResponse:
    """Events that run keep the old code; later ones get new instances."""
    function = platform.functions.get(request.Namespace, request.FunctionName)
    config = function.config
    code = request.Code if request.ZipFile is None else Code(ZipFile=request.ZipFile)
    handler = config.handler if request.Handler is None else request.Handler
    if config.server is not None and config.server.kind == "image":
        raise InvalidParameterValueCode(f"The function {function.name} is an image function: deploy another instead.")
    if config.server is None:
        _check("Handler", limits.handler_problem(handler), InvalidParameterValueHandler)
    with platform.staging.writing() as staging:
        changes: dict[str, Any] = {"code_root": _code(staging, code)}
        if request.Handler is not None:
            changes["handler"] = handler
        if config.server is not None:
            changes["server"] = _server(platform, staging, config.type, config.runtime, changes["code_root"])
        platform.update_function(function, lambda before: replace(before, **changes))
    if request.Publish == "TRUE":
        platform.publish_version(function)
    return UpdateFunctionCodeResponse()


def update_function_configuration(
    platform: Platform, request: UpdateFunctionConfigurationRequest, request_id: str
) -> UpdateFunctionConfigurationResponse:
    """What is not given stays. Whether a function has asynchronous execution is none of it (contract 2)."""
    function = platform.functions.get(request.Namespace, request.FunctionName)
    config = function.config
    remembered = _remembered(request)
    changes: dict[str, Any] = {}
    if request.Description is not None:
        _check_description(request.Description)
        changes["description"] = request.Description
    if request.MemorySize is not None:
        _check("MemorySize", limits.memory_problem(request.MemorySize), InvalidParameterValueMemorySize)
        changes["memory"] = request.MemorySize
    if request.Timeout is not None:
        _check("Timeout", limits.timeout_problem(request.Timeout, asynchronous=config.async_run))
        changes["timeout"] = request.Timeout
    if request.InitTimeout is not None:
        _check("InitTimeout", limits.init_timeout_problem(request.InitTimeout))
        changes["init_timeout"] = request.InitTimeout
    if request.Environment is not None:
        changes["environment"] = _environment(request.Environment)
    if request.Runtime is not None:
        if config.server is not None or request.Runtime == languages.CUSTOM:
            raise InvalidParameterValueRuntime(
                f"The parameter `Runtime` of function {function.name} cannot be changed from {config.runtime} to "
                f"{request.Runtime}.",
                field="Runtime",
            )
        changes["runtime"], changes["interpreter"] = _runtime(request.Runtime)
    platform.update_function(
        function, lambda before: replace(before, remembered={**before.remembered, **remembered}, **changes)
    )
    if request.Publish == "TRUE":
        platform.publish_version(function)
    return UpdateFunctionConfigurationResponse()


def delete_function(platform: Platform, request: DeleteFunctionRequest, request_id: str) -> DeleteFunctionResponse:
    """With a Qualifier, that version alone."""
    function = platform.functions.get(request.Namespace, request.FunctionName)
    if request.Qualifier is None:
        platform.delete_function(function)
    else:
        platform.delete_version(function, request.Qualifier)
    return DeleteFunctionResponse()


def delete_function_version(
    platform: Platform, request: DeleteFunctionVersionRequest, request_id: str
) -> DeleteFunctionVersionResponse:
    """With ForceDelete the aliases that lead to the version go with it."""
    function = platform.functions.get(request.Namespace, request.FunctionName)
    platform.delete_version(function, request.Qualifier, force=request.ForceDelete == "TRUE")
    return DeleteFunctionVersionResponse()
