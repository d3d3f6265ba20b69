"""Customers' accounts: one party per code, kept as the shop last said it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from crossdock.canonical.order import PartyAccount
from crossdock.connect.connector import Command
from crossdock.connect.link import Link
from crossdock.connect.receipts import Confirmed, Outcome
from crossdock.connectors.tryton import contacts
from crossdock.connectors.tryton.addresses import (
    Label,
    SpeltAddress,
    as_held,
    canonical,
    geography,
    label_held,
    label_of,
    read_back,
)
from crossdock.connectors.tryton.buyers import ORDER_ADDRESS_SEQUENCE
from crossdock.connectors.tryton.contacts import Contact, HeldContact
from crossdock.connectors.tryton.isolation import isolated
from crossdock.connectors.tryton.rpc import Values, change, rows, write
from crossdock.connectors.tryton.system import Settings, connector
from crossdock.kernel.faults import Rejected, Unknown

MAIN_ADDRESS_SEQUENCE = 1
"""The account's own address comes before those of its orders. It is never edited: old documents show it."""


class HeldParty(msgspec.Struct, frozen=True):
    id: int
    code: str
    name: str | None
    contacts: tuple[HeldContact, ...] = msgspec.field(name="contact_mechanisms.")
    addresses: tuple[SpeltAddress, ...] = msgspec.field(name="addresses.")

    @property
    def main_address(self) -> SpeltAddress | None:
        own = [each for each in self.addresses if each.active and each.sequence == MAIN_ADDRESS_SEQUENCE]
        return own[0] if own else None


@dataclass(frozen=True)
class Wanted:
    """An account as Tryton is to hold it."""

    account: PartyAccount
    label: Label | None
    mark: str
    phone_as: str = "phone"

    @property
    def contacts(self) -> tuple[Contact, Contact]:
        email = Contact(contacts.EMAIL, self.account.email, "email")
        return email, Contact(contacts.PHONE, self.account.phone, self.phone_as)


@dataclass
class _Run:
    link: Link[Settings]
    wanted: dict[str, Wanted] = field(default_factory=dict[str, Wanted])
    refused: dict[str, Rejected] = field(default_factory=dict[str, Rejected])

    async def held(self) -> dict[str, HeldParty]:
        """The parties by code; one that was put aside still holds its code."""
        where = [["code", "in", list(self.wanted)]]
        found = await rows(self.link, "party.party", where, HeldParty, active_test=False) if self.wanted else []
        return {party.code: party for party in found}


def as_account(account: PartyAccount) -> PartyAccount:
    """How Tryton will hold it: blanks cut, a phone number without its punctuation, the address as addresses are held."""
    return PartyAccount(
        code=account.code,
        name=account.name.strip(),
        email=account.email.strip(),
        phone=contacts.phone_as_held(account.phone),
        address=as_held(account.address) if account.address else None,
    )


@connector.state(PartyAccount, size=50, normalise=as_account)
async def keep_accounts(commands: Sequence[Command[PartyAccount]], link: Link[Settings]) -> Mapping[str, Outcome]:
    """Find each account by its code or make it, and write what differs."""
    run = await _run(commands, link)
    held = await run.held()
    if lacking := [code for code in run.wanted if code not in held]:
        await _make(run, lacking)
        held = await run.held()
    if changed := {code: new for code, party in held.items() if (new := values_for(run.wanted[code], party))}:
        await _change(run, changed, held)
        held = await run.held()
    return {command.key: _outcome(run, held.get(command.body.code), command.body.code) for command in commands}


async def _run(commands: Sequence[Command[PartyAccount]], link: Link[Settings]) -> _Run:
    accounts = {command.body.code: as_account(command.body) for command in commands}
    known = await geography(link, [account.address for account in accounts.values() if account.address])
    run = _Run(link)
    for code, account in accounts.items():
        try:
            label = label_of(account.address, known, "address") if account.address else None
        except Rejected as refusal:
            run.refused[code] = refusal
        else:
            run.wanted[code] = Wanted(account, label, link.settings.shop)
    return run


def _outcome(run: _Run, held: HeldParty | None, code: str) -> Outcome:
    if code in run.refused:
        return run.refused[code]
    if held is None:
        return Unknown("Tryton answered, but there is no such party")
    return Confirmed(id=str(held.id), body=account_held(held, run.wanted[code]))


def account_held(held: HeldParty, wanted: Wanted) -> PartyAccount:
    """What Tryton holds, so that equal means equal to what was wanted."""
    email, phone = (contacts.held_value(held.contacts, each, wanted.mark) for each in wanted.contacts)
    main, address = held.main_address, None
    if main is not None:
        address = read_back(main, wanted.account.address, wanted.label)
    return PartyAccount(code=held.code, name=held.name or "", email=email, phone=phone, address=address)


def account_seen(held: HeldParty, mark: str) -> PartyAccount:
    """What Tryton holds of ours, when nothing is being wanted."""
    email, phone = (
        contacts.held_value(held.contacts, Contact(types, "", ""), mark) for types in (contacts.EMAIL, contacts.PHONE)
    )
    address = canonical(held.main_address) if held.main_address else None
    return PartyAccount(code=held.code, name=held.name or "", email=email, phone=phone, address=address)


# --- making and changing -----------------------------------------------------------------------------------------------


async def _make(run: _Run, codes: Sequence[str]) -> None:
    async def make(some: Sequence[str]) -> None:
        await change(run.link, "model.party.party.create", [_new(run.wanted[code]) for code in some])

    async def remaining(some: Sequence[str]) -> Sequence[str]:
        held = await run.held()  # another process may have been first
        return [code for code in some if code not in held]

    refused = await isolated(codes, make, remaining)
    _call_phones_other(run, refused)
    run.refused |= await isolated(list(refused), make, remaining)


async def _change(run: _Run, changed: Mapping[str, Values], held: Mapping[str, HeldParty]) -> None:
    async def change_(some: Sequence[str]) -> None:
        new = [(held[code].id, values_for(run.wanted[code], held[code])) for code in some]
        await write(run.link, "party.party", new)

    refused = await isolated(list(changed), change_)
    _call_phones_other(run, refused)
    run.refused |= await isolated(list(refused), change_)


def _call_phones_other(run: _Run, refused: Mapping[str, Rejected]) -> None:
    """Tryton may check phone numbers, and shops seldom do; the second try doesn't claim that it is one."""
    run.wanted |= {code: replace(run.wanted[code], phone_as="other") for code in refused}


def _new(wanted: Wanted) -> Values:
    made = [contacts.created(each, wanted.mark) for each in wanted.contacts if each.value]
    own = [{"sequence": MAIN_ADDRESS_SEQUENCE, **wanted.label.values()}] if wanted.label else []
    return {
        "code": wanted.account.code,
        "name": wanted.account.name,
        "contact_mechanisms": [["create", made]],
        "addresses": [["create", own]],
    }


def values_for(wanted: Wanted, held: HeldParty) -> Values:
    """What to write on the party; empty when it is right."""
    values: Values = {}
    if (held.name or "") != wanted.account.name:
        values["name"] = wanted.account.name
    if mechanisms := [step for each in wanted.contacts for step in contacts.changes(held.contacts, each, wanted.mark)]:
        values["contact_mechanisms"] = mechanisms
    if places := _places(wanted.label, held):
        values["addresses"] = places
    return values


def _places(label: Label | None, held: HeldParty) -> list[object]:
    """The wanted address first, found among the party's or added; the one that was first steps back."""
    main = held.main_address
    if (label_held(main) if main else None) == label:
        return []
    steps: list[object] = [["write", [main.id], {"sequence": ORDER_ADDRESS_SEQUENCE}]] if main else []
    if label is not None:
        same = next((each for each in held.addresses if each.active and label_held(each) == label), None)
        first = {"sequence": MAIN_ADDRESS_SEQUENCE}
        steps.append(["write", [same.id], first] if same else ["create", [{**first, **label.values()}]])
    return steps
