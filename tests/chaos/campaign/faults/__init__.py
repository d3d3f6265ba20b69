"""The faults a campaign draws from: every module here is one family of them, and is found by itself."""

from __future__ import annotations

import importlib
import pkgutil


def know_all() -> None:
    """Import every module of this folder, so that its faults are on the list."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
