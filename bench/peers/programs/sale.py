"""What every peer's program does with an order: prove that the shop sent it, and say it as the ERP's sale. No library."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

ERP = os.environ.get("PEER_ERP", "")
SALES = f"{ERP}/sales"
TIMEOUT_SECONDS = 5.0
TUNED = os.environ.get("PEER_VARIANT") == "tuned"
STORE = os.environ.get("PEER_STORE", "")
_SECRET = os.environ.get("BENCH_SECRET", "").encode()


def genuine(headers: Mapping[str, str], body: bytes) -> bool:
    """base64(HMAC-SHA256(secret, raw body)) in `X-Shopify-Hmac-Sha256`."""
    mine = base64.b64encode(hmac.digest(_SECRET, body, hashlib.sha256))
    return hmac.compare_digest(mine, headers.get("x-shopify-hmac-sha256", "").encode())


def reference(order: Mapping[str, Any]) -> str:
    """What the ERP is told the sale under; the same each time."""
    return f"order:shop:{order['id']}"


def posted(order: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The body of the call: a list of one sale under its reference."""
    return [{"key": reference(order), "body": sale_of(order)}]


def sale_of(order: Mapping[str, Any]) -> dict[str, Any]:
    """The sale of a paid order that nobody edited, discounted or cancelled yet: such are the orders of this measurement."""
    currency = order["currency"]
    total = _money(order["current_total_price"], currency)
    sale = {
        "id": str(order["id"]),
        "number": order["name"],
        "placed_at": _instant(order["processed_at"]),
        "currency": currency,
        "lines": [_line(each, currency) for each in order["line_items"]],
        "total": total,
        "customer": f"customer:shop:{order['customer']['id']}",
        "email": order["email"],
        "bill_to": _address(order["billing_address"]),
        "ship_to": _address(order["shipping_address"]),
        "shipping": [_shipping(each, currency) for each in order["shipping_lines"]],
        "payment": order["financial_status"],
        "ever_ordered": _money(order["total_price"], currency),
    }
    return {"order": sale, "sold_by": "shop"}


def _line(line: Mapping[str, Any], currency: str) -> dict[str, Any]:
    return {
        "id": str(line["id"]),
        "sku": line["sku"],
        "title": line["name"],
        "ordered": line["current_quantity"],
        "unit_price": _money(line["price"], currency),
        "taxes": _taxes(line["tax_lines"], currency),
    }


def _shipping(charge: Mapping[str, Any], currency: str) -> dict[str, Any]:
    taxes = _taxes(charge["tax_lines"], currency)
    return {"title": charge["title"], "price": _money(charge["price"], currency), "taxes": taxes}


def _taxes(taxes: Iterable[Mapping[str, Any]], currency: str) -> list[dict[str, Any]]:
    return [
        {"title": each["title"], "rate": str(each["rate"]), "amount": _money(each["price"], currency)} for each in taxes
    ]


def _money(amount: str, currency: str) -> dict[str, Any]:
    """In cents, as the ERP takes it; every order of this measurement is in dollars."""
    return {"minor": int(amount.replace(".", "")), "currency": currency}


def _address(address: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": address["name"],
        "street": [line for line in (address["address1"], address["address2"]) if line],
        "city": address["city"],
        "region": address["province_code"],
        "postal_code": address["zip"],
        "country": address["country_code"],
        "phone": address["phone"],
    }


def _instant(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(UTC).isoformat().replace("+00:00", "Z")
