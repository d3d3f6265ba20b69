"""Every edit at every moment ends in agreement between shop, ERP and payment, and meanwhile waits for what the policy names."""

from __future__ import annotations

import pytest

from tests.lives.edits import Cell, Edit, Played, cells, told
from tests.lives.grid import PAGE, page, played

_DEARER: tuple[Edit, ...] = ("add line", "quantity up", "price up")
_FEWER: tuple[Edit, ...] = ("remove line", "quantity down", "cancel line", "cancel order")


@pytest.mark.parametrize("cell", cells(), ids=str)
def test_shop_erp_and_payment_agree_in_the_end(cell: Cell) -> None:
    end = played(cell)
    kept = end.reality.basket.total - _worth_of_what_came_back(cell)
    assert end.billed == end.taken == kept
    ended = told(end.hub)
    assert (ended.waits, ended.approvals) == ((), ())
    assert {cause.split(":")[0] for cause, _ in ended.cases} == (
        {"left_unordered"} if _kept_for_nothing(end) else set()
    )
    assert not end.watch.judge(end.hub)


def _kept_for_nothing(end: Played) -> bool:
    """The buyer has more than is ordered."""
    left = end.reality.warehouse.left
    return any(left[line.id] > line.units for line in end.reality.basket.lines)


def _worth_of_what_came_back(cell: Cell) -> int:
    """The last of the mugs, by the line as it is now."""
    if cell.moment != "returned in part":
        return 0
    line = played(cell).reality.basket.lines[0]
    [tax] = line.taxes(included=False)
    return _last(line.charged, line.units) + _last(tax, line.units)


def _last(total: int, units: int) -> int:
    """Half away from zero, which is up here."""
    return total - (2 * total * (units - 1) + units) // (2 * units)


@pytest.mark.parametrize("cell", cells(), ids=str)
def test_until_then_it_waits_for_whom_the_policy_names(cell: Cell) -> None:
    end = played(cell)
    assert not end.told.approvals
    assert {on for on, _ in end.told.waits} <= {"warehouse", "shop"}
    assert any(on == "shop" for on, _ in end.told.waits) == (cell.edit in _DEARER)
    assert {cause.split(":")[0] for cause, _ in end.told.cases} == _named_cases(cell)


def _named_cases(cell: Cell) -> set[str]:
    return _held_otherwise(cell) | ({"left_unordered"} if _takes_off_what_left(cell) else set())


def _takes_off_what_left(cell: Cell) -> bool:
    all_left = cell.moment in ("invoiced", "returned in part")
    return (cell.edit == "remove line" and (all_left or cell.moment == "part shipped")) or (
        cell.edit == "quantity down" and all_left
    )


def _held_otherwise(cell: Cell) -> set[str]:
    if cell.picked and cell.edit in _FEWER:
        return {"not_as_told"}
    if cell.picked and cell.edit == "address":
        return {"rejected"}
    if cell.taking == "shipped" and cell.edit == "price up" and cell.moment in ("invoiced", "returned in part"):
        return {"capture_uncovered"}
    return set()


def test_the_page_says_what_happens() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()
