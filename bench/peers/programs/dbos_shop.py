"""DBOS: the door enqueues a workflow on PostgreSQL, the worker runs it: map, then a step that calls the ERP.

`uvicorn dbos_shop:web` is the door, `python dbos_shop.py` the worker, `python dbos_shop.py prepare` makes the tables.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from functools import cache

import requests
from dbos import DBOS, DBOSClient, DBOSConfig
from fastapi import FastAPI, Request, Response
from sale import SALES, STORE, TIMEOUT_SECONDS, TUNED, genuine, posted, reference

QUEUE = "orders"
web = FastAPI()
erp = requests.Session()


@DBOS.workflow(name="sell")
def sell(body: str) -> None:
    call(json.dumps(posted(json.loads(body))))


@DBOS.step(retries_allowed=TUNED, max_attempts=10)
def call(sales: str) -> None:
    erp.post(SALES, data=sales, timeout=TIMEOUT_SECONDS).raise_for_status()


@cache
def client() -> DBOSClient:
    return DBOSClient(system_database_url=STORE)


@web.post("/in/shop")
async def webhook(request: Request) -> Response:
    body = await request.body()
    if not genuine(request.headers, body):
        return Response(status_code=401)
    options = {"workflow_name": "sell", "queue_name": QUEUE}
    if TUNED:  # a webhook that comes again names the same workflow, which runs once
        options["workflow_id"] = reference(json.loads(body))
    await client().enqueue_async(options, body.decode())
    return Response()


def work(*, then_leave: bool) -> None:
    config: DBOSConfig = {"name": "peer-shop", "system_database_url": STORE}
    if TUNED:
        config |= {"executor_id": os.environ["PEER_WORKER"], "application_version": "1"}
    DBOS(config=config)
    DBOS.launch()
    DBOS.register_queue(QUEUE, **({"worker_concurrency": 32, "polling_interval_sec": 0.1} if TUNED else {}))
    if then_leave:
        DBOS.destroy()
    else:
        threading.Event().wait()


if __name__ == "__main__":
    work(then_leave=sys.argv[1:] == ["prepare"])
