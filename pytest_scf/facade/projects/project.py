"""The functions of a project file that has been deployed, by their names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pytest_scf.errors import UsageError
from pytest_scf.facade.projects import reading
from pytest_scf.facade.projects.deploying import deploy, publish

if TYPE_CHECKING:
    from pytest_scf.contract.api import Api
    from pytest_scf.facade.projects.plans import FunctionPlan
    from pytest_scf.platform.functions import FunctionRecord
    from pytest_scf.platform.platform import Platform

#: a test's handle of a function: a ``Function``
FunctionT = TypeVar("FunctionT")


class Project(Mapping[str, FunctionT]):
    """The functions by what the file calls them: the instance's name, a key of ``functions``, a resource.

    Their names in the cloud lead to them, too.
    """

    def __init__(
        self,
        file: Path,
        functions: Mapping[str, FunctionT],
        plans: Sequence[FunctionPlan],
        layers: Mapping[str, int],
    ) -> None:
        self.file = file
        self._functions = functions
        #: the versions of the layers that it has published, by their names
        self.layers = layers
        #: what the file says of each
        self.plans = plans
        self._names = {plan.name: plan.key for plan in plans}

    @property
    def function(self) -> FunctionT:
        """The only one. Raises UsageError where there are several."""
        _check_single(self.file, list(self._functions))
        return next(iter(self._functions.values()))

    def __getitem__(self, name: str) -> FunctionT:
        return self._functions[self._names.get(name, name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions)

    def __len__(self) -> int:
        return len(self._functions)

    def __repr__(self) -> str:
        return f"<Project {self.file}: {', '.join(self._functions)}>"


def _check_single(file: Path, names: list[str]) -> None:
    if len(names) != 1:
        raise UsageError(f"{file} has {len(names)} functions, {', '.join(names)}: deploy_project() gives them all")


def deploy_all(
    path: Path,
    platform: Platform,
    api: Api,
    handle: Callable[[FunctionRecord], FunctionT],
    *,
    single: bool = False,
    stage: str | None = None,
) -> Project[FunctionT]:
    """Read all of a project file, then make its functions. Raises UsageError, with file, line and key.

    ``single``: there must be one function only. ``stage``: in place of the file's.
    """
    found, layers = reading.read(path, stage)
    if single:
        _check_single(path, [plan.key for plan in found])
    published = {layer.name: publish(api, layer, platform.new_staging_dir) for layer in layers}

    def domain(bucket: str) -> str:
        return platform.buckets.make(bucket).domain

    names = {layer.key: layer.name for layer in layers}
    functions: dict[str, FunctionT] = {}
    for plan in found:
        deploy(api, plan, platform.new_staging_dir, domain, platform.layers, names)
        functions[plan.key] = handle(platform.functions.get(plan.namespace, plan.name))
    return Project(reading.find(path), functions, found, published)
