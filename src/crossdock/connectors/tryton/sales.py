"""Orders become sales: created, quoted and confirmed in lists, one sale per order however often it is sent.

`web_shop` and `web_id` are unique together in Tryton, and the web id is the order's entity (with `#2`, `#3`… for what was added
to it since), so every step looks first how far a sale has come and takes it forward from there. A draft or quotation found is
from a run that was cut: it is written anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from crossdock.canonical.order import SalesOrder
from crossdock.connect.connector import Command
from crossdock.connect.effects import Keyed
from crossdock.connect.link import Link
from crossdock.connect.receipts import Confirmed, Outcome, Partial
from crossdock.connectors.tryton.buyers import Buyer, buyers
from crossdock.connectors.tryton.isolation import isolated
from crossdock.connectors.tryton.pricing import PricedLine, priced, rounding_allowed
from crossdock.connectors.tryton.reference import ProductRow, Reference, products, reference
from crossdock.connectors.tryton.rpc import Amount, Values, as_amount, change, rows, write
from crossdock.connectors.tryton.system import Settings, connector
from crossdock.kernel.faults import Missing, Rejected, Unknown
from crossdock.kernel.money import to_decimal

BATCH = 100
"""Measured best, by Tryton's CPU time a sale: lists of 20 cost a quarter more, of 50 a tenth more, of 200 no less. A Tryton on
SQLite as it comes answers 503 to lists this long (its unique check nests too deeply for SQLite's parser): set `bulk_max = 20`."""
LINE_NOTE = "Web order line "
"""A sale line's note names the order line, so that a parcel finds it again."""
PROCESSED = ("processing", "done")


class HeldSale(msgspec.Struct, frozen=True):
    """How far a sale has come."""

    id: int
    web_id: str
    state: str
    number: str | None


class SaleLineId(msgspec.Struct, frozen=True):
    id: int
    sale: int


class DraftSale(HeldSale, frozen=True):
    total_amount: Amount


@dataclass(frozen=True)
class _Priced:
    command: Command[SalesOrder]
    lines: Sequence[PricedLine]
    values: list[Values]


@dataclass
class _Run:
    """One batch: what is wanted by web id, and who was refused why."""

    link: Link[Settings]
    about: Reference
    wanted: Mapping[str, Command[SalesOrder]]
    refused: dict[str, Rejected] = field(default_factory=dict[str, Rejected])

    async def held(self) -> dict[str, HeldSale]:
        found = await rows(self.link, "sale.sale", _of(self.about, list(self.wanted)), HeldSale)
        return {sale.web_id: sale for sale in found}


@connector.bulk_act(SalesOrder, effect=[Keyed()], size=BATCH)
async def post_sales(commands: Sequence[Command[SalesOrder]], link: Link[Settings]) -> Mapping[str, Outcome]:
    """One confirmed sale per order."""
    run = _Run(link, await reference(link), {web_id_of(command): command for command in commands})
    held = await run.held()
    there = {web_id: _found(sale, run.wanted[web_id]) for web_id, sale in held.items() if sale.state in PROCESSED}
    if unmade := [web_id for web_id in run.wanted if web_id not in held or held[web_id].state in _UNFINISHED]:
        held = await _confirm(run, await _make(run, unmade, held))
    if any(sale.state == "confirmed" for sale in held.values()):
        await _process(run, held)
        held = await run.held()
    outcomes = {web_id: _outcome(run, held.get(web_id), web_id) for web_id in run.wanted} | there
    return {command.key: outcomes[web_id_of(command)] for command in commands}


@connector.find(SalesOrder)
async def find_sales(commands: Sequence[Command[SalesOrder]], link: Link[Settings]) -> Mapping[str, Outcome]:
    """The orders whose sale is confirmed; one that was cut halfway is sent again, which takes it forward."""
    run = _Run(link, await reference(link), {web_id_of(command): command for command in commands})
    held = await run.held()
    made = {web_id: sale for web_id, sale in held.items() if sale.state in PROCESSED}
    return {run.wanted[web_id].key: _found(sale, run.wanted[web_id]) for web_id, sale in made.items()}


def _found(held: HeldSale, command: Command[SalesOrder]) -> Confirmed:
    """Where it goes is not looked at: whoever can't know what it was told when it was made tells it again."""
    order = msgspec.structs.replace(command.body.order, ship_to=None)
    return msgspec.structs.replace(_confirmed(held), body=msgspec.structs.replace(command.body, order=order))


def web_id_of(command: Command[SalesOrder]) -> str:
    """What makes a sale the only one of its order, or of what was added to it."""
    part = command.body.part
    return command.entity if part == 1 else f"{command.entity}#{part}"


WHOLE = "order"
"""Tryton's invoice method of a sale that is invoiced as it was ordered, and not as it leaves."""
_UNFINISHED = ("draft", "quotation")
_FITS = {"quote": "draft", "draft": "quotation", "confirm": "quotation", "process": "confirmed"}
"""The state each button takes a sale on from; Tryton refuses it in any other."""


def _of(about: Reference, web_ids: Sequence[str]) -> list[object]:
    return [["web_shop", "=", about.shop], ["web_id", "in", list(web_ids)]]


def _outcome(run: _Run, held: HeldSale | None, web_id: str) -> Outcome:
    if held is not None and held.state in PROCESSED:
        return _confirmed(held)
    if web_id in run.refused:
        refusal = run.refused[web_id]
        if held is not None and held.state == "confirmed":
            return Partial(id=str(held.id), detail=f"confirmed, but it can't be processed: {refusal.detail}")
        return refusal
    if held is None:
        return Unknown("Tryton answered, but there is no such sale")
    if held.state == "cancelled":
        return Rejected(f"sale {held.number or held.id} was cancelled in Tryton", field="state")
    return Unknown(f"sale {held.number or held.id} is still {held.state}")


def _confirmed(held: HeldSale) -> Confirmed:
    return Confirmed(id=str(held.id), aliases=(held.number,) if held.number else ())


# --- making ------------------------------------------------------------------------------------------------------------


async def _make(run: _Run, web_ids: Sequence[str], held: Mapping[str, HeldSale]) -> list[DraftSale]:
    """Create what isn't there, write anew what was left unfinished, and make totals agree to the cent; the drafts."""
    ready = await _priced(run, web_ids)
    whose = await buyers([each.command for each in ready.values()], run.link)
    values: dict[str, Values] = {}
    for web_id, each in ready.items():
        buyer = whose[each.command.entity]
        if isinstance(buyer, Rejected):
            run.refused[web_id] = buyer
        else:
            values[web_id] = _sale(each, buyer, run.about)
    await _rewrite(run, {web_id: values[web_id] for web_id in values if web_id in held}, held)
    await _create(run, {web_id: values[web_id] for web_id in values if web_id not in held})
    return await _settle_totals(run, {web_id: ready[web_id] for web_id in values})


async def _priced(run: _Run, web_ids: Sequence[str]) -> dict[str, _Priced]:
    wanted = [run.wanted[web_id] for web_id in web_ids]
    codes = {_code(command, line.sku) for command in wanted for line in command.body.order.lines}
    shipping = run.link.settings.shipping_product
    known = await products(run.link, codes | ({shipping} if shipping else set()))
    ready: dict[str, _Priced] = {}
    for command in wanted:
        try:
            lines = priced(command.body.order, run.about.price_digits)
            values = [_line(line, command, run.about, known, shipping) for line in lines]
            run.about.currency(command.body.order.currency)
        except Rejected as refusal:
            run.refused[web_id_of(command)] = refusal
        else:
            ready[web_id_of(command)] = _Priced(command, lines, values)
    return ready


async def _create(run: _Run, values: Mapping[str, Values]) -> None:
    async def create(some: Sequence[str]) -> None:
        await change(run.link, "model.sale.sale.create", [values[web_id] for web_id in some])

    async def remaining(some: Sequence[str]) -> Sequence[str]:
        held = await run.held()  # another process may have been first
        return [web_id for web_id in some if web_id not in held]

    run.refused |= await isolated(list(values), create, remaining)


async def _rewrite(run: _Run, values: Mapping[str, Values], held: Mapping[str, HeldSale]) -> None:
    """A sale that was cut short gets exactly the lines and addresses its order has now."""
    if not values:
        return
    await _press(run, "draft", [held[web_id] for web_id in values if held[web_id].state == "quotation"])
    ids = {web_id: held[web_id].id for web_id in values}
    old: dict[int, list[int]] = {}
    for line in await rows(run.link, "sale.line", [["sale", "in", list(ids.values())]], SaleLineId):
        old.setdefault(line.sale, []).append(line.id)

    async def rewrite(some: Sequence[str]) -> None:
        new = {web_id: [["delete", old.get(ids[web_id], [])], *values[web_id]["lines"]] for web_id in some}
        await write(run.link, "sale.sale", [(ids[w], values[w] | {"lines": new[w]}) for w in some])

    run.refused |= await isolated(list(values), rewrite)


async def _settle_totals(run: _Run, ready: Mapping[str, _Priced]) -> list[DraftSale]:
    """A shop rounds tax line by line, Tryton by document: the cent between them becomes a line of its own.

    More than rounding can explain is refused: then the two do not mean the same taxes. Answers the drafts that are right.
    """
    open_ = [*_of(run.about, list(ready)), ["state", "=", "draft"]]
    drafts = await rows(run.link, "sale.sale", open_, DraftSale) if ready else []
    roundings: dict[str, tuple[int, Values]] = {}
    for sale in drafts:
        each = ready[sale.web_id]
        order = each.command.body.order
        difference = to_decimal(order.total) - sale.total_amount.value
        if abs(difference) > rounding_allowed(each.lines, order.currency, run.about.price_digits):
            told = f"Tryton's total is {sale.total_amount.value}, the order's {to_decimal(order.total)}"
            run.refused[sale.web_id] = Rejected(f"{told}: prices, taxes or charges differ", field="total")
        elif difference:
            rounding = {"quantity": 1, "unit_price": as_amount(difference), "description": "Rounding"}
            roundings[sale.web_id] = (sale.id, {"lines": [["create", [rounding]]]})

    async def add(some: Sequence[str]) -> None:
        await write(run.link, "sale.sale", [roundings[web_id] for web_id in some])

    run.refused |= await isolated(list(roundings), add)
    return [sale for sale in drafts if sale.web_id not in run.refused]


# --- taking forward ----------------------------------------------------------------------------------------------------


async def _confirm(run: _Run, drafts: Sequence[HeldSale]) -> dict[str, HeldSale]:
    """Quote and confirm; a sale that is refused stays where it is."""
    await _press(run, "quote", drafts)
    await _press(run, "confirm", [sale for sale in drafts if sale.web_id not in run.refused])
    return await run.held()


async def _process(run: _Run, held: Mapping[str, HeldSale]) -> None:
    """Confirming also processes, in a transaction of its own that a crash or one bad sale can undo."""
    await _press(run, "process", [sale for sale in held.values() if sale.state == "confirmed"])


async def _press(run: _Run, button: str, sales: Sequence[HeldSale]) -> None:
    async def press(some: Sequence[HeldSale]) -> None:
        await change(run.link, f"model.sale.sale.{button}", [sale.id for sale in some])

    async def remaining(some: Sequence[HeldSale]) -> Sequence[HeldSale]:
        held = await run.held()
        return [sale for sale in some if sale.web_id in held and held[sale.web_id].state == _FITS[button]]

    refused = await isolated(sales, press, remaining)
    run.refused |= {sale.web_id: refusal for sale, refusal in refused.items()}


# --- values ------------------------------------------------------------------------------------------------------------


def _sale(ready: _Priced, buyer: Buyer, about: Reference) -> Values:
    """A sale as raw RPC needs it: no form runs, so nothing fills in itself."""
    order = ready.command.body.order
    term = {"payment_term": about.payment_term} if about.payment_term else {}
    return {
        "web_shop": about.shop,
        "web_id": web_id_of(ready.command),
        "reference": order.number,
        "origin": f"sale.sale,{first}" if (first := ready.command.refs.get("sale")) else None,
        "company": about.company,
        "warehouse": about.warehouse.id,
        "currency": about.currency(order.currency),
        "party": buyer.party,
        "invoice_address": buyer.invoice_address,
        "shipment_address": buyer.shipment_address,
        "invoice_method": WHOLE if ready.command.body.invoice == "order" else "fulfillment",
        "shipment_method": "order",
        "lines": [["create", ready.values]],
        **term,
    }


def _line(
    line: PricedLine,
    command: Command[SalesOrder],
    about: Reference,
    known: Mapping[str, Sequence[ProductRow]],
    shipping: str,
) -> Values:
    taxes = [
        about.tax(rate, command.refs, f"{line.field}.taxes[{n}].rate")  # by rate: names differ from system to system
        for n, rate in enumerate(line.rates)
    ]
    values: Values = {"quantity": line.quantity, "unit_price": as_amount(line.unit_price), "taxes": [["add", taxes]]}
    code = _code(command, line.sku) if line.sku else shipping
    if not line.line:
        values["description"] = line.title
    else:
        values["note"] = f"{LINE_NOTE}{line.line}"
    if code:
        product = _product(code, line, known)
        values |= {"product": product.id, "unit": product.sale_uom or product.default_uom}
    return values


def _product(code: str, line: PricedLine, known: Mapping[str, Sequence[ProductRow]]) -> ProductRow:
    found = known.get(code, ())
    if len(found) == 1 and found[0].salable:
        return found[0]
    told = "no product" if not found else f"{len(found)} products" if len(found) > 1 else "no salable product"
    raise Rejected(
        f"Tryton has {told} with the code {code!r}", field=f"{line.field}.sku", missing=Missing("product", line.sku)
    )


def _code(command: Command[SalesOrder], sku: str) -> str:
    return command.refs.get(f"product/{sku}", sku)
