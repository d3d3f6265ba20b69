"""Who may ask what, as one table: every request, every scope and role, their own tenant's order, another's, and nobody."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from crossdock.gateway.api import DESCRIBED
from crossdock.gateway.catalogue import ORDER_EXAMPLE, ROUTES, SUBSCRIPTION_EXAMPLE
from crossdock.gateway.openapi import document
from crossdock.gateway.route import Route
from crossdock.gateway.signing_in import OPEN
from crossdock.govern.rights import ROLES, SCOPES
from tests.desk import Desk, desk
from tests.integration.test_approvals import sale_with_leave
from tests.stage import customer, order

NOW = datetime.now(UTC).isoformat()
ONE = {"lines": [{"line": "1-0", "units": 1}]}
EVERYBODY = {*SCOPES, *ROLES}
LET_IN = (200, 201, 202, 409, 412, 422)
TWO_TENANTS = {
    "tenants": {"main": {}, "north": {}},
    "connections": {"market": {"connector": "partner"}, "fair": {"connector": "partner", "tenant": "north"}},
}


@dataclass(frozen=True)
class Row:
    """`may`: the scopes and roles that are let in; everybody else is told 403, whatever they ask for."""

    may: set[str]
    path: str
    body: Any = None
    unseen: int = 404
    """What those who are let in are told of another tenant's."""
    whole_house: bool = False
    """Only for those who see every tenant."""
    anothers: bool = False
    """It is the consumer's who made it: another consumer of the tenant is told what a stranger is."""


SEES = {"orders:read", *ROLES}
AUDITS = {"audit:read", *ROLES}
CHANNEL = {"orders:write"}
DECIDES = {"operator", "engineer", "admin"}
ORDER = ORDER_EXAMPLE | {"id": "M-1"}
RETURNS = {"returns:write", "operator", "admin"}
FOLLOWS = {"events:read", *ROLES}
SUBSCRIBES = {"subscriptions:write"}
SUBSCRIPTION = "/v1/subscriptions/{subscription}"
MATRIX: dict[str, Row] = {
    "getOrder": Row(SEES, "/v1/orders/1"),
    "getTimeline": Row(SEES, "/v1/orders/1/timeline"),
    "getRecord": Row(AUDITS, "/v1/orders/1/record"),
    "getIntents": Row(AUDITS, "/v1/orders/1/intents"),
    "getRebuild": Row(AUDITS, "/v1/orders/1/rebuild"),
    "listEvents": Row({"events:read", *ROLES}, "/v1/events", unseen=200),
    "askAvailability": Row({"products:read", *ROLES}, "/v1/ask/availability", {"sku": "MUG"}, unseen=200),
    "askPrice": Row({"products:read", *ROLES}, "/v1/ask/price", {"sku": "MUG"}, unseen=200),
    "askCustomer": Row({"customers:read", *ROLES}, "/v1/ask/customer", {"customer": "c7"}),
    "subscribe": Row(SUBSCRIBES, "/v1/subscriptions", SUBSCRIPTION_EXAMPLE, unseen=201),
    "listSubscriptions": Row(FOLLOWS, "/v1/subscriptions", unseen=200),
    "getSubscription": Row(FOLLOWS, SUBSCRIPTION, anothers=True),
    "changeSubscription": Row(SUBSCRIBES, SUBSCRIPTION, SUBSCRIPTION_EXAMPLE),
    "getSubscriptionSecrets": Row(SUBSCRIBES, f"{SUBSCRIPTION}/secrets"),
    "rotateSubscriptionSecret": Row(SUBSCRIBES, f"{SUBSCRIPTION}/secrets", {"keep_hours": 1}),
    "replaySubscription": Row(SUBSCRIBES, f"{SUBSCRIPTION}/replay", {"since": NOW}),
    "testSubscription": Row(SUBSCRIBES, f"{SUBSCRIPTION}/test", {}),
    "listDeliveries": Row(FOLLOWS, f"{SUBSCRIPTION}/deliveries", anothers=True),
    "getDelivery": Row(FOLLOWS, f"{SUBSCRIPTION}/deliveries/{{event}}", anothers=True),
    "unsubscribe": Row(SUBSCRIBES, SUBSCRIPTION),
    "getCheck": Row(AUDITS, "/v1/check", whole_house=True),
    "listDeprecations": Row(AUDITS, "/v1/deprecations", whole_house=True),
    "listAccounts": Row(AUDITS, "/v1/accounts", whole_house=True),
    "submitOrder": Row(CHANNEL, "/v1/orders", ORDER),
    "getSubmission": Row(SEES, "/v1/orders/order:market:M-1/submission"),
    "replaceOrder": Row(CHANNEL, "/v1/orders/order:market:M-1/submission", ORDER),
    "openReturn": Row(RETURNS, "/v1/orders/1/returns", ONE),
    "listReturns": Row(SEES, "/v1/orders/1/returns"),
    "getReturn": Row(SEES, "/v1/orders/1/returns/R"),
    "receiveReturn": Row(RETURNS, "/v1/orders/1/returns/R/receipts", ONE),
    "inspectReturn": Row(
        RETURNS, "/v1/orders/1/returns/R/inspections", {"lines": [{"line": "1-0", "units": 1, "disposition": "vendor"}]}
    ),
    "cancelReturn": Row(RETURNS, "/v1/orders/1/returns/R/cancellation", {}),
    "giveUpNewGoods": Row(
        RETURNS, "/v1/orders/1/returns/R/shortages", {"lines": [{"sku": "MUG", "units": 1}], "reason": "out of stock"}
    ),
    "grantAllowance": Row(
        {"allowances:write", "finance", "admin"},
        "/v1/orders/1/allowances",
        {"amount": "0.01", "currency": "USD", "reason": "x", "by": "mara"},
    ),
    "getOperation": Row(EVERYBODY, "/v1/operations/{operation}"),
    "listCases": Row(AUDITS, "/v1/cases", whole_house=True),
    "retryCase": Row(DECIDES, "/v1/cases/1/retry", {}, whole_house=True),
    "resolveCase": Row(DECIDES, "/v1/cases/1/resolution", {"happened": False}, whole_house=True),
    "mapKey": Row(
        DECIDES, "/v1/mappings", {"connection": "erp", "kind": "product", "key": "A", "value": "B"}, whole_house=True
    ),
    "releaseConnection": Row(DECIDES, "/v1/connections/erp/release", {}, whole_house=True),
    "listApprovals": Row(AUDITS, "/v1/approvals", unseen=200),
    "decideApproval": Row({"finance", "admin"}, "/v1/approvals/{approval}/decision", {"verdict": "rejected"}),
}


def test_every_request_has_its_row() -> None:
    assert MATRIX.keys() == {route.name for route in ROUTES}


async def test_without_credentials_only_signing_in_is_answered_and_the_description_says_so(database_url: str) -> None:
    """Whatever else is served under /v1 has a row above."""
    described = msgspec.json.decode(document())["paths"]
    opened = {path for path, told in described.items() for each in told.values() if {} in each["security"]}
    assert opened == {"/" + "/".join(path) for path in OPEN} == {"/v1/sign-in", "/v1/oauth/token"}
    async with desk(database_url) as at:
        for path in DESCRIBED:
            assert (await at.ask("GET", "/" + "/".join(path), who=None))[0] == 200
        for path in described.keys() - opened:
            assert (await at.ask("GET", path, who=None))[0] == 401, path


async def people_of(at: Desk, tenant: str, channel: str) -> dict[str, str]:
    """Who has just this scope or role, in this tenant; orders are submitted by its channel."""
    for scope in SCOPES:
        connection = channel if scope == "orders:write" else ""
        await at.admit(f"{tenant}-{scope.replace(':', '-')}", [scope], tenant, connection)
    for role in ROLES:
        await at.employ(f"{tenant} {role}", role, tenants=[tenant])
    return {scope: f"{tenant}-{scope.replace(':', '-')}" for scope in SCOPES} | {r: f"{tenant} {r}" for r in ROLES}


async def test_everybody_may_just_what_the_table_says(database_url: str) -> None:
    async with desk(database_url, order(units=1000), more=TWO_TENANTS) as at:
        at.stage.hub.rules = replace(at.stage.hub.rules, owed=sale_with_leave)
        await at.stage.tell(order("2", units=9), customer("c7"))
        [(approval,)] = at.stage.rows("select id from approval_request where entity = 'order:shop:2'")
        await at.done("1/returns", {"lines": [{"line": "1-0", "units": 500}], "id": "R"})
        own, others = await people_of(at, "main", "market"), await people_of(at, "north", "fair")
        whole = {role: f"whole {role}" for role in ROLES}
        for role, name in whole.items():
            await at.employ(name, role)
        assert (await at.ask("POST", "/v1/orders", ORDER, who=own["orders:write"]))[0] == 202
        await at.stage.settle()
        status, made = await at.ask("POST", "/v1/subscriptions", SUBSCRIPTION_EXAMPLE, who=own["subscriptions:write"])
        assert status == 201
        # Whoever ends a subscription ends it for the requests after it.
        for route in sorted(ROUTES, key=lambda each: each.method == "DELETE"):
            row = MATRIX[route.name]
            operation = (await at.done("1/returns", ONE))["id"]
            event = (await at.ask("POST", f"{made['href']}/test", {}, who=own["subscriptions:write"]))[1].get("event")
            path = row.path.format(operation=operation, approval=approval, subscription=made["id"], event=event)

            async def told(who: str | None, route: Route = route, path: str = path, body: Any = row.body) -> int:
                return (await at.ask(route.method, path, body, who=who, **{"If-Match": '"9"'}))[0]

            for who in sorted(EVERYBODY):
                mine, foreign = await told(own[who]), await told(others[who])
                if who not in row.may or row.whole_house:
                    assert (mine, foreign) == (403, 403), (route.name, who)
                elif route.name == "getOperation":  # somebody else's, whatever their tenant
                    assert (mine, foreign) == (404, 404), who
                elif row.anothers and who in SCOPES:
                    assert (mine, foreign) == (404, 404), (route.name, who)
                elif route.name == "submitOrder":  # each into its own channel
                    assert (mine, foreign) == (409, 202), who
                else:
                    assert mine in LET_IN, (route.name, who, mine)
                    assert foreign == row.unseen, (route.name, who)
                if row.whole_house and who in ROLES:
                    answered = await told(whole[who])
                    assert answered in (LET_IN if who in row.may else (403,)), (route.name, who, answered)
            assert (await told(None), await told("stranger")) == (401, 401), route.name


async def test_approvals_of_another_tenant_are_not_listed(database_url: str) -> None:
    async with desk(database_url, more=TWO_TENANTS) as at:
        at.stage.hub.rules = replace(at.stage.hub.rules, owed=sale_with_leave)
        await at.stage.tell(order("2", units=9))
        await at.employ("Mia", "finance", tenants=["main"])
        await at.employ("Nora", "finance", tenants=["north"])
        assert len((await at.ask("GET", "/v1/approvals", who="Mia"))[1]["approvals"]) == 1
        assert (await at.ask("GET", "/v1/approvals", who="Nora"))[1] == {"approvals": []}
