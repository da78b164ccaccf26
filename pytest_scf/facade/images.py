"""``runtime.images``: what the images run that functions are created of by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_scf.contract import languages
from pytest_scf.errors import UsageError
from pytest_scf.facade import servers
from pytest_scf.platform.images import AskedImage

if TYPE_CHECKING:
    from pytest_scf.instances.interpreters import Interpreter
    from pytest_scf.platform.functions import Server
    from pytest_scf.platform.platform import Platform

Command = Sequence[str | os.PathLike[str]]


@dataclass(frozen=True, kw_only=True)
class Image:
    """What the container of an image is made of, as ``deploy_image`` takes it."""

    command: Command | None = None
    cwd: str | os.PathLike[str] | None = None
    dockerfile: str | os.PathLike[str] | None = None
    ignored: Sequence[str] = ()
    host_ports: Sequence[int] = ()
    python: str | os.PathLike[str] | None = None


class Images(MutableMapping[str, Image]):
    """Images by name: ``images["ccr.ccs.tencentyun.com/shop/api:1"] = ["python", "app.py"]``, or a Dockerfile's path.

    A function that is created of such an image, by the API or a project file, runs that. Those that are not here are
    run by the runtime's ``launcher``, where one is set. A digest behind a name is passed over.
    """

    def __init__(
        self,
        platform: Platform,
        base_dirs: Callable[[], Sequence[str | os.PathLike[str]]],
        known: Mapping[str, object],
    ) -> None:
        self._platform = platform
        self._base_dirs = base_dirs
        self._images = {_name(uri): _image(uri, value) for uri, value in known.items()}

    def add(
        self,
        uri: str,
        command: Command | None = None,
        *,
        cwd: str | os.PathLike[str] | None = None,
        dockerfile: str | os.PathLike[str] | None = None,
        ignored: Sequence[str] = (),
        host_ports: Sequence[int] = (),
        python: str | os.PathLike[str] | None = None,
    ) -> None:
        """Say what an image runs, as ``deploy_image`` takes it. Raises UsageError, at once, where that cannot be.

        A command is run as it is given here, whatever Command and Args a function is created with: these are of the
        image's own file system. They take the place of a Dockerfile's ENTRYPOINT and CMD.
        """
        self[uri] = Image(
            command=command, cwd=cwd, dockerfile=dockerfile, ignored=ignored, host_ports=host_ports, python=python
        )

    def __setitem__(self, uri: str, image: object) -> None:
        name, made = _name(uri), _image(uri, image)
        with self._platform.staging.writing():
            self._server(made, AskedImage(function="image", uri=uri))
        self._images[name] = made

    def __getitem__(self, uri: str) -> Image:
        return self._images[_name(uri)]

    def __delitem__(self, uri: str) -> None:
        del self._images[_name(uri)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._images)

    def __len__(self) -> int:
        return len(self._images)

    def server_of(self, asked: AskedImage) -> Server | None:
        """See ``platform.images.Images``."""
        image = self._images.get(_name(asked.uri))
        if image is not None:
            return self._server(image, asked)
        if not self._platform.runs_containers:
            return None
        return servers.image_of_launcher(
            self._platform.containers.launcher,
            asked.function,
            asked.uri,
            command=asked.command and (*asked.command, *(asked.arguments or ())),
            arguments=asked.arguments,
            port=asked.port,
        )

    def _server(self, image: Image, asked: AskedImage) -> Server:
        interpreter: Interpreter | None = None
        if image.python is not None:
            _, interpreter = languages.choose(None, image.python)
        if image.dockerfile is None:
            return servers.image_of_command(
                image.command,
                image.cwd,
                port=asked.port,
                host_ports=image.host_ports,
                base_dirs=self._base_dirs(),
                interpreter=interpreter,
            )
        if self._platform.runs_containers:
            return servers.image_of_launcher(
                self._platform.containers.launcher,
                asked.function,
                None,
                dockerfile=image.dockerfile,
                ignored=image.ignored,
                command=asked.command and (*asked.command, *(asked.arguments or ())),
                arguments=asked.arguments,
                port=asked.port,
                base_dirs=self._base_dirs(),
            )
        _, server = servers.image_of_dockerfile(
            image.dockerfile,
            image.ignored,
            port=asked.port,
            host_ports=image.host_ports,
            base_dirs=self._base_dirs(),
            staging=self._platform.new_staging_dir,
            can_mount=self._platform.isolation.own_tree,
            interpreter=interpreter,
            entrypoint=asked.command,
            arguments=asked.arguments,
        )
        return server

    def __repr__(self) -> str:
        return f"<images: {', '.join(self) or 'none'}>"


def _name(uri: object) -> str:
    if not isinstance(uri, str) or not uri:
        raise UsageError(f"images: the name of an image must be a str like 'ccr.ccs.tencentyun.com/a/b:1'; got {uri!r}")
    return uri.partition("@")[0]


def _image(uri: str, value: object) -> Image:
    """What was given for an image, in one form. Raises UsageError for what is none."""
    image = value
    if isinstance(value, (str, os.PathLike)):
        image = Image(dockerfile=value)
    elif isinstance(value, Sequence):
        image = Image(command=value)
    if not isinstance(image, Image) or (image.command is None) == (image.dockerfile is None):
        raise UsageError(
            f"images[{uri!r}] takes a command, like ['python', 'app.py'], or the path of a Dockerfile; got {value!r}"
        )
    if image.dockerfile is not None and image.cwd is not None:
        raise UsageError("the working directory of a Dockerfile is its WORKDIR: leave cwd= out")
    return replace(image, ignored=tuple(image.ignored), host_ports=tuple(image.host_ports))
