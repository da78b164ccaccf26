"""The frames that an instance and the platform exchange over one stream socket.

A frame is a little-endian header (length of the payload, kind) and the payload. This module is loaded by every
interpreter that runs inside an instance: the standard library only, Python 3.6 and later.
"""

import json
import struct

_LENGTH = struct.Struct("<I")
HEADER = struct.Struct("<IB")
#: seconds that the handler or the init phase took, peak resident memory in KiB: the head of several payloads
MEASURE = struct.Struct("<dI")
REQUEST_ID_LENGTH = 36

# platform -> user process
INVOKE = 1  # request id (36 ASCII characters), then the event as JSON; carries the socket of a WebSocket connection
PING = 2  # answered by PONG once every signal sent before it has ended the process or run its signal handler
SPEC = 3  # the launch specification as JSON, to a runtime that is a new program; the first frame

# user process -> platform
READY = 16  # MEASURE of the init phase
RETURNED = 17  # MEASURE, then the returned value as JSON
RAISED = 18  # MEASURE, then JSON {type, message, stack}
LOAD_FAILED = 19  # MEASURE, then JSON {type, message, stack, reason: "handler", "code", "container" or "port"}
TOO_LARGE = 20  # MEASURE, then the length of the response in bytes, as text
SIGNAL_HANDLER = 21  # JSON {disposition, name, file, line}: what the process does with SIGTERM from now on
SHARED_TMP = 22  # JSON {path, operation}: the shared temporary directory was touched
PONG = 23  # answer to PING
RETURNED_TEXT = 24  # MEASURE, then the body of a server's answer that is not JSON
ERROR_ANSWER = 25  # MEASURE, then JSON {message}: a server answered with an error, or not at all
RESPONDED = 26  # MEASURE, then what ``pack_message`` makes of a web function's response
UNCAUGHT = 27  # JSON {type, message, stack}: an error that nothing caught is about to end the process
CLOSED = 28  # MEASURE, then JSON {by: "client", "server" or "idle", code, remark}: a WebSocket connection has ended

# init -> platform
USER_PID = 32  # PID of the user's process in its own numbering (credentials carry it in the platform's), start time
INIT_STARTED = 33  # the same of the init
USER_EXIT = 34  # EXIT: raw wait status, then peak resident memory in KiB
START_FAILED = 35  # text: what the init could not do
SIGNALLED = 36  # answer to SIGNAL: b"1" sent, b"0" there was no process to send it to, or b"0" and why not
LISTENING = 37  # carries sockets that listen inside, in the order of the host ports asked for
OUT_OF_MEMORY = 38  # the user's process is ended by its memory limit

# platform -> init
SIGNAL = 48  # signal number as one byte
KILL = 49  # end every process of the instance, then the init itself

# platform -> fork server
LAUNCH = 64  # the launch specification as JSON; carries the instance's sockets
SIGNAL_INIT = 68  # JSON {id, signal}

# fork server -> platform
HELLO = 65  # JSON {error, path, pid, started}
REAPED = 66  # JSON {id}: the init and all below it are gone
LAUNCH_FAILED = 67  # JSON {id, error}

# user process -> platform, on the socket for coverage; sent when COVERAGE_REQUEST is received, and after each event
COVERAGE = 80  # JSON {file: [line] or [[line, line]]}
COVERAGE_REQUEST = b"x"  # platform -> user process: one byte, no frame

EXIT = struct.Struct("<iI")


def frame(kind, payload=b""):
    # type: (int, bytes) -> bytes
    return HEADER.pack(len(payload), kind) + payload


def pack_message(head, body):
    # type: (dict[str, object], bytes) -> bytes
    """An HTTP request (head: method, path, headers) or response (head: status, headers), its body as it is."""
    encoded = json.dumps(head).encode("utf-8")
    return _LENGTH.pack(len(encoded)) + encoded + body


def unpack_message(data):
    # type: (bytes) -> tuple[dict[str, object], bytes]
    end = _LENGTH.size + _LENGTH.unpack_from(data)[0]
    return json.loads(data[_LENGTH.size : end]), data[end:]


class FrameError(ValueError):
    """Data was received that is not a frame which may be sent here."""


class Reader:
    """Splits a stream of bytes into frames."""

    def __init__(self, limits=None):
        # type: (dict[int, int] | None) -> None
        """``limits``: the greatest length of a payload by kind, where the sender is not trusted.

        ``feed`` raises FrameError for a longer one, and for another kind, as soon as the header has come.
        """
        self._buffer = bytearray()
        self._limits = limits

    @property
    def pending(self):
        # type: () -> int
        """Bytes of a frame that has begun, and is not complete yet."""
        return len(self._buffer)

    def feed(self, data):
        # type: (bytes) -> list[tuple[int, bytes]]
        buffer = self._buffer
        if not buffer:
            length, kind = HEADER.unpack_from(data) if len(data) >= 5 else (-1, 0)
            if length + 5 == len(data):
                self._check(kind, length)
                return [(kind, data[5:])]
        buffer += data
        frames = []
        start = 0
        while len(buffer) - start >= 5:
            length, kind = HEADER.unpack_from(buffer, start)
            self._check(kind, length)
            end = start + 5 + length
            if len(buffer) < end:
                break
            frames.append((kind, bytes(buffer[start + 5 : end])))
            start = end
        if start:
            del buffer[:start]
        return frames

    def _check(self, kind, length):
        # type: (int, int) -> None
        if self._limits is None:
            return
        if kind not in self._limits:
            raise FrameError("a frame of kind %d, which is not known" % kind)
        if length > self._limits[kind]:
            raise FrameError(
                "a frame of kind %d that announces %d bytes, more than the %d that it may have"
                % (kind, length, self._limits[kind])
            )
