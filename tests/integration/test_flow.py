"""Flow: the pace that a backlog's end is forecast by is the lane's own, not that of its outage."""

from __future__ import annotations

import pytest

from crossdock.govern.workflows import limits_of
from crossdock.store.flow import Workflow, flow
from tests.stage import Stage, order, staged
from tests.standin.target import Target

_SALES = "Order to ERP"


async def sales(stage: Stage) -> Workflow:
    async with stage.database.transaction() as tx:
        return (await flow(tx, limits_of(stage.hub.settings.policy.deadlines)))[_SALES]


async def test_after_an_outage_only_what_was_done_since_counts(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(*(order(str(n)) for n in range(1, 61)))
        await stage.run()
        stage.sql("update receipt set at = now() - interval '5 minutes' where mod(promise, 2) = 0")
        stage.sql("update receipt set at = now() - interval '10 seconds' where mod(promise, 2) = 1")
        [(since,)] = stage.rows(
            "select count(*) from receipt r join promise p on p.id = r.promise where p.name = 'sale' and mod(p.id, 2) = 1"
        )
        assert (await sales(stage)).pace == pytest.approx(int(since) / 60, rel=0.1)
        stage.sql(
            "insert into cases (cause, kind, title, remedy, opened_at, closed_at, closed_by)"
            " values ('brake:erp', 'brake', '', '', now() - interval '4 minutes', now() - interval '20 seconds', 'a probe')"
        )
        assert (await sales(stage)).pace == pytest.approx(int(since) / 20, rel=0.1)


async def test_where_nothing_was_done_lately_no_end_is_forecast(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(order("1"))
        found = await sales(stage)
        assert (found.open, found.drains_in) == (1, None)
