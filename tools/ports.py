"""Ports of the loopback interface."""

from __future__ import annotations

import itertools
import os
import random
import socket
from collections.abc import Iterator

from tools import ToolError

# Below those that the system gives to outgoing connections and to servers that take any, and below those of the
# launcher of services: one that was found free may be taken by others before the server has started.
CHOICE = range(10_000, 20_000)
_TRIES = 100
_WORKERS = 8


def _chosen() -> Iterator[int]:
    """The ports of this process, so that none comes again soon. Workers of one run have none in common."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    own = CHOICE[int(worker) % _WORKERS :: _WORKERS]
    [first] = random.sample(range(len(own)), 1)
    return itertools.cycle([*own[first:], *own[:first]])


_ports = _chosen()


def free_port(preferred: int = 0) -> int:
    """The preferred port, or any of CHOICE where something listens on it already."""
    for port in itertools.chain([preferred] if preferred else [], itertools.islice(_ports, _TRIES)):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise ToolError("No port is free on 127.0.0.1.")
