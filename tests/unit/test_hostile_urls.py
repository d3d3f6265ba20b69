"""No URL that somebody names leads inside: sixty that try, each against what is taken, and against what is connected to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network

import aiohttp
import pytest
from aiohttp.abc import ResolveResult

from crossdock.connect.link import Http
from crossdock.connect.outward import BadUrl, NotAllowed, Reach, checked_url, connector_within, refusal_in
from crossdock.govern.outside import reach_from
from crossdock.govern.shaping import BadSettings
from crossdock.kernel.faults import Refused, Rejected

NOWHERE = Reach()
# {port} is where a trap listens, on 127.0.0.1 and, where the machine has it, on ::1.
HOSTILE = (
    "http://127.0.0.1:{port}/",
    "https://127.0.0.1:{port}/",
    "https://127.0.0.1/",
    "https://127.0.0.53:8443/",
    "https://127.1:{port}/",
    "https://127.0.1:{port}/",
    "https://2130706433:{port}/",
    "https://017700000001:{port}/",
    "https://0177.0.0.1:{port}/",
    "https://0x7f000001:{port}/",
    "https://0x7f.0.0.1:{port}/",
    "https://0x7f.1:{port}/",
    "https://127.0.0.1.:{port}/",
    "https://127.0.0.001:{port}/",
    "https://0:{port}/",
    "https://0.0.0.0:{port}/",
    "https://[::]:{port}/",
    "https://[::1]:{port}/",
    "https://[0:0:0:0:0:0:0:1]:{port}/",
    "https://[::1%25lo]:{port}/",
    "https://[::ffff:127.0.0.1]:{port}/",
    "https://[::ffff:7f00:1]:{port}/",
    "https://[::127.0.0.1]:{port}/",
    "https://[64:ff9b::127.0.0.1]:{port}/",
    "https://[64:ff9b:1::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:7f00:1::1]/",
    "https://[fe80::1]/",
    "https://[fec0::1]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/latest/meta-data/",
    "https://[ff02::1]/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://100.100.100.200/latest/meta-data/",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::ffff:169.254.169.254]/",
    "https://0xa9fea9fe/",
    "https://2852039166/",
    "https://169.254.170.2/v2/credentials",
    "https://168.63.129.16/metadata",
    "https://192.0.0.192/opc/v2/",
    "https://198.18.0.1/",
    "https://224.0.0.1/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://localhost:{port}/",
    "https://localhost.:{port}/",
    "https://LOCALHOST:8443/",
    "https://metadata.google.internal/",
    "https://intranet/",
    "https://user:password@127.0.0.1:{port}/",
    "https://good.example.com@127.0.0.1:{port}/",
    "https://good.example.com:443@127.0.0.1:{port}/",
    "https://127.0.0.1:{port}#@good.example.com/",
    "https://good.example.com\\@127.0.0.1:{port}/",
    "https://good.example.com%00.127.0.0.1:{port}/",
    "https://127。0。0。1:{port}/",
    "https://①②⑦.⓪.⓪.①:{port}/",
    "https://good.example.com:22/",
    "https://good.example.com:6379/",
    "http://good.example.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_",
    "ftp://127.0.0.1:{port}/",
    "unix:///var/run/docker.sock",
    "//127.0.0.1:{port}/",
    "https:///127.0.0.1:{port}/",
    "https://good.example.com\r\nHost: 127.0.0.1/",
    " https://127.0.0.1:{port}/",
    "javascript:fetch('https://127.0.0.1:{port}')",
)
# Names that look like anybody's, and what they stand for.
NAMES: Mapping[str, Sequence[str]] = {
    "loopback.example.com": ("127.0.0.1",),
    "metadata.example.com": ("169.254.169.254",),
    "office.example.com": ("10.1.2.3",),
    "mapped.example.com": ("::ffff:127.0.0.1",),
    "loopback6.example.com": ("::1",),
    "both.example.com": ("93.184.215.14", "127.0.0.1"),
    "both6.example.com": ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", "fe80::1"),
    "127.0.0.1.nip.example.com": ("127.0.0.1",),
}


@dataclass
class Trap:
    port: int
    reached: int = 0


@asynccontextmanager
async def trapped(*hosts: str) -> AsyncGenerator[Trap]:
    """Something inside that must not be reached, on one port of these addresses."""
    trap = Trap(0)

    async def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        trap.reached += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    servers: list[asyncio.Server] = []
    for host in hosts or _own_addresses():
        servers.append(await asyncio.start_server(note, host, trap.port))
        trap.port = servers[0].sockets[0].getsockname()[1]
    yield trap
    for server in servers:
        server.close()


def _own_addresses() -> list[str]:
    return ["127.0.0.1", *(["::1"] if socket.has_ipv6 and _listens("::1") else [])]


def _listens(host: str) -> bool:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True


def answering(*answers: Sequence[str]) -> tuple[list[str], object]:
    """A resolver that answers these one after the other, the last for good; and what it was asked."""
    asked: list[str] = []

    async def lookup(name: str, port: int) -> list[ResolveResult]:
        addresses = answers[min(len(asked), len(answers) - 1)]
        asked.append(name)
        return [
            {"hostname": name, "host": each, "port": port, "family": _family(each), "proto": 0, "flags": 0}
            for each in addresses
        ]

    return asked, lookup


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


async def called(url: str, reach: Reach, lookup: object = None) -> int:
    """The status that is answered, whatever the text of the URL."""
    connector = connector_within(reach, lookup=lookup, force_close=True, use_dns_cache=False)  # type: ignore
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(url, data=b"{}", allow_redirects=False, timeout=aiohttp.ClientTimeout(3)) as answer,
    ):
        return answer.status


def test_there_are_sixty_at_least() -> None:
    assert len(set(HOSTILE)) + len(NAMES) >= 60


@pytest.mark.parametrize("url", HOSTILE)
async def test_a_hostile_url_is_not_taken_and_leads_nowhere(url: str) -> None:
    async with trapped() as trap:
        there = url.replace("{port}", str(trap.port))
        with pytest.raises(BadUrl):
            checked_url(there, NOWHERE)
        if "good.example.com:" not in there and there != "http://good.example.com/":  # those go out, only not there
            _, lookup = answering(["127.0.0.1"])
            with pytest.raises((aiohttp.ClientError, ValueError, OSError)):  # should it have been taken all the same
                await called(there, NOWHERE, lookup)
        assert trap.reached == 0


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_for_something_inside_is_not_connected_to(name: str) -> None:
    async with trapped() as trap:
        asked, lookup = answering(NAMES[name])
        assert checked_url(f"https://{name}/hook", NOWHERE)  # its text is as good as any
        with pytest.raises(aiohttp.ClientConnectorError) as raised:
            await called(f"http://{name}:{trap.port}/", NOWHERE, lookup)
        assert isinstance(refusal_in(raised.value), NotAllowed)
        assert (asked, trap.reached) == ([name], 0)


async def test_a_name_that_changes_its_mind_is_looked_up_once_and_judged_every_time() -> None:
    """Rebinding: 127.0.0.2 is allowed and 127.0.0.1 is not; whatever the name says next, only what was judged is reached."""
    reach = Reach((ip_network("127.0.0.2/32"),))
    async with trapped("127.0.0.2") as receiver, trapped("127.0.0.1") as trap:
        asked, lookup = answering(["127.0.0.2"], ["127.0.0.1"])
        assert await called(f"http://changing.example.com:{receiver.port}/", reach, lookup) == 200
        assert asked == ["changing.example.com"]
        with pytest.raises(aiohttp.ClientConnectorError):
            await called(f"http://changing.example.com:{trap.port}/", reach, lookup)
        assert (receiver.reached, trap.reached) == (1, 0)


async def test_what_the_settings_allow_is_reached_plainly_and_at_any_port() -> None:
    reach = reach_from({"allow": ["127.0.0.0/8"]})
    async with trapped("127.0.0.1") as receiver:
        url = f"http://127.0.0.1:{receiver.port}/hook"
        assert checked_url(url, reach) == url
        assert await called(url, reach) == 200
    with pytest.raises(BadUrl):
        checked_url("https://10.0.0.1/", reach)
    with pytest.raises(BadSettings):
        reach_from({"allow": ["127.0.0.1/8"]})


@pytest.mark.parametrize(
    "url", ["https://hooks.example.com/a?b=c", "https://HOOKS.example.com:8443/", "https://93.184.215.14/"]
)
def test_a_public_url_is_taken_as_it_is(url: str) -> None:
    assert checked_url(url, NOWHERE) == url


# --- connections ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def line_to(base: str, lookup: object = None, reach: Reach = NOWHERE) -> AsyncGenerator[Http]:
    """How a connector's calls go out, to an address of the settings."""

    async def spend(_: int) -> None: ...

    connector = connector_within(reach.and_named(base), lookup=lookup)  # type: ignore
    async with aiohttp.ClientSession(connector=connector) as session:
        yield Http(session, base, spend=spend, guard=lambda: None, timeout_seconds=3)


@pytest.mark.parametrize("name", NAMES)
async def test_a_connection_s_name_that_leads_inside_is_refused(name: str) -> None:
    async with trapped() as trap:
        _, lookup = answering(NAMES[name])
        async with line_to(f"http://{name}:{trap.port}", lookup) as http:
            with pytest.raises(Refused, match=r"outside\.allow"):
                await http.get("/orders")
        assert trap.reached == 0


@pytest.mark.parametrize("base", [
    "http://169.254.169.254", "http://[fe80::1]", "http://0.0.0.0:{port}", "http://[::]:{port}", "http://224.0.0.1",
    "http://168.63.129.16", "http://[::ffff:169.254.169.254]",
])  # fmt: skip
async def test_a_connection_never_goes_where_no_system_of_a_retailer_is(base: str) -> None:
    async with trapped() as trap:
        async with line_to(base.replace("{port}", str(trap.port))) as http:
            with pytest.raises(Refused):
                await http.get("/orders")
        assert trap.reached == 0


async def test_a_private_address_written_out_in_the_settings_is_the_operator_s_word() -> None:
    async with trapped("127.0.0.1") as erp, line_to(f"http://127.0.0.1:{erp.port}") as http:
        assert (await http.get("/orders")).ok


@pytest.mark.parametrize("path", [".evil.example.com/", "@127.0.0.1:{port}/", ":{port}/", "", "//../x"])
async def test_a_path_stays_at_its_connection(path: str) -> None:
    async with trapped() as trap, trapped("127.0.0.1") as erp:
        async with line_to(f"http://127.0.0.1:{erp.port}") as http:
            try:
                await http.get(path.replace("{port}", str(trap.port)))
            except Rejected:
                assert not path.startswith("/")
        assert trap.reached == 0
