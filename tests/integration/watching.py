"""Whole hub processes and those who watch them: a collector of traces, a target that quotes what it was sent, the scrapes."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[2]
SECRET = "simulated-client-secret"
_READY_SECONDS = 60.0


@dataclass
class Span:
    """One span, as a collector has it."""

    name: str
    trace: str
    id: str
    parent: str
    process: str
    about: dict[str, Any]
    links: list[str]


@dataclass
class Outside:
    """A target for every noun, and a collector, on one address; both keep what they were sent."""

    url: str = ""
    raw: list[bytes] = field(default_factory=list[bytes])
    heard: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """(path, traceparent) of every call."""

    @property
    def spans(self) -> list[Span]:
        found: list[Span] = []
        for body in self.raw:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                about = _values(resource.resource.attributes)
                for scope in resource.scope_spans:
                    found += [_span(each, about["service.instance.id"]) for each in scope.spans]
        return found

    async def _traces(self, request: web.Request) -> web.Response:
        self.raw.append(await request.read())
        return web.Response(body=b"", content_type="application/x-protobuf")

    async def _many(self, request: web.Request) -> web.Response:
        self.heard.append((request.path, request.headers.get("traceparent", "")))
        items = json.loads(body := await request.read())
        if b"BAD" in body:  # as targets do that say what they don't like
            return web.Response(status=422, text=f"can't take {body.decode()}")
        done = [
            {"key": each["key"], "id": each["key"][-40:]} for each in (items if isinstance(items, list) else [items])
        ]
        return web.json_response(done if isinstance(items, list) else done[0])

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncGenerator[Outside]:
        app = web.Application()
        app.router.add_post("/v1/traces", self._traces)
        app.router.add_post("/{how}/{noun}", self._many)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # pyright: ignore
        try:
            yield self
        finally:
            await runner.cleanup()


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: each.value.string_value or each.value.int_value for each in attributes}


def _span(told: Any, process: str) -> Span:
    links = [link.trace_id.hex() for link in told.links]
    ids = (told.trace_id.hex(), told.span_id.hex(), told.parent_span_id.hex())
    return Span(told.name, *ids, process, _values(told.attributes), links)


@dataclass
class Process:
    """A hub process; `address` is its door's, `observe` where it is watched."""

    process: asyncio.subprocess.Process
    address: str
    observe: str
    log: Path

    async def stop(self) -> None:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(self.process.wait(), 20)

    def said(self) -> list[dict[str, Any]]:
        """Its log, every line of which is a JSON object."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@contextlib.asynccontextmanager
async def running(settings: Path, *roles: Sequence[str], **environment: str) -> AsyncGenerator[list[Process]]:
    """One process for each set of roles."""
    started: list[Process] = []
    try:
        for at, each in enumerate(roles):
            started.append(await _start(settings, each, settings.parent / f"hub{at}.log", environment))
        yield started
    finally:
        for each in started:
            await each.stop()


async def _start(settings: Path, roles: Sequence[str], log: Path, environment: dict[str, str]) -> Process:
    said = log.with_suffix(".out")
    words = [word for role in roles for word in ("--role", role)]
    with log.open("wb") as errors, said.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "crossdock.main", "--config", str(settings), "run", *words,
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=errors, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "STANDIN_SECRET": SECRET, **environment},
        )  # fmt: skip
    async with asyncio.timeout(_READY_SECONDS):
        while not _read(said).endswith("}\n"):
            assert process.returncode is None, _read(log)
            await asyncio.sleep(0.05)
    told = json.loads(_read(said))
    return Process(process, told["address"], told["observe"], log)


def _read(file: Path) -> str:
    return file.read_text()


async def post(session: aiohttp.ClientSession, url: str, body: bytes, id_: str, **headers: str) -> int:
    """A webhook of the stand-in."""
    signature = hmac.digest(SECRET.encode(), body, "sha256").hex()
    told = {"X-Topic": "document", "X-Id": id_, "X-Signature": signature, **headers}
    async with session.post(f"{url}/in/shop", data=body, headers=told) as answer:
        return answer.status


async def scraped(session: aiohttp.ClientSession, url: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """By name and labels."""
    async with session.get(f"{url}/metrics") as answer:
        assert answer.status == 200
        return parsed(await answer.text())


def parsed(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    found = [each for family in text_string_to_metric_families(text) for each in family.samples]
    return {(each.name, frozenset(each.labels.items())): each.value for each in found}
