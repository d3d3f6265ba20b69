"""A mail sink: a real SMTP server that keeps every mail it took over in its ledger, and fails on order.

Fault rules (`/_control/faults`) match "SMTP CONNECT", "SMTP EHLO", "SMTP STARTTLS", "SMTP AUTH", "SMTP MAIL <address>",
"SMTP RCPT <address>", "SMTP DATA <recipient>" and "SMTP QUIT". A rule's `status` is the SMTP reply code, 0 cuts the
connection. Its own asyncio server and not aiosmtpd, because a rule must be able to strike between the data and the 250.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import email
import email.policy
import hmac
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from crossdock.kernel.moments import Clock, system_clock
from crossdock.simulators.mischief import FaultRule, Ledger, Mischief, control_routes
from crossdock.simulators.running import Running, program_arguments, run_program, serving

_LINE_BYTES_MAX = 1024
_MAIL_BYTES_MAX = 10 * 1024 * 1024


@dataclass(frozen=True)
class MailRunning(Running):
    """`url` is the ledger's and the control door's; mail goes to `smtp_host` and `smtp_port`."""

    smtp_host: str
    smtp_port: int


class MailSink:
    """The sink. With `users` it asks for a login; with `tls` it offers STARTTLS."""

    def __init__(
        self,
        *,
        users: dict[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        seed: int = 0,
        clock: Clock = system_clock,
    ) -> None:
        self.mischief = Mischief(seed)
        self.ledger = Ledger(clock)
        self.users = users or {}
        self.tls = tls
        self._server: asyncio.Server | None = None
        self._port = 0
        self._talking: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def serve(self, port: int = 0, smtp_port: int = 0) -> AsyncGenerator[MailRunning]:
        self._port = smtp_port
        await self.open()
        try:
            async with serving(self._app(), port) as running:
                yield MailRunning(running.url, "127.0.0.1", self._port)
        finally:
            await self.shut()
            for writer in self._talking:
                writer.transport.abort()

    async def open(self) -> None:
        """Listen, on the same port as before if there was one."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve_one, "127.0.0.1", self._port, limit=_MAIL_BYTES_MAX)
            self._port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Refuse connections until opened again."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def take_over(self, sender: str, recipients: Sequence[str], body: bytes) -> None:
        """The moment a mail becomes this server's, whether or not the sender ever hears of it."""
        mail = email.message_from_bytes(body, policy=email.policy.default)
        content = mail.get_body()
        self.ledger.append(
            "mail_received",
            str(mail["Message-ID"] or "").strip(),
            sender=sender,
            recipients=list(recipients),
            subject=str(mail["Subject"] or ""),
            text="" if content is None else content.get_content(),
            headers=[[name, str(value)] for name, value in mail.items()],
        )

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = _Session(self, reader, writer)
        self._talking.add(writer)
        with contextlib.suppress(
            _Cut, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ssl.SSLError
        ):
            await session.talk()
        self._talking.discard(writer)
        writer.close()

    def _app(self) -> web.Application:
        async def listening(request: web.Request) -> web.Response:
            await (self.open() if (await request.json())["open"] else self.shut())
            return web.Response(status=204)

        app = web.Application()
        app.router.add_post("/_control/listening", listening)
        control_routes(app, self.mischief, self.ledger)
        return app


class _Cut(Exception):
    """The connection is to be cut."""


@dataclass
class _Session:
    """One client's conversation (RFC 5321)."""

    mail: MailSink
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    sender: str | None = None
    recipients: list[str] = field(default_factory=list[str])
    user: str | None = None
    secure: bool = False

    async def talk(self) -> None:
        if await self._struck("CONNECT"):
            return
        await self._say("220 mail.example ESMTP")
        while line := await self._line():
            verb, _, rest = line.partition(" ")
            if verb.upper() == "QUIT":
                if not await self._struck("QUIT"):
                    await self._say("221 bye")
                return
            await self._obey(verb.upper(), rest.strip())

    async def _obey(self, verb: str, rest: str) -> None:
        match verb:
            case "EHLO" | "HELO":
                await self._greet()
            case "STARTTLS" if self.mail.tls and not self.secure:
                await self._secure(self.mail.tls)
            case "AUTH":
                await self._login(rest)
            case "MAIL":
                await self._from(_address(rest))
            case "RCPT":
                await self._to(_address(rest))
            case "DATA":
                await self._data()
            case "RSET" | "NOOP":
                await self._say("250 ok")
            case _:
                await self._say("502 not here")

    async def _greet(self) -> None:
        if await self._struck("EHLO"):
            return
        offers = ["mail.example"]
        offers += ["STARTTLS"] if self.mail.tls and not self.secure else []
        offers += ["AUTH PLAIN LOGIN"] if self.mail.users else []
        await self._say(*(f"250-{offer}" for offer in offers), "250 SIZE 10485760")

    async def _secure(self, tls: ssl.SSLContext) -> None:
        if await self._struck("STARTTLS"):
            return
        await self._say("220 go ahead")
        await self.writer.start_tls(tls)
        self.secure = True

    async def _login(self, rest: str) -> None:
        if await self._struck("AUTH"):
            return
        user, password = await (
            self._login_in_two(rest) if rest.upper().startswith("LOGIN") else self._login_plain(rest)
        )
        expected = self.mail.users.get(user, "")
        if expected and hmac.compare_digest(password.encode(), expected.encode()):
            self.user = user
            await self._say("235 welcome")
        else:
            await self._say("535 5.7.8 authentication credentials invalid")

    async def _login_plain(self, rest: str) -> tuple[str, str]:
        _, _, token = rest.partition(" ")
        if not token:
            await self._say("334 ")
            token = await self._line()
        parts = _unwrapped(token).split("\0")
        return (parts[1], parts[2]) if len(parts) == 3 else ("", "")

    async def _login_in_two(self, rest: str) -> tuple[str, str]:
        _, _, token = rest.partition(" ")
        if not token:
            await self._say("334 VXNlcm5hbWU6")
            token = await self._line()
        await self._say("334 UGFzc3dvcmQ6")
        return _unwrapped(token), _unwrapped(await self._line())

    async def _from(self, sender: str) -> None:
        if await self._struck(f"MAIL {sender}"):
            return
        if self.mail.users and self.user is None:
            await self._say("530 5.7.0 authentication required")
            return
        self.sender, self.recipients = sender, []
        await self._say("250 ok")

    async def _to(self, recipient: str) -> None:
        if await self._struck(f"RCPT {recipient}"):
            return
        if self.sender is None:
            await self._say("503 MAIL first")
            return
        self.recipients.append(recipient)
        await self._say("250 ok")

    async def _data(self) -> None:
        if self.sender is None or not self.recipients:
            await self._say("503 MAIL and RCPT first")
            return
        rule = self.mail.mischief.strike(f"SMTP DATA {self.recipients[0]}")
        if rule is not None and rule.kind == "refuse":
            await self._refuse(rule)
            return
        await self._say("354 go on")
        body = await self.reader.readuntil(b"\r\n.\r\n")
        body = body[:-3].replace(b"\r\n..", b"\r\n.")
        await self._take_over(rule, self.sender, tuple(self.recipients), body)
        self.sender, self.recipients = None, []

    async def _take_over(self, rule: FaultRule | None, sender: str, recipients: Sequence[str], body: bytes) -> None:
        """Take the mail over and say so, or only one of the two, as the rule has it."""
        if rule is not None and rule.kind == "late":

            async def take_over() -> None:
                self.mail.take_over(sender, recipients, body)

            self.mail.mischief.later(rule.seconds, take_over)
            await self._refuse(rule)
            return
        if rule is not None and rule.kind == "slow":
            await asyncio.sleep(rule.seconds)
        self.mail.take_over(sender, recipients, body)
        await self._acknowledge(rule)

    async def _acknowledge(self, rule: FaultRule | None) -> None:
        match None if rule is None else rule.kind:
            case "commit_then_drop":
                raise _Cut
            case "commit_then_status" if rule is not None:
                await self._refuse(rule)
            case "garbage":
                await self._say("?!")
            case "commit_then_timeout" if rule is not None:
                await asyncio.sleep(rule.seconds)
                await self._say("250 taken over")
            case _:
                await self._say("250 taken over")

    async def _struck(self, step: str) -> bool:
        """Whether a rule refused this step instead of it being done; before the data there is nothing to commit."""
        rule = self.mail.mischief.strike(f"SMTP {step}")
        if rule is None:
            return False
        if rule.kind == "slow":
            await asyncio.sleep(rule.seconds)
            return False
        await (self._say("?!") if rule.kind == "garbage" else self._refuse(rule))
        return True

    async def _refuse(self, rule: FaultRule) -> None:
        if rule.status == 0 or rule.kind == "commit_then_drop":
            raise _Cut
        await self._say(f"{rule.status} mischief")
        if rule.status == 421:
            raise _Cut

    async def _say(self, *lines: str) -> None:
        self.writer.write("".join(f"{line}\r\n" for line in lines).encode())
        await self.writer.drain()

    async def _line(self) -> str:
        """The next command; empty when the client has gone."""
        line = await self.reader.readline()
        if len(line) > _LINE_BYTES_MAX:
            await self._say("500 line too long")
            raise _Cut
        return line.decode(errors="replace").rstrip("\r\n")


def _address(rest: str) -> str:
    """The address in `FROM:<a@b> SIZE=9`."""
    _, _, after = rest.partition("<")
    return after.partition(">")[0]


def _unwrapped(token: str) -> str:
    with contextlib.suppress(binascii.Error, UnicodeDecodeError):
        return base64.b64decode(token, validate=True).decode()
    return ""


def main() -> None:
    """Run the sink as a program."""
    parser = program_arguments("A mail sink with a ledger of what it received.")
    parser.add_argument("--smtp-port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--user", help="ask for this login")
    parser.add_argument("--password", default="")
    given = parser.parse_args()
    mail = MailSink(users={given.user: given.password} if given.user else None, seed=given.seed)
    run_program(lambda: mail.serve(given.port, given.smtp_port), stop_with_stdin=given.stop_with_stdin)


if __name__ == "__main__":
    main()
