"""Cases: what needs a person, found by facets and words, and one case whole: evidence, history, and what can be decided."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from crossdock.console.asking import Answered, Asked, Denied, number_of, to
from crossdock.console.desk import Desk
from crossdock.console.evidence import Node, decoded, marks_of, plain, tree
from crossdock.console.live import moving
from crossdock.console.masking import for_eyes, masked, of_others
from crossdock.console.signing_in import Person
from crossdock.console.wording import KINDS, OF_OTHERS, field_named
from crossdock.govern.persons import people_of
from crossdock.govern.settings import Settings
from crossdock.promises.corrections import CORRECTABLE
from crossdock.promises.difference import MOVABLE
from crossdock.promises.waivers import WAIVABLE
from crossdock.store import desk as store
from crossdock.store.database import Transaction
from crossdock.store.desk import Facet, Filter, Group, Item
from crossdock.store.inbox import MESSAGE

_GROUPS = 100
_ITEMS = 25
_BLOCKED = 8
NOBODY = "-"
_QUIET = {"snoozed": True, "all": None}


@dataclass(frozen=True)
class Choice:
    """One value of a facet and where choosing it leads."""

    label: str
    count: int | None
    href: str
    chosen: bool


@dataclass(frozen=True)
class Shown:
    """An item with its evidence, masked where the person's roles ask for that."""

    item: Item
    detail: str
    evidence: tuple[Node, ...]
    hidden: bool
    attempts: list[tuple[Any, ...]]

    @property
    def may_be_corrected(self) -> bool:
        return self.item.entity.partition(":")[0] in CORRECTABLE

    @property
    def field_to_correct(self) -> str:
        """The correctable field that the target complains of, if it is one; `postalCode` is the postal code it goes to."""
        wanted = plain(re.split(r"[./\[\]]", self.item.field.rstrip("]"))[-1]) if self.item.field else ""
        fields = CORRECTABLE.get(self.item.entity.partition(":")[0], ())
        return next((field for field in fields if wanted and plain(field.rpartition(".")[2]) == wanted), "")

    @property
    def may_be_skipped(self) -> bool:
        return self.item.noun in WAIVABLE and self.item.stage in MOVABLE


def filter_of(asked: Asked, settings: Settings) -> Filter:
    """As the address or a form says it."""

    def said(name: str) -> str:
        return asked.of_form(name) or asked.of_query(name)

    return Filter(
        kind=said("kind"),
        system=said("system"),
        whose=said("whose"),
        quiet=_QUIET.get(said("show"), False),
        text=said("text"),
        channels=channels_of(said("tenant"), settings),
    )


def channels_of(tenant: str, settings: Settings) -> tuple[str, ...] | None:
    """The connections of a tenant; None where none is named."""
    if not tenant:
        return None
    return tuple(sorted(name for name, each in settings.connections.items() if each.tenant == tenant))


def described(wanted: Filter, tenant: str = "") -> str:
    """For people."""
    words = [
        KINDS.get(wanted.kind, wanted.kind),
        wanted.system and f"at {wanted.system}",
        wanted.whose and ("nobody's" if wanted.whose == NOBODY else f"of {wanted.whose}"),
        {True: "snoozed", None: "snoozed or not", False: ""}[wanted.quiet],
        tenant and f"of tenant {tenant}",
        wanted.text and f"“{wanted.text}”",
    ]
    return ", ".join(word for word in words if word) or "all open cases"


def query_of(wanted: Filter, tenant: str = "") -> dict[str, str]:
    show = {True: "snoozed", None: "all", False: ""}[wanted.quiet]
    told = {"kind": wanted.kind, "system": wanted.system, "whose": wanted.whose, "show": show, "text": wanted.text}
    return told | ({"tenant": tenant} if tenant else {})


async def listed(desk: Desk, asked: Asked, person: Person) -> Answered:
    wanted, page, tenant = filter_of(asked, desk.settings), asked.page, asked.of_query("tenant")
    async with desk.looking() as tx:
        live = await moving(tx, "home")
        counted = await store.facets(tx, wanted.quiet)
        groups = await store.groups(tx, wanted, _GROUPS + 1, page * _GROUPS)
        trends = await store.trends(tx, [each.id for each in groups[:_GROUPS]])
        people = await _people(tx, desk.settings, person.name)
    return desk.pages.page(
        "cases.html",
        asked,
        person,
        live=live,
        groups=groups[:_GROUPS],
        facets=[*facets_of(counted, wanted, person, tenant), *_tenants(wanted, tenant, desk.settings)],
        wanted=wanted,
        query=query_of(wanted, tenant),
        described=described(wanted, tenant),
        trends=trends,
        cases=sum(each.cases for each in counted),
        people=people,
        page=page,
        more=len(groups) > _GROUPS,
    )


def facets_of(
    counted: Iterable[Facet], wanted: Filter, person: Person, tenant: str = ""
) -> list[tuple[str, list[Choice]]]:
    """(title, choices); each choice is a link that keeps what else is chosen."""
    found = list(counted)
    kinds = Counter[str]()
    systems = Counter[str]()
    people = Counter[str]({person.name: 0, NOBODY: 0})
    for each in found:
        kinds[each.kind] += each.cases
        systems[each.system] += each.cases
        people[each.assignee or NOBODY] += each.cases
    del systems[""]
    names = {NOBODY: "nobody", person.name: "me"}
    return [
        ("Cause", _choices("kind", kinds, wanted, KINDS, tenant)),
        ("System", _choices("system", systems, wanted, {}, tenant)),
        ("Whose", _choices("whose", people, wanted, names, tenant)),
    ]


def _tenants(wanted: Filter, tenant: str, settings: Settings) -> list[tuple[str, list[Choice]]]:
    """Where there are several; not counted, for a case may hold things of more than one."""
    if len(settings.tenants) < 2:
        return []
    rest = query_of(wanted)
    return [
        (
            "Tenant",
            [
                Choice(
                    each.brand or name,
                    None,
                    to("cases", **{**rest, "tenant": "" if name == tenant else name}),
                    name == tenant,
                )
                for name, each in sorted(settings.tenants.items())
            ],
        )
    ]


def _choices(name: str, counted: Counter[str], wanted: Filter, labels: dict[str, str], tenant: str) -> list[Choice]:
    chosen = getattr(wanted, name)
    if chosen and chosen not in counted:
        counted = counted + Counter({chosen: 0})
        counted[chosen] = 0
    rest = query_of(wanted, tenant)
    return [
        Choice(labels.get(key, key), count, to("cases", **{**rest, name: "" if key == chosen else key}), key == chosen)
        for key, count in sorted(counted.items(), key=lambda each: (-each[1], each[0]))
    ]


async def case(desk: Desk, asked: Asked, person: Person, id_: str) -> Answered:
    page = asked.page
    async with desk.looking() as tx:
        live = await moving(tx, "case", number_of(id_))
        found = await case_asked(tx, id_)
        items = await store.items(tx, found.id, _ITEMS + 1, page * _ITEMS)
        shown = await _shown(tx, found, items[:_ITEMS], person)
        about: dict[str, Any] = {
            "numbers": await store.numbers_of(tx, [item.entity for item in items]),
            "history": [_told(row, person.sees_buyers) for row in await store.history(tx, found.id)],
            "earlier": await store.earlier(tx, found.cause),
            "similar": [_similar(row, person.sees_buyers) for row in await store.similar(tx, found)],
            "trend": (await store.trends(tx, [found.id]))[found.id],
            "mapping": await _mapping(tx, found),
            "people": await _people(tx, desk.settings, person.name, found.assignee or ""),
        }
    return desk.pages.page(
        "case.html",
        asked,
        person,
        live=live,
        case=found,
        items=shown,
        page=page,
        more=len(items) > _ITEMS,
        said=_said(asked),
        **about,
    )


async def _people(tx: Transaction, settings: Settings, *besides: str) -> list[str]:
    """Those a case may be given to: whoever has a role, and these, who may have none."""
    known = await people_of(tx, settings)
    return sorted({name for names in [*known.values(), besides] for name in names if name})


async def case_asked(tx: Transaction, id_: str) -> Group:
    found = await store.case_by_id(tx, number_of(id_))
    if found is None:
        raise Denied(404, "There is no such case", "It may never have been; closed ones are kept.")
    return found


async def _mapping(tx: Transaction, found: Group) -> dict[str, Any] | None:
    """For a name that a system doesn't know: what giving one would release, and what its like are called there."""
    if found.kind != "mapping" or found.closed_at is not None:
        return None
    _, connection, kind, key = found.cause.split("/", 3)
    promises, entities, some = await store.blocked_on(tx, found.cause, _BLOCKED)
    return {
        "connection": connection,
        "kind": kind,
        "key": key,
        "promises": promises,
        "entities": entities,
        "some": some,
        "worth": await store.worth_of(tx, [row[1] for row in some]) if entities <= _BLOCKED else found.worth,
        "siblings": await store.siblings(tx, connection, kind, key),
    }


async def _shown(tx: Transaction, found: Group, items: list[Item], person: Person) -> list[Shown]:
    tried = await store.attempts(tx, [item.promise for item in items if item.promise])
    facts = {} if person.sees_buyers else await store.bodies(tx, {item.entity for item in items})
    return [
        await _one(tx, found, item, tried.get(item.promise, []), facts.get(item.entity, []), person) for item in items
    ]


async def _one(
    tx: Transaction, found: Group, item: Item, tried: list[tuple[Any, ...]], facts: list[bytes], person: Person
) -> Shown:
    """`facts`: what is said of the item's entity, by which its buyer is found in what others say."""
    body = decoded(item.body)
    is_raw = item.entity.startswith(MESSAGE)
    bodies = [body, *map(decoded, facts)]
    ours, theirs = for_eyes(person.sees_buyers, bodies), of_others(person.sees_buyers, bodies)
    if is_raw and person.sees_buyers:
        body = await _message(tx, item.entity)
    elif body is not None and not person.sees_buyers:
        body = masked(body)
    evidence = tree(body, marks_of(found.cause, item.detail, item.field)) if body is not None else ()
    attempts = [(at, outcome, theirs(detail)) for at, outcome, detail in tried]
    detail = (theirs if found.kind in OF_OTHERS else ours)(item.detail)
    return Shown(item, detail, evidence, is_raw and not person.sees_buyers, attempts)


async def _message(tx: Transaction, entity: str) -> Any:
    connection, _, message_id = entity.removeprefix(MESSAGE).partition(":")
    found = await store.message(tx, connection, message_id)
    if found is None:
        return None
    body: bytes = found[4]
    told = decoded(body)
    return {"not JSON": body[:2000].decode(errors="replace")} if told is None else told


def _similar(row: tuple[Any, ...], sees_buyers: bool) -> tuple[Any, ...]:
    """(id, title, closed at, closed by, by, what, some words on it)"""
    *case, at, by, what, detail = row
    words = _told((at, by, what, detail), sees_buyers)[3] if detail is not None else ""
    return (*case, by, what, words)


def _told(row: tuple[Any, ...], sees_buyers: bool) -> tuple[Any, ...]:
    """(at, by, what, some words on it)"""
    at, by, what, detail = row
    told: dict[str, Any] = msgspec.json.decode(detail)
    if not sees_buyers:
        told = {name: value for name, value in told.items() if name not in ("before", "after")}
    words = ", ".join(
        f"{name} {_plainly(value)}" for name, value in told.items() if name not in ("case", "promises", "digest")
    )
    return at, by, what, words


def _plainly(value: Any) -> str:
    """`{"ship_to.city": "Springfeild"}` is "Goes to: city “Springfeild”"."""
    if not isinstance(value, dict):
        return str(value)
    told = cast("dict[str, object]", value)
    return ", ".join(f"{field_named(field)} “{said}”" for field, said in told.items())


_SAID = {
    "retried": "{n} promise{s} to be tried again.",
    "read": "{n} message{s} to be read once more. What can’t be read comes back as a case.",
    "mapped": "{n} promise{s} released. They are on their way.",
    "resolved": "Recorded.",
    "skipped": "It is left undone, and on record with your reason.",
    "assigned": "It has somebody now.",
    "corrected": "Corrected, and on record with your reason. What was refused is worked out anew and tried again by itself.",
    "snoozed": "Out of sight until it grows.",
    "woken": "Back in sight.",
}


def _said(asked: Asked) -> str:
    """What the last form came to; the words are ours, only the number is the address's."""
    number = asked.number("n")
    return _SAID.get(asked.of_query("done"), "").format(n=number, s="" if number == 1 else "s")
