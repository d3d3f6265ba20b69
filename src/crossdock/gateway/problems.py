"""Problems as RFC 9457 has them: what is wrong, with which field, and what to do."""

from __future__ import annotations

import msgspec

CONTENT_TYPE = b"application/problem+json"


class Problem(Exception):
    """A request that is refused; nothing of it was done."""

    def __init__(self, status: int, kind: str, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail, self.field = status, kind, detail, field

    def body(self) -> bytes:
        told = {"type": f"urn:crossdock:problem:{self.kind}", "status": self.status, "detail": self.detail}
        return msgspec.json.encode(told | ({} if self.field is None else {"field": self.field}))


def unfit(field: str, detail: str) -> Problem:
    """422: the field doesn't fit what is known."""
    return Problem(422, "unfit", f"{field}: {detail}", field)


def conflicting(detail: str) -> Problem:
    """409: it doesn't fit how things stand."""
    return Problem(409, "conflict", detail)


def unknown(detail: str) -> Problem:
    """404."""
    return Problem(404, "not-found", detail)
