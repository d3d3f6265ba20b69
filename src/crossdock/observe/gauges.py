"""What the database says of the whole hub, by its name in Prometheus: each process says the same, so take the maximum of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Sample(NamedTuple):
    """One value, by its name in `GAUGES`."""

    name: str
    labels: tuple[str, ...]
    value: float


GAUGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "crossdock_inbox_pending_messages": ("Messages that wait to be translated.", ()),
    "crossdock_inbox_oldest_pending_seconds": ("How long the oldest of them has been waiting.", ()),
    "crossdock_dirty_entities": ("Entities that wait to be settled.", ()),
    "crossdock_dirty_oldest_seconds": ("How long the oldest of them has been waiting.", ()),
    "crossdock_due_promises": (
        "Open promises by lane, stage and age since they were made.",
        ("connection", "stage", "age"),
    ),
    "crossdock_due_oldest_seconds": (
        "The age of the oldest open promise of a lane and stage.",
        ("connection", "stage"),
    ),
    "crossdock_due_overdue_promises": ("Open promises past their deadline.", ("connection",)),
    "crossdock_brakes": ("Lanes that are stopped, by what stopped them.", ("connection", "kind")),
    "crossdock_brake_oldest_seconds": ("For how long a lane has been stopped.", ("connection",)),
    "crossdock_cases_open": ("Open cases by kind.", ("kind",)),
    "crossdock_case_items_open": ("What is in them.", ("kind",)),
    "crossdock_case_oldest_seconds": ("The age of the oldest open case of a kind.", ("kind",)),
    "crossdock_approvals_waiting": ("What waits for people's word.", ()),
    "crossdock_approvals_oldest_seconds": ("How long the oldest of it has been waiting.", ()),
    "crossdock_lease_buckets": ("Shares of the entities, held by a settling process or free.", ("state",)),
    "crossdock_lease_holders": ("Processes that hold some.", ()),
    "crossdock_workers": ("Living processes, by whether they settle.", ("settles",)),
    "crossdock_sweep_verified_age_seconds": (
        "How long ago a sweep has verified a list.",
        ("connection", "kind", "list"),
    ),
    "crossdock_sweep_flawed": ("1 where the last sweep of a list can't be relied on.", ("connection", "kind")),
    "crossdock_subscriptions": ("Subscriptions by state.", ("state",)),
    "crossdock_notifications_waiting": ("Events on their way to subscribers.", ()),
    "crossdock_notifications_failing_seconds": (
        "For how long a subscriber has not taken what it was sent, at worst.",
        (),
    ),
    "crossdock_events_lag_seconds": ("How long the oldest event has been waiting to be readable in order.", ()),
    "crossdock_budget_points_total": ("Points that were spent of a connection's call budget.", ("connection",)),
    "crossdock_database_bytes": ("What the database takes.", ()),
    "crossdock_check_holds": ("1 when every sum and invariant of `crossdock check` held.", ()),
    "crossdock_check_breaches": ("Breaches of each invariant.", ("invariant",)),
    "crossdock_check_age_seconds": ("How long ago that was counted.", ()),
    "crossdock_check_inbox_messages": ("All messages by what became of them.", ("fate",)),
    "crossdock_check_entities": ("All entities by the one state each is in.", ("state",)),
    "crossdock_check_unbound_documents": ("Documents that belong to nothing we know.", ()),
    "crossdock_acts_open": ("Acts that are promised and not confirmed.", ("workflow",)),
    "crossdock_acts_overdue": ("Those of them past their deadline.", ("workflow",)),
    "crossdock_observed_age_seconds": ("How long ago all of this was read.", ()),
}
"""name -> (what it says, its labels)"""

AGES = (("1m", 60.0), ("10m", 600.0), ("1h", 3600.0), ("1d", 86400.0))
"""An open promise's age is below the first of these that fits, or else `older`."""
STAGES = ("ready", "calling", "accepted", "doubtful", "blocked", "case")
