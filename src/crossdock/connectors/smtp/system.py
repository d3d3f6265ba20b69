"""What a connection to a mail server needs, and the connector its verb is declared on."""

from __future__ import annotations

from typing import Annotated

import msgspec

from crossdock.connect.connector import Connector
from crossdock.connect.secrets import Secret
from crossdock.connectors.smtp.mailbox import mailbox


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """`starttls` (port 587) or `tls` (port 465) protects the line; both off only where the server is next door.

    Without `user` there is no login. `ca_file` names the authority of a server whose certificate is its own.
    """

    host: Annotated[str, msgspec.Meta(min_length=1)]
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 587
    starttls: bool = True
    tls: bool = False
    ca_file: str = ""
    user: str = ""
    password: Secret | None = None
    from_address: str
    from_name: str = ""
    timeout_seconds: float = 30.0
    calls_per_second: float = 5.0
    burst: int = 10

    def __post_init__(self) -> None:
        if self.tls and self.starttls:
            raise ValueError("set tls or starttls, not both (tls for port 465, starttls for 587)")
        if self.user and self.password is None:
            raise ValueError("user needs a password")
        mailbox(self.from_address)
        self.host.encode("idna")  # UnicodeError (a ValueError) for what can't be a host's name


connector = Connector("smtp", Settings)
