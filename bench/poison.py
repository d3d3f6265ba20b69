"""What messages that can't be translated cost their neighbours: orders at a steady rate, with and without them in between.

Each is genuinely signed and broken in itself, so that the door takes it, and translation has to put it aside with a case.
"""

from __future__ import annotations

import threading
import urllib.request
from urllib.parse import urlsplit

from bench import webhooks
from bench.figures import percentile, show
from bench.orders import warm
from bench.stage import Program, Stage, staged
from bench.webhooks import Webhook
from crossdock.simulators.shop import SECRET
from crossdock.simulators.shop_load import order_webhook
from crossdock.simulators.shop_signing import signature

RUNS = 3
_RATE, _SECONDS, _CONNECTIONS = 300, 8, 32
_POISONS = 200
_WARM_SECONDS = 2.0
_WAIT_SECONDS = 60.0


def measure() -> None:
    """Runs with and without take turns, so that whatever else the machine does befalls both."""
    calm: list[float] = []
    poisoned: list[float] = []
    with staged() as stage:
        warm(stage)
        stage.stop_hubs()
        stage.start_hubs(("door", "settle"), ("deliver",))
        first = webhooks.CUSTOMERS
        for nth in range(2 * RUNS):
            waited = _run(stage, first, _POISONS if nth % 2 else 0)
            (poisoned if nth % 2 else calm).append(1000 * percentile(waited, 0.99))
            first += _RATE * _SECONDS
        stage.wait_for("select count(*) from inbox where outcome = 3", RUNS * _POISONS, _WAIT_SECONDS)
    worse = [100 * (bad / good - 1) for bad, good in zip(poisoned, calm, strict=True)]
    show("poison", f"p99 received to ERP receipt at {_RATE} orders/s", calm, "ms")
    show("poison", f"the same with {_POISONS} messages that can't be translated", poisoned, "ms")
    show("poison", "so much worse it is", worse, "%", target="<= 20")


def _run(stage: Stage, first: int, poisons: int) -> list[float]:
    """Seconds each order took, those of the first two seconds left out: they find the caches cold."""
    count = _RATE * _SECONDS
    poisoning = threading.Thread(target=_poison, args=(stage.hubs[0], first, poisons))
    poisoning.start()
    came = stage.send(stage.hubs[0], first, count, _CONNECTIONS, _RATE)
    poisoning.join()
    stage.wait_for_done("sales", first + count, _WAIT_SECONDS)
    stage.settle_down()
    arrived = {key.partition("/sale/")[0]: at for key, at in stage.arrivals().items() if "/sale/" in key}
    warm_at = min(came.sent_at.values()) + _WARM_SECONDS
    return [arrived[webhooks.entity_of(n)] - sent for n, sent in came.sent_at.items() if sent >= warm_at]


def _poison(door: Program, first: int, count: int) -> None:
    """One after the other, spread over the run."""
    pause, ended = threading.Event(), _SECONDS / max(count, 1)
    for n in range(count):
        told, broken = broken_order(first + n)
        where = urlsplit(door.address)
        urllib.request.urlopen(urllib.request.Request(f"http://{where.netloc}/in/shop", broken, told)).close()
        pause.wait(ended)


def broken_order(n: int) -> Webhook:
    """An order that no translation can take."""
    headers, body = order_webhook(n, 1)
    broken = body.replace(b'"line_items":[', b'"line_items":[7,', 1)
    assert broken != body
    signed = {"X-Shopify-Event-Id": f"poison-{n}", "X-Shopify-Hmac-Sha256": signature(broken, SECRET.encode())}
    return {**headers, **signed}, broken
