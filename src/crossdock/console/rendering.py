"""Pages made of templates: escaped always, strict about names, whole or only their living part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from crossdock.cli.wording import name_of
from crossdock.console import wording
from crossdock.console.asking import Answered, Asked, to
from crossdock.console.masking import masked_text
from crossdock.console.signing_in import Person
from crossdock.console.vendored import addresses

_FILTERS: tuple[Callable[..., str], ...] = (
    wording.age,
    wording.since,
    wording.until,
    wording.moment,
    wording.clock,
    wording.when,
    wording.amount,
    wording.worth,
    wording.count,
    wording.short,
    wording.told,
    wording.field_named,
    wording.trend,
)


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("crossdock.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = made.filters
    filters.update({each.__name__: each for each in _FILTERS}, named=name_of, unnamed=masked_text)
    known: dict[str, Any] = made.globals
    known.update(
        to=to,
        KINDS=wording.KINDS,
        OF_OTHERS=wording.OF_OTHERS,
        REMEDIES=wording.REMEDIES,
        PARTS=wording.PARTS,
        static=addresses(),
    )
    return made


@dataclass
class Pages:
    """All templates; `page` fills one."""

    _made: Environment = field(default_factory=_environment)

    def page(self, template: str, asked: Asked, person: Person | None, *, status: int = 200, **told: Any) -> Answered:
        """A whole page; only its block `live` when a script asks for that."""
        about: Mapping[str, Any] = {"person": person, "asked": asked, "here": asked.path[:1], **told}
        found = self._made.get_template(template)
        if asked.wants_part and "live" in found.blocks:
            text = "".join(found.blocks["live"](found.new_context(dict(about))))
        else:
            text = found.render(about)
        return Answered(status, text.encode())
