"""Signed order webhooks by the hundred thousand, for benchmarks: a whole body is rendered once, then only its holes filled."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache

import msgspec

from crossdock.simulators.ledger import Ledger
from crossdock.simulators.shop_actions import Bought, Trading
from crossdock.simulators.shop_prices import moment
from crossdock.simulators.shop_signing import webhook_headers
from crossdock.simulators.shop_state import Address, Order, World
from crossdock.simulators.shop_webhooks import order_body

_BEGIN = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
_ORDER_ID, _CUSTOMER_ID, _LINE_ID = 6_000_000_000_000, 7_200_000_000_000, 15_000_000_000_000
_CUSTOMERS = 5000
_SEEDS_APART = 10_000_000
_LINES_MAX = 1000


def order_id_of(n: int, seed: int = 0) -> str:
    """The shop's id of order `n`."""
    return str(_ORDER_ID + seed * _SEEDS_APART + n)


def sku_of(n: int, line: int, seed: int = 0, skus: int = 200) -> str:
    """What line `line` of order `n` sells: SKU-0000 up to as many as `skus`."""
    return f"SKU-{(n * 7 + line * 13 + seed * 31) % skus:04d}"


def order_webhook(
    n: int, lines: int = 5, seed: int = 0, *, secret: bytes = b"simulated-client-secret", skus: int = 200
) -> tuple[dict[str, str], bytes]:
    """The headers and the body (about 2 kB a line) of the `orders/create` of order `n`; the same every time."""
    placed_at = _BEGIN + timedelta(seconds=n // 100)
    number = seed * _SEEDS_APART + n
    at = moment(placed_at)
    values = {
        b"order": order_id_of(n, seed).encode(),
        b"customer": b"%d" % (_CUSTOMER_ID + n % _CUSTOMERS),
        b"number": b"%d" % (1000 + number),
        b"ordinal": b"%d" % number,
        b"confirmation": b'"C%08X"' % number,
        b"token": b"%032x" % number,
        b"at": f'"{at}"'.encode(),
        b"email": b'"buyer%d@example.com"' % (n % _CUSTOMERS),
    }
    for line in range(lines):
        values[b"line%d" % line] = b"%d" % (_LINE_ID + number * _LINES_MAX + line)
        values[b"sku%d" % line] = f'"{sku_of(n, line, seed, skus)}"'.encode()
    parts = _template(lines)
    body = b"".join([part if at % 2 == 0 else values[part] for at, part in enumerate(parts)])
    headers = webhook_headers(
        topic="orders/create",
        body=body,
        secret=secret,
        webhook_id=f"webhook-{number}",
        event_id=f"event-{number}",
        triggered_at=placed_at,
    )
    return headers, body


@cache
def _template(lines: int) -> list[bytes]:
    """The body cut at its holes: text, name of the hole, text, and so on."""
    order, world = _sample(lines)
    body = msgspec.json.encode(order_body(order, world)).decode()
    buyer = next(iter(world.customers.values()))
    holes = {
        str(order.id): "@order@",
        str(buyer.id): "@customer@",
        str(order.number): "@number@",
        str(order.number - 1000): "@ordinal@",
        f'"{order.confirmation_number}"': "@confirmation@",
        order.token: "@token@",
        f'"{moment(order.updated_at)}"': "@at@",
        f'"{order.email}"': "@email@",
    }
    for at, line in enumerate(order.lines):
        holes |= {str(line.id): f"@line{at}@", f'"{line.product.sku}"': f"@sku{at}@"}
    for text, hole in holes.items():
        body = body.replace(text, hole)
    return re.split(rb"@(\w+)@", body.encode())


def _sample(lines: int) -> tuple[Order, World]:
    """An order as real ones are: a known buyer, tax on every line, paid shipping."""
    world = World()
    world.given_ids["Order"] = 87_654_321  # a number found nowhere else in the body
    shop = Trading(world, Ledger(), lambda topic, body, event: None, lambda: _BEGIN, seed=0)
    shop.add_location("Main warehouse")
    address = Address(
        first_name="Ada",
        last_name="Archer",
        address1="12 Harbour Street",
        city="Portland",
        province="Maine",
        province_code="ME",
        country="United States",
        country_code="US",
        zip="04101",
        phone="+12075550123",
    )
    buyer = shop.create_customer("Ada", "Archer", "ada@example.com", address=address)
    for at in range(lines):
        shop.add_product(f"HOLE-{at:04d}", f"Article {at}", price=f"{19 + at}.90", variant_title="Large")
    order = shop.place_order(
        [Bought(f"HOLE-{at:04d}", quantity=1 + at % 3) for at in range(lines)],
        customer=buyer.id,
        shipping_address=address,
        tax_rate="0.055",
        shipping="7.50",
        paid=True,
    )
    return order, world
