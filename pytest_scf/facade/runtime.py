"""``ScfRuntime``: a platform of one's own, with functions, instances and events, for a test or a script."""

from __future__ import annotations

import functools
import itertools
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from pytest_scf import facts
from pytest_scf.api_errors import ResourceInUseFunction
from pytest_scf.contract import languages, limits
from pytest_scf.contract.api import Api
from pytest_scf.endpoint.loopback import LoopbackEndpoint
from pytest_scf.errors import IsolationWarning, LeftRunningWarning, UsageError
from pytest_scf.facade.artifacts import KeptTmp
from pytest_scf.facade.coverage import bridge
from pytest_scf.facade.handles import Event, Function, Instance
from pytest_scf.facade.session import Session
from pytest_scf.facade.sources import NODE, PYTHON, code_directory, prepare
from pytest_scf.platform.clock import Clock
from pytest_scf.platform.functions import FunctionConfig, FunctionRecord
from pytest_scf.platform.platform import Platform
from pytest_scf.platform.settings import Settings
from pytest_scf.platform.starting import InstanceServices

if TYPE_CHECKING:
    from pytest_scf.endpoint.server import Endpoint
    from pytest_scf.facade.addresses import HttpAddress
    from pytest_scf.facade.faults import Faults
    from pytest_scf.facade.probing.debugging import Terminal
    from pytest_scf.facade.projects.project import Project
    from pytest_scf.facade.triggers import Bucket, CosAddress, Topic


P = ParamSpec("P")
R = TypeVar("R")


def _staging(deploy: Callable[Concatenate[ScfRuntime, P], R]) -> Callable[Concatenate[ScfRuntime, P], R]:
    """Keep what a deployment stages from being removed as unused before its function is there."""

    @functools.wraps(deploy)
    def wrapped(self: ScfRuntime, /, *args: P.args, **kwargs: P.kwargs) -> R:
        __tracebackhide__ = True
        with self._platform.staging.writing():
            return deploy(self, *args, **kwargs)

    return wrapped


class ScfRuntime:
    """Deploys functions and gives out what they do. Works without pytest:

    .. code-block:: python

        with ScfRuntime() as rt:
            fn = rt.deploy("functions/worker", async_run=True)
            event = fn.invoke_async({"job": 7})

    ``settings`` are those of ``pytest_scf.platform.settings.Settings``. A relative source of ``deploy`` is looked up
    in ``base_dirs``, in that order; without any, in the working directory. ``on_output`` is called in the background
    with the name of a function, a request id and what was written, as it comes, and with b"" when the event has ended;
    it must not wait for anything. ``keep_tmp`` is a directory into which the
    /tmp of an instance is copied before the instance is terminated, or repossessed after a failure: as ``tmp-ID``.
    """

    def __init__(
        self,
        *,
        base_dirs: Sequence[str | os.PathLike[str]] = (),
        on_output: Callable[[str, str, bytes], object] | None = None,
        keep_tmp: Path | None = None,
        **settings: Any,
    ) -> None:
        #: where ``deploy`` looks a relative source up; may be set at any time
        self.base_dirs: Sequence[str | os.PathLike[str]] = base_dirs
        self._closed = False
        #: closed with the runtime, the latest first
        self._closing = ExitStack()
        self._cos: CosAddress | None = None
        self._platform = Platform(Settings.from_keywords(settings))
        self._session = Session(self._platform, Api(self._platform))
        self._loopback = LoopbackEndpoint(
            self._session.api, self._platform.credential, self._platform.when_readable, self.settings.credentials
        )
        self._coverage = bridge(self._session)
        coverage, self._kept_tmp = self._coverage, None if keep_tmp is None else KeptTmp(keep_tmp)
        self._platform.provide(
            InstanceServices(
                api_port=self._loopback.port,
                variables=lambda: {} if self._cos is None else self._cos.variables(),
                coverage=None if coverage is None else coverage.counted,
                on_coverage=None if coverage is None else coverage.take,
                on_output=None
                if on_output is None
                else lambda attempt, data: on_output(attempt.function.name, attempt.request_id, data),
                before_kill=None if self._kept_tmp is None else self._kept_tmp.before_kill,
            )
        )
        try:
            _warn_of_weak_isolation(self._platform)
        except BaseException:  # where warnings are errors: nobody will be there to close it
            self.close()
            raise

    @property
    def api(self) -> Api:
        """The cloud's API: ``api.call("ListAsyncEvents", {"FunctionName": ...})``."""
        return self._session.api

    @property
    def clock(self) -> Clock:
        """The platform's clock: ``clock.advance(hours=72)``. The handlers' own time is real, and stays so."""
        return self._platform.clock

    @property
    def settings(self) -> Settings:
        return self._platform.settings

    @property
    def isolation(self) -> str:
        """The level of isolation in force: "namespaces" or "directory"."""
        return self._platform.isolation

    @property
    def instances(self) -> list[Instance]:
        """The instances of all functions that are alive."""
        return [
            Instance._of(self._session, record)
            for function in self._platform.functions.all()
            for record in self._platform.instances_of(function)
        ]

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
        self._refuse_when_closed()
        if isinstance(source, (str, os.PathLike)) and str(source).endswith((".yml", ".yaml")):
            return self._deploy_project(source, single=True).function
        limits.check({"retry_num": retry_num}, asynchronous=False)
        limits.check_msg_ttl(msg_ttl, self.settings.msg_ttl_smallest)
        config = _checked(
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
        terminal = self._session.terminal
        if terminal is not None and (interpreter is None or interpreter.language == "python"):
            from pytest_scf.facade.probing import debugging, function_probe

            if debugging.is_asked_for(prepared.code_root):
                probe = probe or function_probe.FunctionProbe(self._platform)
                probe.terminal = terminal
        record = self._added(
            [name] if name is not None else _names(prepared.default_name),
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
            [name] if name is not None else _names(default_name),
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

        self._refuse_when_closed()
        config = _checked(
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
            if dockerfile is not None and isinstance(dockerfile, (str, os.PathLike)):
                default_name = Path(dockerfile).resolve().parent.name
            else:
                default_name = str(image).rpartition("/")[2].partition(":")[0].partition("@")[0]
            server = servers.image_of_launcher(
                self._platform.containers.launcher,
                name or next(_names(default_name)),
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
                can_mount=self.isolation == "namespaces",
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
            [name] if name is not None else _names(default_name),
            code_root=code_root,
            handler="",
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

        self._refuse_when_closed()
        config = _checked(
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
            can_mount=self.isolation == "namespaces",
        )
        record = self._added(
            [name] if name is not None else _names(default_name),
            code_root=code_root,
            handler="",
            server=replace(server, websocket_idle=idle),
            **config,
        )
        return Function._of(self._session, record)

    def _added(
        self,
        names: Iterator[str] | Sequence[str],
        *,
        retry_num: int = facts.RETRY_NUM_DEFAULT,
        msg_ttl: int = facts.MSG_TTL_DEFAULT,
        **config: Any,
    ) -> FunctionRecord:
        taken = None
        for name in names:
            try:
                return self._platform.create_function(
                    FunctionConfig(name=name, **config), retry_num=retry_num, msg_ttl=msg_ttl
                )
            except ResourceInUseFunction as error:
                taken = error
        raise UsageError(
            f"there is a function {name!r} in namespace {config['namespace']!r} already: give another name=, "
            "or none, for one that is free"
        ) from taken

    def _end_of_phase(self) -> None:
        """For pytest: see ``CoverageBridge.end_of_phase``."""
        if self._coverage is not None:
            self._coverage.end_of_phase(instance._record for instance in self.instances)

    def endpoint(self, *, port: int = 0, secret_id: str | None = None, secret_key: str | None = None) -> Endpoint:
        """Serve the API over HTTP on 127.0.0.1, until the endpoint is closed: ``with runtime.endpoint() as endpoint``.

        A port of 0 is any that is free. Credentials are made up where none are given.

        Raises UsageError where the port cannot be had.
        """
        from pytest_scf.endpoint.server import Endpoint

        self._refuse_when_closed()
        return Endpoint(self.api, region=self.settings.region, port=port, secret_id=secret_id, secret_key=secret_key)

    def deploy_project(self, path: str | os.PathLike[str]) -> Project[Function]:
        """Make the functions of a project file, with their triggers: a mapping of the functions by their names.

        ``path`` is a serverless.yml (component scf, multi-scf, or one of a web framework), a template.yaml, or
        a directory with one. It is looked up as the sources of ``deploy``. What has no effect here is named in
        a ScfWarning; what cannot be raises UsageError with file, line and key.
        """
        return self._deploy_project(path, single=False)

    def _deploy_project(self, path: str | os.PathLike[str], *, single: bool) -> Project[Function]:
        from pytest_scf.facade.projects.project import deploy_all

        self._refuse_when_closed()
        wanted = Path(path)
        found = next((place for base in self.base_dirs if (place := Path(base) / wanted).exists()), wanted)
        return deploy_all(found, self._platform, self.api, partial(Function._of, self._session), single=single)

    def http(self, function: Function, *, port: int = 0, via: str = "url") -> HttpAddress:
        """Give a function an address on 127.0.0.1, for a browser or any client: ``runtime.http(fn).url``.

        Requests reach it as by ``Function.request``. A ``port`` of 0 is any that is free. The address goes when it is
        closed, or with the runtime. Raises UsageError where the port cannot be had.
        """
        from pytest_scf.facade.addresses import HttpAddress

        self._refuse_when_closed()
        address = HttpAddress(function, port=port, via=via)
        self._closing.callback(address.close, grace=0)
        return address

    def cos(self, bucket: str) -> Bucket[Event]:
        """A bucket of COS in memory, made if need be; triggers of COS fire for what is put into it, and removed.

        The official SDK (cos-python-sdk-v5) reaches it as it is: in this process from now on until the runtime is
        closed, in Python functions whose instances start from now on. Signatures are not checked.
        """
        from pytest_scf.facade.triggers import Bucket, CosAddress

        self._refuse_when_closed()
        if self._cos is None:
            self._cos = CosAddress(self._platform.buckets, self._closing)
        return Bucket(self._platform.buckets, bucket, partial(Event._of, self._session))

    def topic(self, name: str) -> Topic[Event]:
        """A topic of CKafka and CMQ; triggers of it get what is sent to it."""
        from pytest_scf.facade.triggers import Topic

        self._refuse_when_closed()
        return Topic(self._platform.topics, name, partial(Event._of, self._session))

    def sdk(self) -> AbstractContextManager[None]:
        """Within it, the official Python SDK's clients for SCF reach this runtime, in this process, without a socket.

        Whatever endpoint, region and credentials they have; those for other services are refused. Raises UsageError
        where the SDK is not installed.
        """
        from pytest_scf.endpoint.in_process import patched

        self._refuse_when_closed()
        return patched(self.api)

    def events(self) -> list[Event]:
        """All events (asynchronous executions) that are remembered, in the order of their start."""
        return [Event._of(self._session, record) for record in self._platform.events.all() if record.asynchronous]

    def invocations(self) -> list[Event]:
        """The events and the latest of the other invocations, in the order of their start."""
        return self._invoked_after(None)

    def _invoked_after(self, last: Event | None) -> list[Event]:
        """What was invoked after ``last``, of what is remembered; costs what it gives, not what there was before."""
        since = self._platform.events.since(None if last is None else last._record)
        return [Event._of(self._session, record) for record in since]

    @property
    def faults(self) -> Faults:
        """Faults on purpose: ``with runtime.faults.lost_signal(): ...``; see docs/inside.md."""
        from pytest_scf.facade.faults import Faults

        return Faults(self._platform, self.api, self._session)

    def debug_on(self, terminal: Terminal | None) -> None:
        """Have ``breakpoint()`` open pdb there in the functions that are deployed from now on."""
        self._session.terminal = terminal

    def suspend_limits(self) -> None:
        """Let the time limits of what runs stand still, to look at it in peace, until ``resume_limits``."""
        self._platform.suspend_all_limits()

    def resume_limits(self) -> None:
        """Let them go on with what was left of them."""
        self._platform.resume_all_limits()

    def show_progress(self, show: Callable[[str], object] | None) -> None:
        """Have ``show`` called, now and then, with how far something is that takes long, and with "" at its end."""
        self._session.progress = show

    def close(self) -> list[Event]:
        """Terminate what is still running, and remove every instance and all that was staged.

        Gives the events that were still RUNNING. A second call does nothing, and gives none.
        """
        if self._closed:
            return []
        self._closed = True
        try:
            self._closing.close()
            self._loopback.withdraw()
            left = self._platform.close()
            for probe in self._session.probes:
                probe.close()
        finally:
            # Last: an error as the answer to a call of its own would let a handler fail that is to be ended.
            self._loopback.close()
            if self._coverage is not None:
                self._coverage.flush()
        return [Event._of(self._session, record) for record in left if record.asynchronous]

    def __enter__(self) -> ScfRuntime:
        self._refuse_when_closed()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        left = self.close()
        # Release first, judge afterwards; and what went wrong in the block is not to be hidden by a warning.
        if left and error is None:
            listed = ", ".join(f"{event.request_id} of function {event.function.name}" for event in left)
            warnings.warn(
                LeftRunningWarning(
                    f"still RUNNING at the end, and terminated: {listed}. Call event.wait() or event.terminate() before"
                ),
                stacklevel=2,
            )

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise UsageError("this ScfRuntime is closed: make another")

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self._platform.functions.all())} functions"
        return f"<ScfRuntime: {state}>"


# One warning for a test process is enough to know.
_warned_of: set[str] = set()


def _warn_of_weak_isolation(platform: Platform) -> None:
    reason = platform.refused
    if not reason or reason in _warned_of:
        return
    _warned_of.add(reason)
    warnings.warn(
        IsolationWarning(
            f"instances are isolated by directories only, as this machine refuses namespaces: {reason}. Not isolated "
            "are /tmp (only TMPDIR and its like lead to the instance's own), the rest of the file system, process ids, "
            "and the size of /tmp. Allow unprivileged user namespaces to have them isolated, or choose "
            'isolation="directory" (--scf-isolation=directory) to accept this without a warning'
        ),
        stacklevel=3,
    )


def _checked(
    *,
    name: str | None,
    timeout: int | None,
    init_timeout: int,
    memory: int,
    environment: Mapping[str, str] | None,
    namespace: str,
    async_run: bool,
    trace: bool,
    max_instances: int | None,
) -> dict[str, Any]:
    """What all kinds of functions are configured with. Raises UsageError."""
    settings = {
        "async_run": async_run,
        "trace": trace,
        "namespace": namespace,
        "timeout": limits.default_timeout(asynchronous=bool(async_run)) if timeout is None else timeout,
        "init_timeout": init_timeout,
        "memory": memory,
        "environment": {} if environment is None else environment,
        "max_instances": max_instances,
    }
    limits.check({**settings, **({} if name is None else {"name": name})}, asynchronous=bool(async_run))
    return {**settings, "environment": dict(environment or {})}


def _names(wanted: str) -> Iterator[str]:
    """Names that the cloud allows, made of one that it may not: itself, then with -2, -3, ..."""
    longest = facts.NAME_LENGTH[1]
    name = re.sub(r"[^a-zA-Z0-9_-]+", "-", wanted)
    name = re.sub(r"^[^a-zA-Z]+", "", name)[: longest - 6]
    name = re.sub(r"[^a-zA-Z0-9]+$", "", name)
    if len(name) < facts.NAME_LENGTH[0]:
        name = f"function-{name}" if name else "function"
    yield name
    for number in itertools.count(2):
        yield f"{name}-{number}"
