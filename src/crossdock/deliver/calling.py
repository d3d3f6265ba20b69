"""Calling: sealed commands go out by noun, in bulk or one by one, and every item gets an outcome of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from crossdock.canonical.lookup import Lookup
from crossdock.connect.connector import Capability, Command, PerformMany, PerformOne
from crossdock.connect.documents import Reading
from crossdock.connect.link import Link
from crossdock.connect.receipts import Outcome
from crossdock.deliver.lines import Line
from crossdock.deliver.remembering import recognised, under_every_key
from crossdock.deliver.sealing import Noun, Ready
from crossdock.deliver.seeing import NOBODYS, Parents, called
from crossdock.kernel.faults import Absent, Fault, NotSent, Rejected, Throttled, Transient, Unknown
from crossdock.observe.checkpoints import reach

Answer = Outcome | Reading | NotSent
Findings = dict[int, Answer | None]
"""promise -> what a search found; None: it is not there."""
Facts = Mapping[str, Sequence[str]]
"""By entity, what may have caused its acts; needed only after the database was set back."""
Answers = dict[int, Answer]
"""promise -> what came of it; a reading is what a fetch brought."""

# A batch that failed as a whole is sent again in parts, so that one poisoned item can't hold its neighbours for long.
_SPLIT_BY_PER_ATTEMPT = 8


async def call(line: Line, ready: Sequence[Ready], lease_ends: float, above: Parents = NOBODYS) -> Answers:
    """Send sealed commands; never raises for what a target does. `above`: by whose traces they are followed."""
    gate = asyncio.Semaphore(line.in_flight)
    answers: Answers = {}
    reach("call:before")
    parts = [(part, line.link(lease_ends)) for part in _parts(line, ready)]
    await asyncio.gather(*(_gated(gate, line, part, link, above, answers) for part, link in parts))
    reach("call:after")
    return answers


async def _gated(
    gate: asyncio.Semaphore, line: Line, part: list[Ready], link: Link[Any], above: Parents, answers: Answers
) -> None:
    async with gate:
        said = await called("call", line.connection, part, link, above, _call_part(line, part, link))
    _heed(line, said)
    answers.update(said)


def _heed(line: Line, said: Mapping[int, Any]) -> None:
    """What asks for fewer calls is heeded by those that wait for their turn already."""
    if waits := [each.retry_after_seconds for each in said.values() if isinstance(each, Throttled)]:
        line.hush(max(waits))


def _parts(line: Line, ready: Sequence[Ready]) -> Iterator[list[Ready]]:
    """Commands that can share a call; those that failed before in smaller and smaller company."""
    groups: dict[tuple[Noun, int], list[Ready]] = {}
    for each in ready:
        groups.setdefault((each.noun, min(each.claimed.attempts, 3)), []).append(each)
    for (noun, attempts), group in groups.items():
        capability = line.connector.capabilities.get(noun)
        bulk = min(capability.bulk if capability else 1, line.bulk_max or 1_000_000)
        size = max(1, bulk // _SPLIT_BY_PER_ATTEMPT**attempts)
        for start in range(0, len(group), size):
            yield group[start : start + size]


async def _call_part(line: Line, part: list[Ready], link: Link[Any]) -> Answers:
    body = part[0].command.body
    if isinstance(body, Lookup):
        return {part[0].claimed.promise: await _caught(_read(line, body, link), link)}
    capability = line.connector.capabilities.get(part[0].noun)
    if capability is None:
        fault = Rejected(f"{line.connector.name} has no {part[0].noun.__name__}; give the role to another connection")
        return {each.claimed.promise: fault for each in part}
    if capability.one is not None:
        return {part[0].claimed.promise: await _caught(_one(capability.one, part[0].command, link), link)}
    return await _many(capability, part, link)


async def _one(perform: PerformOne, command: Command[Any], link: Link[Any]) -> Outcome:
    return await perform(command, link)


async def _many(capability: Capability, part: list[Ready], link: Link[Any]) -> Answers:
    assert capability.many is not None
    link.http.has_changed = False
    found = await _caught_many(capability.many, [each.command for each in part], link)
    if isinstance(found, Rejected) and len(part) > 1:
        # The whole was refused, which did nothing: halves find out whose fault it is.
        middle = len(part) // 2
        return await _many(capability, part[:middle], link) | await _many(capability, part[middle:], link)
    if isinstance(found, Fault | NotSent):
        return {each.claimed.promise: found for each in part}
    missing = Unknown("missing from the target's answer")
    return {each.claimed.promise: found.get(each.command.key, missing) for each in part}


async def _caught_many(
    perform: PerformMany, commands: Sequence[Command[Any]], link: Link[Any]
) -> Mapping[str, Outcome] | Fault | NotSent:
    try:
        return await perform(commands, link)
    except NotSent as cut_short:
        return _nothing_sent(cut_short, link)
    except Fault as fault:
        return fault
    except Exception as error:  # noqa: BLE001  # a connector's bug leaves its own outcome unknown, and the lane goes on
        return _broken(error)


async def _caught(performing: Any, link: Link[Any]) -> Answer:
    try:
        return await performing
    except NotSent as cut_short:
        return _nothing_sent(cut_short, link)
    except Fault as fault:
        return fault
    except Exception as error:  # noqa: BLE001  # as above
        return _broken(error)


def _nothing_sent(cut_short: NotSent, link: Link[Any]) -> NotSent | Unknown:
    """An act of several requests may have been cut short between two of them."""
    return Unknown(f"begun, then: {cut_short}") if link.http.has_changed else cut_short


def _broken(error: Exception) -> Unknown:
    return Unknown(f"the connector failed: {type(error).__name__}: {error}")


async def _read(line: Line, lookup: Lookup, link: Link[Any]) -> Reading | Fault:
    """Read one thing at its source; the reading says when it began."""
    reads = line.connector.reads.get(lookup.kind)
    if reads is None or reads.read is None:
        return Rejected(f"{line.connector.name} can't read {lookup.kind}")
    found = await reads.read(lookup.id, link)
    return found or Absent(f"{line.connection} has no {lookup.kind} {lookup.id}", field=lookup.kind)


async def search(
    line: Line, doubtful: Sequence[Ready], lease_ends: float, facts: Facts, above: Parents = NOBODYS
) -> Findings:
    """Look for doubtful acts by our reference; None: not there."""
    link = line.link(lease_ends)
    found: Findings = {}
    by_noun: dict[Noun, list[Ready]] = {}
    for each in doubtful:
        by_noun.setdefault(each.noun, []).append(each)
    for noun, group in by_noun.items():
        looking = _search_noun(line, noun, group, link, facts)
        found |= await called("search", line.connection, group, link, above, looking)
    return found


async def _search_noun(line: Line, noun: Noun, group: Sequence[Ready], link: Link[Any], facts: Facts) -> Findings:
    finder = line.connector.finders.get(noun)
    if finder is None:
        lacking = Transient(f"{line.connector.name} declares {noun.__name__} searchable without a find")
        return {each.claimed.promise: lacking for each in group}
    try:
        there = await finder(under_every_key(group, facts), link)
    except Rejected as refused:  # the search is refused, which says nothing of what is searched for
        return {each.claimed.promise: Transient(f"can't be searched for: {refused.detail}") for each in group}
    except (Fault, NotSent) as fault:
        failed: Findings = {each.claimed.promise: fault for each in group}
        _heed(line, failed)
        return failed
    except Exception as error:  # noqa: BLE001  # as above
        return {each.claimed.promise: _broken(error) for each in group}
    return {each.claimed.promise: recognised(each, there, facts) for each in group}


async def inquire(line: Line, accepted: Sequence[Ready], lease_ends: float, above: Parents = NOBODYS) -> Answers:
    """Ask about accepted jobs."""
    link = line.link(lease_ends)
    answers: Answers = {}
    for each in accepted:
        said = await called("inquire", line.connection, [each], link, above, _inquire_one(line, each, link))
        _heed(line, said)
        answers |= said
    return answers


async def _inquire_one(line: Line, each: Ready, link: Link[Any]) -> Answers:
    function = line.connector.inquiries.get(each.noun)
    if function is None:
        return {each.claimed.promise: Unknown("accepted, and the connector has no way to ask what became of it")}
    return {each.claimed.promise: await _caught(function(each.command, each.claimed.job or "", link), link)}
