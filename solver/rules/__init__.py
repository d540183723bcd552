"""
The scheduling rules, one module each, and the list that names them.

A rule is a module with `name`, `compile` and `explain` (see `rule.Rule`). Those that refuse places stand first, in
the order in which a refusal is blamed; `nodepool` ranks what is left; the rules after it relate pods to other pods
and offers to the fleet.
"""

from __future__ import annotations

from solver.rules import (
    builder,
    context,
    gates,
    host_ports,
    limits,
    min_values,
    node_affinity,
    nodepool,
    ovh,
    pod_affinity,
    pod_anti_affinity,
    resources,
    rule,
    spread,
    taints,
    volumes,
)

RULES: tuple[rule.Rule, ...] = (
    gates,
    taints,
    node_affinity,
    resources,
    volumes,
    host_ports,
    limits,
    min_values,
    ovh,
    pod_affinity,
    pod_anti_affinity,
    spread,
    nodepool,
)


def compile_rules(about: context.Context, rules: tuple[rule.Rule, ...] = RULES) -> builder.Builder:
    """All rules written into one builder, in their order."""
    into = builder.Builder([each.name for each in rules], len(about.classes), len(about.places), about.table)
    for each in rules:
        each.compile(about, into)
    return into


def compile_alone(about: context.Context, built: builder.Builder, each: rule.Rule) -> builder.Builder:
    """One rule written into a builder of its own, as if no other refused anything; `built` has them all."""
    into = builder.Builder([each.name], len(about.classes), len(about.places), about.table, left=built.ok)
    each.compile(about, into)
    return into


def explain_node(about: context.Context, built: builder.Builder, pod_class: int, node: int) -> tuple[str, str] | None:
    """The rule that keeps a class off an existing node and its words, or None when none does by itself."""
    code = int(built.refused[pod_class, node])
    if not code:
        return None
    refusing = next(each for each in RULES if each.name == built.rules[code - 1])
    return refusing.name, refusing.explain(about, pod_class, node)


def explain_offer(about: context.Context, built: builder.Builder, pod_class: int, offer: int) -> tuple[str, str] | None:
    """The rule that keeps a class off an offer and its words, or None when none does by itself."""
    return explain_node(about, built, pod_class, built.nodes + offer)
