"""The mount tree of an instance: what all instances share, and what each has of its own."""

from __future__ import annotations

import os

from pytest_scf.instances.inside import linux

CODE_ROOT = "/var/user"
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
    try:
        entries = [
            (entry.name, entry.is_symlink(), entry.is_dir(follow_symlinks=False)) for entry in os.scandir("/var")
        ]
        linux.mount("tmpfs", "/var", "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=0755,size=64k")
        for name, is_link, is_directory in entries:
            source, target = f"/proc/self/fd/{below}/{name}", f"/var/{name}"
            if is_link:
                os.symlink(os.readlink(source), target)
                continue
            if is_directory:
                os.mkdir(target)
            else:
                os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
            linux.mount(source, target, None, linux.MS_BIND | linux.MS_REC)
        for name in _NEW_BELOW_VAR:
            os.makedirs(f"/var/{name}", exist_ok=True)
    finally:
        os.close(below)


def mount_proc() -> None:
    """In a new PID namespace: a /proc that shows it.

    Read-only: root in the instance is root outside, and /proc/sys asks for no capability.
    """
    linux.mount("proc", "/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC | linux.MS_RDONLY)


def enter_instance_tree(code_root: str, tmp_bytes: int, readable: list[str]) -> None:
    """In a new mount namespace: code at /var/user, an empty /tmp of its own.

    ``readable`` are directories below /tmp (an interpreter, site-packages) that must stay where they are.
    """
    # With what is mounted below it: a user namespace may not look under that.
    linux.mount(code_root, CODE_ROOT, None, linux.MS_BIND | linux.MS_REC)
    kept = [(path, os.open(path, os.O_PATH | os.O_DIRECTORY)) for path in readable]
    linux.mount("tmpfs", "/tmp", "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, f"mode=1777,size={tmp_bytes}")
    for path, fd in kept:
        os.makedirs(path, exist_ok=True)
        linux.mount(f"/proc/self/fd/{fd}", path, None, linux.MS_BIND | linux.MS_REC)
        os.close(fd)
