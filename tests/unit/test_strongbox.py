"""What the strongbox promises of secrets at rest."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.govern.settings import settings_from
from crossdock.govern.shaping import BadSettings
from crossdock.govern.strongbox import Strongbox, Unopened, strongbox_of

OLD, NEW = b"old key of at least 32 characters", b"new key of at least 32 characters"
SECRET = "whsec_nobody-reads-this"


@given(st.text(), st.text())
def test_what_is_sealed_is_opened_again_and_never_seen_in_what_is_kept(text: str, about: str) -> None:
    box = Strongbox([NEW])
    sealed = box.seal(text, about)
    assert box.open(sealed, about) == text
    assert len(text) < 3 or text.encode() not in sealed
    assert box.seal(text, about) != sealed


def test_a_key_follows_another_without_a_secret_being_lost() -> None:
    sealed = Strongbox([OLD]).seal(SECRET, "subscription/1")
    both = Strongbox([NEW, OLD])
    assert both.open(sealed, "subscription/1") == SECRET
    assert not both.is_current(sealed)
    rewrapped = both.rewrapped(sealed)
    assert both.is_current(rewrapped)
    assert Strongbox([NEW]).open(rewrapped, "subscription/1") == SECRET
    for without in (lambda: Strongbox([OLD]).open(rewrapped), lambda: Strongbox([NEW]).open(sealed)):
        with pytest.raises(Unopened):
            without()


def test_a_secret_opens_only_as_whose_it_is() -> None:
    box = Strongbox([NEW])
    with pytest.raises(Unopened):
        box.open(box.seal(SECRET, "subscription/1"), "subscription/2")


def test_no_byte_of_what_is_kept_can_be_changed_or_left_out() -> None:
    box = Strongbox([NEW])
    sealed = box.seal(SECRET)
    changed = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(len(sealed))]
    for broken in (*changed, *(sealed[:at] for at in range(len(sealed)))):
        with pytest.raises(Unopened):
            box.open(broken)


def test_without_keys_in_the_settings_one_is_made_that_only_the_hub_reads(tmp_path: Path) -> None:
    settings = settings_from({}, tmp_path / "crossdock.toml")
    sealed = strongbox_of(settings).seal(SECRET)
    assert strongbox_of(settings).open(sealed) == SECRET
    assert (settings.data / "sealing-key").stat().st_mode & 0o777 == 0o600


def test_a_key_that_can_be_guessed_is_refused(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("short")
    with pytest.raises(BadSettings, match=r"hub\.sealing_keys"):
        settings_from({"hub": {"sealing_keys": [f"file:{key}"]}}, tmp_path / "crossdock.toml")
