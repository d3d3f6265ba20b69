"""Tryton's rows as readings carry them into the inbox."""

from __future__ import annotations

from typing import Annotated

import msgspec

from crossdock.connectors.tryton.addresses import SpeltAddress
from crossdock.connectors.tryton.changes import Stamp
from crossdock.connectors.tryton.contacts import HeldContact
from crossdock.connectors.tryton.parties import HeldParty
from crossdock.connectors.tryton.rpc import Amount

# Names become keys and search terms, and PostgreSQL text can't hold NUL: no control characters.
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"\A[^\x00-\x1f\x7f]+\Z")]
Currency = Annotated[str, msgspec.Meta(pattern=r"\A[A-Z]{3}\Z")]


class Named(msgspec.Struct, frozen=True):
    id: int


class Coded(msgspec.Struct, frozen=True):
    code: str | None


class StampedContact(HeldContact, frozen=True, kw_only=True):
    last_modified_at: Stamp | None


class StampedAddress(SpeltAddress, frozen=True, kw_only=True):
    last_modified_at: Stamp | None


class PartyRow(HeldParty, frozen=True, kw_only=True):
    """A party with the times of everything that makes up an account."""

    last_modified_at: Stamp | None
    contacts: tuple[StampedContact, ...] = msgspec.field(name="contact_mechanisms.")
    addresses: tuple[StampedAddress, ...] = msgspec.field(name="addresses.")

    @property
    def token(self) -> int:
        stamps = [each.last_modified_at for each in (self, *self.contacts, *self.addresses)]
        return max((stamp.token for stamp in stamps if stamp), default=0)


class AccountReading(msgspec.Struct, frozen=True):
    """A party, and the mark of what on it is ours."""

    mark: str
    party: PartyRow


class TemplateRow(msgspec.Struct, frozen=True):
    last_modified_at: Stamp | None


class ProductRow(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    code: Name
    name: str
    list_price_used: Amount | None
    last_modified_at: Stamp | None
    template: TemplateRow = msgspec.field(name="template.")

    @property
    def token(self) -> int:
        stamps = [self.last_modified_at, self.template.last_modified_at]
        return max((stamp.token for stamp in stamps if stamp), default=0)


class ProductReading(msgspec.Struct, frozen=True):
    currency: Currency
    product: ProductRow


class MovedRow(msgspec.Struct, frozen=True):
    id: int
    product: int


class CountedRow(msgspec.Struct, frozen=True):
    """A product and its units in the locations that were asked about."""

    id: int
    code: str | None
    quantity: float


class LevelReading(msgspec.Struct, frozen=True):
    """Units there, and those of them that nothing is assigned from."""

    sku: Name
    location: Name
    on_hand: float
    free: float
