"""Sending one mail, and knowing at each moment what it would mean if the line went dead now."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Generator
from typing import Any

import aiosmtplib

from crossdock.canonical.pickup import PickupNotice
from crossdock.canonical.returns import RefundNotice
from crossdock.canonical.shipment import ParcelNotice
from crossdock.connect.connector import Command
from crossdock.connect.effects import Blind
from crossdock.connect.link import Link
from crossdock.connect.receipts import Confirmed, Outcome
from crossdock.connectors.smtp.letter import Letter, letter_of
from crossdock.connectors.smtp.mailbox import mailbox
from crossdock.connectors.smtp.system import Settings, connector
from crossdock.kernel.faults import Fault, Refused, Rejected, Transient, Unknown

_LOGIN_CODES = (530, 534, 535, 538)
"""RFC 4954: authentication required, too weak, refused, or only over TLS."""
_CLOSING = 421
_QUIT_SECONDS_MAX = 2.0
_REPLY_MAX = 300


@connector.act(ParcelNotice, effect=[Blind()])
async def notify(command: Command[ParcelNotice], link: Link[Settings]) -> Outcome:
    """Tell the customer about a parcel."""
    return await _post(letter_of(command, link.settings), link)


@connector.act(RefundNotice, effect=[Blind()])
async def notify_of_refund(command: Command[RefundNotice], link: Link[Settings]) -> Outcome:
    """Tell the customer about money given back."""
    return await _post(letter_of(command, link.settings), link)


@connector.act(PickupNotice, effect=[Blind()])
async def notify_of_pickup(command: Command[PickupNotice], link: Link[Settings]) -> Outcome:
    """Tell the buyer that an order lies ready."""
    return await _post(letter_of(command, link.settings), link)


async def _post(letter: Letter, link: Link[Settings]) -> Outcome:
    """Send one letter; confirmed once the server has taken the mail over (250 after the data).

    A connection serves one mail: on one left open it couldn't be told whether a break came before or after the data.
    """
    client = _client(link.settings, link.memory)
    try:
        await _prepare(client, letter, link.settings)
        link.guard()
        await _hand_over(client, letter)
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):  # the mail is theirs, however we part
            await client.quit(timeout=_QUIT_SECONDS_MAX)
    finally:
        client.close()
    return Confirmed(id=letter.message_id)


async def _prepare(client: aiosmtplib.SMTP, letter: Letter, settings: Settings) -> None:
    """Everything up to the data; whatever fails here, no mail went out."""
    with _nothing_sent("connect"):
        await client.connect()
        await client.ehlo()
        if settings.starttls:
            await client.starttls()
            await client.ehlo()
        if settings.user and settings.password is not None:
            await client.login(settings.user, settings.password.reveal())
    with _nothing_sent("from"):
        await client.mail(letter.sender)
    with _nothing_sent("to"):
        await client.rcpt(letter.recipient)


async def _hand_over(client: aiosmtplib.SMTP, letter: Letter) -> None:
    """Send the data and wait for the 250. Only a refusal in so many words means that there will be no mail."""
    try:
        await client.data(letter.body)
    except aiosmtplib.SMTPResponseException as reply:
        if 400 <= reply.code < 600:
            raise _refusal(reply, "data") from reply
        raise _perhaps(letter, f"an answer that is no reply ({reply.code})", outage=False) from reply
    except (aiosmtplib.SMTPException, OSError) as lost:
        raise _perhaps(letter, type(lost).__name__, outage=True) from lost


def _perhaps(letter: Letter, why: str, *, outage: bool) -> Unknown:
    look_for = f"look for Message-ID {letter.message_id} in the mail server's log"
    return Unknown(f"{why} after the mail was sent and before it was acknowledged; {look_for}", outage=outage)


@contextlib.contextmanager
def _nothing_sent(step: str) -> Generator[None]:
    """Failures of a step before the data, as the faults they are."""
    try:
        yield
    except aiosmtplib.SMTPResponseException as reply:
        raise _refusal(reply, step) from reply
    except (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPConnectError, aiosmtplib.SMTPTimeoutError) as lost:
        raise _unreachable(lost) from lost
    except aiosmtplib.SMTPException as unable:
        raise Refused(f"{unable}; check starttls, user and password of the connection") from unable
    except OSError as lost:
        raise _unreachable(lost) from lost


def _unreachable(lost: OSError) -> Fault:
    for error in (lost, lost.__cause__):
        if isinstance(error, ssl.SSLCertVerificationError):
            return Refused(
                f"the mail server's certificate is not trusted ({error.verify_message}); set ca_file or host"
            )
    return Transient(f"can't reach the mail server: {lost}", outage=True)


def _refusal(reply: aiosmtplib.SMTPResponseException, step: str) -> Fault:
    """The fault a reply of 400 and above stands for; anything lower is no refusal, and so no way to go on."""
    detail = f"SMTP {reply.code} at {step}: {reply.message[:_REPLY_MAX]}"
    if reply.code in _LOGIN_CODES or (step == "connect" and reply.code >= 500):
        return Refused(detail)
    if reply.code >= 500:
        return Rejected(detail, field=step if step in ("from", "to") else None)
    return Transient(detail, outage=step == "connect" or reply.code == _CLOSING)


def _client(settings: Settings, memory: dict[str, Any]) -> aiosmtplib.SMTP:
    return aiosmtplib.SMTP(
        hostname=settings.host,
        port=settings.port,
        timeout=settings.timeout_seconds,
        start_tls=False,  # done step by step above, so that a failure can be told apart
        use_tls=settings.tls,
        tls_context=_tls(settings, memory) if settings.tls or settings.starttls else None,
        local_hostname=mailbox(settings.from_address)[1],
    )


def _tls(settings: Settings, memory: dict[str, Any]) -> ssl.SSLContext:
    """Made once a process: reading the trusted certificates takes 10 ms and more."""
    if "tls" not in memory:
        try:
            memory["tls"] = ssl.create_default_context(cafile=settings.ca_file or None)
        except OSError as error:
            raise Refused(f"ca_file {settings.ca_file} can't be read: {error}") from error
    return memory["tls"]
