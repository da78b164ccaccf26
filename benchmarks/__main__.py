"""Speed beside the bare system calls and a peer, in the same run. ``python -m benchmarks`` prints medians and ratios.

The peer is ``multiprocessing`` with its fork server: a process made and answering, without any isolation.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import listing
from benchmarks.peer import answer
from benchmarks.timing import median
from pytest_scf import ScfRuntime
from pytest_scf.instances.host import HostLease

RUNS = 200
MANY = 3000
SOURCE = """
import os, signal, time
def echo(event, context):
    return event
def wait(event, context):
    signal.signal(signal.SIGTERM, lambda *args: os.write(1, (str(time.monotonic()) + chr(10)).encode()))
    woken, waking = os.pipe()  # a signal just before a pause would be handled after it, which is never
    os.set_blocking(waking, False)
    signal.set_wakeup_fd(waking)
    print("ready")
    while True:
        os.read(woken, 64)
"""
JAVASCRIPT = "exports.main_handler = async (event) => event;\n"


def bare_cold() -> float:
    """Fork into new namespaces, mount /tmp and /proc, fork again from the init, and hear from it: no more.

    Runs in a process of its own that has made its tree private, as the fork server has.
    """
    program = (
        "import os, sys, time, statistics\n"
        "from pytest_scf.instances.forkserver import linux\n"
        "uid, gid = os.geteuid(), os.getegid()\n"
        "linux.unshare(linux.CLONE_NEWNS | (linux.CLONE_NEWUSER if uid else 0))\n"
        "if uid:\n"
        "    open('/proc/self/setgroups', 'w').write('deny')\n"
        "    open('/proc/self/uid_map', 'w').write(f'{uid} {uid} 1')\n"
        "    open('/proc/self/gid_map', 'w').write(f'{gid} {gid} 1')\n"
        "linux.mount(None, '/', None, linux.MS_REC | linux.MS_PRIVATE)\n"
        "found = []\n"
        f"for _ in range({RUNS}):\n"
        "    began = time.perf_counter()\n"
        "    reading, writing = os.pipe()\n"
        "    pid = linux.fork_into(linux.CLONE_NEWNS | linux.CLONE_NEWPID)\n"
        "    if pid == 0:\n"
        "        linux.mount('tmpfs', '/tmp', 'tmpfs', 0, 'size=1m')\n"
        "        linux.mount('proc', '/proc', 'proc')\n"
        "        if os.fork() == 0:\n"
        "            os.write(writing, b'x')\n"
        "            os._exit(0)\n"
        "        os.wait()\n"
        "        os._exit(0)\n"
        "    os.read(reading, 1)\n"
        "    found.append(time.perf_counter() - began)\n"
        "    os.waitpid(pid, 0)\n"
        "    os.close(reading)\n"
        "    os.close(writing)\n"
        "print(statistics.median(found))\n"
    )
    return float(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout)


def peer_cold() -> float:
    context = multiprocessing.get_context("forkserver")

    def once() -> None:
        ours, theirs = context.Pipe()
        process = context.Process(target=answer, args=(theirs,))
        process.start()
        ours.recv()
        process.join()
        ours.close()
        theirs.close()

    once()
    return median(once, 50)


def bare_round_trip() -> float:
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        while data := theirs.recv(65536):
            theirs.sendall(json.dumps(json.loads(data)).encode())
        os._exit(0)
    theirs.close()

    def once() -> None:
        ours.sendall(json.dumps({"job": 7}).encode())
        json.loads(ours.recv(65536))

    found = median(once, MANY)
    ours.close()
    os.waitpid(pid, 0)
    return found


def bare_kill() -> float:
    def once() -> float:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        began = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return time.perf_counter() - began

    return median(once, RUNS)


def bare_signal() -> float:
    """From ``kill()`` to the first line of a Python signal handler in another process."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, lambda *args: os.write(writing, f"{time.monotonic()}\n".encode()))
        woken, waking = os.pipe()  # as in ``SOURCE``
        os.set_blocking(waking, False)
        signal.set_wakeup_fd(waking)
        os.write(writing, b"ready\n")
        while True:
            os.read(woken, 64)
    os.read(reading, 64)

    def once() -> float:
        began = time.monotonic()
        os.kill(pid, signal.SIGTERM)
        return float(os.read(reading, 64)) - began

    found = median(once, RUNS)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return found


def plugin_cost(directory: Path) -> float:
    """Milliseconds that the plugin adds to a run which does not use it."""
    (directory / "test_nothing.py").write_text("def test_nothing():\n    pass\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(directory)]
    # As a user's run has it: compiled modules are kept, and the first run has made them.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, check=True, capture_output=True, cwd=directory, env=environment)
    times: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(15):
        for plugged, run in times.items():
            began = time.perf_counter()
            extra = [] if plugged else ["-p", "no:scf"]
            subprocess.run([*command, *extra], check=True, capture_output=True, cwd=directory, env=environment)
            run.append(time.perf_counter() - began)
    return statistics.median(times[True]) - statistics.median(times[False])


def unique_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))


def main() -> None:
    rows: list[tuple[str, str, str, str]] = []

    def row(name: str, ours: float, bare: float | None, limit: str, unit: float = 1e3, sign: str = "ms") -> None:
        ratio = f"{ours / bare:.2f}x of {bare * unit:.3f} {sign}" if bare else ""
        rows.append((name, f"{ours * unit:.3f} {sign}", ratio, limit))

    trip, kill, sent = bare_round_trip(), bare_kill(), bare_signal()
    cold = bare_cold()
    with HostLease(), tempfile.TemporaryDirectory() as scratch:
        with ScfRuntime() as rt:
            level = rt.isolation
            echo = rt.deploy(SOURCE, handler="index.echo")

            def first_answer() -> float:
                fn = rt.deploy(SOURCE, handler="index.echo")
                began = time.perf_counter()
                fn.invoke({"job": 7})
                return time.perf_counter() - began

            row("cold start to first answer", median(first_answer, RUNS), cold, "<= 2x")
            rows.append(("  peer: multiprocessing forkserver", f"{peer_cold() * 1e3:.3f} ms", "no isolation", ""))
            echo.invoke({})
            warm = median(lambda: echo.invoke({"job": 7}) and None, MANY)
            row("warm invoke", warm, trip, "<= 3x")
            if shutil.which("node"):
                script = rt.deploy(JAVASCRIPT, runtime="Nodejs18.15")
                script.invoke({})
                row(
                    "warm invoke of Node.js beside Python's",
                    median(lambda: script.invoke({"job": 7}) and None, MANY),
                    warm,
                    "<= 3x",
                )
            waiting = rt.deploy(SOURCE, handler="index.wait", async_run=True)

            def forced() -> float:
                event = waiting.invoke_async().wait_for_signal_handler()
                event.wait_for_log("ready")
                began = time.perf_counter()
                event.terminate()
                return time.perf_counter() - began

            row("forced termination", median(forced, RUNS), kill, "<= 3x")
            event = waiting.invoke_async().wait_for_signal_handler()
            event.wait_for_log("ready")
            moments = []
            for count in range(RUNS):
                began = time.monotonic()
                event.terminate(graceful=True)
                event.wait_for_log(rf"(\[PLATFORM\][^\n]*\n[\d.]+\n){{{count + 1}}}")
                moments.append(float(event.logs.user.split()[-1]) - began)
            row("SIGTERM asked to signal handler running", statistics.median(moments), sent, "<= 5x", 1e6, "us")
            event.terminate()
            echo.invoke({})
            idle = echo.instances[0]
            held = unique_bytes(idle.pid or 0) + unique_bytes(idle._record.process.init_pid or 0)
            rows.append(("idle instance, unique memory", f"{held / 1048576:.2f} MB", "", "<= 5 MB"))

        def whole() -> None:
            with ScfRuntime() as own:
                own.deploy(SOURCE, handler="index.echo").invoke({})

        row("runtime made, one invoke, closed", median(whole, 100), None, "<= 10 ms")
        row("plugin in a run that does not use it", plugin_cost(Path(scratch)), None, "<= 30 ms")
    print(
        f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, isolation {level}; medians of {RUNS} ({MANY}) runs"
    )
    for name, ours, ratio, limit in rows:
        print(f"{name:42} {ours:>12}  {ratio:28} {limit}")
    listing.main()


if __name__ == "__main__":
    main()
