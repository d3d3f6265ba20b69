# Crossdock's provisioning of a Tryton ERP for tests and demos.
# Copyright (C) 2026 The Crossdock authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This program is free software: you can redistribute it and/or modify it under the terms of the GNU General Public
# License as published by the Free Software Foundation, either version 3 of the License, or (at your option) any later
# version.
#
# This program is distributed in the hope that it will be useful, but WITHOUT ANY WARRANTY; without even the implied
# warranty of MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE. See the GNU General Public License for more details.
#
# You should have received a copy of the GNU General Public License along with this program. If not, see
# <https://www.gnu.org/licenses/>.
"""Builds a furnished Tryton database from nothing, and serves one; runs in Tryton's own environment and is imported by nobody."""

from __future__ import annotations

import argparse
import datetime as dt
import gc
import gzip
import json
import os
import shutil
import sqlite3
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import sample
from tempfile import TemporaryDirectory
from typing import Any
from weakref import WeakSet

from trytond import config

DATABASE = "shop"
MODULES = ["sale", "account_invoice_stock", "stock_split", "web_shop"]
COUNTRIES = """US USA United States, CA CAN Canada, GB GBR United Kingdom, DE DEU Germany, FR FRA France,
AT AUT Austria"""
STATES = """AL Alabama, AK Alaska, AZ Arizona, AR Arkansas, CA California, CO Colorado, CT Connecticut, DE Delaware,
FL Florida, GA Georgia, HI Hawaii, ID Idaho, IL Illinois, IN Indiana, IA Iowa, KS Kansas, KY Kentucky, LA Louisiana,
ME Maine, MD Maryland, MA Massachusetts, MI Michigan, MN Minnesota, MS Mississippi, MO Missouri, MT Montana,
NE Nebraska, NV Nevada, NH New Hampshire, NJ New Jersey, NM New Mexico, NY New York, NC North Carolina,
ND North Dakota, OH Ohio, OK Oklahoma, OR Oregon, PA Pennsylvania, RI Rhode Island, SC South Carolina,
SD South Dakota, TN Tennessee, TX Texas, UT Utah, VT Vermont, VA Virginia, WA Washington, WV West Virginia,
WI Wisconsin, WY Wyoming"""
# Outside the range the kernel lends to outgoing connections, so that nobody takes the port while the ERP is down, and
# a client that keeps knocking never connects to itself.
PORTS = range(20_000, 30_000)


# --- build ---------------------------------------------------------------------------------------------------------


def build(seed: dict[str, Any], into: Path) -> None:
    """Write `shop.sqlite.gz` and `facts.json` into a folder."""
    with TemporaryDirectory(dir=into) as scratch:
        folder = Path(scratch)
        use_folder(folder)
        (folder / f"{DATABASE}.sqlite").touch()  # Tryton connects only to a file that exists
        tell("activating modules")
        activate_modules(folder, seed["password"])
        tell("furnishing the company")
        facts = furnish(seed)
        tell("packing the snapshot")
        pack(folder, into / f"{DATABASE}.sqlite.gz")
    (into / "facts.json").write_text(json.dumps(facts, indent=1, sort_keys=True))


def use_folder(folder: Path) -> None:
    """Point Tryton at the databases in a folder."""
    config.set("database", "uri", "sqlite://")
    config.set("database", "path", str(folder))
    make_lists_fit_sqlite()
    keep_connections()
    write_one_at_a_time()
    hash_lightly()


def make_lists_fit_sqlite() -> None:
    """Lift two limits that calls with long lists meet on SQLite and not on PostgreSQL."""
    from sql.operators import Or

    # A bulk confirmation holds SQLite's only write lock for 5 s and more; the default gives up after 5.
    sqlite3.connect = partial(sqlite3.connect, timeout=60)
    # Tryton's check of unique values nests one OR in another per record; SQLite 3.40 parses 100 levels ("parser stack
    # overflow", and Tryton answers 503). The same condition, flat.
    Or.__or__ = lambda self, other: Or([*self, other])


def keep_connections() -> None:
    """Lend a connection out again when its transaction has ended; a new one reads the schema of a thousand tables first."""
    from trytond.backend.sqlite import database

    class Kept(database.SQLiteConnection):
        """Whoever gets it next reads what is there by then: of what was read before, nothing holds on to that time."""

        def __init__(self, *given: Any, **options: Any) -> None:
            super().__init__(*given, **options)
            self.reading: WeakSet[sqlite3.Cursor] = WeakSet()

        def cursor(self, **options: Any) -> sqlite3.Cursor:
            cursor = super().cursor(**options)
            self.reading.add(cursor)
            return cursor

        def end(self) -> None:
            for cursor in list(self.reading):  # an error's traceback keeps some alive, half read
                cursor.close()
            self.reading.clear()
            self.rollback()  # what a failed commit left open

    Database = database.Database
    sqlite3.connect = partial(sqlite3.connect, check_same_thread=False)  # one thread after another, never two at once
    opened, idle = Database.connect, defaultdict(list)

    def connect(self: Any) -> Any:
        if self._conn is None:
            with suppress(IndexError):  # none is idle
                self._conn = idle[self.name].pop()
        return opened(self)

    def put_connection(self: Any, connection: Any = None) -> None:
        if self._conn is not None:
            self._conn.end()
            idle[self.name].append(self._conn)
            self._conn = None

    database.SQLiteConnection, Database.connect, Database.put_connection = Kept, connect, put_connection


def hash_lightly() -> None:
    """Check the one password, which the simulator's source names, without the time that is to stop who guesses."""
    import pwdlib.hashers.argon2 as argon2

    argon2.Argon2Hasher = partial(argon2.Argon2Hasher, time_cost=1, memory_cost=8, parallelism=1)


def write_one_at_a_time() -> None:
    """Take SQLite's write lock when a writing transaction begins, before it reads what it decides by.

    As it comes, Tryton takes it at the first write, and its own locks are empty on SQLite: two requests that process one sale
    at once both find no invoice and make one each. PostgreSQL refuses the second of them, which is then tried again.
    """
    from trytond.backend.sqlite.database import Database
    from trytond.ir.error import Error
    from trytond.transaction import Transaction

    opened, reported = Database.get_connection, Error.report.__func__

    def get_connection(self: Any, autocommit: bool = False, readonly: bool = False, **options: Any) -> Any:
        connection = opened(self, autocommit=autocommit, readonly=readonly, **options)
        # One inside another (to explain a refused value, say) has its own connection and would wait for its outer one.
        outermost = len(Transaction._local.transactions) == 1
        if outermost and not autocommit and not readonly:
            connection.execute("BEGIN IMMEDIATE")
        return connection

    def report(cls: Any, origin: Any, exception: Exception) -> None:
        # On a connection of its own too. Whoever reports gives up its transaction right after; here it does before.
        Transaction().rollback()
        reported(cls, origin, exception)

    Database.get_connection = get_connection
    Error.report = classmethod(report)


def tell(what: str) -> None:
    print(what, flush=True)


def activate_modules(folder: Path, password: str) -> None:
    """What `trytond-admin -u MODULES --activate-dependencies` does, in this process."""
    from trytond import admin, commandline
    from trytond.pool import Pool

    secret = folder / "password"
    secret.write_text(password)
    os.environ["TRYTONPASSFILE"] = str(secret)
    options = ["-d", DATABASE, "-u", *MODULES, "--activate-dependencies", "--indexes", "--email", "admin@example.com"]
    Pool.start()
    with records_trusted():
        admin.run(commandline.get_parser_admin().parse_args(options))


@contextmanager
def records_trusted() -> Iterator[None]:
    """Skip the validation of the records that the modules bring: half of 16 s, and the result is the same row for row."""
    from trytond.model import ModelStorage

    checked = ModelStorage.__dict__["_validate"]
    ModelStorage._validate = classmethod(lambda cls, records, field_names=None: None)
    try:
        yield
    finally:
        ModelStorage._validate = checked


def pack(folder: Path, snapshot: Path) -> None:
    """Leave one compact, compressed file: no free pages, no write-ahead log to copy along."""
    compact = folder / "compact.sqlite"
    connection = sqlite3.connect(folder / f"{DATABASE}.sqlite")
    connection.execute("VACUUM INTO ?", [str(compact)])
    connection.close()
    with compact.open("rb") as source, gzip.open(snapshot, "wb", compresslevel=6) as target:
        shutil.copyfileobj(source, target)


# --- the company -----------------------------------------------------------------------------------------------------


def furnish(seed: dict[str, Any]) -> dict[str, Any]:
    """Everything a shop's first order needs, and what a client may want to know of it."""
    from proteus import config as proteus_config
    from trytond.modules.company.tests.tools import create_company, get_company

    proteus_config.set_trytond(DATABASE, user="admin")
    party = model("party.party")(name=seed["company"])
    party.save()
    create_company(party, "USD")
    company = get_company()
    accounts = books(company)
    tax = sales_tax(company, accounts, Decimal(seed["tax_rate"]))
    term = payment_term()
    countries = geography()
    sale_defaults()
    warehouse, locations, set_aside = storage(seed)
    products = catalogue(seed, accounts, tax)
    for code, location in locations.items():
        stock_up(company, location, {products[p["sku"]]: p["stock"].get(code, 0) for p in seed["products"]})
    user, key = hub_user(seed, company, warehouse)
    shop = web_shop(seed, company, warehouse)
    return {
        "database": DATABASE,
        "user": user.login,
        "password": seed["password"],
        "application_key": key.key,
        "user_id": user.id,
        "company": company.id,
        "company_name": party.name,
        "currency": company.currency.id,
        "currency_code": "USD",
        "shop": shop.id,
        "shop_name": shop.name,
        "warehouse": warehouse.id,
        "warehouse_code": warehouse.code,
        "storage": warehouse.storage_location.id,
        "output": warehouse.output_location.id,
        "locations": locations,
        "set_aside": set_aside,
        "unit": one("product.uom", symbol="u").id,
        "tax": tax.id,
        "tax_name": tax.name,
        "tax_rate": seed["tax_rate"],
        "payment_term": term.id,
        "accounts": {kind: account.id for kind, account in accounts.items()},
        "countries": countries,
        "products": products,
        "fiscal_years": [year.name for year in model("account.fiscalyear").find([], order=[("start_date", "ASC")])],
    }


def model(name: str) -> Any:
    from proteus import Model

    return Model.get(name)


def saved(kind: str, /, **values: Any) -> Any:
    record = model(kind)(**values)
    record.save()
    return record


def created(kind: str, values: list[dict[str, Any]]) -> list[int]:
    """Make many records at once without their forms, which take 50 ms each."""
    from proteus.config import get_config

    ids: list[int] = []
    for start in range(0, len(values), 200):
        ids += model(kind)._proxy.create(values[start : start + 200], get_config().context)
    return ids


def one(kind: str, /, **values: Any) -> Any:
    (record,) = model(kind).find([(field, "=", value) for field, value in values.items()])
    return record


def geography() -> dict[str, int]:
    """A handful of countries and the states of one, instead of the five thousand places of the official import."""
    rows = [country.split(maxsplit=2) for country in COUNTRIES.split(",")]
    ids = created("country.country", [{"code": code, "code3": code3, "name": name} for code, code3, name in rows])
    countries = {code: country for (code, _, _), country in zip(rows, ids, strict=True)}
    states = [state.split(maxsplit=1) for state in STATES.split(",")]
    here = {"country": countries["US"], "type": "state"}
    created("country.subdivision", [{"code": f"US-{code}", "name": name, **here} for code, name in states])
    return countries


def books(company: Any) -> dict[str, Any]:
    """A chart of accounts, and fiscal years that are still open on New Year's Day."""
    from trytond.modules.account.tests.tools import create_chart, create_fiscalyear, get_accounts
    from trytond.modules.account_invoice.tests.tools import set_fiscalyear_invoice_sequences

    create_chart(company)
    this_year = dt.date.today().year
    for year in (this_year, this_year + 1):
        span = (dt.date(year, 1, 1), dt.date(year, 12, 31))
        fiscal_year = set_fiscalyear_invoice_sequences(create_fiscalyear(company, span))
        prefix(fiscal_year.invoice_sequences[0].out_invoice_sequence, f"INV-{year}-")
        fiscal_year.save()
        fiscal_year.click("create_period")
    return get_accounts(company)


def sales_tax(company: Any, accounts: dict[str, Any], rate: Decimal) -> Any:
    from trytond.modules.account.tests.tools import create_tax

    tax = create_tax(rate, company)
    tax.name = tax.description = f"Sales tax {rate:.0%}"
    tax.save()
    return tax


def payment_term() -> Any:
    """Due at once; the default, so that a sale made over RPC gets it though no form runs."""
    term = one("account.invoice.payment_term", name="Upon Receipt")
    configuration = model("account.configuration")(1)
    configuration.default_customer_payment_term = term
    configuration.save()
    return term


def sale_defaults() -> None:
    """Invoice what was shipped, ship what was ordered; numbers that say what they number."""
    configuration = model("sale.configuration")(1)
    configuration.sale_invoice_method = "fulfillment"
    configuration.sale_shipment_method = "order"
    configuration.save()
    prefix(configuration.sale_sequence, "SO-")
    prefix(model("stock.configuration")(1).shipment_out_sequence, "SHIP-")


def prefix(sequence: Any, text: str) -> None:
    sequence.prefix = text
    sequence.save()


def storage(seed: dict[str, Any]) -> tuple[Any, dict[str, int], dict[str, int]]:
    """The warehouse, the named places that parcels leave from, and those beside them for what isn't for sale."""
    location = model("stock.location")
    (warehouse,) = location.find([("type", "=", "warehouse")])
    picking = saved("stock.location", name="Picking", type="storage", parent=warehouse.storage_location)
    warehouse.code, warehouse.name, warehouse.picking_location = seed["warehouse"], seed["warehouse_name"], picking
    warehouse.save()
    places = coded_places(seed["locations"], picking.id)
    return warehouse, places, coded_places(seed["set_aside"], warehouse.storage_location.id)


def coded_places(named: dict[str, str], parent: int) -> dict[str, int]:
    shared = {"type": "storage", "parent": parent}
    ids = created("stock.location", [{"code": code, "name": name, **shared} for code, name in named.items()])
    return dict(zip(named, ids, strict=True))


def catalogue(seed: dict[str, Any], accounts: dict[str, Any], tax: Any) -> dict[str, int]:
    """One product per SKU; its code is the SKU."""
    category = saved(
        "product.category",
        name="Merchandise",
        accounting=True,
        account_revenue=accounts["revenue"],
        account_expense=accounts["expense"],
        customer_taxes=[tax],
    )
    unit = one("product.uom", symbol="u").id
    shared = {"type": "goods", "default_uom": unit, "sale_uom": unit, "salable": True, "account_category": category.id}
    templates = []
    for item in seed["products"]:
        price = Decimal(item["list_price"])
        variant = {"cost_price": (price / 2).quantize(Decimal("0.01"))}
        naming = {"name": item["name"], "code": item["sku"], "list_price": price}
        templates.append({**shared, **naming, "products": [("create", [variant])]})
    created("product.template", templates)
    return {product.code: product.id for product in model("product.product").find([])}


def stock_up(company: Any, location: int, quantities: dict[int, int]) -> None:
    """Count the opening stock of a location."""
    inventory = saved("stock.inventory", company=company, location=model("stock.location")(location))
    counted = [
        {"inventory": inventory.id, "product": product, "quantity": quantity}
        for product, quantity in quantities.items()
        if quantity
    ]
    created("stock.inventory.line", counted)
    inventory.click("confirm")


def hub_user(seed: dict[str, Any], company: Any, warehouse: Any) -> tuple[Any, Any]:
    """The user a hub signs in as, with every right but the administrator's."""
    user = model("res.user")(name="Hub", login=seed["user"], password=seed["password"])
    user.companies.append(company)
    user.company = company
    user.warehouse = warehouse
    user.groups.extend(group for group in model("res.group").find([]) if group not in user.groups)
    user.save()
    return user, saved("res.user.application", user=user, application="rest")


def web_shop(seed: dict[str, Any], company: Any, warehouse: Any) -> Any:
    shop = model("web.shop")(name=seed["shop"], company=company, currency=company.currency)
    shop.warehouses.append(model("stock.location")(warehouse.id))
    shop.products.extend(model("product.product").find([("salable", "=", True)]))
    shop.save()
    return shop


# --- serve -----------------------------------------------------------------------------------------------------------


def serve(folder: Path, port: int, parent: int) -> None:
    """Answer on 127.0.0.1; the first line on standard output says where, once it does."""
    use_folder(folder)
    os.environ["TRYTOND_DATABASE_NAMES"] = DATABASE
    from trytond.application import app

    die_with(parent)  # not before: Tryton refuses to load beside another thread
    server = listening(app, port)
    collect_rarely()
    print(json.dumps({"port": server.port, "pid": os.getpid()}), flush=True)
    server.serve_forever()


def collect_rarely() -> None:
    """What Tryton loaded stays for good, and a list of sales makes garbage in many thousands: look for it less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


def listening(app: Any, port: int) -> Any:
    """A server with a thread for each connection, so that a short call never waits behind a long one."""
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"  # keeps connections open

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None: ...

    for candidate in [port] if port else sample(PORTS, 50):
        try:
            return make_server("127.0.0.1", candidate, app, threaded=True, request_handler=Quiet)
        except (OSError, SystemExit):  # werkzeug turns "address already in use" into an exit
            continue
    raise SystemExit(f"cannot listen on port {port or PORTS}")


def die_with(parent: int) -> None:
    """End this process soon after its parent: polled, because a death signal is bound to the parent's *thread*."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.3)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verb", choices=["build", "serve"])
    parser.add_argument("folder", type=lambda given: Path(given).resolve())
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--parent", type=int, default=os.getppid(), help="the process to end with")
    options = parser.parse_args()
    if options.verb == "build":
        die_with(options.parent)
        build(json.load(sys.stdin), options.folder)
    else:
        serve(options.folder, options.port, options.parent)


if __name__ == "__main__":
    main()
