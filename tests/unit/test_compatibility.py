"""What a schema registry promises of each level, with the textbook's changes; and where it is stricter than it must be."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from crossdock.govern.compatibility import LEVELS, Level, conflicts, refused

OLD: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "maxLength": 20},
        "units": {"type": "integer", "minimum": 0},
        "state": {"enum": ["open", "closed"]},
        "note": {"type": "string"},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}, "maxItems": 9},
    },
    "required": ["id", "units"],
    "$defs": {"Line": {"type": "object", "properties": {"sku": {"type": "string"}}, "required": ["sku"]}},
}


def changed(**to: Any) -> dict[str, Any]:
    """The old schema with some fields otherwise (None: without it), and other required ones."""
    new = deepcopy(OLD)
    new["required"] = to.pop("required", OLD["required"])
    for name, schema in to.items():
        new["properties"].pop(name, None)
        if schema is not None:
            new["properties"][name] = schema
    return new


NULLABLE = {"anyOf": [{"type": "string"}, {"type": "null"}]}
# A change, and which of the two directions it keeps.
CHANGES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "nothing": (changed(), {"backward", "forward"}),
    "an optional field is added": (changed(colour={"type": "string"}), {"backward", "forward"}),
    "a required field is added": (
        changed(colour={"type": "string"}, required=["id", "units", "colour"]),
        {"forward"},
    ),
    "an optional field is dropped": (changed(note=None), {"backward", "forward"}),
    "a required field is dropped": (changed(units=None, required=["id"]), {"backward"}),
    "a required field becomes optional": (changed(required=["id"]), {"backward"}),
    "an optional field becomes required": (changed(required=["id", "units", "note"]), {"forward"}),
    "an integer becomes any number": (changed(units={"type": "number", "minimum": 0}), {"backward"}),
    "a text becomes a number": (changed(note={"type": "number"}), set()),
    "a text may be null": (changed(note=NULLABLE), {"backward"}),
    "a value is added": (changed(state={"enum": ["open", "closed", "lost"]}), {"backward"}),
    "a value is dropped": (changed(state={"enum": ["open"]}), {"forward"}),
    "any text instead of a few": (changed(state={"type": "string"}), {"backward"}),
    "a limit is raised": (changed(id={"type": "string", "maxLength": 30}), {"backward"}),
    "a limit is set": (changed(note={"type": "string", "maxLength": 9}), {"forward"}),
    "a list may be longer": (changed(lines={"type": "array", "items": {"$ref": "#/$defs/Line"}}), {"backward"}),
    "a list becomes one thing": (changed(lines={"$ref": "#/$defs/Line"}), set()),
    "unknown fields are refused": (changed() | {"additionalProperties": False}, {"backward", "forward"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_keeps_the_directions_that_the_textbook_says(change: str) -> None:
    new, keeps = CHANGES[change]
    found: set[Level] = {level for level in ("backward", "forward") if not conflicts([("1", OLD)], new, level)}
    assert found == keeps
    assert (not conflicts([("1", OLD)], new, "full")) is (keeps == {"backward", "forward"})
    assert not conflicts([("1", OLD)], new, "none")


def test_only_a_transitive_level_looks_at_versions_before_the_last() -> None:
    first, second, third = changed(note={"type": "number"}), changed(note=None), changed()
    earlier = [("1", first), ("2", second)]
    for level in LEVELS:
        held = not conflicts(earlier, third, level)
        assert held is not level.endswith("_transitive"), level
    [told] = conflicts(earlier, third, "backward_transitive")
    assert str(told).startswith("backward, version 1: note may be number, and only string is read")


def test_by_the_strict_rule_a_field_that_is_declared_later_may_have_been_written_before() -> None:
    """Confluent's default: PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL."""
    new = changed(colour={"type": "string"})
    assert not refused(OLD, new)
    [told] = refused(OLD, new, strict=True)
    assert told.at == "colour"
    assert not refused(OLD | {"additionalProperties": False}, new, strict=True)


def test_a_closed_reader_refuses_what_it_does_not_know() -> None:
    told = refused(changed(colour={"type": "string"}), OLD | {"additionalProperties": False})
    assert [str(each) for each in told] == ["colour is not known, and unknown fields are refused"]


def test_schemas_inside_themselves_come_to_an_end_and_are_compared_to_their_depth() -> None:
    def tree(**more: Any) -> dict[str, Any]:
        branches = {"type": "array", "items": {"$ref": "#/$defs/Tree"}}
        node = {"type": "object", "properties": {"branches": branches, "name": {"type": "string"} | more}}
        return {"$ref": "#/$defs/Tree", "$defs": {"Tree": node}}

    assert not refused(tree(), tree())
    assert [each.at for each in refused(tree(), tree(maxLength=3))] == ["name"]


def test_of_tagged_alternatives_each_is_compared_with_its_own() -> None:
    def tagged(name: str, **more: Any) -> dict[str, Any]:
        return {"type": "object", "properties": {"type": {"const": name}} | more, "required": ["type"]}

    card, cash = tagged("card", number={"type": "string"}), tagged("cash")
    assert not refused({"anyOf": [cash, card]}, {"anyOf": [card, cash, tagged("coupon")]})
    assert refused({"anyOf": [cash, card, tagged("coupon")]}, {"anyOf": [card, cash]})
    assert [each.at for each in refused(card, {"anyOf": [cash, tagged("card", number={"type": "integer"})]})] == [
        "number"
    ]


def test_what_cannot_be_compared_is_taken_for_a_break_and_a_way_out_of_the_document_is_refused() -> None:
    assert refused({"type": "string"}, {"type": "string", "contentEncoding": "base64"})
    with pytest.raises(ValueError, match="leads out of the document"):
        refused(OLD, {"$ref": "https://example.com/schema"})
