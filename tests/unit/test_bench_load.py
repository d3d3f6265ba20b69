from __future__ import annotations

import asyncio
from typing import cast

from bench.load import Sender

_HEAD = b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\ncontent-length: 7\r\n\r\n"


class _Wire:
    def write(self, sent: bytes) -> None: ...


class _Heard:
    def __init__(self) -> None:
        self.refused: list[bool] = []

    def answered(self, sender: Sender, due: float, *, refused: bool) -> None:
        self.refused.append(refused)


def test_an_answer_is_over_when_its_body_is_there_and_the_next_one_is_its_own() -> None:
    heard = _Heard()
    sender = Sender(heard)
    sender.connection_made(cast("asyncio.Transport", _Wire()))
    for _ in range(2):
        before = len(heard.refused)
        sender.send(b"", 0.0)
        sender.data_received(_HEAD)
        assert len(heard.refused) == before
        sender.data_received(b"started")
    sender.send(b"", 0.0)
    sender.data_received(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
    assert heard.refused == [False, False, True]
