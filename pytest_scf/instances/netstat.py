"""Which ports a process's network listens on, as the kernel tells."""

from __future__ import annotations

import contextlib
import ipaddress
import sys
from collections.abc import Collection

_LISTEN = "0A"


def explain(pid: int, port: int, *, own_network: bool, forwarded: Collection[int] = ()) -> str:
    """Why ``port`` cannot be reached from outside, in the network of a process. ``own_network``: nobody else is in it.

    On the ``forwarded`` ports the platform listens for the process. An explanation, which must never fail.
    """
    found = [(address, other) for address, other in addresses(pid) if other not in forwarded]
    if not own_network:
        found = [(address, other) for address, other in found if other == port]
    on_it = sorted({str(address) for address, other in found if other == port})
    if any(ipaddress.ip_address(address).is_loopback for address in on_it):
        return (
            f"the server listens on {', '.join(on_it)} only, which nobody outside the container can reach: "
            "bind it to 0.0.0.0"
        )
    if on_it:
        return f"something listens on {', '.join(on_it)}, and does not take connections"
    others = sorted({other for _address, other in found})
    if others:
        return f"the server listens on port {', '.join(map(str, others))} instead"
    return "nothing listens" if own_network else "nothing listens there"


def addresses(pid: int) -> list[tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]]:
    """Each address and port that is listened on; none where that cannot be read."""
    found: list[tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]] = []
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/net/{table}", encoding="ascii") as file:
            for line in list(file)[1:]:
                _number, local, _remote, state = line.split()[:4]
                if state == _LISTEN:
                    address, _, port = local.partition(":")
                    found.append((_address(address), int(port, 16)))
    return found


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The kernel prints words of 32 bits in the machine's order."""
    words = [int(text[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(text), 8)]
    return ipaddress.ip_address(b"".join(words))
