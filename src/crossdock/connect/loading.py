"""Finds a connector by name: a folder of `crossdock.connectors`, or your own as `package.module:attribute`."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from crossdock.connect.connector import Connector

_BUILT_IN = "crossdock.connectors"
_ATTRIBUTE = "connector"


class NoSuchConnector(LookupError):
    """No connector can be had by this name; the text says why and what to write instead."""


@dataclass(frozen=True)
class Loaded:
    """A connector, and the folder of examples beside it (which may not exist)."""

    connector: Connector[Any]
    examples: Path


def built_in() -> list[str]:
    """The names of the connectors that come with the hub, sorted."""
    package = importlib.import_module(_BUILT_IN)
    return sorted(found.name for found in pkgutil.iter_modules(package.__path__) if found.ispkg)


def load(name: str) -> Loaded:
    """The connector of that name; `NoSuchConnector` when there is none or it can't be imported."""
    module_name, attribute = _address(name)
    module = _imported(module_name, name)
    found: object = getattr(module, attribute, None)
    if not isinstance(found, Connector):
        told = "has no attribute" if found is None else "has something else as"
        raise NoSuchConnector(
            f"{name!r}: module {module_name} {told} {attribute!r}; it must hold a crossdock.connect.connector.Connector"
        )
    return Loaded(cast("Connector[Any]", found), Path(str(module.__file__)).parent / "examples")


def _address(name: str) -> tuple[str, str]:
    module, colon, attribute = name.partition(":")
    if not module or (colon and not attribute):
        raise NoSuchConnector(f"{name!r} names no connector; {_remedy()}")
    if colon or "." in module:
        return module, attribute or _ATTRIBUTE
    if module not in built_in():
        raise NoSuchConnector(f"there is no connector {name!r}; {_remedy()}")
    return f"{_BUILT_IN}.{module}", _ATTRIBUTE


def _imported(module_name: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise NoSuchConnector(_not_found(error, module_name, name)) from error
    except ImportError as error:
        raise NoSuchConnector(f"connector {name!r} can't be imported: {error}") from error


def _not_found(error: ModuleNotFoundError, module_name: str, name: str) -> str:
    missing = str(error.name)
    if module_name == missing or module_name.startswith(f"{missing}."):
        return f"connector {name!r}: there is no module {missing}; install it where the hub runs, or {_remedy()}"
    return f"connector {name!r} needs the module {missing}; install it where the hub runs"


def _remedy() -> str:
    return f"use one of {', '.join(built_in())}, or name your own as package.module:attribute"
