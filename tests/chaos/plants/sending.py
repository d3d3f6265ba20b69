"""Bugs of once: a key that says too little, a look that comes too early, an answer that is taken for another's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from crossdock.connect.effects import Searchable
from crossdock.connect.link import Link
from crossdock.connect.receipts import Confirmed
from crossdock.deliver import calling, following, lane
from crossdock.deliver.calling import Answers
from crossdock.deliver.following import Situation
from crossdock.deliver.sealing import Ready
from crossdock.kernel.ids import digest
from crossdock.store.delivery import Claimed


def key_from_the_body() -> None:
    """The idempotency key is a digest of what is asked, so that the same asked again is the same."""
    Claimed.new_key = property(lambda self: digest(self.body).hex())  # pyright: ignore


def no_quiet_period() -> None:
    """What is in doubt is searched for at once, and sent when it isn't there yet."""
    Searchable.quiet_period = property(lambda self: timedelta(0))  # pyright: ignore


def receipts_per_batch() -> None:
    """A bulk call that was answered did everything in it."""
    original = calling._many  # pyright: ignore[reportPrivateUsage]

    async def many(capability: Any, part: list[Ready], link: Link[Any]) -> Answers:
        answers = await original(capability, part, link)
        done = next((each for each in answers.values() if isinstance(each, Confirmed)), None)
        return answers if done is None else {each.claimed.promise: done for each in part}

    calling._many = many  # pyright: ignore[reportPrivateUsage]


def retry_on_blind() -> None:
    """What nobody knows of is sent again, whatever the target offers to find out."""

    def always(situation: Situation) -> bool:
        return True

    following.resendable = lane.resendable = always
