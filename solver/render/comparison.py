"""Several answers side by side: what-ifs of one input, or policies for one question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from solver import plan as plans
from solver.render import columns, document, money

API_VERSION = "karpenter.ovhcloud.sh/comparison.v1alpha1"
KIND = "Comparison"

Named = tuple[str, plans.Plan]

HEADS = [
    "ANSWER",
    "NODES",
    "FLAVORS",
    "PODS PLACED",
    "LEFT OUT",
    "EUR/HOUR",
    "EUR/MONTH",
    "AGAINST FIRST",
    "GAP",
    "STATUS",
]
RIGHT = ["NODES", "PODS PLACED", "LEFT OUT", "EUR/HOUR", "EUR/MONTH", "AGAINST FIRST", "GAP"]


def table(named: Sequence[Named], *, what: str = HEADS[0]) -> str:
    """One line for each answer; costs are those of the whole fleet, and are held against the first line's."""
    return columns.table([what, *HEADS[1:]], [cells(each, named[0]) for each in named], right=RIGHT)


def own_notes(named: Sequence[Named]) -> list[tuple[str, str]]:
    """What is noted of some answers and not of all, with the names of those."""
    shared = set(named[0][1].notes).intersection(*(plan.notes for _, plan in named))
    return [(name, note) for name, plan in named for note in plan.notes if note not in shared]


def cells(each: Named, first: Named) -> tuple[str, ...]:
    """The cells of one answer, as in `HEADS`."""
    name, plan = each
    change = len(plan.create) - len(plan.delete)
    before = first[1].cost.after
    against = "-" if each is first or not before else f"{100 * (plan.cost.after - before) / before:+.1f}%"
    return (
        name,
        f"{change:+d}" if plan.delete else str(len(plan.create)),
        flavors(plan),
        str(len(plan.placements)),
        str(len(plan.unschedulable)),
        money.text(plan.cost.after),
        money.monthly(plan.cost.after),
        against,
        "-" if plan.cost.gap is None else money.gap(plan.cost.gap),
        plan.status if plan.verification.ok else f"breaks {plan.verification.violations[0].rule}",
    )


def flavors(plan: plans.Plan, most: int = 3) -> str:
    """The flavors that a plan buys with their numbers, most first."""
    counts: dict[str, int] = {}
    for node in plan.create:
        counts[node.flavor] = counts.get(node.flavor, 0) + 1
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    shown = [f"{number} x {flavor}" for flavor, number in ordered[:most]]
    return ", ".join([*shown, *(["…"] if len(ordered) > most else [])]) or "-"


def to_document(named: Sequence[Named]) -> dict[str, Any]:
    """All answers as one document, each with its name and its whole plan."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "items": [{"name": name, "plan": document.to_document(plan)} for name, plan in named],
    }


def compared(others: Sequence[Named]) -> dict[str, Any]:
    """What a plan's document says of other policies: the key `compared`, or nothing when none was asked."""
    if not others:
        return {}
    return {
        "compared": [
            {
                "policy": name,
                "nodes": len(plan.create),
                "placed": len(plan.placements),
                "unschedulable": len(plan.unschedulable),
                "afterHourly": money.hourly(plan.cost.after),
                "verification": {"ok": plan.verification.ok, "violations": len(plan.verification.violations)},
            }
            for name, plan in others
        ]
    }
