"""
minValues: the flavor options of a new node offer at least so many different values of a label.

Counted over what the flavors say about the label; a zone counts for each zone that a flavor can be bought in. Under
the policy BestEffort nothing is demanded. Source: Karpenter core, `pkg/cloudprovider/types.go`.
"""

from __future__ import annotations

from collections.abc import Iterator

from solver import plan
from solver.check import facts, market, pools

RULE = "min-values"


def violations(known: facts.Facts) -> Iterator[plan.Violation]:
    """New nodes whose flavor options leave too little choice."""
    if known.asked.min_values_policy != "Strict":
        return
    for new in known.answer.create:
        pool = known.node_pools.get(new.node_pool)
        for key, minimum in pool.min_values if pool is not None else ():
            assert pool is not None
            values = {value for flavor in new.flavor_options for value in _values(known, pool, flavor, key)}
            if len(values) < minimum:
                words = f"node {new.name}: minValues requirement is not met for label {key}: {len(values)} of {minimum}"
                yield plan.Violation(RULE, "", new.name, words)


def _values(known: facts.Facts, pool: pools.Pool, flavor: str, key: str) -> set[str]:
    found = (known.offers.offer(pool, flavor, zone) for zone in pool.zones)
    return {each.labels[key] for each in found if isinstance(each, market.Offer) and key in each.labels}
