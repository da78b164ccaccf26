"""Making functions that are servers: images and web functions."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pytest_scf import facts
from pytest_scf.contract import languages
from pytest_scf.errors import UsageError
from pytest_scf.facade.deployment_base import DeploymentBase, staged
from pytest_scf.facade.file_systems import Directories
from pytest_scf.facade.function_settings import checked, image_name, names
from pytest_scf.facade.handles import Function
from pytest_scf.facade.layers import Layer
from pytest_scf.facade.sources import code_directory
from pytest_scf.instances.server_kind import WEB
from pytest_scf.platform.functions import FunctionConfig


class ServerDeployment(DeploymentBase):
    """What ``ScfRuntime`` makes servers with."""

    @staged
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
        websocket: bool = False,
        websocket_idle: int = facts.WEBSOCKET_IDLE_DEFAULT,
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
        layers: Sequence[Layer] = (),
        cfs: Directories | None = None,
        provisioned: int = 0,
    ) -> Function:
        """Make an image function: a web server that takes each event as POST /event-invoke on port 9000.

        Its container is a process: ``command``, run in the directory ``cwd`` as both are on this machine, in a network
        of its own. Or what a ``dockerfile`` says with CMD, ENTRYPOINT, ENV, ARG, WORKDIR and COPY; instructions that
        it may do without are named in ``ignored`` (RUN, where what it installs is installed beside the tests).

        With a ``launcher`` it is a container: of ``image``, by name, or of the one that is built of ``dockerfile``;
        ``command`` and ``cwd`` then replace those of the image.

        With ``web`` it is a web function: ``Function.request`` sends it HTTP requests, whatever their path. With
        ``websocket``, too, it takes WebSocket connections, as with ``deploy_web``.

        ``python`` is the interpreter of its container: a version ("3.9"), found on PATH, or a path.

        It is ready when the port accepts connections, within ``init_timeout`` seconds (90). Services of the test
        on the ports ``host_ports`` are found on 127.0.0.1 inside, too. PYTHONUNBUFFERED=1 is set unless
        ``environment`` says otherwise, so that output is in the log when it is written. The rest is as with ``deploy``.

        Raises UsageError, before anything is made, where something of this cannot be.
        """
        from pytest_scf.facade import servers

        self._check_provisioned(provisioned, max_instances)
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
            _, interpreter = languages.choose(None, python)
            config["interpreter"] = interpreter
        if self._platform.runs_containers:
            default_name = image_name(image, dockerfile)
            server = servers.image_of_launcher(
                self._platform.containers.launcher,
                name or next(names(default_name)),
                image,
                command=command,
                cwd=cwd,
                dockerfile=dockerfile,
                ignored=ignored,
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
            file, server = servers.image_of_dockerfile(
                dockerfile,
                ignored,
                port=port,
                host_ports=host_ports,
                base_dirs=self.base_dirs,
                staging=self._platform.new_staging_dir,
                can_mount=self._platform.isolation.own_tree,
                interpreter=interpreter,
            )
            default_name = file.parent.name
        if web:
            if async_run:
                raise UsageError("a web function has no asynchronous execution: leave async_run= or web= out")
            server = replace(server, kind=WEB, websocket_idle=servers.websocket_idle(websocket, websocket_idle))
        elif websocket:
            raise UsageError("only a web function takes WebSocket connections: give web=True, too")
        record = self._added(
            [name] if name is not None else names(default_name),
            code_root=server.root,
            runtime=languages.IMAGE,
            server=server,
            layers=self._bound(layers, config.get("runtime", FunctionConfig.runtime), None),
            file_systems=self._mounted(cfs, in_container=server.image is not None),
            **config,
        )
        self._keep_warm(record, provisioned)
        return Function._of(self._session, record)

    @staged
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
        layers: Sequence[Layer] = (),
        cfs: Directories | None = None,
        provisioned: int = 0,
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

        self._check_provisioned(provisioned, max_instances)
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
            can_mount=self._platform.isolation.own_tree,
        )
        record = self._added(
            [name] if name is not None else names(default_name),
            code_root=code_root,
            server=replace(server, websocket_idle=idle),
            layers=self._bound(layers, config.get("runtime", FunctionConfig.runtime), code_root),
            file_systems=self._mounted(cfs),
            **config,
        )
        self._keep_warm(record, provisioned)
        return Function._of(self._session, record)
