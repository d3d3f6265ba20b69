"""A neutral warehouse (WMS) over HTTP, as `api.md` beside this file describes it."""

from __future__ import annotations

from crossdock.connectors.wms import acts, answers, reads, translate
from crossdock.connectors.wms.system import Settings, connector

__all__ = ["Settings", "acts", "answers", "connector", "reads", "translate"]
