"""SQL statements by name, read from the titled files in `sql/`."""

from __future__ import annotations

import re
from importlib import resources
from typing import LiteralString, cast

_TITLE = re.compile(r"^-- (\w+): (.+)$", re.MULTILINE)


def load(file: str) -> dict[str, LiteralString]:
    """The statements of `sql/<file>.sql`; each starts at a line `-- name: what it promises`."""
    text = resources.files("crossdock.store").joinpath("sql", f"{file}.sql").read_text()
    titles = list(_TITLE.finditer(text))
    ends = [title.start() for title in titles[1:]] + [len(text)]
    # The text is ours, shipped in the package; nothing from outside is ever joined to it.
    return {
        title[1]: cast("LiteralString", text[title.end() : end].strip())
        for title, end in zip(titles, ends, strict=True)
    }
