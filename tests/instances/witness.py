"""Run a command, end it in some way, and see what outlives it: ``python witness.py '{"command": ...}'``, in JSON.

This process is the subreaper of all that the command starts, so whatever the command leaves behind becomes its child:
it waits for each, and when there is no child any more nothing was left. A deadline is for what never ends; it is then
named, and killed.

    command, cwd, environ
    told      name of a FIFO: before anything is done, the command writes a PID to it
    signal    sent then to the command, or, with "to": "told", to the PID that was written
    delay     seconds between that and the signal: a random moment of what the command does meanwhile
    spared    the PID written is that of a process that is meant to outlive the command; when nothing else is left, it
              is let go by writing to the FIFO of this name

Prints {status, left, mounts}: wait status as of subprocess, descriptions of what had to be killed, and what is mounted
in the directory that holds cwd.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from typing import Any

import psutil

from pytest_scf.instances.forkserver import linux, reaping

#: seconds; what is waited for here takes the most on a machine under heavy load
DEADLINE = 150


class TooLong(Exception):
    pass


def too_long(*args: object) -> None:
    raise TooLong


def mounts(directory: str) -> list[str]:
    """Those below a directory; elsewhere others mount what they like meanwhile."""
    with open("/proc/self/mounts", errors="replace") as file:
        return [line for line in file.read().splitlines() if line.split()[1].startswith(f"{directory}/")]


def descendants() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def describe(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return f"{process.pid} below {process.ppid()} ({process.status()}): {process.cmdline()[:4]}"
    return f"{process.pid}"


def wait_to_be_told(process: subprocess.Popen[bytes], fifo: str) -> int:
    """The PID that the command writes, or its own when it ends without writing."""
    told = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    ended = os.pidfd_open(process.pid)
    try:
        poll = select.poll()
        poll.register(told, select.POLLIN)
        poll.register(ended, select.POLLIN)
        if told not in dict(poll.poll()):
            return process.pid
        return int(os.read(told, 100))
    finally:
        os.close(told)
        os.close(ended)


def main(case: dict[str, Any]) -> dict[str, Any]:
    linux.become_subreaper()
    # What a shell's "&" ignores, or whoever runs the tests, is not to be ignored below here.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(DEADLINE)
    cwd = case["cwd"]
    for fifo in ("told", "spared"):
        if case.get(fifo):
            os.mkfifo(os.path.join(cwd, case[fifo]))
    with open(os.path.join(cwd, "output"), "wb") as output:
        process = subprocess.Popen(
            case["command"],
            cwd=cwd,
            env={**os.environ, **case["environ"]},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    left: list[str] = []
    try:
        pid = wait_to_be_told(process, os.path.join(cwd, case["told"])) if case.get("told") else process.pid
        if "delay" in case:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(case["delay"])
        if "signal" in case and process.returncode is None:
            os.kill(pid if case.get("to") == "told" else process.pid, case["signal"])
        process.wait()
        if case.get("spared"):
            while any(each.pid != pid for each in descendants()):
                os.wait()
            os.close(os.open(os.path.join(cwd, case["spared"]), os.O_WRONLY))
        with contextlib.suppress(ChildProcessError):
            while True:
                os.wait()
    except TooLong:
        left = [describe(each) for each in descendants()]
        reaping.kill_all_children()
    signal.alarm(0)
    return {"status": process.returncode, "left": left, "mounts": mounts(os.path.dirname(cwd))}


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
