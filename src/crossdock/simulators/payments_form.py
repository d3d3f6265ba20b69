"""Form-encoded requests with brackets, as the provider takes them, and how it says no."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qsl

_NESTED = re.compile(r"(\w+)\[(\w*)\]")
_WHOLE = re.compile(r"-?\d{1,15}")


class Turned(Exception):
    """The provider says no, with a status and its error object.

    `began`: the endpoint had begun to execute, so that this answer is kept under the idempotency key.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str = "",
        param: str = "",
        began: bool = True,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.began = began
        named = {"code": code, "param": param}
        self.error = {"type": kind, "message": message, **{k: v for k, v in named.items() if v}, **more}


def invalid(message: str, param: str, code: str = "") -> Turned:
    """A parameter that can't be used: nothing has begun."""
    return Turned(message, code=code, param=param, began=False)


class Form:
    """Parameters by name; `metadata[order]` makes {"metadata": {"order": …}}, `expand[]` and `expand[0]` a list."""

    def __init__(self, text: str) -> None:
        self.plain: dict[str, str] = {}
        self.nested: dict[str, dict[str, str]] = {}
        self.lists: dict[str, list[str]] = {}
        for name, value in parse_qsl(text, keep_blank_values=True):
            self._add(name, value)

    def _add(self, name: str, value: str) -> None:
        found = _NESTED.fullmatch(name)
        if found is None:
            self.plain[name] = value
        elif not found[2] or found[2].isdecimal():
            self.lists.setdefault(found[1], []).append(value)
        else:
            self.nested.setdefault(found[1], {})[found[2]] = value

    def only(self, names: Collection[str]) -> None:
        """Refuse what the endpoint doesn't know, as the provider does."""
        for name in (*self.plain, *self.nested, *self.lists):
            if name not in (*names, "expand"):
                raise invalid(f"Received unknown parameter: {name}", name, "parameter_unknown")

    def text(self, name: str, *, among: Collection[str] = ()) -> str | None:
        value = self.plain.get(name)
        if value is not None and among and value not in among:
            raise invalid(f"Invalid {name}: must be one of {', '.join(among)}", name)
        return value

    def whole(self, name: str, *, least: int = 1) -> int | None:
        """A whole number of at least `least`."""
        value = self.plain.get(name)
        if value is None:
            return None
        if not _WHOLE.fullmatch(value):
            raise invalid(f"Invalid integer: {value}", name, "parameter_invalid_integer")
        if int(value) < least:
            raise invalid(f"This value must be greater than or equal to {least}.", name, "parameter_invalid_integer")
        return int(value)

    def truth(self, name: str, default: bool) -> bool:
        value = self.plain.get(name)
        if value not in (None, "true", "false"):
            raise invalid(f"Invalid boolean: {value}", name)
        return default if value is None else value == "true"

    def must(self, name: str) -> str:
        value = self.plain.get(name)
        if not value:
            raise invalid(f"Missing required param: {name}.", name, "parameter_missing")
        return value

    @property
    def metadata(self) -> dict[str, str]:
        """At most 50 keys of 40 characters with values of 500, as documented."""
        given = self.nested.get("metadata", {})
        for key, value in given.items():
            if len(key) > 40 or len(value) > 500:
                raise invalid("Metadata keys have at most 40 characters, values at most 500.", f"metadata[{key}]")
        return given

    @property
    def expand(self) -> list[str]:
        return self.lists.get("expand", [])
