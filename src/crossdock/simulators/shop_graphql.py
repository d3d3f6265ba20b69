"""GraphQL just wide enough for a simulator: exactly the fields asked for, of nodes that are plain mappings.

A real executor takes milliseconds an order; here a query's text is parsed once and then only picked from. Whether the
answers fit Shopify's true schema is a test's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from graphql import (
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    parse,
    value_from_ast_untyped,
)

Node = Mapping[str, Any]
"""An object: values by field name; a callable value is given the field's arguments."""
Variables = Mapping[str, Any]


class RequestError(Exception):
    """The request as a whole is wrong; `code` as in Shopify's `extensions.code`."""

    def __init__(self, message: str, code: str, *, path: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.path = path


@dataclass(frozen=True)
class Field:
    """One field asked for; `on` is the only type it is asked of, where the query says so."""

    name: str
    key: str
    arguments: tuple[tuple[str, ValueNode], ...]
    fields: tuple[Field, ...]
    directives: tuple[tuple[str, tuple[tuple[str, ValueNode], ...]], ...]
    """Each with its arguments."""
    on: str | None

    def values(self, variables: Variables) -> dict[str, Any]:
        """The arguments given, with variables put in; one whose variable is missing counts as not given."""
        return _values(self.arguments, variables)

    def directive(self, name: str, variables: Variables) -> dict[str, Any] | None:
        """The arguments of that directive; None where it isn't given."""
        given = dict(self.directives).get(name)
        return None if given is None else _values(given, variables)


def _values(arguments: Sequence[tuple[str, ValueNode]], variables: Variables) -> dict[str, Any]:
    given = {name: value_from_ast_untyped(node, dict(variables)) for name, node in arguments}
    return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class Operation:
    kind: str
    fields: tuple[Field, ...]


@lru_cache(maxsize=256)
def operations(text: str) -> Mapping[str, Operation]:
    """The operations of a query's text by name."""
    try:
        definitions = parse(text, no_location=True).definitions
    except GraphQLSyntaxError as error:
        raise RequestError(error.message, "parseError") from error
    fragments = {each.name.value: each for each in definitions if isinstance(each, FragmentDefinitionNode)}
    return {
        each.name.value if each.name else "": Operation(each.operation.value, _fields(each.selection_set, fragments))
        for each in definitions
        if isinstance(each, OperationDefinitionNode)
    }


def _fields(
    chosen: SelectionSetNode | None, fragments: Mapping[str, FragmentDefinitionNode], on: str | None = None
) -> tuple[Field, ...]:
    found = list[Field]()
    for each in chosen.selections if chosen else ():
        match each:
            case FieldNode():
                found.append(_field(each, fragments, on))
            case FragmentSpreadNode():
                found += _fields(fragments[each.name.value].selection_set, fragments, on)
            case InlineFragmentNode():
                named = each.type_condition.name.value if each.type_condition else on
                found += _fields(each.selection_set, fragments, named)
            case _:
                raise RequestError("a selection of no known kind", "parseError")
    return tuple(found)


def _field(node: FieldNode, fragments: Mapping[str, FragmentDefinitionNode], on: str | None) -> Field:
    return Field(
        name=node.name.value,
        key=node.alias.value if node.alias else node.name.value,
        arguments=_arguments(node),
        fields=_fields(node.selection_set, fragments),
        directives=tuple((each.name.value, _arguments(each)) for each in node.directives or ()),
        on=on,
    )


def _arguments(node: FieldNode | DirectiveNode) -> tuple[tuple[str, ValueNode], ...]:
    return tuple((each.name.value, each.value) for each in node.arguments or ())


class Picker:
    """Picks what was asked for and counts the objects given out, which is what a query really costs."""

    def __init__(self, variables: Variables) -> None:
        self._variables = variables
        self.objects = 0

    def pick(self, fields: Sequence[Field], node: Node) -> dict[str, Any]:
        self.objects += "hasNextPage" not in node
        return {
            each.key: self._value(each, node)
            for each in fields
            if each.on is None or node.get("__typename") in (None, each.on)
        }

    def _value(self, field: Field, node: Node) -> Any:
        if field.name not in node:
            raise RequestError(f"Field '{field.name}' doesn't exist here", "undefinedField")
        value = node[field.name]
        if callable(value):
            value = cast(Callable[[dict[str, Any]], Any], value)(field.values(self._variables))
        return self._picked(field, value)

    def _picked(self, field: Field, value: Any) -> Any:
        if isinstance(value, Mapping):
            return self.pick(field.fields, cast(Node, value))
        if isinstance(value, list) and field.fields:
            return [self._picked(field, each) for each in cast(list[Any], value)]
        return cast(Any, value)


def reckoned_cost(operation: Operation, variables: Variables) -> int:
    """What Shopify reckons beforehand: an object 1, a connection 2 and its objects `first` times, a mutation 10."""
    if operation.kind == "mutation":
        return 10 * len(operation.fields)
    return sum(_cost(each, variables) for each in operation.fields)


def _cost(field: Field, variables: Variables) -> int:
    if not field.fields or field.name == "pageInfo":
        return 0
    inside = sum(_cost(each, variables) for each in field.fields)
    given = field.values(variables)
    count = given.get("first", given.get("last"))
    if count is None:
        return inside if field.name == "edges" else 1 + inside
    if count > 250:
        raise RequestError("first cannot exceed 250", "MAX_COST_EXCEEDED")
    is_connection = any(each.name in ("nodes", "edges") for each in field.fields)
    return 2 + count * inside if is_connection else count * (1 + inside)
