"""The shop of the benchmarks: Shopify's door and translations, with the stand-in for what is told to it.

What comes in is as real as it gets: signed, 12 kB, translated by the product's own connector. What goes out would need a
real Shopify, whose own limit of a few calls a second would be all there is to see.
"""

from __future__ import annotations

from bench import standin
from crossdock.connect.connector import Connector
from crossdock.connectors import shopify

connector: Connector[standin.Settings] = Connector(
    "benchshop",
    standin.Settings,
    door=shopify.connector.door,
    capabilities=standin.connector.capabilities,
    topics=shopify.connector.topics,
)
