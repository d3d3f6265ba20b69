"""A console over real HTTP on a hub stepped by hand, and the Chromium of the system to look at it with."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import uvicorn
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from crossdock.console.app import Console, with_console
from crossdock.console.bulk import work_on_jobs
from crossdock.console.counting import count_what_is_due
from crossdock.console.desk import Desk, open_desk
from crossdock.console.summing import sum_up
from crossdock.govern.inviting import DECIDING, invitation
from crossdock.govern.settings import read_settings
from crossdock.govern.workflows import limits_of
from crossdock.hub import ROLES, open_hub
from tests.contract.npm import member
from tests.integration.test_books import CONNECTION
from tests.stage import Stage
from tests.standin.target import Target

CHROMIUM = os.environ.get("CROSSDOCK_CHROMIUM", "/usr/bin/chromium")
SHOTS = Path(os.environ.get("CROSSDOCK_SCREENSHOTS", Path(__file__).parents[2] / "build/screenshots"))
"""Where a picture of every page is kept."""
AXE = ("axe-core@4.14.1", "axe.min.js")
Theme = Literal["light", "dark"]
SETTINGS = """
[hub]
database_url = "{database_url}"
probe_seconds = 0.1
[roles]
erp = "erp"
warehouse = "warehouse"
payments = "psp"
[people]
finance = ["mara"]
operator = ["otto"]
[[policy.returns]]
version = "2026"
approve_over = {{ USD = "10.00" }}
"""


@dataclass
class Counter:
    """A console, the hub it is of, and a browser."""

    stage: Stage
    desk: Desk
    address: str
    browser: Browser
    contexts: list[BrowserContext] = field(default_factory=list[BrowserContext])

    async def enter(
        self,
        person: str,
        *,
        theme: Theme = "light",
        scripts: bool = True,
        roles: tuple[str, ...] = DECIDING,
        **more: Any,
    ) -> Page:
        """A page of somebody who came in by a link of their own."""
        context = await self.browser.new_context(
            color_scheme=theme, java_script_enabled=scripts, viewport={"width": 1360, "height": 900}, **more
        )
        self.contexts.append(context)
        page = await context.new_page()
        page.set_default_timeout(15_000)
        path = await invitation(self.desk.database, person, roles)
        await page.goto(self.address + path)
        await page.get_by_role("button", name=f"Enter as {person}").click()
        await page.wait_for_url(f"{self.address}/console")
        return page

    async def count(self) -> None:
        """Every sum and figure anew."""
        self.stage.sql("delete from figure")
        while (await sum_up(self.desk.database, self.stage.hub.rules, margin_seconds=0)).behind:
            pass
        await count_what_is_due(self.desk.database, limits_of(self.desk.settings.policy.deadlines))

    async def finish_jobs(self) -> None:
        while await work_on_jobs(self.desk.database):
            pass


@contextlib.asynccontextmanager
async def counter(database_url: str, folder: Path, settings: str = SETTINGS) -> AsyncGenerator[Counter]:
    """A hub of five connections to one stand-in, its console on a free port, and Chromium."""
    async with Target().serve() as target:
        names = ("shop", "erp", "warehouse", "psp", "till")
        file = folder / "crossdock.toml"
        sections = [CONNECTION.format(name=name, url=target.url) for name in names]
        file.write_text("\n".join([settings.format(database_url=database_url), *sections]))
        read = read_settings(file)
        async with (
            open_hub(read, database_url, ROLES) as hub,
            open_desk(read, database_url, hub.received) as desk,
            served(desk) as address,
            _chromium() as browser,
        ):
            await hub.leases.beat()
            found = Counter(Stage(database_url, hub, target), desk, address, browser)
            yield found
            for context in found.contexts:
                await context.close()
            await hub.leases.leave()


@contextlib.asynccontextmanager
async def served(desk: Desk) -> AsyncGenerator[str]:
    async def nothing(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError(f"not the console's: {scope['path']}")

    console = Console(desk)
    server = uvicorn.Server(
        uvicorn.Config(
            with_console(console, nothing), port=0, log_level="warning", access_log=False, lifespan="off", ws="none"
        )
    )
    server.install_signal_handlers = lambda: None  # pyright: ignore
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        console.close()
        server.should_exit = True
        await asyncio.wait([serving], timeout=5)


@contextlib.asynccontextmanager
async def _chromium() -> AsyncGenerator[Browser]:
    # As root there is no sandbox to be had, and in a container no shared memory worth its name.
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        await browser.close()


async def shoot(page: Page, name: str) -> None:
    """A picture of the whole page, where somebody wants them."""
    await page.screenshot(path=SHOTS / f"{name}.png", full_page=True)  # which makes the folder


async def serious_findings(page: Page) -> list[str]:
    """What axe finds on a page of WCAG 2.2 A and AA, and of best practice; at the size of targets it looks when told to."""
    await page.evaluate(member(*AXE).decode())
    found: dict[str, Any] = await page.evaluate(
        "() => axe.run(document, {resultTypes: ['violations'], rules: {'target-size': {enabled: true}}})"
    )
    return [
        f"{page.url} {each['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for each in found["violations"]
        for node in each["nodes"]
        if each["impact"] in ("serious", "critical", "moderate")
    ]
