"""What one description of an API (OpenAPI 3.1) takes from the clients of another: every change that can break one. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from crossdock.govern.compatibility import Comparison, resolved
from crossdock.govern.limits import Break

Told = Mapping[str, Any]
SUNSET = "x-sunset"
"""On an operation: the day (ISO 8601) from which it may be gone, once it was deprecated."""
RIGHT = "x-right"
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_PART = re.compile(r"\{[^}]*\}")


def breaking(before: Told, after: Told, today: date) -> list[Break]:
    """Each change that breaks a client of `before`; what was deprecated and is past its sunset may go."""
    return list(_Change(before, after, today).breaks())


class _Change:
    def __init__(self, before: Told, after: Told, today: date) -> None:
        self.before, self.after, self.today = before, after, today

    def breaks(self) -> Iterator[Break]:
        now = operations(self.after)
        for name, was in operations(self.before).items():
            if name in now:
                yield from self._operation(" ".join(name), was, now[name])
            elif not self._over(was):
                yield Break(" ".join(name), f"is gone; deprecate it first, with {SUNSET}, and wait for that day")

    def _over(self, operation: Told) -> bool:
        told = str(operation.get(SUNSET, ""))
        return bool(operation.get("deprecated")) and told != "" and date.fromisoformat(told) <= self.today

    def _operation(self, at: str, was: Told, now: Told) -> Iterator[Break]:
        if was.get(RIGHT) != now.get(RIGHT) and now.get(RIGHT):
            yield Break(at, f"takes {now[RIGHT]} now, and took {was.get(RIGHT) or 'nothing'}")
        if not _open(now) and _open(was):
            yield Break(at, "takes credentials now, and took none")
        yield from self._parameters(at, was, now)
        yield from self._body(at, was, now)
        yield from self._answers(at, was, now)

    def _parameters(self, at: str, was: Told, now: Told) -> Iterator[Break]:
        earlier, later = self._named(self.before, was), self._named(self.after, now)
        for (place, name), parameter in later.items():
            held = earlier.get((place, name))
            required = parameter.get("required", False)
            if required and not (held or {}).get("required", False):
                yield Break(f"{at}, {place} {name}", "is required now, and was not")
            if held is not None:
                yield from self._asked(f"{at}, {place} {name}", held.get("schema", True), parameter.get("schema", True))
        for place, name in earlier.keys() - later.keys():
            if place == "query":  # what isn't known is refused
                yield Break(f"{at}, {place} {name}", "is not taken any more")

    def _named(self, document: Told, operation: Told) -> dict[tuple[str, str], Told]:
        """By place and name; what stands in the path goes by where it stands, for nobody sends its name."""
        told = [resolved(document, each) for each in operation.get("parameters", ())]
        found: dict[tuple[str, str], Told] = {}
        for each in told:
            assert isinstance(each, Mapping)
            place, name = str(each["in"]), str(each["name"])
            nth = sum(known == "path" for known, _ in found)
            found[place, str(nth) if place == "path" else name.lower() if place == "header" else name] = each
        return found

    def _body(self, at: str, was: Told, now: Told) -> Iterator[Break]:
        earlier, later = was.get("requestBody", {}), now.get("requestBody", {})
        if later.get("required") and not earlier.get("required"):
            yield Break(f"{at}, body", "is required now, and was not")
        for kind, told in earlier.get("content", {}).items():
            if kind in later.get("content", {}):
                yield from self._asked(
                    f"{at}, body", told.get("schema", True), later["content"][kind].get("schema", True)
                )
            else:
                yield Break(f"{at}, body", f"is not taken as {kind} any more")

    def _answers(self, at: str, was: Told, now: Told) -> Iterator[Break]:
        """Good answers stay what they were. Which refusals there are is no promise, what they look like is."""
        for status, told in was["responses"].items():
            if status not in now["responses"]:
                if status.startswith("2"):
                    yield Break(f"{at}, {status}", "is not answered any more")
                continue
            answer = now["responses"][status]
            for kind, content in told.get("content", {}).items():
                if kind in answer.get("content", {}):
                    schema = answer["content"][kind].get("schema", True)
                    yield from self._told(f"{at}, {status}", schema, content.get("schema", True))
                elif status.startswith("2"):
                    yield Break(f"{at}, {status}", f"is not told as {kind} any more")
            yield from self._headers(f"{at}, {status}", told, answer)

    def _headers(self, at: str, was: Told, now: Told) -> Iterator[Break]:
        for name, header in was.get("headers", {}).items():
            held = resolved(self.before, header)
            if isinstance(held, Mapping) and held.get("required"):
                later = resolved(self.after, now.get("headers", {}).get(name, {}))
                if not (isinstance(later, Mapping) and later.get("required")):
                    yield Break(at, f"need not have the header {name} any more")

    def _asked(self, at: str, was: Any, now: Any) -> Iterator[Break]:
        """What clients send by the old description, the hub reads by the new one."""
        yield from _placed(at, Comparison(self.before, self.after).breaks(was, now, ""))

    def _told(self, at: str, now: Any, was: Any) -> Iterator[Break]:
        """What the hub answers by the new description, clients read by the old one."""
        yield from _placed(at, Comparison(self.after, self.before).breaks(now, was, ""))


def operations(document: Told) -> dict[tuple[str, str], Told]:
    """By method and path; what a part of the path is called makes no difference."""
    return {
        (method.upper(), _PART.sub("{}", path)): operation
        for path, methods in document.get("paths", {}).items()
        for method, operation in methods.items()
        if method in _METHODS
    }


def _open(operation: Told) -> bool:
    """Whether it may be asked by anybody."""
    return not operation.get("security") or {} in operation["security"]


def _placed(at: str, broken: list[Break]) -> Iterator[Break]:
    for each in broken:
        yield Break(f"{at}: {each.at}" if each.at else at, each.why)
