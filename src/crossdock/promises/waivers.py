"""What a person has decided is left undone: not owed any more, until something else is owed under that name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from crossdock.kernel.ids import digest
from crossdock.promises.difference import encode
from crossdock.promises.obligations import Obligation, Owed
from crossdock.promises.standing import Standing

WAIVABLE = frozenset(
    {
        "order_reference",
        "fulfilment",
        "parcel_notice",
        "pickup_notice",
        "refund_notice",
        "return_record",
        "erp_address",
        "party_account",
    }
)
"""Commands that only tell or show: what moves goods or money, or stands in the books, is never left undone by a word."""


def without_waived(standing: Standing, obligations: Iterable[Obligation]) -> Iterator[Obligation]:
    """The obligations but for those that somebody said are left undone, as they are."""
    waived = {(fact.body.name, fact.body.digest) for fact in standing.of("waiver")}
    for each in obligations:
        if not (waived and isinstance(each, Owed) and (each.name, digest(encode(each.body)).hex()) in waived):
            yield each
