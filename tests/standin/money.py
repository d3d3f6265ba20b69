"""The stand-in with verbs for money and for goods that come back, beside those of the sale."""

from __future__ import annotations

from crossdock.canonical.order import OpenUnits, PartyAccount, SalesOrder
from crossdock.canonical.payment import PaymentRefund
from crossdock.canonical.returns import CreditMemo, GoodsReturn, RefundNotice, ReturnRecord, SupplementaryInvoice
from crossdock.canonical.shipment import (
    Fulfilment,
    GoodsIssue,
    InvoicePosting,
    ParcelNotice,
    ShipmentLines,
    ShipmentOrder,
)
from crossdock.connect.connector import Connector
from crossdock.connect.effects import Keyed
from tests import standin

connector: Connector[standin.Settings] = Connector("money", standin.Settings, door=standin.connector.door)
connector.translate("document")(standin.stated)

for _noun in (
    SalesOrder,
    ShipmentOrder,
    GoodsIssue,
    InvoicePosting,
    Fulfilment,
    ParcelNotice,
    PaymentRefund,
    CreditMemo,
    SupplementaryInvoice,
    GoodsReturn,
    ReturnRecord,
    RefundNotice,
):
    connector.act(_noun, effect=[Keyed()])(standin.send)
for _noun in (PartyAccount, OpenUnits, ShipmentLines):
    connector.state(_noun, size=standin.BULK)(standin.send_many)
