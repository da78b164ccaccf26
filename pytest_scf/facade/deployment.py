"""Making functions: of source, bootstraps, servers and images."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from pytest_scf import facts
from pytest_scf.api_errors import ResourceInUseFunction
from pytest_scf.contract import languages, limits
from pytest_scf.errors import UsageError
from pytest_scf.facade.function_settings import checked, image_name, names
from pytest_scf.facade.handles import Function
from pytest_scf.facade.sources import NODE, PYTHON, code_directory, prepare
from pytest_scf.platform.functions import FunctionConfig, FunctionRecord
from pytest_scf.platform.platform import Platform

if TYPE_CHECKING:
    from pytest_scf.facade.projects.project import Project
    from pytest_scf.facade.session import Session

P = ParamSpec("P")
R = TypeVar("R")


def _staging(deploy: Callable[Concatenate[Deployment, P], R]) -> Callable[Concatenate[Deployment, P], R]:
    """Keep what a deployment stages from being removed as unused before its function is there."""

    @functools.wraps(deploy)
    def wrapped(self: Deployment, /, *args: P.args, **kwargs: P.kwargs) -> R:
        __tracebackhide__ = True
        with self._platform.staging.writing():
            return deploy(self, *args, **kwargs)

    return wrapped


class Deployment:
    """What ``ScfRuntime`` makes functions with."""

    base_dirs: Sequence[str | os.PathLike[str]]
    _platform: Platform
    _session: Session
    _closed: bool

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise UsageError("this ScfRuntime is closed: make another")

    @_staging
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

        A project file (serverless.yml) with one function is deployed as it says; see ``deploy_project``.

        Raises UsageError, before anything is made, where something of this cannot be.
        """
        if isinstance(source, (str, os.PathLike)) and str(source).endswith((".yml", ".yaml")):
            return self._deploy_project(source, single=True).function
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
            return self._deploy_bootstrap(source, handler, python, name, {**config, **retries})
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
        if self._session.terminal is not None:
            from pytest_scf.facade.probing import function_probe

            probe = function_probe.to_debug(self._session, probe, prepared.code_root, interpreter)
        record = self._added(
            [name] if name is not None else names(prepared.default_name),
            code_root=prepared.code_root,
            handler=prepared.handler,
            runtime=named,
            interpreter=interpreter,
            retry_num=retry_num,
            msg_ttl=msg_ttl,
            probe=probe,
            **config,
        )
        self._session.origins[record] = prepared.origins
        if probe is not None:
            self._session.probes.append(probe)
        return Function._of(self._session, record)

    def _deploy_bootstrap(
        self, source: object, handler: str | None, python: object, name: str | None, config: dict[str, Any]
    ) -> Function:
        from pytest_scf.platform import bootstraps

        if python is not None:
            raise UsageError("a custom runtime chooses its interpreter in its bootstrap: leave python= out")
        staging = self._platform.new_staging_dir
        code_root, default_name = code_directory(source, base_dirs=self.base_dirs, staging=staging)
        record = self._added(
            [name] if name is not None else names(default_name),
            code_root=code_root,
            handler=handler or facts.DEFAULT_HANDLER,
            runtime=languages.CUSTOM,
            server=bootstraps.custom_runtime(code_root),
            **config,
        )
        return Function._of(self._session, record)

    @_staging
    def deploy_image(
        self,
        command: Sequence[str | os.PathLike[str]] | None = None,
        *,
        cwd: str | os.PathLike[str] | None = None,
        image: str | None = None,
        dockerfile: str | os.PathLike[str] | None = None,
        ignored: Sequence[str] = (),
        port: int = facts.SERVER_PORT,
        host_ports: Sequence[int] = (),
        web: bool = False,
        python: str | os.PathLike[str] | None = None,
        name: str | None = None,
        timeout: int | None = None,
        init_timeout: int = facts.IMAGE_INIT_TIMEOUT_DEFAULT,
        memory: int = facts.MEMORY_DEFAULT,
        environment: Mapping[str, str] | None = None,
        namespace: str = facts.DEFAULT_NAMESPACE,
        async_run: bool = False,
        trace: bool = True,
        max_instances: int | None = None,
    ) -> Function:
        """Make an image function: a web server that takes each event as POST /event-invoke on port 9000.

        Its container is a process: ``command``, run in the directory ``cwd`` as both are on this machine, in a network
        of its own. Or what a ``dockerfile`` says with CMD, ENTRYPOINT, ENV, ARG, WORKDIR and COPY; instructions that
        it may do without are named in ``ignored`` (RUN, where what it installs is installed beside the tests).

        With a ``launcher`` it is a container: of ``image``, by name, or of the one that is built of ``dockerfile``;
        ``command`` and ``cwd`` then replace those of the image.

        With ``web`` it is a web function: ``Function.request`` sends it HTTP requests, whatever their path.

        ``python`` is the interpreter of its container: a version ("3.9"), found on PATH, or a path.

        It is ready when the port accepts connections, within ``init_timeout`` seconds (90). Services of the test
        on the ports ``host_ports`` are found on 127.0.0.1 inside, too. PYTHONUNBUFFERED=1 is set unless
        ``environment`` says otherwise, so that output is in the log when it is written. The rest is as with ``deploy``.

        Raises UsageError, before anything is made, where something of this cannot be.
        """
        from pytest_scf.facade import servers

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
        interpreter = None
        if python is not None:
            if self._platform.runs_containers:
                raise UsageError("the interpreter is that of the image: leave python= out")
            config["runtime"], interpreter = languages.choose(None, python)
            config["interpreter"] = interpreter
        if self._platform.runs_containers:
            default_name = image_name(image, dockerfile)
            server = servers.image_of_launcher(
                self._platform.containers.launcher,
                name or next(names(default_name)),
                image,
                command,
                cwd,
                dockerfile,
                ignored,
                port=port,
                host_ports=host_ports,
                base_dirs=self.base_dirs,
            )
        elif image is not None:
            raise UsageError(
                "image= is for a launcher that runs images, such as --scf-launcher=docker (the setting launcher); "
                "a container that is a process is made of command= or dockerfile="
            )
        elif (command is None) == (dockerfile is None):
            raise UsageError("deploy_image takes command= or dockerfile=, and one of them")
        elif dockerfile is None:
            server = servers.image_of_command(
                command, cwd, port=port, host_ports=host_ports, base_dirs=self.base_dirs, interpreter=interpreter
            )
            default_name = Path(str(server.cwd)).name
        else:
            if cwd is not None:
                raise UsageError("the working directory of a Dockerfile is its WORKDIR: leave cwd= out")
            file, server, variables = servers.image_of_dockerfile(
                dockerfile,
                ignored,
                port=port,
                host_ports=host_ports,
                base_dirs=self.base_dirs,
                staging=self._platform.new_staging_dir,
                can_mount=self._platform.isolation == "namespaces",
                interpreter=interpreter,
            )
            config["environment"] = {**variables, **config["environment"]}
            default_name = file.parent.name
        if web:
            if async_run:
                raise UsageError("a web function has no asynchronous execution: leave async_run= or web= out")
            server = replace(server, kind="web")
        code_root = Path(server.places[0][0] if server.places else server.cwd or os.curdir)
        record = self._added(
            [name] if name is not None else names(default_name),
            code_root=code_root,
            server=server,
            **config,
        )
        return Function._of(self._session, record)

    @_staging
    def deploy_web(
        self,
        source: str | os.PathLike[str],
        *,
        command: Sequence[str | os.PathLike[str]] | None = None,
        python: str | os.PathLike[str] | None = None,
        host_ports: Sequence[int] = (),
        name: str | None = None,
        timeout: int | None = None,
        init_timeout: int = facts.INIT_TIMEOUT_DEFAULT,
        memory: int = facts.MEMORY_DEFAULT,
        environment: Mapping[str, str] | None = None,
        namespace: str = facts.DEFAULT_NAMESPACE,
        max_instances: int | None = None,
        websocket: bool = False,
        websocket_idle: int = facts.WEBSOCKET_IDLE_DEFAULT,
    ) -> Function:
        """Make a web function of a directory or a .zip file with an executable ``scf_bootstrap``.

        That, or ``command`` in its place, starts a server on port 9000; ``Function.request`` sends it HTTP requests.
        Below /var/lang are interpreters at hand, under the names that the cloud has for its own: a Python that the
        bootstrap names, /var/lang/python37/bin/python3.7, is of that version where there is one on PATH, with the
        packages of that, else the test's, which the log and the diagnosis say. ``python``, a version or a path such as
        ``sys.executable``, is all of them. A web function has no asynchronous execution.

        With ``websocket`` it takes WebSocket connections: ``Function.websocket`` opens one. One over which nothing is
        sent for ``websocket_idle`` seconds (1 to 1800) is ended.

        Raises UsageError, before anything is made, where something of this cannot be.
        """
        from pytest_scf.facade import servers
        from pytest_scf.platform import bootstraps

        config = checked(
            name=name,
            timeout=timeout,
            init_timeout=init_timeout,
            memory=memory,
            environment=environment,
            namespace=namespace,
            async_run=False,
            trace=True,
            max_instances=max_instances,
        )
        idle = servers.websocket_idle(websocket, websocket_idle)
        interpreter = None
        if python is not None:
            config["runtime"], interpreter = languages.choose(None, python)
            config["interpreter"] = interpreter
        staging = self._platform.new_staging_dir
        code_root, default_name = code_directory(source, base_dirs=self.base_dirs, staging=staging)
        server = bootstraps.web_server(
            code_root,
            command=() if command is None else servers.command_of(command, interpreter),
            interpreter=interpreter,
            by_version=python is None,
            host_ports=servers.ports(host_ports, facts.SERVER_PORT),
            staging=staging,
            can_mount=self._platform.isolation == "namespaces",
        )
        record = self._added(
            [name] if name is not None else names(default_name),
            code_root=code_root,
            server=replace(server, websocket_idle=idle),
            **config,
        )
        return Function._of(self._session, record)

    def deploy_project(self, path: str | os.PathLike[str]) -> Project[Function]:
        """Make the functions of a project file, with their triggers: a mapping of the functions by their names.

        ``path`` is a serverless.yml (component scf, multi-scf, or one of a web framework), a template.yaml, or
        a directory with one. It is looked up as the sources of ``deploy``. What has no effect here is named in
        a ScfWarning; what cannot be raises UsageError with file, line and key.
        """
        return self._deploy_project(path, single=False)

    def _deploy_project(self, path: str | os.PathLike[str], *, single: bool) -> Project[Function]:
        from pytest_scf.facade.projects.project import deploy_all

        wanted = Path(path)
        found = next((place for base in self.base_dirs if (place := Path(base) / wanted).exists()), wanted)
        return deploy_all(
            found, self._platform, self._session.api, functools.partial(Function._of, self._session), single=single
        )

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
