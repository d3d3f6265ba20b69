"""What the API can be asked: each request declared once, for those who serve it, who may, and who describe it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from crossdock.deliver.asking import Asker
from crossdock.gateway.audits import Audits
from crossdock.gateway.callers import Caller
from crossdock.govern.rights import Right
from crossdock.govern.settings import Settings
from crossdock.store.database import Transaction

Told = Callable[[Transaction, Sequence[str]], Awaitable[Sequence[Mapping[str, Any]]]]
Method = Literal["GET", "POST", "PUT", "DELETE"]
Leads = Mapping[str, Mapping[str, str]]
Moment = Annotated[datetime, Meta(tz=True)]
"""A time with its offset."""


@dataclass(frozen=True, slots=True)
class House:
    """What every request may need of the hub; `told` reads what is on record about entities."""

    settings: Settings
    told: Told
    secrets: tuple[bytes, ...]
    audits: Audits
    stored: asyncio.Event
    """Set when something waits for translation."""
    asker: Asker


@dataclass(frozen=True, slots=True)
class Call:
    """One request that was let in, inside its transaction."""

    held: Transaction | None
    house: House
    caller: Caller
    id: str
    """Nobody had it before: the operation's, where it is one."""
    parts: Mapping[str, str]
    """What stands in the path."""
    asked: Any
    """The body, as the route's type."""
    trace: str = ""
    if_match: str = ""
    """The version that is to be replaced, where the route asks for it."""
    query: Any = None
    """What stands behind the ?, as the route's type."""

    @property
    def tx(self) -> Transaction:
        assert self.held is not None, "what is asked of others holds no transaction while it waits"
        return self.held


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a request that was done; `about` is the entity whose business it is, where there is one."""

    body: Any
    about: str = ""
    tag: str = ""
    """The ETag of what was told or made, where others may replace it."""
    link: str = ""
    """Where more of it is, as `Link` has it."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """One sort of request."""

    name: str
    method: Method
    path: str
    """Segments in braces are `Call.parts`."""
    says: str
    right: Right | None
    """What it takes; None: only to be known."""
    perform: Callable[[Call], Awaitable[Reply]]
    answers: Any
    asked: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] | None = None
    example: Mapping[str, Any] | None = None
    """A body as somebody may send it."""
    status: int = 200
    refuses: tuple[str, ...] = ()
    """The kinds of problems it has of its own."""
    asks: bool = False
    """A POST that changes nothing: its question has a body, and its answer may take others' time."""
    whole_house: bool = False
    """Only for people who may see every tenant."""
    versioned: bool = False
    """Its answer has an ETag."""
    leads: Leads = field(default_factory=dict[str, Mapping[str, str]])
    """What can be asked next, by its name: its parameters, as OpenAPI's expressions of this answer."""
    segments: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "segments", tuple(self.path.strip("/").split("/")))

    @property
    def tag(self) -> str:
        """Under which its description stands."""
        named = [
            tag for tag in ("returns", "orders", "operations", "events", "subscriptions", "ask") if tag in self.segments
        ]
        return named[0] if named else "deciding"

    @property
    def once(self) -> bool:
        """It changes something, so it is asked with an Idempotency-Key."""
        return self.method in ("POST", "PUT") and not self.asks

    @property
    def replaces(self) -> bool:
        """It puts a new version in place of the one it names, with If-Match."""
        return self.method == "PUT"

    def match(self, parts: Sequence[str]) -> Mapping[str, str] | None:
        """What stands in the path, where it is one of this route's."""
        if len(parts) != len(self.segments):
            return None
        pairs = list(zip(self.segments, parts, strict=True))
        if any(not segment.startswith("{") and segment != part for segment, part in pairs):
            return None
        return {segment[1:-1]: part for segment, part in pairs if segment.startswith("{")}
