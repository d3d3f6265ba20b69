"""PgQueuer: the door puts the webhook into a table of PostgreSQL, the worker maps it and calls the ERP.

`uvicorn pgqueuer_shop:web` is the door, `python pgqueuer_shop.py` the worker, `pgq install` makes the tables.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
import asyncpg
from fastapi import FastAPI, Request, Response
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgPoolDriver
from pgqueuer.executors import DatabaseRetryEntrypointExecutor
from pgqueuer.models import Job
from pgqueuer.queries import Queries
from sale import SALES, STORE, TIMEOUT_SECONDS, TUNED, genuine, posted, reference


def _retried(parameters: object) -> DatabaseRetryEntrypointExecutor:
    return DatabaseRetryEntrypointExecutor(parameters=parameters, max_attempts=10, initial_delay=timedelta(seconds=1))


async def work() -> None:
    pgq = PgQueuer.from_asyncpg_connection(await asyncpg.connect(STORE))
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as erp:

        @pgq.entrypoint("sell", **({"executor_factory": _retried} if TUNED else {}))
        async def sell(job: Job) -> None:
            assert job.payload
            async with erp.post(SALES, json=posted(json.loads(job.payload))) as answer:
                await answer.read()

        if TUNED:
            ten = timedelta(seconds=10)
            await pgq.run(batch_size=25, dequeue_timeout=ten, heartbeat_timeout=ten)
        else:
            await pgq.run()


@asynccontextmanager
async def with_queue(web: FastAPI) -> AsyncGenerator[None]:
    async with asyncpg.create_pool(STORE, min_size=5, max_size=20) as pool:
        web.state.queries = Queries(AsyncpgPoolDriver(pool))
        yield


web = FastAPI(lifespan=with_queue)


@web.post("/in/shop")
async def webhook(request: Request) -> Response:
    body = await request.body()
    if not genuine(request.headers, body):
        return Response(status_code=401)
    if TUNED:  # one that comes again while the first still waits is left out
        key = reference(json.loads(body))
        await web.state.queries.enqueue("sell", body, dedupe_key=key, on_conflict="skip")
    else:
        await web.state.queries.enqueue("sell", body)
    return Response()


if __name__ == "__main__":
    asyncio.run(work())
