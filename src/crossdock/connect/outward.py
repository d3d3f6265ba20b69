"""Which addresses the hub connects to when somebody names them: public ones, and what the settings allow beside them."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Lookup = Callable[[str, int], Awaitable[list[ResolveResult]]]
"""(name, port) -> its addresses."""

# Not for the public, whatever Python's own lists say (those of 3.11 lack some): the IETF's own block, where Oracle's cloud
# answers for its machines; relays and translators that lead to any IPv4 address; Azure's platform, on a public address.
_NEVER = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8", "192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "::/96", "::ffff:0:0/96",
            "64:ff9b::/96", "64:ff9b:1::/48", "2001::/23", "2002::/16", "fec0::/10", "100::/64",
        ),
    )
)  # fmt: skip
_PORTS = frozenset((443, 8443))
_PLAIN = re.compile(r"[!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]{1,2000}")
_LABEL = re.compile("[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile("0x[0-9a-f]*|[0-9]+")
# Names that only mean something inside; the last label of a public name is none of them.
_INSIDE = frozenset("localhost local localdomain internal intranet lan corp home private arpa onion".split())


class NotAllowed(OSError):
    """The address lies where the hub may not go because somebody says so; whoever runs it can allow it: `outside.allow`."""


class BadUrl(ValueError):
    """The address can't be taken; the text says why."""


@dataclass(frozen=True)
class Reach:
    """What may be connected to: public addresses, and those in these networks."""

    allow: tuple[Network, ...] = ()

    def allows(self, address: Address) -> bool:
        return any(address.version == each.version and address in each for each in self.allow)

    def why_not(self, address: str) -> str | None:
        """Why this IP address is out of reach; None where it is not."""
        try:
            given = ipaddress.ip_address(address)
        except ValueError:
            return f"{address} is no plain IP address"
        return None if self.allows(given) or _is_public(given) else f"{given} is not public"

    def and_named(self, url: str) -> Reach:
        """Also the private address that is written out in a URL of the operator's own; never a link-local one."""
        try:
            given = ipaddress.ip_address(URL(url).host or "")
        except ValueError:
            return self
        inside = given.is_private and not given.is_link_local and not given.is_unspecified
        return Reach((*self.allow, ipaddress.ip_network(given))) if inside else self


def _is_public(address: Address) -> bool:
    odd = address.is_multicast or address.is_reserved or address.is_unspecified
    never = any(address.version == each.version and address in each for each in _NEVER)
    return address.is_global and not odd and not never


def checked_url(text: str, reach: Reach) -> str:
    """The URL, as far as its text tells whether it may be called; `BadUrl` says what is wrong with it.

    Encrypted and to the usual ports, unless it names an IP address that the settings allow.
    """
    if not _PLAIN.fullmatch(text):
        raise BadUrl("a URL is at most 2000 characters of ASCII, without blanks and backslashes")
    try:
        url = URL(text)
        port = url.port
    except ValueError as error:
        raise BadUrl(f"this is no URL: {error}") from error
    if url.scheme not in ("https", "http") or not url.host:
        raise BadUrl("write https:// and a host")
    if "@" in url.raw_authority or url.raw_fragment:
        raise BadUrl("a URL without a user, a password and a fragment")
    if _check_host(url.host, reach):
        return text
    if url.scheme != "https":
        raise BadUrl("only https is called")
    if port not in _PORTS:
        raise BadUrl(f"only the ports {', '.join(map(str, sorted(_PORTS)))} are called")
    return text


def _check_host(host: str, reach: Reach) -> bool:
    """Whether it is an IP address that the settings allow."""
    if ":" in host or _NUMBER.fullmatch(host.rpartition(".")[2]):
        return _check_literal(host, reach)
    labels = host.split(".")
    if not all(map(_LABEL.fullmatch, labels)):
        raise BadUrl(f"{host} is no host name")
    if not reach.allow and (len(labels) < 2 or labels[-1] in _INSIDE):
        raise BadUrl(f"{host} is a name from inside; a public one is needed")
    return False


def _check_literal(host: str, reach: Reach) -> bool:
    try:
        given = ipaddress.ip_address(host)
    except ValueError as error:
        raise BadUrl(f"{host}: write an IP address plainly, as 203.0.113.7, or a name") from error
    if why := reach.why_not(host):
        raise BadUrl(why)
    return reach.allows(given)


async def _asked_of_the_system(name: str, port: int) -> list[ResolveResult]:
    return await aiohttp.ThreadedResolver().resolve(name, port, socket.AF_UNSPEC)


class CheckedResolver(AbstractResolver):
    """Looks a name up, and refuses all of its addresses where one is out of reach."""

    def __init__(self, reach: Reach, lookup: Lookup | None = None) -> None:
        self._reach, self._lookup = reach, lookup or _asked_of_the_system

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._lookup(host, port)
        for each in found:
            if why := self._reach.why_not(each["host"]):
                raise NotAllowed(f"{host}: {why}")
        return found

    async def close(self) -> None:
        """Nothing is kept open."""


def connector_within(reach: Reach, *, lookup: Lookup | None = None, **options: Any) -> aiohttp.TCPConnector:
    """Connections that go nowhere else: what a name stands for is looked up once, judged, and then connected to."""

    def opened(info: tuple[Any, Any, int, str, Sequence[Any]]) -> socket.socket:
        # The last word, on the very address: whatever way it came here.
        if why := reach.why_not(info[4][0]):
            raise NotAllowed(why)
        return socket.socket(family=info[0], type=info[1], proto=info[2])

    return aiohttp.TCPConnector(resolver=CheckedResolver(reach, lookup), socket_factory=opened, **options)


def refusal_in(error: BaseException) -> NotAllowed | None:
    """The refusal behind a failed connection."""
    held = getattr(error, "os_error", None) or error.__cause__
    return error if isinstance(error, NotAllowed) else held if isinstance(held, NotAllowed) else None
