"""What clerks do in a real ERP behind the hub's back: found in one sweep, put right where the hub owns it, else a case."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from crossdock.simulators.tryton import Tryton, boot
from crossdock.simulators.tryton_ledger import Session
from tests.acceptance.drifting import ROSE, Silence, silence

pytestmark = pytest.mark.erp


@pytest.fixture(scope="module")
def erp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tryton]:
    with boot(tmp_path_factory.mktemp("erp")) as booted:
        yield booted.at


async def test_x(database_url: str, tmp_path: Path, erp: Tryton):
    async with silence(database_url, tmp_path, erp) as at:
        made = at.shop.create_customer("Ada", "Example", "ada@example.com", address=ROSE)
        a = await at.paid(customer=made.id)
        b = await at.paid()
        print("SWEEP", [(e.kind,e.listed,e.counted,e.verdict,e.flaw) for e in await at.sweep()])
        print(at.rows("select p.name, d.stage, (select detail from attempt t where t.promise=p.id limit 1) from due d join promise p on p.id=d.promise"))
        for o in (a, b):
            await at.do("wms", "ship", reference=f"order:shop:{o.id}", location="MAIN")
        await at.sweep()
        print("SWEEP", [(e.kind,e.listed,e.counted,e.verdict,e.flaw) for e in await at.sweep()])
        print(at.cases(), [(d.connection,d.kind,d.cause) for d in await at.drift()])
        print(at.rows("select kind, id, entity, convert_from(body,'utf8') from document where connection='erp' and kind in ('sale','invoice')"))
        with closing(Session(erp)) as s:
            sales = s.rows("sale.sale","id web_id number state total_amount")
            print(sales)
            lines = s.rows("sale.line", "id sale unit_price quantity")
            for what in (lambda: s.call("sale.line.write",[lines[0]["id"]],{"quantity": 1}),
                         lambda: s.call("sale.sale.write",[sales[1]["id"]],{"state": "cancelled"}),
                         lambda: s.call("account.invoice.copy",[s.rows("account.invoice","id")[0]["id"]]),
                         lambda: s.call("account.invoice.cancel",[s.rows("account.invoice","id")[0]["id"]]),
                         ):
                try: print("OK", what())
                except Exception as e: print("REF", str(e)[:300])
            print(s.rows("account.invoice","id number state total_amount sales"))
        print("SWEEP", [(e.kind,e.listed,e.counted,e.verdict,e.flaw,e.differing) for e in await at.sweep() if e.kind in("sale","invoice")])
        print(at.cases(), [(d.connection,d.kind,d.cause,d.detail) for d in await at.drift()][-6:])
