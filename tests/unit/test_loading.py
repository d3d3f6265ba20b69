"""A connector is found by name, and when it isn't, the text says what to write instead."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from crossdock.connect.loading import NoSuchConnector, built_in, load


@pytest.mark.parametrize("name", built_in())
def test_every_built_in_connector_is_found_by_the_name_of_its_folder(name: str) -> None:
    loaded = load(name)
    assert loaded.connector.name == name
    assert loaded.examples.name == "examples"
    assert load(f"crossdock.connectors.{name}:connector").connector is loaded.connector


@pytest.fixture
def shop_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the module path with a user's package in it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.startswith("our_shop")]:
        del sys.modules[name]
    folder = tmp_path / "our_shop"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    return folder


ERP = """\
import msgspec
from crossdock.connect.connector import Connector
class Settings(msgspec.Struct): ...
connector = our_erp = Connector("our_erp", Settings)
something = 1
"""


def test_a_connector_of_ones_own_is_found_by_module_and_attribute(shop_code: Path) -> None:
    (shop_code / "erp.py").write_text(ERP)
    assert load("our_shop.erp:our_erp").connector.name == "our_erp"
    assert load("our_shop.erp").connector is load("our_shop.erp:connector").connector
    assert load("our_shop.erp").examples == shop_code / "examples"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("shopfy", r"there is no connector 'shopfy'; use one of .*wms, or name your own as package\.module:attribute"),
        ("", "names no connector; use one of"),
        (":connector", "names no connector"),
        ("our_shop.erp:", "names no connector"),
        ("their_shop.erp:connector", "there is no module their_shop; install it where the hub runs"),
        ("our_shop.pos:connector", r"there is no module our_shop\.pos"),
        ("our_shop.erp:nothing", "has no attribute 'nothing'; it must hold a crossdock.connect.connector.Connector"),
        ("our_shop.erp:something", "has something else as 'something'"),
        ("our_shop.needy", "needs the module not_installed; install it where the hub runs"),
        ("our_shop.torn", "can't be imported: cannot import name 'nothing'"),
    ],
)
def test_a_name_that_leads_nowhere_is_answered_with_the_remedy(name: str, told: str, shop_code: Path) -> None:
    (shop_code / "erp.py").write_text(ERP)
    (shop_code / "needy.py").write_text("import not_installed")
    (shop_code / "torn.py").write_text("from msgspec import nothing")
    with pytest.raises(NoSuchConnector, match=told):
        load(name)
