"""Each way an HTTP request can fail, at each function that makes one: does the connector say what it means?"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from crossdock.connect.conformance_calls import (
    ANSWER_SECONDS,
    SILENCE_SECONDS,
    Call,
    LeaseGone,
    ObservedLink,
    calls_of,
    linked,
    origin_of,
    pointed_at,
)
from crossdock.connect.conformance_server import FAILURES, RETRY_AFTER_SECONDS, FailingServer, Failure
from crossdock.connect.conformance_stand_in import OpenStandIn
from crossdock.connect.conformance_subject import Subject
from crossdock.connect.conformance_trial import Trial
from crossdock.connect.conformance_watch import Watch
from crossdock.connect.documents import Reading
from crossdock.kernel.faults import Fault, Refused, Throttled, Transient, Unknown

PATIENCE_SECONDS = 10.0
_REPEATS_AFTER_REFUSAL = 2
"""A session that ran out is answered 401: one new login and one more try are right."""


def failure_trials(subject: Subject, open_stand_in: OpenStandIn | None) -> Iterator[Trial]:
    """One trial for each function and failure: at the first request, and at the first behind what only prepares it.

    What prepares it is answered by the script's preamble, or by the stand-in.
    """
    if not subject.speaks_http:
        return
    for call in calls_of(subject):
        yield Trial(f"{call.name} does nothing without the lease", partial(_obeys_the_guard, subject, call))
        for failure in FAILURES:
            server = FailingServer(failure, subject.script)
            yield Trial(f"{call.name} meets {failure.name}", partial(_meets, subject, call, server))
            if subject.script.preamble and failure.way != "unreachable":
                server = FailingServer(failure, subject.script, past_preamble=True)
                name = f"{call.name}, past the preamble, meets {failure.name}"
                yield Trial(name, partial(_meets, subject, call, server))
            if open_stand_in and call.changes and failure.way != "unreachable":
                name = f"{call.name}, about to change something, meets {failure.name}"
                yield Trial(name, partial(_meets_before_its_effect, subject, call, failure, open_stand_in))


async def _meets(subject: Subject, call: Call, server: FailingServer, watch: Watch) -> None:
    failure, silence = server.failure, server.failure.way == "silence"
    link, outcomes = await _asked(subject, call, server, watch, SILENCE_SECONDS if silence else ANSWER_SECONDS)
    if silence and not server.failed:  # on a busy machine so little patience may end at a request before it
        link, outcomes = await _asked(subject, call, server, watch, ANSWER_SECONDS)
    assert link.http.sent, f"{call.name} made no request at all; give its example the refs it needs"
    assert server.failed or failure.way == "unreachable", (
        f"{call.name} got through without the request that was to fail"
    )
    _was_sent_once(call, link, server)
    met = _Met.of(failure, link, server)
    for outcome in outcomes:
        met.must_be_told_as(outcome, call)


async def _asked(
    subject: Subject, call: Call, server: FailingServer, watch: Watch, patience_seconds: float
) -> tuple[ObservedLink, Sequence[object]]:
    """What the function says, and the link that shows what it asked on the way."""
    async with (
        server.running() as url,
        linked(pointed_at(subject.settings, url), watch, timeout_seconds=patience_seconds) as link,
    ):
        outcomes = await _without_dawdling(call, link, server.failure)
        for outcome in outcomes:
            watch.hear_value(f"an outcome of {call.name}", outcome)
        return link, outcomes


async def _meets_before_its_effect(
    subject: Subject, call: Call, failure: Failure, open_stand_in: OpenStandIn, watch: Watch
) -> None:
    async with open_stand_in() as stand_in:
        commands = {**subject.commands, **stand_in.commands}
        prepared = replace(subject, settings=stand_in.settings, commands=commands)
        same_call = next(each for each in calls_of(prepared) if each.name == call.name)
        server = FailingServer(failure, subject.script, behind=origin_of(stand_in.settings))
        await _meets(prepared, same_call, server, watch)


async def _without_dawdling(call: Call, link: ObservedLink, failure: Failure) -> Sequence[object]:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await call.outcomes(link)
    except TimeoutError as error:
        raise AssertionError(
            f"{call.name} was still busy {PATIENCE_SECONDS:.0f} s after {failure.name}; waiting and trying again is the lane's"
        ) from error


def _was_sent_once(call: Call, link: ObservedLink, server: FailingServer) -> None:
    allowed = _REPEATS_AFTER_REFUSAL if server.failure.status in (401, 403) else 1
    sent = [(seen.method, seen.path, seen.body) for seen in server.failed]
    sent = sent or [(asked.method, asked.path, repr(asked.body).encode()) for asked in link.http.sent]
    for (method, path, _body), times in Counter(sent).items():
        assert times <= allowed, (
            f"{call.name} sent {method} {path} {times} times after {server.failure.name}; trying again is the lane's"
        )


@dataclass(frozen=True)
class _Met:
    """What failed how, and so what the connector may say of it."""

    failure: Failure
    at: str
    effect: bool
    """A request that may have had an effect was among those that failed."""
    not_done: bool
    """The connector declared, for a request it sent, that with this status nothing happened."""

    @staticmethod
    def of(failure: Failure, link: ObservedLink, server: FailingServer) -> _Met:
        effect = any(not seen.safe for seen in server.failed)
        declared = failure.status == 503 and any(503 in sent.not_done for sent in link.http.sent)
        return _Met(failure, str(link.http.sent[-1]), effect, declared)

    @property
    def right(self) -> tuple[type[Fault], ...]:
        match self.failure.status:
            case 401 | 403:
                return (Refused,)
            case 429:
                return (Throttled,)
            case _ if self.failure.way == "unreachable" or not self.effect:
                return (Transient,)
            case _:
                return (Unknown, Transient) if self.not_done else (Unknown,)

    def must_be_told_as(self, outcome: object, call: Call) -> None:
        if self.failure.whole and isinstance(outcome, Reading):
            return
        told = f"{type(outcome).__name__}({str(outcome)[:200]!r})"
        right = " or ".join(kind.__name__ for kind in self.right)
        assert isinstance(outcome, self.right), (
            f"{call.name} met {self.failure.name} at {self.at}, {self._so}: right is {right}, it told {told}"
        )
        if isinstance(outcome, Throttled) and self.failure.status == 429:
            assert outcome.retry_after_seconds == RETRY_AFTER_SECONDS, (
                f"{call.name} was asked to wait {RETRY_AFTER_SECONDS} s and told {outcome.retry_after_seconds} s"
            )
        if self.failure.way == "unreachable":
            assert getattr(outcome, "outage", False), (
                f"{call.name} could not connect: that is an outage, or the lane burns its attempts"
            )

    @property
    def _so(self) -> str:
        if self.effect:
            return "and a request that may have had an effect was sent (or name it under `safe` in conformance.json)"
        return "and only requests that read were sent"


async def _obeys_the_guard(subject: Subject, call: Call, watch: Watch) -> None:
    def overtaken() -> None:
        raise LeaseGone

    server = FailingServer(FAILURES[0], subject.script, past_preamble=True)
    async with (
        server.running() as url,
        linked(pointed_at(subject.settings, url), watch, guard=overtaken) as link,
    ):
        try:
            outcomes = await call.outcomes(link)
        except LeaseGone:
            outcomes = None
    assert outcomes is None, f"{call.name} swallowed what the guard raised; let it through"
    assert not server.failed, f"{call.name} sent a request although the guard forbade it"
