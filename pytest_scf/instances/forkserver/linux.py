"""System calls of Linux that the standard library of Python 3.10 does not have."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import struct
from collections.abc import Callable

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
#: the namespaces that every instance has of its own
NEW_INSTANCE = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18

_MNT_DETACH = 2
_UMOUNT_NOFOLLOW = 8

_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_CAPBSET_READ = 23
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_SYS_CLONE3 = 435
_SYS_MOUNT_SETATTR = 442
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_MOUNT_ATTR_RDONLY = 1
_CAPABILITY_VERSION_3 = 0x20080522

# The capabilities that a container engine leaves to root, without those over devices and the audit log:
# chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, net_raw, sys_chroot, setfcap
KEPT_CAPABILITIES = frozenset({0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 31})

_libc = ctypes.PyDLL(None, use_errno=True)


def _function(name: str, *parameters: type) -> Callable[..., int]:
    """One of the C library that returns an int. Told once what it takes, no object need be made for each argument."""
    try:
        function = _libc[name]
    except AttributeError:  # not Linux, where this module is loaded and not used
        return _unavailable
    function.argtypes = parameters
    return function


def _unavailable(*_arguments: object) -> int:
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


_ulong, _text = ctypes.c_ulong, ctypes.c_char_p
_unshare = _function("unshare", ctypes.c_int)
_mount = _function("mount", _text, _text, _text, _ulong, _text)
_umount2 = _function("umount2", _text, ctypes.c_int)
_prctl_with_number = _function("prctl", ctypes.c_int, _ulong, _ulong, _ulong, _ulong)
_prctl_with_text = _function("prctl", ctypes.c_int, _text, _ulong, _ulong, _ulong)
_mount_setattr = _function("syscall", ctypes.c_long, ctypes.c_int, _text, ctypes.c_uint, _text, ctypes.c_size_t)
_clone3 = _function("syscall", ctypes.c_long, _text, ctypes.c_size_t)
_capset = _function("syscall", ctypes.c_long, _text, _text)


def _check(result: int, what: str) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def unshare(flags: int) -> None:
    _check(_unshare(flags), "unshare")


def mount(source: str | None, target: str, kind: str | None, flags: int = 0, data: str | None = None) -> None:
    def text(value: str | None) -> bytes | None:
        return None if value is None else os.fsencode(value)

    result = _mount(text(source), text(target), text(kind), flags, text(data))
    _check(result, f"mount {kind or source or 'propagation'} on {target}")


def unmount(path: str) -> None:
    """Detach what is mounted on a path now; it goes when nobody uses it any more."""
    _check(_umount2(os.fsencode(path), _MNT_DETACH | _UMOUNT_NOFOLLOW), f"umount {path}")


def bring_up_loopback() -> None:
    """In a new network namespace, where even the loopback interface is down."""
    import fcntl
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))


def make_tree_read_only(path: str) -> None:
    """One call for the whole tree: a remount of each mount fails on flags that a user namespace has locked."""
    _set_attributes(path, _MOUNT_ATTR_RDONLY, 0, "read-only")


def make_tree_writable(path: str) -> None:
    """Undo ``make_tree_read_only``, for mounts that this user namespace has made read-only itself."""
    _set_attributes(path, 0, _MOUNT_ATTR_RDONLY, "writable")


def _set_attributes(path: str, added: int, removed: int, what: str) -> None:
    attributes = struct.pack("=QQQQ", added, removed, 0, 0)
    target = os.fsencode(path)
    result = _mount_setattr(_SYS_MOUNT_SETATTR, _AT_FDCWD, target, _AT_RECURSIVE, attributes, len(attributes))
    _check(result, f"mount_setattr {what} on {path} (Linux 5.12 and later have it)")


def fork_into(flags: int) -> int:
    """Fork this process, which has one thread, with the given new namespaces; what ``os.fork`` returns.

    ``unshare(CLONE_NEWPID)`` works only once in a process, so a server that makes many PID namespaces has to ask
    for them with the fork itself. What is registered with ``os.register_at_fork`` (locks that another thread may hold,
    the seed of ``random``) does not run: a fork of the child by ``os.fork`` runs it, and for the child alone it would
    be a third of the pages of memory that it copies.
    """
    arguments = struct.pack("=11Q", flags, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, 0)
    return _check(_clone3(_SYS_CLONE3, arguments, len(arguments)), "clone3")


def _prctl(option: int, value: int) -> int:
    return _prctl_with_number(option, value, 0, 0, 0)


def die_with_parent() -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def continue_at_parents_end() -> None:
    """Have this process go on then, should it be stopped; the end of the thread that started it counts as well."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGCONT)


def prefer_for_oom_kill() -> None:
    """Where the machine runs out of memory, have the kernel end this process, and what it starts, before the test's."""
    with contextlib.suppress(OSError):
        # Not as text: each instance would import the codec and build the file object anew, which takes 1 ms.
        fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, b"1000")
        finally:
            os.close(fd)


def set_name(name: str) -> None:
    """What ``ps`` shows of this process, up to 15 bytes; a fork begins with its parent's."""
    _prctl_with_text(_PR_SET_NAME, os.fsencode(name), 0, 0, 0)


def own_name() -> str:
    with open("/proc/self/comm", encoding="utf-8", errors="surrogateescape") as file:
        return file.read().rstrip("\n")


def own_identity() -> bytes:
    """PID of this process in its own numbering, and when it started (see ``procstatus.start_time``): "PID TICKS".

    0 ticks where that cannot be read. The two together name a process for ever, its PID may be another's later.
    """
    ticks = b"0"
    try:
        fd = os.open("/proc/self/stat", os.O_RDONLY)
        try:
            ticks = os.read(fd, 4096).rpartition(b")")[2].split()[19]
        finally:
            os.close(fd)
    except OSError:
        pass
    return b"%d %s" % (os.getpid(), ticks)


def become_subreaper() -> None:
    _check(_prctl(_PR_SET_CHILD_SUBREAPER, 1), "prctl(PR_SET_CHILD_SUBREAPER)")


def forbid_new_privileges() -> None:
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def bound_capabilities() -> None:
    """Take all but the kept capabilities out of the bounding set; what this process holds now stays."""
    capability = 0
    while _prctl(_PR_CAPBSET_READ, capability) >= 0:
        if capability not in KEPT_CAPABILITIES:
            _prctl(_PR_CAPBSET_DROP, capability)
        capability += 1


def limit_capabilities(kept: frozenset[int]) -> None:
    mask = sum(1 << number for number in kept)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    data = struct.pack("=6I", low, low, 0, high, high, 0)
    _check(_capset(_SYS_CAPSET, header, data), "capset")


_SYS_CAPSET = {"x86_64": 126, "aarch64": 91, "riscv64": 91, "ppc64le": 184, "s390x": 185}.get(os.uname().machine, 91)


def unbuffer_c_stdout() -> None:
    """Make stdout of the C library write through, as Python's does: code in C may print too."""
    try:
        stdout = ctypes.c_void_p.in_dll(_libc, "stdout")
    except ValueError:
        return
    _libc.setvbuf(stdout, None, ctypes.c_int(2), ctypes.c_size_t(0))
