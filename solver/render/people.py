"""
The plan for a person: the verdict, what to buy where and for how much, how good that is, who is left out and why.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from crds import quantity
from solver import plan as plans
from solver.render import columns, comparison, money

LEFT_OUT_SHOWN = 10
STEPS_SHOWN = 10
GONE_SHOWN = 20
MOVES_SHOWN = 12
KEPT_SHOWN = 8
RELAXATIONS_SHOWN = 3


def show(
    plan: plans.Plan, *, wide: bool = False, again: str = "", others: Sequence[tuple[str, plans.Plan]] = ()
) -> str:
    """
    The plan as text.

    Parameters
    ----------
    plan: the plan.
    wide: one line per node instead of one per kind of node, with requests, options and pods.
    again: the command that gives this plan again.
    others: this plan and those of other policies, by name.
    """
    parts = [verdict(plan) + "\n"]
    if plan.create:
        parts.append(_nodes(plan.create) if wide else _kinds(plan.create))
    if plan.delete:
        parts.append(_gone(plan, all_of_them=wide))
    if plan.steps and plan.delete:
        if any(step.move for step in plan.steps):
            parts.append(_moves(plan, all_of_them=wide))
        parts.append(_steps(plan.steps, all_of_them=wide))
    if plan.keep:
        parts.append(_kept(plan.keep, all_of_them=wide))
    if plan.frontier:
        parts.append(_frontier(plan))
    parts.append(_cost(plan))
    if others:
        parts.append(comparison.table(others))
    if plan.unschedulable:
        parts.append(_left_out(plan.unschedulable, all_of_them=wide))
    if plan.notes:
        parts.append("".join(f"note: {note}\n" for note in plan.notes))
    if plan.verification.violations:
        parts.append("".join(f"broken: {v.message}\n" for v in plan.verification.violations))
    if again:
        parts.append(f"again: {again}\n")
    return "\n".join(parts)


def verdict(plan: plans.Plan) -> str:
    """One line: what happens to the pods and to the nodes."""
    pods = plan.inputs.pending_pods
    left = len(plan.unschedulable)
    new = {n.name for n in plan.create}
    on_new = sum(1 for place in plan.placements.values() if place in new)
    on_old = len(plan.placements) - on_new
    words = []
    if plan.create:
        words.append(f"{_count(len(plan.create), 'node')} to create for {_count(on_new, 'pod')}")
    if plan.delete:
        words.append(f"{_count(len(plan.delete), 'node')} to delete")
    if on_old:
        words.append(f"{_count(on_old, 'pod')} on nodes that exist")
    if left:
        words.append(f"{_count(left, 'pod')} cannot be placed")
    if not words:
        words.append("nothing to create" if pods else f"nothing to do: {_idle(plan)}")
    return f"{', '.join(words)} ({plan.status}, verification {'ok' if plan.verification.ok else 'FAILED'})"


def _idle(plan: plans.Plan) -> str:
    """Why a plan without pods to place changes nothing."""
    if plan.keep:
        return "no node that may go now would save anything"
    return "no pod waits for a node" if plan.cost.optimum is None else "no node belongs to a NodePool"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 'es' if what.endswith('s') else 's'}"


Kind = tuple[str, str, str, bool, int]
"""NodePool, flavor, zone, whether billed by the month, and micro-euro per hour."""


def kinds(nodes: Sequence[plans.NewNode]) -> list[tuple[Kind, list[plans.NewNode]]]:
    """New nodes by kind, in the order of NodePool, flavor and zone."""
    found: dict[Kind, list[plans.NewNode]] = defaultdict(list)
    for node in nodes:
        found[(node.node_pool, node.flavor, node.zone, node.monthly_billed, node.hourly)].append(node)
    return sorted(found.items())


BOUGHT = ("FLAVOR", "ZONE", "NODEPOOL", "PODS", "CPU", "MEMORY", "EUR/HOUR", "EUR/MONTH")
"""Columns of `bought` after the number of nodes; from PODS on they are figures."""


def bought(nodes: Sequence[plans.NewNode]) -> list[tuple[object, ...]]:
    """How many new nodes of each kind there are, what they hold and what they cost, and a last row with the sums."""
    rows = [
        _bought(same, flavor + (" (monthly)" if monthly else ""), zone, pool)
        for (pool, flavor, zone, monthly, _), same in kinds(nodes)
    ]
    return [*rows, _bought(nodes, "total", "", "")]


def _bought(nodes: Sequence[plans.NewNode], *name: str) -> tuple[object, ...]:
    hourly = sum(n.hourly for n in nodes)
    full = f"{100 * share(nodes, 'cpu'):.0f}%", f"{100 * share(nodes, 'memory'):.0f}%"
    return (len(nodes), *name, sum(len(n.pods) for n in nodes), *full, money.text(hourly), money.monthly(hourly))


def _kinds(nodes: Sequence[plans.NewNode]) -> str:
    return columns.table(["CREATE", *BOUGHT], bought(nodes), right=["CREATE", *BOUGHT[3:]])


def share(nodes: Sequence[plans.NewNode], resource: str) -> float:
    """How much of a resource is requested, as a share of what the nodes have; 0 when they have none."""
    there = sum(n.allocatable.get(resource, 0) for n in nodes)
    return sum(n.requests.get(resource, 0) for n in nodes) / there if there else 0.0


def _nodes(nodes: Sequence[plans.NewNode]) -> str:
    rows = [
        (
            n.name,
            n.flavor,
            n.zone,
            n.node_pool,
            n.ovh_pool,
            len(n.pods),
            f"{_amount(n.requests, 'cpu')}/{_amount(n.allocatable, 'cpu')}",
            f"{_amount(n.requests, 'memory')}/{_amount(n.allocatable, 'memory')}",
            money.text(n.hourly),
            ",".join(n.flavor_options),
            names(n.pods),
        )
        for n in nodes
    ]
    heads = [
        "CREATE",
        "FLAVOR",
        "ZONE",
        "NODEPOOL",
        "OVH POOL",
        "PODS",
        "CPU",
        "MEMORY",
        "EUR/HOUR",
        "FLAVOR OPTIONS",
        "PLACED",
    ]
    return columns.table(heads, rows, right=["PODS", "EUR/HOUR"])


def _amount(amounts: Mapping[str, int], resource: str) -> str:
    if resource == "memory":
        return f"{amounts.get(resource, 0) // (1 << 20)}Mi"
    return quantity.format_units(resource, amounts.get(resource, 0))


def names(pods: Sequence[str]) -> str:
    """The first few names, and how many there are in all."""
    shown = ",".join(pods[:3])
    return shown + (f",… ({len(pods)} in all)" if len(pods) > 3 else "")


GONE = ("FLAVOR", "ZONE", "NODEPOOL", "REASON", "PODS MOVED", "EUR/HOUR")
"""Columns of `gone` after the node's name."""


def gone(plan: plans.Plan, nodes: Sequence[plans.GoneNode]) -> list[tuple[object, ...]]:
    """Nodes of a plan that go, one a row."""
    return [(n.node, n.flavor, n.zone, n.node_pool, n.reason, moved(plan, n), money.text(n.hourly)) for n in nodes]


def moved(plan: plans.Plan, node: plans.GoneNode) -> int:
    """How many pods of a node that goes get another place; others end with it."""
    return sum(pod in plan.placements for pod in node.pods)


def _gone(plan: plans.Plan, *, all_of_them: bool) -> str:
    shown = plan.delete if all_of_them else plan.delete[:GONE_SHOWN]
    rows = gone(plan, shown)
    if len(shown) < len(plan.delete):
        rest = plan.delete[len(shown) :]
        pods, hourly = sum(moved(plan, n) for n in rest), sum(n.hourly for n in rest)
        rows.append((f"… and {len(rest)} more", "", "", "", "", pods, money.text(hourly)))
    return columns.table(["DELETE", *GONE], rows, right=GONE[-2:])


def _moves(plan: plans.Plan, *, all_of_them: bool) -> str:
    """Where the pods of nodes that go are put: one row for each pair of nodes."""
    new = {node.name: node.flavor for node in plan.create}
    pairs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for gone in plan.delete:
        for pod in gone.pods:
            place = plan.placements.get(pod)
            if place is not None:
                pairs[gone.node, f"{place} (new {new[place]})" if place in new else place].append(pod)
    rows = [(source, target, len(pods), names(pods)) for (source, target), pods in pairs.items()]
    shown = rows if all_of_them else rows[:MOVES_SHOWN]
    if len(shown) < len(rows):
        shown = [*shown, (f"… and {len(rows) - len(shown)} more", "", sum(r[2] for r in rows[len(shown) :]), "")]
    return columns.table(["MOVE FROM", "TO", "PODS", "WHICH"], shown, right=["PODS"])


def _kept(nodes: Sequence[plans.KeptNode], *, all_of_them: bool) -> str:
    """Why the other nodes stay; those that stay for the same reason share a row unless all are asked for."""
    if all_of_them:
        return columns.table(["KEEP", "NODEPOOL", "REASON"], [(k.node, k.node_pool, k.reason) for k in nodes])
    same: dict[tuple[str, str], list[str]] = defaultdict(list)
    for kept in nodes:
        same[kept.node_pool, kept.reason].append(kept.node)
    order = sorted(same.items(), key=lambda item: -len(item[1]))
    rows = [(len(found), pool, reason, names(found)) for (pool, reason), found in order[:KEPT_SHOWN]]
    if len(order) > len(rows):
        rest = order[len(rows) :]
        rows.append((sum(len(found) for _, found in rest), "", f"{len(rest)} other reasons (-o wide shows all)", ""))
    return columns.table(["KEEP", "NODEPOOL", "REASON", "NODES"], rows, right=["KEEP"])


def _steps(steps: Sequence[plans.Step], *, all_of_them: bool) -> str:
    shown = steps if all_of_them else steps[:STEPS_SHOWN]
    rows: list[tuple[object, ...]] = [
        (i, names(s.launch) or "-", len(s.move), names(s.delete) or "-", f"{s.seconds}s")
        for i, s in enumerate(shown, 1)
    ]
    if len(shown) < len(steps):
        rest = steps[len(shown) :]
        moves, deletes = sum(len(s.move) for s in rest), sum(len(s.delete) for s in rest)
        rows.append((f"to {len(steps)}", "-", moves, _count(deletes, "node"), f"{sum(s.seconds for s in rest)}s"))
    return columns.table(
        ["STEP", "LAUNCH", "PODS MOVED", "DELETE", "TAKES"], rows, right=["STEP", "PODS MOVED", "TAKES"]
    )


def _frontier(plan: plans.Plan) -> str:
    """The plans worth choosing from, and the flag that picks each."""
    rows = [
        (
            f"{100 * each.saved / max(1, plan.cost.before):.1f}%",
            money.text(each.saved),
            each.moved,
            each.removed,
            f"--max-evictions {each.moved}",
        )
        for each in plan.frontier
    ]
    heads = ["SAVES", "EUR/HOUR", "PODS MOVED", "NODES REMOVED", "PICK WITH"]
    return columns.table(heads, rows, right=["SAVES", "EUR/HOUR", "PODS MOVED", "NODES REMOVED"])


def _cost(plan: plans.Plan) -> str:
    cost = plan.cost
    lines = []
    change = cost.after - cost.before
    if cost.before or plan.delete:
        arrow = f"{money.text(cost.before)} -> {money.text(cost.after)} EUR/hour"
        lines.append(f"cost:  {arrow} ({'+' if change >= 0 else '-'}{money.text(abs(change))})")
        if change < 0:
            part = f"{100 * -change / cost.before:.0f} %"
            lines.append(
                f"saves: {money.monthly(-change)} EUR/month (730 h, without tax), {part} of what the nodes cost"
            )
    else:
        lines.append(
            f"cost:  {money.text(cost.after)} EUR/hour, {money.monthly(cost.after)} EUR/month (730 h, without tax)"
        )
    if cost.lower_bound:
        proof = f"bound: no plan can cost less than {money.text(cost.lower_bound // 100 * 100)} EUR/hour"
        lines.append(f"{proof}; gap {money.gap(cost.gap)}")
    if cost.optimum is not None:
        lines.append(_regret(cost))
    for flavor in cost.unpriced_flavors:
        lines.append(f"left aside: flavor {flavor} has no known price")
    lines.append(
        f"found: {plan.solve.wall_seconds:.2f} s, {_count(plan.solve.pod_classes, 'pod class')}, seed {plan.inputs.seed}, "
        f"catalogue {plan.inputs.catalog}"
    )
    return "\n".join(lines) + "\n"


def _regret(cost: plans.Cost) -> str:
    """How far the fleet is from the cheapest one for the same pods, before and after."""
    assert cost.optimum is not None
    words = f"from zero: the cheapest fleet found for all pods costs {money.text(cost.optimum)} EUR/hour"
    if not cost.optimum:
        return words
    if cost.after == cost.before:
        return f"{words}; the nodes cost {_beyond(cost.after, cost.optimum)} % more"
    before, after = (_beyond(each, cost.optimum) for each in (cost.before, cost.after))
    if cost.before < cost.optimum:
        return f"{words}; after {after} % more"
    return f"{words}; before {before} % more, after {after} %"


def _beyond(price: int, optimum: int) -> str:
    """By how much a price is above the cheapest one, in percent."""
    return f"{100 * (price - optimum) / optimum:.1f}"


def _left_out(pods: Sequence[plans.Unschedulable], *, all_of_them: bool) -> str:
    messages = Counter((u.message, u.reasons, u.rules, u.relaxations) for u in pods)
    first = {(u.message, u.reasons, u.rules, u.relaxations): u.pod for u in reversed(pods)}
    lines = [f"cannot be placed ({len(pods)}):"]
    shown = messages.most_common(None if all_of_them else LEFT_OUT_SHOWN)
    for key, number in shown:
        message, reasons, rules, relaxations = key
        others = f" and {number - 1} more like it" if number > 1 else ""
        lines.append(f"  {first[key]}{others}: {message}")
        for reason in reasons:
            said = "" if reason.message == message else f": {reason.message}"
            lines.append(
                f"    nodepool {reason.node_pool}{said} ({reason.constraint}, {_count(reason.offers, 'offer')})"
            )
        if len(rules) > 1:
            lines.append(f"    forbidden by these rules together: {', '.join(rules)}")
        for relaxation in relaxations[:RELAXATIONS_SHOWN]:
            lines.append(f"    would fit: {relaxation.change} (+{money.text(relaxation.extra_hourly)} EUR/hour)")
    if len(messages) > len(shown):
        lines.append(f"  … and {len(messages) - len(shown)} other reasons (-o wide shows all)")
    return "\n".join(lines) + "\n"
