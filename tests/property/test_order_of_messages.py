"""S4: the same messages in any order, and any number of times, are the same knowledge, promises and effects."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossdock import connectors
from crossdock.connectors import shopify, wms
from crossdock.promises.policy import Policy, Roles
from crossdock.promises.standing import Evidence, Standing, facts_of
from crossdock.settle.reading import _fact_decoder  # pyright: ignore[reportPrivateUsage]
from crossdock.settle.rules import owed
from crossdock.settle.translation import translate
from crossdock.store.documents import Statement, highest
from crossdock.store.inbox import Message, Pending
from tests.property.emptying import empty
from tests.stage import ROSE, customer, message, order, shipment, staged, told
from tests.standin.target import Target

_EXAMPLES = Path(connectors.__path__[0])
_AT = datetime(2026, 11, 20, 15, tzinfo=UTC)
_POLICY = Policy(roles=Roles(erp="erp", warehouse="warehouse", mail="mail"))
_CONNECTORS: Any = {"shop": shopify.connector, "warehouse": wms.connector}


def _example(path: str) -> dict[str, Any]:
    return msgspec.json.decode((_EXAMPLES / path).read_bytes())


def _vendors_story() -> list[tuple[str, str, dict[str, Any]]]:
    """(connection, topic, body) as the vendors send them: an order placed, readdressed, paid, contradicted, shipped twice."""
    placed = _example("shopify/examples/messages/orders.create.json")
    moved = placed | {
        "updated_at": "2026-11-20T09:40:00-05:00",
        "shipping_address": placed["shipping_address"] | {"address1": "2 Rose Street"},
    }
    paid = moved | {"updated_at": "2026-11-20T09:41:00-05:00", "financial_status": "paid"}
    tie = paid | {"email": "other@example.com"}
    parcel = _example("wms/examples/messages/shipment.shipped.json")
    lines = placed["line_items"]
    parcels = [
        parcel
        | {
            "data": parcel["data"]
            | {
                "id": f"sh_{n}",
                "reference": f"order:shop:{placed['id']}",
                "lines": [{"line": str(lines[n]["id"]), "sku": lines[n]["sku"], "units": 1}],
            }
        }
        for n in range(2)
    ]
    buyer = _example("shopify/examples/messages/customers.update.json")
    buyer |= {"id": placed["customer"]["id"], "updated_at": "2026-11-20T10:00:00-05:00"}
    return [
        ("shop", "orders/create", placed),
        ("shop", "orders/updated", moved),
        ("shop", "orders/paid", paid),
        ("shop", "orders/updated", tie),
        ("shop", "customers/update", buyer),
        ("warehouse", "shipment.shipped", parcels[0]),
        ("warehouse", "shipment.shipped", parcels[1]),
    ]


def _stated() -> list[list[Statement]]:
    """What each message of the story states."""
    stated: list[list[Statement]] = []
    for at, (connection, topic, body) in enumerate(_vendors_story()):
        pending = Pending(
            id=at, received_at=_AT, heard_at=_AT, connection=connection, topic=topic, message_id=str(at), observed=0,
            body=msgspec.json.encode(body), epoch=1,
        )  # fmt: skip
        batch = translate([pending], _CONNECTORS)
        assert batch.statements, batch.outcomes
        stated.append(batch.statements)
    return stated


def _known(statements: Sequence[Statement]) -> dict[tuple[str, str, str], Statement]:
    return highest(statements)[0]


def _owed(statements: Sequence[Statement]) -> dict[str, bytes]:
    """Everything owed for what is known, by entity and name."""
    evidence: dict[str, list[Evidence]] = {}
    for s in _known(statements).values():
        assert s.entity is not None
        body = _fact_decoder(s.kind).decode(s.body)
        evidence.setdefault(s.entity, []).append(
            Evidence(s.connection, s.kind, s.id, s.fact, s.version, _AT, _AT, s.gone, body)
        )
    return {
        f"{entity}/{getattr(each, 'name', None) or getattr(each, 'cause', None)}": repr(each).encode()
        for entity, found in evidence.items()
        for each in owed(Standing(entity, facts_of(found), _AT), _POLICY)
    }


def test_every_order_of_a_story_of_seven_messages_is_known_and_owed_the_same() -> None:
    stated = _stated()
    told_in_order = list(itertools.chain(*stated))
    knows, owes = _known(told_in_order), _owed(told_in_order)
    assert {"sale", "shipment_order", "goods_issue:sh_0", "parcel_notice:sh_1"} <= {
        name.rpartition("/")[2] for name in owes
    }
    orders = 0
    for permuted in itertools.permutations(stated):
        statements = list(itertools.chain(*permuted))
        assert _known(statements) == knows
        orders += 1
        if orders % 10 == 0:
            assert _owed(statements) == owes
    assert orders == 5040


def test_every_order_in_which_documents_are_read_gives_the_same_facts() -> None:
    evidence = [
        Evidence(
            "shop", "shipment", "f1", "shipment:warehouse:s1", (1, 9, 0), _AT, _AT, False, "as the shop echoes it"
        ),
        Evidence("warehouse", "shipment", "s1", "shipment:warehouse:s1", (1, 2, 0), _AT, _AT, False, "as it left"),
        Evidence("shop", "order", "1", "order:shop:1", (1, 2, 0), _AT, _AT, False, "order"),
        Evidence("erp", "order", "9", "order:shop:1", (1, 5, 0), _AT + timedelta(1), _AT, False, "as the ERP has it"),
        Evidence("shop", "invoice", "7", "invoice:shop:7", (1, 2, 0), _AT, _AT, True, None),
    ]
    expected = facts_of(evidence)
    assert [fact.body for fact in expected] == ["order", "as it left"]
    for permuted in itertools.permutations(evidence):
        assert facts_of(permuted) == expected
        assert facts_of([*permuted, *permuted]) == expected


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_more_and_repeated_versions_make_no_difference_in_any_order(data: st.DataObject) -> None:
    one = st.builds(
        Statement,
        st.sampled_from(["shop", "erp"]),
        st.just("order"),
        st.sampled_from(["1", "2"]),
        st.just("order:shop:1"),
        st.just("order:shop:1"),
        st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(0, 2)),
        st.sampled_from([b"a", b"b", b"c"]),
        st.booleans(),
        st.just(b""),
    )
    statements = data.draw(st.lists(one, min_size=8, max_size=14))
    permuted = data.draw(st.permutations(statements * 2))
    known = {identity: (*s.version, s.digest) for identity, s in _known(statements).items()}
    assert {identity: (*s.version, s.digest) for identity, s in _known(permuted).items()} == known


# One more than the parcels hold: once everything has left nobody is told of another address any more.
_PLACED = order(customer="customer:shop:c1", units=4)
_MOVED = msgspec.structs.replace(_PLACED, ship_to=ROSE)
_PAID = msgspec.structs.replace(_MOVED, payment="paid")
_TIE = msgspec.structs.replace(_PAID, email="other@example.com")
_STORY = [
    told(_PLACED, 1),
    told(_MOVED, 2),
    told(_PAID, 3),
    told(_TIE, 3),
    told(customer()),
    told(customer(name="Ada Archer"), 2),
    told(shipment("s1", _PLACED)),
    told(shipment("s2", _PLACED, units=2)),
]


def _messages(numbers: Sequence[int]) -> list[Message]:
    return [message("warehouse" if (said := _STORY[n]).kind == "shipment" else "shop", said) for n in numbers]


async def _tell(url: str, batches: Sequence[Sequence[int]], *, deliver: bool) -> Any:
    """Tell the story to an emptied hub in these batches; answers what it came to."""
    empty(url)
    async with Target().serve() as target, staged(url, target) as stage:
        target.things = {"1": told(_TIE, 3), "c1": told(customer(name="Ada Archer"), 2)}
        for batch in batches:
            await stage.tell(*_messages(batch))
            if deliver:
                await stage.deliver()
                stage.hurry()
        known = stage.rows(
            "select connection, kind, id, entity, epoch, token, encode(digest, 'hex') from document"
            " where kind not like 'hint:%%' order by 1, 2, 3"
        )
        promised = stage.rows(
            "select p.entity, p.name, convert_from(p.body, 'UTF8') from due d join promise p on p.id = d.promise"
            " where p.verb <> 0 order by 1, 2"
        )
        waits = stage.rows("select entity, name, what from waiting order by 1, 2")
        await stage.run()
        await stage.checked()
        done = {noun: Counter(target.slots(noun)) for noun in ("sales_order", "shipment_order", "goods_issue")}
        done |= {noun: Counter(target.slots(noun)) for noun in ("invoice_posting", "fulfilment", "parcel_notice")}
        account = target.held["customer:shop:c1/party_account"]["name"]
        address = target.held.get("order:shop:1/erp_address") or target.ledger.select("sales_order")[0].details["body"]
        city = str(address).count("2 Rose Street") > 0
        return (done, account, city, stage.cases()) if deliver else (known, promised, waits, done, account, city)


_told_in_order: dict[bool, Any] = {}


def _in_order(url: str, *, deliver: bool) -> Any:
    if deliver not in _told_in_order:
        _told_in_order[deliver] = asyncio.run(_tell(url, [range(len(_STORY))], deliver=deliver))
    return _told_in_order[deliver]


def _cut(numbers: list[int], seed: int) -> list[list[int]]:
    luck, batches = random.Random(seed), list[list[int]]()
    while numbers:
        size = luck.randint(1, 4)
        batches.append(numbers[:size])
        numbers = numbers[size:]
    return batches


_telling = st.tuples(
    st.permutations(range(len(_STORY))), st.lists(st.integers(0, len(_STORY) - 1), max_size=6), st.integers(0, 999)
)
_sampled = settings(
    max_examples=10, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@given(telling=_telling)
@_sampled
def test_any_order_and_repetition_stores_knows_and_promises_the_same(database_url: str, telling: Any) -> None:
    in_order = _in_order(database_url, deliver=False)
    permuted, repeated, seed = telling
    batches = _cut([*permuted, *repeated], seed)
    assert asyncio.run(_tell(database_url, batches, deliver=False)) == in_order


@given(telling=_telling)
@_sampled
def test_any_order_and_repetition_has_the_same_effects_even_while_they_are_under_way(
    database_url: str, telling: Any
) -> None:
    in_order = _in_order(database_url, deliver=True)
    permuted, repeated, seed = telling
    assert asyncio.run(_tell(database_url, _cut([*permuted, *repeated], seed), deliver=True)) == in_order
