"""How an instance is asked for, from the test process to the zygote and on to the instance: a spec, and descriptors."""

from __future__ import annotations

import os
import socket

from pytest_scf.runtimes import wire


def send(channel: socket.socket, spec: bytes, fds: list[int]) -> None:
    """Send a spec (JSON) with the descriptors of the instance's sockets. Raises OSError where nobody takes it."""
    message = memoryview(wire.frame(wire.LAUNCH, spec))
    sent = socket.send_fds(channel, [message], fds)
    if sent < len(message):  # even nothing cannot be sent to one that has read it all and has closed
        channel.sendall(message[sent:])


def receive_some(channel: socket.socket) -> tuple[bytes, list[int]]:
    """What has come, and its descriptors, which no program executed here inherits; nothing at the end."""
    data, fds, _flags, _address = socket.recv_fds(channel, 65536, 16)
    for fd in fds:
        os.set_inheritable(fd, False)
    return data, fds


def receive(channel: socket.socket) -> tuple[bytes, list[int]] | None:
    """One spec with its descriptors; None when none will come."""
    reader = wire.Reader()
    received: list[int] = []
    while True:
        data, fds = receive_some(channel)
        if not data:
            return None
        received += fds
        for _kind, payload in reader.feed(data):
            return payload, received
