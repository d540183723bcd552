"""Anti-affinity and host ports: owners and targets are not in one domain, or each such owner costs its weight."""

from __future__ import annotations

from collections.abc import Sequence

from solver.model.cp_sat import cp_model
from solver.model.variables import Place, Variables
from solver.problem import Exclusion, Ints, Mask, Problem


def add(model: cp_model.CpModel, problem: Problem, variables: Variables) -> None:
    """For each exclusion and domain, see `forbid` and `_price`."""
    for exclusion in problem.exclusions:
        for domain, places in variables.domains(exclusion.topology).items():
            if domain < 0:
                continue
            if exclusion.weight is None:
                forbid(model, variables, exclusion, places)
            else:
                _price(model, variables, exclusion, places, exclusion.weight)


def forbid(model: cp_model.CpModel, variables: Variables, exclusion: Exclusion, places: Sequence[Place]) -> None:
    """
    Keep owners and targets apart.

    No planned owner beside a running target, no planned target beside a running owner. Among planned pods one that is
    both is alone; those that are only one of both do not meet.
    """
    owners, targets = exclusion.owners, exclusion.targets.members
    _keep_away(model, variables, owners, exclusion.targets.base, places)
    _keep_away(model, variables, targets, exclusion.owner_base, places)
    both = variables.planned(owners & targets, places)
    others = variables.planned(owners ^ targets, places)
    if both.upper > 1:
        alone = places[0].present if len(places) == 1 else None
        model.add(both.expr <= (1 if alone is None else alone))
    if both.upper and others.upper:
        model.add(others.expr <= others.upper * (1 - both.expr))
    only_owners = variables.some(owners & ~targets, places)
    only_targets = variables.some(targets & ~owners, places)
    if only_owners is not None and only_targets is not None:
        model.add_at_most_one([only_owners, only_targets])


def _keep_away(
    model: cp_model.CpModel, variables: Variables, members: Mask, base: Ints, places: Sequence[Place]
) -> None:
    """Members are planned here only when all places with running pods of `base` go."""
    running = [p for p in places if p.node is not None and base[p.node]]
    if not running:
        return
    some = variables.some(members, places)
    if some is None:
        return
    if any(p.present is None for p in running):
        model.add(some == 0)
        return
    for p in running:
        assert p.present is not None
        model.add_implication(some, ~p.present)


def _price(
    model: cp_model.CpModel, variables: Variables, exclusion: Exclusion, places: Sequence[Place], weight: int
) -> None:
    """Owners cost where a target is; owners that are targets themselves where a second one is."""
    owners, targets = exclusion.owners, exclusion.targets.members
    there = variables.planned(targets, places)
    there.add_sum(variables.running(exclusion.targets.base, places))
    for members, harmless in ((owners & ~targets, 0), (owners & targets, 1)):
        concerned = variables.planned(members, places)
        if not concerned.upper or there.upper <= harmless:
            continue
        met = model.new_int_var(0, concerned.upper, f"met[{exclusion.name},{places[0].name},{harmless}]")
        crowded = model.new_bool_var(f"crowded[{exclusion.name},{places[0].name},{harmless}]")
        model.add(there.expr <= harmless + (there.upper - harmless) * crowded)
        model.add(met >= concerned.expr - concerned.upper * (1 - crowded))
        variables.unmet.add(met, weight, concerned.upper)
