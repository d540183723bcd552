"""How long changes that would place pods may take after a search."""

from typing import Any

import pytest

from catalog import catalogue
from solver import changed


@pytest.mark.parametrize(
    ("spent", "seconds"),
    [(0.0, 0.75), (0.25, 0.5), (0.6, 0.3), (2.0, 1.0), (4.0, 1.0), (5.0, 0.5), (6.0, 0.5)],
    ids=["nothing", "soon", "half of a short search", "half", "what is left", "all", "more than all"],
)
def test_seconds_for_changes(spent: float, seconds: float):
    """Of a limit of five: together 0.75 with a short search, half of a longer one, and a little after all of it."""
    assert changed.seconds(5.0, spent) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("spent", "left", "stop"), [(0.1, 0.06, False), (0.1, 0.04, True), (5.0, 0.5, False), (5.0, 0.2, True)]
)
def test_no_more_is_asked_when_the_time_is_nearly_over(spent: float, left: float, stop: bool):
    """A question gets a tenth of what the search took, 0.1 s at least; one that had less than half of that would end late."""

    def search(*_: Any) -> Any:
        raise AssertionError("nothing is asked")

    asking = changed.Asking(catalogue.embedded(), search, 10, 2, lambda: left, spent)

    assert asking.stop() is stop
