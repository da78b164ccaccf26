"""Image functions beside the same server without them. ``python -m benchmarks.servers`` prints it; it needs Flask."""

from __future__ import annotations

import http.client
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.timing import median
from pytest_scf import ScfRuntime
from pytest_scf.facade.handles import Event, Function

RUNS = 300
ENDS = 40
TOGETHER = 10
APP = """
import logging, signal, sys, time
from flask import Flask, request

app = Flask(__name__)
logging.getLogger("werkzeug").disabled = True
signal.signal(signal.SIGTERM, lambda *args: print(time.monotonic()))

@app.post("/event-invoke")
def invoke():
    if request.json.get("wait"):
        print("ready")
        time.sleep(3600)
    return {"job": request.json["job"]}

if __name__ == "__main__":
    app.run(host="0.0.0.0", port=int(sys.argv[1]) if len(sys.argv) > 1 else 9000)
"""
HANDLER = """
import signal, time
signal.signal(signal.SIGTERM, lambda *args: print(time.monotonic()))
def main_handler(event, context):
    print("ready")
    time.sleep(3600)
"""
EVENT = {"job": 7}


@contextmanager
def direct_server(directory: Path) -> Iterator[int]:
    """The same server as a plain child process; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "app.py", str(port)], cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(port)
        yield port
    finally:
        server.kill()
        server.wait()


def wait_for(port: int) -> None:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.002)


def post(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST", "/event-invoke", json.dumps(EVENT), {"Content-Type": "application/json"})
    connection.getresponse().read()
    connection.close()


def cold(fn: Function) -> float:
    began = time.perf_counter()
    events = [fn.invoke_async(EVENT) for _ in range(TOGETHER)]
    for event in events:
        event.wait()
    seconds = time.perf_counter() - began
    assert [event.status for event in events] == ["FINISHED"] * TOGETHER
    return seconds


def cold_without(directory: Path) -> float:
    """As many of the servers as plain processes, started at once: until each answers."""
    began = time.perf_counter()
    servers = []
    for number in range(TOGETHER):
        port = 21000 + number
        command = [sys.executable, "app.py", str(port)]
        quiet = subprocess.DEVNULL
        servers.append((port, subprocess.Popen(command, cwd=directory, stdout=quiet, stderr=quiet)))
    try:
        for port, _server in servers:
            wait_for(port)
            post(port)
        return time.perf_counter() - began
    finally:
        for _port, server in servers:
            server.kill()
            server.wait()


def forced(fn: Function) -> float:
    event = running(fn)
    began = time.perf_counter()
    event.terminate()
    return time.perf_counter() - began


def running(fn: Function) -> Event:
    event = fn.invoke_async({**EVENT, "wait": True})
    event.wait_for_log("ready\n")
    return event


def graceful(fn: Function) -> float:
    """Median seconds from asking for the signal to the signal handler, of one event that is signalled often."""
    event = running(fn)
    found = []
    for count in range(ENDS):
        began = time.monotonic()
        event.terminate(graceful=True)
        event.wait_for_log(rf"(\[PLATFORM\][^\n]*\n[\d.]+\n){{{count + 1}}}")
        found.append(float(event.logs.user.split()[-1]) - began)
    event.terminate()
    return statistics.median(found)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch, ScfRuntime() as rt:
        directory = Path(scratch)
        (directory / "app.py").write_text(APP)
        image = rt.deploy_image(["python", "app.py"], cwd=directory, async_run=True)
        rows = [(f"{TOGETHER} image instances cold, at once", cold(image), cold_without(directory), "")]
        with direct_server(directory) as port:
            post(port)
            # In turns, so that both have what the machine does meanwhile.
            ours, direct = [], []
            for _ in range(RUNS):
                ours.append(median(lambda: image.invoke(EVENT) and None, 1))
                direct.append(median(lambda: post(port), 1))
        rows.append(("warm event through Flask", statistics.median(ours), statistics.median(direct), "<= 1.3x"))
        handler = rt.deploy(HANDLER, async_run=True)
        one = rt.deploy_image(["python", "app.py"], cwd=directory, async_run=True)
        of_server = median(lambda: forced(one), ENDS // 4)
        rows.append(("forced termination", of_server, median(lambda: forced(handler), ENDS // 4), "~ 1x"))
        rows.append(("SIGTERM asked to signal handler running", graceful(one), graceful(handler), "~ 1x"))
    print("image functions beside the same server as a plain process, or a handler")
    for name, seconds, beside, limit in rows:
        ratio = f"{seconds / beside:.2f}x of {beside * 1e3:.3f} ms"
        print(f"{name:42} {seconds * 1e3:>9.3f} ms  {ratio:28} {limit}")


if __name__ == "__main__":
    main()
