"""One WebSocket connection between a client and the server of a web function, and how it ended.

See docs/cloud-contract.md#websocket. The two sides negotiate with each other. Here bytes are copied, and frames parsed
as far as the contract asks: for their length, and for who closed the connection with which code.
"""

from __future__ import annotations

import socket
import time
from typing import NamedTuple

from pytest_scf import facts
from pytest_scf.runtimes.relay import Relay

CLIENT = "client"
SERVER = "server"
IDLE = "idle"
#: close codes of the protocol: a close frame without one, no close frame, a message too big (RFC 6455, 7.4.1)
NO_CODE = 1005
NO_CLOSE_FRAME = 1006
TOO_BIG = 1009
#: seconds that the server has to end its side after the client's has ended, or after both have sent a close frame
CLOSING_SECONDS = 2.0
_CLOSE = 8


class Frames:
    """Parses the frames of one direction (RFC 6455, 5.2), without keeping them."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        #: bytes of the frame that has begun which are still to come
        self._left = 0
        #: the code of the close frame, once that has come
        self.close_code: int | None = None
        #: bytes of the first frame that is longer than a frame may be; nothing is looked at behind it
        self.too_long = 0

    def feed(self, data: bytes) -> None:
        skipped = min(self._left, len(data))
        self._left -= skipped
        self._waiting += data[skipped:]
        while not self.too_long and self._take_frame():
            pass

    def _take_frame(self) -> bool:
        waiting = self._waiting
        if len(waiting) < 2:
            return False
        length, size = waiting[1] & 0x7F, 2
        if length > 125:
            size += 2 if length == 126 else 8
            length = int.from_bytes(waiting[2:size], "big")
        masked = waiting[1] & 0x80
        head = size + (4 if masked else 0)
        is_close = waiting[0] & 0x0F == _CLOSE
        if len(waiting) < head + (min(length, 2) if is_close else 0):
            return False
        if length > facts.WEBSOCKET_FRAME_BYTES:
            self.too_long = length
            return False
        if is_close and self.close_code is None:
            code = waiting[head : head + 2]
            if masked:
                code = bytearray(byte ^ waiting[size + index] for index, byte in enumerate(code))
            self.close_code = int.from_bytes(code, "big") if length >= 2 else NO_CODE
        self._left = max(0, head + length - len(waiting))
        del waiting[: head + length]
        return not self._left


class Ending(NamedTuple):
    """Who ended a connection (CLIENT, SERVER, or IDLE: neither sent anything), with which close code, and a remark."""

    by: str
    code: int
    remark: str = ""


class Conversation:
    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self._frames = {CLIENT: Frames(), SERVER: Frames()}
        self._relay = Relay(client, server, self._frames[CLIENT].feed, self._frames[SERVER].feed)
        self._ending: Ending | None = None

    def run(self, idle: float) -> Ending:
        """Copy what both send until the connection has ended, or nothing has come for ``idle`` seconds."""
        relay = self._relay
        heard = time.monotonic()
        closing: float | None = None
        while not relay.to_client.done:
            now = time.monotonic()
            deadline = heard + idle if closing is None else closing
            if now >= deadline:
                return self._ending or Ending(IDLE, NO_CLOSE_FRAME)
            if relay.step(deadline - now):
                heard = time.monotonic()
            self._ending = self._ending or self._look()
            if self._ending is not None and self._ending.code == TOO_BIG:
                return self._ending
            if closing is None and self._closes():
                closing = time.monotonic() + CLOSING_SECONDS
        assert self._ending is not None
        return self._ending

    def _look(self) -> Ending | None:
        """How the connection has ended, judged by the frames so far."""
        for by, frames in self._frames.items():
            if frames.too_long:
                return Ending(by, TOO_BIG, f"a frame of {frames.too_long} bytes")
            if frames.close_code is not None:
                return Ending(by, frames.close_code)
        if self._relay.to_server.ended:
            return Ending(CLIENT, NO_CLOSE_FRAME)
        return Ending(SERVER, NO_CLOSE_FRAME) if self._relay.to_client.ended else None

    def _closes(self) -> bool:
        return self._relay.to_server.ended or all(frames.close_code is not None for frames in self._frames.values())
