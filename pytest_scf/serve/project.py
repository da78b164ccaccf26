"""A project file that is served: its functions, and what they are called by."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator
from pathlib import Path

from pytest_scf.errors import ScfWarning, UsageError
from pytest_scf.facade.handles import Function
from pytest_scf.facade.projects import reading
from pytest_scf.facade.projects.deploying import update_code
from pytest_scf.facade.projects.plans import BOOTSTRAP, FunctionPlan
from pytest_scf.facade.projects.routes import Route
from pytest_scf.facade.runtime import ScfRuntime
from pytest_scf.platform.triggers import Trigger
from pytest_scf.serve.addresses import Address, Refresh, of_function, of_service
from pytest_scf.serve.directory import introduced
from pytest_scf.serve.watching import Code
from pytest_scf.triggers.rules import CosRule, TimerRule


def is_project(path: Path) -> bool:
    """Whether it is a project file, or a directory with one."""
    return path.is_file() or any((path / name).is_file() for name in reading.FILES)


def region_of(path: Path, stage: str | None) -> str | None:
    """The region that the file names for its functions; None where it names none. Raises UsageError for several."""
    named = {plan.region for plan in reading.read(path, stage).functions if plan.region}
    if len(named) > 1:
        raise UsageError(f"{path} names the regions {', '.join(sorted(named))}, and one is served: choose --region")
    return next(iter(named), None)


class ServedProject:
    """The functions of a project file. Raises UsageError, with file, line and key."""

    def __init__(self, runtime: ScfRuntime, path: Path, stage: str | None) -> None:
        self._runtime = runtime
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self._project = runtime.deploy_project(path, stage=stage)
        self._notes = [str(each.message) for each in caught if issubclass(each.category, ScfWarning)]
        self._functions = [(plan, self._project[plan.key]) for plan in self._project.plans]
        self._triggers = [
            (function, trigger)
            for _plan, function in self._functions
            for trigger in runtime._platform.triggers.of(function._record)
        ]

    def lines(self) -> Iterator[str]:
        """What is said of the functions, of their triggers, and of what has no effect."""
        yield f"project {self._project.file}"
        for plan, function in self._functions:
            place = plan.source if plan.image is None else plan.image["ImageUri"]
            if plan.stored:
                place = f"{plan.stored['CosObjectName']} of bucket {plan.stored['CosBucketName']}"
            handler = "image" if plan.image is not None else BOOTSTRAP if plan.is_web else plan.handler
            yield introduced(function, place, handler)
        for function, trigger in self._triggers:
            if trigger.kind == "http":
                continue  # it is told of with its address
            yield f"{trigger.kind} {_described(trigger)}{'' if trigger.enabled else ', disabled'}: {function.name}"
        yield from self._notes

    def codes(self) -> Iterator[Code]:
        """Of an image function none, nor of code in a bucket: it is not the file's directory."""
        for plan, function in self._functions:
            if plan.image is not None or plan.stored:
                continue
            yield Code(function, plan.source, functools.partial(self._reload, plan))

    def _reload(self, plan: FunctionPlan) -> None:
        platform = self._runtime._platform
        try:
            with platform.staging.writing():  # clients change functions meanwhile
                update_code(self._runtime.api, plan, platform.new_staging_dir)
        except Exception:
            # It is tried again and again, and each time there may be a copy of the code.
            platform.staging.retain(platform._paths_in_use)
            raise

    def with_timers(self) -> list[Function]:
        """Functions that are called without a request."""
        return [function for function, trigger in self._triggers if trigger.kind == "timer"]

    def buckets(self) -> set[str]:
        """The names of those that triggers are of."""
        return {_bucket(trigger.rule) for _function, trigger in self._triggers if isinstance(trigger.rule, CosRule)}

    def addresses(self, refresh: Refresh) -> list[Address]:
        """Of function URLs, web functions, and services of an API gateway."""
        found = []
        services: dict[str, list[tuple[Route, Function]]] = {}
        for plan, function in self._functions:
            has_url = any(trigger.kind == "http" for trigger in plan.triggers)
            if has_url or (function.config.type == "HTTP" and not plan.routes):
                found.append(of_function(function, refresh))
            for route in plan.routes:
                services.setdefault(route.service, []).append((route, function))
        return [*found, *(of_service(leading, refresh) for leading in services.values())]


def _described(trigger: Trigger) -> str:
    rule = trigger.rule
    if isinstance(rule, TimerRule):
        return f"{trigger.name} at {rule.cron.text}"
    if isinstance(rule, CosRule):
        return f"{rule.event} of {rule.prefix}*{rule.suffix} in {_bucket(rule)}"
    return f"{trigger.name}, to which nothing is sent here"


def _bucket(rule: CosRule) -> str:
    return rule.bucket.partition(".")[0]
