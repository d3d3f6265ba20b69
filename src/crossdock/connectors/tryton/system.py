"""What a connection to a Tryton ERP needs, and the connector its verbs are declared on."""

from __future__ import annotations

import msgspec

from crossdock.connect.connector import Connector
from crossdock.connect.secrets import Secret


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One company of one Tryton database; ids are looked up, so only names and codes stand here."""

    url: str
    """The server, without the database: `https://erp.example.com`."""
    database: str
    user: str
    password: Secret
    shop: str
    """The name of the `web.shop` whose sales these are; it also marks what the hub wrote on a party."""
    warehouse: str
    """The code of the warehouse that parcels leave from."""
    payment_term: str = ""
    """The name of the payment term of every sale; without it Tryton's default."""
    shipping_product: str = ""
    """The code of the service that delivery is sold as; without it a line that has no product."""
    taxes: dict[str, str] = {}
    """Rate to the tax's name, where several taxes have one rate: `{"0.2" = "VAT 20 %"}`."""
    stock_may_go_negative: bool = False
    """Book what has left even where Tryton counts less; otherwise a person counts first."""
    writers: int = 1
    """Writing calls under way at once in this process: more only collide, lists are what makes it fast."""
    timeout_seconds: float = 45.0
    calls_per_second: float = 50.0
    burst: int = 100


connector = Connector("tryton", Settings)
