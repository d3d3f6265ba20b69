"""The retailer to practise on: what it starts ends with it, and the hub's own database with its last process."""

from __future__ import annotations

from pathlib import Path

from crossdock.simulators.retailer import open_retailer


async def test_two_hub_processes_that_stop_at_once_leave_no_database_running(tmp_path: Path) -> None:
    async with open_retailer(tmp_path, with_erp=False) as retailer:
        for _ in range(3):  # it went wrong every other time
            await retailer.start_hub()
            await retailer.start_hub("settle", "deliver")
            await retailer.stop_hubs()
            assert not (tmp_path / "hub" / "postgres" / "postmaster.pid").exists()
