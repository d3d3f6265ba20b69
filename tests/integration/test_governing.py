"""What is governed: contracts in compatible versions, changes by two people, policies, a calendar, traffic that is watched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from click.testing import CliRunner, Result

from crossdock.cli.admission import app
from crossdock.cli.app import EXIT_FOUND, EXIT_OK
from crossdock.cli.proposing import changed_keys
from crossdock.govern.allowing import PolicyWanted, digest_of
from crossdock.govern.changing import Changing
from crossdock.govern.shaping import BadSettings
from crossdock.govern.traffic import look
from crossdock.hub import ROLES, open_hub
from crossdock.store import governing, traffic
from crossdock.store.database import Database
from crossdock.store.decisions import NotDecidable
from crossdock.store.inbox import Message
from tests.desk import desk
from tests.stage import order, settings_for, staged
from tests.standin.target import Target

SETTINGS = """
[hub]
database_url = "{database_url}"
[people]
changes = ["mara", "otto"]
[roles]
erp = "erp"
{more}
[connections.shop]
connector = "tests.standin"
url = "http://127.0.0.1:1"
[connections.erp]
connector = "tests.standin"
url = "http://127.0.0.1:1"
"""
ORDER: dict[str, Any] = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "units": {"type": "integer"}},
    "required": ["id"],
}
Run = Callable[..., Result]


@pytest.fixture
def run(database_url: str, tmp_path: Path) -> Run:
    """The command in a folder of its own; `settings=` is another text for the file."""
    file = tmp_path / "crossdock.toml"
    file.write_text(SETTINGS.format(database_url=database_url, more=""))

    def asked(*words: object) -> Result:
        return CliRunner().invoke(app, ["--config", str(file), *map(str, words)])

    return asked


def answer(result: Result) -> Any:
    assert result.exit_code == EXIT_OK, result.output
    return json.loads(result.output)


def refusal(result: Result) -> str:
    assert result.exit_code == EXIT_FOUND, result.output
    return result.output


def file_of(folder: Path, **told: Any) -> Path:
    file = folder / f"schema-{len(list(folder.iterdir()))}.json"
    file.write_bytes(msgspec.json.encode(ORDER | told))
    return file


def test_a_contract_gets_its_versions_by_two_people_and_keeps_its_compatibility(run: Run, tmp_path: Path) -> None:
    own = ("--owner", "Partners", "--connection", "shop", "--topic", "order", "--consumer", "erp", "--json")
    example = tmp_path / "example.json"
    example.write_bytes(b'{"id": "1"}')
    told = answer(
        run("contracts", "register", "market/order", file_of(tmp_path), *own, "--example", example, "--by", "mara")
    )
    assert "somebody else" in refusal(run("changes", "approve", told["waits"], "--by", "MARA"))
    assert "may not allow changes; mara, otto may" in refusal(run("changes", "approve", told["waits"], "--by", "ines"))
    assert "contract market/order, asked by mara" in run("changes", "list").output
    answer(run("changes", "approve", told["waits"], "--by", "otto", "--json"))
    assert "not asked for (any more)" in refusal(run("changes", "approve", told["waits"], "--by", "otto"))

    broken = file_of(tmp_path, required=["id", "units"])
    assert "units is required" in refusal(run("contracts", "check", "market/order", broken))
    assert "would not be full compatible" in refusal(run("contracts", "register", "market/order", broken, *own))
    wider = file_of(tmp_path, properties=ORDER["properties"] | {"note": {"type": "string"}})
    assert run("contracts", "check", "market/order", wider).exit_code == EXIT_OK
    waits = answer(run("contracts", "register", "market/order", wider, *own, "--by", "otto"))["waits"]
    answer(run("changes", "approve", waits, "--by", "mara", "--json"))

    listed = {each["name"]: each for each in answer(run("contracts", "list", "--json"))}
    assert listed["market/order"] | {"at": ""} == {
        "name": "market/order", "version": 2, "owner": "Partners", "level": "full", "consumers": ["erp"], "at": "",
    }  # fmt: skip
    assert listed["facts/order"]["level"] == "full_transitive"
    shown = answer(run("contracts", "show", "market/order", "--version", "1", "--json"))
    assert (shown["schema"], shown["example"]) == (ORDER, {"id": "1"})
    assert [(each["by"], each["approved_by"]) for each in shown["history"]] == [("mara", "otto"), ("otto", "mara")]
    assert "facts/order, version 1.0.0" in run("contracts", "show", "facts/order").output


def test_what_can_be_no_contract_is_refused(run: Run, tmp_path: Path) -> None:
    def register(name: str = "market/order", *more: object, **told: Any) -> str:
        return refusal(run("contracts", "register", name, file_of(tmp_path, **told), "--owner", "Mara", *more))

    misfit = tmp_path / "example.json"
    misfit.write_bytes(b'{"units": "many"}')
    assert "is no name" in register("Market Order")
    assert "the hub's own" in register("facts/order")
    assert "no connection shopp" in register("market/order", "--connection", "shopp", "--topic", "order")
    assert "or neither" in register("market/order", "--connection", "shop")
    assert "no consumer and no connection" in register("market/order", "--consumer", "nobody")
    assert "the example doesn't fit the schema: id is required" in register("market/order", "--example", misfit)
    assert "leads out of the document" in register(properties={"id": {"$ref": "https://example.com/id"}})


def test_two_files_and_the_hubs_own_contracts_can_be_compared_without_a_database(tmp_path: Path) -> None:
    def asked(*words: object) -> Result:
        return CliRunner().invoke(app, ["--config", str(tmp_path / "none"), "contracts", "check", *map(str, words)])

    assert "holds no contracts" in asked("--root", tmp_path).output
    old, new = file_of(tmp_path), file_of(tmp_path, required=[])
    assert asked("--root", Path(__file__).parents[2] / "contracts").exit_code == EXIT_OK
    assert asked(new, "--against", old, "--level", "backward").exit_code == EXIT_OK
    assert "id is required, and may be left out" in refusal(asked(new, "--against", old))
    described = Path(__file__).parents[2] / "contracts" / "v1" / "openapi.json"
    less = tmp_path / "openapi.json"
    less.write_bytes(described.read_bytes().replace(b'"/v1/check"', b'"/v1/sums"'))
    assert "GET /v1/check is gone" in refusal(asked(less, "--against", described))


def test_another_name_takes_a_second_person_and_a_first_one_does_not(run: Run, database_url: str) -> None:
    def named() -> str:
        with psycopg.connect(database_url) as connection:
            [(value,)] = connection.execute("select value from mapping").fetchall()
            return str(value)

    assert answer(run("map", "erp", "product", "MUG", "M-1", "--by", "mara", "--json")) == {"released": 0}
    waits = answer(run("map", "erp", "product", "MUG", "M-2", "--by", "mara", "--json"))["waits"]
    assert named() == "M-1"
    second = answer(run("map", "erp", "product", "MUG", "M-3", "--by", "otto", "--json"))["waits"]
    assert "not asked for" in refusal(run("changes", "approve", waits, "--by", "otto"))  # replaced
    assert "from M-1 to M-3" in run("changes", "list").output
    answer(run("changes", "approve", second, "--by", "mara", "--json"))
    assert named() == "M-3"
    third = answer(run("map", "erp", "product", "MUG", "M-4", "--by", "mara", "--json"))["waits"]
    assert "is rejected" in run("changes", "reject", third, "--by", "mara").output  # taken back
    with psycopg.connect(database_url) as connection:
        told = connection.execute("select by, what from decision order by id").fetchall()
        connection.execute("update mapping set value = 'X'")
    assert ("mara", "approve change") in told
    assert [what for _, what in told].count("map") == 2


async def test_a_yes_counts_only_for_what_was_seen_and_only_in_time(database_url: str) -> None:
    async with (
        Target().serve() as target,
        staged(database_url, target, more={"people": {"changes": ["otto"]}}) as stage,
    ):
        async with stage.database.transaction() as tx:
            changing = Changing(tx, stage.hub.settings, "mara")
            await changing.map("erp", "product", "MUG", "M-1")
            waits = (await changing.map("erp", "product", "MUG", "M-2")).waits
            assert waits is not None
        stage.sql("update mapping set value = 'M-9'")
        with pytest.raises(NotDecidable, match="is M-9 meanwhile"):
            async with stage.database.transaction() as tx:
                await Changing(tx, stage.hub.settings, "otto").approve(waits)
        stage.sql("update mapping set value = 'M-1'; update change set expires_at = now() - interval '1 s'")
        with pytest.raises(NotDecidable, match="has run out"):
            async with stage.database.transaction() as tx:
                await Changing(tx, stage.hub.settings, "otto").approve(waits)


async def test_by_the_api_another_name_waits_too(database_url: str) -> None:
    async with desk(database_url) as at:
        await at.employ("Ada", "admin")
        body = {"connection": "erp", "kind": "product", "key": "MUG", "value": "M-1"}
        assert (await at.ask("POST", "/v1/mappings", body, who="Ada"))[1] == {"released": 0, "waits": None}
        told = (await at.ask("POST", "/v1/mappings", body | {"value": "M-2"}, who="Ada"))[1]
        assert told["waits"] is not None
        assert at.stage.rows("select value from mapping") == [("M-1",)]


async def test_no_process_starts_under_a_policy_that_two_people_have_not_allowed(database_url: str) -> None:
    governed = {"governance": {"two_people": ["policies"]}, "people": {"changes": ["otto"]}}
    first = settings_for("http://127.0.0.1:1", more=governed)
    changed = settings_for("http://127.0.0.1:1", more=governed, policy={"tolerance_minor": 2})

    async def starts(settings: Any) -> None:
        async with open_hub(settings, database_url, ROLES):
            pass

    await starts(first)  # the first one is nobody's change
    with pytest.raises(BadSettings, match="two people have to want this policy"):
        await starts(changed)
    keys = changed_keys(first.policy, changed.policy)
    assert keys == [["tolerance_minor", 1, 2]]
    wanted = PolicyWanted(digest=digest_of(changed.policy), policy=msgspec.to_builtins(changed.policy))
    async with Database(database_url) as database, database.transaction() as tx:
        waits = await Changing(tx, first, "mara").ask("policy", "policy", keys, wanted, "rounding")
        await Changing(tx, first, "Otto").approve(waits)
    await starts(changed)
    await starts(first)  # and back to what ran before
    async with Database(database_url) as database, database.transaction() as tx:
        assert [policy["tolerance_minor"] for _, policy, _ in await governing.policies(tx)] == [2, 1]


def test_another_policy_is_asked_for_with_what_it_would_change(run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text("[policy]\ntolerance_minor = 3\n")
    told = answer(run("policy", "propose", "--settings", other, "--why", "rounding", "--by", "mara", "--json"))
    assert (told["entities"], told["differences"]) == (0, 0)
    listed = run("changes", "list").output
    assert "policy policy, asked by mara" in listed
    assert "1 keys differ; 0 differences" in listed
    other.write_text("[policy]\n")
    assert "that is the policy there is" in refusal(run("policy", "propose", "--settings", other))


def test_the_calendar_holds_what_is_planned_and_what_the_terms_say(run: Run, tmp_path: Path, database_url: str) -> None:
    soon = "2126-01-01"
    assert "more than 5 years" in refusal(run("contracts", "plan", soon, "market/order", "units may be halves"))
    near = f"{__import__('datetime').date.today().year + 1}-01-31"
    planned = answer(run("contracts", "plan", near, "market/order", "units may be halves", "--by", "mara", "--json"))
    answer(run("contracts", "plan", near, "market/order", "version 1 ends", "--sunset", "--by", "mara", "--json"))
    terms = f'[[policy.returns]]\nversion = "next"\nfrom = {near}\n'
    terms += f"[api.deprecated.getTimeline]\nsince = 2026-01-01\nsunset = {near}\n"
    (tmp_path / "crossdock.toml").write_text(SETTINGS.format(database_url=database_url, more=terms))
    told = [(each["what"], each["says"]) for each in answer(run("contracts", "calendar", "--json"))]
    assert told == [
        ("sunset", "getTimeline is served until then; see: crossdock deprecated"),
        ("change", "units may be halves"), ("sunset", "version 1 ends"), ("terms", "terms of returns next begin"),
    ]  # fmt: skip
    run("contracts", "call-off", planned["planned"], "--by", "mara")
    assert "units may be halves" not in run("contracts", "calendar").output
    assert "nothing is planned as" in refusal(run("contracts", "call-off", planned["planned"]))


async def test_strange_fields_of_messages_and_of_refused_requests_are_counted_by_whose_they_are(
    database_url: str,
) -> None:
    async with desk(database_url, order("1")) as at:
        async with at.stage.database.transaction() as tx:
            held = governing.Held("market/order", "Mara", "full", False, "shop", "document", [])
            await governing.keep_contract(tx, held)
            now = at.stage.rows("select now()")[0][0]
            schema = {"type": "object", "properties": {"kind": {}, "serial": {}}, "required": ["serial"]}
            await governing.keep_version(tx, "market/order", governing.Version(1, schema, None, now, "a", "b"))
        settings = at.stage.hub.settings
        assert await look(at.stage.database, settings, 0) == 0  # from now on
        await at.stage.receive(Message("shop", "document", b'{"kind": "order", "x-ray": {"ada": 1}}', "m1"), order("2"))
        assert await look(at.stage.database, settings, 60) == 0  # somebody has just looked
        assert await look(at.stage.database, settings, 0) == 2
        status, _ = await at.post("1/returns", {"lines": [{"line": "1-0", "unit": 1}], "who": "Ada"})
        assert status == 422
        await at.post("1/returns", {"lines": [], "why": 1})  # within the same second
        async with at.stage.database.transaction() as tx:
            told = {(s.whose, s.contract): (s.messages, s.unknown, s.missing) for s in await traffic.samples(tx)}
            fields = {(f.what, f.field, f.messages) for f in await traffic.fields(tx, "shop", "document")}
            asked = {(f.what, f.field) for f in await traffic.fields(tx, "desk", "openReturn")}
        assert told.keys() == {("shop", "document"), ("desk", "openReturn")}
        assert told["shop", "document"][0] == 2
        assert {("unknown", "x-ray", 1), ("missing", "serial", 2), ("unknown", "entity", 1)} <= fields
        assert asked == {("unknown", "lines[].unit"), ("missing", "lines[].units"), ("unknown", "who")}


async def test_of_one_contract_no_more_names_are_kept_than_a_person_could_read(database_url: str) -> None:
    from collections import Counter

    async with Database(database_url) as database:
        for turn in range(3):
            strange = Counter({traffic.Strange("market", "order", f"f{turn}-{n}", "unknown"): 1 for n in range(150)})
            async with database.transaction() as tx:
                await traffic.note(tx, {("market", "order"): 1}, strange)
        async with database.transaction() as tx:
            kept = len(await traffic.fields(tx, "market", "order"))
            [sample] = await traffic.samples(tx)
            assert sample.messages == 3
            assert kept <= traffic.FIELDS_MAX + 150
            await traffic.forget(tx, [("market", "order")])
            assert await traffic.samples(tx) == []
