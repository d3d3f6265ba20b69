"""A person's word on what waits for it: checked against what is open now, recorded, and sent in by the inbox like any fact."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from crossdock.canonical.returns import Approval
from crossdock.govern.own import PEOPLE
from crossdock.govern.people import People, named
from crossdock.kernel.moments import to_micros
from crossdock.store import approvals, inbox, settling
from crossdock.store.approvals import ALL, Part, Request, Said
from crossdock.store.database import Transaction
from crossdock.store.decisions import Decider, NotDecidable
from crossdock.store.inbox import Message

Verdict = Literal["approved", "rejected"]
_VERBS: dict[Verdict, str] = {"approved": "approve", "rejected": "reject"}


@dataclass(frozen=True, slots=True)
class Asked:
    """An open request, and what was said about it so far."""

    request: Request
    said: list[Said]

    @property
    def approved_by(self) -> list[str]:
        return [word.by for word in self.said if word.holds]

    @property
    def rejected_by(self) -> list[str]:
        return [word.by for word in self.said if word.what == "reject"]


@dataclass(frozen=True, slots=True)
class Decided:
    """A word that was recorded; `missing` says how many more people it takes."""

    request: Request
    verdict: Verdict
    by: str
    expires_at: datetime
    missing: int


async def what_waits(tx: Transaction, part: Part = ALL) -> list[Asked]:
    """Every open request, or a part of them; what is due first first."""
    requests = await approvals.open_requests(tx, part)
    words = await approvals.said(tx, [request.digest for request in requests])
    return [Asked(each, list(words.get((each.entity, each.digest), {}).values())) for each in requests]


@dataclass(frozen=True, slots=True)
class Approver:
    """A person deciding inside one transaction; `role` narrows to what that role may decide."""

    tx: Transaction
    people: People
    by: str
    role: str | None = None

    async def decide(self, wanted: str, verdict: Verdict, note: str = "") -> Decided:
        """Approve or reject the request with this id or digest; `NotDecidable` when it isn't open or not theirs."""
        request = await self._request(wanted)
        by = self._allowed(request)
        words = (await approvals.said(self.tx, [request.digest])).get((request.entity, request.digest), {})
        self._check_not_said(request, verdict, words.get(by.casefold()))
        now = await settling.now(self.tx)
        word = Approval(
            digest=request.digest,
            verdict=verdict,
            by=by,
            role=request.role,
            decided_at=now,
            expires_at=now + timedelta(hours=request.hours),
            note=note,
        )
        await self._send(request, word)
        others = {name for name, said in words.items() if said.holds} - {by.casefold()}
        missing = request.people - len(others) - (verdict == "approved")
        return Decided(request, verdict, by, word.expires_at, max(0, missing))

    async def _request(self, wanted: str) -> Request:
        found = await approvals.requests_named(self.tx, wanted.strip())
        if not found:
            raise NotDecidable(
                f"{wanted} is not asked for (any more); amount, payee or cause may have changed: crossdock approvals"
            )
        if len(found) > 1:
            raise NotDecidable(f"{wanted} fits several; name one by its id: {', '.join(str(r.id) for r in found)}")
        return found[0]

    def _allowed(self, request: Request) -> str:
        """The person's name as the settings spell it."""
        if self.role is not None and self.role != request.role:
            raise NotDecidable(f"request {request.id} is for {request.role} to decide, not for {self.role}")
        by = named(self.people, request.role, self.by)
        if by is None:
            known = ", ".join(self.people.get(request.role, ())) or "nobody yet"
            raise NotDecidable(
                f"{self.by} may not decide for {request.role}, which is {known};"
                f" have one of them decide, or add {self.by} to people.{request.role} in the settings"
            )
        return by

    def _check_not_said(self, request: Request, verdict: Verdict, earlier: Said | None) -> None:
        if earlier is None:
            return
        if verdict == "approved" and earlier.holds:
            more = f"; it takes {request.people} different people" if request.people > 1 else ""
            raise NotDecidable(
                f"{earlier.by} has approved request {request.id} already, until {earlier.expires_at:%Y-%m-%d %H:%M} UTC{more}"
            )
        if verdict == "rejected" and earlier.what == "reject":
            raise NotDecidable(f"{earlier.by} has rejected request {request.id} already")

    async def _send(self, request: Request, word: Approval) -> None:
        """Recorded as a decision, and received as a message: replaying it says the same once more."""
        body = msgspec.json.encode({"entity": request.entity, "approval": word})
        name = f"{request.entity}/{word.digest[:16]}/{word.by.casefold()}@{to_micros(word.decided_at)}"
        await inbox.store(self.tx, [Message(PEOPLE, "approval", body, name)])
        await Decider(self.tx, word.by).record(
            _VERBS[word.verdict],
            entity=request.entity,
            name=request.name,
            digest=word.digest,
            role=word.role,
            what=request.what,
            amount=str(request.amount),
            payee=request.payee,
            expires_at=word.expires_at,
            note=word.note,
        )
