"""Run a program where namespaces are refused, or less is allowed, for real: ``python lesser.py HOW PROGRAM...``.

no_user_namespaces    in a user namespace that may have none below it, without the capability to do without
no_mount_of_proc      the same, but what is refused comes later: /proc is partly covered, so no new one may be mounted
root_without_admin    root without CAP_SYS_ADMIN, as in a container; user namespaces are allowed
"""

from __future__ import annotations

import os
import sys

from pytest_scf.instances.forkserver import linux


def enter_user_namespace(flags: int) -> None:
    user, group = os.geteuid(), os.getegid()
    linux.unshare(linux.CLONE_NEWUSER | flags)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def main(how: str, program: list[str]) -> None:
    if how == "no_user_namespaces":
        enter_user_namespace(0)
        with open("/proc/sys/user/max_user_namespaces", "w", encoding="ascii") as file:
            file.write("0")
    elif how == "no_mount_of_proc":
        enter_user_namespace(linux.CLONE_NEWNS)
        linux.mount("/dev/null", "/proc/version", None, linux.MS_BIND)
    elif how != "root_without_admin":
        sys.exit(f"no such way: {how}")
    linux.bound_capabilities()
    linux.limit_capabilities(linux.KEPT_CAPABILITIES if os.geteuid() == 0 else frozenset())
    os.execv(program[0], program)


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2:])
    except OSError as error:
        print(error, file=sys.stderr)
        sys.exit(77)
