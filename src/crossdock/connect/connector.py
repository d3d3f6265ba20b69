"""A connector declares what one kind of outside system can do, as verb and noun; the hub does the rest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

import msgspec

from crossdock.connect.documents import Origin, Page, Reading, Translated
from crossdock.connect.effects import Effect
from crossdock.connect.link import Link
from crossdock.connect.receipts import Outcome

N = TypeVar("N", bound=msgspec.Struct)
S = TypeVar("S", bound=msgspec.Struct)


class Command(msgspec.Struct, Generic[N], frozen=True, kw_only=True):
    """One sealed promise, as the connector's function gets it."""

    key: str
    """Our reference and idempotency key, the same on every send: entity / promise / cause / ordinal."""
    entity: str
    body: N
    refs: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    """Ids at this target that earlier receipts or mappings gave, and the numbers people know them by:
    {"party": "5", "sale": "17", "sale.number": "SO0042", "product/SKU-9": "X9"}."""
    sealed_at: datetime


PerformOne = Callable[[Command[Any], Link[Any]], Awaitable[Outcome]]
PerformMany = Callable[[Sequence[Command[Any]], Link[Any]], Awaitable[Mapping[str, Outcome]]]
Find = Callable[[Sequence[Command[Any]], Link[Any]], Awaitable[Mapping[str, Outcome]]]
Inquire = Callable[[Command[Any], str, Link[Any]], Awaitable[Outcome]]
Translate = Callable[[bytes, Origin], Iterator[Translated]]
Read = Callable[[str, Link[Any]], Awaitable[Reading | None]]
List = Callable[[str, Link[Any]], Awaitable[Page]]
Ask = Callable[[str, Link[Any]], Awaitable[msgspec.Struct | None]]
"""(key, link) -> the answer; None: the system knows no such thing."""
Count = Callable[[Link[Any]], Awaitable[int | None]]
"""None: the source does not count so far."""


@dataclass(frozen=True)
class Capability:
    """One verb on one noun. Exactly one of `one` and `many` is set; an item missing from a bulk answer is unknown."""

    verb: Literal["act", "state"]
    noun: type[msgspec.Struct]
    effects: tuple[Effect, ...]
    one: PerformOne | None
    many: PerformMany | None
    bulk: int
    normalise: Callable[[Any], msgspec.Struct] | None = None
    """For a state: how the target will hold the desired value (trimmed, rounded), so that sameness is judged by meaning."""


@dataclass(frozen=True)
class Delivery:
    """What a webhook's headers say of it, before anyone reads the body."""

    topic: str
    message_id: str | None
    """The vendor's id of this message, the same on its repeats; None when it gives none."""


@dataclass(frozen=True)
class Door:
    """How this vendor's webhooks prove themselves; `secrets` may hold several for rotation."""

    genuine: Callable[[Mapping[str, str], bytes, Sequence[bytes]], bool]
    """(lower-case headers, raw body, secrets) -> is it from the vendor; compares in constant time."""
    describe: Callable[[Mapping[str, str], bytes], Delivery]


@dataclass(frozen=True)
class Reads:
    """What can be read of one kind: one by id, pages of changes since a cursor ("" is the beginning), and all there is."""

    read: Read | None = None
    list: List | None = None
    whole: List | None = None
    """Pages of everything, of all ages; None where the source keeps no such list."""
    count: Count | None = None
    """How many `whole` comes to, as the source itself counts: its items, or what they are listed under."""
    tells: tuple[str, ...] = ()
    """Other kinds of documents of which each item tells all there is, beside one of its own kind."""
    shows: tuple[type[msgspec.Struct], ...] = ()
    """Acts of ours whose outcome is an item of this list, under the id that their receipt named."""


@dataclass
class Connector(Generic[S]):
    """One kind of outside system. A settings type says what a connection to one needs; decorators declare the verbs."""

    name: str
    settings: type[S]
    door: Door | None = None
    orders_of: str = ""
    """Set in a connection's own copy, from its settings: see `Origin.orders_of`."""
    capabilities: dict[type[msgspec.Struct], Capability] = field(default_factory=dict[type[msgspec.Struct], Capability])
    topics: dict[str, Translate] = field(default_factory=dict[str, Translate])
    reads: dict[str, Reads] = field(default_factory=dict[str, Reads])
    finders: dict[type[msgspec.Struct], Find] = field(default_factory=dict[type[msgspec.Struct], Find])
    inquiries: dict[type[msgspec.Struct], Inquire] = field(default_factory=dict[type[msgspec.Struct], Inquire])
    asks: dict[type[msgspec.Struct], Ask] = field(default_factory=dict[type[msgspec.Struct], Ask])
    locations: Mapping[str, str] = field(default_factory=dict[str, str])
    """Set in a connection's own copy, from its settings' `location_codes`: see `Origin.locations`."""
    payments: str = ""
    """Set in a connection's own copy, from its settings: see `Origin.payments`."""
    settles_in: str = ""
    """The same: see `Origin.settles_in`."""

    def origin(self, connection: str, received_at: datetime, observed: int) -> Origin:
        """Where a message of this connection comes from; `observed` is 0 unless we read it ourselves."""
        return Origin(
            connection=connection,
            received_at=received_at,
            observed=observed,
            orders_of=self.orders_of,
            payments=self.payments,
            settles_in=self.settles_in,
            locations=self.locations,
        )

    def translate(self, *topics: str) -> Callable[[Translate], Translate]:
        """Declare the pure translation of messages of these topics."""

        def declared(function: Translate) -> Translate:
            self.topics.update(dict.fromkeys(topics, function))
            return function

        return declared

    def act(
        self, noun: type[N], *, effect: Sequence[Effect]
    ) -> Callable[
        [Callable[[Command[N], Link[S]], Awaitable[Outcome]]], Callable[[Command[N], Link[S]], Awaitable[Outcome]]
    ]:
        """Declare an act done one at a time."""

        def declared(
            function: Callable[[Command[N], Link[S]], Awaitable[Outcome]],
        ) -> Callable[[Command[N], Link[S]], Awaitable[Outcome]]:
            self.capabilities[noun] = Capability("act", noun, tuple(effect), function, None, 1)
            return function

        return declared

    def bulk_act(
        self, noun: type[N], *, effect: Sequence[Effect], size: int
    ) -> Callable[
        [Callable[[Sequence[Command[N]], Link[S]], Awaitable[Mapping[str, Outcome]]]],
        Callable[[Sequence[Command[N]], Link[S]], Awaitable[Mapping[str, Outcome]]],
    ]:
        """Declare an act done for many at once, answered item by item under each command's key."""

        def declared(
            function: Callable[[Sequence[Command[N]], Link[S]], Awaitable[Mapping[str, Outcome]]],
        ) -> Callable[[Sequence[Command[N]], Link[S]], Awaitable[Mapping[str, Outcome]]]:
            self.capabilities[noun] = Capability("act", noun, tuple(effect), None, function, size)
            return function

        return declared

    def state(
        self, noun: type[N], *, size: int = 1, normalise: Callable[[N], N] | None = None
    ) -> Callable[
        [Callable[[Sequence[Command[N]], Link[S]], Awaitable[Mapping[str, Outcome]]]],
        Callable[[Sequence[Command[N]], Link[S]], Awaitable[Mapping[str, Outcome]]],
    ]:
        """Declare how the target is made equal to the desired value; doing it twice must do no harm."""

        def declared(
            function: Callable[[Sequence[Command[N]], Link[S]], Awaitable[Mapping[str, Outcome]]],
        ) -> Callable[[Sequence[Command[N]], Link[S]], Awaitable[Mapping[str, Outcome]]]:
            self.capabilities[noun] = Capability("state", noun, (), None, function, size, normalise)
            return function

        return declared

    def find(self, noun: type[N]) -> Callable[[Find], Find]:
        """Declare the search for acts by our reference; keys absent from the answer are not at the target."""

        def declared(function: Find) -> Find:
            self.finders[noun] = function
            return function

        return declared

    def inquire(self, noun: type[N]) -> Callable[[Inquire], Inquire]:
        """Declare how an accepted act's job is asked about."""

        def declared(function: Inquire) -> Inquire:
            self.inquiries[noun] = function
            return function

        return declared

    def ask(
        self, noun: type[N]
    ) -> Callable[[Callable[[str, Link[S]], Awaitable[N | None]]], Callable[[str, Link[S]], Awaitable[N | None]]]:
        """Declare what can be asked at once: by a key such as a SKU, only reading, and soon answered."""

        def declared(
            function: Callable[[str, Link[S]], Awaitable[N | None]],
        ) -> Callable[[str, Link[S]], Awaitable[N | None]]:
            self.asks[noun] = function
            return function

        return declared

    def read(self, kind: str) -> Callable[[Read], Read]:
        """Declare how one thing is read by its id; None when the target says there is none."""

        def declared(function: Read) -> Read:
            self._reads(kind, read=function)
            return function

        return declared

    def list(
        self, kind: str, *, whole: bool = True, tells: Sequence[str] = (), shows: Sequence[type[msgspec.Struct]] = ()
    ) -> Callable[[List], List]:
        """Declare how changes are listed since a cursor, with overlap enough for the source's longest transaction.

        `whole`: from its beginning it lists everything, of all ages.
        """

        def declared(function: List) -> List:
            self._reads(kind, list=function, tells=tuple(tells), shows=tuple(shows))
            if whole:
                self._reads(kind, whole=function)
            return function

        return declared

    def whole(self, kind: str) -> Callable[[List], List]:
        """Declare how everything is listed, of all ages, where the list of changes does not go back that far."""

        def declared(function: List) -> List:
            self._reads(kind, whole=function)
            return function

        return declared

    def count(self, kind: str) -> Callable[[Count], Count]:
        """Declare how the source is asked how many there are; it must count exactly what is listed whole (`Page.counted`)."""

        def declared(function: Count) -> Count:
            self._reads(kind, count=function)
            return function

        return declared

    def _reads(self, kind: str, **given: Any) -> None:
        self.reads[kind] = replace(self.reads.get(kind, Reads()), **given)
