"""Settings: checked whole at start, with errors that name the key and the remedy; secrets never written in them."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from crossdock.govern.settings import DATABASE_VARIABLE, FILE_VARIABLE, read_settings, settings_file, settings_from
from crossdock.govern.shaping import BadSettings
from crossdock.kernel.money import usd

FILE = Path("/tmp/crossdock.toml")
LATER = date(2026, 9, 1)
SHOP = {"connector": "tests.standin", "url": "http://127.0.0.1:1"}


def told(**connections: dict[str, Any]) -> dict[str, Any]:
    return {"connections": {"shop": SHOP, **connections}}


def complaint(given: dict[str, Any]) -> str:
    with pytest.raises(BadSettings) as raised:
        settings_from(given, FILE)
    return str(raised.value)


def test_the_least_that_must_be_said_is_a_connection() -> None:
    settings = settings_from(told(), FILE)
    assert settings.connections["shop"].connector.name == "standin"
    assert settings.connections["shop"].pace.calls_per_second is None
    assert settings.policy.roles.erp is None


@pytest.mark.parametrize(
    ("given", "key", "remedy"),
    [
        ({"conections": {}}, "conections", "connections"),
        ({"hub": {"lissten": "x"}}, "hub", "lissten"),
        ({"hub": {"lease_seconds": "soon"}}, "hub.lease_seconds", "float"),
        ({"policy": {"sell_when": "never"}}, "policy.sell_when", "never"),
        ({"policy": {"deadlines": {"sale_minutes": 1.5}}}, "policy.deadlines.sale_minutes", "int"),
        ({"roles": {"erp": "sap"}}, "roles.erp", "connections are none"),
        (told(people=SHOP), "connections.people", "another name"),
        (told(api=SHOP), "connections.api", "another name"),
        (told(erp={"connector": "people"}), "connections.erp.connector", "hub's own"),
        ({"people": []}, "people is no table", "[people]"),
        ({"people": {"finance": "mara"}}, "people.finance", "list of names"),
        ({"people": {"finance": []}}, "people.finance", "list of names"),
        ({"people": {"finance": ["mara", 1]}}, "people.finance", "list of names"),
        ({"people": {"finance": ["mara", "Mara"]}}, "people.finance", "twice"),
        (told(erp={"url": "http://x"}), "connections.erp.connector", "missing"),
        (told(erp={"connector": "nosuch"}), "connections.erp.connector", "nosuch"),
        (told(erp={"connector": "tests.nosuch"}), "connections.erp.connector", "tests.nosuch"),
        (told(erp=SHOP | {"uurl": "x"}), "connections.erp", "uurl"),
        (told(erp={"connector": "tests.standin"}), "connections.erp", "url"),
        (told(erp=SHOP | {"lanes": "many"}), "connections.erp.lanes", "int"),
        (told(**{"Big-Shop": SHOP}), "connections.Big-Shop", "lower-case"),
        *(
            ({"policy": {"returns": [{}, {"from": LATER, **terms}]}}, f"policy.returns[1].{key}", remedy)
            for terms, key, remedy in (
                ({"approve_over": {"USD": "25,00"}}, "approve_over.USD: '25,00' is no amount", "25.00"),
                ({"approve_over": {"USD": "25.001"}}, "approve_over.USD: '25.001' is no amount", "25.00"),
                ({"fee": {"EUR": "NaN"}}, "fee.EUR: 'NaN' is no amount", "digits"),
                ({"fee": {"EUR": "-1"}}, "fee.EUR: '-1' is negative", "zero or more"),
                ({"daily_refunds_max": {"usd": "1"}}, "daily_refunds_max.usd: 'usd' is no currency", "USD"),
                ({"second_approver_over": {"USD": 25.0}}, "second_approver_over", "Expected `str`"),
                ({"locations": {"broken": "BIN"}}, "locations", "broken"),
                ({"tenders": ["card", "cheque"]}, "tenders[1]", "cheque"),
                ({"tenders": ["card", "card"]}, "tenders", "once"),
                ({"window_days": -1}, "window_days", "positive"),
                ({"approval_hours": 0}, "approval_hours", "positive"),
                ({"from": datetime.fromisoformat("2026-01-01T00:00")}, "from", "2026-01-01T00:00:00Z"),
                ({"from": datetime(1970, 1, 1, tzinfo=UTC)}, "from", "policy.returns[0] already"),
            )
        ),
        ({"policy": []}, "policy is no table", "[policy]"),
        (told(erp=SHOP | {"webhook_secrets": ["plain"]}), "connections.erp", "env:NAME"),
        (told(erp=SHOP | {"webhook_secrets": ["env:NO_SUCH_VARIABLE"]}), "connections.erp", "NO_SUCH_VARIABLE"),
        (told(erp=SHOP | {"webhook_secrets": ["file:/nowhere/at/all"]}), "connections.erp", "/nowhere/at/all"),
    ],
)
def test_what_is_wrong_is_named_with_its_key_and_the_remedy(given: dict[str, Any], key: str, remedy: str) -> None:
    said = complaint(given)
    assert said.startswith(key)
    assert remedy in said


def test_a_connection_that_is_no_table_is_said_so() -> None:
    assert "connections.erp" in complaint({"connections": {"erp": "shopify"}})


def test_secrets_come_from_the_environment_or_a_file_and_show_in_no_repr(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("A_SECRET", "hush-1")
    (tmp_path / "secret").write_text("hush-2\n")
    references = ["env:A_SECRET", f"file:{tmp_path}/secret"]
    connection = settings_from(told(erp=SHOP | {"webhook_secrets": references}), FILE).connections["erp"]
    assert connection.webhook_secrets == [b"hush-1", b"hush-2"]
    assert "hush" not in repr(connection)


def test_pace_is_the_connections_own_or_else_its_connectors() -> None:
    connections = settings_from(
        told(slow=SHOP | {"calls_per_second": 2.0, "burst": 3.0, "lanes": 2, "in_flight": 1, "bulk_max": 1}), FILE
    ).connections
    pace = connections["slow"].pace
    assert (pace.calls_per_second, pace.burst, pace.lanes, pace.in_flight, pace.bulk_max) == (2.0, 3.0, 2, 1, 1)
    assert connections["shop"].pace.lanes == 1


def test_the_file_is_the_one_given_or_the_environments_or_the_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FILE_VARIABLE, raising=False)
    assert settings_file(None) == Path("crossdock.toml")
    monkeypatch.setenv(FILE_VARIABLE, "/etc/hub.toml")
    assert settings_file(None) == Path("/etc/hub.toml")
    assert settings_file("mine.toml") == Path("mine.toml")


def test_a_file_that_is_missing_or_no_toml_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="--config"):
        read_settings(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[hub")
    with pytest.raises(BadSettings, match="is not TOML"):
        read_settings(tmp_path / "bad.toml")


def test_the_environments_database_goes_before_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_from({"hub": {"database_url": "postgresql://file"}}, FILE)
    monkeypatch.delenv(DATABASE_VARIABLE, raising=False)
    assert settings.database_url == "postgresql://file"
    monkeypatch.setenv(DATABASE_VARIABLE, "postgresql://environment")
    assert settings.database_url == "postgresql://environment"


def test_data_lies_beside_the_settings_unless_said_otherwise(tmp_path: Path) -> None:
    assert settings_from({}, tmp_path / "crossdock.toml").data == tmp_path / ".crossdock"
    assert settings_from({"hub": {"data": "/var/hub"}}, tmp_path / "crossdock.toml").data == Path("/var/hub")


def test_the_terms_of_returns_are_read_as_toml_has_them() -> None:
    told = tomllib.loads("""
        [[policy.returns]]
        from = 2026-01-01
        approve_over = { USD = "25.00", JPY = "2500" }
        tenders = ["cash", "card"]
        locations = { damaged = "BIN" }
        [[policy.returns]]
        from = 2026-09-01T00:00:00+02:00
    """)
    first, second = settings_from(told, FILE).policy.returns
    assert first.since == datetime(2026, 1, 1, tzinfo=UTC)
    assert second.since == datetime(2026, 8, 31, 22, tzinfo=UTC)
    assert first.limit(first.approve_over, "USD") == usd(2500)
