"""Counts and percentages of nodes."""

from __future__ import annotations

import pytest

from crds import percent


@pytest.mark.parametrize(
    ("text", "total", "nodes"),
    [
        ("10%", 1, 1),
        ("5%", 10, 1),
        ("10%", 10, 1),
        ("10%", 11, 2),
        ("0%", 10, 0),
        ("100%", 7, 7),
        ("10%", 0, 0),
        ("0", 10, 0),
        ("5", 3, 5),
        (2, 3, 2),
    ],
)
def test_nodes(text, total, nodes):
    """A percentage is rounded up, a count stays what it is."""
    assert nodes == percent.parse(text).of(total)


@pytest.mark.parametrize("text", ["", "%", "101%", "1000%", "-1", "1.5", "10 %", "10%%", "ten", True, -1, 1.5, None])
def test_refused(text):
    """Anything else is refused in one sentence."""
    with pytest.raises(
        percent.PercentError, match='is no number of nodes: write a count such as "5" or a percentage such as "10%"'
    ):
        percent.parse(text)


@pytest.mark.parametrize("text", ["0%", "10%", "7"])
def test_written(text):
    """A share is written as it was read."""
    assert text == str(percent.parse(text))
