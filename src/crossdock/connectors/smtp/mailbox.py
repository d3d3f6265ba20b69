"""Which mail addresses we can write to."""

from __future__ import annotations

import re

_LENGTH_MAX = 254
"""Of a whole address; RFC 5321 allows 256 characters with the angle brackets."""
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}")
_DOMAIN = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)


def mailbox(text: str) -> tuple[str, str]:
    """The part before the @ and the domain in ASCII, for exactly one plain address; `ValueError` for anything else.

    Blanks, line ends, commas, quotes and comments are refused, so nothing else can travel in an address.
    """
    local, at, domain = text.strip(" ").rpartition("@")
    try:
        ascii_domain = domain.encode("idna").decode()
    except UnicodeError as error:
        raise ValueError(f"{text!r} has no domain a mail could go to") from error
    if not at or not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(ascii_domain):
        raise ValueError(f"{text!r} is not one plain mail address")
    if len(local) + len(ascii_domain) + 1 > _LENGTH_MAX:
        raise ValueError(f"a mail address of more than {_LENGTH_MAX} characters")
    return local, ascii_domain
