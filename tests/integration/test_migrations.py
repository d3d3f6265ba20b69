"""Migrations: each applied once and whole, whatever was applied before it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from crossdock.store.migrate import MigrationChanged, make_partitions, migrate


def test_a_migration_that_arrives_after_a_later_one_is_applied_then(database_url: str) -> None:
    """Two branches number theirs side by side: a database that has 0003 already still gets the other's 0002."""
    assert migrate(database_url) == []
    with psycopg.connect(database_url, autocommit=True) as connection:
        names = [row[0] for row in connection.execute("select name from migration order by name").fetchall()]
        assert names[0] == "0001_spine.sql"
        connection.execute("drop table approval_request")
        connection.execute("drop sequence approval_seq")
        connection.execute("drop index decision_digest")
        connection.execute("alter table promise drop column valid_until")
        connection.execute("delete from migration where name = '0003_approvals.sql'")
    assert migrate(database_url) == ["0003_approvals.sql"]
    assert migrate(database_url) == []


def test_a_migration_whose_text_changed_is_refused(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("update migration set digest = 'other' where name = '0001_spine.sql'")
    with pytest.raises(MigrationChanged, match=r"0001_spine.sql .* new migration"):
        migrate(database_url)


TODAY = date(2026, 3, 1)


def stored(url: str, *days: int) -> None:
    """A message received on each of these days from today."""
    with psycopg.connect(url, autocommit=True) as connection:
        for day in days:
            at = datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(days=day)
            connection.execute(
                "insert into inbox (received_at, connection, topic, message_id, observed, body)"
                " values (%s, 'shop', 'document', %s, 0, '')",
                (at, str(day)),
            )


def held(url: str) -> dict[str, str]:
    """Which message is in which partition."""
    with psycopg.connect(url, autocommit=True) as connection:
        return dict(connection.execute("select message_id, tableoid::regclass::text from inbox").fetchall())


def test_what_came_in_on_a_day_that_nobody_had_made_room_for_moves_there_at_the_next_start(database_url: str) -> None:
    """A hub that runs for longer than its days reach, or was started with a wrong clock, could not be started again."""
    stored(database_url, 0, 1)
    assert held(database_url) == {"0": "inbox_default", "1": "inbox_default"}
    make_partitions(database_url, today=TODAY, keep_days=30)
    assert held(database_url) == {"0": "inbox_20260301", "1": "inbox_20260302"}
    make_partitions(database_url, today=TODAY + timedelta(days=40), keep_days=30)
    assert held(database_url) == {}


def test_days_that_nobody_made_room_for_are_kept_no_longer_than_others(database_url: str) -> None:
    stored(database_url, -100, -5)
    make_partitions(database_url, today=TODAY, keep_days=30)
    assert held(database_url) == {"-5": "inbox_default"}


def test_today_is_what_the_database_says(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "insert into inbox (received_at, connection, topic, message_id, observed, body)"
            " values (now(), 'shop', 'document', 'now', 0, '')"
        )
    make_partitions(database_url, keep_days=1)
    assert held(database_url)["now"] != "inbox_default"
