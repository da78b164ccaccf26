"""The levels of isolation as the processes of a fork server know them: what each does in its own way.

The fork server is told the name of its level once, and gives the object to each of its processes.
"""

from __future__ import annotations

import abc
import contextlib
import errno
import os
import signal
import socket
import sys

from pytest_scf import facts
from pytest_scf.instances.forkserver import linux, mounts, reaping, rmtree
from pytest_scf.instances.launch_spec import LaunchSpec


class Isolation(abc.ABC):
    """What the levels have in common, and what each is asked for."""

    name: str
    #: whether a server has the ports of a network of its own
    own_network: bool

    @abc.abstractmethod
    def enter(self) -> str:
        """In the zygote: enter what all instances share. Why that cannot be had, or an empty text."""

    @abc.abstractmethod
    def fork_init(self) -> int:
        """In the zygote: as ``os.fork``. Raises OSError."""

    @abc.abstractmethod
    def clean_up_after_init(self, living: frozenset[int], directory: str | None) -> None:
        """In the zygote: end what an init has left that was killed from outside, and remove its directory.

        ``living`` are the inits of others; ``directory`` is that of the instance, None where it was a spare.
        """

    @abc.abstractmethod
    def end_children(self) -> None:
        """In the supervisor and the zygote, before they leave: return when no process below this one is left.

        The inits have been told to leave by the end of a lifeline.
        """

    @abc.abstractmethod
    def prepare_init(self) -> None:
        """In a spare init: what is the same for all instances. Raises OSError."""

    @abc.abstractmethod
    def make_tree(self, spec: LaunchSpec) -> bool:
        """In an init: the files that its instance has of its own. Raises OSError.

        Whether its root is another one then, which processes that it has forked before do not have.
        """

    @abc.abstractmethod
    def limit_capabilities(self) -> None:
        """In the user's process, before it runs code of the user's."""

    @abc.abstractmethod
    def why_port_is_taken(self, port: int) -> str:
        """In the user's process: why a server cannot listen on a port, or an empty text."""

    @abc.abstractmethod
    def end_instance(self, spec: LaunchSpec | None) -> None:
        """In an init that is about to leave: end what is below it. ``spec`` is None where it is still a spare."""


class Directory(Isolation):
    """Nothing but a directory of its own: an init has to end its descendants itself, and to remove what is left."""

    name = "directory"
    own_network = False

    def enter(self) -> str:
        return ""

    def fork_init(self) -> int:
        if sys.platform == "linux":
            with contextlib.suppress(OSError):  # clone3 is not allowed here
                return linux.fork_into(0)
        return os.fork()

    def clean_up_after_init(self, living: frozenset[int], directory: str | None) -> None:
        # Its children came to the zygote before it could be reaped: a listing shows them.
        reaping.kill_all_children(living)
        if directory is not None and os.path.lexists(directory):
            rmtree.remove_tree(directory)

    def end_children(self) -> None:
        reaping.wait_for_children()
        reaping.kill_all_children()

    def prepare_init(self) -> None:
        if sys.platform == "linux":
            linux.become_subreaper()
            linux.prefer_for_oom_kill()

    def make_tree(self, spec: LaunchSpec) -> bool:
        os.makedirs(spec.tmp, mode=0o700, exist_ok=True)
        return False

    def limit_capabilities(self) -> None:
        """Those of the test process."""

    def why_port_is_taken(self, port: int) -> str:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                return (
                    f"port {port} is in use on this machine, which all instances share at the directory level: "
                    "only one can use it at a time"
                )
        return ""

    def end_instance(self, spec: LaunchSpec | None) -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        reaping.kill_all_children()
        if spec is not None:
            rmtree.remove_tree(os.path.dirname(spec.tmp))


class Namespaces(Isolation):
    """A mount tree, numbers of processes and, for servers, a network of its own.

    The kernel ends all that is below an init when that ends, and what it has mounted goes with it.
    """

    name = "namespaces"
    own_network = True

    def enter(self) -> str:
        if sys.platform != "linux":
            return f"namespaces are a feature of Linux, this is {sys.platform}"
        try:
            linux.unshare(linux.CLONE_NEWNS)
            as_user = False
        except OSError:
            # An ordinary user, or root in a container that lacks the capability.
            as_user = True
        try:
            if as_user:
                _enter_user_namespace()
            linux.bound_capabilities()
            mounts.enter_shared_tree()
            _try_one()
        except OSError as error:
            return _explain(str(error), as_user=as_user)
        return ""

    def fork_init(self) -> int:
        return linux.fork_into(linux.NEW_INSTANCE)

    def clean_up_after_init(self, living: frozenset[int], directory: str | None) -> None:
        """The kernel has done it."""

    def end_children(self) -> None:
        reaping.kill_all_children()

    def prepare_init(self) -> None:
        # At the directory level this would leave no time to end what is below.
        linux.die_with_parent()
        mounts.mount_common()

    def make_tree(self, spec: LaunchSpec) -> bool:
        return mounts.enter_instance_tree(spec)

    def limit_capabilities(self) -> None:
        linux.limit_capabilities(linux.KEPT_CAPABILITIES if os.geteuid() == 0 else frozenset())

    def why_port_is_taken(self, port: int) -> str:
        return ""  # nobody else is in its network

    def end_instance(self, spec: LaunchSpec | None) -> None:
        """The kernel does it when the init, which is PID 1, leaves."""


ISOLATIONS = {isolation.name: isolation for isolation in (Directory(), Namespaces())}


def _enter_user_namespace() -> None:
    user, group = os.geteuid(), os.getegid()
    linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNS)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def _try_one() -> None:
    """Make the namespaces of an instance once, since only doing it tells whether it is allowed."""
    reading, writing = os.pipe()
    pid = linux.fork_into(linux.NEW_INSTANCE)
    if pid == 0:
        try:
            mounts.mount_common()
            mounts.enter_instance_tree(
                LaunchSpec("", 0, {}, {}, tmp_bytes=4096, shm_bytes=4096, options={}, code_source=facts.CODE_ROOT)
            )
        except BaseException as error:
            os.write(writing, str(error).encode()[:4096])
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8", errors="replace") as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    if text:
        raise OSError(text)


def _explain(error: str, *, as_user: bool) -> str:
    """Add what is known to refuse it, and the remedy."""
    if as_user and _setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
        return (
            f"{error} (this system restricts unprivileged user namespaces: "
            "sysctl kernel.apparmor_restrict_unprivileged_userns=0 allows them)"
        )
    if as_user and _setting("/proc/sys/user/max_user_namespaces") == "0":
        return f"{error} (sysctl user.max_user_namespaces is 0)"
    if "unshare" in error or "clone3" in error or "mount" in error:
        return (
            f"{error} (a container needs --cap-add SYS_ADMIN or --privileged, "
            "and a seccomp profile that lets unshare, clone3 and mount through)"
        )
    return error


def _setting(path: str) -> str:
    with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
        return file.read().strip()
    return ""
