"""The functions of the older template.yaml."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_scf import facts
from pytest_scf.facade.projects.document import Node
from pytest_scf.facade.projects.plans import FunctionPlan, TriggerPlan
from pytest_scf.facade.projects.routes import Route, method_of
from pytest_scf.facade.projects.sources import stored_code

_PROPERTIES = {
    *("CodeUri", "Handler", "Runtime", "Type", "Description", "MemorySize", "Timeout", "Environment", "Events"),
}


def of_template(document: Node) -> Iterator[FunctionPlan]:
    shared = document.get("Globals").get("Function").value or {}
    for namespace, place in document.get("Resources").items():
        for name, function in place.items():
            if name == "Type":
                continue
            properties = function.get("Properties")
            node = Node({**shared, **(properties.value or {})}, properties.file, properties.line, properties.key)
            yield _of_properties(namespace, name, function, node)


def _of_properties(namespace: str, name: str, function: Node, node: Node) -> FunctionPlan:
    code, source, stored = node.get("CodeUri"), node.file.parent, {}
    if isinstance(code.value, dict):
        stored = stored_code(code, "Bucket", "Key")
    elif not (source := source / code.text(".")).exists():
        code.fail(f"there is no {source}")
    runtime = node.get("Runtime").text("Python3.6")
    plan = FunctionPlan(
        key=name,
        name=name,
        node=node,
        source=source,
        exclude=[],
        stored=stored,
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
            integrated = properties.get("IntegratedResponse").flag(True)
            plan.routes.append(Route(service, method_of(properties.get("HttpMethod")), f"/{name}", integrated))
        plan.triggers.append(TriggerPlan(kind, event_name, properties))
    return plan
