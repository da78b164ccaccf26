"""What kinds of programs a function can be, instead of a handler that is called."""

from __future__ import annotations

from typing import NamedTuple


class ServerKind(NamedTuple):
    """How a program gets its events."""

    #: on the wire
    name: str
    #: it listens on a port, of a network of its own where there can be one. Otherwise it fetches its events from the
    #: runtime API, in the network of the test
    listens: bool
    #: what comes in are HTTP requests, which are passed on as they are; each event is a POST otherwise
    takes_requests: bool


#: an image function: see ``runtimes.server``
IMAGE = ServerKind("image", listens=True, takes_requests=False)
#: a web function: see there
WEB = ServerKind("web", listens=True, takes_requests=True)
#: the bootstrap of a custom runtime: see ``runtimes.custom``
CUSTOM = ServerKind("custom", listens=False, takes_requests=False)

SERVER_KINDS = {kind.name: kind for kind in (IMAGE, WEB, CUSTOM)}
