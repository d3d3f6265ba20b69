"""Money keeps currencies apart, counts in whole minor units, and refuses what it can't hold exactly."""

from __future__ import annotations

import decimal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crossdock.kernel.money import (
    AnyMoney,
    MixedCurrencies,
    Money,
    allocate,
    eur,
    from_decimal,
    minor_digits,
    to_decimal,
    total,
    usd,
)

ONE_EURO: AnyMoney = eur(100)
ONE_DOLLAR: AnyMoney = usd(100)


@pytest.mark.parametrize(
    "mix",
    [
        lambda: ONE_EURO + ONE_DOLLAR,
        lambda: ONE_EURO - ONE_DOLLAR,
        lambda: ONE_EURO < ONE_DOLLAR,
        lambda: ONE_EURO <= ONE_DOLLAR,
        lambda: ONE_EURO > ONE_DOLLAR,
        lambda: total([ONE_EURO, ONE_DOLLAR], "EUR"),
        lambda: total([ONE_DOLLAR], "EUR"),
    ],
)
def test_two_currencies_never_meet_in_one_sum(mix: Any) -> None:
    with pytest.raises(MixedCurrencies, match="convert one of them first"):
        mix()


def test_equal_numbers_of_two_currencies_are_not_equal() -> None:
    assert ONE_EURO != ONE_DOLLAR


def test_a_zero_of_another_currency_is_still_another_currency() -> None:
    with pytest.raises(MixedCurrencies):
        ONE_EURO + Money(0, "USD")


# Each line says whether the type checker must refuse it.
SNIPPET = """\
from crossdock.kernel.money import eur, usd, total
usd(1) + usd(2)
usd(1) + eur(2)  # refused
usd(1) - eur(2)  # refused
usd(1) < eur(2)  # refused
total([usd(1), eur(2)], "USD")  # refused
total([usd(1), usd(2)], "USD")
sum_of_one_kind = usd(1) * 3 - usd(1)
"""


@pytest.mark.timeout(120)
def test_the_type_checker_refuses_a_sum_of_two_currencies(tmp_path: Path) -> None:
    (tmp_path / "sums.py").write_text(SNIPPET)
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "standard"}')
    command = [
        sys.executable,
        "-m",
        "basedpyright",
        "--outputjson",
        "--pythonpath",
        sys.executable,
        "-p",
        str(tmp_path),
    ]
    report = msgspec.json.decode(subprocess.run(command, capture_output=True, check=False).stdout)

    found = {fault["range"]["start"]["line"] for fault in report["generalDiagnostics"] if fault["severity"] == "error"}

    assert found == {number for number, line in enumerate(SNIPPET.splitlines()) if line.endswith("# refused")}


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("12.34", "EUR", 1234),
        ("-0.01", "USD", -1),
        ("12", "EUR", 1200),
        ("12.3", "EUR", 1230),
        ("12.340", "EUR", 1234),
        ("1234", "JPY", 1234),
        ("1234.00", "JPY", 1234),
        ("1.234", "KWD", 1234),
        ("1.2345", "CLF", 12345),
        ("1E+2", "EUR", 10000),
        ("0", "EUR", 0),
        ("-0.00", "EUR", 0),
    ],
)
def test_a_vendors_decimal_string_becomes_whole_minor_units(text: str, currency: str, minor: int) -> None:
    assert from_decimal(text, currency) == Money(minor, currency)
    assert from_decimal(decimal.Decimal(text), currency) == Money(minor, currency)


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("0.001", "EUR"),
        ("0.5", "JPY"),
        ("1.2345", "KWD"),
        ("1.23456", "CLF"),
        ("1." + "0" * 40 + "1", "EUR"),
        ("", "EUR"),
        ("twelve", "EUR"),
        ("12,34", "EUR"),
        ("NaN", "EUR"),
        ("sNaN", "EUR"),
        ("Infinity", "EUR"),
        ("1E+999999", "EUR"),
        ("1E+999999999999999999", "EUR"),
        ("1E-999999", "EUR"),
        ("9" * 40, "EUR"),
        ("92233720368547758.08", "EUR"),
    ],
)
def test_an_amount_that_has_no_whole_minor_units_is_refused_and_never_rounded(text: str, currency: str) -> None:
    with pytest.raises(ValueError, match="amount"):
        from_decimal(text, currency)


def test_the_largest_amount_is_what_a_64_bit_integer_holds() -> None:
    assert from_decimal("92233720368547758.07", "EUR").minor == 2**63 - 1
    assert from_decimal("-92233720368547758.08", "EUR").minor == -(2**63)


@pytest.mark.parametrize(("currency", "digits"), [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("XYZ", 2)])
def test_a_currency_has_the_decimals_iso_4217_gives_it(currency: str, digits: int) -> None:
    assert minor_digits(currency) == digits
    assert str(Money(5, currency)) == f"{decimal.Decimal(5).scaleb(-digits)} {currency}"
    assert -to_decimal(Money(5, currency)).as_tuple().exponent == digits  # pyright: ignore[reportOperatorIssue]


def test_nothing_sums_to_zero_of_the_named_currency() -> None:
    assert total([], "JPY") == Money(0, "JPY")


def test_the_third_of_three_thirds_takes_the_cent() -> None:
    assert [part.minor for part in allocate(usd(100), [1, 1, 1])] == [33, 34, 33]
    assert [part.minor for part in allocate(usd(10), [1, 1, 1])] == [3, 4, 3]


@pytest.mark.parametrize("weights", [[], [0], [0, 0], [1, -1], [3, -1]])
def test_weights_that_split_nothing_are_refused(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="positive sum"):
        allocate(usd(100), weights)


def test_a_weight_of_zero_gets_nothing() -> None:
    assert [part.minor for part in allocate(usd(101), [0, 1, 0, 1, 0])] == [0, 51, 0, 50, 0]
