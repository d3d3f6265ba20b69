"""What a retailer decides: who plays which part, what is promised at all, and how long each may take."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from crossdock.promises.terms import Recognition, ReturnTerms


class Roles(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which connection plays which part; a part nobody plays promises nothing."""

    erp: str | None = None
    """Holds the sale, ships and invoices it, and keeps the customers' accounts."""
    warehouse: str | None = None
    """Is asked to ship, and says what left."""
    mail: str | None = None
    """Tells the customer about each parcel, each refund and each order that lies ready."""
    stores: str | None = None
    """Keeps orders ready in the shops for buyers who come for them, and says what was handed over: the tills."""
    payments: str | None = None
    """Holds the money of the orders' cards; captures, voids and refunds it."""


class Deadlines(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Minutes until an open promise counts as overdue, from the fact that caused it."""

    sale_minutes: int = 15
    """The order is a sale in the ERP."""
    shipment_order_minutes: int = 30
    """The warehouse has been asked, or told the new address."""
    parcels_minutes: int = 3 * 24 * 60
    """All units have left; counted from when the order was placed."""
    pickup_order_minutes: int = 15
    """The store has been asked to keep an order ready, or to give that up."""
    goods_issue_minutes: int = 60
    """The ERP has shipped what left, or holds the new address."""
    invoice_minutes: int = 120
    """The ERP has invoiced what left."""
    shop_minutes: int = 60
    """The shop shows the parcel, or the ERP's number."""
    customer_minutes: int = 60
    """The customer's account at the ERP is as the customer last said."""
    notice_minutes: int = 120
    """The customer has been told about the parcel."""
    refund_minutes: int = 24 * 60
    """What the buyer is owed has been given back."""
    payment_minutes: int = 24 * 60
    """The channel has collected what the order costs."""
    capture_minutes: int = 60
    """What left has been captured."""
    credit_minutes: int = 4 * 60
    """The ERP has credited, billed or received what an edit or a return changed."""
    inspection_minutes: int = 3 * 24 * 60
    """Somebody has said what became of goods that were handed in."""
    return_minutes: int = 14 * 24 * 60
    """Goods of an authorised return have been handed in."""
    read_minutes: int = 30
    """What was only hinted at, or is missing, has been read at its source."""


class PickupTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[policy.pickup]`: orders that their buyers fetch in a store. The hub takes their money when they are handed over."""

    pick_minutes: int = 120
    """Until when the store should have laid an order ready, from when it was placed."""
    hold_days: int = 7
    """How long it is kept after that; then it goes back to the shelf and the order is cancelled."""
    authorisation_ends: Literal["case", "release"] = "case"
    """When the buyer's authorisation runs out while the goods are kept: a case, or they go back to the shelf as well."""
    cancel_in_shop: bool = True
    """An order that was given up is cancelled in its shop by the hub; otherwise somebody there is waited for."""
    places: dict[str, str] = {}
    """What buyers are told of where a location is, by its code: {"EAST" = "East hall, 1 Quay Street"}."""


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The spine's policy; its digest is part of what every promise was made under."""

    roles: Roles = Roles()
    deadlines: Deadlines = Deadlines()
    sell_when: Literal["placed", "paid"] = "placed"
    """When an order becomes a sale in the ERP."""
    orders_from: datetime | None = None
    """Orders placed before this are history: known, but nothing is owed for them."""
    tell_shop_erp_number: bool = True
    """The ERP's number of the sale is shown on the order in its shop."""
    capture_when: Literal["channel", "shipped"] = "channel"
    """Who takes the money: the channel itself when the order is placed, or the hub, parcel by parcel, for what has left."""
    pickup: PickupTerms = PickupTerms()
    """The terms of orders that buyers fetch in a store."""
    left_unordered: Literal["case", "keep"] = "case"
    """Goods that left although they had been taken off the order, picked before that for instance: a case, or the buyer's."""
    emptied: Literal["case", "refund"] = "case"
    """What was paid for the delivery of an order of which nothing is left to deliver, and which nobody cancelled."""
    returns: tuple[ReturnTerms, ...] = ()
    """The terms of returns and refunds, each from its day on."""
    recognition: tuple[Recognition, ...] = ()
    """When sales count as made and are billed, each from its day on; as they leave, where nothing is said."""
    books_closed_until: datetime | None = None
    """Credit notes and invoices that correct something older are dated after this."""
    tolerance_minor: int = 1
    """A billing difference of at most this many minor units an order, which only rounding explains, is left as it is."""
    drift: dict[str, Literal["repair", "adopt", "case"]] = {}
    """Per state noun, what to do when the target was changed by someone else; repair unless said otherwise."""
    repairs_max: int = 3
    """A state repaired this often by itself becomes a case: two masters are fighting over it."""


def due(cause_at: datetime, minutes: int) -> datetime:
    return cause_at + timedelta(minutes=minutes)
