"""No test of this process leaves the machine."""

from __future__ import annotations

import socket
import urllib.request

import pytest
import requests
from loopback_only import NetworkError

AWAY = "192.0.2.1"  # of no machine, by RFC 5737


def test_other_machines_are_refused() -> None:
    for kind, address in ((socket.AF_INET, AWAY), (socket.AF_INET6, "2001:db8::1")):
        with socket.socket(kind) as door, pytest.raises(NetworkError):
            door.connect((address, 80))
        with socket.socket(kind) as door, pytest.raises(NetworkError):
            door.connect_ex((address, 80))
    with pytest.raises(NetworkError):
        urllib.request.urlopen(f"http://{AWAY}/", timeout=1)
    with pytest.raises(NetworkError):
        requests.get(f"http://{AWAY}/", timeout=1)


def test_this_machine_is_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname(), timeout=5):
        pass
