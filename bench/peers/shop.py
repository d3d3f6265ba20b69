"""The shop of this measurement, as the hub knows it: Shopify's door and translations, and nothing is told to it."""

from __future__ import annotations

from bench import standin
from crossdock.connect.connector import Connector
from crossdock.connectors import shopify

connector: Connector[standin.Settings] = Connector(
    "peer_shop", standin.Settings, door=shopify.connector.door, topics=shopify.connector.topics
)
