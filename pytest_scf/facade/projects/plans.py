"""What a project file says of its functions, in one form for all kinds of files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pytest_scf import facts
from pytest_scf.contract import languages
from pytest_scf.errors import UsageError
from pytest_scf.facade.projects.document import Node, load, merged
from pytest_scf.facade.projects.routes import Route, method_of, path_of
from pytest_scf.facade.projects.variables import env_file, read_env, resolve

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
FILES = ("serverless.yml", "serverless.yaml", "serverless.json", "template.yaml", "template.yml")
#: keys of a function that are read; what else there is has no effect here
_READ = {
    *("src", "type", "name", "namespace", "handler", "runtime", "description", "memorySize", "timeout", "initTimeout"),
    *("environment", "environments", "asyncRunEnable", "traceEnable", "msgTTL", "retryNum", "events", "triggers"),
    *("functions", "image", "entryFile", "ignoreTriggers", "layers"),
    # where it is deployed, and how it is found there, which is no part of what it does
    *("region", "tags"),
}


@dataclass(frozen=True)
class TriggerPlan:
    kind: str
    name: str
    parameters: Node


@dataclass(frozen=True)
class AskedLayer:
    """A layer that a function is to have."""

    name: str
    version: int | None
    node: Node


@dataclass(frozen=True)
class LayerPlan:
    """A layer that a project publishes."""

    name: str
    node: Node
    source: Path
    exclude: list[str]
    runtimes: list[str]
    description: str


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
    region: str = ""
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
    triggers: list[TriggerPlan] = field(default_factory=list)
    #: paths of the API gateway that lead to it
    routes: list[Route] = field(default_factory=list)
    #: keys that are there, and have no effect here
    without_effect: set[str] = field(default_factory=set)


class ProjectPlan(NamedTuple):
    """What a project file says: functions, or a layer."""

    functions: list[FunctionPlan]
    layers: list[LayerPlan]


def find(path: Path) -> Path:
    """The project file: itself, or the one in a directory. Raises UsageError."""
    if path.is_file():
        return path
    for name in FILES:
        if (path / name).is_file():
            return path / name
    raise UsageError(f"{path} is no project file, and no directory with {' or '.join(FILES)}")


def read(path: Path, stage: str | None = None) -> list[FunctionPlan]:
    """The functions of a project file. Raises UsageError, with file, line and key, for what cannot be.

    ``stage`` beats the variable SERVERLESS_STAGE, which beats the file's own.
    """
    return read_project(path, stage).functions


def read_project(path: Path, stage: str | None = None) -> ProjectPlan:
    """All of a project file; see ``read``."""
    file = find(path).resolve()
    document = load(file)
    if "Resources" in document:
        return ProjectPlan(list(_of_template(document)), [])
    environ = dict(os.environ)
    stage = stage or environ.get("SERVERLESS_STAGE") or document.get("stage").text("dev")
    dotenv = env_file(file.parent, stage)
    if dotenv is not None:
        environ = {**read_env(dotenv.read_text(encoding="utf-8")), **environ}
    name = document.get("name").text()
    names = {"stage": stage, "name": name, "app": document.get("app").text(name), "org": document.get("org").text()}
    document = resolve(document, names, environ)
    component = document.get("component")
    kind = component.text().partition("@")[0]
    inputs = document.get("inputs")
    if kind == "scf":
        return ProjectPlan([_of_scf(document, inputs, names)], [])
    if kind in HTTP_COMPONENTS:
        return ProjectPlan([_of_http(document, inputs, names)], [])
    if kind == "multi-scf":
        return ProjectPlan(list(_of_multi(inputs, names)), [])
    if kind == "layer":
        return ProjectPlan([], [_of_layer(inputs, names)])
    if not kind:
        document.fail('has no "component" (and no "Resources", as a template.yaml has)')
    return component.fail(f"{kind!r} is not supported here: scf, multi-scf, layer, {', '.join(HTTP_COMPONENTS)}")


# -- serverless.yml -------------------------------------------------------------------------------------------------


def _of_scf(document: Node, inputs: Node, names: Mapping[str, str]) -> FunctionPlan:
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
        plan.routes += [route for route, _api in _routes(trigger.name, trigger.parameters)]


def _routes(name: str, parameters: Node) -> Iterator[tuple[Route, Node]]:
    """What an API gateway's trigger declares, each with where it does; all of a service's paths where it says none."""
    service = parameters.get("serviceId").text() or parameters.get("serviceName").text() or name
    declared = parameters.get("endpoints").list() or parameters.get("apis").list()
    for api in declared:
        yield Route(service, method_of(api.get("method")), path_of(api.get("path"))), api
    if not declared:
        yield Route(service, "ANY", "/"), parameters


def _of_http(document: Node, inputs: Node, names: Mapping[str, str]) -> FunctionPlan:
    """The framework's component: its settings of the function stand under ``faas``, or beside the rest."""
    faas = inputs.get("faas")
    both = Node(merged(inputs.value or {}, faas.value or {}), inputs.file, inputs.line, inputs.key)
    plan = _function(names["name"] or "function", both, both.get("name"), names)
    plan.is_web = True
    plan.without_effect -= {"faas"}
    if plan.source.is_dir() and not (plan.source / "scf_bootstrap").is_file():
        inputs.fail(f"{plan.source} has no scf_bootstrap, which starts the server: put one there")
    return plan


def _of_layer(inputs: Node, names: Mapping[str, str]) -> LayerPlan:
    source, exclude = _source(inputs.get("src"), None)
    return LayerPlan(
        name=inputs.get("name").text(f"{names['name']}-{names['stage']}-{names['app']}"),
        node=inputs,
        source=source,
        exclude=exclude,
        runtimes=[each.text() for each in inputs.get("runtimes").list()],
        description=inputs.get("description").text(),
    )


def _of_multi(inputs: Node, names: Mapping[str, str]) -> Iterator[FunctionPlan]:
    functions = inputs.get("functions")
    if not functions.names():
        functions.fail("must name at least one function")
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
        name = parameters.get("name").text(f"{kind}-{owner.text()}")
        of(owner).triggers.append(TriggerPlan(kind, name, parameters))
    yield from plans.values()


def _function(
    key: str,
    node: Node,
    name: Node,
    names: Mapping[str, str],
    *,
    below: Node | None = None,
    default_runtime: str = "Nodejs10.15",
) -> FunctionPlan:
    default = f"{names['name']}-{names['stage']}-{names['app']}"
    image = _image(node.get("image"))
    source, exclude = (node.file.parent, []) if image is not None else _source(node.get("src"), below)
    kind = node.get("type").text("event").lower()
    if kind not in ("event", "web"):
        node.get("type").fail(f"must be event or web, not {kind!r}")
    return FunctionPlan(
        key=key,
        name=name.text() or (default if below is None else f"{default}-{key}"),
        node=node,
        source=source,
        exclude=exclude,
        handler=node.get("handler").text(facts.DEFAULT_HANDLER),
        runtime=languages.IMAGE if image is not None else node.get("runtime").text(default_runtime),
        is_web=kind == "web",
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
        layers=[
            AskedLayer(each.get("name").text(), each.get("version").number(), each)
            for each in node.get("layers").list()
        ],
        without_effect={each for each in node.names() if each not in _READ and each in node},
    )


def _source(src: Node, below: Node | None) -> tuple[Path, list[str]]:
    """The code's directory or zip, and the patterns of what is left out."""
    exclude: list[str] = []
    place = src
    if isinstance(src.value, dict):
        if "object" in src or "bucket" in src:
            src.fail("code that lies in COS cannot be had here: give src a directory")
        place = src.get("src")
        exclude = [each.text() for each in src.get("exclude").list()]
    path = src.file.parent / place.text(".")
    if below is not None and below.value is not None:
        place, path = below, path / below.text()
    if not path.exists():
        place.fail(f"there is no {path}")
    return path, exclude


def _image(node: Node) -> dict[str, object] | None:
    """What ``image`` says, by the API's names."""
    if node.value is None:
        return None
    if "imageUri" not in node:
        node.fail("needs an imageUri")
    texts = {"ImageUri": "imageUri", "RegistryId": "registryId", "Command": "command", "Args": "args"}
    found: dict[str, object] = {api: node.get(own).text() for api, own in texts.items() if own in node}
    kind = node.get("imageType").text("enterprise" if "registryId" in node else "personal")
    return {"ImageType": kind, **found}


def _environment(node: Node) -> dict[str, str]:
    found = {name: value.text() for name, value in node.get("environment").get("variables").items()}
    listed = node.get("environments")
    if isinstance(listed.value, dict):
        pairs = list(listed.items())
    else:
        pairs = [(each.get("key").text(), each.get("value")) for each in listed.list()]
    found.update({name: value.text() for name, value in pairs})
    return found


# -- template.yaml --------------------------------------------------------------------------------------------------

_PROPERTIES = {
    *("CodeUri", "Handler", "Runtime", "Type", "Description", "MemorySize", "Timeout", "Environment", "Events"),
}


def _of_template(document: Node) -> Iterator[FunctionPlan]:
    shared = document.get("Globals").get("Function").value or {}
    for namespace, place in document.get("Resources").items():
        for name, function in place.items():
            if name == "Type":
                continue
            properties = function.get("Properties")
            node = Node({**shared, **(properties.value or {})}, properties.file, properties.line, properties.key)
            yield _of_properties(namespace, name, function, node)


def _of_properties(namespace: str, name: str, function: Node, node: Node) -> FunctionPlan:
    source = node.file.parent / node.get("CodeUri").text(".")
    if isinstance(node.get("CodeUri").value, dict):
        node.get("CodeUri").fail("code that lies in COS cannot be had here: give a directory")
    if not source.exists():
        node.get("CodeUri").fail(f"there is no {source}")
    runtime = node.get("Runtime").text("Python3.6")
    plan = FunctionPlan(
        key=name,
        name=name,
        node=node,
        source=source,
        exclude=[],
        handler=node.get("Handler").text(facts.DEFAULT_HANDLER),
        runtime=runtime[:1].upper() + runtime[1:],
        is_web=node.get("Type").text("Event").upper() == "HTTP",
        namespace=namespace,
        description=node.get("Description").text(),
        memory=node.get("MemorySize").number(),
        timeout=node.get("Timeout").number(),
        environment={key: value.text() for key, value in node.get("Environment").get("Variables").items()},
        without_effect={each for each in node.names() if each not in _PROPERTIES and each in node},
    )
    events = node.get("Events") if "Events" in node else function.get("Events")
    for event_name, event in events.items():
        kind, properties = event.get("Type").text().lower(), event.get("Properties")
        if kind == "apigw":
            service = properties.get("ServiceId").text() or f"{namespace}-{name}-{event_name}"
            plan.routes.append(Route(service, method_of(properties.get("HttpMethod")), f"/{name}"))
        plan.triggers.append(TriggerPlan(kind, event_name, properties))
    return plan
