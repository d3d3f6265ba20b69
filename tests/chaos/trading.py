"""A retailer whose money goes back in every way at once, and an auditor who looks at the payment provider's ledger only.

What a buyer is entitled to is worked out here from what was handed in, allowed, taken off and cancelled, and from the prices
at the checkout: nothing of the hub's is asked. Amounts are cents.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import time
import tomllib
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import aiohttp
import psycopg

from crossdock.cli.story import HOME
from crossdock.govern.keys import hash_of
from crossdock.kernel.moments import system_clock
from crossdock.simulators.ledger import Entry
from crossdock.simulators.pos_counter import Disposition, Handed
from crossdock.simulators.retailer import HubProcess, Retailer, open_retailer
from crossdock.simulators.shop_actions import Bought
from crossdock.simulators.shop_state import Address, Line, Order, totals
from tests.standin.target import Target

ROOT = Path(__file__).parents[2]
ADDRESS = Address(**HOME)
BASKET = {"MUG-01": 3, "TEE-BLK-M": 2, "CAP-RED": 2}
API_KEY = "cdk_backdesk22_a-key-of-the-back-office-s-own"
OPEN_REASONS = ("refund_uncovered:", "refund_rejected:", "rejected:psp:", "doubt:psp:", "overdrawn:")
"""Causes of cases that say why an order's refund is not made."""
OVER_REASONS = ("over_refunded:", "owed_again:", "lost_dispute:")
"""Causes of cases that say why an order's buyer has more than they were entitled to."""
_READY_SECONDS = 40.0
_BUSY_SECONDS = 240.0
"""Several times what the longest day takes on two cores that have other work: 60 were too few at a load of 12."""


@dataclass
class Sale:
    """One order, its payments at the provider, and what its buyer is entitled to since when."""

    order: Order
    payments: list[str]
    entitled: list[tuple[datetime, int]] = field(default_factory=list[tuple[datetime, int]])
    given: Counter[int] = field(default_factory=Counter[int])
    """Units by line that came back or were taken off."""
    paid_out: int = 0
    """By a till."""
    meddled: bool = False
    """Somebody other than the hub moved its money, or a bank did."""
    vanished: bool = False
    """Its shop was set back to before it was placed: nobody does anything with it there any more."""

    @property
    def entity(self) -> str:
        return f"order:shop:{self.order.id}"

    @property
    def total(self) -> int:
        return sum(_worth(line, line.quantity) for line in self.order.lines)

    def entitled_at(self, moment: datetime) -> int:
        return sum(amount for since, amount in self.entitled if since <= moment)

    def take(self, line: Line, units: int) -> int:
        """What so many more units of a line come to: the last of three thirds takes the cent."""
        before = _worth(line, self.given[line.id])
        self.given[line.id] += units
        return _worth(line, self.given[line.id]) - before

    def line(self, sku: str) -> Line:
        return next(line for line in self.order.lines if line.product.sku == sku)


def _worth(line: Line, units: int) -> int:
    net = line.price * line.quantity
    tax = sum(_half_up(Fraction(net) * Fraction(str(each.rate))) for each in line.taxes)
    return sum(_half_up(Fraction(part * units, line.quantity)) for part in (net, tax))


def _half_up(amount: Fraction) -> int:
    return int(amount + Fraction(1, 2))


@dataclass
class Trade:
    """The retailer, its ERP's stand-in, the orders, and the hub processes at work."""

    retailer: Retailer
    erp: Target | None
    http: aiohttp.ClientSession
    database_url: str
    luck: random.Random
    sales: list[Sale] = field(default_factory=list[Sale])
    looks: list[tuple[Sale, str, dict[str, Disposition], int]] = field(
        default_factory=list[tuple[Sale, str, dict[str, Disposition], int]]
    )
    """Returns nobody has looked at yet: (sale, return, what will be said, what it will come to)."""

    # ---- processes

    async def start(self, count: int = 4, environment: Mapping[str, str] | None = None) -> None:
        """The first has the door; all of them settle and deliver."""
        roles = [(), *[("settle", "deliver")] * (count - 1)]
        await asyncio.gather(*(self.retailer.start_hub(*each, environment=environment) for each in roles))

    @property
    def died(self) -> list[HubProcess]:
        return [hub for hub in self.retailer.hubs if hub.process.poll() is not None]

    async def revive(self) -> int:
        """Start a new process for each that died, as whatever watches them would; answers how many."""
        gone, door = self.died, self.retailer.hubs[0]
        for hub in gone:
            self.retailer.hubs.remove(hub)
            self.retailer.lifeline.untie(hub.pid)
        for hub in gone:
            revived = await self.retailer.start_hub(*(() if hub is door else ("settle", "deliver")))
            if hub is door:
                self.retailer.hubs.remove(revived)
                self.retailer.hubs.insert(0, revived)
        return len(gone)

    def send(self, hub: HubProcess, what: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            hub.process.send_signal(what)
        if what == signal.SIGKILL:
            hub.process.wait()

    def set(self, table: str, **values: Any) -> None:
        """Change what hub processes are told that start from now on; `table`: by its name in the settings. None: not told."""
        told = tomllib.loads(self.retailer.config.read_text())
        held = told
        for part in table.split("."):
            held = held[part]
        held.update(values)
        for name in [name for name, value in values.items() if value is None]:
            del held[name]
        self.retailer.config.write_text(_toml(told))

    # ---- deeds

    async def pay(self, sale: Sale, *amounts: int) -> None:
        for amount in amounts:
            made = await self.do("psp", "pay", order=str(sale.order.id), amount=amount)
            sale.payments.append(made["id"])

    async def place(self, basket: Mapping[str, int] = BASKET, *, mail: bool = True) -> Sale:
        """An order paid by two cards of one provider."""
        shop, nth = self.retailer.shop, len(self.sales) + 1
        lines = [Bought(sku, units) for sku, units in basket.items()]
        order = shop.place_order(
            lines,
            email=f"buyer{nth}@example.com" if mail else None,
            shipping_address=ADDRESS,
            tax_rate="0.1",
            paid=True,
            gateway="cards",
            manual_gateway=True,
        )
        sale = Sale(order, [])
        assert totals(order, current=True).total == sale.total
        self.sales.append(sale)
        first = self.luck.randint(1, sale.total - 1)
        await self.pay(sale, first, sale.total - first)
        return sale

    async def ship(self, sale: Sale) -> None:
        """All of it leaves."""
        lines = [{"line": str(line.id), "units": line.quantity} for line in sale.order.lines]
        await self.do("wms", "ship", reference=sale.entity, location="MAIN", lines=lines)

    def hand_in(self, sale: Sale, units: Mapping[str, int], *, look: bool = True, pay_out: bool = False) -> None:
        """Goods come back at a till, which looks at them at once or later, and may pay out in cash at once."""
        since, worth = system_clock(), sum(sale.take(sale.line(sku), count) for sku, count in units.items())
        said: Disposition = self.luck.choice(("sellable", "damaged", "vendor"))
        handed = [Handed(sku=sku, units=n, disposition=said if look else None) for sku, n in units.items()]
        paid = worth if pay_out else None
        if look:
            sale.entitled.append((since, worth))
        given = self.retailer.till.take_return(handed, receipt=sale.order.name, payout=paid)
        sale.paid_out += paid or 0
        if not look:
            self.looks.append((sale, given["id"], {str(at): said for at in range(len(handed))}, worth))

    def look(self) -> None:
        """Somebody looks at the oldest return that waits for it."""
        sale, id_, said, worth = self.looks.pop(0)
        sale.entitled.append((system_clock(), worth))
        self.retailer.till.inspect(id_, said)

    async def allow(self, sale: Sale, cents: int) -> None:
        """The back office grants an allowance by the REST API, and asks again until it is told that it was taken."""
        sale.entitled.append((system_clock(), cents))
        asked = {"amount": f"{cents / 100:.2f}", "currency": "USD", "reason": "a scratch", "by": "Mara"}
        headers = {"Authorization": f"Bearer {API_KEY}", "Idempotency-Key": f"{sale.order.id}-{len(sale.entitled)}"}
        url = f"{self.retailer.addresses['hub']}/v1/orders/{sale.order.id}/allowances"
        ends = time.monotonic() + _BUSY_SECONDS
        while time.monotonic() < ends:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with self.http.post(
                    url, json=asked, headers=headers, timeout=aiohttp.ClientTimeout(total=3)
                ) as answer:
                    if answer.status == 202:
                        return
                    # 409: the one that was cut off is being done still.
                    assert answer.status == 503 or "in-flight" in await answer.text(), await answer.text()
            await asyncio.sleep(0.2)
        raise AssertionError("nobody took the allowance")

    def lower(self, sale: Sale, sku: str, units: int) -> None:
        """Units that have not left are taken off in the shop."""
        line = sale.line(sku)
        sale.entitled.append((system_clock(), sale.take(line, units)))
        self.retailer.shop.set_quantity(sale.order.id, line.id, line.quantity - sale.given[line.id])

    def cancel(self, sale: Sale) -> None:
        """Nothing of it has left."""
        left = sale.total - sum(_worth(line, sale.given[line.id]) for line in sale.order.lines)
        sale.entitled.append((system_clock(), left))
        self.retailer.shop.cancel_order(sale.order.id)

    async def refund_by_hand(self, sale: Sale, cents: int) -> bool:
        """A clerk does, in the provider's dashboard, with nobody's reference; whether the provider let them."""
        sale.meddled = True
        words = {"payment_intent": self.luck.choice(sale.payments), "amount": cents}
        async with self.http.post(f"{self.retailer.addresses['psp']}/_do/clerk_refund", json=words) as answer:
            return answer.ok

    async def refund_in_full_by_hand(self, sale: Sale) -> None:
        """A clerk gives back all that is left on each payment."""
        sale.meddled = True
        for payment in sale.payments:
            words = {"payment_intent": payment}
            async with self.http.post(f"{self.retailer.addresses['psp']}/_do/clerk_refund", json=words) as answer:
                assert answer.ok or "already been refunded" in await answer.text()

    async def dispute(self, sale: Sale, cents: int) -> None:
        sale.meddled = True
        await self.do("psp", "open_dispute", payment_intent=sale.payments[0], amount=cents)

    async def decide(self, sale: Sale, *, won: bool) -> None:
        await self.do("psp", "close_dispute", payment_intent=sale.payments[0], won=won)

    async def come_back(self, sale: Sale) -> bool:
        """The buyer's bank sends a refund of ours back; whether there was one."""
        held = {refund["id"] for refund in self.retailer.payments.books.all("refund")}
        for each in self.refunds_of(sale):
            if each.key and each.details["refund"] in held:
                sale.meddled = True
                await self.do("psp", "settle_refund", refund=each.details["refund"], outcome="failed")
                return True
        return False

    async def do(self, where: str, deed: str, **words: Any) -> Any:
        async with self.http.post(f"{self.retailer.addresses[where]}/_do/{deed}", json=words) as answer:
            assert answer.ok, f"{deed}: {await answer.text()}"
            return await answer.json()

    # ---- waiting

    async def until(self, what: str, question: Any, seconds: float = 60.0) -> None:
        ends = time.monotonic() + seconds
        while not question():
            assert time.monotonic() < ends, f"not so after {seconds:.0f} s: {what}\n{self.open_work()}"
            await asyncio.sleep(0.1)

    async def all_sold(self) -> None:
        """The ERP has sold every order, and the warehouse has been asked to ship it."""

        def sold() -> bool:
            asked = {entry.key for entry in self.retailer.warehouse.ledger.select("order_received")}
            wanted = {sale.entity for sale in self.sales}
            taken = wanted if self.erp is None else {s.partition("/")[0] for s in self.erp.slots("sales_order")}
            return wanted <= asked and wanted <= taken

        await self.until("all is sold", sold)
        await self.at_rest()

    async def at_rest(self, seconds: float = _BUSY_SECONDS) -> None:
        """Every webhook has been told or given up, and nothing that has to do with money is left but for people and clocks."""
        shop, till, psp = self.retailer.shop, self.retailer.till, self.retailer.payments
        await psp.mischief.settled()
        for sender in (psp.sender, till.sender, shop.sender, self.retailer.warehouse.sender):
            await asyncio.wait_for(sender.idle(), seconds)
        await self.until("the hub is at rest", lambda: not self.open_work(), seconds)

    async def all_told(self) -> None:
        """As at rest, and every other system has been told, too: the shop must know of a parcel before its return."""
        await self.at_rest()
        untold = "select 1 from due where due_at < 'infinity' limit 1"
        await self.until("all is told", lambda: not self.rows(untold), _BUSY_SECONDS)
        await self.at_rest()

    def open_work(self) -> list[tuple[Any, ...]]:
        return self.rows(
            "select 'inbox', count(*)::text, '' from inbox_pending having count(*) > 0"
            " union all select 'dirty', entity, '' from dirty"
            " union all select 'braked', connection, reason from brake where connection in ('psp', 'till')"
            " union all select 'due', p.entity || '/' || p.name, d.stage || ' at ' || d.due_at || ' tried ' || d.attempts"
            " from due d join promise p on p.id = d.promise"
            " where d.due_at < 'infinity' and (p.verb = 0 or p.target in ('psp', 'till'))"
            # Searched for when nothing of it can still travel: half an hour from now, where the provider keeps keys. What
            # else is to be done to the same payment waits for it (S8).
            " and not exists (select from due q where (q.entity, q.target, q.document) = (d.entity, d.target, d.document)"
            " and q.stage = 3 and q.due_at > now() + interval '10 minutes' and (q.promise = d.promise or d.stage = 0))"
        )

    def rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(statement, parameters).fetchall()  # pyright: ignore

    # ---- auditing

    def refunds_of(self, sale: Sale) -> list[Entry]:
        ledger = self.retailer.payments.ledger
        return [entry for entry in ledger.select("refunded") if entry.details["order"] == str(sale.order.id)]

    def reasons(self, sale: Sale) -> set[str]:
        """What the hub says to people about the sale's money: cases, approvals and waits, each by its name."""
        found = self.rows(
            "select c.cause from case_item i join cases c on c.id = i.case_id where i.entity = %(e)s and c.closed_at is null"
            " union all select 'approval:' || name from approval_request where entity = %(e)s"
            " union all select 'wait:' || name from waiting where entity = %(e)s"
            " union all select 'doubt:psp:' || p.name from due d join promise p on p.id = d.promise"
            " where p.entity = %(e)s and p.target = 'psp' and d.stage = 3".replace("%(e)s", "%s"),
            *[sale.entity] * 4,
        )
        told = {str(row[0]) for row in found}
        money = (*OPEN_REASONS, *OVER_REASONS, "approval:refund:", "wait:refund:", "wait:dispute:", "wait:pay_back:")
        return {each for each in told if each.startswith(money)}


@dataclass
class Audit:
    """The provider's ledger, read line by line."""

    trade: Trade
    captured: Counter[str] = field(default_factory=Counter[str])
    refunded: Counter[str] = field(default_factory=Counter[str])
    ours: Counter[str] = field(default_factory=Counter[str])
    """Net of what failed, by order; and so are the two below."""
    others: Counter[str] = field(default_factory=Counter[str])
    lost: Counter[str] = field(default_factory=Counter[str])
    faults: list[str] = field(default_factory=list[str])
    """Everything that is wrong, in words."""
    _by_us: dict[str, bool] = field(default_factory=dict[str, bool])

    def __post_init__(self) -> None:
        self.faults = [*self._instants(), *self._twice(), *self._ends()]

    def _instants(self) -> Iterator[str]:
        """After every entry: no more refunded than captured, and no more by us than anybody was entitled to then."""
        sales = {str(sale.order.id): sale for sale in self.trade.sales}
        for entry in self.trade.retailer.payments.ledger.entries:
            self._read(entry)
            charge, order = entry.details.get("charge", ""), entry.details.get("order", "")
            if self.refunded[charge] > self.captured[charge]:
                yield f"entry {entry.seq}: {self.refunded[charge]} of {self.captured[charge]} refunded on {charge}"
            if entry.what == "refunded" and entry.key and self.ours[order] > sales[order].entitled_at(entry.at):
                yield f"entry {entry.seq}: {self.ours[order]} > {sales[order].entitled_at(entry.at)} on order {order}"

    def _read(self, entry: Entry) -> None:
        told = entry.details
        match entry.what:
            case "captured":
                self.captured[told["charge"]] += told["amount"]
            case "refunded":
                self._by_us[told["refund"]] = bool(entry.key)
                self._count(told, told["amount"])
            case "refund_failed":
                self._count(told, -told["amount"])
            case "dispute_closed" if told["status"] == "lost":
                self.lost[told["order"]] += told["amount"]
            case _:
                pass

    def _count(self, told: Mapping[str, Any], amount: int) -> None:
        self.refunded[told["charge"]] += amount
        (self.ours if self._by_us[told["refund"]] else self.others)[told["order"]] += amount

    def _twice(self) -> Iterator[str]:
        made = self.trade.retailer.payments.ledger.select("refunded")
        for key, count in Counter(entry.key for entry in made if entry.key).items():
            if count > 1:
                yield f"executed {count} times: {key}"
        for key, count in Counter(e.details["metadata"].get("crossdock_key", "") for e in made).items():
            if key and count > 1:
                yield f"paid {count} times by reference: {key}"

    def _ends(self) -> Iterator[str]:
        for sale in self.trade.sales:
            reasons, order = self.trade.reasons(sale), str(sale.order.id)
            got = self.ours[order] + self.others[order] + sale.paid_out + self.lost[order]
            entitled = sum(amount for _, amount in sale.entitled)
            said = f"{sale.entity}: {got} of {entitled} (ours {self.ours[order]}, by hand {self.others[order]},"
            said += f" till {sale.paid_out}, lost {self.lost[order]}), {sorted(reasons)}"
            over = {each for each in reasons if each.startswith(OVER_REASONS)}
            if got > entitled and not over:
                yield f"too much, and nobody is told: {said}"
            if got < entitled and not reasons - over:
                yield f"too little, and nobody is told: {said}"
            # Three bad answers in a row use up a key: the refund is looked for, and paid, half an hour later (decision 0016).
            in_doubt = reasons and all(each.startswith("doubt:psp:") for each in reasons)
            if not sale.meddled and not in_doubt and (got != entitled or reasons):
                yield f"nobody meddled, and yet: {said}"

    def short(self) -> int:
        """How many orders' buyers have less than they are entitled to, where people are told why; nothing else is wrong."""
        assert [fault for fault in self.faults if not fault.startswith("nobody meddled")] == []
        return len([sale for sale in self.trade.sales if self.trade.reasons(sale)])

    @property
    def settled(self) -> int:
        """Orders whose buyers have exactly what they were entitled to."""
        return sum(
            self.ours[o] + self.others[o] + s.paid_out + self.lost[o] == sum(a for _, a in s.entitled)
            for s in self.trade.sales
            for o in [str(s.order.id)]
        )


@contextlib.asynccontextmanager
async def trading(
    folder: Path,
    database_url: str,
    *,
    seed: int = 1,
    psp: Mapping[str, Any] | None = None,
    terms: Sequence[Mapping[str, Any]] = (),
    erp: bool | Literal["tryton"] = True,
    connections: Mapping[str, Mapping[str, Any]] | None = None,
    mail: bool = True,
    scopes: Sequence[str] = ("allowances:write",),
) -> AsyncGenerator[Trade]:
    """Every system on empty books; hub processes are the caller's to start. Short leases, so that nobody waits for long.

    `erp`: a stand-in, the real Tryton (which takes longer over everything, and has longer leases), or none.
    """
    with psycopg.connect(database_url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(
            "insert into consumer values ('desk', 'the back office', 'main', '', %s, 1000000, now())", [list(scopes)]
        )
        connection.execute("insert into api_key values ('backdesk22', 'desk', %s, now())", [hash_of(API_KEY)])
        # What a sleeper holds locked in the middle of a transaction the database takes from it; here sooner than usual.
        connection.execute(f'alter database "{name}" set transaction_timeout = 1500')  # pyright: ignore
    # Tryton takes up to 2 s for an invoice, and longer when two cores are busy.
    hub = {"lease_seconds": 1.0, "call_lease_seconds": 25.0 if erp == "tryton" else 2.5, "probe_seconds": 0.2}
    async with (
        Target().serve() as target,
        open_retailer(folder, with_erp=erp == "tryton", database_url=database_url, hub=hub) as retailer,
        aiohttp.ClientSession() as http,
    ):
        told = tomllib.loads(retailer.config.read_text())
        told["policy"]["returns"] = [dict(each) for each in terms]
        told["connections"]["psp"] |= {"timeout_seconds": 1.0, **(psp or {})}
        for each in ("shop", "wms", "till"):
            told["connections"][each]["timeout_seconds"] = 1.5
        if erp is True:
            told["roles"]["erp"] = "erp"
            told["connections"]["erp"] = {"connector": "tests.chaos.any_erp", "url": target.url}
        if not mail:
            del told["roles"]["mail"]
        for name, more in (connections or {}).items():
            told["connections"].get(name, {}).update(more)
        retailer.config.write_text(_toml(told))
        retailer.environment = {**retailer.environment, "PYTHONPATH": str(ROOT)}
        yield Trade(retailer, target if erp is True else None, http, database_url, random.Random(seed))


def _toml(told: Mapping[str, Any]) -> str:
    """As TOML has it, one line for each key of a section."""
    tables = {name: each for name, each in told.items() if name != "connections"}
    tables |= {f"connections.{name}": each for name, each in told["connections"].items()}
    return "\n".join(
        line
        for name, table in tables.items()
        for line in [f"[{name}]", *(f"{k} = {_value(v)}" for k, v in table.items())]
    )


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_value(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value)
