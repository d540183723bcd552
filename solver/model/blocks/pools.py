"""OVH pools: how many nodes fit into those that exist, how many further pools that takes, and what first use costs."""

from __future__ import annotations

from solver.model.cp_sat import cp_model
from solver.model.variables import Sum, Variables
from solver.problem import Problem


def add(model: cp_model.CpModel, problem: Problem, variables: Variables) -> None:
    """Per kind: nodes <= free + size x further pools; all these <= new_pools; a charge for kinds not there yet."""
    pools = problem.pools
    kinds: dict[int, Sum] = {}
    for place in variables.slots:
        for o, literal in place.pick.items():
            kinds.setdefault(problem.offers[o].pool, Sum()).add(literal, 1, 1)
    new_pools = max(0, pools.new_pools)
    free = {kind: max(0, int(pools.free[kind])) for kind in kinds}
    bounded = {kind for kind in kinds if kinds[kind].upper > free[kind]}
    needed = {kind: -(-(kinds[kind].upper - free[kind]) // max(1, int(pools.size[kind]))) for kind in bounded}
    limited = sum(needed.values()) > new_pools
    further = Sum()
    for kind in bounded:
        size = max(0, int(pools.size[kind]))
        if size == 0:
            model.add(kinds[kind].expr <= free[kind])
        elif limited:
            most = min(needed[kind], new_pools)
            extra = model.new_int_var(0, most, f"pools[{pools.names[kind]}]")
            model.add(kinds[kind].expr <= free[kind] + size * extra)
            further.add(extra, 1, most)
    if further.upper > new_pools:
        model.add(further.expr <= new_pools)
    if not pools.charge:
        return
    for kind, nodes in kinds.items():
        if not pools.exists[kind]:
            first = model.new_bool_var(f"first use[{pools.names[kind]}]")
            for literal in nodes.variables:
                model.add_implication(literal, first)
            variables.pool_charges.add(first, pools.charge, 1)
