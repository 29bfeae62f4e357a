"""Ports of the loopback interface."""

from __future__ import annotations

import socket

from tools import ToolError


def free_port(preferred: int = 0) -> int:
    """The preferred port, or any other where something listens on it already."""
    for port in (preferred, 0):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(listener.getsockname()[1])
    raise ToolError("No port is free on 127.0.0.1.")
