"""The mount tree of an instance: what all instances share, and what each has of its own."""

from __future__ import annotations

import contextlib
import os
import stat
import sys

from pytest_scf import facts
from pytest_scf.instances.forkserver import linux
from pytest_scf.instances.launch_spec import LaunchSpec

#: made below /var, which the cloud's code root needs and a test machine does not have
_NEW_BELOW_VAR = ("user", "lang")
_TMPFS = linux.MS_NOSUID | linux.MS_NODEV
#: what an instance finds in /dev: devices that give it nothing of the machine, and links
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}


def enter_shared_tree() -> None:
    """Give this process a private, read-only copy of the mount tree with mount points for the code root."""
    linux.mount(None, "/", None, linux.MS_REC | linux.MS_PRIVATE)
    if not all(os.path.isdir(f"/var/{name}") for name in _NEW_BELOW_VAR):
        _rebuild_var()
    _rebuild_dev()
    # An interpreter that is there itself is kept for each instance, with what else it needs.
    own = (*sys.path, sys.prefix, sys.base_prefix, sys.executable, __file__)
    if not any(_is_below_layers_root(path) for path in own):
        _cover_layers_root([])
    linux.make_tree_read_only("/")


def _rebuild_var() -> None:
    """Cover /var with a small tmpfs that shows all that was there, plus the new mount points."""
    below = os.open("/var", os.O_PATH | os.O_DIRECTORY)
    names = os.listdir("/var")
    try:
        linux.mount("tmpfs", "/var", "tmpfs", _TMPFS, "mode=0755,size=64k")
        _show(f"/proc/self/fd/{below}", "/var", names)
        for name in _NEW_BELOW_VAR:
            os.makedirs(f"/var/{name}", exist_ok=True)
    finally:
        os.close(below)


def _rebuild_dev() -> None:
    """Cover /dev with one that has the ordinary devices only: a disk can be written to in a read-only tree, too."""
    below = os.open("/dev", os.O_PATH | os.O_DIRECTORY)
    try:
        names = [name for name in _DEVICES if os.path.exists(f"/dev/{name}")]
        linux.mount("tmpfs", "/dev", "tmpfs", _TMPFS, "mode=0755,size=64k")
        _show(f"/proc/self/fd/{below}", "/dev", names)
        for name, target in _DEVICE_LINKS.items():
            os.symlink(target, f"/dev/{name}")
        for name in ("pts", "shm"):
            os.mkdir(f"/dev/{name}")
    finally:
        os.close(below)


def _show(source: str, target: str, names: list[str]) -> None:
    """Have the directory ``target``, which is empty, show these entries of ``source``, if they are still there."""
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            _show_entry(f"{source}/{name}", f"{target}/{name}")


def _show_entry(old: str, new: str) -> None:
    kind = os.lstat(old).st_mode
    if stat.S_ISLNK(kind):
        os.symlink(os.readlink(old), new)
        return
    if stat.S_ISDIR(kind):
        os.mkdir(new)
    else:
        os.close(os.open(new, os.O_CREAT | os.O_WRONLY, 0o644))
    linux.mount(old, new, None, linux.MS_BIND | linux.MS_REC)


def _add_bind_mounts(opened: list[tuple[int, str]]) -> bool:
    """Have directories seen at other paths, each a pair of a descriptor, which is closed, and where it is seen.

    A path whose parent is not there either gets it: on a tree that cannot be written to, as part of a new root;
    whether there is one.
    """
    missing = [target for _source, target in opened if not os.path.isdir(target)]
    if missing:
        _enter_new_root(missing)
    for source, target in opened:
        _bind(source, target)
    return bool(missing)


def _bind(source: int, target: str) -> None:
    """Have a directory, of which this is a descriptor, seen at ``target``; the descriptor is closed.

    With what is mounted below it: a user namespace may not look under that.
    """
    linux.mount(f"/proc/self/fd/{source}", target, None, linux.MS_BIND | linux.MS_REC)
    os.close(source)


def _enter_new_root(missing: list[str]) -> None:
    """Make a root that shows what the old one did, and has these directories besides.

    What is not at the top covers a directory of the old root, entry by entry, down to where it is missing.
    """
    root = facts.LANGUAGES_ROOT  # any mount point that is nobody's
    linux.mount("tmpfs", root, "tmpfs", _TMPFS, "mode=0755,size=1m")
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


def mount_common() -> None:
    """In new namespaces, what is the same for all instances: /proc, /dev/shm, and /dev/pts where it can be had.

    /proc is read-only, but for a moment before there is code of the user's: root in the instance is root outside, and
    /proc/sys asks for no capability.
    """
    flags = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
    linux.mount("proc", "/proc", "proc", flags)
    linux.prefer_for_oom_kill()
    linux.mount(None, "/proc", None, flags | linux.MS_RDONLY | linux.MS_REMOUNT | linux.MS_BIND)
    with contextlib.suppress(OSError):
        linux.mount("devpts", "/dev/pts", "devpts", linux.MS_NOSUID | linux.MS_NOEXEC, "newinstance,ptmxmode=0666")
    linux.mount("tmpfs", "/dev/shm", "tmpfs", _TMPFS, "mode=1777,size=4k")


def enter_instance_tree(spec: LaunchSpec) -> bool:
    """After ``mount_common``: code at /var/user, layers at /opt, an empty /tmp, the size of /dev/shm, other mounts.

    Whether this process has another root then.
    """
    global _layers_root_is_covered
    below_opt = [path for path in spec.keep_visible if _is_below_layers_root(path)]
    sources = dict((*spec.bind_mounts, *spec.shared_mounts))
    needed = (spec.code_source, spec.layers_source, *spec.keep_visible, *sources)
    if _layers_root_is_covered and any(map(_is_below_layers_root, needed)):
        linux.unmount(facts.LAYERS_ROOT)
        _layers_root_is_covered = False
    bound = [(_open(source), target) for source, target in (*spec.bind_mounts, *spec.shared_mounts)]
    code = _open(spec.code_source) if spec.code_source else None
    layers = _open(spec.layers_source) if spec.layers_source else None
    has_new_root = False
    if layers is not None:
        has_new_root = _mount_layers(layers, below_opt)
    elif not _layers_root_is_covered and facts.LAYERS_ROOT not in below_opt:
        _cover_layers_root(below_opt)
    linux.mount(None, "/dev/shm", None, _TMPFS | linux.MS_REMOUNT, f"size={spec.shm_bytes}")
    has_new_root |= _add_bind_mounts(bound)
    for _source, target in spec.shared_mounts:
        linux.make_tree_writable(target)
    if code is not None:
        _bind(code, facts.CODE_ROOT)
    _cover("/tmp", f"mode=1777,size={spec.tmp_bytes}", [path for path in spec.keep_visible if path not in below_opt])
    return has_new_root


#: whether a function finds nothing of the machine's in /opt already
_layers_root_is_covered = False


def _is_below_layers_root(path: str) -> bool:
    return f"{os.path.realpath(path)}/".startswith(f"{facts.LAYERS_ROOT}/")


def _cover_layers_root(kept: list[str]) -> None:
    """Cover what the machine has at /opt, where a function finds its layers."""
    global _layers_root_is_covered
    if os.path.isdir(facts.LAYERS_ROOT):
        _cover(facts.LAYERS_ROOT, "mode=0755,size=64k", kept)
        linux.make_tree_read_only(facts.LAYERS_ROOT)
        _layers_root_is_covered = True


def _mount_layers(layers: int, kept: list[str]) -> bool:
    """Have /opt show the layers, of which this is a descriptor, which is closed; and what is kept of the machine's.

    Whether there is a new root, since the machine has no /opt. Raises OSError where the two are in each other's way.
    """
    if not kept:
        return _add_bind_mounts([(layers, facts.LAYERS_ROOT)])
    source = f"/proc/self/fd/{layers}"
    names = os.listdir(source)
    taken = {os.path.relpath(path, facts.LAYERS_ROOT).partition("/")[0] for path in kept}
    if taken & {".", *names}:
        both = ", ".join(sorted(taken))
        raise OSError(f"the layers cannot be seen at /opt: the interpreter, or what it needs, is there ({both})")
    _cover(facts.LAYERS_ROOT, "mode=0755,size=64k", kept)
    _show(source, facts.LAYERS_ROOT, names)
    os.close(layers)
    linux.make_tree_read_only(facts.LAYERS_ROOT)
    return False


def _cover(place: str, options: str, kept: list[str]) -> None:
    """Mount an empty tmpfs on a directory; what is to be kept of what is below it stays where it is."""
    opened = [(_open(path), path) for path in kept]
    linux.mount("tmpfs", place, "tmpfs", _TMPFS, options)
    for source, path in opened:
        os.makedirs(path, exist_ok=True)
        _bind(source, path)


def _open(path: str) -> int:
    return os.open(path, os.O_PATH | os.O_DIRECTORY)
