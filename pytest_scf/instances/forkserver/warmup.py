"""What the user's process does at a launch, done with a sample while it waits for one.

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
from collections.abc import Callable, Iterator

from pytest_scf import facts
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
#: Python 3.11 adapts what has been called eight times
_REHEARSALS = 12
_SOURCE = "def main_handler(event, context):\n    return event\n"


def warm_up(channel: socket.socket) -> None:
    """Returns as soon as ``channel`` has something to read. The user's code finds nothing of it."""
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    for step in _STEPS:
        if poll.poll(0):
            return
        _do(step)


def rehearse() -> Iterator[bool]:
    """The same as often as makes Python adapt the code to what it does, in steps of less than a millisecond.

    Adapting is writing, too: done in the zygote, it need not be done in each of the processes forked afterwards.
    """
    for _ in range(_REHEARSALS):
        for step in _STEPS:
            _do(step)
            yield True


def _do(step: Callable[[], None]) -> None:
    with contextlib.suppress(Exception):  # a launch reports it, where it concerns one
        step()


def _parse() -> None:
    spec = LaunchSpec.from_json(_SAMPLE)
    spec.fields()
    for variable, value in spec.environ.items():
        os.environ[variable] = value
        del os.environ[variable]


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


_STEPS = (_parse, _compile, _load, _answer)
