"""A port that is held for a server that stops and starts again."""

from __future__ import annotations

import errno
import socket

import pytest

from crossdock.simulators.ports import Port, port_for_good


@pytest.fixture
def port():
    held = Port()
    yield held.number
    held.close()


def _listening(number: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", number))


def test_nobody_answers_there(port: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()


def test_a_server_listens_there_as_often_as_it_starts(port: int) -> None:
    for _ in range(3):
        with _listening(port) as server, socket.create_connection(("127.0.0.1", port)) as caller:
            answering, _ = server.accept()
            with answering:
                answering.sendall(b"here")
            assert caller.recv(4) == b"here"


def test_two_servers_do_not_share_it(port: int) -> None:
    with _listening(port), pytest.raises(OSError, match="in use"):
        _listening(port).close()


def test_nobody_else_takes_it(port: int) -> None:
    with socket.socket() as other, pytest.raises(OSError, match="in use") as refused:
        other.bind(("127.0.0.1", port))
    assert refused.value.errno == errno.EADDRINUSE


def test_each_is_another() -> None:
    assert len({port_for_good() for _ in range(100)}) == 100
