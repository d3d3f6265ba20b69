"""Payments by card with Stripe: captures, voids and refunds, and what Stripe tells of them and of disputes."""

from __future__ import annotations

from crossdock.connectors.stripe import acts, reads, translate
from crossdock.connectors.stripe.system import Settings, connector

__all__ = ["Settings", "acts", "connector", "reads", "translate"]
