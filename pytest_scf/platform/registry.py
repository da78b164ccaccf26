"""The functions and namespaces that there are, and every change to them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from pytest_scf import facts
from pytest_scf.api_errors import (
    FailedOperationDeleteAlias,
    FailedOperationDeleteNamespace,
    InvalidParameterValue,
    InvalidParameterValueDefaultNamespace,
    ResourceInUseAlias,
    ResourceInUseFunction,
    ResourceInUseNamespace,
    ResourceNotFoundAlias,
    ResourceNotFoundFunction,
    ResourceNotFoundFunctionVersion,
    ResourceNotFoundNamespace,
    ResourceNotFoundVersion,
    UnsupportedOperationAliasBind,
)
from pytest_scf.platform.functions import FunctionConfig, FunctionRecord, Probe, Version
from pytest_scf.platform.routing import Alias


@dataclass(frozen=True)
class Namespace:
    """Times in seconds since the epoch."""

    name: str
    description: str
    add_time: float
    mod_time: float


class Registry:
    """The functions by namespace and name.

    Each verb holds the lock from reading to writing, so that of two callers neither loses what the other did; nothing
    but memory is touched under it. What is returned is frozen, or a list of the caller's own. The platform's lock may
    be held by the caller, and is never taken here.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._lock = threading.Lock()
        self._now = now
        self._functions: dict[tuple[str, str], FunctionRecord] = {}
        self._namespaces: dict[str, Namespace] = {}
        self.create_namespace(facts.DEFAULT_NAMESPACE, "")

    # -- functions -----------------------------------------------------------------------------------------------

    def add(
        self,
        config: FunctionConfig,
        *,
        retry_num: int = facts.RETRY_NUM_DEFAULT,
        msg_ttl: int = facts.MSG_TTL_DEFAULT,
        make_namespace: bool = True,
    ) -> FunctionRecord:
        """``make_namespace``: one that is not there is made, else it is ResourceNotFound.Namespace.

        Raises ResourceInUse.Function when the name is taken in its namespace.
        """
        key = (config.namespace, config.name)
        with self._lock:
            if config.namespace not in self._namespaces:
                if not make_namespace:
                    raise self._no_namespace(config.namespace)
                self._add_namespace(config.namespace, "")
            if key in self._functions:
                raise ResourceInUseFunction(
                    f"The function {config.name} exists already in namespace {config.namespace}."
                )
            function = self._functions[key] = FunctionRecord(config, self._now(), retry_num, msg_ttl)
        return function

    def remove(self, function: FunctionRecord) -> None:
        """Raises ResourceNotFound.Function where somebody else has removed it."""
        with self._lock:
            function.check_present()
            del self._functions[(function.namespace, function.name)]
            function.deleted = True

    def get(self, namespace: str, name: str, qualifier: str | None = None) -> FunctionRecord:
        """Raises ResourceNotFound.Namespace, .Function or .Qualifier."""
        function = self._functions.get((namespace, name))
        if function is None:
            self.namespace(namespace)
            raise ResourceNotFoundFunction(f"The function {name} does not exist in namespace {namespace}.")
        if qualifier is not None and qualifier != facts.LATEST:
            function.resolve(qualifier)
        return function

    def all(self, namespace: str | None = None) -> list[FunctionRecord]:
        """The functions of a namespace, or of all, in the order of their making."""
        with self._lock:
            return [each for (place, _), each in self._functions.items() if namespace in (None, place)]

    def update_config(
        self, function: FunctionRecord, change: Callable[[FunctionConfig], FunctionConfig]
    ) -> FunctionConfig:
        """Give $LATEST the configuration that ``change`` makes of the one it has, at this moment.

        ``change`` is called with the lock held: it takes no lock and touches no file. What it raises, is raised, and
        nothing is changed.
        """
        with self._lock:
            function.check_present()
            function.config = change(function.config)
            function.mod_time = self._now()
            return function.config

    def set_probe(self, function: FunctionRecord, probe: Probe) -> None:
        """Let a probe work in the instances of all its versions that are started from now on."""
        with self._lock:
            function.check_present()
            function.config = replace(function.config, probe=probe)
            function.versions = {
                number: replace(version, config=replace(version.config, probe=probe))
                for number, version in function.versions.items()
            }

    def set_retry(self, function: FunctionRecord, *, retry_num: int | None = None, msg_ttl: int | None = None) -> None:
        """How its asynchronous invocations are retried, and for how many seconds they are kept; None stays."""
        with self._lock:
            function.check_present()
            if retry_num is not None:
                function.retry_num = retry_num
            if msg_ttl is not None:
                function.msg_ttl = msg_ttl

    def set_reserved_memory(self, function: FunctionRecord, memory: int | None) -> None:
        """MB that its instances may have together; None: what its ``max_instances`` may have."""
        with self._lock:
            function.check_present()
            function.reserved_memory = memory

    # -- versions ------------------------------------------------------------------------------------------------

    def publish(self, function: FunctionRecord, config: FunctionConfig) -> FunctionConfig:
        """Make the next version of a configuration whose code is frozen; gives it with its number."""
        with self._lock:
            function.check_present()
            function.published += 1
            config = replace(config, version=str(function.published))
            function.versions = {**function.versions, config.version: Version(config, self._now())}
        return config

    def delete_version(self, function: FunctionRecord, number: str, *, force: bool = False) -> None:
        """Forget a version.

        Choice: with ``force`` the aliases that lead to it go with it; $DEFAULT, which cannot go, leads to $LATEST then.

        Raises ResourceNotFound.Version, and UnsupportedOperation.AliasBind while an alias leads to it.
        """
        with self._lock:
            function.check_present()
            if number == facts.LATEST:
                raise InvalidParameterValue("The version $LATEST cannot be deleted alone: delete the function.")
            if number not in function.versions:
                raise ResourceNotFoundVersion(f"The function {function.name} has no version {number}.")
            bound = [alias for alias in function.aliases.values() if number in alias.versions()]
            if bound and not force:
                raise UnsupportedOperationAliasBind(
                    f"The version {number} of function {function.name} is that of the alias {bound[0].name}: "
                    "lead the alias to another version before."
                )
            aliases = {name: alias for name, alias in function.aliases.items() if alias not in bound}
            if facts.DEFAULT_ALIAS not in aliases:
                aliases = {facts.DEFAULT_ALIAS: Alias.default(self._now()), **aliases}
            function.aliases = aliases
            function.versions = {each: version for each, version in function.versions.items() if each != number}

    # -- aliases -------------------------------------------------------------------------------------------------

    def put_alias(self, function: FunctionRecord, alias: Alias) -> None:
        """Make an alias. Raises ResourceInUse.Alias, and ResourceNotFound.FunctionVersion for where it leads."""
        with self._lock:
            function.check_present()
            if alias.name in function.aliases:
                raise ResourceInUseAlias(f"The function {function.name} has an alias {alias.name} already.")
            self._set_alias(function, alias)

    def update_alias(self, function: FunctionRecord, alias: Alias) -> None:
        """Replace the alias of this name but for when it was made.

        Raises ResourceNotFound.Alias, and ResourceNotFound.FunctionVersion for where it leads.
        """
        with self._lock:
            function.check_present()
            self._set_alias(function, replace(alias, add_time=self._alias(function, alias.name).add_time))

    def delete_alias(self, function: FunctionRecord, name: str) -> None:
        """Raises ResourceNotFound.Alias, and FailedOperation.DeleteAlias for $DEFAULT."""
        with self._lock:
            function.check_present()
            self._alias(function, name)
            if name == facts.DEFAULT_ALIAS:
                raise FailedOperationDeleteAlias(f"The alias {name} cannot be deleted: each function has it.")
            function.aliases = {each: alias for each, alias in function.aliases.items() if each != name}

    def alias(self, function: FunctionRecord, name: str) -> Alias:
        """Raises ResourceNotFound.Alias."""
        return self._alias(function, name)

    def _alias(self, function: FunctionRecord, name: str) -> Alias:
        found = function.aliases.get(name)
        if found is None:
            # By the vendor's own words, "not found", its toolkit knows that it has to make the alias.
            raise ResourceNotFoundAlias(f"The function {function.name} has no alias {name} (未找到指定的别名).")
        return found

    def _set_alias(self, function: FunctionRecord, alias: Alias) -> None:
        """The caller holds the lock."""
        for version in sorted(alias.versions()):
            if version != facts.LATEST and version not in function.versions:
                raise ResourceNotFoundFunctionVersion(f"The function {function.name} has no version {version}.")
        function.aliases = {**function.aliases, alias.name: alias}

    # -- namespaces ----------------------------------------------------------------------------------------------

    def namespace(self, name: str) -> Namespace:
        """Raises ResourceNotFound.Namespace."""
        found = self._namespaces.get(name)
        if found is None:
            raise self._no_namespace(name)
        return found

    def namespaces(self) -> list[Namespace]:
        with self._lock:
            return list(self._namespaces.values())

    def create_namespace(self, name: str, description: str) -> None:
        """Raises ResourceInUse.Namespace."""
        with self._lock:
            if name in self._namespaces:
                raise ResourceInUseNamespace(f"The namespace {name} exists already.")
            self._add_namespace(name, description)

    def update_namespace(self, name: str, description: str) -> None:
        """Raises ResourceNotFound.Namespace."""
        with self._lock:
            found = self.namespace(name)
            self._namespaces[name] = replace(found, description=description, mod_time=self._now())

    def delete_namespace(self, name: str) -> None:
        """Raises ResourceNotFound.Namespace, and FailedOperation.DeleteNamespace while there are functions in it."""
        with self._lock:
            self.namespace(name)
            if name == facts.DEFAULT_NAMESPACE:
                raise InvalidParameterValueDefaultNamespace(
                    f"The namespace {name} cannot be deleted.", field="Namespace"
                )
            held = [function for place, function in self._functions if place == name]
            if held:
                raise FailedOperationDeleteNamespace(
                    f"The namespace {name} holds functions ({', '.join(held[:3])}): delete them before."
                )
            del self._namespaces[name]

    def _add_namespace(self, name: str, description: str) -> None:
        """The caller holds the lock."""
        now = self._now()
        self._namespaces[name] = Namespace(name, description, now, now)

    def _no_namespace(self, name: str) -> ResourceNotFoundNamespace:
        return ResourceNotFoundNamespace(f"The namespace {name} does not exist.")
