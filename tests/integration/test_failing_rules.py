"""Rules that fail on what is known change nothing; corrected ones try it by themselves, and owe all that was not done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import msgspec

from crossdock.promises.obligations import Obligation
from crossdock.promises.policy import Policy
from crossdock.promises.standing import Standing
from crossdock.store import documents
from tests.stage import order, shipment, staged
from tests.standin.target import Target


def fails(standing: Standing, policy: Policy) -> Iterable[Obligation]:
    raise AttributeError("no such thing")


async def test_what_rules_failed_on_is_done_by_the_next_ones_and_nothing_of_it_is_withheld(database_url: str) -> None:
    known, new = order("1"), order("2")
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        sound = stage.hub.rules
        await stage.tell(known)
        await stage.run()
        stage.hub.rules = replace(sound, code=b"broken", owed=fails)
        await stage.tell(shipment("s1", known), new)
        await stage.hub.keep_house()
        await stage.run()
        assert stage.cases() == ["unsettled:AttributeError"]
        assert target.slots("sales_order") == ["order:shop:1/sale"]
        assert stage.count("select count(*) from dirty") == 0

        stage.hub.rules = replace(sound, code=b"mended")
        await stage.hub.keep_house()
        await stage.run()
        assert stage.cases() == []
        assert sorted(target.slots("sales_order")) == ["order:shop:1/sale", "order:shop:2/sale"]
        assert target.slots("goods_issue") == ["order:shop:1/goods_issue:s1"]
        assert stage.count("select count(*) from withheld") == 0
        await stage.checked()


async def test_what_new_rules_owe_for_what_older_ones_settled_is_withheld_also_where_others_failed_on_it(
    database_url: str,
) -> None:
    placed = order("1")
    async with Target().serve() as target, staged(database_url, target) as stage:
        sound = stage.hub.rules
        stage.hub.rules = replace(sound, policy=replace_roles(sound.policy))
        await stage.tell(placed)
        await stage.run()
        await stage.tell(shipment("s1", placed))
        await stage.run()
        assert target.slots("parcel_notice") == []
        stage.hub.rules = replace(sound, code=b"broken", owed=fails)
        async with stage.database.transaction() as tx:
            await documents.mark_dirty(tx, ["order:shop:1"])
        await stage.run()
        stage.hub.rules = replace(sound, code=b"mended")
        await stage.hub.keep_house()
        await stage.run()
        assert target.slots("parcel_notice") == []
        assert stage.rows("select name from withheld") == [("parcel_notice:s1",)]


def replace_roles(policy: Policy) -> Policy:
    """Nobody is written to."""
    return msgspec.structs.replace(policy, roles=msgspec.structs.replace(policy.roles, mail=None))
