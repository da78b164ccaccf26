"""What an instance is told at its start: made by the test process, read by the fork server and in the instance.

No dataclasses: the fork server loads this module, and what it loads every handler finds in ``sys.modules``.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from pytest_scf import facts
from pytest_scf.instances.server_kind import SERVER_KINDS, ServerKind


class ServerSpec(NamedTuple):
    """A program that the user's process is: a web server, or a bootstrap. See ``runtimes.server`` and ``.custom``."""

    kind: ServerKind
    command: tuple[str, ...]
    #: the working directory as the process sees it; None: the code root, or that of the image
    cwd: str | None
    port: int
    #: ports of services of the test, which the process finds on 127.0.0.1 of a network of its own
    host_ports: tuple[int, ...]
    #: what a launcher runs, if it is one that does
    image: str | None = None
    #: what takes the place of that image's CMD; None: nothing
    arguments: tuple[str, ...] | None = None


class CoverageSpec(NamedTuple):
    """What lines are counted, besides those of the code root."""

    #: whether pairs of lines that follow each other are counted, not lines
    branch: bool
    #: patterns of paths
    include: tuple[str, ...]
    #: whether lines are counted anew after each time that they are handed out
    contexts: bool
    #: whether the instance's interpreter may not have the package of the test's
    own_tracer: bool = False


class LaunchSpec(NamedTuple):
    """What an instance is made of, in full: ``runtimes.launch_keys`` says what each field is."""

    id: str
    fd_count: int
    environ: dict[str, str]
    context: dict[str, Any]
    tmp_bytes: int
    shm_bytes: int
    options: dict[str, Any]
    handler: str = ""
    code_source: str = ""
    code_root: str = ""
    layers_source: str = ""
    layers_root: str = facts.LAYERS_ROOT
    tmp: str = ""
    keep_visible: tuple[str, ...] = ()
    bind_mounts: tuple[tuple[str, str], ...] = ()
    shared_mounts: tuple[tuple[str, str], ...] = ()
    path: tuple[str, ...] = ()
    watch_tmp: bool = False
    command: tuple[str, ...] | None = None
    coverage: CoverageSpec | None = None
    api_port: int = 0
    probe: dict[str, Any] | None = None
    server: ServerSpec | None = None

    def fields(self) -> dict[str, Any]:
        """As a runtime reads it, by the keys of ``runtimes.launch_keys``."""
        fields = self._asdict()
        fields["coverage"] = None if self.coverage is None else self.coverage._asdict()
        server = self.server
        fields["server"] = None if server is None else {**server._asdict(), "kind": server.kind.name}
        return fields

    def to_json(self) -> bytes:
        return json.dumps(self.fields()).encode()

    @classmethod
    def from_json(cls, text: bytes) -> LaunchSpec:
        """The spec that ``to_json`` has written."""
        fields: dict[str, Any] = json.loads(text)
        coverage, server, command = fields["coverage"], fields["server"], fields["command"]
        fields.update(
            keep_visible=tuple(fields["keep_visible"]),
            bind_mounts=tuple((outside, inside) for outside, inside in fields["bind_mounts"]),
            shared_mounts=tuple((outside, inside) for outside, inside in fields["shared_mounts"]),
            path=tuple(fields["path"]),
            command=None if command is None else tuple(command),
            coverage=None if coverage is None else CoverageSpec(**{**coverage, "include": tuple(coverage["include"])}),
        )
        if server is not None:
            server.update(
                kind=SERVER_KINDS[server["kind"]],
                command=tuple(server["command"]),
                host_ports=tuple(server["host_ports"]),
            )
            fields["server"] = ServerSpec(**server)
        return cls(**fields)
