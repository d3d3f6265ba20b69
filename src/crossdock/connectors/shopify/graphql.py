"""Asking Shopify's Admin GraphQL: the queries, their cost, and what its errors mean for what happens next."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, TypeVar

import msgspec

from crossdock.connect.link import Answer, Link
from crossdock.connectors.shopify.settings import API_VERSION, Settings
from crossdock.kernel.faults import Fault, Refused, Rejected, Throttled, Transient, Unknown

T = TypeVar("T")

PATH = f"/admin/api/{API_VERSION}/graphql.json"
_SPREAD = re.compile(r"\.\.\.(\w+)")
_RETRY_SECONDS_DEFAULT = 1.0
_FIRST_CALL_POINTS = {
    "FulfillmentCreate": 10,
    "MetafieldsSet": 10,
    "OrderCancel": 10,
    "RefundCreate": 10,
    "OrderFulfillmentOrders": 30,
    "Orders": 100,
    "FulfillmentsOfOrders": 100,
    "ReturnsOfOrders": 100,
}
"""What a call is taken to cost until an answer has told; others 20."""


def _composed() -> dict[str, str]:
    """Each operation's text with the fragments it uses, by the operation's name."""
    folder = files("crossdock.connectors.shopify").joinpath("queries")
    texts = {entry.name.removesuffix(".graphql"): entry.read_text() for entry in folder.iterdir()}
    return {name: _with_fragments(name, texts) for name, text in texts.items() if not text.startswith("fragment")}


def _with_fragments(name: str, texts: Mapping[str, str]) -> str:
    needed = [name]
    for each in needed:
        needed += [spread for spread in _SPREAD.findall(texts[each]) if spread not in needed and spread != "on"]
    return "\n".join(texts[each] for each in dict.fromkeys(needed))


QUERIES = _composed()


class GraphError(msgspec.Struct):
    """An error of the whole request; those of a mutation's input are its `userErrors`."""

    message: str = ""
    extensions: dict[str, Any] = {}

    @property
    def code(self) -> str:
        """Shopify's code; older answers say "Throttled" in words only."""
        return str(self.extensions.get("code") or self.message).upper()


class _ThrottleStatus(msgspec.Struct, rename="camel"):
    currently_available: float = 0.0
    restore_rate: float = 50.0


class Cost(msgspec.Struct, rename="camel"):
    requested_query_cost: float | None = None
    actual_query_cost: float | None = None
    throttle_status: _ThrottleStatus | None = None


class _Extensions(msgspec.Struct):
    cost: Cost | None = None


class _Envelope(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw()
    """Empty when the answer has none, which is not the same as null."""
    errors: list[GraphError] | str = []
    extensions: _Extensions | None = None

    @property
    def cost(self) -> Cost:
        return (self.extensions and self.extensions.cost) or Cost()


class UserError(msgspec.Struct, rename="camel"):
    """What is wrong with a mutation's input; nothing was done."""

    message: str
    field: list[str] | None = None
    code: str | None = None
    element_index: int | None = None

    def rejected(self) -> Rejected:
        return Rejected(f"{self.code}: {self.message}" if self.code else self.message, field=self.path)

    @property
    def path(self) -> str | None:
        return "/".join(self.field) if self.field else None


async def ask(
    operation: str, variables: Mapping[str, object], shape: type[T], link: Link[Settings], *, safe: bool = True
) -> T:
    """One operation's data as its wire type; `safe` when it only reads. Raises a `Fault` for everything else."""
    answer = await link.http.post(
        PATH,
        {"query": QUERIES[operation], "operationName": operation, "variables": variables},
        headers={"X-Shopify-Access-Token": link.settings.access_token.reveal()},
        safe=safe,
        points=link.memory.get(f"points/{operation}") or _FIRST_CALL_POINTS.get(operation, 20),
    )
    if not answer.ok:
        raise _fault_of_status(answer)
    envelope = answer.decode(_Envelope)
    if envelope.errors:
        raise fault_of_errors(envelope.errors, envelope.cost, done_nothing=safe or not bytes(envelope.data), safe=safe)
    _learn_points(operation, envelope.cost, link)
    return _fitting(envelope.data, shape, safe=safe)


def _learn_points(operation: str, cost: Cost, link: Link[Settings]) -> None:
    """Shopify gives back what a query was reckoned to cost beyond what it did cost, so that the actual cost is the pace."""
    if cost.actual_query_cost is not None:
        link.memory[f"points/{operation}"] = max(1, round(cost.actual_query_cost))


def _fitting(data: msgspec.Raw, shape: type[T], *, safe: bool) -> T:
    try:
        return msgspec.json.decode(data, type=shape)
    except (msgspec.DecodeError, RecursionError) as error:
        detail = f"an answer that doesn't fit the question: {error}"
        raise (Transient(detail) if safe else Unknown(detail)) from error


def fault_of_errors(errors: list[GraphError] | str, cost: Cost, *, done_nothing: bool, safe: bool) -> Fault:
    """What follows from a request's errors.

    Without data nothing was executed, says the GraphQL specification: the request itself is wrong. With data, or after an
    internal error, a mutation may have been done.
    """
    listed = [GraphError(message=errors)] if isinstance(errors, str) else errors
    detail = "; ".join(error.message for error in listed)[:500]
    codes = {error.code for error in listed}
    if "THROTTLED" in codes:
        return Throttled(detail, retry_after_seconds=_seconds_until_affordable(cost))
    if codes & {"ACCESS_DENIED", "SHOP_INACTIVE"}:
        return Refused(f"{detail}: grant the app the access scope it names, or reopen the shop")
    if codes & {"INTERNAL_SERVER_ERROR", "TIMEOUT"} or not done_nothing:
        return Transient(detail) if safe else Unknown(detail)
    return Rejected(detail)


def _seconds_until_affordable(cost: Cost) -> float:
    status = cost.throttle_status
    if status is None or cost.requested_query_cost is None or status.restore_rate <= 0:
        return _RETRY_SECONDS_DEFAULT
    lacking = cost.requested_query_cost - status.currently_available
    return min(max(lacking / status.restore_rate, 0.05), 60.0)


def _fault_of_status(answer: Answer) -> Fault:
    """402: the shop is frozen, 404: no such shop or version, 423: locked, 430: Shopify takes us for an attacker."""
    if answer.status in (402, 404, 423, 430):
        return Refused(f"HTTP {answer.status} from {PATH}: check the shop's address, its plan and the API version")
    return answer.rejected()
