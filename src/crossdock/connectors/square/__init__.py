"""Square Point of Sale: what tills sell, take back and pay out, by Square's published API."""

from __future__ import annotations

from crossdock.connectors.square import acts, reads, translate
from crossdock.connectors.square.system import Settings, connector

__all__ = ["Settings", "acts", "connector", "reads", "translate"]
