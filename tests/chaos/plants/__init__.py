"""Deliberate bugs, one at a time, in an ordinary hub process: what proves under faults must cry at each of them.

`python -m tests.chaos.plants NAME -- --config FILE run` is `crossdock --config FILE run` with that one bug in it. A plant
replaces one function or statement before the process starts; the hub's own code knows nothing of plants.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.chaos.plants import governing, holding, knowing, receiving, remembering, sending

Plant = Callable[[], None]
"""Puts the bug in; its sentence says what a careless hub would do."""

PLANTS: Mapping[str, Plant] = {
    each.__name__: each
    for each in (
        receiving.acknowledge_before_commit,
        receiving.no_dedup,
        receiving.dedup_mark_committed_apart,
        holding.no_fencing,
        holding.lease_never_reclaimed,
        sending.key_from_the_body,
        sending.no_quiet_period,
        sending.receipts_per_batch,
        sending.retry_on_blind,
        governing.account_moved_outside_the_seal,
        knowing.version_ties_by_arrival,
        knowing.gone_by_404,
        governing.policy_not_pinned,
        governing.budget_per_process,
        governing.case_closed_by_age,
        remembering.set_back_unnoticed,
        remembering.forgotten_acts_sent,
    )
}


def program(plant: str) -> tuple[str, ...]:
    """What follows the interpreter to start `crossdock` with this bug; without one, as it is."""
    return ("-m", "tests.chaos.plants", plant, "--") if plant else ("-m", "crossdock.main")
