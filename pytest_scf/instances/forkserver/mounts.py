"""The mount tree of an instance: what all instances share, and what each has of its own."""

from __future__ import annotations

import os

from pytest_scf import facts
from pytest_scf.instances.forkserver import linux

#: made below /var, which the cloud's code root needs and a test machine does not have
_NEW_BELOW_VAR = ("user", "lang")


def enter_shared_tree() -> None:
    """Give this process a private, read-only copy of the mount tree with mount points for the code root."""
    linux.mount(None, "/", None, linux.MS_REC | linux.MS_PRIVATE)
    if not all(os.path.isdir(f"/var/{name}") for name in _NEW_BELOW_VAR):
        _rebuild_var()
    linux.make_tree_read_only("/")


def _rebuild_var() -> None:
    """Cover /var with a small tmpfs that shows all that was there, plus the new mount points."""
    below = os.open("/var", os.O_PATH | os.O_DIRECTORY)
    names = os.listdir("/var")
    try:
        linux.mount("tmpfs", "/var", "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=0755,size=64k")
        _show(f"/proc/self/fd/{below}", "/var", names)
        for name in _NEW_BELOW_VAR:
            os.makedirs(f"/var/{name}", exist_ok=True)
    finally:
        os.close(below)


def _show(source: str, target: str, names: list[str]) -> None:
    """Have the directory ``target``, which is empty, show these entries of ``source``."""
    for name in names:
        old, new = f"{source}/{name}", f"{target}/{name}"
        if os.path.islink(old):
            os.symlink(os.readlink(old), new)
            continue
        if os.path.isdir(old):
            os.mkdir(new)
        else:
            os.close(os.open(new, os.O_CREAT | os.O_WRONLY, 0o644))
        linux.mount(old, new, None, linux.MS_BIND | linux.MS_REC)


def add_bind_mounts(bind_mounts: list[list[str]]) -> None:
    """In a new mount namespace: have directories seen at other paths, each a pair of where it is and where it is seen.

    A path whose parent is not there either gets it: on a tree that cannot be written to, as part of a new root.
    """
    if not bind_mounts:
        return
    opened = [(os.open(source, os.O_PATH | os.O_DIRECTORY), target) for source, target in bind_mounts]
    missing = [target for _source, target in bind_mounts if not os.path.isdir(target)]
    if missing:
        _enter_new_root(missing)
    for source, target in opened:
        linux.mount(f"/proc/self/fd/{source}", target, None, linux.MS_BIND | linux.MS_REC)
        os.close(source)


def _enter_new_root(missing: list[str]) -> None:
    """Make a root that shows what the old one did, and has these directories besides.

    What is not at the top covers a directory of the old root, entry by entry, down to where it is missing.
    """
    root = facts.LANGUAGES_ROOT  # any mount point that is nobody's
    linux.mount("tmpfs", root, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=0755,size=1m")
    covered = {""}
    for target in missing:
        parent = ""
        for name in target.strip("/").split("/"):
            parent = f"{parent}/{name}"
            if os.path.isdir(parent):
                covered.add(parent)
    for place in sorted(covered):
        below = {other.removeprefix(f"{place}/").partition("/")[0] for other in covered if other != place}
        below &= set(os.listdir(place or "/"))
        _show(place, f"{root}{place}", [name for name in os.listdir(place or "/") if name not in below])
        for name in below:
            os.mkdir(f"{root}{place}/{name}")
    for target in missing:
        os.makedirs(f"{root}{target}", exist_ok=True)
    linux.make_tree_read_only(root)
    os.chroot(root)
    os.chdir("/")


def mount_proc() -> None:
    """In a new PID namespace: a /proc that shows it.

    Read-only: root in the instance is root outside, and /proc/sys asks for no capability.
    """
    linux.mount("proc", "/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC | linux.MS_RDONLY)


def enter_instance_tree(code_root: str, tmp_bytes: int, keep_visible: list[str]) -> None:
    """In a new mount namespace: code, where there is any, at /var/user, an empty /tmp of its own.

    ``keep_visible`` are directories below /tmp (an interpreter, site-packages) that must stay where they are.
    """
    # With what is mounted below it: a user namespace may not look under that.
    if code_root:
        linux.mount(code_root, facts.CODE_ROOT, None, linux.MS_BIND | linux.MS_REC)
    kept = [(path, os.open(path, os.O_PATH | os.O_DIRECTORY)) for path in keep_visible]
    linux.mount("tmpfs", "/tmp", "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, f"mode=1777,size={tmp_bytes}")
    for path, fd in kept:
        os.makedirs(path, exist_ok=True)
        linux.mount(f"/proc/self/fd/{fd}", path, None, linux.MS_BIND | linux.MS_REC)
        os.close(fd)
