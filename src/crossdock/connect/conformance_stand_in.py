"""Against a stand-in with a true ledger: effects happen once, lost answers are unknown, and pages lose nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import msgspec

from crossdock.connect.conformance_calls import LeaseGone, leased, linked, name_of, perform
from crossdock.connect.conformance_documents import faults_in
from crossdock.connect.conformance_subject import ORIGIN, Subject
from crossdock.connect.conformance_trial import Trial
from crossdock.connect.conformance_watch import Watch
from crossdock.connect.connector import Capability, Command, List, Reads
from crossdock.connect.documents import Page, Reading
from crossdock.connect.effects import Keyed, Searchable
from crossdock.connect.link import Guard, Link
from crossdock.connect.receipts import Accepted, Confirmed, Outcome
from crossdock.kernel.faults import Fault, Unknown

Misbehaviour = Literal["commit_then_drop", "commit_then_status", "garbage", "partial"]
"""What the stand-in does to the next request that has an effect: it happens (`partial`: half of it), the answer doesn't."""
PAGES_MAX = 1000


@dataclass(frozen=True, kw_only=True)
class StandIn:
    """A system to try effects on, freshly started and prepared for the example commands."""

    settings: msgspec.Struct
    effects: Callable[[Command[Any]], Awaitable[int]]
    """How many effects the true ledger has for the command, whatever the answers were."""
    misbehave: Callable[[type[msgspec.Struct], Misbehaviour], Awaitable[None]] | None = None
    """Spoil the next effect of that noun, once."""
    misbehaviours: Collection[Misbehaviour] = ("commit_then_drop", "commit_then_status", "garbage")
    commands: Mapping[type[msgspec.Struct], Sequence[Command[Any]]] = field(
        default_factory=dict[type[msgspec.Struct], Sequence[Command[Any]]]
    )
    """Used instead of the examples, where the target must know what they name."""
    fill: Callable[[str], Awaitable[Collection[str]]] | None = None
    """Make more of this kind than go on one page; answers the ids that a whole listing must then give."""


OpenStandIn = Callable[[], AbstractAsyncContextManager[StandIn]]


@dataclass(frozen=True)
class _Bench:
    """One trial's connector and stand-in."""

    subject: Subject
    stand_in: StandIn
    watch: Watch

    def all_commands(self, capability: Capability) -> Sequence[Command[Any]]:
        own = self.stand_in.commands.get(capability.noun)
        commands = own or self.subject.commands.get(capability.noun, ())
        assert commands, f"examples/commands/{name_of(capability.noun)}.json is missing"
        return commands

    def commands(self, capability: Capability) -> Sequence[Command[Any]]:
        """As many as go in one call."""
        return self.all_commands(capability)[: capability.bulk]

    async def perform(
        self, capability: Capability, commands: Sequence[Command[Any]], guard: Guard = leased
    ) -> dict[str, Outcome]:
        """Every outcome, from a process that has just started; a fault of the whole call is each item's."""
        async with self.linked(guard) as link:
            try:
                outcomes = await perform(capability, commands, link)
            except Fault as fault:
                outcomes = dict[str, Outcome]() | {command.key: fault for command in commands}
        for outcome in outcomes.values():
            self.watch.hear_value("an outcome", outcome)
        return outcomes

    async def find(self, noun: type[msgspec.Struct], commands: Sequence[Command[Any]]) -> Mapping[str, Outcome]:
        async with self.linked() as link:
            return await self.subject.connector.finders[noun](commands, link)

    @asynccontextmanager
    async def linked(self, guard: Guard = leased) -> AsyncGenerator[Link[Any]]:
        async with linked(self.stand_in.settings, self.watch, guard=guard) as link:
            yield link

    async def misbehave(self, noun: type[msgspec.Struct], way: Misbehaviour) -> None:
        assert self.stand_in.misbehave is not None
        await self.stand_in.misbehave(noun, way)

    async def must_have_happened(self, commands: Sequence[Command[Any]], times: int, when: str) -> None:
        for command in commands:
            seen = await self.stand_in.effects(command)
            assert seen == times, f"{when}, the ledger has {seen} effects of {command.key}; right is {times}"


_Question = Callable[[_Bench, Capability], Awaitable[None]]


def stand_in_trials(subject: Subject, open_stand_in: OpenStandIn) -> Iterator[Trial]:
    """What only a system that keeps a true ledger can judge."""
    for noun, capability in subject.connector.capabilities.items():
        for name, question in _questions(subject, capability):
            ask = partial(_on_a_bench, subject, open_stand_in, capability, question)
            yield Trial(f"{capability.verb} {name_of(noun)}: {name}", ask)
    for kind, reads in subject.connector.reads.items():
        if reads.list is not None:
            yield Trial(
                f"list {kind} ends, resumes and loses nothing",
                partial(_pages, subject, open_stand_in, kind, reads.list),
            )
        if reads.whole is not None:
            yield Trial(f"all of {kind} is as many as are counted", partial(_all, subject, open_stand_in, kind, reads))


def _questions(subject: Subject, capability: Capability) -> Iterator[tuple[str, _Question]]:
    yield "does nothing without the lease", _obeys_the_guard
    if capability.verb == "state":
        yield "twice is the same as once", _repeats_harmlessly
        return
    ways: tuple[Misbehaviour, ...] = ("commit_then_drop", "commit_then_status", "garbage")
    for way in ways:
        yield f"after {way} nobody knows, and it happened once", partial(_lost_answer, way=way)
    if any(isinstance(effect, Keyed) for effect in capability.effects):
        yield "a second send of the same key has no second effect", _keeps_the_key
    else:
        yield "is confirmed and happens once", _happens
    if capability.noun in subject.connector.finders:
        yield "is found by our reference, and only once sent", _is_found
    if capability.bulk > 1:
        yield "of a bulk half done, the rest is unknown by itself", _half_done


async def _on_a_bench(
    subject: Subject, open_stand_in: OpenStandIn, capability: Capability, question: _Question, watch: Watch
) -> None:
    async with open_stand_in() as stand_in:
        await question(_Bench(subject, stand_in, watch), capability)


async def _happens(bench: _Bench, capability: Capability) -> None:
    commands = bench.commands(capability)
    _ids(await bench.perform(capability, commands))
    await bench.must_have_happened(commands, 1, "after one send")


async def _keeps_the_key(bench: _Bench, capability: Capability) -> None:
    commands = bench.commands(capability)
    first = _ids(await bench.perform(capability, commands))
    again = _ids(await bench.perform(capability, commands))
    assert first == again, f"a second send is answered with another id: {first} and then {again}"
    await bench.must_have_happened(commands, 1, "after two sends")


async def _is_found(bench: _Bench, capability: Capability) -> None:
    commands, noun = bench.all_commands(capability), capability.noun
    found = await bench.find(noun, commands)
    assert not found, f"find() returns {sorted(found)} before anything was sent"
    made = _ids(await bench.perform(capability, commands[:1]))
    found = await bench.find(noun, commands)
    assert _ids(found) == made, f"only {made} was sent, and of {len(commands)} find() returns {found}"


async def _lost_answer(bench: _Bench, capability: Capability, way: Misbehaviour) -> None:
    if way not in bench.stand_in.misbehaviours or bench.stand_in.misbehave is None:
        return
    commands = bench.commands(capability)
    await bench.misbehave(capability.noun, way)
    outcomes = await bench.perform(capability, commands[:1])
    for outcome in outcomes.values():
        assert isinstance(outcome, Unknown), f"the effect happened, the answer was lost, and it told {outcome!r}"
    await bench.must_have_happened(commands[:1], 1, "after a lost answer")
    await _recovers(bench, capability, commands[:1])


async def _recovers(bench: _Bench, capability: Capability, commands: Sequence[Command[Any]]) -> None:
    """What the declared effect class promises for an unknown outcome must work."""
    if any(isinstance(effect, Keyed) for effect in capability.effects):
        _ids(await bench.perform(capability, commands))
        await bench.must_have_happened(commands, 1, "after a lost answer and a second send with the same key")
    elif any(isinstance(effect, Searchable) for effect in capability.effects):
        found = await bench.find(capability.noun, commands)
        assert set(found) == {command.key for command in commands}, "find() does not see what happened"


async def _half_done(bench: _Bench, capability: Capability) -> None:
    commands = bench.commands(capability)
    if "partial" not in bench.stand_in.misbehaviours or len(commands) < 2:
        return
    await bench.misbehave(capability.noun, "partial")
    outcomes = await bench.perform(capability, commands)
    for command in commands:
        outcome, seen = outcomes[command.key], await bench.stand_in.effects(command)
        right = (Confirmed, Accepted) if seen else Unknown
        assert isinstance(outcome, right), f"{command.key} happened {seen} times, and it told {outcome!r}"


async def _repeats_harmlessly(bench: _Bench, capability: Capability) -> None:
    commands = bench.commands(capability)
    first = _confirmed(await bench.perform(capability, commands))
    again = _confirmed(await bench.perform(capability, commands))
    assert first == again, f"the same desired state gives {first} and then {again}"
    for command in commands:
        wanted = capability.normalise(command.body) if capability.normalise else command.body
        held = first[command.key].body
        assert held is None or held == wanted, f"it reads back {held!r}, normalise says {wanted!r}"


async def _obeys_the_guard(bench: _Bench, capability: Capability) -> None:
    def overtaken() -> None:
        raise LeaseGone

    commands, refused = bench.commands(capability), False
    try:
        await bench.perform(capability, commands, overtaken)
    except LeaseGone:
        refused = True
    assert refused, "what the guard raised must come through: nothing may be sent without the lease"
    if capability.verb == "act":
        await bench.must_have_happened(commands, 0, "without the lease")


def _ids(outcomes: Mapping[str, Outcome]) -> dict[str, str]:
    """The target's id (while it is only accepted, the job) of each item."""
    ids: dict[str, str] = {}
    for key, outcome in outcomes.items():
        assert isinstance(outcome, (Confirmed, Accepted)), f"{key} should have been confirmed, but: {outcome!r}"
        ids[key] = outcome.id if isinstance(outcome, Confirmed) else outcome.job
        assert ids[key], f"{key} is confirmed without an id"
    return ids


def _confirmed(outcomes: Mapping[str, Outcome]) -> dict[str, Confirmed]:
    confirmed: dict[str, Confirmed] = {}
    for key, outcome in outcomes.items():
        assert isinstance(outcome, Confirmed), f"{key} should have been confirmed, but: {outcome!r}"
        confirmed[key] = outcome
    return confirmed


async def _pages(subject: Subject, open_stand_in: OpenStandIn, kind: str, listing: List, watch: Watch) -> None:
    async with open_stand_in() as stand_in:
        wanted = set(await stand_in.fill(kind)) if stand_in.fill else set[str]()
        async with _Bench(subject, stand_in, watch).linked() as link:
            pages = await _from(listing, "", link)
            seen = [{item.id for item in page.items} for page in pages]
            for number, page in enumerate(pages):
                rest = {item.id for later in await _from(listing, page.cursor, link) for item in later.items}
                lost = set[str]().union(*seen[number + 1 :]) - rest
                assert not lost, f"from the cursor of page {number + 1} on, {sorted(lost)[:5]} are lost"
    lacking = wanted - set[str]().union(*seen)
    assert not lacking, f"the listing from the beginning lacks {sorted(lacking)[:5]}"
    assert not wanted or len(pages) > 1, "all fits on one page; the stand-in must be filled with more"
    for page in pages:
        for item in page.items:
            _must_enter(subject, item)


async def _all(subject: Subject, open_stand_in: OpenStandIn, kind: str, reads: Reads, watch: Watch) -> None:
    """Everything is listed, as the source counts it, and behind the last item there is nothing."""
    assert reads.whole is not None
    async with open_stand_in() as stand_in:
        if stand_in.fill:
            await stand_in.fill(kind)
        async with _Bench(subject, stand_in, watch).linked() as link:
            pages = await _from(reads.whole, "", link)
            counted = await reads.count(link) if reads.count else None
            last = pages[-1]
            behind = await reads.whole(last.beyond, link) if last.beyond else last
    seen = frozenset[str]().union(*(page.counted for page in pages))
    assert counted in (None, len(seen)), f"the source counts {counted}, and lists {len(seen)}"
    hidden = behind.counted - seen
    assert not hidden, f"behind the last item there are {sorted(hidden)[:5]}"
    for page in pages:
        for item in page.items:
            _must_enter(subject, item)


async def _from(listing: List, cursor: str, link: Link[Any]) -> list[Page]:
    """All pages from a cursor on."""
    pages: list[Page] = []
    while not pages or pages[-1].more:
        pages.append(await listing(pages[-1].cursor if pages else cursor, link))
        assert len(pages) < PAGES_MAX, f"the listing has not ended after {PAGES_MAX} pages"
        stuck = len(pages) > 1 and pages[-1].cursor == pages[-2].cursor and pages[-1].more
        assert not stuck, f"page {len(pages)} gives the cursor it was asked with, and says there is more"
        assert pages[-1].cursor or not pages[-1].items, "a page with items gives no cursor to go on from"
    return pages


def _must_enter(subject: Subject, item: Reading) -> None:
    """A reading enters by the inbox like any message, so its topic must be one that is translated."""
    assert item.topic in subject.connector.topics, f"a reading has the topic {item.topic!r}, which nothing translates"
    origin = msgspec.structs.replace(ORIGIN, observed=1)
    faults = faults_in(subject.connector.topics[item.topic](item.body, origin))
    assert not faults, f"reading {item.id}: {'; '.join(faults[:5])}"
