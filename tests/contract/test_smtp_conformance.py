"""What the hub relies on in every connector, asked of the mail connector against the mail sink."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from crossdock.connect.conformance import Misbehaviour, StandIn, conformance_of
from crossdock.connect.connector import Command
from crossdock.connectors.smtp.letter import message_id_of
from crossdock.simulators.mail import MailSink
from crossdock.simulators.mischief import FaultRule
from tests.contract.test_smtp_letter import SETTINGS


@asynccontextmanager
async def mail_sink() -> AsyncGenerator[StandIn]:
    sink = MailSink()

    async def effects(command: Command[Any]) -> int:
        return len(sink.ledger.select("mail_received", message_id_of(command.key, "shop.example")))

    async def misbehave(_noun: type[msgspec.Struct], how: Misbehaviour) -> None:
        sink.mischief.arm(FaultRule(match="SMTP DATA", kind=how, times=1))

    async with sink.serve() as running:
        settings = msgspec.structs.replace(SETTINGS, port=running.smtp_port)
        # A status after the data is the server's word that it has no mail, and so no lost answer.
        ways: tuple[Misbehaviour, ...] = ("commit_then_drop", "garbage")
        yield StandIn(settings=settings, effects=effects, misbehave=misbehave, misbehaviours=ways)


TestSmtp = conformance_of("smtp", stand_in=mail_sink)
