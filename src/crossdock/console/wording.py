"""What is stored, as the console's pages say it: ages, amounts, states and what people call things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import cast

import msgspec

from crossdock.kernel.money import AnyMoney, Money, to_decimal

KINDS = {
    "mapping": "Unknown name",
    "rejected": "Refused by its target",
    "doubt": "May have happened",
    "failing": "Fails again and again",
    "trouble": "Needs a look",
    "overdrawn": "Over a limit",
    "quarantine": "Messages set aside",
    "unbound": "Belongs to nothing",
    "brake": "Connection stopped",
    "subscription": "Subscriber not told",
}
OF_OTHERS = frozenset({"rejected", "failing", "doubt"})
"""Kinds whose items say what a target said, which may name a buyer."""
REMEDIES = {
    "mapping": "Say what it is called there; everything that waits for it goes on by itself.",
    "rejected": "Correct it at its source, and it is tried again by itself; or put it right there and try again.",
    "doubt": "Look there whether it happened, and say so. The hub never sends it again by itself.",
    "failing": "Find out there why. It is tried again every few minutes, and this closes when it succeeds.",
    "overdrawn": "Find out which report is wrong and correct it at its source; this closes when it fits.",
    "quarantine": "Correct the source or the connector, then have the messages read once more.",
    "unbound": "Correct its reference at the source, or say which order it belongs to.",
}
"""By kind, for those who decide on a page; `Group.remedy` says it for a terminal."""
PARTS = {
    "invoicing": (
        "Orders stuck before invoicing",
        "An order that is not sold, shipped or billed in time, or can't be.",
    ),
    "returns": ("Returns not posted to the ERP", "A credit note or goods return that is late, refused or in doubt."),
    "money": ("Money that does not move", "A refund, capture or release that is late, refused or in doubt."),
    "telling": ("Others not told", "A shop, customer or warehouse that should know something by now, and doesn't."),
}
_FIELDS = {
    "email": "E-mail",
    "name": "Name",
    "company": "Company",
    "street.0": "Street",
    "street.1": "Street, second line",
    "city": "City",
    "region": "Region",
    "postal_code": "Postal code",
    "phone": "Telephone",
}
_FIELD_PARTS = {"ship_to": "Goes to", "bill_to": "Billed to", "address": "Address"}
_BARS = "▁▂▃▄▅▆▇█"
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def age(seconds: float) -> str:
    """`3 min`, `2 h`, `5 d`: one unit, the largest that fits."""
    whole = max(0, int(seconds))
    for size, unit in _UNITS:
        if whole >= size:
            return f"{whole // size} {unit}"
    return "0 s"


def since(moment: datetime | None) -> str:
    """How long ago."""
    if moment is None:
        return ""
    return age((datetime.now(UTC) - moment).total_seconds())


def until(moment: datetime) -> str:
    """`in 3 min`, or `3 min late`."""
    seconds = (moment - datetime.now(UTC)).total_seconds()
    return f"in {age(seconds)}" if seconds > 0 else f"{age(-seconds)} late"


def moment(at: datetime | None) -> str:
    """Day and time by UTC, which everybody reads the same."""
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def when(at: datetime) -> str:
    """The time by UTC, of today; of another day that day as well."""
    told = at.astimezone(UTC)
    return told.strftime("%H:%M:%S" if told.date() == datetime.now(UTC).date() else "%Y-%m-%d %H:%M")


def clock(at: datetime | None) -> str:
    return "" if at is None else at.astimezone(UTC).strftime("%H:%M:%S")


def amount(minor: int, currency: str) -> str:
    """`1,204.50 USD`"""
    money: AnyMoney = Money(minor, currency)
    return f"{to_decimal(money):,} {currency}"


def worth(told: Mapping[str, int]) -> str:
    """Several currencies, which never add up: `1,204.50 USD + 80.00 EUR`."""
    return " + ".join(amount(minor, currency) for currency, minor in sorted(told.items()) if minor)


def count(number: int, one: str, many: str = "") -> str:
    """`1 order`, `1,204 orders`"""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def told(value: object) -> str:
    """A setting's value, as people read it."""
    if value is None:
        return "–"
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, object]", value).items()
        return ", ".join(f"{name} {told(each)}" for name, each in pairs) or "none"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def trend(counts: Sequence[int]) -> str:
    """Counts as a row of bars, the highest of them full: `▁▁▂▅█`."""
    top = max(counts, default=0)
    return "".join(_BARS[round(each / top * (len(_BARS) - 1))] if top else _BARS[0] for each in counts)


def short(entity: str) -> str:
    """`order:shop:1001` is `order 1001`."""
    kind, _, rest = entity.partition(":")
    return f"{kind.replace('_', ' ')} {rest.partition(':')[2] or rest}"


def field_named(field: str) -> str:
    """`ship_to.street.0` is "Goes to: street"."""
    part, _, rest = field.partition(".")
    return f"{_FIELD_PARTS[part]}: {_FIELDS[rest].lower()}" if part in _FIELD_PARTS else _FIELDS[field]
