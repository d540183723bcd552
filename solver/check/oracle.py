"""
The oracle: whether a plan keeps every rule.

It shares no code with the optimiser and reads only the question (cluster, catalogue, options) and the answer (the
plan). To add a rule, write a module with a function that yields violations, and name it in one of the lists below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from catalog import catalogue
from solver import cluster, options, plan
from solver.check import (
    anti_affinity,
    bookkeeping,
    build,
    disruption,
    facts,
    flavor_options,
    fleet,
    host_ports,
    min_values,
    node_budgets,
    order,
    placing,
    purchase,
    resources,
    spread,
    state,
    steps,
    volumes,
    worth,
)

DOCUMENT_RULES: tuple[Callable[[facts.Facts], Iterator[plan.Violation]], ...] = (
    bookkeeping.pods,
    bookkeeping.names,
    bookkeeping.cost,
    min_values.violations,
    disruption.violations,
    node_budgets.violations,
    worth.violations,
)
"""About the plan as a whole."""

PLACEMENT_RULES: tuple[Callable[[state.State], Iterator[plan.Violation]], ...] = (
    placing.unsupported,
    placing.tolerations,
    placing.node_affinity,
    resources.violations,
    host_ports.violations,
    volumes.violations,
    spread.violations,
    anti_affinity.violations,
    order.violations,
)
"""About the pods that the plan places, in a state of the cluster."""

PURCHASE_RULES: tuple[Callable[[state.State], Iterator[plan.Violation]], ...] = (
    purchase.violations,
    flavor_options.violations,
)
"""About the nodes that the plan creates, in its final state."""


def check(
    snapshot: cluster.Cluster, known: catalogue.Catalogue, answer: plan.Plan, asked: options.Options
) -> plan.Verification:
    """Judge a plan: every rule that it breaks, each with rule, pod and node in a sentence."""
    found = tuple(_violations(facts.gather(snapshot, known, answer, asked)))
    return plan.Verification(ok=not found, violations=found)


def _violations(known: facts.Facts) -> Iterator[plan.Violation]:
    for rule in DOCUMENT_RULES:
        yield from rule(known)
    builder = build.Builder.of(known)
    final = build.final(known, builder)
    # Pods that are placed in turns owe nothing to those that come after them.
    in_turns = known.asked.mode == "provision" and bool(known.answer.steps)
    for judge in () if in_turns else PLACEMENT_RULES:
        yield from judge(final)
    for judge in PURCHASE_RULES:
        yield from judge(final)
    if in_turns or (known.asked.mode == "consolidate" and (known.answer.delete or known.answer.steps)):
        yield from steps.violations(known, builder, PLACEMENT_RULES)
    else:
        standing = fleet.everything(known) - known.deleted.keys()
        yield from fleet.violations(known, standing, known.answer.create)
