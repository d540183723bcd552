"""How long changes that would place pods may take after a search."""

import pytest

from solver import changed


@pytest.mark.parametrize(
    ("spent", "seconds"),
    [(0.0, 0.75), (0.25, 0.5), (0.6, 0.3), (2.0, 1.0), (4.0, 1.0), (5.0, 0.5), (6.0, 0.5)],
    ids=["nothing", "soon", "half of a short search", "half", "what is left", "all", "more than all"],
)
def test_seconds_for_changes(spent: float, seconds: float):
    """Of a limit of five: together 0.75 with a short search, half of a longer one, and a little after all of it."""
    assert changed.seconds(5.0, spent) == pytest.approx(seconds)
