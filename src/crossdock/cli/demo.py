"""`crossdock demo`: the product with example settings, a story played on it, and the books held against each other."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
import shutil
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import msgspec

from crossdock.cli import checking
from crossdock.cli.story import HOME, NotConverged, Story
from crossdock.simulators.retailer import FINANCE, NotOpened, Retailer, open_retailer
from crossdock.simulators.retailer_books import disagreements
from crossdock.simulators.retailer_ledgers import Books
from crossdock.simulators.tryton import NotBooted
from crossdock.store.checking import Check

FOLDER = ".crossdock/demo"
_CONVERGED_SECONDS_MAX = 30.0


@dataclass
class Teller:
    """Says each line of the story as it happens: plain text, or a JSON line."""

    wants_json: bool
    began: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        """One thing that came about."""
        if self.wants_json:
            self.json({"at_seconds": self.seconds, "said": text})
        else:
            click.echo(click.style(f"{self.seconds:6.1f} s  ", dim=True) + text)

    def head(self, text: str) -> None:
        if not self.wants_json:
            click.echo("\n" + click.style(text, bold=True))

    def text(self, text: str) -> None:
        if not self.wants_json:
            click.echo(text)

    def json(self, value: object) -> None:
        click.echo(json.dumps(value, ensure_ascii=False))

    @property
    def seconds(self) -> float:
        return round(time.monotonic() - self.began, 1)


def play(folder: Path, *, once: bool, wants_json: bool) -> bool:
    """Play the demo; answers whether all books agree. Returns early when it is interrupted."""
    return asyncio.run(_until_stopped(folder, once=once, teller=Teller(wants_json)))


async def _until_stopped(folder: Path, *, once: bool, teller: Teller) -> bool:
    """SIGINT and SIGTERM end the play where it is; everything it started is stopped on the way out."""
    playing = asyncio.create_task(_play(folder, once=once, teller=teller))
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, playing.cancel)
    try:
        return await playing
    except asyncio.CancelledError:
        teller.text("\nStopped; nothing is left running.")
        return not once


async def _play(folder: Path, *, once: bool, teller: Teller) -> bool:
    teller.head(
        "Crossdock demo: a shop, a warehouse, a store's till, a payment provider, a mail server and a real Tryton,"
        " kept in step by two hub processes"
    )
    result: dict[str, Any] = {"ok": False}
    try:
        async with open_retailer(folder, say=teller.say) as retailer:
            await asyncio.gather(retailer.start_hub(), retailer.start_hub("settle", "deliver"))
            teller.say(
                f"Two hub processes work on one PostgreSQL; webhooks come in at {retailer.addresses['hub']}/in/."
            )
            result = await _told(retailer, teller)
            if not once:
                _, link = await retailer.ask("console", "--by", FINANCE)
                _invite(retailer, teller, link.strip())
                await asyncio.Event().wait()
    except (NotConverged, NotOpened, NotBooted) as error:
        result["failure"] = str(error)
        teller.text(click.style(f"\n{error}", fg="red"))
    result["seconds"] = teller.seconds
    if once:
        teller.json(result)
    return bool(result["ok"])


async def _told(retailer: Retailer, teller: Teller) -> dict[str, Any]:
    """The story, the timeline, the counts, and the verdict."""
    story = Story(retailer, teller.say)
    teller.head("The story")
    try:
        await story.play()
        await _converged(retailer)
    except NotConverged:
        await _explain(retailer, story, teller)
        raise
    books, (_, timeline), counts = await asyncio.gather(
        story.books(), retailer.ask("trace", str(story.order)), retailer.ask_json("check", "--books")
    )
    differing = list(disagreements(books))
    teller.head(f"crossdock trace '{books.order.name}'")
    teller.text(timeline.rstrip())
    teller.head("crossdock check --books")
    teller.text(checking.as_text(msgspec.convert(counts, Check)))
    teller.head("The books of Tryton, shop, warehouse, till, payment provider and mail server")
    for line in differing or ["agree: goods, places, addresses, money and taxes to the cent, each thing once."]:
        teller.say(line)
    return {"ok": not differing and counts["holds"], **_summary(books), "disagreements": differing, "check": counts}


def _summary(books: Books) -> dict[str, Any]:
    return {
        "order": books.order.name,
        "sales": [sale["number"] for sale in books.sales or ()],
        "parcels": [parcel["tracking"]["number"] for parcel in books.parcels],
        "shipments": [shipment["number"] for shipment in books.left],
        "invoices": {invoice["number"]: invoice["total"] for invoice in books.billed},
        "returns": [shipment["number"] for shipment in books.received],
        "refunds": {entry["refund"]: f"{entry['amount'] / 100:.2f}" for entry in books.refunded},
        "credit_memos": {note["number"]: note["total"].lstrip("-") for note in books.corrected},
        "fulfilments": [fulfilment.name for fulfilment in books.fulfilments],
        "mails": len(books.mails),
    }


async def _converged(retailer: Retailer) -> None:
    """Waits until nothing is in flight any more."""
    until = time.monotonic() + _CONVERGED_SECONDS_MAX
    while True:
        counts: dict[str, Any] = await retailer.ask_json("check")
        states = counts["states"]
        if states["converged"] == sum(states.values()) and not counts["inbox"]["pending"]:
            return
        if time.monotonic() > until:
            raise NotConverged(f"not everything has converged: {states}")
        await asyncio.sleep(0.2)


async def _explain(retailer: Retailer, story: Story, teller: Teller) -> None:
    """What the hub itself says about a story that stands still."""
    for words in (("trace", f"order:shop:{story.order}"), ("cases",), ("check",)):
        teller.head(f"crossdock {' '.join(words)}")
        teller.text((await retailer.ask(*words))[1].rstrip())
    for hub in retailer.hubs:
        teller.text(f"{hub.log}:\n{hub.log.read_text()[-1500:]}")


def _invite(retailer: Retailer, teller: Teller, link: str) -> None:
    """Four things to try, each a command that works as it stands."""
    shop = retailer.addresses["shop"]
    bag = _in_file(retailer, "order-bag", _order(retailer, "BAG-01"))
    hat = _in_file(retailer, "order-hat", _order(retailer, "HAT-01"))
    new = _in_file(retailer, "new-hat", {"sku": "HAT-01", "title": "Hat", "price": "15.00"})
    paid = min(retailer.shop.world.orders)
    name = retailer.shop.world.orders[paid].name
    by_hand = _in_file(retailer, "refund-by-hand", {"order": str(paid), "amount": 500})
    next_name = f"#{1001 + len(retailer.shop.world.orders)}"
    teller.head("Four things to try (in another terminal, from this folder)")
    teller.text(
        "1. Kill a hub process and order a bag; the other one does the work (its share of the dead one's within 10 s):"
    )
    teller.text(f"     kill -9 {retailer.hubs[1].pid}")
    teller.text(f"     curl -s -d @{bag} {shop}/_do/place_order > /dev/null")
    teller.text(f"     {_crossdock(retailer, 'trace', next_name)}")
    teller.text("2. Order what Tryton doesn't know; it becomes one case, and a mapping releases all it blocked:")
    teller.text(f"     curl -s -d @{new} {shop}/_do/add_product > /dev/null")
    teller.text(f"     curl -s -d @{hat} {shop}/_do/place_order > /dev/null")
    teller.text(f"     {_crossdock(retailer, 'cases')}")
    teller.text(f"     {_crossdock(retailer, 'map', 'erp', 'product', 'HAT-01', 'CAP-RED')}")
    teller.text(
        "3. Refund 5.00 by hand at the payment provider, which nobody is owed; it becomes a case with the amount:"
    )
    teller.text(f"     curl -s -d @{by_hand} {retailer.addresses['psp']}/_do/clerk_refund > /dev/null")
    teller.text(f"     {_crossdock(retailer, 'cases')}")
    teller.text(f"     {_crossdock(retailer, 'books', name)}")
    teller.text("4. Take every message in once more; nothing is done twice:")
    teller.text(f"     {_crossdock(retailer, 'replay')}")
    teller.text(f"     {_crossdock(retailer, 'check')}")
    _addresses(retailer, teller)
    teller.head("The console: what needs people, in a browser")
    teller.text(f"  {link}")
    teller.text(
        f"  It lets {FINANCE} in once, within half an hour; another: {_crossdock(retailer, 'console', '--by', FINANCE)}"
    )
    teller.text("\nRunning until Ctrl-C.")


def _addresses(retailer: Retailer, teller: Teller) -> None:
    teller.head("Addresses")
    for name, address in retailer.addresses.items():
        ledger = "" if name in ("hub", "erp") else f"    its true ledger: {address}/_ledger"
        teller.text(f"  {name:9} {address}{ledger}")
    teller.text(f"  {'settings':9} {_near(retailer.config)}")


def _order(retailer: Retailer, sku: str) -> dict[str, Any]:
    customer = next(iter(retailer.shop.world.customers))
    lines = [{"sku": sku, "quantity": 1}]
    return {"lines": lines, "customer": customer, "shipping_address": HOME, "tax_rate": "0.1", "charged": True}


def _in_file(retailer: Retailer, name: str, words: object) -> str:
    """What somebody would type into the shop, in a file that curl can send."""
    file = retailer.folder / f"{name}.json"
    file.write_text(json.dumps(words, indent=2))
    return shlex.quote(_near(file))


def _crossdock(retailer: Retailer, *words: str) -> str:
    """The command as it can be typed where the demo was started."""
    beside = Path(sys.executable).with_name("crossdock")
    program = "crossdock" if shutil.which("crossdock") else _near(beside)
    return shlex.join([program, "--config", _near(retailer.config), *words])


def _near(path: Path) -> str:
    with contextlib.suppress(ValueError):
        return str(path.absolute().relative_to(Path.cwd()))
    return str(path)
