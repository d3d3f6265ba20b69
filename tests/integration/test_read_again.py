"""Messages that could not be read: once somebody has put right why, they are read once more, and their case is over."""

from __future__ import annotations

from crossdock.store.cases import close_empty
from tests.integration.consoles import house
from tests.stage import Message, Stage, order, staged
from tests.standin.target import Target

CAUSE = "quarantine:shop:document"


async def set_aside(stage: Stage) -> None:
    """A message of order 7 that nobody can read."""
    await stage.tell(order("8"), Message("shop", "document", b'{"kind": "order", "id": 7}', "m-bad"))
    assert stage.cases() == [CAUSE]


def put_right(stage: Stage) -> None:
    """As if its connector read it by now."""
    stage.sql("""update inbox set body = convert_to(replace((select convert_from(body, 'UTF8') from inbox
                 where message_id <> 'm-bad'), '8', '7'), 'UTF8') where message_id = 'm-bad'""")


async def test_what_is_replayed_and_read_is_in_no_case_any_more(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target) as stage:
        await set_aside(stage)
        await stage.replay()
        await stage.run()
        assert stage.cases() == [CAUSE]
        assert stage.count("select count(*) from case_item") == 1
        put_right(stage)
        await stage.replay()
        await stage.run()
        assert stage.count("select count(*) from case_item") == 0
        async with stage.database.transaction() as tx:
            await close_empty(tx, "the hub")
        assert stage.cases() == []
        assert target.slots("sales_order") == ["order:shop:8/sale", "order:shop:7/sale"]


async def test_the_messages_of_a_case_are_read_once_more_from_its_page(database_url: str) -> None:
    async with (
        Target().serve() as target,
        staged(database_url, target) as stage,
        house(database_url) as desk,
    ):
        await set_aside(stage)
        otto = await desk.person("Otto")
        [(case,)] = stage.rows("select id from cases")
        assert "Read it once more" in (await otto.get(f"case/{case}")).text
        assert (await otto.post(f"case/{case}/retry", revision=0)).status == 303
        assert "1 message to be read once more" in (await otto.get(f"case/{case}?done=read&n=1")).text
        await stage.run()
        [(again, items)] = stage.rows(
            "select c.id, count(*) from cases c join case_item i on i.case_id = c.id where closed_at is null group by 1"
        )
        assert (again > case, items) == (True, 1)
        put_right(stage)
        assert (await otto.post(f"case/{again}/retry", revision=0)).status == 303
        await stage.run()
        assert stage.cases() == []
        assert sorted(target.slots("sales_order")) == ["order:shop:7/sale", "order:shop:8/sale"]
        assert stage.rows("select by, what from decision") == [("Otto", "read again")] * 2
        assert (await otto.post(f"case/{again}/retry", revision=0)).status == 409
        await stage.checked()
