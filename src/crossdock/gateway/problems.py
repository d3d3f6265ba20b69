"""Problems as RFC 9457 has them: what is wrong, with which field, and what to do. Their types are a contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

CONTENT_TYPE = b"application/problem+json"
TYPE_PREFIX = "urn:crossdock:problem:"


@dataclass(frozen=True, slots=True)
class Kind:
    """One type of problem, the same for good."""

    status: int
    title: str
    remedy: str


KINDS: Mapping[str, Kind] = {
    "no-idempotency-key": Kind(
        400,
        "No Idempotency-Key",
        "Send a key of your own, 1 to 200 characters without blanks, the same on every repeat.",
    ),
    "not-signed-in": Kind(401, "Who asks is not known", "Send 'Authorization: Bearer' with a live API key or token."),
    "no-right": Kind(403, "Not allowed", "Ask whoever runs the hub for the scope or role that detail names."),
    "not-found": Kind(404, "Not there", "Check the address; what belongs to others is not shown."),
    "wrong-method": Kind(405, "Another method", "Use one of the methods of the Allow header."),
    "conflict": Kind(409, "It does not fit how things stand", "Read how things stand, and ask for what is left."),
    "in-flight": Kind(409, "The same is being asked now", "Repeat it with the same key in a moment."),
    "too-old": Kind(410, "Not kept any more", "Read how things stand now, and follow what happens from here on."),
    "changed-meanwhile": Kind(412, "Somebody changed it", "Read it again, and send If-Match with the ETag it has now."),
    "too-large": Kind(413, "Too much in the body", "Ask for less at once."),
    "unfit": Kind(422, "A field does not fit", "Correct the field, and send it with a new Idempotency-Key."),
    "no-json": Kind(422, "The body is not JSON", "Send the body as JSON in UTF-8."),
    "key-reused": Kind(422, "The key asked for something else", "Take a new Idempotency-Key for another request."),
    "no-if-match": Kind(428, "Which version is replaced?", "Read it, and send If-Match with the ETag it had."),
    "too-many": Kind(429, "Too many requests", "Wait as many seconds as Retry-After says."),
    "long-head": Kind(431, "Too much in the header", "Send fewer or shorter header fields."),
    "broken": Kind(
        500, "The hub failed", "Ask again, with the same Idempotency-Key; if it stays, tell whoever runs the hub."
    ),
    "no-database": Kind(503, "Nothing can be stored now", "Ask again, with the same Idempotency-Key."),
    "no-answer": Kind(504, "Nobody answered in time", "Ask again, wait longer, or be content with an older answer."),
}
"""Every problem the API answers, by the end of its type."""


class ProblemTold(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"kind": "type"}):
    """Why a request was refused; nothing of it was done."""

    kind: str
    """Stable: programs decide by it."""
    title: str
    status: int
    detail: str
    """What is wrong this time, for people."""
    remedy: str
    """What to do."""
    field: str | None = None
    """Which field of the request is wrong."""


class Problem(Exception):
    """A request that is refused; nothing of it was done."""

    def __init__(self, kind: str, detail: str, field: str | None = None, **headers: str) -> None:
        super().__init__(detail)
        # What was asked is told back, and need not be storable or printable.
        self.kind, self.detail, self.field = kind, detail.replace("\0", "␀"), field
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    @property
    def status(self) -> int:
        return KINDS[self.kind].status

    def body(self) -> bytes:
        kind = KINDS[self.kind]
        return msgspec.json.encode(
            ProblemTold(
                kind=TYPE_PREFIX + self.kind,
                title=kind.title,
                status=kind.status,
                detail=self.detail,
                remedy=kind.remedy,
                field=self.field,
            )
        )


def unfit(field: str, detail: str) -> Problem:
    """422: the field doesn't fit what is known."""
    return Problem("unfit", f"{field}: {detail}", field)


def conflicting(detail: str) -> Problem:
    """409: it doesn't fit how things stand."""
    return Problem("conflict", detail)


def unknown(detail: str) -> Problem:
    """404."""
    return Problem("not-found", detail)
