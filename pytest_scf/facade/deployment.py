"""Making functions: of source, bootstraps and project files."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_scf import facts
from pytest_scf.contract import languages, limits
from pytest_scf.errors import UsageError
from pytest_scf.facade.deployment_base import staged
from pytest_scf.facade.file_systems import Directories
from pytest_scf.facade.function_settings import checked, names
from pytest_scf.facade.handles import Function
from pytest_scf.facade.layers import Layer, provide
from pytest_scf.facade.server_deployment import ServerDeployment
from pytest_scf.facade.sources import NODE, PYTHON, code_directory, prepare

if TYPE_CHECKING:
    from pytest_scf.facade.projects.project import Project
    from pytest_scf.platform.functions import FunctionRecord


class Deployment(ServerDeployment):
    """What ``ScfRuntime`` makes functions with."""

    @staged
    def deploy(
        self,
        source: object,
        *,
        name: str | None = None,
        handler: str | None = None,
        python: str | os.PathLike[str] | None = None,
        runtime: str | None = None,
        timeout: int | None = None,
        init_timeout: int = facts.INIT_TIMEOUT_DEFAULT,
        memory: int = facts.MEMORY_DEFAULT,
        environment: Mapping[str, str] | None = None,
        namespace: str = facts.DEFAULT_NAMESPACE,
        async_run: bool = False,
        trace: bool = True,
        max_instances: int | None = None,
        retry_num: int = facts.RETRY_NUM_DEFAULT,
        msg_ttl: int = facts.MSG_TTL_DEFAULT,
        setup: Callable[[], object] | str | os.PathLike[str] | None = None,
        layers: Sequence[Layer] = (),
        cfs: Directories | None = None,
        provisioned: int = 0,
    ) -> Function:
        """Make a function of a directory, a .py file, a .zip file, source text or a Python function.

        A directory is used in place; ``handler`` is ``index.main_handler`` by default (``FILE.main_handler`` for a .py
        file). A Python function is its own handler, and takes along what it needs of its module. The ``name`` defaults
        to that of the source, with a number where it is taken.

        ``python`` runs it with another interpreter: a version ("3.12"), found on PATH, or a path. ``runtime`` is the
        cloud's name for what runs it: "Python3.7" asks for that version, too; "Nodejs18.15" is run by the Node.js
        at hand, of whatever version, and then the source is a directory, a .js file, a .zip file or source text.
        "CustomRuntime" runs the executable ``bootstrap`` of a directory or .zip file, which fetches its events from the
        runtime API (docs/cloud-contract.md#custom-runtimes).

        ``timeout`` is 1 to 900 seconds, 3 by default; with asynchronous execution (``async_run``) 1 to 86400, and that
        is its default. ``memory`` is 64, or 128 to 3072 in steps of 128 (MB); ``init_timeout`` 1 to 300 seconds.
        ``trace`` is on, other than in the cloud: what is not tracked is not listed by ListAsyncEvents.
        ``max_instances`` overrides the runtime's setting. Without ``async_run`` an asynchronous invocation that fails
        is tried again up to ``retry_num`` times (0 to 2), and kept for ``msg_ttl`` seconds of the clock (60 to 21600).

        ``setup`` is run in each instance before the function's own code is loaded, for what must be patched there: a
        Python function of the test's module, which takes along what it needs of that, or a .py file.

        ``layers`` are laid over each other at /opt, the later over the earlier: directories, .zip files, names of
        layers that are published, or pairs of a name and a version (docs/cloud-contract.md#layers).

        ``cfs`` has directories of this machine by where the function sees them, and writes to them, as it does to a
        file system of CFS: ``{"/mnt/data": tmp_path}``. It needs the ``namespaces`` level of isolation.

        ``provisioned`` instances are kept warm from the start: of a version that is published for it, to which $DEFAULT
        leads, and so calls without a qualifier.

        A project file (serverless.yml) with one function is deployed as it says; see ``deploy_project``.

        Raises UsageError, before anything is made, where something of this cannot be.
        """
        if isinstance(source, (str, os.PathLike)) and str(source).endswith((".yml", ".yaml")):
            return self._deploy_project(source, single=True).function
        self._check_provisioned(provisioned, max_instances)
        limits.check({"retry_num": retry_num}, asynchronous=False)
        limits.check_msg_ttl(msg_ttl, self._platform.settings.msg_ttl_smallest)
        config = checked(
            name=name,
            timeout=timeout,
            init_timeout=init_timeout,
            memory=memory,
            environment=environment,
            namespace=namespace,
            async_run=async_run,
            trace=trace,
            max_instances=max_instances,
        )
        if runtime == languages.CUSTOM:
            if setup is not None:
                raise UsageError("setup= is for functions whose handler is Python, and not for a custom runtime")
            retries = {"retry_num": retry_num, "msg_ttl": msg_ttl}
            record = self._deploy_bootstrap(source, handler, python, name, layers, cfs, {**config, **retries})
            self._keep_warm(record, provisioned)
            return Function._of(self._session, record)
        named, interpreter = languages.choose(runtime, python)
        probe = None
        if setup is not None:
            from pytest_scf.facade.probing import function_probe
            from pytest_scf.facade.probing import setup as set_up

            probe = function_probe.FunctionProbe(self._platform, set_up.script(setup, self.base_dirs, interpreter))
        prepared = prepare(
            source,
            handler=handler,
            base_dirs=self.base_dirs,
            staging=self._platform.new_staging_dir,
            language=NODE if interpreter is not None and interpreter.language == "node" else PYTHON,
        )
        bound_layers = self._bound(layers, named, prepared.code_root)
        if self._session.terminal is not None:
            from pytest_scf.facade.probing import function_probe

            roots = [root for root in (prepared.code_root, bound_layers.root) if root is not None]
            probe = function_probe.to_debug(self._session, probe, roots, interpreter)
        record = self._added(
            [name] if name is not None else names(prepared.default_name),
            code_root=prepared.code_root,
            handler=prepared.handler,
            runtime=named,
            interpreter=interpreter,
            retry_num=retry_num,
            msg_ttl=msg_ttl,
            probe=probe,
            layers=bound_layers,
            file_systems=self._mounted(cfs),
            **config,
        )
        self._session.origins[record] = prepared.origins
        if probe is not None:
            self._session.probes.append(probe)
        self._keep_warm(record, provisioned)
        return Function._of(self._session, record)

    def _deploy_bootstrap(
        self,
        source: object,
        handler: str | None,
        python: object,
        name: str | None,
        layers: Sequence[Layer],
        cfs: Directories | None,
        config: dict[str, Any],
    ) -> FunctionRecord:
        from pytest_scf.platform import bootstraps

        if python is not None:
            raise UsageError("a custom runtime chooses its interpreter in its bootstrap: leave python= out")
        staging = self._platform.new_staging_dir
        code_root, default_name = code_directory(source, base_dirs=self.base_dirs, staging=staging)
        return self._added(
            [name] if name is not None else names(default_name),
            code_root=code_root,
            handler=handler or facts.DEFAULT_HANDLER,
            runtime=languages.CUSTOM,
            server=bootstraps.custom_runtime(code_root),
            layers=self._bound(layers, languages.CUSTOM, code_root),
            file_systems=self._mounted(cfs),
            **config,
        )

    def deploy_project(
        self,
        path: str | os.PathLike[str],
        *,
        stage: str | None = None,
        layers: Mapping[str, str | os.PathLike[str]] | None = None,
    ) -> Project[Function]:
        """Make the functions of a project file, with their triggers: a mapping of the functions by their names.

        ``path`` is a serverless.yml (component scf, multi-scf, or one of a web framework), a template.yaml, or
        a directory with one. It is looked up as the sources of ``deploy``. ``stage`` is in place of SERVERLESS_STAGE
        and of the file's. What has no effect here is named in a ScfWarning; what cannot be raises UsageError with file,
        line and key.

        Layers that the file names are those that are published, a file of the component layer publishes one; or
        ``layers`` has directories and .zip files that stand for every version of a name, from now on.
        """
        if layers:
            provide(self._platform, layers, self.base_dirs)
        return self._deploy_project(path, single=False, stage=stage)

    @staged
    def _deploy_project(
        self, path: str | os.PathLike[str], *, single: bool, stage: str | None = None
    ) -> Project[Function]:
        from pytest_scf.facade.projects.project import deploy_all

        wanted = Path(path)
        found = next((place for base in self.base_dirs if (place := Path(base) / wanted).exists()), wanted)
        handle = functools.partial(Function._of, self._session)
        project = deploy_all(found, self._platform, self._session.api, handle, single=single, stage=stage)
        self._session.routes.update({project[plan.key]._record: plan.routes for plan in project.plans if plan.routes})
        return project
