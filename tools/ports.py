"""Ports of the loopback interface."""

from __future__ import annotations

import random
import socket

from tools import ToolError

# Below those that the system gives to outgoing connections and to servers that take any: of them, one that was found
# free may be taken before whoever asked for it has started.
CHOICE = range(20_000, 32_768)


def free_port(preferred: int = 0) -> int:
    """The preferred port, or any of CHOICE where something listens on it already."""
    for port in filter(None, [preferred, *random.sample(CHOICE, 100)]):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise ToolError("No port is free on 127.0.0.1.")
