"""What is to go says so with each answer, and who still asks for it is known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from crossdock.cli.operating import app
from crossdock.gateway.deprecating import check_deprecated
from crossdock.govern.settings import settings_from
from crossdock.govern.shaping import BadSettings
from tests.desk import API, desk

TOLD = {
    "getTimeline": {
        "since": "2026-03-01T00:00:00Z",
        "sunset": "2026-12-31T23:59:59+01:00",
        "more": "https://partners.example.com/timeline",
    },
    "openReturn": {"since": "2026-03-01T00:00:00Z"},
}
MORE = {"api": API | {"deprecated": TOLD}}


async def test_each_answer_of_what_is_to_go_says_so_and_its_callers_are_known(database_url: str) -> None:
    async with desk(database_url, more=MORE) as at:
        for who in ("reader", "reader", "desk"):
            assert (await at.ask("GET", "/v1/orders/1/timeline", who=who))[0] == 200
        assert at.headers["Deprecation"] == "@1772323200"  # RFC 9745: seconds, as a structured date
        assert at.headers["Sunset"] == "Thu, 31 Dec 2026 22:59:59 GMT"
        assert at.headers["Link"] == '<https://partners.example.com/timeline>; rel="deprecation sunset"'
        assert (await at.post("nothing/returns"))[0] in (404, 422)
        assert (at.headers["Deprecation"], "Sunset" in at.headers) == ("@1772323200", False)  # of a refusal, too
        assert (await at.ask("GET", "/v1/orders/1"))[0] == 200
        assert "Deprecation" not in at.headers
        assert (await at.ask("GET", "/v1/orders/1/timeline", who="auditor"))[0] == 403
        await at.employ("Eve", "engineer")
        [timeline, returns] = (await at.ask("GET", "/v1/deprecations", who="Eve"))[1]
        assert [(each["caller"], each["count"]) for each in timeline["callers"]] == [("desk", 1), ("reader", 2)]
        assert (returns["operation"], [each["caller"] for each in returns["callers"]]) == ("openReturn", ["desk"])
        described = (await at.ask("GET", "/v1/openapi.json", who=None))[1]["paths"]
        operation = described["/v1/orders/{order}/timeline"]["get"]
        assert (operation["deprecated"], operation["x-sunset"]) == (True, "2026-12-31")
        assert "deprecated" not in described["/v1/orders/{order}"]["get"]


def test_the_terminal_tells_the_same(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "crossdock.toml"
    file.write_text(
        f"[hub]\ndatabase_url = {json.dumps(database_url)}\n[api.deprecated.getTimeline]\nsince = 2026-03-01\n"
    )
    result = CliRunner().invoke(app, ["--config", str(file), "deprecated"])
    assert result.exit_code == 0, result.output
    assert result.output == "getTimeline  to go since 2026-03-01\n    nobody has asked for it since\n"
    result = CliRunner().invoke(app, ["--config", str(file), "subscription", "resume", "none"])
    assert (result.exit_code, "crossdock subscription list" in result.output) == (1, True)


@pytest.mark.parametrize(("name", "told"), [
    ("noSuchThing", {"since": "2026-03-01T00:00:00Z"}),
    ("getOrder", {"since": "2026-03-01T00:00:00Z", "sunset": "2026-02-01T00:00:00Z"}),
    ("getOrder", {"since": "2026-03-01T00:00:00Z", "more": "x>; rel=y"}),
])  # fmt: skip
def test_what_can_not_be_is_said_by_its_key(name: str, told: dict[str, str]) -> None:
    with pytest.raises(BadSettings, match=rf"api\.deprecated\.{name}"):
        check_deprecated(settings_from({"api": {"deprecated": {name: told}}}, Path("/tmp/none.toml")))
