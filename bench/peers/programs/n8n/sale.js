// An order as the ERP's sale: what sale.py says, for n8n's Code node, which runs this once for each webhook.
const order = $json.body;
const money = (amount) => ({ minor: Number(amount.replace('.', '')), currency: order.currency });
const taxes = (all) => all.map((tax) => ({ title: tax.title, rate: String(tax.rate), amount: money(tax.price) }));
const address = (at) => ({
  name: at.name,
  street: [at.address1, at.address2].filter(Boolean),
  city: at.city,
  region: at.province_code,
  postal_code: at.zip,
  country: at.country_code,
  phone: at.phone,
});
const line = (sold) => ({
  id: String(sold.id),
  sku: sold.sku,
  title: sold.name,
  ordered: sold.current_quantity,
  unit_price: money(sold.price),
  taxes: taxes(sold.tax_lines),
});
const sale = {
  id: String(order.id),
  number: order.name,
  placed_at: new Date(order.processed_at).toISOString().replace('.000Z', 'Z'),
  currency: order.currency,
  lines: order.line_items.map(line),
  total: money(order.current_total_price),
  customer: `customer:shop:${order.customer.id}`,
  email: order.email,
  bill_to: address(order.billing_address),
  ship_to: address(order.shipping_address),
  shipping: order.shipping_lines.map((sent) => ({
    title: sent.title,
    price: money(sent.price),
    taxes: taxes(sent.tax_lines),
  })),
  payment: order.financial_status,
  ever_ordered: money(order.total_price),
};
return { json: { key: `order:shop:${order.id}`, body: { order: sale, sold_by: 'shop' } } };
