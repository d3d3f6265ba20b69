"""The Admin GraphQL endpoint: credentials, API version, cost bucket, and the answers' envelope."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from crossdock.kernel.ids import new_id
from crossdock.simulators.mischief import Mischief, bulk_plan
from crossdock.simulators.shop_answers import Answers
from crossdock.simulators.shop_cancel_mutation import order_cancel
from crossdock.simulators.shop_connections import Arguments
from crossdock.simulators.shop_graphql import Field, Node, Operation, Picker, RequestError, operations, reckoned_cost
from crossdock.simulators.shop_mutations import fulfillment_create, metafields_set
from crossdock.simulators.shop_refund_mutation import idempotency_key, refund_create
from crossdock.simulators.shop_returns import Returns
from crossdock.simulators.shop_signing import API_VERSION

_QUERY_POINTS_MAX = 1000


class Asked(msgspec.Struct, rename="camel"):
    """A GraphQL request's body."""

    query: str
    operation_name: str = ""
    variables: dict[str, Any] | None = None


def operation_name(_request: web.Request, body: bytes) -> str:
    """What a fault rule can match besides the path."""
    try:
        return msgspec.json.decode(body, type=Asked).operation_name
    except msgspec.DecodeError:
        return ""


class Bucket:
    """Shopify's leaky bucket of query cost, in points."""

    def __init__(
        self, points_max: float, points_per_second: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.points_max = points_max
        self.points_per_second = points_per_second
        self._clock = clock
        self._available = points_max
        self._at = clock()

    @property
    def available(self) -> float:
        now = self._clock()
        self._available = min(self.points_max, self._available + (now - self._at) * self.points_per_second)
        self._at = now
        return self._available

    def take(self, points: float) -> None:
        self._available = self.available - points

    def status(self) -> dict[str, float]:
        return {
            "maximumAvailable": self.points_max,
            "currentlyAvailable": int(self.available),
            "restoreRate": self.points_per_second,
        }


class Endpoint:
    """Answers GraphQL requests; `denied` names root fields the app has no rights to."""

    def __init__(
        self, shop: Returns, mischief: Mischief, bucket: Bucket, *, token: str, throttled_status: int = 200
    ) -> None:
        self.bucket = bucket
        self.token = token
        self.denied = set[str]()
        self._shop = shop
        self._mischief = mischief
        self._throttled_status = throttled_status

    async def answer(self, request: web.Request) -> web.Response:
        if request.match_info["version"] != API_VERSION:
            return _json({"errors": "Not Found"}, 404)
        if request.headers.get("X-Shopify-Access-Token") != self.token:
            return _json(
                {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}, 401
            )
        try:
            asked = msgspec.json.decode(await request.read(), type=Asked)
        except msgspec.DecodeError:
            return _json({"errors": {"query": "Required parameter missing or invalid"}}, 400)
        return self._answered(asked, request)

    def _answered(self, asked: Asked, request: web.Request) -> web.Response:
        variables, reckoned = asked.variables or {}, 0
        try:
            operation = _operation(asked)
            reckoned = reckoned_cost(operation, variables)
            self._afford(reckoned)
            picker = Picker(variables)
            data = {each.key: self._root(each, picker, variables, request) for each in operation.fields}
        except RequestError as wrong:
            return self._refused(wrong, reckoned)
        actual = 10 if operation.kind == "mutation" else picker.objects
        self.bucket.take(actual)
        return _json({"data": data, "extensions": self._cost(reckoned, actual)})

    def _afford(self, reckoned: int) -> None:
        if reckoned > _QUERY_POINTS_MAX:
            limit = f"exceeds the single query max cost limit ({_QUERY_POINTS_MAX})"
            raise RequestError(f"Query cost is {reckoned}, which {limit}.", "MAX_COST_EXCEEDED")
        if reckoned > self.bucket.available:
            raise RequestError("Throttled", "THROTTLED")

    def _root(self, field: Field, picker: Picker, variables: dict[str, Any], request: web.Request) -> Any:
        if field.name in self.denied:
            raise RequestError(f"Access denied for {field.name} field.", "ACCESS_DENIED", path=field.key)
        key = idempotency_key(field.name, field.directive("idempotent", variables))
        found = self._resolve(field.name, field.values(variables), key, request)
        return None if found is None else picker.pick(field.fields, found)

    def _resolve(self, name: str, arguments: Arguments, key: str, request: web.Request) -> Node | None:
        if read := Answers(self._shop.world, self._mischief.lists).roots.get(name):
            return read(arguments)
        match name:
            case "refundCreate":
                self._shop.ledger.append("mutation", name, arguments=arguments, idempotency_key=key)
                return refund_create(self._shop, arguments, key)
            case "fulfillmentCreate":
                self._shop.ledger.append("mutation", name, arguments=arguments)
                return fulfillment_create(self._shop, arguments)
            case "orderCancel":
                self._shop.ledger.append("mutation", name, arguments=arguments)
                return order_cancel(self._shop, arguments)
            case "metafieldsSet":
                self._shop.ledger.append("mutation", name, arguments=arguments)
                plan = bulk_plan(request, self._mischief, len(arguments["metafields"]))
                return metafields_set(self._shop, arguments, plan)
            case _:
                raise RequestError(f"Field '{name}' doesn't exist on type 'QueryRoot' or 'Mutation'", "undefinedField")

    def _refused(self, wrong: RequestError, reckoned: int) -> web.Response:
        error: dict[str, Any] = {"message": wrong.message, "extensions": {"code": wrong.code}}
        body: dict[str, Any] = {"errors": [error], "extensions": self._cost(reckoned, None)}
        if wrong.path is not None:  # found out while executing: the field is null, and there is data
            error["path"] = [wrong.path]
            body["data"] = {wrong.path: None}
        return _json(body, self._throttled_status if wrong.code == "THROTTLED" else 200)

    def _cost(self, reckoned: int, actual: int | None) -> dict[str, Any]:
        status = self.bucket.status()
        return {"cost": {"requestedQueryCost": reckoned, "actualQueryCost": actual, "throttleStatus": status}}


def _operation(asked: Asked) -> Operation:
    known = operations(asked.query)
    if asked.operation_name and asked.operation_name not in known:
        raise RequestError(f"No operation named {asked.operation_name!r}", "BAD_REQUEST")
    return known[asked.operation_name] if asked.operation_name else next(iter(known.values()))


def _json(body: object, status: int = 200) -> web.Response:
    headers = {"X-Shopify-API-Version": API_VERSION, "X-Request-Id": new_id()}
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json", headers=headers)
