"""A whole retailer to practise on: shop, warehouse, till, payment provider, mail server and a real ERP, hub processes, and
their settings.

The simulators live in this process; the ERP and the hub are processes of their own, and none outlives this one.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crossdock.simulators import payments as providers
from crossdock.simulators import pos as tills
from crossdock.simulators import shop as shops
from crossdock.simulators import warehouse as warehouses
from crossdock.simulators.lifeline import Lifeline, stop_database
from crossdock.simulators.mail import MailRunning, MailSink
from crossdock.simulators.payments import Pay, Payments
from crossdock.simulators.ports import Port
from crossdock.simulators.pos import Till
from crossdock.simulators.shop import Shop
from crossdock.simulators.tryton import SEED, Erp, NotBooted, Say, Seed, boot, silent
from crossdock.simulators.warehouse import Warehouse

_READY_SECONDS_MAX = 60.0
# A hub that is killed leaves its database running, and on a slow disk that alone takes half a minute to stop.
_STOP_SECONDS_MAX = 60.0
_SECRETS = {
    "shop-token": shops.TOKEN,
    "shop-webhooks": shops.SECRET,
    "wms-key": warehouses.API_KEY,
    "wms-webhooks": warehouses.WEBHOOK_SECRET,
    "psp-key": providers.API_KEY,
    "psp-webhooks": providers.WEBHOOK_SECRET,
    "till-token": tills.ACCESS_TOKEN,
}
FINANCE = "mara"
"""Who may allow a refund here."""
APPROVE_OVER = "10.00"
"""Refunds above this wait for them, in dollars."""

Table = Mapping[str, Any]


class NotOpened(RuntimeError):
    """The retailer can't be started here; the text says why and what to do."""


@dataclass
class HubProcess:
    """A hub process as the command line starts it; its output is in `log`."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def ready(self) -> bool:
        """Whether it has said that it works; `NotOpened` with the end of its output when it has ended instead."""
        said = self.log.read_text()
        if '{"ready"' in said:
            return True
        if self.process.poll() is not None:
            raise NotOpened(f"the hub ended with {self.process.returncode}: {said[-2000:]}")
        return False

    def stop(self) -> None:
        """End it, harder when it doesn't go."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass
class Retailer:
    """The systems, their addresses, and the hub that keeps them in step. `erp` is None for a retailer without one."""

    folder: Path
    shop: Shop
    warehouse: Warehouse
    mail: MailSink
    payments: Payments
    till: Till
    erp: Erp | None
    addresses: Mapping[str, str]
    """Where each answers, by connection name, and the hub's doors as `hub`."""
    lifeline: Lifeline
    hub_options: Table
    environment: Mapping[str, str]
    hubs: list[HubProcess] = field(default_factory=list[HubProcess])
    program: Sequence[str] = (sys.executable, "-m", "crossdock.main")
    """What a hub process is started as; the settings and its words follow."""

    @property
    def config(self) -> Path:
        return self.folder / "crossdock.toml"

    async def start_hub(self, *roles: str, environment: Mapping[str, str] | None = None) -> HubProcess:
        """Start one more hub process, with all roles when none is named, and wait until it works."""
        hub = self._launch(roles, environment or {})
        until = time.monotonic() + _READY_SECONDS_MAX
        while not hub.ready():
            if time.monotonic() > until:
                raise NotOpened(f"the hub isn't ready after {_READY_SECONDS_MAX:.0f} s; see {hub.log}")
            await asyncio.sleep(0.05)
        return hub

    def _launch(self, roles: Collection[str], environment: Mapping[str, str]) -> HubProcess:
        log = self.folder / f"hub-{len(self.hubs) + 1}.log"
        with log.open("wb") as written:
            process = subprocess.Popen(  # noqa: S603  # our own words and paths
                self.command("run", *(word for role in roles for word in ("--role", role))),
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment, **environment},
                start_new_session=True,
            )
        self.lifeline.tie(process.pid)
        self.hubs.append(HubProcess(process, log))
        return self.hubs[-1]

    def command(self, *words: str) -> list[str]:
        """A `crossdock` command on this retailer's settings, as a list of arguments."""
        return [*self.program, "--config", str(self.config), *words]

    async def ask(self, *words: str) -> tuple[int, str]:
        """Run a `crossdock` command; answers its exit code and what it printed."""
        process = await asyncio.create_subprocess_exec(
            *self.command(*words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **self.environment},
        )
        self.lifeline.tie(process.pid)
        try:
            said, _ = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        finally:
            self.lifeline.untie(process.pid)
        return process.returncode or 0, said.decode()

    async def ask_json(self, *words: str) -> Any:
        """The JSON document a `crossdock … --json` command prints."""
        _, said = await self.ask(*words, "--json")
        return json.loads(said)

    async def stop_hubs(self) -> None:
        """Stop every hub process."""
        stopping = [asyncio.to_thread(hub.stop) for hub in self.hubs]
        await asyncio.gather(*stopping)
        for hub in self.hubs:
            self.lifeline.untie(hub.pid)
        self.hubs.clear()


@asynccontextmanager
async def open_retailer(
    folder: Path,
    *,
    with_erp: bool = True,
    seed: Seed = SEED,
    say: Say = silent,
    database_url: str | None = None,
    hub: Table | None = None,
    connections: Mapping[str, Table] | None = None,
) -> AsyncGenerator[Retailer]:
    """Start every system on empty books in the folder and write the hub's settings; hub processes are the caller's to start.

    `hub` and `connections` add to the sections of the settings. Without `database_url` the hub has its own PostgreSQL.
    """
    async with AsyncExitStack() as stack:
        _take(folder, stack)
        database = folder / "hub" / "postgres"
        lifeline = Lifeline(None if database_url else database)
        stack.callback(lifeline.cut)
        hub_port = Port()
        stack.callback(hub_port.close)
        hub_at = f"http://127.0.0.1:{hub_port.number}"
        shop, warehouse, mail = Shop(), Warehouse(), MailSink()
        payments, till = Payments(f"{hub_at}/in/psp"), Till(f"{hub_at}/in/till", location="STORE-1")
        starting = [] if database_url else [asyncio.create_task(asyncio.to_thread(_start_database, database))]
        stack.push_async_callback(_ended, starting)
        erp = await _booted(folder / "erp", seed, say, stack) if with_erp else None
        await asyncio.gather(*map(asyncio.shield, starting))
        shop_at = await stack.enter_async_context(shop.serve())
        warehouse_at = await stack.enter_async_context(warehouse.serve())
        mail_at = await stack.enter_async_context(mail.serve())
        payments_at = await stack.enter_async_context(payments.serve())
        till_at = await stack.enter_async_context(till.serve())
        _stock(shop, seed)
        addresses = {"shop": shop_at.url, "wms": warehouse_at.url, "psp": payments_at.url, "till": till_at.url}
        addresses |= {"mail": mail_at.url} | ({"erp": erp.at.url} if erp else {})
        addresses["hub"] = hub_at
        retailer = Retailer(
            folder,
            shop,
            warehouse,
            mail,
            payments,
            till,
            erp,
            addresses,
            lifeline,
            hub or {},
            {"CROSSDOCK_DATABASE_URL": database_url} if database_url else {"CROSSDOCK_DATABASE_URL": ""},
        )
        _write_settings(retailer, mail_at, connections or {})
        shop.sender.target_url = f"{addresses['hub']}/in/shop"
        warehouse.sender.target_url = f"{addresses['hub']}/in/wms"
        shop.charge = lambda order, cents: payments.pay(Pay(order=str(order), amount=cents))
        stack.push_async_callback(retailer.stop_hubs)
        yield retailer


def _take(folder: Path, stack: AsyncExitStack) -> None:
    """The folder is ours alone until the end, and empty: the systems begin anew, so the hub must too."""
    folder.mkdir(parents=True, exist_ok=True)
    held = stack.enter_context((folder / "lock").open("w"))
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise NotOpened(
            f"another one is running in {folder}; stop it, or choose another folder with --folder"
        ) from error
    stop_database(folder / "hub" / "postgres")
    for name in ("hub", "erp", "secrets"):
        shutil.rmtree(folder / name, ignore_errors=True)


async def _booted(folder: Path, seed: Seed, say: Say, stack: AsyncExitStack) -> Erp:
    # Shielded: a thread can't be cancelled, and an ERP that comes up after we were must be stopped all the same.
    booting = asyncio.create_task(asyncio.to_thread(boot, folder, seed, say))
    try:
        erp = await asyncio.shield(booting)
    except asyncio.CancelledError:
        with suppress(NotBooted):  # Ctrl-C in a terminal ends the steps of a first build, too
            (await booting).stop()
        raise
    stack.callback(erp.stop)
    return erp


async def _ended(tasks: Collection[asyncio.Task[None]]) -> None:
    """Wait for what must not end behind us, however it ends."""
    await asyncio.gather(*tasks, return_exceptions=True)


def _start_database(folder: Path) -> None:
    """The hub's own PostgreSQL, started beside the ERP to save a second, and by us so that it can't come up behind us."""
    from crossdock.store.postgres import start_or_attach  # 0.3 s to import, beside the ERP's start as well

    start_or_attach(folder)


def _stock(shop: Shop, seed: Seed) -> None:
    """The shop sells what the ERP knows, from locations named as the ERP's are."""
    first, *others = seed.locations.items()
    shop.world.locations[next(iter(shop.world.locations))].name = first[1]
    for _, name in others:
        shop.add_location(name)
    for product in seed.products:
        shop.add_product(product.sku, product.name, product.list_price)


def _write_settings(retailer: Retailer, mail: MailRunning, connections: Mapping[str, Table]) -> None:
    secrets = retailer.folder / "secrets"
    secrets.mkdir(mode=0o700)
    told = {**_SECRETS, "till-webhooks": retailer.till.webhook_secret} | (
        {"erp-password": retailer.erp.at.password} if retailer.erp else {}
    )
    for name, secret in told.items():
        (secrets / name).touch(mode=0o600)
        (secrets / name).write_text(secret)
    sections = _sections(retailer, mail, secrets.resolve())
    for name, more in connections.items():
        sections[f"connections.{name}"] = {**sections[f"connections.{name}"], **more}
    text = "# A retailer to practise on. Written by crossdock; the settings of your own look the same.\n"
    retailer.config.write_text(text + "\n".join(_toml(name, table) for name, table in sections.items()))


def _sections(retailer: Retailer, mail: MailRunning, secrets: Path) -> dict[str, Table]:
    at = retailer.addresses
    locations = [str(number) for number in retailer.shop.world.locations]
    roles = {"erp": "erp"} if retailer.erp else {}
    sections: dict[str, Table] = {
        "hub": {"listen": at["hub"].removeprefix("http://"), "data": "hub", **retailer.hub_options},
        "roles": {**roles, "warehouse": "wms", "mail": "mail", "payments": "psp", "stores": "till"},
        "people": {"finance": [FINANCE]},
        "[policy.returns]": {
            "version": "1",
            "approve_over": {"USD": APPROVE_OVER},
            "locations": {"damaged": "DAMAGED", "vendor": "VENDOR", "sellable": next(iter(SEED.locations))},
        },
        "connections.shop": {
            "connector": "shopify",
            "url": at["shop"],
            "access_token": f"file:{secrets / 'shop-token'}",
            "webhook_secrets": [f"file:{secrets / 'shop-webhooks'}"],
            "locations": dict(zip(SEED.locations, locations, strict=True)),
            "payments": "psp",
        },
        "connections.wms": {
            "connector": "wms",
            "url": at["wms"],
            "api_key": f"file:{secrets / 'wms-key'}",
            "webhook_secrets": [f"file:{secrets / 'wms-webhooks'}"],
        },
        "connections.psp": {
            "connector": "stripe",
            "url": at["psp"],
            "api_key": f"file:{secrets / 'psp-key'}",
            "webhook_secrets": [f"file:{secrets / 'psp-webhooks'}"],
            "orders_of": "shop",
        },
        "connections.till": {
            "connector": "square",
            "url": at["till"],
            "access_token": f"file:{secrets / 'till-token'}",
            "webhook_secrets": [f"file:{secrets / 'till-webhooks'}"],
            "locations": ["STORE-1"],
            "stores": {"EAST": "STORE-1"},
        },
        "connections.mail": {
            "connector": "smtp",
            "host": mail.smtp_host,
            "port": mail.smtp_port,
            "starttls": False,
            "from_address": "orders@outfitters.example",
            "from_name": "Crossdock Outfitters",
        },
    }
    if retailer.erp:
        sections["connections.erp"] = _erp_section(retailer.erp, secrets)
    return sections


def _erp_section(erp: Erp, secrets: Path) -> Table:
    facts = erp.at.facts
    return {
        "connector": "tryton",
        "url": erp.at.url,
        "database": erp.at.db,
        "user": erp.at.user,
        "password": f"file:{secrets / 'erp-password'}",
        "shop": facts["shop_name"],
        "warehouse": facts["warehouse_code"],
    }


def _toml(name: str, table: Table) -> str:
    return "\n".join([f"[{name}]", *(f"{key} = {_value(value)}" for key, value in table.items()), ""])


def _value(value: Any) -> str:
    """As TOML has it, which writes texts, numbers, true, false and lists as JSON does, but tables with `=`."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(each)}" for key, each in value.items()) + " }"  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    return json.dumps(value)
