"""Keeps the test run on this machine: a connection to anywhere else is an error of the test that makes it."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

_connect, _connect_ex = socket.socket.connect, socket.socket.connect_ex


class NetworkError(AssertionError):
    """A test tried to leave this machine."""


def refuse_others(door: socket.socket, address: Any) -> None:
    """Refuse an address of another machine; datagrams only find out which address this one has."""
    if door.type != socket.SOCK_STREAM or door.family not in (socket.AF_INET, socket.AF_INET6):
        return
    host = str(address[0]).partition("%")[0]
    try:
        is_here = ipaddress.ip_address(host).is_loopback or host in ("0.0.0.0", "::") or _is_own(host)
    except ValueError:
        is_here = host in ("localhost", socket.gethostname())
    if not is_here:
        door.close()  # nobody else does after this error
        raise NetworkError(f"a test tried to reach {host}")


def _is_own(host: str) -> bool:
    """Tell whether an address is one of this machine's, where a cluster on it may listen."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True


def guard() -> None:
    """Have every connection of this process be looked at."""

    def connect(self: socket.socket, address: Any) -> None:
        refuse_others(self, address)
        _connect(self, address)

    def connect_ex(self: socket.socket, address: Any) -> int:
        refuse_others(self, address)
        return _connect_ex(self, address)

    socket.socket.connect, socket.socket.connect_ex = connect, connect_ex  # type: ignore[method-assign]
