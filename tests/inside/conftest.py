from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_scf import ScfRuntime

UPLOADER = """
import signal
import cos

client = cos.Client("id")


def on_sigterm(signum, frame):
    print("stopping")
    raise KeyboardInterrupt


def main_handler(event, context):
    signal.signal(signal.SIGTERM, on_sigterm)
    try:
        return client.put_object("bucket", Key=event["key"])["ETag"]
    except KeyboardInterrupt:
        client.abort(event["key"])
        return "interrupted"
"""
COS = """
class Client:
    def __init__(self, name):
        self.name = name

    def put_object(self, Bucket, Key, Body=b""):
        raise OSError("no network")

    def abort(self, Key):
        raise OSError("no network")
"""


@pytest.fixture
def uploader(tmp_path: Path) -> Path:
    (tmp_path / "index.py").write_text(UPLOADER)
    (tmp_path / "cos.py").write_text(COS)
    return tmp_path


@pytest.fixture(params=["forked", "executed", "directory"])
def each_way(request: pytest.FixtureRequest, scf_runtime_of: Callable[..., ScfRuntime]) -> ScfRuntime:
    """A runtime of each way in which an instance comes to be."""
    level = "directory" if request.param == "directory" else "namespaces"
    return scf_runtime_of(level, start_method="spawn" if request.param == "executed" else "fork")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, also where a script has started the run in the background and so ignoring it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
