"""Ids stay what they are in every process and version; times are UTC; faults say what happens next."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.kernel import moments
from crossdock.kernel.faults import Fault, Missing, Refused, Rejected, Throttled, Transient, Unknown
from crossdock.kernel.ids import BUCKETS, bucket_of, digest, new_id
from crossdock.kernel.moments import NEVER, from_micros, parse, system_clock, to_micros

ENTITIES = {"order:shop:1001": 11, "order:shop:1002": 177, "customer:shop:7": 32, "": 0, "order:läden:π": 221}


def test_an_entity_keeps_its_bucket_in_every_version() -> None:
    assert {entity: bucket_of(entity) for entity in ENTITIES} == ENTITIES


def test_an_entity_has_the_same_bucket_in_another_process() -> None:
    code = "import sys; from crossdock.kernel.ids import bucket_of; print(*map(bucket_of, sys.argv[1:]))"
    shown = subprocess.run([sys.executable, "-c", code, *ENTITIES], capture_output=True, check=True).stdout
    assert [int(bucket) for bucket in shown.split()] == list(ENTITIES.values())


def test_neighbouring_orders_are_spread_over_all_buckets() -> None:
    held = [0] * BUCKETS
    for number in range(20_000):
        held[bucket_of(f"order:shop:{number}")] += 1
    assert 20 < min(held) <= max(held) < 200


@given(st.text())
def test_every_key_has_a_bucket(entity: str) -> None:
    assert 0 <= bucket_of(entity) < BUCKETS


def test_ids_are_unique_and_sort_by_time() -> None:
    ids = [new_id() for _ in range(2_000)]
    assert ids == sorted(set(ids))


def test_a_digest_is_stable_and_tells_bodies_apart() -> None:
    assert digest(b"order").hex() == "0d8cab5590866173c737912479350968"
    assert digest(b"order") != digest(b"order ")


MICROS = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)


@given(MICROS)
def test_a_moment_survives_as_whole_microseconds(micros: int) -> None:
    assert to_micros(from_micros(micros)) == micros


@given(st.datetimes(), st.datetimes())
def test_microseconds_keep_the_order_of_moments(a: datetime, b: datetime) -> None:
    a, b = a.replace(tzinfo=UTC), b.replace(tzinfo=UTC)
    assert (a < b) == (to_micros(a) < to_micros(b))
    assert from_micros(to_micros(a)) == a


@pytest.mark.parametrize(
    "text", ["2026-03-01T12:00:00Z", "2026-03-01T14:00:00+02:00", "2026-03-01T12:00:00.000000+00:00"]
)
def test_a_time_with_an_offset_is_read_as_utc(text: str) -> None:
    assert parse(text) == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert parse(text).tzinfo is UTC


@pytest.mark.parametrize("text", ["2026-03-01T12:00:00", "2026-03-01", "noon", "", "2026-13-01T00:00:00Z"])
def test_a_time_without_an_offset_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_leaves_the_calendar_in_utc_is_refused_like_any_other_bad_time(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


def test_one_moment_is_one_number_whatever_its_offset() -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert to_micros(noon) == to_micros(noon.astimezone(timezone(timedelta(hours=-7)))) == 1_772_366_400_000_000


def test_never_is_later_than_the_clock() -> None:
    assert system_clock() < NEVER
    assert system_clock().tzinfo is UTC
    assert moments.Clock is not None


@pytest.mark.parametrize(
    "fault",
    [
        Transient("later"),
        Throttled("slower", retry_after_seconds=7.0),
        Rejected("wrong", field="sku", missing=Missing("product", "SKU-9")),
        Refused("no rights"),
        Unknown("who knows", outage=True),
    ],
)
def test_every_fault_tells_what_happened_and_what_happens_next(fault: Fault) -> None:
    assert str(fault) == fault.detail
    assert type(fault).__doc__


def test_being_throttled_is_being_asked_to_come_again_later() -> None:
    assert issubclass(Throttled, Transient)
    assert not issubclass(Unknown, Transient)
