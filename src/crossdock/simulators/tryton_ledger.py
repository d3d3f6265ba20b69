"""What the ERP of the tests and the demo holds, read over JSON-RPC: the books that independent judges go by."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Mapping
from contextlib import closing
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from crossdock.simulators.tryton import Tryton

CALL_SECONDS_MAX = 300.0

Row = dict[str, Any]


class Refusal(RuntimeError):
    """The ERP answered a call with an error."""


class Session:
    """JSON-RPC to Tryton with its own login; for judges and tests, never for the hub."""

    def __init__(self, erp: Tryton) -> None:
        address = urlsplit(erp.url)
        self._http = http.client.HTTPConnection(address.hostname or "", address.port, timeout=CALL_SECONDS_MAX)
        self._path = f"/{erp.db}/rpc/"
        self._headers = {"Content-Type": "application/json"}
        uid, token, *_ = self._post("common.db.login", [erp.user, {"password": erp.password}])
        secret = base64.b64encode(f"{erp.user}:{uid}:{token}".encode()).decode()
        self._headers["Authorization"] = f"Session {secret}"
        self._context: Row = self._post("model.res.user.get_preferences", [True, {}])

    def call(self, method: str, *params: Any, **context: Any) -> Any:
        """Call `model.<name>.<method>`; decimals and dates come back as strings."""
        return self._post(f"model.{method}", [*params, {**self._context, **context}])

    def rows(self, name: str, fields: str, where: list[Any] | None = None) -> list[Row]:
        """All records of a model in the order of their creation; a dotted field goes through its relation."""
        found: list[Row] = self.call(f"{name}.search_read", where or [], 0, None, [["id", "ASC"]], fields.split())
        return found

    def _post(self, method: str, params: list[Any]) -> Any:
        body = json.dumps({"id": 1, "method": method, "params": params})
        self._http.request("POST", self._path, body, self._headers)
        response = self._http.getresponse()
        said = response.read()
        if response.status != http.HTTPStatus.OK:
            raise Refusal(f"{method}: {response.status} {said[:500].decode(errors='replace')}")
        answer: Row = json.loads(said, object_hook=_plain)
        if "error" in answer:
            raise Refusal(f"{method}: {answer['error']}")
        return answer["result"]

    def close(self) -> None:
        self._http.close()


def _plain(value: Row) -> Any:
    """Tryton's tagged decimals and dates as strings."""
    match value.get("__class__"):
        case "Decimal":
            return value["decimal"]
        case "date":
            return f"{value['year']}-{value['month']:02}-{value['day']:02}"
        case "datetime":
            clock = f"{value['hour']:02}:{value['minute']:02}:{value['second']:02}.{value['microsecond']:06}"
            return f"{value['year']}-{value['month']:02}-{value['day']:02}T{clock}"
        case _:
            return value


def ledger(erp: Tryton, *only: str) -> dict[str, list[Row]]:
    """Everything that was ordered, shipped, returned and billed, as the ERP has it: what independent judges go by.

    All of it takes seconds where there is much; `only` names the parts that are wanted.
    Amounts are decimal strings as they were written ("20", "20.00"): compare them as `Decimal`. Quantities are floats.
    """
    parts = {
        "parties": _parties,
        "sales": _sales,
        "shipments": _shipments,
        "returns": _returns,
        "invoices": _invoices,
        "stock": partial(_stock, locations={**erp.facts["locations"], **erp.facts["set_aside"]}),
    }
    with closing(Session(erp)) as session:
        return {name: read(session) for name, read in parts.items() if not only or name in only}


def ledger_of(erp: Tryton, part: str, web_id: str) -> list[Row]:
    """The "sales" of one order, or the "shipments" or "invoices" of its sale, as `ledger` shows them."""
    read, path = {
        "sales": (_sales, "web_id"),
        "shipments": (_shipments, "moves.sale.web_id"),
        "invoices": (_invoices, "sales.web_id"),
    }[part]
    with closing(Session(erp)) as session:
        return read(session, [[path, "=", web_id]])


def _parties(session: Session) -> list[Row]:
    found = session.rows("party.party", f"code name email phone mobile {_ADDRESS.format('addresses')}")
    return [
        {**_kept(row, "code name email phone mobile"), "addresses": [_address(place) for place in row["addresses."]]}
        for row in found
    ]


def _sales(session: Session, where: list[Any] | None = None) -> list[Row]:
    found = session.rows(
        "sale.sale",
        "number reference web_id origin state shipment_state invoice_state party.code "
        "untaxed_amount tax_amount total_amount "
        f"lines.product.code lines.quantity lines.unit_price {_ADDRESS.format('shipment_address')}",
        where,
    )
    numbers = _numbers(session, found)
    return [
        {
            **_kept(row, "number reference web_id state shipment_state invoice_state"),
            "corrects": numbers.get(row["origin"]),
            "party": row["party."]["code"],
            "address": _address(row["shipment_address."]),
            **_amounts(row),
            "lines": [_line(line, "unit_price") for line in row["lines."]],
        }
        for row in found
    ]


def _numbers(session: Session, sales: list[Row]) -> dict[str, str]:
    """The number of each sale, and of those they correct, by what Tryton calls it."""
    there = {f"sale.sale,{row['id']}": row["number"] for row in sales}
    elsewhere = [int(row["origin"].partition(",")[2]) for row in sales if row["origin"] and row["origin"] not in there]
    found = session.rows("sale.sale", "number", [["id", "in", elsewhere]]) if elsewhere else []
    return there | {f"sale.sale,{row['id']}": row["number"] for row in found}


def _shipments(session: Session, where: list[Any] | None = None) -> list[Row]:
    found = session.rows(
        "stock.shipment.out",
        "number reference state effective_date outgoing_moves.sale.number outgoing_moves.sale.reference "
        "inventory_moves.product.code inventory_moves.quantity inventory_moves.from_location.code "
        f"{_ADDRESS.format('delivery_address')}",
        where,
    )
    return [
        {
            **_kept(row, "number reference state effective_date"),
            "address": _address(row["delivery_address."]),
            "sales": _origins([move["sale."] for move in row["outgoing_moves."]]),
            "lines": [_line(move) | {"from": move["from_location."]["code"]} for move in row["inventory_moves."]],
        }
        for row in found
    ]


def _returns(session: Session) -> list[Row]:
    found = session.rows(
        "stock.shipment.out.return",
        "number reference state effective_date incoming_moves.sale.number incoming_moves.sale.reference "
        "incoming_moves.product.code incoming_moves.quantity "
        "inventory_moves.product.code inventory_moves.quantity inventory_moves.to_location.code "
        "incoming_moves.origin customer.code",
    )
    issued = _issues(session, [move["origin"] for row in found for move in row["incoming_moves."]])
    return [
        {
            **_kept(row, "number reference state effective_date"),
            "party": row["customer."]["code"],
            "sales": _origins([_sale_of(move, issued) for move in row["incoming_moves."]]),
            "lines": [_line(move) for move in row["incoming_moves."]],
            "stored": [_line(move) | {"to": move["to_location."]["code"]} for move in row["inventory_moves."]],
        }
        for row in found
    ]


def _issues(session: Session, origins: list[str | None]) -> dict[str, Row]:
    """The sale of each move that goods came back from."""
    ids = [int(origin.partition(",")[2]) for origin in origins if origin and origin.startswith("stock.move,")]
    moves = session.rows("stock.move", "sale.number sale.reference", [["id", "in", ids]]) if ids else []
    return {f"stock.move,{move['id']}": move["sale."] for move in moves}


def _sale_of(move: Row, issued: Mapping[str, Row]) -> Row | None:
    """The sale whose line the move returns, or whose goods came back by it."""
    return move["sale."] or issued.get(move["origin"])


def _invoices(session: Session, where: list[Any] | None = None) -> list[Row]:
    found = session.rows(
        "account.invoice",
        "number reference description state type invoice_date party.code sales.number sales.reference sales.web_id "
        "untaxed_amount tax_amount total_amount lines.product.code lines.quantity lines.unit_price lines.amount "
        "lines.description lines.note lines.account.name taxes.tax.rate taxes.base taxes.amount "
        "move.state move.lines.debit move.lines.credit move.lines.account.name",
        where,
    )
    return [
        {
            **_kept(row, "number reference description state type invoice_date"),
            "credit": Decimal(row["total_amount"]) < 0,
            "web_ids": sorted({sale["web_id"] for sale in row["sales."] if sale["web_id"]}),
            "party": row["party."]["code"],
            "sales": _origins(row["sales."]),
            **_amounts(row),
            "lines": [
                _line(line, "unit_price", "amount", "description", "note") | {"account": line["account."]["name"]}
                for line in row["lines."]
            ],
            "taxes": _taxes(row["taxes."]),
            "booked": _booked(row["move."]),
        }
        for row in found
    ]


def _taxes(taxes: list[Row]) -> dict[str, str]:
    """The tax by rate, as people write rates: {"0.1": "-2.00"}."""
    amounts: dict[str, Decimal] = {}
    for tax in taxes:
        rate = str(Decimal(tax["tax."]["rate"]).normalize())
        amounts[rate] = amounts.get(rate, Decimal(0)) + Decimal(tax["amount"])
    return {rate: str(amount) for rate, amount in amounts.items()}


def _booked(move: Row | None) -> list[Row]:
    """The posting of an invoice in the general ledger, by account: debit minus credit."""
    if move is None or move["state"] != "posted":
        return []
    sums: dict[str, Decimal] = {}
    for line in move["lines."]:
        name = line["account."]["name"]
        sums[name] = sums.get(name, Decimal(0)) + Decimal(line["debit"]) - Decimal(line["credit"])
    return [{"account": name, "balance": str(balance)} for name, balance in sums.items()]


def _stock(session: Session, locations: Mapping[str, int]) -> list[Row]:
    """On hand now, per location and product."""
    today = date.today()
    until = {"__class__": "date", "year": today.year, "month": today.month, "day": today.day}
    ids = session.call("product.product.search", [])
    levels: list[Row] = []
    for code, location in locations.items():
        counted = session.call(
            "product.product.read", ids, ["code", "quantity"], locations=[location], stock_date_end=until
        )
        levels += [{"location": code, "product": row["code"], "on_hand": row["quantity"]} for row in counted]
    return levels


_ADDRESS = "{0}.full_address {0}.party_name {0}.street {0}.city {0}.postal_code {0}.subdivision.code {0}.country.code"


def _address(row: Row | None) -> Row | None:
    """The label as the ERP prints it (each country has its form) beside the parts it is made of."""
    if row is None:
        return None
    region, country = row["subdivision."], row["country."]
    return {
        "text": row["full_address"],
        "name": row["party_name"],
        **_kept(row, "street city postal_code"),
        "region": region and region["code"],
        "country": country and country["code"],
    }


def _origins(sales: list[Row | None]) -> list[Row]:
    """The sales a document came from, each once."""
    named = {sale["number"]: {"number": sale["number"], "reference": sale["reference"]} for sale in sales if sale}
    return list(named.values())


def _amounts(row: Row) -> Row:
    return {"untaxed": row["untaxed_amount"], "tax": row["tax_amount"], "total": row["total_amount"]}


def _kept(row: Row, names: str) -> Row:
    return {name: row[name] for name in names.split()}


def _line(row: Row, *names: str) -> Row:
    product = row["product."]
    return {"product": product and product["code"], "quantity": row["quantity"], **{name: row[name] for name in names}}
