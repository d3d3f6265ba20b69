"""Whether a system that was down answers again, asked without anything to do there."""

from __future__ import annotations

import asyncio

from crossdock.deliver.lines import Line
from crossdock.kernel.faults import Fault, NotSent

_CONNECT_SECONDS = 5.0


async def answers(line: Line, lease_ends: float) -> bool:
    """Any answer but that it is down counts: what it says to a call of no meaning is not the point."""
    if getattr(line.settings, "url", None) is None:
        return await _listens(str(getattr(line.settings, "host", "")), int(getattr(line.settings, "port", 0)))
    try:
        await line.link(lease_ends).http.get("/")
    except Fault as fault:
        return not fault.outage
    except NotSent:
        return False
    return True


async def _listens(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
