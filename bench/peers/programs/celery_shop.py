"""Celery with Redis: the door puts the webhook into the queue, the worker maps it and calls the ERP.

`uvicorn celery_shop:web` is the door, `celery --app celery_shop worker` the worker.
"""

from __future__ import annotations

import json

import requests
from celery import Celery
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from sale import SALES, STORE, TIMEOUT_SECONDS, TUNED, genuine, posted

app = Celery("celery_shop", broker=STORE)
if TUNED:
    visible_again_seconds = 15  # longer than a call to the ERP may take
    app.conf.task_acks_late = True
    app.conf.task_reject_on_worker_lost = True
    app.conf.worker_prefetch_multiplier = 1
    app.conf.visibility_timeout = visible_again_seconds
    app.conf.broker_transport_options = {
        "visibility_timeout": visible_again_seconds,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
    }
again = {"autoretry_for": (requests.RequestException,), "retry_backoff": True, "max_retries": None} if TUNED else {}
web = FastAPI()
erp = requests.Session()


@app.task(**again)
def sell(body: str) -> None:
    erp.post(SALES, json=posted(json.loads(body)), timeout=TIMEOUT_SECONDS).raise_for_status()


@web.post("/in/shop")
async def webhook(request: Request) -> Response:
    body = await request.body()
    if not genuine(request.headers, body):
        return Response(status_code=401)
    await run_in_threadpool(sell.delay, body.decode())
    return Response()
