"""CreateFunction, UpdateFunctionCode, UpdateFunctionConfiguration, DeleteFunction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
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
    InvalidParameterValueHandler,
    InvalidParameterValueMemorySize,
    InvalidParameterValueNamespace,
    InvalidParameterValueRuntime,
    InvalidParameterValueVpcNotSetWhenOpenCfs,
    MissingParameterCode,
)
from pytest_scf.contract import file_systems, languages, limits
from pytest_scf.contract.actions import layers
from pytest_scf.contract.call import Call
from pytest_scf.contract.code import code_root, idle_seconds, image_server, told_image
from pytest_scf.contract.layers import check_size
from pytest_scf.contract.models.function_parts import (
    Code,
    Environment,
)
from pytest_scf.contract.models.functions import (
    CreateFunctionRequest,
    DeleteFunctionRequest,
    DeleteFunctionVersionRequest,
    UpdateFunctionCodeRequest,
    UpdateFunctionConfigurationRequest,
)
from pytest_scf.errors import InvalidSetting, UsageError
from pytest_scf.platform import bootstraps
from pytest_scf.platform.file_systems import FileSystem
from pytest_scf.platform.functions import FunctionConfig, Server

if TYPE_CHECKING:
    from pytest_scf.platform.staging import Staging

#: what a request may say that has no effect, and is told again
_REMEMBERED = (
    "VpcConfig",
    "Role",
    "ClsLogsetId",
    "ClsTopicId",
    "DeadLetterConfig",
    "PublicNetConfig",
    "Tags",
    "DnsCache",
    "IntranetConfig",
    "L5Enable",
)
#: the fields of the settings, and the error where the value is not valid
_FIELDS: dict[str, tuple[str, type[InvalidParameterValue] | type[InvalidParameterFunctionName]]] = {
    "name": ("FunctionName", InvalidParameterFunctionName),
    "namespace": ("Namespace", InvalidParameterValueNamespace),
    "timeout": ("Timeout", InvalidParameterValue),
    "init_timeout": ("InitTimeout", InvalidParameterValue),
    "memory": ("MemorySize", InvalidParameterValueMemorySize),
    "description": ("Description", InvalidParameterValueDescription),
    "environment": ("Environment", InvalidParameterValueEnvironment),
    "handler": ("Handler", InvalidParameterValueHandler),
}


def create_function(call: Call, request: CreateFunctionRequest) -> None:
    asynchronous = request.AsyncRunEnable == "TRUE"
    settings: dict[str, Any] = {
        "name": request.FunctionName,
        "namespace": request.Namespace,
        "timeout": limits.default_timeout(asynchronous=asynchronous) if request.Timeout is None else request.Timeout,
        "init_timeout": _init_timeout(request),
        "memory": request.MemorySize,
        "description": request.Description,
        "environment": _environment(request.Environment),
    }
    _check(settings, asynchronous=asynchronous)
    call.operations.functions.namespace(request.Namespace)
    if request.Type == "HTTP" and asynchronous:
        raise InvalidParameterValue("The parameter `AsyncRunEnable` cannot be TRUE for a web function (Type HTTP).")
    named, interpreter = _runtime(request.Runtime, request.Type)
    if request.Type == "Event" and named not in (languages.CUSTOM, languages.IMAGE):
        _check({"handler": request.Handler}, asynchronous=asynchronous)
    with call.operations.staging.writing() as staging:
        root, server = _program(call, staging, request, named)
        bound = layers.bound(call, request.Layers or (), named, None if named == languages.IMAGE else root, staging)
        config = FunctionConfig(
            handler=request.Handler,
            code_root=root,
            runtime=named,
            interpreter=interpreter,
            async_run=asynchronous,
            trace=request.TraceEnable == "TRUE",
            server=server,
            layers=bound,
            file_systems=_file_systems(call, request, server, {}),
            remembered=_remembered(request),
            **settings,
        )
        call.operations.create_function(config, make_namespace=False)


def _init_timeout(request: CreateFunctionRequest) -> int:
    if request.InitTimeout is not None:
        return request.InitTimeout
    return facts.IMAGE_INIT_TIMEOUT_DEFAULT if request.Runtime == languages.IMAGE else facts.INIT_TIMEOUT_DEFAULT


def _program(call: Call, staging: Staging, request: CreateFunctionRequest, runtime: str) -> tuple[Path, Server | None]:
    """The code root, and the server that it is the code of; None: a handler."""
    image = None if request.Code is None else request.Code.ImageConfig
    if image is not None and runtime != languages.IMAGE:
        raise InvalidParameterValueCode(f"`Code.ImageConfig` is for functions with Runtime {languages.IMAGE} only.")
    if image is None and runtime == languages.IMAGE:
        raise MissingParameterCode(f"The parameter `Code` of Runtime {languages.IMAGE} needs an `ImageConfig`.")
    is_web = request.Type == "HTTP"
    idle = idle_seconds(request.ProtocolType, request.ProtocolParams, is_web=is_web)
    if image is None:
        root = code_root(staging, request.Code, call.operations.buckets)
        server = _server(call, staging, request.Type, runtime, root)
    else:
        server = image_server(call.operations.images, request.FunctionName, image, is_web=is_web)
        root = server.root
    return root, server if server is None else replace(server, websocket_idle=idle)


def _file_systems(
    call: Call,
    request: CreateFunctionRequest | UpdateFunctionConfigurationRequest,
    server: Server | None,
    remembered: Mapping[str, object],
) -> tuple[FileSystem, ...]:
    """What a function has by CfsConfig, and by what is ``remembered`` of it."""
    if request.CfsConfig is None or not request.CfsConfig.CfsInsList:
        return ()
    if not getattr(request.VpcConfig or remembered.get("VpcConfig"), "VpcId", ""):
        raise InvalidParameterValueVpcNotSetWhenOpenCfs("A function with a `CfsConfig` needs a `VpcConfig` too.")
    found = file_systems.asked(request.CfsConfig, call.operations.settings.cfs)
    in_container = server is not None and server.image is not None
    file_systems.check(found, can_mount=in_container or call.operations.isolation.own_tree)
    return found


def _check(settings: dict[str, Any], *, asynchronous: bool) -> None:
    """Raises the API's error for what the cloud refuses."""
    try:
        limits.check(settings, asynchronous=asynchronous)
    except InvalidSetting as invalid:
        field, error = _FIELDS[invalid.field]
        if field == "Environment" and any(key.startswith(facts.RESERVED_PREFIXES) for key in settings["environment"]):
            error = InvalidParameterValueEnvironmentSystemProtect
        raise error(f"The parameter `{field}` {invalid.problem}.", field=field) from None


def _runtime(runtime: str | None, kind: str = "Event") -> tuple[str, Any]:
    """Choice: what runs a Python that this machine does not have is the test's own, under the name asked for.

    What runs a web function is its bootstrap's choice.
    """
    if runtime in (languages.IMAGE, languages.CUSTOM):
        return runtime, None
    try:
        return languages.choose(runtime, None)
    except UsageError as error:
        if languages.is_python(runtime) or (kind == "HTTP" and languages.is_node(runtime)):
            assert runtime is not None
            return runtime, None
        raise InvalidParameterValueRuntime(
            f"The parameter `Runtime` is not valid: {error}.", field="Runtime"
        ) from error


def _environment(environment: Environment | None) -> dict[str, str]:
    """A variable without a name and a value is how the vendor's clients clear the environment."""
    found: dict[str, str] = {}
    for variable in environment.Variables if environment is not None else ():
        if not variable.Key and not variable.Value:
            continue
        if variable.Key in found:
            raise InvalidParameterValueEnvironment(
                f"The parameter `Environment` has the key {variable.Key} twice.", field="Environment"
            )
        found[variable.Key] = variable.Value
    return found


def _server(call: Call, staging: Staging, kind: str, runtime: str, code_root: Path) -> Server | None:
    can_mount = call.operations.isolation.own_tree
    try:
        if kind == "HTTP":
            return bootstraps.web_server(code_root, staging=staging.new, can_mount=can_mount)
        return bootstraps.custom_runtime(code_root) if runtime == languages.CUSTOM else None
    except UsageError as error:
        raise InvalidParameterValueCode(f"The parameter `Code` is not valid: {error}.", field="Code") from error


def _remembered(request: CreateFunctionRequest | UpdateFunctionConfigurationRequest) -> dict[str, object]:
    found = {name: value for name in _REMEMBERED if (value := getattr(request, name, None)) is not None}
    if isinstance(request, CreateFunctionRequest) and request.Code is not None and request.Code.ImageConfig is not None:
        found["ImageConfig"] = told_image(request.Code.ImageConfig)
    return found


# Changing ----------------------------------------------------------------------------------------------------------


def update_function_code(call: Call, request: UpdateFunctionCodeRequest) -> None:
    """Events that run keep the old code; later ones get new instances."""
    function = call.operations.functions.get(request.Namespace, request.FunctionName)
    config = function.config
    code = request.Code or Code(
        ZipFile=request.ZipFile,
        CosBucketName=request.CosBucketName,
        CosObjectName=request.CosObjectName,
        CosBucketRegion=request.CosBucketRegion,
    )
    changes: dict[str, Any] = {}
    if request.Handler is not None:
        changes["handler"] = request.Handler
        if config.server is None:
            _check(changes, asynchronous=config.async_run)
    with call.operations.staging.writing() as staging:
        image = None if code is None else code.ImageConfig
        if (image is not None) != (config.server is not None and config.server.is_container):
            raise InvalidParameterValueCode(
                f"The code of function {function.name}, whose Runtime is {config.runtime}, cannot be changed "
                f"{'to' if image is not None else 'from'} an image: create another function."
            )
        remembered: dict[str, object] = {}
        server: Server | None
        if image is not None:
            server = image_server(call.operations.images, function.name, image, is_web=config.type == "HTTP")
            changes["code_root"] = server.root
            remembered["ImageConfig"] = told_image(image)
        else:
            root = changes["code_root"] = code_root(staging, code, call.operations.buckets)
            check_size(config.layers.versions, root)
            server = _server(call, staging, config.type, config.runtime, root)

        def change(before: FunctionConfig) -> FunctionConfig:
            new = before.server
            if server is not None:
                new = replace(server, websocket_idle=None if new is None else new.websocket_idle)
            return replace(before, server=new, remembered={**before.remembered, **remembered}, **changes)

        call.operations.update_function(function, change)
    if request.Publish == "TRUE":
        call.operations.publish_version(function)


def update_function_configuration(call: Call, request: UpdateFunctionConfigurationRequest) -> None:
    """What is not given stays, and asynchronous execution cannot be changed (docs/cloud-contract.md#instances)."""
    function = call.operations.functions.get(request.Namespace, request.FunctionName)
    config = function.config
    given = {
        "description": request.Description,
        "memory": request.MemorySize,
        "timeout": request.Timeout,
        "init_timeout": request.InitTimeout,
        "environment": None if request.Environment is None else _environment(request.Environment),
    }
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    _check(changes, asynchronous=config.async_run)
    if request.Runtime is not None and request.Runtime != config.runtime:
        if config.server is not None or request.Runtime == languages.CUSTOM:
            raise InvalidParameterValueRuntime(
                f"The parameter `Runtime` of function {function.name} cannot be changed from {config.runtime} to "
                f"{request.Runtime}.",
                field="Runtime",
            )
        changes["runtime"], changes["interpreter"] = _runtime(request.Runtime)
    idle = None
    if request.ProtocolParams is not None:
        takes = config.server is not None and config.server.websocket_idle is not None
        idle = idle_seconds("WS" if takes else "", request.ProtocolParams, is_web=config.type == "HTTP")
    remembered = _remembered(request)
    with call.operations.staging.writing() as staging:
        if request.Layers is not None:
            runtime = changes.get("runtime", config.runtime)
            own = None if config.server is not None and config.server.is_container else config.code_root
            changes["layers"] = layers.bound(call, request.Layers, runtime, own, staging)
        if request.CfsConfig is not None:
            changes["file_systems"] = _file_systems(call, request, config.server, config.remembered)

        def change(before: FunctionConfig) -> FunctionConfig:
            server = before.server
            if server is not None and idle is not None:
                server = replace(server, websocket_idle=idle)
            return replace(before, server=server, remembered={**before.remembered, **remembered}, **changes)

        call.operations.update_function(function, change)
    if request.Publish == "TRUE":
        call.operations.publish_version(function)


def delete_function(call: Call, request: DeleteFunctionRequest) -> None:
    """With a Qualifier, that version alone."""
    function = call.operations.functions.get(request.Namespace, request.FunctionName)
    if request.Qualifier is None:
        call.operations.delete_function(function)
    else:
        call.operations.delete_version(function, request.Qualifier)


def delete_function_version(call: Call, request: DeleteFunctionVersionRequest) -> None:
    """With ForceDelete the aliases that lead to the version go with it."""
    function = call.operations.functions.get(request.Namespace, request.FunctionName)
    call.operations.delete_version(function, request.Qualifier, force=request.ForceDelete == "TRUE")
