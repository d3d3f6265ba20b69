"""Every setting there is, as a page: `python -m crossdock.govern.configuration --write` (or `--check`)."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Collection, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import cast

import msgspec
from msgspec import inspect as shapes

from crossdock.connect.loading import built_in, load
from crossdock.connect.secrets import Secret
from crossdock.govern.api_settings import ApiSettings, Deprecation
from crossdock.govern.connections import Pace, SweepTerms
from crossdock.govern.generated import write_or_check
from crossdock.govern.observing import ObserveSettings
from crossdock.govern.outside import OutsideSettings, SubscriptionSettings
from crossdock.govern.own import OWN_CONNECTOR
from crossdock.govern.settings import Governance, HubSettings
from crossdock.govern.tenants import Tenant
from crossdock.promises.policy import Deadlines, PickupTerms, Policy, Roles
from crossdock.promises.terms import ALWAYS, Recognition, ReturnTerms

PAGE = Path("docs/howto/configure.md")

Struct = type[msgspec.Struct]

# What every connector means by these names, unless its own settings say it better.
_SHARED = {
    "url": "The system's address.",
    "timeout_seconds": "A call without an answer for this long has an unknown outcome.",
    "calls_per_second": "The call budget, shared by all hub processes.",
    "burst": "How many calls may go at once after a pause.",
    "webhook_secrets": "What its webhooks are signed with; several while they are being rotated.",
}


def page() -> str:
    """The whole page, in Markdown."""
    head = resources.files("crossdock.govern").joinpath("configuration.md").read_text(encoding="utf-8")
    return "\n".join([head, *_hub(), *_policy(), *_api(), *_connections()]).rstrip() + "\n"


def _hub() -> Iterator[str]:
    yield from _section("[hub]", HubSettings)


def _api() -> Iterator[str]:
    yield from _section("[api]", ApiSettings, without=("deprecated",))
    yield from _section("[api.deprecated.<operation>]", Deprecation)
    yield from _section("[governance]", Governance)
    yield from _section("[observe]", ObserveSettings)
    yield from _section("[tenants.<name>]", Tenant)
    yield from _section("[outside]", OutsideSettings)
    yield from _section("[subscriptions]", SubscriptionSettings)


def _policy() -> Iterator[str]:
    yield from _section("[roles]", Roles)
    yield from _section("[policy]", Policy, without=("roles", "deadlines", "returns", "recognition", "pickup"))
    yield from _section("[policy.deadlines]", Deadlines)
    yield from _section("[policy.pickup]", PickupTerms)
    yield from _section("[[policy.returns]]", ReturnTerms)
    yield from _section("[[policy.recognition]]", Recognition)


def _connections() -> Iterator[str]:
    yield "## `[connections.<name>]`"
    yield ""
    yield "One account on one system. `connector` names a built-in connector or your own (`package.module`, or"
    yield "`package.module:attribute`); the name you choose becomes part of every id, so it is lower-case letters,"
    yield "digits and `_`, and stays. What the hub itself reads of every connection:"
    yield ""
    yield "| key | is | default | means |"
    yield "| --- | --- | --- | --- |"
    yield "| `connector` | text | **needed** | Which connector speaks to it. |"
    for each in _fields(Pace):
        if each.name not in _SHARED:
            yield _row(each, notes_of(Pace))
    yield ""
    yield from _section("[connections.<name>.sweep]", SweepTerms)
    for name in built_in():
        if name == OWN_CONNECTOR:
            continue
        yield from _connector(name)


def _connector(name: str) -> Iterator[str]:
    settings = load(name).connector.settings
    yield f'### `connector = "{name}"`'
    yield ""
    yield from _table(settings)


def _section(title: str, struct: Struct, without: Collection[str] = ()) -> Iterator[str]:
    yield f"## `{title}`"
    yield ""
    yield from _table(struct, without)


def _table(struct: Struct, without: Collection[str] = ()) -> Iterator[str]:
    told = inspect.getdoc(struct) or ""
    yield _unlabelled(told)
    yield ""
    yield "| key | is | default | means |"
    yield "| --- | --- | --- | --- |"
    notes = _SHARED | notes_of(struct)
    for each in _fields(struct):
        if each.name not in without:
            yield _row(each, notes)
    yield ""


def _fields(struct: Struct) -> tuple[shapes.Field, ...]:
    found = shapes.type_info(struct)
    assert isinstance(found, shapes.StructType)
    return found.fields


def _row(each: shapes.Field, notes: Mapping[str, str]) -> str:
    note = notes.get(each.name, "").replace("\n", " ").replace("|", "\\|")
    return f"| `{each.encode_name}` | {spelt(each.type)} | {_default(each)} | {note} |"


def _default(each: shapes.Field) -> str:
    if each.required:
        return "**needed**"
    value = each.default if each.default is not msgspec.NODEFAULT else each.default_factory()
    if value is None or value in ("", (), {}):
        return "none"
    if value == ALWAYS:
        return "always"
    return f"`{_toml(value)}`"


def _toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return f"{value:_}"
        case str():
            return f'"{value}"'
        case tuple():
            return f"[{', '.join(_toml(each) for each in cast('tuple[object, ...]', value))}]"
        case _:
            return str(value)


def spelt(shape: shapes.Type) -> str:
    """A type as people write it in TOML."""
    match shape:
        case shapes.StrType():
            return "text"
        case shapes.BoolType():
            return "true or false"
        case shapes.IntType():
            return "whole number"
        case shapes.FloatType():
            return "number"
        case shapes.DateTimeType():
            return "date, or time with offset"
        case shapes.CustomType() if shape.cls is Secret:
            return "secret"
        case shapes.LiteralType():
            return " or ".join(f'`"{value}"`' for value in shape.values)
        case shapes.UnionType():
            return " or ".join(spelt(each) for each in shape.types if not isinstance(each, shapes.NoneType))
        case shapes.VarTupleType() | shapes.ListType() | shapes.SetType() | shapes.FrozenSetType():
            return f"list of {spelt(shape.item_type)}"
        case shapes.DictType() if _is_amounts(shape):
            return "amounts by currency"
        case shapes.DictType() if isinstance(shape.key_type, shapes.LiteralType):
            return f"table: {spelt(shape.key_type)} = {spelt(shape.value_type)}"
        case shapes.DictType():
            return f"table of {spelt(shape.value_type)}"
        case _:
            raise TypeError(f"settings of type {shape} have no words yet; add them here")


def _is_amounts(shape: shapes.DictType) -> bool:
    """Whether the keys are ISO currencies, as in `{ USD = "25.00" }`."""
    return isinstance(shape.key_type, shapes.StrType) and shape.key_type.pattern == "^[A-Z]{3}$"


def notes_of(struct: Struct) -> dict[str, str]:
    """The text under each field, as its class has it in the source; a comment in its place says nothing to users."""
    [declared] = ast.parse(textwrap.dedent(inspect.getsource(struct))).body
    assert isinstance(declared, ast.ClassDef)
    notes: dict[str, str] = {}
    for field, below in zip(declared.body, declared.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                notes[name] = inspect.cleandoc(text)
            case _:
                continue
    return notes


def _unlabelled(told: str) -> str:
    """A docstring without the section's name before the colon, which stands above it already."""
    label, colon, text = told.partition(": ")
    return text[:1].upper() + text[1:] if colon and label.startswith("`[") else told


def main() -> int:
    return write_or_check("crossdock.govern.configuration", PAGE, page)


if __name__ == "__main__":
    sys.exit(main())
