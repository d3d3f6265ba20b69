"""What a person puts right in what a source said is gone by at once and on record; the source keeps the last word."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from crossdock.canonical.correction import Correction
from crossdock.govern.correcting import Change, Outdated, correct, correctable_of
from crossdock.promises.corrections import CORRECTABLE, correctable, with_corrections
from crossdock.store.decisions import NotDecidable
from tests.stage import ROSE, SAGE, Stage, customer, order, staged, told
from tests.standin.target import Target

PLACED = order("1", ship_to=replace(SAGE, postal_code="6270"))
CODE = Change("ship_to.postal_code", "6270", "6270", "62701")


@contextlib.asynccontextmanager
async def refused(database_url: str) -> AsyncGenerator[tuple[Stage, Target]]:
    """An order whose warehouse refuses its postal code, once."""
    async with Target().serve() as target, staged(database_url, target) as stage:
        target.fault("shipment_order", "refuse", times=1, status=422)
        await stage.tell(PLACED)
        await stage.run()
        assert len(stage.cases()) == 1
        yield stage, target


async def put_right(stage: Stage, *changes: Change, entity: str = "order:shop:1", reason: str = "by telephone") -> None:
    async with stage.person() as decider:
        await correct(decider, entity, changes, reason)


def asked_to_ship(target: Target) -> list[str]:
    return [entry.details["body"]["ship_to"]["postal_code"] for entry in target.ledger.select("shipment_order")]


async def test_what_was_refused_goes_as_it_was_put_right_and_its_case_is_over(database_url: str) -> None:
    async with refused(database_url) as (stage, target):
        await put_right(stage, CODE)
        await stage.run()
        assert asked_to_ship(target) == ["62701"]
        assert stage.cases() == []
        assert stage.rows(
            "select by, what, detail ->> 'reason', detail ->> 'before', detail ->> 'after' from decision"
        ) == [
            (
                "a person",
                "correct",
                "by telephone",
                '{"ship_to.postal_code": "6270"}',
                '{"ship_to.postal_code": "62701"}',
            )
        ]
        made = stage.promises_made()
        await stage.replay()  # S5: the word comes in again, too
        await stage.run()
        assert stage.promises_made() == made
        await stage.checked()


async def test_its_source_has_the_last_word_on_what_it_changes_itself_and_on_nothing_else(database_url: str) -> None:
    async with refused(database_url) as (stage, target):
        await put_right(stage, CODE)
        await stage.run()
        later = replace(PLACED, ship_to=replace(SAGE, postal_code="6270", city="Shelbyville"))
        await stage.tell(told(later, token=2))
        await stage.run()
        assert target.held["order:shop:1/ship_to"]["address"]["postal_code"] == "62701"
        await stage.tell(told(replace(PLACED, ship_to=replace(ROSE, postal_code="99999")), token=3))
        await stage.run()
        assert target.held["order:shop:1/ship_to"]["address"]["postal_code"] == "99999"


async def test_of_two_who_correct_the_second_is_told_and_so_is_whoever_saw_what_its_source_has_changed(
    database_url: str,
) -> None:
    async with refused(database_url) as (stage, _):
        await put_right(stage, CODE)
        with pytest.raises(Outdated, match="just now"):
            await put_right(stage, CODE._replace(now="11111"))
        await stage.settle()
        with pytest.raises(Outdated, match="is “62701” by now"):
            await put_right(stage, CODE._replace(now="11111"))
        async with stage.database.transaction() as tx:
            found = await correctable_of(tx, "order:shop:1")
        assert found is not None
        assert ("ship_to.postal_code", "6270", "62701") in found.fields
        await put_right(stage, CODE._replace(held="62701", now="62704"))
        await stage.settle()
        await stage.tell(told(replace(PLACED, ship_to=replace(SAGE, postal_code="55555")), token=2))
        with pytest.raises(Outdated, match="is “55555” by now"):
            await put_right(stage, CODE._replace(held="62704", now="11111"))


_NOT_FOR_PEOPLE = (
    (Change("total.minor", "3000", "3000", "1"), "cheaper"),
    (Change("lines.0.ordered", "3", "3", "9"), "more"),
    (Change("ship_to.country", "US", "US", "FR"), "moved"),
    (CODE, " "),
    (CODE._replace(now="62701\x00"), "why"),
    (CODE._replace(now="6" * 201), "why"),
)


async def test_goods_money_and_what_taxes_depend_on_are_not_for_people_to_correct(database_url: str) -> None:
    async with refused(database_url) as (stage, _):
        for change, reason in _NOT_FOR_PEOPLE:
            with pytest.raises(NotDecidable):
                await put_right(stage, change, reason=reason)
        assert stage.rows("select what from decision") == []


async def test_a_customer_is_put_right_as_an_order_is(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(customer("c1", "Ada Exmaple"))
        await put_right(stage, Change("name", "Ada Exmaple", "Ada Exmaple", "Ada Example"), entity="customer:shop:c1")
        await stage.run()
        assert target.held["customer:shop:c1/party_account"]["name"] == "Ada Example"


def word(field: str, was: str, now: str) -> Correction:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    return Correction(about="order:shop:1", field=field, was=was, now=now, reason="r", by="b", corrected_at=at)


def test_corrections_give_the_same_in_any_order_and_leave_everything_else_as_it_is() -> None:
    words = [
        word("ship_to.postal_code", "6270", "62701"),
        word("ship_to.street.1", "", "Door 3"),
        word("email", "x", "y"),
    ]
    found: set[Any] = {with_corrections("order", PLACED, each) for each in itertools.permutations(words)}
    assert found == {replace(PLACED, ship_to=replace(SAGE, street=("1 Sage Street", "Door 3")))}


@pytest.mark.parametrize("field", CORRECTABLE["order"])
def test_every_field_that_may_be_corrected_is_there_and_can_be_emptied(field: str) -> None:
    whole = order("1", bill_to=SAGE)
    said = dict(correctable("order", whole))
    changed = with_corrections("order", whole, [word(field, said[field], "Changed")])
    assert dict(correctable("order", changed)) == said | {field: "Changed"}
    assert replace(changed, email="", ship_to=None, bill_to=None) == replace(
        whole, email="", ship_to=None, bill_to=None
    )
    emptied = with_corrections("order", whole, [word(field, said[field], "")])
    assert dict(correctable("order", emptied)) == said | {field: ""}
