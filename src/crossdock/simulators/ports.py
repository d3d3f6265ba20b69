"""Ports of 127.0.0.1 for servers that are told by number where to listen, and that stop and start again."""

from __future__ import annotations

import atexit
import socket
import sys


class Port:
    """A free port that stays ours until `close`: who listens at it by number, as servers do with `SO_REUSEADDR`, gets it.

    It is bound and nobody listens: a connection to it is refused, and neither a connection from here nor a server that
    takes any port is given it (Linux). One that is only looked up is often somebody else's when its server starts.
    """

    def __init__(self) -> None:
        self._held = socket.socket()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held.bind(("127.0.0.1", 0))
        self.number: int = self._held.getsockname()[1]
        if sys.platform != "linux":  # where two can't be bound to one address, it is only looked up
            self._held.close()

    def close(self) -> None:
        self._held.close()


def port_for_good() -> int:
    """The number of a port that is held until this process ends."""
    port = Port()
    atexit.register(port.close)
    return port.number
