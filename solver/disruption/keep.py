"""Why nodes stay, in upstream's words where it has any: budgets, then pods without another place, then the price."""

from __future__ import annotations

import datetime

import numpy as np

from catalog import catalogue
from solver import build as builds
from solver import cluster, options
from solver import plan as plans
from solver import problem as problems
from solver.disruption import choice as choices

PRICE = "Can't replace with a cheaper node"


def reasons(
    of: cluster.Cluster,
    known: catalogue.Catalogue,
    asked: options.Options,
    choice: choices.Choice,
    build: builds.Build,
    solution: problems.Solution,
) -> tuple[plans.KeptNode, ...]:
    """Every node with a claim that the plan leaves, with its reason, in the order of names."""
    names = {node.name: index for index, node in enumerate(build.problem.nodes)}
    removed = {build.problem.nodes[index].name for index in solution.removed}
    moved = int(build.problem.residents[list(solution.removed)].sum())
    found = []
    for each in choice.found:
        if each.name in choice.going or each.name in removed:
            continue
        why = choice.kept.get(each.name)
        if why is None:
            why = _budget(choice, each.name, removed)
        if why is None:
            until = choices.price(of, known, each, asked.now)[1]
            node = build.problem.nodes[names[each.name]]
            if until is not None and node.removal_cost >= node.price:
                end = datetime.datetime.fromtimestamp(until, datetime.UTC)
                why = f"Node is billed by the month and paid for until {end:%Y-%m-%dT%H:%M:%SZ}"
        if why is None and asked.max_nodes is not None and len(removed) >= (choice.max_nodes or 0):
            why = f"--max-nodes {asked.max_nodes} allows no more"
        if why is None and choice.max_evictions is not None:
            pods = int(build.problem.residents[names[each.name]].sum())
            if moved + pods > choice.max_evictions:
                why = f"--max-evictions {asked.max_evictions} allows no more"
        found.append(plans.KeptNode(each.name, each.pool, why or _place(build, names[each.name]) or PRICE))
    return tuple(sorted(found, key=lambda kept: kept.node))


def _budget(choice: choices.Choice, name: str, removed: set[str]) -> str | None:
    """The reason for disruption that budgets allow no more of, in upstream's words."""
    for limit in choice.limits:
        if name in limit.nodes and len(limit.nodes & removed) >= limit.room:
            return choices.BUDGET.format(choice.removable[name].reason)
    return None


def _place(build: builds.Build, node: int) -> str | None:
    """A pod that no other place would take even if it were alone there."""
    problem = build.problem
    for index, each in enumerate(problem.classes):
        if node not in each.residents:
            continue
        need = problem.requests[index]
        others = problem.node_ok[index] & (need <= np.maximum(problem.node_room, 0)).all(axis=1)
        others[node] = False
        offers = problem.offer_ok[index] & (need <= problem.offer_room).all(axis=1)
        if not others.any() and not offers.any():
            why = _why(build, index)
            return f"Not all pods would schedule, {each.residents[node][0]} => {why} "
    return None


def _why(build: builds.Build, pod_class: int) -> str:
    for offer in range(len(build.problem.offers)):
        found = build.explain_offer(pod_class, offer)
        if found is not None:
            return found[1]
    return "no other node has room for it"
