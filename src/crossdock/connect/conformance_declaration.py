"""The declaration by itself: it holds together, everything in it has an example, and credentials are secrets."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, get_type_hints

import msgspec

from crossdock.canonical.nouns import ANSWERS, FACTS, SEARCHES
from crossdock.connect.conformance_calls import name_of
from crossdock.connect.conformance_documents import noun_faults
from crossdock.connect.conformance_subject import CREDENTIAL, Subject
from crossdock.connect.conformance_trial import Trial
from crossdock.connect.conformance_watch import Watch
from crossdock.connect.connector import Capability, Connector
from crossdock.connect.effects import Searchable
from crossdock.connect.secrets import Secret


def declaration_trials(subject: Subject) -> Iterator[Trial]:
    """What can be said of a connector without calling anything."""
    yield Trial("the declaration holds together", partial(_holds_together, subject))
    yield Trial("everything declared has an example", partial(_has_examples, subject))
    yield Trial("every credential in the settings is a Secret", partial(_keeps_secrets, subject))
    yield Trial("no secret shows in a repr", partial(_shows_nothing, subject))


async def _holds_together(subject: Subject, _watch: Watch) -> None:
    connector = subject.connector
    faults = [fault for each in connector.capabilities.values() for fault in _capability_faults(connector, each)]
    strange = connector.reads.keys() - FACTS - SEARCHES
    faults += [f"{kind!r} is read but is no kind of canonical.nouns.FACTS or SEARCHES" for kind in strange]
    faults += [f"{name_of(noun)} is asked but is none of canonical.nouns.ANSWERS" for noun in _strange(connector)]
    faults += [f"find {name_of(noun)} without an act" for noun in connector.finders.keys() - connector.capabilities]
    assert not faults, "; ".join(faults)


def _strange(connector: Connector[Any]) -> list[type[msgspec.Struct]]:
    return [noun for noun in connector.asks if noun not in ANSWERS.values()]


def _capability_faults(connector: Connector[Any], capability: Capability) -> Iterator[str]:
    name = f"{capability.verb} {name_of(capability.noun)}"
    if (capability.one is None) == (capability.many is None):
        yield f"{name} must have exactly one of `one` and `many`"
    if capability.bulk < 1:
        yield f"{name} takes {capability.bulk} at once"
    if capability.verb == "act" and not capability.effects:
        yield f"{name} declares no effect class; Blind() is the honest one when the target offers nothing"
    if any(isinstance(effect, Searchable) for effect in capability.effects) and (
        capability.noun not in connector.finders
    ):
        yield f"{name} is Searchable, but there is no find({capability.noun.__name__})"


async def _has_examples(subject: Subject, _watch: Watch) -> None:
    connector = subject.connector
    topics = connector.topics.keys() - {message.topic for message in subject.messages}
    nouns = [name_of(noun) for noun in connector.capabilities if not subject.commands.get(noun)]
    lacking = [f"messages/{topic.replace('/', '.')}.json" for topic in sorted(topics)]
    lacking += [f"commands/{noun}.json" for noun in nouns]
    assert not lacking, f"examples/ lacks {', '.join(lacking)}"
    for commands in subject.commands.values():
        faults = [fault for command in commands for fault in noun_faults(command.body)]
        assert not faults, f"an example command is malformed: {'; '.join(faults)}"


async def _keeps_secrets(subject: Subject, _watch: Watch) -> None:
    shape = subject.connector.settings
    hints = get_type_hints(shape)
    open_ones = [
        field
        for field in shape.__struct_fields__
        if CREDENTIAL.search(field) and "Secret" not in str(hints[field]) and hints[field] is not Secret
    ]
    assert not open_ones, f"{', '.join(open_ones)} must be of type Secret, or a log will show it"


async def _shows_nothing(subject: Subject, watch: Watch) -> None:
    watch.hear_value("the settings", subject.settings)
    watch.hear_value("the connector", subject.connector)
    for commands in subject.commands.values():
        watch.hear_value("a command", commands)
    for message in subject.messages:
        watch.hear("an example message", message.body.decode(errors="replace"))
