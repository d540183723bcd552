"""The flavor options of a new node leave enough to choose from."""

import pytest

from catalog import labels
from tests.solver import builders as b
from tests.solver.check import verdict


@pytest.mark.parametrize(
    ("key", "least", "options", "kept"),
    [
        (b.TYPE, 2, ("b3-16", "b3-32"), True),
        (b.TYPE, 2, ("b3-16",), False),
        (labels.FAMILY, 2, ("b3-16", "b3-32"), False),
        (b.ZONE, 3, ("b3-16",), True),
        (b.ZONE, 4, ("b3-16",), False),
    ],
)
def test_min_values(key, least, options, kept):
    """The flavor options leave so many values to choose from; a flavor is there in every zone that sells it."""
    pool = b.pool(requirements=[b.requirement(key, "Exists", minValues=least)])

    world = b.cluster(pool, b.pod("web", b.spec(3000)))
    answer = b.plan(world, b.buy(world, "n", ["web"], flavor_options=options))

    assert verdict.broken(world, answer) == (set() if kept else {"min-values"})
    assert verdict.broken(world, answer, min_values_policy="BestEffort") == set()
