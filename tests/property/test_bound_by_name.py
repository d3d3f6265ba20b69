"""What a document is about, said by name, is found whatever comes first: the document, the name, or a person's word."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossdock.kernel.ids import digest
from crossdock.store import documents, tracing
from crossdock.store.database import Database
from crossdock.store.decisions import Decider, NotDecidable
from crossdock.store.documents import Statement
from tests.property.emptying import empty
from tests.stage import Stage, order, staged, told
from tests.standin import Told
from tests.standin.target import Target

_KEYS = "select connection, kind, id, entity, about from document where kind not like 'hint:%%' order by 1, 2, 3"


def refund(id_: str, about: str = "", token: int = 1, entity: str | None = None, minor: int = 500) -> Told:
    """A refund as a payment provider tells it."""
    body = {
        "id": id_, "payment": "pi_1", "tender": "card", "amount": {"minor": minor, "currency": "USD"},
        "status": "succeeded", "refunded_at": "2026-11-20T10:00:00Z",
    }  # fmt: skip
    return Told(kind="refund", id=id_, entity=entity, token=token, body=body, about=about)


def _bound(stage: Stage) -> dict[str, str | None]:
    return dict(stage.rows("select id, entity from document where kind = 'refund' order by 1"))


async def _stands(url: str, batches: Sequence[Sequence[Told]]) -> Any:
    async with Target().serve() as target, staged(url, target) as stage:
        for batch in batches:
            await stage.tell(*batch)
        assert stage.count("select count(*) from dirty") == 0
        unsettled = stage.count("select count(*) from entity where settled <> revision")
        return stage.rows(_KEYS), unsettled


_STORY = [
    told(order("1")),
    told(order("2")),
    refund("re_1", "1"),
    refund("re_1", "1", token=2),
    refund("re_2", "2"),
    refund("re_2", token=2),
    refund("re_3", entity="order:shop:1"),
    refund("re_3", token=2, minor=600),
    refund("re_4", "2", token=1),
    refund("re_4", "1", token=2),
    refund("re_4", token=3),
    refund("re_5", "nobody"),
    Told(kind="refund", id="re_1", entity=None, token=3),
]
_sampled = settings(
    max_examples=25, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@given(
    order_=st.permutations(range(len(_STORY))),
    repeated=st.lists(st.integers(0, 12), max_size=4),
    seed=st.integers(0, 99),
)
@_sampled
def test_any_order_of_orders_and_what_is_about_them_binds_the_same(
    database_url: str, order_: list[int], repeated: list[int], seed: int
) -> None:
    luck, numbers = random.Random(seed), [*order_, *repeated]
    batches = [[_STORY[n] for n in numbers[at : at + luck.randint(1, 5)]] for at in range(0, len(numbers), 3)]
    covered = list(itertools.chain(*batches))
    batches.append([each for each in _STORY if each not in covered])
    empty(database_url)
    stands, unsettled = asyncio.run(_stands(database_url, batches))
    assert unsettled == 0
    assert [(id_, entity) for _, kind, id_, entity, _ in stands if kind == "refund"] == [
        ("re_1", "order:shop:1"),
        ("re_2", "order:shop:2"),
        ("re_3", "order:shop:1"),
        ("re_4", "order:shop:1"),
        ("re_5", None),
    ]


_one = st.builds(
    lambda id_, entity, about, token, body: Statement(
        "psp", "refund", id_, entity, f"refund:psp:{id_}", (1, token, 0), digest(body), False, body,
        "" if entity else about,
    ),
    st.sampled_from(["a", "b"]),
    st.sampled_from([None, None, "order:shop:1", "order:shop:2"]),
    st.sampled_from(["", "x", "y"]),
    st.integers(1, 4),
    st.sampled_from([b"1", b"2"]),
)  # fmt: skip
_names = st.tuples(st.sampled_from(["x", "y"]), st.sampled_from(["order:shop:1", "order:shop:2"]))


Batch = tuple[Sequence[Statement], Sequence[tuple[str, str]]]


async def _merged(url: str, attempts: Sequence[Sequence[Batch]]) -> list[Any]:
    """What each of them comes to in a database that knows nothing yet."""
    found: list[Any] = []
    async with Database(url, by_key=True) as database:
        for batches in attempts:
            empty(url)
            for statements, names in batches:
                async with database.transaction() as tx:
                    await documents.merge(tx, statements)
                    await documents.add_aliases(tx, names, {s.about for s in statements if s.about})
            found.append(_documents(url))
    return found


def _documents(url: str) -> Any:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "select id, entity, about, token, digest, coalesce(named, (epoch, token, observed, digest)::version)::text"
            " from document order by 1"
        ).fetchall()


def _batches(said: Sequence[Statement | tuple[str, str]], size: int) -> list[Batch]:
    cut = [said[at : at + size] for at in range(0, len(said), size)]
    return [
        ([s for s in batch if isinstance(s, Statement)], [n for n in batch if not isinstance(n, Statement)])
        for batch in cut
    ]


@given(data=st.data())
@settings(_sampled, max_examples=150)
def test_what_documents_are_about_is_merged_the_same_in_any_order_and_batches(database_url: str, data: Any) -> None:
    said = data.draw(st.lists(st.one_of(_one, _names), min_size=3, max_size=9))
    orders = (said, data.draw(st.permutations(said * 2)), data.draw(st.permutations(said)))
    attempts = [_batches(order_, data.draw(st.integers(1, 4))) for order_ in orders]
    one, other, third = asyncio.run(_merged(database_url, attempts))
    assert one == other == third


async def test_a_name_of_several_binds_to_none_of_them_and_says_so(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(refund("re_1", "1"), told(order("1")))
        assert _bound(stage) == {"re_1": "order:shop:1"}
        stage.sql("insert into alias values ('7', 'order:shop:1'), ('7', 'order:other:1')")
        await stage.tell(refund("re_2", "7"))
        assert _bound(stage)["re_2"] is None
        stage.sql("update document set recorded_at = recorded_at - interval '1 hour'")
        await stage.hub.keep_house()
        assert stage.cases() == ["unbound:shop:refund"]
        assert (
            "7, which is a name of several: order:other:1, order:shop:1"
            in stage.rows("select detail from case_item")[0][0]
        )


async def test_a_number_that_an_erp_counts_to_takes_no_order_number_away(database_url: str) -> None:
    """What a clerk scans is an order's number, though the ERP has a sale or customer of that id."""
    async with Target(bare_ids=True).serve() as target, staged(database_url, target, mail=False) as stage:
        target._ids = itertools.count(2)  # order 1 is sale 2
        await stage.tell(*(order(str(n)) for n in range(1, 5)))
        await stage.run()
        ids = {row[0] for row in stage.rows("select remote_id from receipt")}
        assert {"2", "3", "4"} <= ids
        await stage.tell(*(refund(f"re_{n}", str(n)) for n in range(1, 5)))
        assert _bound(stage) == {f"re_{n}": f"order:shop:{n}" for n in range(1, 5)}
        async with stage.database.transaction() as tx:
            [(entity, id_)] = stage.rows("select p.entity, r.remote_id from receipt r join promise p on p.id = r.promise"
                                         " where p.name = 'sale' order by p.id limit 1")  # fmt: skip
            assert await tracing.entities_named(tx, f"erp:{id_}", ["shop", "erp"]) == [entity]


async def test_what_waits_is_bound_and_settled_when_its_name_comes(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(refund("re_1", "1"))
        assert _bound(stage) == {"re_1": None}
        await stage.tell(told(order("1")))
        assert _bound(stage) == {"re_1": "order:shop:1"}
        revision = stage.count("select revision from entity where key = 'order:shop:1'")
        await stage.tell(refund("re_1", "1", token=2, minor=600))
        assert stage.count("select revision from entity where key = 'order:shop:1'") > revision


async def test_two_transactions_that_did_not_see_each_other_are_brought_together(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(told(order("1")))
        await stage.tell(refund("re_1", "R-1"))
        stage.sql("insert into alias values ('R-1', 'order:shop:1')")
        await stage.hub.keep_house()
        assert _bound(stage) == {"re_1": "order:shop:1"}
        assert stage.count("select count(*) from dirty") == 1


async def test_a_persons_word_binds_what_no_name_finds_and_stays(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(told(order("1")), told(order("2")), refund("re_1"), refund("re_2", entity="order:shop:2"))
        stage.sql("update document set recorded_at = recorded_at - interval '1 hour'")
        await stage.hub.keep_house()
        assert stage.cases() == ["unbound:shop:refund"]
        async with stage.person() as person:
            assert await person.bind("shop", "refund", "re_1", "1") == "order:shop:1"
        assert stage.cases() == []
        assert stage.rows("select by, what, detail->>'entity' from decision") == [("a person", "bind", "order:shop:1")]
        assert stage.count("select count(*) from dirty where entity = 'order:shop:1'") == 1
        await stage.tell(refund("re_1", "2", token=5))
        assert _bound(stage) == {"re_1": "order:shop:1", "re_2": "order:shop:2"}
        for id_, name, said in (("re_9", "1", "nothing of a"), ("re_2", "1", "says itself"), ("re_1", "77", "nobody")):
            with pytest.raises(NotDecidable, match=said):
                async with stage.person() as decider:
                    await _bind(decider, id_, name)


async def _bind(decider: Decider, id_: str, name: str) -> None:
    await decider.bind("shop", "refund", id_, name)


async def test_the_messages_about_what_was_bound_later_are_evidence_of_its_order(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(refund("re_1", "1"))
        await stage.tell(told(order("1")))
        keys = stage.rows("select unnest(evidence_keys(array['order:shop:1']))")
        assert keys == [("order:shop:1",), ("refund:shop:re_1",)]
