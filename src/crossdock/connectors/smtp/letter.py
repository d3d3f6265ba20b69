"""A notice as a mail: the same bytes for the same command, whoever builds them. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import UTC
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

import msgspec

from crossdock.canonical.pickup import PickupNotice
from crossdock.canonical.returns import RefundNotice
from crossdock.canonical.shipment import ParcelNotice, Tracking
from crossdock.connect.connector import Command
from crossdock.connectors.smtp.mailbox import mailbox
from crossdock.connectors.smtp.system import Settings
from crossdock.kernel.faults import Rejected

# 7bit: a server may not speak 8BITMIME. 160: Python would fold a Message-ID of ours at 78, which is legal and
# confuses whoever greps for it; 998 is the limit (RFC 5322).
_POLICY = SMTP.clone(cte_type="7bit", max_line_length=160)
_TEXT_MAX = 200
_READABLE_MAX = 40

Notice = ParcelNotice | RefundNotice | PickupNotice


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A mail ready to send; `sender` and `recipient` are the envelope's."""

    message_id: str
    sender: str
    recipient: str
    body: bytes


def letter_of(
    command: Command[ParcelNotice] | Command[RefundNotice] | Command[PickupNotice], settings: Settings
) -> Letter:
    """The notice as a mail; `Rejected` when it can't be addressed."""
    notice = command.body
    sender = "@".join(mailbox(settings.from_address))
    try:
        local, domain = mailbox(notice.to)
    except ValueError as error:
        raise Rejected(str(error), field="to") from error
    message_id = message_id_of(command.key, sender.rpartition("@")[2])
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = Address(_line(settings.from_name), addr_spec=sender)
    mail["To"] = Address(_line(notice.name), local, domain)
    mail["Subject"] = _subject(notice)
    mail["Date"] = command.sealed_at
    mail["Message-ID"] = message_id
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("\n".join(_text(notice)) + "\n")
    return Letter(message_id=message_id, sender=sender, recipient=f"{local}@{domain}", body=mail.as_bytes())


def message_id_of(key: str, domain: str) -> str:
    """The Message-ID of the act with this key: its beginning to read, a digest of the whole to be unique."""
    readable = re.sub(r"[^A-Za-z0-9]+", ".", key).strip(".")[:_READABLE_MAX].strip(".")
    return f"<{readable}.{hashlib.blake2b(key.encode(), digest_size=8).hexdigest()}@{domain}>"


def _subject(notice: Notice) -> str:
    match notice:
        case ParcelNotice():
            return f"A parcel of your order {_line(notice.order_number)} is on its way"
        case RefundNotice():
            return f"A refund for your order {_line(notice.order_number)}"
        case PickupNotice():
            return f"Your order {_line(notice.order_number)} is ready to be picked up"


def _text(notice: Notice) -> Iterator[str]:
    yield f"Hello {_line(notice.name)}," if _line(notice.name) else "Hello,"
    yield ""
    match notice:
        case ParcelNotice():
            yield from _parcel(notice)
        case RefundNotice():
            yield from _refund(notice)
        case PickupNotice():
            yield from _pickup(notice)


def _parcel(notice: ParcelNotice) -> Iterator[str]:
    yield f"a parcel of your order {_line(notice.order_number)} has left. It holds:"
    yield ""
    yield from _units(notice.lines)
    if notice.tracking is not None:
        yield ""
        yield from _follow(notice.tracking)


def _refund(notice: RefundNotice) -> Iterator[str]:
    tender = _line(notice.tender)
    yield f"we have given back {notice.amount} for your order {_line(notice.order_number)}{f' to {tender}' if tender else ''}."
    if notice.lines:
        yield ""
        yield "It is for:"
        yield ""
        yield from _units(notice.lines)


def _pickup(notice: PickupNotice) -> Iterator[str]:
    yield f"your order {_line(notice.order_number)} is ready for you. Please bring this mail with you."
    yield ""
    yield f"Where: {_line(notice.place)}"
    yield f"Until: {notice.hold_until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    yield ""
    yield from _units(notice.lines)
    if notice.missing:
        yield ""
        yield "We are sorry: these are not available there, and are taken off your order:"
        yield ""
        yield from _units(notice.missing)


def _units(lines: Iterable[tuple[str, int]]) -> Iterator[str]:
    for title, units in lines:
        yield f"  {units} x {_line(title)}"


def _follow(tracking: Tracking) -> Iterator[str]:
    yield f"Carrier: {_line(tracking.carrier)}"
    yield f"Tracking number: {_line(tracking.number)}"
    if re.fullmatch(r"https?://[!-~]+", tracking.url):  # printable ASCII without blanks, and nothing but a web address
        yield f"Follow it: {tracking.url}"


def _line(text: str) -> str:
    """The text on one line: whatever doesn't print becomes a blank, so that no header and no line can be smuggled in."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:_TEXT_MAX].strip()
