"""Migrations: each applied once and whole, whatever was applied before it."""

from __future__ import annotations

import psycopg
import pytest

from crossdock.store.migrate import MigrationChanged, migrate


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
