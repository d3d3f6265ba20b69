"""What a browser asks of the console, and what it is answered. Bare ASGI, as the other doors are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, quote, unquote

from crossdock.gateway.door import Scope, Send
from crossdock.govern.inviting import CONSOLE

PREFIX = CONSOLE
HTML = b"text/html; charset=utf-8"
# No inline script or style, nothing from elsewhere, no frame around us.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'"
)
SECURITY = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
FORM_BYTES_MAX = 64 * 1024
_FIELDS_MAX = 200
_PAGES_MAX = 100_000
NUMBER_NONE = -1

Fields = Mapping[str, list[str]]


class Denied(Exception):
    """A request that is not answered as asked; the texts are for people, and nothing was done."""

    def __init__(self, status: int, title: str, words: str) -> None:
        super().__init__(words)
        self.status, self.title, self.words = status, title, words


@dataclass(frozen=True)
class Asked:
    """One request; `path` is what stands behind /console, decoded."""

    method: str
    path: tuple[str, ...]
    query: Fields = field(default_factory=dict[str, list[str]])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    form: Fields = field(default_factory=dict[str, list[str]])

    def of_query(self, name: str) -> str:
        return self.query.get(name, [""])[0].strip()

    def of_form(self, name: str) -> str:
        return self.form.get(name, [""])[0].strip()

    def number(self, name: str, default: int = 0) -> int:
        """A whole number of the form or else the query; the default when there is none."""
        told = self.of_form(name) or self.of_query(name)
        return number_of(told, default)

    @property
    def page(self) -> int:
        """Of a list; nobody turns so many that what they lead past could not be counted."""
        return min(self.number("page"), _PAGES_MAX)

    @property
    def cookies(self) -> Mapping[str, str]:
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load(self.headers.get("cookie", ""))
        except CookieError:
            return {}
        return {name: morsel.value for name, morsel in jar.items()}

    @property
    def wants_part(self) -> bool:
        """A script on the page asks for its living part alone."""
        return self.headers.get("hx-request") == "true" and self.headers.get("hx-boosted") != "true"


@dataclass(frozen=True)
class Answered:
    """`more` follows the body in parts, for what is too long to be held at once."""

    status: int
    body: bytes = b""
    content_type: bytes = HTML
    headers: tuple[tuple[bytes, bytes], ...] = ()
    more: AsyncIterator[bytes] | None = None


def asked_of(scope: Scope, body: bytes) -> Asked:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    raw: bytes = scope.get("raw_path") or str(scope["path"]).encode()
    path = raw.split(b"?")[0].decode("latin-1").removeprefix(PREFIX).strip("/")
    parts = tuple(unquote(part, errors="replace") for part in path.split("/")) if path else ()
    if any("\0" in part for part in parts):
        raise Denied(404, "There is no such page", "No name holds such a character.")
    form = fields(body.decode(errors="replace"))
    return Asked(scope["method"], parts, fields(scope.get("query_string", b"").decode("latin-1")), headers, form)


def fields(text: str) -> Fields:
    """The fields of a query or a form; `Denied` when there are too many."""
    try:
        found = parse_qs(text, keep_blank_values=True, max_num_fields=_FIELDS_MAX)
    except ValueError as error:
        raise Denied(400, "That is no form of ours", "It has too many fields.") from error
    return {name: [value.replace("\0", "") for value in values] for name, values in found.items()}


def to(*parts: object, **query: object) -> str:
    """The address of a page; every part is quoted, so that no name from outside can lead elsewhere."""
    path = "/".join([PREFIX, *(quote(str(part), safe=":") for part in parts)])
    told = [(name, value) for name, value in query.items() if value not in ("", None)]
    return path + ("?" + "&".join(f"{name}={quote(str(value), safe=':')}" for name, value in told) if told else "")


def number_of(text: str, default: int = NUMBER_NONE) -> int:
    """The number this is, as the database counts; the default, which nothing is called by, when it is none."""
    return int(text) if text.isdecimal() and len(text) < 19 else default


def see(where: str, *headers: tuple[bytes, bytes]) -> Answered:
    """After a form: look there."""
    return Answered(303, b"", headers=((b"location", where.encode()), *headers))


async def send_answer(send: Send, answered: Answered, *, body: bool = True) -> None:
    names = {name for name, _ in answered.headers}
    kept = () if b"cache-control" in names else ((b"cache-control", b"no-store"),)
    length = () if answered.more else ((b"content-length", str(len(answered.body)).encode()),)
    headers = [(b"content-type", answered.content_type), *length, *SECURITY, *kept, *answered.headers]
    await send({"type": "http.response.start", "status": answered.status, "headers": headers})
    if body and answered.more is not None:
        await send({"type": "http.response.body", "body": answered.body, "more_body": True})
        async for part in answered.more:
            await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": answered.body if body and not answered.more else b""})
