"""What translation yields: documents (evidence of facts), hints to fetch, and messages ignored by a named rule."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where and when a message came in."""

    connection: str
    received_at: datetime
    observed: int = 0
    """Microseconds at which our own read of it began; 0 for what the source pushed."""
    orders_of: str = ""
    """The connection whose orders this one's things are about, where its settings name one: the shop a provider is paid for."""
    payments: str = ""
    """The connection whose word counts for money, where the settings name one; empty: this one's own."""
    settles_in: str = ""
    """The currency this connection's money is paid out in, where its settings name one: what is taken in others has a rate."""
    locations: Mapping[str, str] = {}
    """Our codes of the source's locations by its own ids, where its settings name them."""

    def location(self, id_: str, otherwise: str = "") -> str:
        """Our code of one of the source's locations; its own id, or what else it is called, where the settings name none."""
        return self.locations.get(id_, otherwise or id_)

    def entity(self, kind: str, key: str) -> str:
        """The entity a thing of this connection's own is: `order:shop:1001`."""
        return f"{kind}:{self.connection}:{key}"

    def order(self, id_: str) -> str | None:
        """The entity of an order of the connection named by `orders_of`; None where the settings name none."""
        return f"order:{self.orders_of}:{id_}" if self.orders_of else None


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One system's statement about one thing, as of one version."""

    kind: str
    """A fact noun of `canonical.nouns.FACTS`."""
    id: str
    entity: str | None
    """The entity it belongs to; None when it can't be attributed (unbound)."""
    body: msgspec.Struct | None
    """The canonical noun; None when the source says the thing is gone."""
    token: int
    """The source's own version: a sequence number, or a clock in microseconds."""
    fact: str | None = None
    """The identity its authority gives the fact; by default this connection is the authority."""
    aliases: tuple[str, ...] = ()
    """Every name somebody may search it by."""
    about: str = ""
    """Where `entity` is None: a name of what it belongs to, as its source knows it: a receipt's number, a payment's id.

    The hub finds the entity among all aliases, now or when the alias comes; while several have it, it stays unbound.
    """


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """The message says that something changed, not what: fetch it."""

    kind: str
    id: str
    entity: str


class Ignore(msgspec.Struct, frozen=True):
    """Not for us, by a rule with a name that can be counted."""

    rule: str


Translated = Document | Hint | Ignore


class Untranslatable(ValueError):
    """The message is not what the source promises; it stays in quarantine with this reason."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One thing as a scheduled or asked-for read found it, raw; it enters by the inbox like any message."""

    topic: str
    id: str
    body: bytes
    under: str = ""
    """The id of what the source pages and counts, where that isn't the thing itself: the order a parcel is listed under."""

    @property
    def counted_as(self) -> str:
        return self.under or self.id


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Some changes since a cursor; the cursor to go on from, and whether there is more now."""

    items: list[Reading]
    cursor: str
    more: bool
    asked: int = 0
    """How many items were asked for at most; 0 where nobody asked."""
    bare: tuple[str, ...] = ()
    """The ids of what was paged and has nothing of the kind: orders without a parcel. The source counts them, too."""
    beyond: str = ""
    """On the last page, a cursor that asks for what would follow its last item: a source that cut its list short has some."""

    @property
    def counted(self) -> frozenset[str]:
        """What the source paged, by id: the items themselves, or what they are listed under."""
        return frozenset([*(item.counted_as for item in self.items), *self.bare])
