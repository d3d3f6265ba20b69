"""Subscribers are told by whichever process lives: one that dies in the middle of a delivery leaves it to the others."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import psycopg
import pytest

from crossdock.gateway.signing import new_secret
from crossdock.govern.settings import read_settings
from crossdock.govern.strongbox import strongbox_of
from crossdock.store import subscriptions
from crossdock.store.database import Database
from crossdock.store.subscriptions import Wanted
from tests.chaos.hubs import PROGRAM, ROOT, SECRET, hubs, start
from tests.integration.receivers import receiving
from tests.stage import message, order, told
from tests.standin.target import Target, until

pytestmark = [pytest.mark.chaos, pytest.mark.slice]

SETTINGS = """
[hub]
listen = "127.0.0.1:0"
[outside]
allow = ["127.0.0.0/8"]
[connections.shop]
connector = "tests.standin"
url = "{target}"
webhook_secrets = ["env:STANDIN_SECRET"]
"""


async def subscribe(database_url: str, file: Path, url: str) -> str:
    """A subscription to everything; answers its secret."""
    secret, name = new_secret(), "subscription/s/1"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "insert into consumer (name, owner, tenant, scopes, per_minute, made_at)"
            " values ('feed', 'the tests', 'main', '{subscriptions:write}', 60, now())"
        )
    async with Database(database_url) as database, database.transaction() as tx:
        await subscriptions.add(tx, "s", "feed", Wanted(url, [], "", "active"))
        await subscriptions.add_secret(tx, "s", name, strongbox_of(read_settings(file)).seal(secret, name), 0)
    return secret


def versions(taken: Sequence[dict[str, str]], subject: str) -> list[str]:
    """The kinds of change told of a subject, a repeat counted once."""
    seen = {each["id"]: each["type"].rpartition(".")[2] for each in taken if each["subject"] == subject}
    return list(seen.values())


async def test_a_process_that_dies_while_it_tells_is_followed_by_another(database_url: str, tmp_path: Path) -> None:
    os.environ.setdefault("STANDIN_SECRET", SECRET)
    async with Target().serve() as target, receiving(lambda _: 30.0) as receiver:
        async with hubs(database_url, target.url, tmp_path, settings=SETTINGS.format(target=target.url)) as running:
            secret = await subscribe(database_url, tmp_path / "crossdock.toml", receiver.url)
            for nth in ("1", "2"):
                await running.tell(message("shop", told(order(nth))))
            await until(lambda: receiver.sent, 20)
            await running.tell(message("shop", told(order("1", email="new@example.com"), 2)))
            for each in running.processes:  # whichever it was: it waits for its answer
                each.process.kill()
                await each.process.wait()
            receiver.manner = lambda _: 204
            with psycopg.connect(database_url, autocommit=True) as connection:
                connection.execute("update subscription set until = now()")  # its lease has run out
            environment = {**os.environ, "PYTHONPATH": str(ROOT), "CROSSDOCK_DATABASE_URL": database_url}
            again = await start(PROGRAM, tmp_path / "crossdock.toml", tmp_path / "again.log", environment)
            try:
                await until(lambda: len({each["id"] for each in receiver.taken}) >= 3, 30)
            finally:
                await again.end()
        assert versions(receiver.taken, "order:shop:1") == ["recorded", "changed"]
        assert versions(receiver.taken, "order:shop:2") == ["recorded"]
        assert all(each.is_signed_by(secret) for each in receiver.sent)
