"""Leaving something undone: checked against what it would hold up, recorded, and sent in by the inbox like any fact."""

from __future__ import annotations

import msgspec

from crossdock.canonical.waiver import Waiver
from crossdock.govern.own import PEOPLE
from crossdock.kernel.moments import to_micros
from crossdock.promises.waivers import WAIVABLE
from crossdock.store import inbox, settling, waiving
from crossdock.store.decisions import Decider, NotDecidable
from crossdock.store.inbox import Message

_REASON_CHARACTERS_MAX = 200


async def waive(decider: Decider, promise: int, reason: str) -> str:
    """Have an open promise left undone; answers which. `NotDecidable` when it moves something, or something waits for it."""
    if not reason.strip() or len(reason) > _REASON_CHARACTERS_MAX or not reason.isprintable():
        raise NotDecidable(f"say why, in at most {_REASON_CHARACTERS_MAX} printable characters")
    held = await waiving.open_promise(decider.tx, promise)
    if held is None:
        raise NotDecidable(f"promise {promise} is not open, or a call about it is under way")
    if held.noun not in WAIVABLE:
        raise NotDecidable(
            f"{held.name} moves goods or money, or stands in the books; correct it at its source or try again"
        )
    if held.waiting:
        raise NotDecidable(f"{held.waiting} waits for {held.name}")
    now = await settling.now(decider.tx)
    word = Waiver(name=held.name, digest=held.digest.hex(), reason=reason, by=decider.by, waived_at=now)
    body = msgspec.json.encode({"entity": held.entity, "waiver": word})
    name = f"{held.entity}/{held.name}/{word.digest[:16]}@{to_micros(now)}"
    await inbox.store(decider.tx, [Message(PEOPLE, "waiver", body, name)])
    about = {} if held.case is None else {"case": held.case}
    await decider.record("skip", promise=promise, name=held.name, entity=held.entity, reason=reason, **about)
    return f"{held.entity}/{held.name}"
