"""A parcel notice as a mail: what it says, to whom it may go, and that nothing can be smuggled into it."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdock.canonical.returns import RefundNotice
from crossdock.canonical.shipment import ParcelNotice, Tracking
from crossdock.connect.connector import Command
from crossdock.connect.effects import Blind
from crossdock.connectors.smtp import Settings, connector
from crossdock.connectors.smtp.letter import letter_of, message_id_of
from crossdock.connectors.smtp.mailbox import mailbox
from crossdock.kernel.money import Money, usd

SETTINGS = Settings(
    host="127.0.0.1", port=1, starttls=False, from_address="orders@shop.example", from_name="Example Shop"
)
TRACKING = Tracking(carrier="Parcel Post", number="PP1", url="https://track.example/PP1")


def notice(key: str = "order:shop:1001/parcel_notice:sh_1/left/1", **changed: Any) -> Command[ParcelNotice]:
    body = ParcelNotice(
        to="ada@example.com", name="Ada Example", order_number="1001", lines=(("Blue mug", 2),), tracking=TRACKING
    )
    body = msgspec.structs.replace(body, **changed)
    return Command(key=key, entity="order:shop:1001", body=body, sealed_at=datetime(2026, 11, 20, 14, tzinfo=UTC))


def refund(**changed: Any) -> Command[RefundNotice]:
    body = RefundNotice(
        to="ada@example.com",
        name="Ada Example",
        order_number="1001",
        amount=usd(1250),
        tender="Visa 4242",
        lines=(("Blue mug", 1),),
    )
    key = "order:shop:1001/refund_notice:re_9/refunded/1"
    at = datetime(2026, 11, 20, 14, tzinfo=UTC)
    return Command(key=key, entity="order:shop:1001", body=msgspec.structs.replace(body, **changed), sealed_at=at)


def test_mail_is_declared_blind():
    assert {capability.effects for capability in connector.capabilities.values()} == {(Blind(),)}


def test_a_refund_letter_says_how_much_went_back_where_and_for_what():
    mail = _parsed(refund())
    assert mail["Subject"] == "A refund for your order 1001"
    text = mail.get_content()
    assert "we have given back 12.50 USD for your order 1001 to Visa 4242." in text
    assert "  1 x Blue mug" in text
    bare = _parsed(refund(lines=(), tender="", amount=Money(500, "JPY"))).get_content()
    assert "we have given back 500 JPY for your order 1001." in bare
    assert "It is for" not in bare


@settings(deadline=None)
@given(tender=st.text(max_size=300), title=st.text(max_size=300))
def test_no_text_of_a_refund_letter_can_add_a_header_or_a_line(tender: str, title: str):
    plain, asked = _parsed(refund()), refund(tender=f"x{tender}", lines=((f"x{title}", 1),))
    mail = _parsed(asked)
    assert set(mail.keys()) - _CONTENT == _HEADERS
    assert len(mail.get_content().splitlines()) == len(plain.get_content().splitlines())


def test_the_same_command_is_the_same_bytes_under_the_same_message_id():
    assert letter_of(notice(), SETTINGS) == letter_of(notice(), SETTINGS)
    ids = {message_id_of(key, "shop.example") for key in ("a/1/2", "a/12", "a:1/2", "a" * 900, "ä/ß")}
    assert len(ids) == 5
    assert message_id_of("order:shop:1001/parcel_notice:sh_1/left/1", "shop.example").startswith(
        "<order.shop.1001.parcel"
    )


def _parsed(asked: Command[ParcelNotice] | Command[RefundNotice]) -> Any:
    return email.message_from_bytes(letter_of(asked, SETTINGS).body, policy=email.policy.default)


_HEADERS = {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version"}
_CONTENT = {"Content-Type", "Content-Transfer-Encoding"}


@settings(deadline=None)
@given(name=st.text(max_size=300), number=st.text(max_size=300), title=st.text(max_size=300), url=st.text(max_size=50))
def test_no_text_can_add_a_header_a_recipient_or_a_line(name: str, number: str, title: str, url: str):
    asked = notice(
        name=name, order_number=number, lines=((title, 1),), tracking=Tracking(carrier=name, number=title, url=url)
    )
    raw, mail = letter_of(asked, SETTINGS).body, _parsed(asked)
    assert set(mail.keys()) == _HEADERS | _CONTENT
    assert len(mail.keys()) == len(set(mail.keys()))
    assert [address.addr_spec for address in mail["To"].addresses] == ["ada@example.com"]
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert len(mail.get_content().splitlines()) <= 10


def test_a_smuggled_header_stays_text():
    mail = _parsed(notice(name="Ada\r\nBcc: eve@example.com", order_number="1\nX-Evil: 1"))
    assert "Bcc" not in mail
    assert "X-Evil" not in mail
    assert mail["Subject"] == "A parcel of your order 1 X-Evil: 1 is on its way"


def test_text_in_any_script_arrives_as_it_was():
    mail = _parsed(notice(name="Zoë Ångström", lines=(("Tasse für Tee ☕", 1), (".", 1))))
    assert mail["To"].addresses[0].display_name == "Zoë Ångström"
    assert "1 x Tasse für Tee ☕" in mail.get_content()


def test_a_link_that_is_no_web_address_is_left_out():
    for url in ("javascript:alert(1)", "https://a b", "", "ftp://x"):
        text = _parsed(notice(tracking=Tracking(carrier="P", number="1", url=url))).get_content()
        assert "Follow it" not in text


def test_usual_addresses_are_accepted_and_foreign_domains_become_ascii():
    assert mailbox(" ada+shop.1@mail.example.com ") == ("ada+shop.1", "mail.example.com")
    assert mailbox("ada@bücher.example") == ("ada", "xn--bcher-kva.example")


def _settings(**given: Any) -> Settings:
    def secret(shape: type, value: Any) -> Any:
        return shape(value)

    base = {"host": "127.0.0.1", "from_address": "orders@shop.example"}
    return msgspec.convert(base | given, Settings, dec_hook=secret)


@pytest.mark.parametrize(
    "given",
    [
        {"from_address": "orders"}, {"from_address": "a@b.c\r\nX: 1"}, {"tls": True}, {"user": "u"}, {"port": 0}, {"host": ""},
        {"host": "a" * 64}, {"hots": "typo"},
    ],
)  # fmt: skip
def test_settings_that_could_never_work_are_refused_at_start(given: dict[str, Any]):
    with pytest.raises(msgspec.ValidationError):
        _settings(**given)


def test_the_password_shows_in_no_repr():
    assert "example-password" not in repr(_settings(user="u", password="example-password"))
