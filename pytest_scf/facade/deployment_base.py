"""What all ways of making functions share."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from pytest_scf import facts
from pytest_scf.api_errors import ResourceInUseFunction
from pytest_scf.errors import UsageError
from pytest_scf.facade.file_systems import Directories, mounted
from pytest_scf.facade.layers import Layer, bound
from pytest_scf.platform.file_systems import FileSystem
from pytest_scf.platform.functions import FunctionConfig, FunctionRecord
from pytest_scf.platform.layers import BoundLayers
from pytest_scf.platform.platform import Platform

if TYPE_CHECKING:
    from pytest_scf.facade.session import Session

#: seconds that instances have to start, beside the time that their code may take
_PATIENCE = 60.0
P = ParamSpec("P")
R = TypeVar("R")
DeploymentT = TypeVar("DeploymentT", bound="DeploymentBase")


def staged(deploy: Callable[Concatenate[DeploymentT, P], R]) -> Callable[Concatenate[DeploymentT, P], R]:
    """Keep what a deployment stages from being removed as unused before its function is there."""

    @functools.wraps(deploy)
    def wrapped(self: DeploymentT, /, *args: P.args, **kwargs: P.kwargs) -> R:
        __tracebackhide__ = True
        with self._platform.staging.writing():
            return deploy(self, *args, **kwargs)

    return wrapped


class DeploymentBase:
    """The platform that they are made in."""

    base_dirs: Sequence[str | os.PathLike[str]]
    _platform: Platform
    _session: Session
    _closed: bool

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise UsageError("this ScfRuntime is closed: make another")

    def _bound(self, layers: Sequence[Layer], runtime: str, code_root: Path | None) -> BoundLayers:
        return bound(self._platform, layers, self.base_dirs, runtime, code_root)

    def _mounted(self, cfs: Directories | None, *, in_container: bool = False) -> tuple[FileSystem, ...]:
        can_mount = in_container or self._platform.isolation.own_tree
        return () if cfs is None else mounted(cfs, self.base_dirs, can_mount=can_mount)

    def _check_provisioned(self, number: object, max_instances: int | None) -> None:
        most = max_instances or self._platform.settings.max_instances
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= most:
            raise UsageError(f"provisioned must be a whole number from 0 to {most} (max_instances); got {number!r}")

    def _keep_warm(self, record: FunctionRecord, number: int) -> None:
        """Publish a version, wait until so many instances of it are warm, or cannot be, and lead $DEFAULT to it."""
        if number:
            version = self._platform.publish_version(record).version
            self._platform.provisioning.put(record, version, number)
            self._platform.provisioning.wait(record, version, record.config.init_timeout + _PATIENCE)
            alias = replace(record.aliases[facts.DEFAULT_ALIAS], version=version)
            self._platform.functions.update_alias(record, alias)

    def _added(
        self,
        names: Iterator[str] | Sequence[str],
        *,
        handler: str = "",
        retry_num: int = facts.RETRY_NUM_DEFAULT,
        msg_ttl: int = facts.MSG_TTL_DEFAULT,
        **config: Any,
    ) -> FunctionRecord:
        taken = None
        for name in names:
            try:
                return self._platform.create_function(
                    FunctionConfig(name=name, handler=handler, **config), retry_num=retry_num, msg_ttl=msg_ttl
                )
            except ResourceInUseFunction as error:
                taken = error
        raise UsageError(
            f"there is a function {name!r} in namespace {config['namespace']!r} already: give another name=, "
            "or none, for one that is free"
        ) from taken
