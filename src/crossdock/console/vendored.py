"""The scripts, styles and pictures of the console: our own and those of others, by their digest, from this package alone."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from crossdock.console.asking import PREFIX, Answered, Asked, Denied

# name: (package and version on npm, licence, SHA-256 of the file as published)
VENDORED = {
    "htmx.min.js": ("htmx.org@2.0.11", "0BSD", "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"),
    "sse.min.js": ("htmx-ext-sse@2.2.4", "0BSD", "98a46496de0c3605fbffdce9167ba427bdd9553184f83f149c261891a92c0136"),
}
_TYPES = {"js": b"text/javascript; charset=utf-8", "css": b"text/css; charset=utf-8", "svg": b"image/svg+xml"}
_FOREVER = (b"cache-control", b"public, max-age=31536000, immutable")


@dataclass(frozen=True)
class Static:
    body: bytes
    zipped: bytes
    content_type: bytes
    digest: str


@cache
def statics() -> dict[str, Static]:
    """Every file beside the templates."""
    folder = resources.files("crossdock.console").joinpath("static")
    return {file.name: _read(file.name, file.read_bytes()) for file in folder.iterdir() if "." in file.name}


def _read(name: str, body: bytes) -> Static:
    kind = _TYPES[name.rpartition(".")[2]]
    return Static(body, gzip.compress(body, mtime=0), kind, hashlib.sha256(body).hexdigest())


def addresses() -> dict[str, str]:
    """Where each is: by its digest, so that a browser keeps it until it changes."""
    return {name: f"{PREFIX}/static/{each.digest[:16]}/{name}" for name, each in statics().items()}


def static(asked: Asked, digest: str, name: str) -> Answered:
    found = statics().get(name)
    if found is None or found.digest[:16] != digest:
        raise Denied(404, "There is no such file", "The hub was updated since this page was made; reload it.")
    if "gzip" in asked.headers.get("accept-encoding", ""):
        return Answered(200, found.zipped, found.content_type, (_FOREVER, (b"content-encoding", b"gzip")))
    return Answered(200, found.body, found.content_type, (_FOREVER,))
