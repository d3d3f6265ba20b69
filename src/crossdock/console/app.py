"""The console's door: who asks, for which page, and what keeps everybody else out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from crossdock.console import (
    acts,
    approving,
    bulk,
    campaigns,
    cases,
    connections,
    contracts,
    correcting,
    deciding,
    differences,
    flow,
    governing,
    home,
    inventory,
    ledger,
    mappings,
    orders,
    policies,
    searching,
    value,
)
from crossdock.console.asking import (
    FORM_BYTES_MAX,
    PREFIX,
    Answered,
    Asked,
    Denied,
    asked_of,
    see,
    send_answer,
    to,
)
from crossdock.console.desk import Desk
from crossdock.console.live import watch
from crossdock.console.signing_in import Person, check_form
from crossdock.console.vendored import static
from crossdock.gateway.api import App
from crossdock.gateway.door import Oversized, Receive, Scope, Send, read_body
from crossdock.observe.logs import told
from crossdock.store.database import LOST
from crossdock.store.decisions import NotDecidable
from crossdock.store.desk import Overtaken

log = structlog.get_logger("crossdock")

Page = Callable[..., Awaitable[Answered]]


@dataclass(frozen=True)
class Route:
    """`*` in a pattern is a name that the page is given; `decides`: only for roles that may; `roles`: only for these."""

    method: Literal["GET", "POST"]
    pattern: tuple[str, ...]
    page: Page
    decides: bool = False
    roles: frozenset[str] = frozenset()

    def open_to(self, person: Person) -> bool:
        return (not self.decides or person.may_decide) and (not self.roles or bool(self.roles & person.roles))

    def names(self, path: tuple[str, ...]) -> list[str] | None:
        if len(path) != len(self.pattern):
            return None
        pairs = list(zip(self.pattern, path, strict=True))
        fits = all(wanted in ("*", part) for wanted, part in pairs)
        return [part for wanted, part in pairs if wanted == "*"] if fits else None


ROUTES = (
    Route("GET", (), home.home),
    Route("GET", ("work", "*"), home.work),
    Route("GET", ("cases",), cases.listed),
    Route("GET", ("case", "*"), cases.case),
    Route("POST", ("case", "*", "retry"), deciding.retry, decides=True),
    Route("POST", ("case", "*", "map"), deciding.map_, decides=True),
    Route("POST", ("case", "*", "resolve"), deciding.resolve, decides=True),
    Route("POST", ("case", "*", "skip"), deciding.skip, decides=True),
    Route("POST", ("case", "*", "assign"), deciding.assign, decides=True),
    Route("POST", ("case", "*", "snooze"), deciding.snooze, decides=True),
    Route("GET", ("correct", "*"), correcting.form, decides=True),
    Route("POST", ("correct", "*"), correcting.decide, decides=True),
    Route("POST", ("bind",), deciding.bind, decides=True),
    Route("POST", ("bulk",), bulk.preview, decides=True),
    Route("GET", ("bulk", "*"), bulk.job),
    Route("POST", ("bulk", "*", "confirm"), bulk.confirm, decides=True),
    Route("GET", ("approvals",), approving.listed),
    Route("POST", ("approval", "*"), approving.decide),
    Route("GET", ("search",), searching.search),
    Route("GET", ("order", "*"), orders.order),
    Route("GET", ("act", "*"), acts.why),
    Route("GET", ("books",), ledger.books),
    Route("GET", ("books.csv",), ledger.export),
    Route("GET", ("differences",), differences.listed),
    Route("GET", ("value",), value.value),
    Route("POST", ("value",), value.assume, roles=value.ASSUMES),
    Route("GET", ("flow",), flow.flow),
    Route("GET", ("connections",), connections.listed),
    Route("POST", ("connection", "*", "release"), connections.release, decides=True),
    Route("POST", ("connection", "*", "epoch"), connections.open_epoch, decides=True),
    Route("GET", ("govern",), governing.overview),
    Route("POST", ("govern", "change", "*"), governing.decide),
    Route("POST", ("govern", "plan"), governing.plan, decides=True),
    Route("POST", ("govern", "plan", "*", "off"), governing.call_off, decides=True),
    Route("GET", ("govern", "contracts"), contracts.listed),
    Route("POST", ("govern", "contracts"), contracts.register, decides=True),
    Route("GET", ("govern", "contract", "*"), contracts.contract),
    Route("GET", ("govern", "traffic", "*"), contracts.strange),
    Route("GET", ("govern", "consumers"), inventory.consumers),
    Route("GET", ("govern", "connectors"), inventory.connectors),
    Route("GET", ("govern", "policies"), policies.listed),
    Route("POST", ("govern", "policies"), policies.dry_run, decides=True),
    Route("POST", ("govern", "policies", "ask"), policies.ask, decides=True),
    Route("POST", ("govern", "campaigns"), campaigns.propose, decides=True),
    Route("GET", ("govern", "campaign", "*"), campaigns.campaign),
    Route("POST", ("govern", "campaign", "*"), campaigns.approve),
    Route("GET", ("govern", "mappings"), mappings.listed),
    Route("POST", ("govern", "mappings"), mappings.map_, decides=True),
    Route("GET", ("govern", "owners"), governing.owners),
    Route("GET", ("govern", "audit"), governing.audit),
)


class Console:
    """Everything under /console, for people with a session; `close` ends what is still streaming."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def close(self) -> None:
        self.desk.closing.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        method: str = scope["method"]
        asked = Asked("GET", ())
        try:
            body = await read_body(receive, FORM_BYTES_MAX) if method == "POST" else b""
            asked = asked_of(scope, body)
            if asked.path[:1] == ("live",):
                await self._watch(asked, receive, send)
                return
            answered = await self._answer(asked)
        except Oversized:
            answered = self._sorry(asked, Denied(413, "That is too much", f"More than {FORM_BYTES_MAX} bytes."))
        except Denied as denied:
            answered = self._sorry(asked, denied)
        except (*LOST, PoolTimeout, TimeoutError) as error:
            log.error("console: no database", **told(error))
            why = "The database doesn't answer, or took too long. What is shown elsewhere may be old; try again."
            answered = self._sorry(asked, Denied(503, "That is unknown now", why))
        try:
            await send_answer(send, answered, body=method != "HEAD")
        except (psycopg.Error, PoolTimeout, TimeoutError) as error:
            # What was sent stays without its end, so that nobody takes a part of the books for the whole.
            log.error("console: an answer was cut short", path=list(asked.path), **told(error))

    async def _answer(self, asked: Asked) -> Answered:
        match asked.method, asked.path:
            case "GET" | "HEAD", ["static", digest, name]:
                return static(asked, digest, name)
            case "GET" | "HEAD", ["enter", token]:
                person = await self.desk.signing_in.invited(token)
                return self.desk.pages.page("enter.html", asked, None, name=person)
            case "POST", ["enter", token]:
                return see(to(), await self.desk.signing_in.enter(asked, token))
            case "POST", ["sign-in"]:
                return see(to(), await self.desk.signing_in.enter_by_password(asked))
            case _:
                return await self._answer_person(asked)

    async def _answer_person(self, asked: Asked) -> Answered:
        person = await self.desk.signing_in.who(asked)
        if person is None:
            return self.desk.pages.page("sign_in.html", asked, None, status=401)
        if asked.method == "POST":
            check_form(asked, person)
            if asked.path == ("leave",):
                return see(to(), await self.desk.signing_in.leave(asked))
        return await self._page(asked, person)

    async def _page(self, asked: Asked, person: Person) -> Answered:
        method = "GET" if asked.method == "HEAD" else asked.method
        found = [(r, n) for r in ROUTES if (n := r.names(asked.path)) is not None]
        fitting = [(route, names) for route, names in found if route.method == method]
        if not fitting:
            raise Denied(405 if found else 404, "There is no such page", "Look in the navigation above.")
        route, names = fitting[0]
        if not route.open_to(person):
            roles = ", ".join(sorted(person.roles)) or "none"
            raise Denied(403, "That is not yours to decide", f"Your roles ({roles}) let you look, not decide.")
        try:
            return await route.page(self.desk, asked, person, *names)
        except Overtaken as overtaken:
            raise Denied(
                409, "Somebody was faster", f"{overtaken} Nothing of yours was changed; look again before you decide."
            ) from overtaken
        except NotDecidable as error:
            raise Denied(409, "That doesn't fit how things stand", f"{error}. Nothing was changed.") from error

    def _sorry(self, asked: Asked, denied: Denied) -> Answered:
        return self.desk.pages.page(
            "sorry.html", asked, None, status=denied.status, title=denied.title, words=denied.words
        )

    async def _watch(self, asked: Asked, receive: Receive, send: Send) -> None:
        person = await self.desk.signing_in.who(asked)
        if person is None:
            raise Denied(401, "Sign in first", "This session is over.")
        await watch(self.desk, asked, receive, send)


def with_console(console: App, otherwise: App) -> App:
    """One app: the console under its prefix and at the bare address, everything else as before."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path == PREFIX or path.startswith(f"{PREFIX}/"):
            await console(scope, receive, send)
        elif path == "/" and scope["method"] == "GET":
            await send_answer(send, see(to()))
        else:
            await otherwise(scope, receive, send)

    return serve
