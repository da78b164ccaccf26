"""The launcher "docker": containers of a Docker-compatible engine on this machine, through the package ``docker``."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from pytest_scf.errors import InstanceError, UsageError
from pytest_scf.launchers import Container, ContainerExit, ContainerSpec

#: label of each container: the test process that started it, so that containers of killed processes can be removed
OWNER = "pytest-scf.owner"
#: where the engine listens if the environment does not say
_OWN_ENGINE = "unix:///var/run/docker.sock"
#: seconds between two looks for the main process: there is no event for its start by the container's init
_LOOK_INTERVAL = 0.002
#: timeout in seconds of all requests to the engine but waits
_PATIENCE = 60


class DockerLauncher:
    """Speaks with the engine that the environment names (DOCKER_HOST and its like), else with the machine's own.

    Raises UsageError where the package is not installed, or no engine answers.
    """

    def __init__(self) -> None:
        try:
            import docker
            from docker import errors, types, utils
        except ImportError:
            raise UsageError("the launcher docker needs the package docker: pip install 'pytest-scf[docker]'") from None
        self._errors = errors
        self._log_config = types.LogConfig(type="none", config={})
        url = utils.kwargs_from_env().get("base_url") or _OWN_ENGINE
        try:
            _knock(url)
            self._client = docker.from_env(timeout=_PATIENCE)
        except (errors.DockerException, OSError) as error:
            raise UsageError(f"no engine answers the launcher docker at {url}: {error}") from None
        try:
            self._remove_leftovers()
        except (errors.DockerException, OSError) as error:
            self._client.close()
            raise UsageError(f"the engine at {url} refuses the launcher docker: {error}") from None

    def prepare(self, name: str, image: str | None, dockerfile: Path | None, ignored: frozenset[str]) -> str:
        """See ``Launcher.prepare``. Nothing is pulled but what the engine needs to build."""
        if image is not None:
            try:
                return str(self._client.images.get(image).id)
            except self._errors.ImageNotFound:
                raise UsageError(f"the engine has no image {image!r}: docker pull it, or build it, first") from None
            except self._errors.APIError as error:
                raise UsageError(f"the engine refuses the image {image!r}: {error.explanation}") from None
        assert dockerfile is not None
        # One tag for each Dockerfile, so that a new build replaces the old one.
        place = hashlib.sha256(os.fsencode(dockerfile)).hexdigest()[:12]
        tag = f"pytest-scf/{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}:{place}"
        try:
            built, _log = self._client.images.build(
                path=str(dockerfile.parent), dockerfile=dockerfile.name, tag=tag, rm=True, forcerm=True
            )
        except self._errors.BuildError as error:
            said = "".join(str(line.get("stream", "")) for line in error.build_log if isinstance(line, dict))
            raise UsageError(f"{dockerfile} cannot be built: {error}\n{said[-2000:]}") from None
        except (self._errors.APIError, TypeError) as error:
            raise UsageError(f"{dockerfile} cannot be built: {error}") from None
        return str(built.id)

    def start(self, spec: ContainerSpec) -> Container:
        """See ``Launcher.start``."""
        with contextlib.ExitStack() as undo:
            container = self._client.containers.create(
                spec.image,
                list(spec.command or spec.arguments or ()) or None,
                entrypoint=[] if spec.command else None,
                name=spec.name,
                working_dir=spec.cwd,
                environment=dict(spec.environment),
                labels={OWNER: _owner(os.getpid())},
                init=True,
                read_only=True,
                tmpfs={"/tmp": f"rw,exec,nosuid,nodev,mode=1777,size={spec.tmp_bytes}"},
                volumes=[f"{each.source}:{each.target}:{'ro' if each.read_only else 'rw'}" for each in spec.mounts],
                mem_limit=spec.memory_bytes,
                memswap_limit=spec.memory_bytes,
                security_opt=["no-new-privileges"],
                # The output is read as it is written, so the engine need not keep it.
                log_config=self._log_config,
            )
            undo.callback(lambda: container.remove(force=True, v=True))
            output: Any = self._client.api.attach(str(container.id), stream=True)
            undo.callback(output._response.close)  # as in ``DockerContainer.remove``
            try:
                container.start()
            except self._errors.APIError as error:
                raise InstanceError(f"the container cannot be started: {error.explanation}") from None
            started = DockerContainer(container, output, spec.port, self._errors)
            undo.pop_all()
            return started

    def close(self) -> None:
        """See ``Launcher.close``."""
        self._client.close()

    def _remove_leftovers(self) -> None:
        """Remove containers of test processes of this machine that were killed before they could do so."""
        host = socket.gethostname()
        for container in self._client.containers.list(all=True, filters={"label": OWNER}, ignore_removed=True):
            owner = str(container.labels[OWNER])
            pid, _, rest = owner.partition("@")
            if rest.rpartition("@")[2] == host and owner != _owner(int(pid)):
                with contextlib.suppress(self._errors.APIError):  # another process is removing it
                    container.remove(force=True, v=True)


class DockerContainer:
    """See ``Container``."""

    def __init__(self, container: Any, output: Any, port: int, errors: Any) -> None:
        self._container = container
        self._output = output
        self._port = port
        self._errors = errors
        container.reload()
        state = container.attrs["State"]
        self._init = int(state["Pid"])
        self._address = _address(container.attrs)
        self._pid = self._find_main_process(container.id)
        self._pidfd = -1
        if self._pid is not None and hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):
                self._pidfd = os.pidfd_open(self._pid)

    @property
    def pid(self) -> int | None:
        return self._pid

    def connect(self) -> socket.socket:
        if not self._address:
            raise ConnectionRefusedError(f"the container {self._container.name} has no address: it has ended")
        return socket.create_connection((self._address, self._port), timeout=None)

    def output(self) -> Iterator[bytes]:
        with contextlib.suppress(OSError):
            yield from self._output

    def signal(self, signum: int) -> bool:
        if self._pidfd != -1:
            # Through the engine the signal would reach the container's init first, which passes it on later.
            try:
                signal.pidfd_send_signal(self._pidfd, signum)
            except ProcessLookupError:
                return False
            except PermissionError:
                pass
            else:
                return True
        try:
            self._container.kill(signal.Signals(signum).name)
        except self._errors.APIError:
            return False
        return True

    def kill(self) -> None:
        with contextlib.suppress(self._errors.APIError):  # it has ended
            self._container.kill()

    def wait(self) -> ContainerExit:
        code = int(self._container.wait(timeout=None)["StatusCode"])
        self._container.reload()
        out_of_memory = bool(self._container.attrs["State"].get("OOMKilled")) and code == 128 + signal.SIGKILL
        # Engines report an exit with status 143 and an end by signal 15 in the same way.
        if code - 128 in {int(each) for each in signal.Signals}:
            return ContainerExit(signal=code - 128, out_of_memory=out_of_memory)
        return ContainerExit(status=code)

    def remove(self) -> None:
        with contextlib.suppress(self._errors.NotFound):
            self._container.remove(force=True, v=True)
        # Its own ``close`` shuts down what the engine has closed already, and leaves the socket open then.
        self._output._response.close()
        if self._pidfd != -1:
            os.close(self._pidfd)

    def _find_main_process(self, identity: str) -> int | None:
        """The child of the container's init, where that is a process of this machine and not of another."""
        while self._init and _is_in_container(self._init, identity):
            try:
                children = psutil.Process(self._init).children()
            except psutil.Error:
                return None
            if children:
                return int(min(children, key=lambda child: child.create_time()).pid)
            time.sleep(_LOOK_INTERVAL)
        return None


def _knock(url: str) -> None:
    """Raises OSError where nobody listens: the package would say so, too, but leave its socket open."""
    scheme, _, path = url.partition("://")
    if scheme.endswith("unix"):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(path)


def _is_in_container(pid: int, identity: str) -> bool:
    try:
        if identity not in Path(f"/proc/{pid}/cgroup").read_text():
            return False
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (OSError, psutil.Error):
        return False


def _address(attrs: Any) -> str:
    networks = (attrs["NetworkSettings"].get("Networks") or {}).values()
    return next((str(network["IPAddress"]) for network in networks if network.get("IPAddress")), "")


def _owner(pid: int) -> str:
    """What identifies a process: a PID alone may be reused."""
    try:
        began = f"{psutil.Process(pid).create_time():.2f}"
    except psutil.Error:
        began = "gone"
    return f"{pid}@{began}@{socket.gethostname()}"
