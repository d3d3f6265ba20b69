"""Which order is meant by a name, among those the caller may see."""

from __future__ import annotations

from crossdock.gateway.problems import conflicting, unknown
from crossdock.gateway.route import Call
from crossdock.store import tracing


async def entity_of(call: Call, name: str) -> str:
    """The one order of that name; another tenant's is as unknown as one that was never placed."""
    settings = call.house.settings
    named = await tracing.entities_named(call.tx, name, list(settings.translators))
    found = [each for each in named if each.startswith("order:") and call.caller.sees(each, settings)]
    if not found:
        raise unknown(f"no order is known as {name[:100]}; it may not have been received yet")
    if len(found) > 1:
        raise conflicting(f"{name[:100]} names several orders; ask for one of {', '.join(found[:10])}")
    return found[0]
