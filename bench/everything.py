"""Whether all that a measurement switched on has also worked: what is off costs nothing, and makes no figure worse."""

from __future__ import annotations

from collections.abc import Iterator

from bench.stage import Stage, fetch
from bench.trade import Besides

_EDITED = "select count(*) from inbox where topic = 'orders/updated' and outcome = 1"
_QUARANTINED = "select count(*) from inbox where outcome = 3"
_SWEPT = """
select count(*) > 0 from sweep_pass where connection = 'shop' and kind = 'order' and verdict = 'complete' and listed > 0
"""
# On a machine with much else to do a pass takes longer than the trade.
_SWEPT_SECONDS = 120.0


def idle(stage: Stage, besides: Besides, orders: int) -> Iterator[str]:
    """What was to work beside the orders and didn't, by name; everything the shop sent is settled."""
    stage.wait_for(_SWEPT, True, _SWEPT_SECONDS)
    done = stage.told().done
    works = {
        "edits": 0 < besides.edited <= stage.count(_EDITED),
        "what can't be translated": 0 < besides.broken == stage.count(_QUARANTINED),
        "policies": done.get("invoices", 0) == orders,  # of what is sold when it is ordered: nothing is shipped here
        "traces": done.get("traces", 0) > 0,
        "metrics": all(
            hub.observed_at and b"\ncrossdock_" in fetch(f"{hub.observed_at}/metrics") for hub in stage.hubs
        ),
    }
    yield from (name for name, worked in works.items() if not worked)
