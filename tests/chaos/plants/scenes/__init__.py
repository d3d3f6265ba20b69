"""For each plant a short trading day with the one fault at which it shows, and the judge who must cry then, and only then.

A scene answers what is wrong, in words; a healthy hub on the same day leaves it nothing to say.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from tests.chaos.plants.scene import Scene
from tests.chaos.plants.scenes import governing, holding, knowing, receiving, remembering, sending

Play = Callable[[Scene], Awaitable[list[str]]]


class Shown(NamedTuple):
    """Where a plant shows, and what the judge says of it in other words than of anything else."""

    play: Play
    cry: str


SCENES: Mapping[str, Shown] = {
    "acknowledge_before_commit": Shown(receiving.dies_at_the_door, "answered with 200 and never sold"),
    "no_dedup": Shown(receiving.hears_everything_twice, "the inbox counts"),
    "dedup_mark_committed_apart": Shown(receiving.dies_at_the_door, "answered with 200 and never sold"),
    "no_fencing": Shown(holding.sleeps_past_its_lease, "was done 2 times"),
    "lease_never_reclaimed": Shown(holding.one_of_two_is_killed, "s after one process died"),
    "key_from_the_body": Shown(sending.is_refused_and_asks_again, "is not sold"),
    "no_quiet_period": Shown(sending.is_done_later_than_answered, "goods_issue was done 2 times"),
    "receipts_per_batch": Shown(sending.is_answered_in_part, "nothing says why"),
    "retry_on_blind": Shown(sending.loses_the_answer_to_a_mail, "parcel_notice was done 2 times"),
    "version_ties_by_arrival": Shown(knowing.two_changes_in_one_second, "the ERP ships to"),
    "gone_by_404": Shown(knowing.its_source_cannot_find_it, "the ERP has no goods_issue"),
    "policy_not_pinned": Shown(governing.new_rules_meet_old_facts, "after the parcel had left"),
    "budget_per_process": Shown(governing.two_share_a_small_budget, "more than the target allows"),
    "case_closed_by_age": Shown(governing.nobody_looks_at_a_case, "no case says so"),
    "account_moved_outside_the_seal": Shown(governing.a_day_has_a_limit, "where 50.00 may"),
    "set_back_unnoticed": Shown(remembering.its_database_is_set_back, "was done 2 times"),
    "forgotten_acts_sent": Shown(remembering.its_database_is_set_back, "was done 2 times"),
}
