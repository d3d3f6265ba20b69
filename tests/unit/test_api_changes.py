"""An API's description may grow; what takes something from its clients is found, and named by its operation."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import date
from typing import Any

import pytest

from crossdock.govern.api_changes import breaking
from crossdock.govern.limits import EXTENSIBLE

TODAY = date(2026, 11, 22)
Change = Callable[[dict[str, Any]], object]


def described() -> dict[str, Any]:
    problem = {"type": "object", "properties": {"type": {"enum": ["conflict"], EXTENSIBLE: True}}, "required": ["type"]}
    order = {"type": "object", "properties": {"state": {"enum": ["new", "paid"]}}, "required": ["state"]}
    asked = {
        "type": "object",
        "properties": {"sku": {"type": "string"}},
        "required": ["sku"],
        "additionalProperties": False,
    }
    ref = "#/components/schemas/{}"

    def answer(name: str, kind: str = "application/json") -> dict[str, Any]:
        return {"description": "", "content": {kind: {"schema": {"$ref": ref.format(name)}}}}

    limit = {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}}
    path = {"name": "order", "in": "path", "required": True, "schema": {"type": "string"}}
    tag = {"ETag": {"required": True, "schema": {"type": "string"}}}
    return {
        "openapi": "3.1.0",
        "paths": {
            "/v1/orders/{order}": {
                "get": {
                    "security": [{"bearer": []}],
                    "x-right": "orders:read",
                    "parameters": [path, limit],
                    "responses": {"200": answer("Order") | {"headers": tag}, "404": answer("Problem")},
                },
                "put": {
                    "security": [{"bearer": []}],
                    "parameters": [path],
                    "requestBody": {"content": {"application/json": {"schema": {"$ref": ref.format("Asked")}}}},
                    "responses": {"202": answer("Order")},
                },
            },
            "/v1/sign-in": {"post": {"security": [{}], "responses": {"200": answer("Order")}}},
        },
        "components": {"schemas": {"Problem": problem, "Order": order, "Asked": asked}},
    }


GET, PUT = ("/v1/orders/{order}", "get"), ("/v1/orders/{order}", "put")


def at(told: dict[str, Any], operation: tuple[str, str]) -> dict[str, Any]:
    return told["paths"][operation[0]][operation[1]]


def schema(told: dict[str, Any], name: str) -> dict[str, Any]:
    return told["components"]["schemas"][name]


def renamed(told: dict[str, Any]) -> None:
    moved = told["paths"].pop("/v1/orders/{order}")
    moved["get"]["parameters"][0]["name"] = "id"
    told["paths"]["/v1/orders/{id}"] = moved


KEPT: dict[str, Change] = {
    "nothing": lambda told: None,
    "a further operation": lambda told: told["paths"].update({"/v1/prices": {"get": {"responses": {}}}}),
    "a further field in an answer": lambda told: schema(told, "Order")["properties"].update(age={"type": "integer"}),
    "a field that may be sent": lambda told: schema(told, "Asked")["properties"].update(note={"type": "string"}),
    "a query that may be sent": lambda told: at(told, GET)["parameters"].append(
        {"name": "q", "in": "query", "schema": {}}
    ),
    "a further type of problem": lambda told: schema(told, "Problem")["properties"]["type"]["enum"].append("too-old"),
    "a part of the path is called otherwise": renamed,
    "a higher limit": lambda told: at(told, GET)["parameters"][1]["schema"].update(maximum=1000),
    "one refusal less": lambda told: at(told, GET)["responses"].pop("404"),
}
BROKEN: dict[str, tuple[Change, str]] = {
    "an operation is gone": (
        lambda told: told["paths"]["/v1/orders/{order}"].pop("put"),
        "PUT /v1/orders/{} is gone; deprecate it first",
    ),
    "a field must be sent": (
        lambda told: schema(told, "Asked").update(
            properties={"sku": {"type": "string"}, "note": {"type": "string"}}, required=["sku", "note"]
        ),
        "body: note is required",
    ),
    "a field may not be sent any more": (
        lambda told: schema(told, "Asked").update(properties={}, required=[]),
        "body: sku is not known",
    ),
    "a field is told no more": (
        lambda told: schema(told, "Order").update(properties={}, required=[]),
        "200: state is required, and is not written",
    ),
    "a further value of a closed list": (
        lambda told: schema(told, "Order")["properties"]["state"]["enum"].append("lost"),
        "200: state may be 'lost'",
    ),
    "a body must be sent": (lambda told: at(told, PUT)["requestBody"].update(required=True), "body is required now"),
    "a query must be sent": (
        lambda told: at(told, GET)["parameters"].append({"name": "q", "in": "query", "required": True}),
        "query q is required now",
    ),
    "a query is refused": (lambda told: at(told, GET)["parameters"].pop(), "query limit is not taken any more"),
    "a lower limit": (
        lambda told: at(told, GET)["parameters"][1]["schema"].update(maximum=10),
        "query limit may be maximum 100, and maximum 10 is read",
    ),
    "another right": (lambda told: at(told, GET).update({"x-right": "audit:read"}), "takes audit:read now"),
    "credentials": (
        lambda told: told["paths"]["/v1/sign-in"]["post"].update(security=[{"bearer": []}]),
        "takes credentials now",
    ),
    "another status": (
        lambda told: at(told, PUT)["responses"].update({"200": at(told, PUT)["responses"].pop("202")}),
        "202 is not answered any more",
    ),
    "another media type": (
        lambda told: at(told, GET)["responses"]["200"].update(content={"text/csv": {}}),
        "is not told as application/json any more",
    ),
    "a header less": (lambda told: at(told, GET)["responses"]["200"].pop("headers"), "header ETag"),
    "a problem looks otherwise": (
        lambda told: schema(told, "Problem").update(properties={"kind": {"type": "string"}}, required=["kind"]),
        "404: type is required",
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_only_adds_breaks_nobody(name: str) -> None:
    after = described()
    KEPT[name](after)
    assert [str(each) for each in breaking(described(), after, TODAY)] == []


@pytest.mark.parametrize("name", BROKEN)
def test_what_takes_something_away_is_found(name: str) -> None:
    change, told = BROKEN[name]
    after = described()
    change(after)
    assert any(told in str(each) for each in breaking(described(), after, TODAY))


@pytest.mark.parametrize(("deprecated", "sunset", "may_go"), [(True, "2026-11-22", True), (True, "2026-11-23", False), (False, "2026-11-22", False), (True, "", False)])  # noqa: E501 # fmt: skip
def test_an_operation_may_go_when_it_was_deprecated_and_its_day_has_come(
    deprecated: bool, sunset: str, may_go: bool
) -> None:
    before = described()
    at(before, PUT).update({"deprecated": deprecated, "x-sunset": sunset})
    after = deepcopy(before)
    told = after["paths"]["/v1/orders/{order}"].pop("put")
    assert told
    assert (breaking(before, after, TODAY) == []) is may_go
