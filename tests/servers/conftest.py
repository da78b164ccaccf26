from __future__ import annotations

import fcntl
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_scf import ScfRuntime

#: a server of the standard library alone, which starts in a tenth of the time that Flask takes
SERVER = """\
import json, os, signal, socket, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer(self, json.loads(body) if self.path == "/event-invoke" else body.decode())

    def do_GET(self):
        answer(self, None)

    def reply(self, status, body, kind="application/json", headers=()):
        data = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

def answer(request, event):
    request.reply(200, json.dumps({"event": event, "path": request.path, "headers": dict(request.headers)}))

"""
RUN = """
if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", 9000), Handler).serve_forever()
"""


@pytest.fixture(params=["namespaces", "directory"])
def rt(request: pytest.FixtureRequest, scf_runtime_of: Callable[..., ScfRuntime]) -> ScfRuntime:
    """A runtime of each level of isolation; at the directory level one port serves all, and so one test at a time."""
    if request.param == "directory":
        request.getfixturevalue("port_9000")
    return scf_runtime_of(request.param)


@pytest.fixture
def port_9000() -> Iterator[None]:
    """The port of this machine, which one test at a time can have."""
    with open(__file__, encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture
def isolated(scf_runtime_of: Callable[..., ScfRuntime]) -> ScfRuntime:
    """A runtime whose instances have networks of their own."""
    return scf_runtime_of("namespaces")


@pytest.fixture
def server(tmp_path: Path) -> Callable[..., Path]:
    """Write ``app.py``, a server that does ``code`` in place of what it does by default; give its directory."""

    def write(code: str = "", run: str = RUN) -> Path:
        (tmp_path / "app.py").write_text(SERVER + textwrap.dedent(code) + textwrap.dedent(run))
        return tmp_path

    return write
