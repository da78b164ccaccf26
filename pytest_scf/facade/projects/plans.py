"""What a project file says of its functions, in one form for all; and the components of serverless.yml."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytest_scf import facts
from pytest_scf.contract import languages
from pytest_scf.facade.projects.document import Node, merged
from pytest_scf.facade.projects.routes import Route, integrated_of, method_of, path_of
from pytest_scf.facade.projects.sources import source_of

#: components whose function is a web server that scf_bootstrap starts
HTTP_COMPONENTS = (
    "http",
    "express",
    "koa",
    "egg",
    "nestjs",
    "nextjs",
    "nuxtjs",
    "flask",
    "django",
    "laravel",
    "thinkphp",
)
COMPONENTS = ("scf", "multi-scf", "layer", *HTTP_COMPONENTS)
BOOTSTRAP = "scf_bootstrap"
#: what runs the entry file of a web function without a bootstrap, by the beginning of the runtime's name
_RUNNERS = {
    "python": "/var/lang/python3/bin/python3 -u",
    "nodejs": "/var/lang/node12/bin/node",
    "php": "/var/lang/php7/bin/php -S 0.0.0.0:9000",
}
#: what starts the server of a framework's project without a bootstrap, as the vendor's component does
_FRAMEWORKS = {
    "express": "/var/lang/node12/bin/node app.js",
    "koa": "/var/lang/node12/bin/node app.js",
    "nestjs": "/var/lang/node12/bin/node ./dist/main.js",
    "nextjs": "/var/lang/node12/bin/node node_modules/next/dist/bin/next start --port 9000 --hostname 0.0.0.0",
    "nuxtjs": "/var/lang/node12/bin/node node_modules/nuxt/bin/nuxt.js start --port 9000 --hostname 0.0.0.0",
    "flask": "/var/lang/python3/bin/python3 -u app.py",
    "django": "/var/lang/python3/bin/python3 -u manage.py runserver 0.0.0.0:9000",
}
#: those of the components of frameworks
_HTTP_TIMEOUT, _HTTP_MEMORY, _HTTP_ENVIRONMENT = 10, 512, {"SERVERLESS": "1"}
#: keys of a function that are read; what else there is has no effect here
_READ = {
    *("src", "type", "name", "namespace", "handler", "runtime", "description", "memorySize", "timeout", "initTimeout"),
    *("environment", "environments", "asyncRunEnable", "traceEnable", "msgTTL", "retryNum", "events", "triggers"),
    *("functions", "image", "entryFile", "ignoreTriggers", "layers", "cfs", "protocolType"),
    *("protocolParams", "provisionedNum"),
    # where it is deployed, and how it is found there, which is no part of what it does
    *("region", "tags"),
}


_CFS = {
    "cfsId": "CfsId",
    "mountInsId": "MountInsId",
    "localMountDir": "LocalMountDir",
    "remoteMountDir": "RemoteMountDir",
    "userId": "UserId",
    "userGroupId": "UserGroupId",
}
#: ``${output:STAGE:APP:COMPONENT.KEY}``, whose first parts may be left out
_OUTPUT = re.compile(r"\$\{\s*output:(?:[^:}]*:){0,2}([\w-]+)\.\w+\s*\}")
_VPC = {"vpcId": "VpcId", "subnetId": "SubnetId"}


@dataclass(frozen=True)
class TriggerPlan:
    kind: str
    name: str
    parameters: Node


@dataclass(frozen=True)
class AskedLayer:
    """A layer that a function is to have: a name, or the component that publishes it, here or before."""

    name: str
    #: None: the newest
    version: int | None
    node: Node
    component: str = ""


@dataclass(frozen=True)
class LayerPlan:
    """A layer that a project publishes; ``key`` is the name of its component."""

    key: str
    name: str
    node: Node
    source: Path
    exclude: list[str]
    runtimes: list[str]
    description: str
    #: the directory of the layer that the source becomes
    target: str = ""
    #: see ``FunctionPlan``
    stored: Mapping[str, str] = field(default_factory=dict)


@dataclass
class FunctionPlan:
    """``node`` is where it stands in the file; ``key`` what the project calls it; None is the API's default."""

    key: str
    name: str
    node: Node
    source: Path
    exclude: list[str]
    handler: str
    runtime: str
    is_web: bool = False
    #: what is put into its code as scf_bootstrap, where that has none
    bootstrap: str = ""
    region: str = ""
    #: the API's Code, where that lies in a bucket; empty: it is at ``source``
    stored: Mapping[str, str] = field(default_factory=dict)
    #: the API's ImageConfig; None: it is code
    image: dict[str, object] | None = None
    namespace: str = facts.DEFAULT_NAMESPACE
    description: str = ""
    memory: int | None = None
    timeout: int | None = None
    init_timeout: int | None = None
    environment: dict[str, str] = field(default_factory=dict)
    async_run: bool = False
    trace: bool = False
    retry_num: int | None = None
    msg_ttl: int | None = None
    layers: list[AskedLayer] = field(default_factory=list)
    #: the API's CfsInsList, and its VpcConfig
    file_systems: list[dict[str, str]] = field(default_factory=list)
    vpc: dict[str, str] = field(default_factory=dict)
    triggers: list[TriggerPlan] = field(default_factory=list)
    #: paths of the API gateway that lead to it
    routes: list[Route] = field(default_factory=list)
    #: ProtocolType and ProtocolParams of the API
    websocket: dict[str, object] = field(default_factory=dict)
    #: instances that are kept warm
    provisioned: int = 0
    #: keys that are there, and have no effect here
    without_effect: set[str] = field(default_factory=set)


def of_scf(document: Node, inputs: Node, names: Mapping[str, str]) -> FunctionPlan:
    plan = _function(names["name"] or "function", inputs, inputs.get("name"), names)
    for item in inputs.get("events").list():
        for kind, event in item.items():
            _add(plan, _trigger(kind, event, names))
    for item in inputs.get("triggers").list():
        _add(plan, _trigger(item.get("type").text(), item, names))
    return plan


def _trigger(kind: str, node: Node, names: Mapping[str, str]) -> TriggerPlan:
    """Its parameters stand below ``parameters``, or beside the name; and the name in either place."""
    parameters = node.get("parameters") if "parameters" in node else node
    default = f"{kind}-{names['name']}-{names['stage']}-{names['app']}"
    name = node.get("name").text() or parameters.get("name").text() or default
    return TriggerPlan(kind, name, parameters)


def _add(plan: FunctionPlan, trigger: TriggerPlan) -> None:
    plan.triggers.append(trigger)
    if trigger.kind == "apigw":
        plan.routes += [route for route, _api in _routes(trigger.name, trigger.parameters, owned=True)]


def _routes(name: str, parameters: Node, *, owned: bool = False) -> Iterator[tuple[Route, Node]]:
    """What an API gateway's trigger declares, each with where it does; all of a service's paths where it says none.

    ``owned``: it is the trigger of one function.
    """
    service = parameters.get("serviceId").text() or parameters.get("serviceName").text() or name
    declared = parameters.get("endpoints").list() or parameters.get("apis").list()
    for api in declared:
        yield (
            Route(service, method_of(api.get("method")), path_of(api.get("path")), integrated_of(api, owned=owned)),
            api,
        )
    if not declared:
        yield Route(service, "ANY", "/"), parameters


def of_http(document: Node, inputs: Node, names: Mapping[str, str]) -> FunctionPlan:
    """The framework's component: its settings of the function stand under ``faas``, or beside the rest."""
    faas = inputs.get("faas")
    both = Node(merged(inputs.value or {}, faas.value or {}), inputs.file, inputs.line, inputs.key)
    framework = both.get("framework").text(document.get("component").text().partition("@")[0])
    plan = _function(
        names["name"] or "function", both, both.get("name"), names, start=_FRAMEWORKS.get(framework, ""), is_web=True
    )
    # Requests reach it at its address, whatever declares that.
    plan.without_effect -= {"faas", "framework", "apigw"}
    plan.timeout = _HTTP_TIMEOUT if plan.timeout is None else plan.timeout
    plan.memory = _HTTP_MEMORY if plan.memory is None else plan.memory
    plan.environment = {**_HTTP_ENVIRONMENT, **plan.environment}
    return plan


def _start(plan: FunctionPlan, command: str) -> None:
    """Have a web function start its server: by its scf_bootstrap, or by one of ours, as the deployment makes it.

    ``command`` does where no entry file is named.
    """
    entry = plan.node.get("entryFile")
    if plan.image is not None or plan.stored or not plan.source.is_dir() or (plan.source / BOOTSTRAP).is_file():
        return
    runner = next((found for name, found in _RUNNERS.items() if plan.runtime.lower().startswith(name)), None)
    if entry.text() and runner is not None:
        command = f"{runner} {entry.text()}"
    if not command:
        plan.node.fail(
            f"{plan.source} has no {BOOTSTRAP}, which starts the server: put one there, or name an entryFile to run"
        )
    plan.bootstrap = f"#!/usr/bin/env bash\n{command}\n"


def of_layer(inputs: Node, names: Mapping[str, str]) -> LayerPlan:
    source, exclude, stored = source_of(inputs.get("src"))
    return LayerPlan(
        key=names["name"],
        name=inputs.get("name").text(f"{names['name']}-{names['stage']}-{names['app']}"),
        node=inputs,
        source=source,
        exclude=exclude,
        stored=stored,
        runtimes=[each.text() for each in inputs.get("runtimes").list()],
        description=inputs.get("description").text(),
        target=inputs.get("src").get("targetDir").text() if isinstance(inputs.get("src").value, dict) else "",
    )


def of_multi(inputs: Node, names: Mapping[str, str]) -> Iterator[FunctionPlan]:
    functions = _by_key(inputs.get("functions"))
    plans = {}
    for key, own in functions.items():
        common = {name: node for name, node in (inputs.value or {}).items() if name not in ("functions", "triggers")}
        own.items()
        below = own.get("src")
        both = Node(
            merged(common, {k: v for k, v in (own.value or {}).items() if k != "src"}), own.file, own.line, own.key
        )
        plans[key] = _function(key, both, own.get("name"), names, below=below, default_runtime="Nodejs12.16")

    def of(owner: Node) -> FunctionPlan:
        owner = owner.get("name") if isinstance(owner.value, dict) else owner
        if owner.text() not in plans:
            owner.fail(f"there is no function {owner.text()!r}, only {', '.join(plans)}")
        return plans[owner.text()]

    for number, trigger in enumerate(inputs.get("triggers").list()):
        kind, parameters = trigger.get("type").text(), trigger.get("parameters")
        owner = trigger.get("function")
        if kind == "apigw":
            for route, api in _routes(parameters.get("name").text(f"apigw-{number}"), parameters):
                of(api.get("function") if "function" in api else owner).routes.append(route)
            continue
        plan = of(owner)
        name = parameters.get("name").text(f"{kind}-{plan.key}")
        plan.triggers.append(TriggerPlan(kind, name, parameters))
    yield from plans.values()


def _by_key(functions: Node) -> dict[str, Node]:
    """A mapping; or a list, as it once was, whose items have names."""
    found = dict(functions.items()) if not isinstance(functions.value, list) else {}
    for each in functions.list() if not found else ():
        found[each.get("name").text()] = each
    if not found:
        functions.fail("must name at least one function")
    return found


def _function(
    key: str,
    node: Node,
    name: Node,
    names: Mapping[str, str],
    *,
    below: Node | None = None,
    default_runtime: str = "Nodejs10.15",
    is_web: bool = False,
    start: str = "",
) -> FunctionPlan:
    default = f"{names['name']}-{names['stage']}-{names['app']}"
    image = _image(node.get("image"))
    source, exclude, stored = (node.file.parent, [], {}) if image is not None else source_of(node.get("src"), below)
    kind = node.get("type").text("event").lower()
    if kind not in ("event", "web"):
        node.get("type").fail(f"must be event or web, not {kind!r}")
    plan = FunctionPlan(
        key=key,
        name=name.text() or (default if below is None else f"{default}-{key}"),
        node=node,
        source=source,
        exclude=exclude,
        stored=stored,
        handler=node.get("handler").text(facts.DEFAULT_HANDLER),
        runtime=languages.IMAGE if image is not None else node.get("runtime").text(default_runtime),
        is_web=is_web or kind == "web",
        region=node.get("region").text(),
        image=image,
        namespace=node.get("namespace").text(facts.DEFAULT_NAMESPACE),
        description=node.get("description").text(),
        memory=node.get("memorySize").number(),
        timeout=node.get("timeout").number(),
        init_timeout=node.get("initTimeout").number(),
        environment=_environment(node),
        async_run=node.get("asyncRunEnable").flag(),
        trace=node.get("traceEnable").flag(),
        retry_num=node.get("retryNum").number(),
        msg_ttl=node.get("msgTTL").number(),
        file_systems=[_named(each, _CFS) for each in node.get("cfs").list()],
        vpc=_named(node.get("vpcConfig") if "vpcConfig" in node else node.get("vpc"), _VPC),
        layers=[_layer(each) for each in node.get("layers").list()],
        websocket=_websocket(node),
        provisioned=node.get("provisionedNum").number() or 0,
        without_effect={each for each in node.names() if each not in _READ and each in node},
    )
    if isinstance(node.get("src").value, dict) and "hook" in node.get("src"):
        plan.without_effect.add("src.hook")
    if plan.is_web:
        _start(plan, start)
    return plan


def _websocket(node: Node) -> dict[str, object]:
    """What ``protocolType`` and ``protocolParams`` say, by the API's names."""
    kind, idle = node.get("protocolType").text(), node.get("protocolParams").get("wsParams").get("idleTimeOut")
    if kind not in ("", "WS"):
        node.get("protocolType").fail(f"must be WS, not {kind!r}")
    if not kind:
        return {}
    return {
        "ProtocolType": kind,
        "ProtocolParams": {"WSParams": {"IdleTimeOut": idle.number()}} if idle.value else None,
    }


def _image(node: Node) -> dict[str, object] | None:
    """What ``image`` says, by the API's names."""
    if node.value is None:
        return None
    uri = "imageUri" if "imageUri" in node else "imageUrl"  # the toolkit's word, and the component's
    if uri not in node:
        node.fail("needs an imageUrl")
    texts = {"ImageUri": uri, "RegistryId": "registryId", "Command": "command", "Args": "args"}
    found: dict[str, object] = {api: node.get(own).text() for api, own in texts.items() if own in node}
    kind = node.get("imageType").text("enterprise" if "registryId" in node else "personal")
    return {"ImageType": kind, **found}


def _layer(node: Node) -> AskedLayer:
    """Its name or its version may be what another component has for its output."""
    name, version = node.get("name"), node.get("version")
    outputs = [found[1] for each in (name, version) if (found := _OUTPUT.fullmatch(each.text()))]
    component = outputs[0] if outputs else ""
    if not name.text() or not version.text():
        node.fail("a layer needs a name and a version")
    of_component = _OUTPUT.fullmatch(name.text()) is not None
    number = None if _OUTPUT.fullmatch(version.text()) else version.number()
    return AskedLayer("" if of_component else name.text(), number, node, component)


def _named(node: Node, names: Mapping[str, str]) -> dict[str, str]:
    """Texts of a mapping, by the API's names."""
    return {api: node.get(own).text() for own, api in names.items() if own in node}


def _environment(node: Node) -> dict[str, str]:
    found = {name: value.text() for name, value in node.get("environment").get("variables").items()}
    listed = node.get("environments")
    if isinstance(listed.value, dict):
        pairs = list(listed.items())
    else:
        pairs = [(each.get("key").text(), each.get("value")) for each in listed.list()]
    found.update({name: value.text() for name, value in pairs})
    return found
