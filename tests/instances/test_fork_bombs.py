"""Code whose processes fork as they are killed, where no PID namespace ends all of them at once."""

from __future__ import annotations

from typing import Any

import psutil
import pytest
from kinds import only
from present import present

from pytest_scf import ScfRuntime

BOMBS = """
import os
import time


def chain():
    while True:
        try:
            if os.fork():
                os._exit(0)
        except OSError:
            time.sleep(0.001)


def respawn(count):
    children = set()
    while True:
        while len(children) < count:
            pid = os.fork()
            if pid == 0:
                time.sleep(600)
            children.add(pid)
        children.discard(os.wait()[0])


def main_handler(event, context):
    for _ in range(event["chains"]):
        if os.fork() == 0:
            chain()
    if event["workers"] and os.fork() == 0:
        respawn(event["workers"])
    print("forks")
    time.sleep(600)
"""


@only(level="directory", start_method="fork")
@pytest.mark.parametrize("bomb", [(1, 0), (8, 0), (0, 50), (4, 20)], ids=str)
def test_all_processes_of_a_fork_bomb_end(each_kind: ScfRuntime, bomb: Any) -> None:
    chains, workers = bomb
    fn = each_kind.deploy(BOMBS, async_run=True, memory=3072, timeout=600)
    event = fn.invoke_async({"chains": chains, "workers": workers})
    event.wait_for_log("forks")
    parent = present(psutil.Process(event.instance.pid).parent())
    event.terminate()
    assert event.status == "ABORTED"
    assert not parent.is_running()


@only(level="directory", start_method="fork", pidfd=True)
def test_a_fork_bomb_ends_when_its_init_is_killed(each_kind: ScfRuntime) -> None:
    fn = each_kind.deploy(BOMBS, async_run=True, memory=3072, timeout=600)
    event = fn.invoke_async({"chains": 4, "workers": 20})
    other = fn.invoke_async({"chains": 0, "workers": 0})
    for each in (event, other):
        each.wait_for_log("forks")
    present(psutil.Process(event.instance.pid).parent()).kill()
    event.wait(60)
    assert (event.status, event.status_code) == ("FAILED", 500)
    assert other.status == "RUNNING"
    other.terminate()
