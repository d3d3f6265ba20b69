"""What the database keeps of secrets, and how their keys are changed while the hub runs on."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import psycopg
from click.testing import CliRunner

from crossdock.cli.app import EXIT_FOUND, EXIT_OK
from crossdock.cli.operating import app
from crossdock.govern.settings import read_settings
from crossdock.govern.tokens import SIGNING, signing_secrets
from crossdock.store.database import Database
from tests.desk import desk

OLD, NEW = "old sealing key, at least 32 characters", "new sealing key, at least 32 characters"


class Hub:
    """A hub's settings, changed and read anew as by a restart."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.file = url, folder / "crossdock.toml"

    def sealed_by(self, *keys: str) -> None:
        for at, key in enumerate(keys):
            (self.file.parent / f"key{at}").write_text(key)
        told = [f"file:{self.file.parent / f'key{at}'}" for at in range(len(keys))]
        self.file.write_text(f"[hub]\ndatabase_url = {json.dumps(self.url)}\nsealing_keys = {json.dumps(told)}\n")

    def starts(self) -> tuple[bytes, ...]:
        """What its API signs with."""

        async def started() -> tuple[bytes, ...]:
            async with Database(self.url, connections_max=1) as database:
                return await signing_secrets(database, read_settings(self.file))

        return asyncio.run(started())

    def run(self, *words: str) -> tuple[int, Any]:
        result = CliRunner().invoke(app, ["--config", str(self.file), *words, "--json"])
        return result.exit_code, json.loads(result.output) if result.exit_code == EXIT_OK else result.output

    def dumped(self) -> bytes:
        with psycopg.connect(self.url) as connection:
            found = connection.execute("select name, sealed from sealed_secret").fetchall()
        return b"".join(name.encode() + kept for name, kept in found)


def test_the_keys_of_what_is_sealed_are_changed_without_a_token_ending(database_url: str, tmp_path: Path) -> None:
    hub = Hub(database_url, tmp_path)
    hub.sealed_by(OLD)
    [signs] = hub.starts()
    assert hub.starts() == (signs,)
    assert signs not in hub.dumped()
    hub.sealed_by(NEW, OLD)
    assert hub.run("secrets", "list") == (EXIT_OK, [{"where": "sealed_secret", "name": SIGNING, "current": False}])
    assert hub.run("secrets", "rotate", "--by", "ines") == (EXIT_OK, {"sealed_anew": 1, "signing": False})
    assert hub.run("secrets", "rotate") == (EXIT_OK, {"sealed_anew": 0, "signing": False})
    hub.sealed_by(NEW)
    assert hub.starts() == (signs,)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select by from decision order by id").fetchone() == ("ines",)


def test_a_key_that_is_still_needed_is_missed_before_anything_is_changed(database_url: str, tmp_path: Path) -> None:
    hub = Hub(database_url, tmp_path)
    hub.sealed_by(OLD)
    hub.starts()
    before = hub.dumped()
    hub.sealed_by(NEW)
    code, told = hub.run("secrets", "rotate")
    assert (code, hub.dumped()) == (EXIT_FOUND, before)
    assert "put the key back" in told


def test_another_secret_signs_while_tokens_of_the_one_before_still_prove(database_url: str, tmp_path: Path) -> None:
    hub = Hub(database_url, tmp_path)
    hub.sealed_by(OLD)
    before = hub.starts()
    assert hub.run("secrets", "rotate", "--signing") == (EXIT_OK, {"sealed_anew": 0, "signing": True})
    after = hub.starts()
    assert after[0] not in before
    assert after[1:] == before[:1]
    hub.run("secrets", "rotate", "--signing")
    assert not set(hub.starts()) & set(before)


def test_a_signing_secret_that_nobody_can_open_is_replaced_for_tokens_hold_for_minutes(
    database_url: str, tmp_path: Path
) -> None:
    hub = Hub(database_url, tmp_path)
    hub.sealed_by(OLD)
    lost = hub.starts()
    hub.sealed_by(NEW)
    assert hub.starts() != lost
    assert hub.starts() == hub.starts()


def test_the_signing_secret_of_an_earlier_version_is_taken_over_and_its_file_goes(
    database_url: str, tmp_path: Path
) -> None:
    hub = Hub(database_url, tmp_path)
    hub.sealed_by(OLD)
    earlier = tmp_path / ".crossdock" / "api-secret"
    earlier.parent.mkdir()
    earlier.write_text("signs-since-version-0.1-of-this-hub")
    assert hub.starts() == (b"signs-since-version-0.1-of-this-hub",)
    assert not earlier.exists()


async def test_what_people_and_consumers_prove_themselves_with_is_nowhere_in_the_database(database_url: str) -> None:
    async with desk(database_url) as at:
        await at.employ("Mara", "admin")
        whole = next(key for key in at.keys.values() if key.startswith("cdk_"))
        rows = at.stage.rows("select to_jsonb(k)::text from api_key k union all select to_jsonb(p)::text from person p")
        kept = "".join(row[0] for row in rows)
        assert whole not in kept
        assert whole.rpartition("_")[2] not in kept
        [(password,)] = at.stage.rows("select password from person")
        # RFC 9106's second recommendation: 64 MiB, 3 passes, 4 lanes, 16 bytes of salt.
        assert password.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
