"""Quantities: what is accepted, what it amounts to, how it is written back."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kubernetes.utils import quantity as official

from crds import quantity

ACCEPTED = [
    ("0", Fraction(0)),
    ("-0", Fraction(0)),
    ("1", Fraction(1)),
    ("+1", Fraction(1)),
    ("-1", Fraction(-1)),
    ("0.5", Fraction(1, 2)),
    (".5", Fraction(1, 2)),
    ("1.", Fraction(1)),
    ("1.G", Fraction(10**9)),
    ("007", Fraction(7)),
    ("1e3", Fraction(1000)),
    ("1E3", Fraction(1000)),
    ("1e+3", Fraction(1000)),
    ("1e-3", Fraction(1, 1000)),
    ("1.5e2", Fraction(150)),
    ("1E", Fraction(10**18)),
    ("1n", Fraction(1, 10**9)),
    ("1u", Fraction(1, 10**6)),
    ("100m", Fraction(1, 10)),
    ("12k", Fraction(12_000)),
    ("129M", Fraction(129 * 10**6)),
    ("128974848", Fraction(128_974_848)),
    ("123Mi", Fraction(123 * 2**20)),
    ("1.5Gi", Fraction(3 * 2**29)),
    ("1Ki", Fraction(1024)),
    ("1Ti", Fraction(2**40)),
    ("1Pi", Fraction(2**50)),
    ("1Ei", Fraction(2**60)),
    (" 2 ", Fraction(2)),
    (3, Fraction(3)),
    (-3, Fraction(-3)),
    (0.1, Fraction(1, 10)),
    (1e-7, Fraction(1, 10**7)),
    (2.0, Fraction(2)),
]


@pytest.mark.parametrize(("text", "amount"), ACCEPTED)
def test_accepted(text, amount):
    """Every form that Kubernetes accepts is read exactly, numbers as their decimal text."""
    assert amount == quantity.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "+",
        "-",
        ".",
        "1.1.M",
        "1+1.0M",
        "0.1mi",
        "0.1am",
        "aoeu",
        ".5i",
        "1i",
        "-3.01e-",
        "1e",
        "1e1.5",
        "1 Gi",
        "1gb",
        "١",
        "0x10",
        "1_000",
        "1,5",
        "9" * 300,
        True,
        None,
        [],
        {},
        float("nan"),
        float("inf"),
    ],
)
def test_refused(text):
    """What is no quantity is refused in one sentence that quotes it and says what to write."""
    with pytest.raises(
        quantity.QuantityError, match=r"is not a quantity: write a number .* such as 500m, 2 or 4Gi$"
    ) as caught:
        quantity.parse(text)

    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("text", [True, None, [], "x"])
def test_refused_as_units(text):
    """The integer forms refuse what `parse` refuses."""
    with pytest.raises(quantity.QuantityError):
        quantity.resource_units("memory", text)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0.1n", Fraction(1, 10**9)),
        ("-0.1n", Fraction(-1, 10**9)),
        ("1.5n", Fraction(2, 10**9)),
        ("1e-100", Fraction(1, 10**9)),
        ("0." + "0" * 200 + "1", Fraction(1, 10**9)),
    ],
)
def test_rounded_to_a_billionth(text, amount):
    """Who asks for anything gets something: amounts under a billionth are rounded away from zero."""
    assert amount == quantity.parse(text)


@pytest.mark.parametrize("text", ["9Ei", "1e19", "1e999999999", "10000000000000000000000", 2**70, 1e300])
def test_capped(text):
    """Nothing is larger than 2**63 - 1, however it is written, and no exponent costs memory."""
    assert quantity.MAXIMUM == quantity.parse(text) == quantity.whole(text) == quantity.milli(text)
    assert quantity.whole(f"-{text}") == -quantity.MAXIMUM


@pytest.mark.parametrize(
    ("name", "text", "units"),
    [
        ("cpu", "1", 1000),
        ("cpu", 2, 2000),
        ("cpu", 0.25, 250),
        ("cpu", "100m", 100),
        ("cpu", "100.1m", 101),
        ("cpu", "1u", 1),
        ("cpu", "-1.0001", -1001),
        ("memory", "1Gi", 2**30),
        ("memory", "100m", 1),
        ("memory", "1.5", 2),
        ("memory", 128974848, 128_974_848),
        ("pods", "110", 110),
        ("nvidia.com/gpu", "1k", 1000),
    ],
)
def test_units(name, text, units):
    """CPU is counted in thousandths, all else in whole units; both are rounded away from zero."""
    assert units == quantity.resource_units(name, text)


@pytest.mark.parametrize(
    ("name", "units", "text"),
    [
        ("cpu", 0, "0"),
        ("cpu", 4000, "4"),
        ("cpu", 3500, "3500m"),
        ("cpu", -250, "-250m"),
        ("memory", 0, "0"),
        ("memory", 9 * 2**30, "9Gi"),
        ("memory", 13788 * 2**20, "13788Mi"),
        ("memory", 1536 * 2**20, "1536Mi"),
        ("memory", 3 * 1024, "3Ki"),
        ("memory", 1023, "1023"),
        ("memory", -(2**20), "-1Mi"),
        ("ephemeral-storage", 2**40, "1Ti"),
        ("hugepages-2Mi", 2**21, "2Mi"),
        ("pods", 1024, "1024"),
        ("nvidia.com/gpu", 8, "8"),
    ],
)
def test_written(name, units, text):
    """Amounts are written with the largest suffix that is exact; counts carry none."""
    assert text == quantity.format_units(name, units)


@settings(deadline=None)
@given(st.sampled_from(["cpu", "memory", "pods"]), st.integers(-(2**62), 2**62))
def test_written_amounts_are_read_back(name, units):
    """Formatting loses nothing."""
    assert units == quantity.resource_units(name, quantity.format_units(name, units))


official_quantity: Callable[[str], Decimal] = official.parse_quantity
SUFFIXES = ["", "n", "u", "m", "k", "M", "G", "T", "P", "Ki", "Mi", "Gi", "Ti", "Pi"]


@settings(deadline=None)
@given(st.integers(-8000, 8000), st.integers(0, 999), st.sampled_from(SUFFIXES))
def test_agrees_with_the_official_client(number, fraction, suffix):
    """Where the official client is exact and the API server does not round, both say the same."""
    text = f"{number}.{fraction:03d}{suffix}"
    expected = Fraction(official_quantity(text))
    step = Fraction(1, 10**9)
    if expected % step:
        expected += (step - expected % step) if expected > 0 else -(expected % step)

    assert expected == quantity.parse(text)


@settings(deadline=None)
@given(st.text(alphabet="0123456789.+-eEinumkKMGTP ", max_size=12))
def test_any_text_is_a_number_or_refused(text):
    """No text makes anything but a number or a `QuantityError`."""
    try:
        amount = quantity.parse(text)
    except quantity.QuantityError:
        return
    assert abs(amount) <= quantity.MAXIMUM
    assert (amount * 10**9).denominator == 1
    assert abs(quantity.whole(text)) >= abs(amount) or abs(quantity.whole(text)) == quantity.MAXIMUM
