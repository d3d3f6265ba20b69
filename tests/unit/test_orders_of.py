"""A connection that is paid for another's orders says so in its settings, and its documents then belong to those orders."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crossdock.govern.settings import settings_from
from crossdock.govern.shaping import BadSettings
from crossdock.settle.translation import translate
from crossdock.store.inbox import Fate, Pending
from tests.contract.stripe_examples import messages

_SHOP = {"connector": "tests.standin", "url": "http://127.0.0.1:1"}


def _told(monkeypatch: pytest.MonkeyPatch, orders_of: str) -> dict[str, Any]:
    monkeypatch.setenv("STRIPE_KEY", "sk_test_unit")
    psp = {"connector": "stripe", "api_key": "env:STRIPE_KEY", "orders_of": orders_of}
    return {"connections": {"shop": _SHOP, "psp": psp}}


def test_what_a_provider_tells_belongs_to_the_orders_of_the_shop_it_is_paid_for(monkeypatch: pytest.MonkeyPatch):
    settings = settings_from(_told(monkeypatch, "shop"), Path("hub.toml"))
    connectors = {name: each.connector for name, each in settings.connections.items()}
    message = Pending(
        id=1,
        connection="psp",
        topic="charge.succeeded",
        message_id="evt_1",
        epoch=0,
        received_at=(at := datetime(2026, 11, 20, 15, tzinfo=UTC)),
        heard_at=at,
        observed=0,
        body=messages()["charge.succeeded"],
    )
    batch = translate([message], connectors)
    assert [outcome.fate for outcome in batch.outcomes] == [Fate.TRANSLATED]
    assert {statement.entity for statement in batch.statements} == {"order:shop:1001"}


def test_orders_of_a_connection_that_does_not_exist_are_refused_at_start(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(BadSettings, match=r"connections\.psp\.orders_of: there is no connection shopp"):
        settings_from(_told(monkeypatch, "shopp"), Path("hub.toml"))
