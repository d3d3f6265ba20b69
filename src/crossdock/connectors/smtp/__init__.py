"""Mail over SMTP: a customer is told about a parcel, or about money given back, at most once."""

from __future__ import annotations

from crossdock.connectors.smtp import acts
from crossdock.connectors.smtp.system import Settings, connector

__all__ = ["Settings", "acts", "connector"]
