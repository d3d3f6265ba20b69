"""GraphQL nodes that hold amounts."""

from __future__ import annotations

from crossdock.kernel.money import Money, to_decimal
from crossdock.simulators.shop_graphql import Node
from crossdock.simulators.shop_prices import gid
from crossdock.simulators.shop_state import Line, ShippingLine, TaxLine


class GraphPrices:
    """Nodes that hold amounts, in the order's currency."""

    def __init__(self, currency: str) -> None:
        self._currency = currency

    def bag(self, minor: int) -> Node:
        """Shopify's GraphQL trims a Decimal to one digit behind the point: "10.0"."""
        whole, _, digits = str(to_decimal(Money(minor, self._currency))).partition(".")
        amount = f"{whole}.{digits.rstrip('0') or '0'}"
        return {"shopMoney": {"amount": amount, "currencyCode": self._currency}}

    def line_node(self, line: Line, to_leave: int) -> Node:
        return {
            "id": gid("LineItem", line.id),
            "name": line.name,
            "title": line.product.title,
            "sku": line.product.sku,
            "quantity": line.quantity,
            "currentQuantity": line.current,
            "unfulfilledQuantity": to_leave,
            "requiresShipping": line.product.ships,
            "originalUnitPriceSet": self.bag(line.price),
            "discountAllocations": [{"allocatedAmountSet": self.bag(minor)} for minor in line.discounts],
            "taxLines": [self._tax_node(tax) for tax in line.taxes],
        }

    def shipping_node(self, charge: ShippingLine) -> Node:
        return {
            "title": charge.title,
            "discountedPriceSet": self.bag(charge.discounted),
            "taxLines": [self._tax_node(tax) for tax in charge.taxes],
        }

    def _tax_node(self, tax: TaxLine) -> Node:
        return {"title": tax.title, "rate": tax.rate, "priceSet": self.bag(tax.minor)}
