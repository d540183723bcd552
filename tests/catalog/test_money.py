"""Prices are exact micro-euro."""

import pytest

from catalog import money


@pytest.mark.parametrize(
    ("text", "micro"),
    [
        ("0.0512", 51_200),
        ("0.5260", 526_000),
        ("25.17", 25_170_000),
        ("42", 42_000_000),
        ("0", 0),
        ("0.0000004", 1),
        ("0.0000015", 2),
        ("0.1234565", 123_457),
        ("1000000", 1_000_000_000_000),
    ],
)
def test_prices_become_micro_euro(text, micro):
    """Exactly, or rounded half up below a micro-euro; a price above zero never becomes zero."""
    assert money.parse(text) == micro


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "1e3", "0,05", "1.", ".5", "nan", "inf", "1 000", "0x1", "1000000.01", "٣", "1" * 40]
)
def test_what_is_no_price(text):
    """Only plain decimal numbers up to a million euro are prices."""
    with pytest.raises(ValueError, match=r".*"):
        money.parse(text)


@pytest.mark.parametrize(("price", "micro"), [(5_120_000, 51_200), (49, 0), (50, 1), (2_517_000_000, 25_170_000)])
def test_prices_of_the_api(price, micro):
    """The price catalogue counts in hundred-millionths."""
    assert money.from_api(price) == micro


@pytest.mark.parametrize(
    ("micro", "decimals", "text"),
    [
        (51_200, 2, "0.0512"),
        (526_000, 4, "0.5260"),
        (25_170_000, 2, "25.17"),
        (42_000_000, 2, "42.00"),
        (34_479, 4, "0.034479"),
    ],
)
def test_prices_for_people(micro, decimals, text):
    """At least the decimals asked for, more where the price has more."""
    assert money.text(micro, decimals) == text


def test_no_decimals():
    """Whole euro may be written without a point."""
    assert money.text(3_000_000, 0) == "3"
