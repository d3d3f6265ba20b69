"""What the hub relies on in every connector, asked of Tryton's without an ERP."""

from __future__ import annotations

from crossdock.connect.conformance import conformance_of

TestTryton = conformance_of("tryton")
