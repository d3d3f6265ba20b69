"""The hub's database is set back to a backup, and the sources tell again what it forgot."""

from __future__ import annotations

import asyncio
import signal

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.chaos.plants.scene import ERP, Scene
from tests.chaos.plants.scenes.holding import done_twice
from tests.stage import order, shipment

_REST_SECONDS = 30.0
_ROLES = {**ERP, "warehouse": "warehouse", "mail": "mail"}


async def its_database_is_set_back(scene: Scene) -> list[str]:
    """One order is sold before the backup; three are sold and shipped after it, and then it is restored."""
    first, *others = [order(str(number), units=2) for number in range(1, 5)]
    parcels = [shipment(f"p{each.id}", each, units=2) for each in (first, *others)]
    async with scene.hubs(_ROLES):
        await scene.tell(first)
        assert await scene.within(_REST_SECONDS, lambda: scene.done("shipment_order"))
        await asyncio.sleep(1)
    backup = copy_of(scene.database_url)
    forgotten = len(scene.sent)
    async with scene.hubs(_ROLES) as hub:
        await scene.tell(*others, *parcels)
        assert await scene.within(_REST_SECONDS, lambda: _all_done(scene, 4))
        await asyncio.sleep(1)  # so that the last answers are recorded, and forgotten too
        for each in hub.processes:
            each.process.send_signal(signal.SIGKILL)
            await each.process.wait()
    restore(scene.database_url, backup)
    again, before = scene.sent[forgotten:], len(scene.target.ledger.entries)
    async with scene.hubs(_ROLES):
        await scene.tell(*again)
        complaints = await _while_stopped(scene, before)
        await scene.tell(late := order("5", units=2))
        await scene.within(_REST_SECONDS, lambda: scene.done("sales_order")["order:shop:5"])
        await scene.tell(shipment("p5", late, units=2))
        await scene.within(_REST_SECONDS, lambda: scene.done("parcel_notice")["order:shop:5"])
        await asyncio.sleep(3)  # what is in doubt is looked for, and sent where it is not there
        complaints += [] if _all_done(scene, 5) else [f"not everything is done: {scene.target.ledger.counts()}"]
        complaints += await _unsound(scene)
    return complaints + done_twice(scene)


def _all_done(scene: Scene, orders: int) -> bool:
    nouns = ("sales_order", "shipment_order", "goods_issue", "invoice_posting", "fulfilment", "parcel_notice")
    return all(len(scene.done(noun)) >= orders for noun in nouns)


async def _while_stopped(scene: Scene, before: int) -> list[str]:
    """Nothing is done before somebody says that the sources have told; then it goes on."""
    await asyncio.sleep(2)
    states = {"party_account", "order_reference"}
    done = [e.what for e in scene.target.ledger.entries[before:] if e.what not in states]
    told = await scene.ask("recovery")
    if told["state"] != "stopped":
        return [f"the hub says {told['state']}, and has done {done}"]
    cases = [case["cause"] for case in await scene.ask("cases") if case["kind"] == "restored"]
    await scene.ask("recovery", "go-on", "--unswept")
    complaints = [f"{what} was done before the sources had been read" for what in done]
    return complaints + ([] if cases == ["restored"] else [f"one case says so, not {cases}"])


async def _unsound(scene: Scene) -> list[str]:
    checked = await scene.ask("check")
    return [f"{each['name']} is broken: {each['example']}" for each in checked["invariants"] if each["breaches"]]


def copy_of(url: str) -> str:
    """A copy of the database as it is, made while nobody uses it; answers its name."""
    name = conninfo_to_dict(url)["dbname"]
    with psycopg.connect(_beside(url), autocommit=True) as connection:
        connection.execute(f"drop database if exists {name}_backup")  # pyright: ignore
        connection.execute(f"create database {name}_backup template {name}")  # pyright: ignore
    return f"{name}_backup"


def restore(url: str, backup: str) -> None:
    """The database is what it was when it was copied."""
    name = conninfo_to_dict(url)["dbname"]
    with psycopg.connect(_beside(url), autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")  # pyright: ignore
        connection.execute(f"alter database {backup} rename to {name}")  # pyright: ignore


def _beside(url: str) -> str:
    return make_conninfo(url, dbname="postgres")
