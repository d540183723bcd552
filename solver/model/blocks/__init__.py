"""
One module per building block of `solver.problem`, each with `add(model, problem, variables)`.

`BLOCKS` names them in the order in which they are added. A new block is a new module and a line here; leaving one out
of the list turns it off.
"""

from __future__ import annotations

from collections.abc import Callable

from solver.model.blocks import (
    amounts,
    attraction,
    caps,
    common_domain,
    demand,
    exclusion,
    min_values,
    pools,
    removals,
    spread,
)
from solver.model.cp_sat import cp_model
from solver.model.variables import Variables
from solver.problem import Problem

Add = Callable[[cp_model.CpModel, Problem, Variables], None]

BLOCKS: dict[str, Add] = {
    "demand": demand.add,
    "amounts": amounts.add,
    "removals": removals.add,
    "caps": caps.add,
    "pools": pools.add,
    "spread": spread.add,
    "exclusion": exclusion.add,
    "attraction": attraction.add,
    "common domain": common_domain.add,
    "minimum values": min_values.add,
}
