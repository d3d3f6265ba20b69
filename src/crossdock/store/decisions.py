"""People's decisions, each recorded with who and when, and carried out in the same transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import msgspec

from crossdock.store import cases, delivery, documents, inbox, recovery
from crossdock.store.accounts import amounts, move_accounts
from crossdock.store.brakes import lift_brake, stopped_by
from crossdock.store.database import Row, Transaction, rows, run
from crossdock.store.delivery import Answered
from crossdock.store.statements import load

_SQL = load("decisions")
_CALLING, _DOUBTFUL = 1, 3
_MOVABLE = (0, 4, 5)
_HUB = 0


class NotDecidable(Exception):
    """The decision doesn't fit what is there; the text says why, and nothing was changed."""


class Again(NamedTuple):
    """What a case holds, and how many of those are tried again, or read once more."""

    what: Literal["promise", "message"]
    items: int


@dataclass(frozen=True, slots=True)
class Decider:
    """A person deciding inside one transaction."""

    tx: Transaction
    by: str

    async def map(self, connection: str, kind: str, key: str, value: str) -> int:
        """Say what `key` is called at a target; answers how many promises that releases."""
        about = {"connection": connection, "kind": kind, "key": key}
        held = await rows(self.tx, _SQL["mapped"], about)
        await run(self.tx, _SQL["map"], {**about, "value": value, "by": self.by})
        await self.record("map", **about, before=held[0][0] if held else None, value=value)
        released = await delivery.release(self.tx, [f"map/{connection}/{kind}/{key}"])
        await cases.close_empty(self.tx, self.by)
        return released

    async def bind(self, connection: str, kind: str, id_: str, name: str) -> str:
        """Say which entity a document belongs to, by its key or any name; answers the key."""
        identity = {"connection": connection, "kind": kind, "id": id_}
        held = await rows(self.tx, _SQL["document_to_bind"], identity)
        if not held:
            raise NotDecidable(f"{connection} has said nothing of a {kind} {id_}")
        was, is_stated = held[0]
        if is_stated:
            raise NotDecidable(f"{connection} says itself that {kind} {id_} belongs to {was}; correct it there")
        entity = await self._entity(name)
        await run(self.tx, _SQL["bind"], identity | {"entity": entity})
        # What names this document and nothing else, a payout its return for instance, goes where it does.
        name_of_it = f"{kind}:{connection}:{id_}"
        await run(self.tx, _SQL["unname"], {"name": name_of_it})
        await documents.add_aliases(self.tx, [(name_of_it, entity)])
        await documents.mark_dirty(self.tx, {entity, was} - {None})
        await self.record("bind", **identity, entity=entity, was=was)
        await cases.close_bound(self.tx, self.by)
        return entity

    async def _entity(self, name: str) -> str:
        found = [row[0] for row in await rows(self.tx, _SQL["known_as"], {"name": name})]
        match found:
            case [entity]:
                return entity
            case []:
                raise NotDecidable(f"nobody knows {name}; an entity's key is for instance order:shop:1001")
            case _:
                raise NotDecidable(f"{name} is a name of several: {', '.join(found)}")

    async def release(self, connection: str) -> bool:
        """Let a stopped lane go on; answers whether it was stopped."""
        await self.record("release", connection=connection, before=await stopped_by(self.tx, connection))
        return await lift_brake(self.tx, connection, self.by)

    async def open_epoch(self, connection: str) -> int:
        """Accept the state a source was set back to, and let its lane go on."""
        if await stopped_by(self.tx, connection) != "regression":
            raise NotDecidable(
                f"{connection} was not found set back to an earlier state, so there is nothing to accept"
            )
        epoch = await documents.open_epoch(self.tx, connection)
        await self.record("epoch", connection=connection, epoch=epoch)
        await lift_brake(self.tx, connection, self.by)
        return epoch

    async def go_on(self, *, unswept: bool = False) -> None:
        """The sources have told again what a restored database had forgotten: acts are done, each looked for first.

        What can be listed must have been, to its end, unless a person says that it was told otherwise (`unswept`).
        """
        unread = await recovery.not_read_since(self.tx)
        if unread and not unswept:
            raise NotDecidable(_unread(unread))
        if not await recovery.go_on(self.tx, self.by):
            raise NotDecidable("nothing is stopped: the database was not found set back, or it goes on already")
        await self.record("go on", unswept=sorted(unread))

    async def restored(self) -> None:
        """The database was set back, and nothing told the hub."""
        await self.record("restored")
        await recovery.restored(self.tx, self.by)

    async def retry(self, case_id: int) -> Again:
        """Try everything in a case again, or have its messages read once more."""
        if await self._kind(case_id) == inbox.SET_ASIDE:
            return Again("message", await self._read_again(case_id))
        promises = await self._promises(case_id)
        movable = [row for row in promises if row[2] in _MOVABLE]
        resent = [row for row in promises if row[2] == _CALLING]
        if not movable and not resent:
            raise NotDecidable(
                f"case {case_id} holds nothing to try again; what may have happened needs: crossdock resolve"
            )
        await self._again(case_id, movable, bump=0)
        await self._hasten(case_id, resent)
        await self.record("retry", case=case_id, promises=[row[0] for row in movable + resent])
        return Again("promise", len(movable) + len(resent))

    async def _read_again(self, case_id: int) -> int:
        count = await inbox.read_again(self.tx, case_id)
        if not count:
            raise NotDecidable(f"the messages of case {case_id} are read already, or not kept any more")
        await self.record("read again", case=case_id, messages=count)
        await cases.close_empty(self.tx, self.by)
        return count

    async def happened(self, case_id: int, remote_id: str, promise: int | None) -> str:
        """A doubtful act did happen, as `remote_id`; answers which."""
        doubtful = self._one_of(case_id, await self._doubtful(case_id), promise)
        slot = f"{doubtful[1]}/{doubtful[4]}"
        answered = Answered(doubtful[0], slot, remote_id, remote_id, None, 0)
        await delivery.confirm(self.tx, [answered])
        held = amounts(doubtful[5])
        await move_accounts(self.tx, _negative(held), held, by_key=False)
        await self._over(case_id, [doubtful], "happened", remote_id=remote_id, slot=slot)
        return slot

    async def did_not_happen(self, case_id: int, promise: int | None) -> str:
        """A doubtful act did not happen; it is sent again, as a new act under a new key."""
        doubtful = self._one_of(case_id, await self._doubtful(case_id), promise)
        await move_accounts(self.tx, _negative(amounts(doubtful[5])), Counter(), by_key=False)
        await self._again(case_id, [doubtful], bump=1)
        slot = f"{doubtful[1]}/{doubtful[4]}"
        await self._over(case_id, [doubtful], "did not happen", slot=slot)
        return slot

    async def _kind(self, case_id: int) -> str:
        found = await rows(self.tx, _SQL["kind_of_case"], {"case_id": case_id})
        if not found:
            raise NotDecidable(f"there is no open case {case_id}; list them with: crossdock cases")
        return found[0][0]

    async def _promises(self, case_id: int) -> list[Row]:
        await self._kind(case_id)
        return await rows(self.tx, _SQL["promises_in_case"], {"case_id": case_id})

    async def _doubtful(self, case_id: int) -> list[Row]:
        """What may have happened, and what is sent again under its key; not while a call for it is under way."""
        promises = await self._promises(case_id)
        return [row for row in promises if row[2] == _DOUBTFUL or (row[2] == _CALLING and row[3] == _HUB)]

    def _one_of(self, case_id: int, doubtful: list[Row], promise: int | None) -> Row:
        chosen = [row for row in doubtful if promise is None or row[0] == promise]
        if len(chosen) == 1:
            return chosen[0]
        known = ", ".join(str(row[0]) for row in doubtful) or "none"
        raise NotDecidable(f"case {case_id} has {len(doubtful)} acts in doubt; name one with --promise: {known}")

    async def _again(self, case_id: int, promises: list[Row], *, bump: int) -> None:
        ids = [row[0] for row in promises]
        await run(self.tx, _SQL["try_again"], {"promise": ids, "bump": bump})
        await run(self.tx, _SQL["leave_case"], {"case_id": case_id, "promise": ids})
        await cases.close_empty(self.tx, self.by)

    async def _hasten(self, case_id: int, resent: list[Row]) -> None:
        """What is sent again under its key anyway, at once; a call that is under way is left alone."""
        ids = [row[0] for row in resent]
        await run(self.tx, _SQL["hasten"], {"promise": ids})
        await run(self.tx, _SQL["leave_case"], {"case_id": case_id, "promise": ids})
        await cases.close_empty(self.tx, self.by)

    async def _over(self, case_id: int, promises: list[Row], what: str, **detail: Any) -> None:
        await run(self.tx, _SQL["leave_case"], {"case_id": case_id, "promise": [row[0] for row in promises]})
        await delivery.free_documents(self.tx, [(row[1], row[6]) for row in promises])
        await self.record(what, case=case_id, **detail)
        await cases.close_empty(self.tx, self.by)

    async def record(self, what: str, /, **detail: Any) -> None:
        """Keep a decision for good."""
        encoded = msgspec.json.encode(detail).decode()
        await run(self.tx, _SQL["record"], {"by": self.by, "what": what, "detail": encoded})


def _negative(held: Counter[str]) -> Counter[str]:
    return Counter({account: -amount for account, amount in held.items()})


def _unread(lists: Mapping[str, Sequence[str]]) -> str:
    said = "; ".join(f"{', '.join(kinds)} of {name}" for name, kinds in lists.items())
    remedy = "; ".join(f"crossdock sweep {name} --full" for name in lists)
    return (
        f"these lists were not read whole since the database was set back: {said}. What they hold may be done twice or never"
        f" if it isn't known again: {remedy}. Where all of it was told again otherwise: crossdock recovery go-on --unswept"
    )
