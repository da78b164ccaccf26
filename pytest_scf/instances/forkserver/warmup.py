"""What a launch does, done with a sample by the processes that wait for one.

A forked process copies each page of memory when it first writes to it, and to call a function is to write: so the first
call takes several times as long as the second. Here it is over before there is a launch.
"""

from __future__ import annotations

import contextlib
import keyword
import os
import select
import socket
import sys
from collections.abc import Callable

from pytest_scf import facts
from pytest_scf.instances.forkserver import fdpassing
from pytest_scf.instances.launch_spec import LaunchSpec
from pytest_scf.runtimes import python, wire
from pytest_scf.runtimes.channel import Channel
from pytest_scf.runtimes.handler_loader import load_handler

_SAMPLE = LaunchSpec(
    id="sample",
    fd_count=1,
    environ={"SAMPLE": ""},
    context={"function_name": "sample"},
    tmp_bytes=0,
    shm_bytes=0,
    options={},
    handler="index.handler",
    code_root=facts.CODE_ROOT,
    tmp="/tmp",
    keep_visible=("/",),
    bind_mounts=(("/", "/"),),
    path=("/",),
).to_json()
_SOURCE = "def main_handler(event, context):\n    return event\n"


def warm_init(channel: socket.socket) -> None:
    """Returns as soon as there is something to read."""
    _do(channel, _parse, _hand_over)


def warm_user_process(channel: socket.socket) -> None:
    """Returns as soon as there is something to read. The user's code finds nothing of it."""
    _do(channel, _parse, _compile, _load, _answer)


def _do(channel: socket.socket, *steps: Callable[[], None]) -> None:
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    for step in steps:
        if poll.poll(0):
            return
        with contextlib.suppress(OSError):  # what there is too little of, the launch reports
            step()


def _parse() -> None:
    spec = LaunchSpec.from_json(_SAMPLE)
    spec.fields()
    for variable, value in spec.environ.items():
        os.environ[variable] = value
        del os.environ[variable]


def _hand_over() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        fdpassing.send(ours, wire.frame(wire.LAUNCH, _SAMPLE), [theirs.fileno()], [])
        message = fdpassing.receive_spec(theirs)
        if message is not None:
            fdpassing.close_all(message[1])


def _compile() -> None:
    exec(compile(_SOURCE, "index.py", "exec"), {})


def _load() -> None:
    try:
        load_handler("keyword.iskeyword", os.path.dirname(keyword.__file__))
    finally:
        sys.modules["keyword"] = keyword


def _answer() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(wire.frame(wire.PING, b"{}"))
        channel = Channel(ours)
        message = channel.receive()
        if message is not None:
            channel.send(*python.call_handler(channel, lambda event, context: event, "", message[1], {}))
