"""What we owe ourselves: to read what is missing, and what we were only told has changed."""

from __future__ import annotations

from collections.abc import Iterator

from crossdock.canonical.lookup import Lookup
from crossdock.promises.obligations import Fetch, Obligation, Priority
from crossdock.promises.policy import Policy, due
from crossdock.promises.standing import Fact, Standing


def owed_reads(standing: Standing, kind: str, policy: Policy) -> Iterator[Obligation]:
    """A placeholder promises itself a fetch of its parent, and every hint a fetch of what it hints at.

    What its source has no more is not read there: a person would be told that there is no such thing.
    """
    own = Lookup(kind=kind, id=standing.source_id)
    if standing.one(kind) is None and not standing.gone:
        mention = Fact(f"mention:{standing.entity}", kind, standing.source, standing.as_of, standing.as_of, own)
        yield _fetch(f"fetch:{kind}", mention, policy)
    for hint in standing.hints:
        if standing.gone and (hint.connection, hint.body) == (standing.source, own):
            continue
        yield _fetch(f"fetch:{hint.id}", hint, policy)


def _fetch(name: str, cause: Fact, policy: Policy) -> Fetch:
    """Whoever told of it is asked: a payment's provider hints at what belongs to an order of the shop's."""
    return Fetch(
        name=name,
        to=cause.connection,
        body=cause.body,
        cause=cause,
        by=due(cause.recorded_at, policy.deadlines.read_minutes),
        priority=Priority.READS,
    )
