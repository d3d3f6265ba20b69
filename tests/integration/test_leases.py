"""Leases: every bucket has one owner that can write, and whoever was away too long can't."""

from __future__ import annotations

import asyncio

import pytest

from crossdock.settle.reading import Targets, read
from crossdock.settle.settling import changes_for, save, settle_dirty
from crossdock.store import settling
from crossdock.store.database import Database, rows
from crossdock.store.leases import LeaseLost, Leases
from tests.stage import order, shipment, staged
from tests.standin.target import Target


async def test_two_processes_share_the_buckets_and_a_third_gets_its_part(database_url: str) -> None:
    async with Database(database_url) as database:
        one, other, third = (Leases(database, "1") for _ in range(3))
        assert len(await one.beat()) == 256
        await other.beat()
        await one.beat()
        await other.beat()
        assert len(one.held) == len(other.held) == 128
        assert not one.held.keys() & other.held.keys()
        await third.beat()
        for leases in (one, other, third, one, other, third):
            await leases.beat()
        assert sorted(len(leases.held) for leases in (one, other, third)) == [84, 86, 86]
        await third.leave()
        for leases in (one, other, one, other):
            await leases.beat()
        assert len(one.held) + len(other.held) == 256


async def test_a_dead_processs_buckets_are_taken_over_under_fences_never_used_before(database_url: str) -> None:
    async with Database(database_url) as database:
        dead, heir = Leases(database, "1", ttl_seconds=0.3), Leases(database, "1", ttl_seconds=0.3)
        before = dict(await dead.beat())
        assert len(await heir.beat()) == 0
        await asyncio.sleep(0.4)
        after = dict(await heir.beat())
        assert after.keys() == before.keys()
        assert not set(after.values()) & set(before.values())
        assert min(after.values()) > max(before.values())
        async with database.transaction() as tx:
            with pytest.raises(LeaseLost):
                await dead.hold(tx, before)


async def test_a_lease_that_ran_out_is_no_lease_even_when_nobody_took_it(database_url: str) -> None:
    async with Database(database_url) as database:
        leases = Leases(database, "1", ttl_seconds=0.2)
        held = dict(await leases.beat())
        await asyncio.sleep(0.3)
        async with database.transaction() as tx:
            with pytest.raises(LeaseLost):
                await leases.hold(tx, held)


async def test_a_process_that_only_delivers_holds_no_buckets(database_url: str) -> None:
    async with Database(database_url) as database:
        assert not await Leases(database, "1", settles=False).beat()
        assert len(await Leases(database, "1").beat()) == 256


async def test_a_lease_held_for_a_commit_is_nobody_elses_until_then(database_url: str) -> None:
    async with Database(database_url) as database:
        writer, taker = Leases(database, "1", ttl_seconds=0.3), Leases(database, "1", ttl_seconds=0.3)
        held = dict(await writer.beat())
        async with database.transaction() as tx:
            await writer.hold(tx, held)
            await asyncio.sleep(0.4)
            assert not await taker.beat()
        assert len(await taker.beat()) == 256


async def test_a_worker_that_was_paused_past_its_lease_cannot_write(database_url: str) -> None:
    placed = order()
    async with Target().serve() as target, staged(database_url, target, hub={"lease_seconds": 0.3}) as stage:
        paused = Leases(stage.database, "1", ttl_seconds=0.3)
        await stage.hub.leases.leave()
        await paused.beat()
        await stage.receive(placed)
        await stage.hub.translate()
        await asyncio.sleep(0.4)  # here it sleeps
        await stage.settle()
        assert stage.promises_made() > 0
        await stage.receive(shipment("s1", placed))
        await stage.hub.translate()
        made = stage.promises_made()
        with pytest.raises(LeaseLost):
            await settle_dirty(stage.database, paused, stage.hub.rules, 100)
        assert stage.promises_made() == made
        assert stage.count("select count(*) from dirty") == 1
        await stage.settle()
        assert stage.promises_made() > made


async def test_what_became_known_while_it_was_being_settled_is_settled_again(database_url: str) -> None:
    """The revision is checked in the transaction that saves."""
    placed = order()
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.receive(placed)
        await stage.hub.translate()
        async with stage.database.transaction() as tx:
            batch = await settling.dirty_entities(tx, stage.hub.leases.held, 10)
            record = await settling.on_record(tx, batch, stage.hub.rules.code)
            now = await settling.now(tx)
        worked_out = [(each, changes_for(each, stage.hub.rules)) for each in read(batch, record, Targets(), now)]
        await stage.receive(shipment("s1", placed))
        await stage.hub.translate()
        async with stage.database.transaction() as tx:
            await save(tx, worked_out, stage.hub.rules)
            assert (await rows(tx, "select count(*) from promise"))[0][0] == 0
        await stage.settle()
        assert "order:shop:1/goods_issue:s1" in stage.stages()
