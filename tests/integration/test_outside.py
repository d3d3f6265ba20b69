"""A connection whose name leads inside is not called until its network is allowed, and whoever runs the hub is told so."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from click.testing import CliRunner

from crossdock.cli.operating import app
from tests.stage import order, staged
from tests.standin.target import Target

ALLOWED = {"outside": {"allow": ["127.0.0.0/8", "::1/128"]}}


async def test_a_name_that_leads_inside_stops_the_lane_with_a_case_that_says_what_to_do(database_url: str) -> None:
    async with Target().serve() as target:
        named = target.url.replace("127.0.0.1", "localhost")
        async with staged(database_url, target, each={"url": named}) as stage:
            await stage.tell(order())
            await stage.deliver("erp")
            [(kind, reason)] = stage.rows("select kind, reason from brake where connection = 'erp'")
            assert (kind, "outside.allow" in reason) == ("refused", True)
            assert target.calls == []
        async with staged(database_url, target, each={"url": named}, more=ALLOWED) as stage:
            async with stage.person() as decider:
                assert await decider.release("erp")
            await stage.run()
            assert len(target.effects("sales_order")) == 1


def test_the_doctor_finds_it_before(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "crossdock.toml"
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        told = f"[hub]\ndatabase_url = {json.dumps(database_url)}\n[connections.erp]\n"
        told += f'connector = "tests.standin"\nurl = "http://localhost:{port}"\n'
        file.write_text(told)
        assert "leads inside" in found(file)
        file.write_text(told + '[outside]\nallow = ["127.0.0.0/8", "::1/128"]\n')
        assert "answers" in found(file)


def found(file: Path) -> str:
    result = CliRunner().invoke(app, ["--config", str(file), "doctor", "--json"])
    return next(each["detail"] for each in json.loads(result.output) if each["what"] == "connection")
