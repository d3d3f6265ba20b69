"""Mail: each customer is told once, and every way a mail server can fail has the outcome it deserves.

Effects are judged on the mail sink's ledger.
"""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from crossdock.canonical.shipment import ParcelNotice
from crossdock.connect.connector import Command
from crossdock.connect.link import Http, Link
from crossdock.connect.receipts import Confirmed
from crossdock.connect.secrets import Secret
from crossdock.connectors.smtp import Settings
from crossdock.connectors.smtp.acts import notify
from crossdock.kernel.faults import Fault, Refused, Rejected, Transient, Unknown
from crossdock.simulators.mail import MailSink
from crossdock.simulators.mischief import FaultRule
from tests.contract.test_smtp_letter import SETTINGS, notice


@dataclass
class Office:
    """A running mail sink and a link to it, with how often the lease was looked at."""

    mail: MailSink
    url: str
    link: Link[Settings]
    guarded: list[int]

    @property
    def received(self) -> list[dict[str, Any]]:
        return [entry.details for entry in self.mail.ledger.select("mail_received")]


class LeaseLost(Exception): ...


async def _spend(points: int) -> None: ...


@asynccontextmanager
async def office(*, mail: MailSink | None = None, leased: bool = True, **changed: Any) -> AsyncIterator[Office]:
    mail, guarded = mail or MailSink(), list[int]()

    def guard() -> None:
        guarded.append(len(mail.ledger.entries))
        if not leased:
            raise LeaseLost

    async with mail.serve() as running, aiohttp.ClientSession() as session:
        given = {"port": running.smtp_port, "timeout_seconds": 2.0, **changed}
        own = msgspec.structs.replace(SETTINGS, **given)
        http = Http(session, running.url, spend=_spend, guard=guard)
        yield Office(mail, running.url, Link(own, http, {}, guard), guarded)


async def fault_of(at: Office, asked: Command[ParcelNotice] | None = None) -> Fault:
    with pytest.raises(Fault) as caught:
        await notify(asked or notice(), at.link)
    return caught.value


def arm(at: Office, match: str, kind: Any, **more: Any) -> None:
    at.mail.mischief.arm(FaultRule(match=f"SMTP {match}", kind=kind, **more))


# ---- what is sent


async def test_a_notice_is_one_mail_that_names_order_lines_and_tracking():
    async with office() as at:
        outcome = await notify(notice(), at.link)
        (mail,) = at.received
        assert outcome == Confirmed(id=at.mail.ledger.entries[0].key)
        assert (mail["sender"], mail["recipients"]) == ("orders@shop.example", ["ada@example.com"])
        assert mail["subject"] == "A parcel of your order 1001 is on its way"
        for said in (
            "Hello Ada Example,",
            "order 1001",
            "2 x Blue mug",
            "Parcel Post",
            "PP1",
            "https://track.example/PP1",
        ):
            assert said in mail["text"]


async def test_the_lease_is_looked_at_before_the_data_and_without_it_nothing_is_sent():
    async with office() as at:
        await notify(notice(), at.link)
        assert at.guarded == [0]
    async with office(leased=False) as at:
        with pytest.raises(LeaseLost):
            await notify(notice(), at.link)
        assert at.received == []


async def test_dots_at_the_start_of_a_line_survive_the_way():
    async with office() as at:
        await notify(notice(name="", lines=((".", 1),), tracking=None), at.link)
        assert "1 x ." in at.received[0]["text"]
        assert at.received[0]["text"].startswith("Hello,")


# ---- to whom


@pytest.mark.parametrize(
    "to",
    [
        "", "ada", "@example.com", "ada@", "a@b@c.com", "a b@example.com", "ada@example.com\r\nRCPT TO:<eve@example.com>",
        "ada@example.com,eve@example.com", "<ada@example.com>", '"a b"@example.com', "ada@exa_mple.com", "ada@-x.com",
        "ada@[127.0.0.1]", "ädä@example.com", "a" * 65 + "@example.com", "ada@" + "a" * 64 + ".com", "ada@" + "a." * 130 + "com",
        "ada@example..com", "ada@\udc80.com", "ada\x00@example.com",
    ],
)  # fmt: skip
async def test_an_address_no_mail_could_go_to_is_rejected_before_any_call(to: str):
    async with office() as at:
        fault = await fault_of(at, notice(to=to))
        assert isinstance(fault, Rejected)
        assert (fault.field, at.guarded, at.received) == ("to", [], [])


# ---- how it can go wrong


async def test_a_server_that_refuses_connections_is_an_outage_and_nothing_was_sent():
    async with office() as at:
        await at.mail.shut()
        fault = await fault_of(at)
        assert isinstance(fault, Transient)
        assert fault.outage
        await at.mail.open()
        assert isinstance(await notify(notice(), at.link), Confirmed)


@pytest.mark.parametrize(
    ("step", "status", "fault", "outage"),
    [
        ("CONNECT", 0, Transient, True),
        ("CONNECT", 421, Transient, True),
        ("CONNECT", 554, Refused, False),
        ("EHLO", 0, Transient, True),
        ("EHLO", 451, Transient, True),
        ("MAIL", 0, Transient, True),
        ("MAIL", 451, Transient, False),
        ("MAIL", 421, Transient, True),
        ("MAIL", 530, Refused, False),
        ("MAIL", 552, Rejected, False),
        ("RCPT", 450, Transient, False),
        ("RCPT", 550, Rejected, False),
        ("RCPT", 0, Transient, True),
        ("DATA", 451, Transient, False),
        ("DATA", 554, Rejected, False),
    ],
)
async def test_a_refusal_before_the_data_sends_nothing_and_is_the_fault_its_code_stands_for(
    step: str, status: int, fault: type[Fault], outage: bool
):
    async with office() as at:
        arm(at, step, "refuse", status=status, times=1)
        raised = await fault_of(at)
        assert type(raised) is fault
        assert raised.outage is outage
        assert at.received == []
        assert isinstance(await notify(notice(), at.link), Confirmed)


async def test_a_refused_recipient_names_the_field():
    async with office() as at:
        arm(at, "RCPT ada@", "refuse", status=550)
        fault = await fault_of(at)
        assert isinstance(fault, Rejected)
        assert (fault.field, "550" in fault.detail) == ("to", True)


async def test_garbage_before_the_data_is_transient():
    async with office() as at:
        arm(at, "MAIL", "garbage")
        assert isinstance(await fault_of(at), Transient)


async def test_a_server_that_never_greets_is_an_outage():
    async with office(timeout_seconds=0.2) as at:
        arm(at, "CONNECT", "slow", seconds=1)
        fault = await fault_of(at)
        assert isinstance(fault, Transient)
        assert fault.outage


@pytest.mark.parametrize("kind", ["commit_then_drop", "commit_then_timeout", "garbage"])
async def test_a_mail_taken_over_without_an_answer_is_unknown_and_can_be_looked_up(kind: Any):
    async with office(timeout_seconds=0.3) as at:
        arm(at, "DATA", kind, seconds=1)
        fault = await fault_of(at)
        assert isinstance(fault, Unknown)
        assert len(at.received) == 1
        assert at.mail.ledger.entries[0].key in fault.detail


async def test_a_line_cut_after_the_data_is_unknown_even_if_the_mail_is_taken_over_only_later():
    async with office() as at:
        arm(at, "DATA", "late", seconds=0.05, status=0)
        assert isinstance(await fault_of(at), Unknown)
        await at.mail.mischief.settled()
        assert len(at.received) == 1


@pytest.mark.parametrize(("status", "fault"), [(451, Transient), (554, Rejected)])
async def test_a_refusal_after_the_data_is_the_servers_word_that_it_has_no_mail(status: int, fault: type[Fault]):
    async with office() as at:
        arm(at, "DATA", "late", seconds=60, status=status)
        assert type(await fault_of(at)) is fault


@pytest.mark.parametrize("kind", ["refuse", "garbage"])
async def test_a_failing_goodbye_takes_nothing_back(kind: Any):
    async with office() as at:
        arm(at, "QUIT", kind, status=0)
        assert isinstance(await notify(notice(), at.link), Confirmed)
        assert len(at.received) == 1


# ---- logging in, and on a safe line


async def test_with_the_right_password_the_mail_goes_out_and_with_another_the_lane_stops():
    def users() -> MailSink:
        return MailSink(users={"crossdock": "example-password"})

    async with office(mail=users(), user="crossdock", password=Secret("example-password")) as at:
        assert isinstance(await notify(notice(), at.link), Confirmed)
    async with office(mail=users(), user="crossdock", password=Secret("wrong-password")) as at:
        fault = await fault_of(at)
        assert isinstance(fault, Refused)
        assert "wrong-password" not in repr(fault) + fault.detail
    async with office(mail=users()) as at:
        assert isinstance(await fault_of(at), Refused)
    async with office(user="crossdock", password=Secret("example-password")) as at:
        assert isinstance(await fault_of(at), Refused)


async def test_a_login_that_fails_for_now_is_tried_again():
    mail = MailSink(users={"crossdock": "example-password"})
    async with office(mail=mail, user="crossdock", password=Secret("example-password")) as at:
        arm(at, "AUTH", "refuse", status=454)
        assert isinstance(await fault_of(at), Transient)


async def test_a_server_without_starttls_gets_neither_password_nor_mail():
    mail = MailSink(users={"crossdock": "example-password"})
    async with office(mail=mail, starttls=True, user="crossdock", password=Secret("example-password")) as at:
        fault = await fault_of(at)
        assert isinstance(fault, Refused)
        assert "starttls" in fault.detail
        assert mail.mischief.struck == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate of its own for 127.0.0.1, in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make a certificate with")
    made = tmp_path_factory.mktemp("tls")
    key, cert = made / "key.pem", made / "cert.pem"
    new = f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout {key} -out {cert}"
    own = ["-subj", "/CN=mail", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([openssl, *new.split(), *own], check=True, capture_output=True)
    (made / "both.pem").write_bytes(key.read_bytes() + cert.read_bytes())
    return made / "both.pem"


def _secure(certificate: Path) -> MailSink:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return MailSink(users={"crossdock": "example-password"}, tls=context)


async def test_starttls_carries_login_and_mail(certificate: Path):
    login = {"user": "crossdock", "password": Secret("example-password")}
    async with office(mail=_secure(certificate), starttls=True, ca_file=str(certificate), **login) as at:
        assert isinstance(await notify(notice(), at.link), Confirmed)
        assert len(at.received) == 1


async def test_a_certificate_nobody_vouches_for_stops_the_lane(certificate: Path):
    async with office(mail=_secure(certificate), starttls=True) as at:
        fault = await fault_of(at)
        assert isinstance(fault, Refused)
        assert "ca_file" in fault.detail
    async with office(starttls=True, ca_file="/nowhere.pem") as at:
        assert isinstance(await fault_of(at), Refused)


# ---- settings, examples, programs


async def test_the_examples_can_be_sent():
    examples = Path(__file__).parents[2] / "src/crossdock/connectors/smtp/examples/commands/parcel_notice.json"
    async with office() as at:
        for example in json.loads(examples.read_bytes()):
            body = msgspec.convert(example["body"], ParcelNotice)
            asked = Command(key=example["key"], entity="e", body=body, sealed_at=datetime(2026, 11, 20, tzinfo=UTC))
            assert isinstance(await notify(asked, at.link), Confirmed)
        assert [mail["recipients"] for mail in at.received] == [["ada@example.com"], ["grace@example.com"]]


async def test_the_sinks_ledger_faults_and_port_can_be_ruled_over_http():
    async with office() as at, aiohttp.ClientSession(at.url) as http:
        await http.post("/_control/faults", json=[{"match": "SMTP RCPT", "kind": "refuse", "status": 550, "times": 1}])
        assert isinstance(await fault_of(at), Rejected)
        await http.post("/_control/listening", json={"open": False})
        assert isinstance(await fault_of(at), Transient)
        await http.post("/_control/listening", json={"open": True})
        await notify(notice(), at.link)
        async with http.get("/_ledger?what=mail_received") as answer:
            assert [entry["details"]["recipients"] for entry in await answer.json()] == [["ada@example.com"]]


def test_the_sink_runs_as_a_program_and_ends_with_its_parent():
    command = [sys.executable, "-m", "crossdock.simulators.mail", "--stop-with-stdin"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stdin is not None
        told = json.loads(program.stdout.readline())
        assert {*told} == {"url", "smtp_host", "smtp_port"}
        program.stdin.close()
        assert program.wait(5) == 0
