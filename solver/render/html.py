"""
The plan as one HTML page that needs nothing else: no script, no font, no picture from elsewhere.

Pictures are inline SVG with a table of the same figures beside them. It follows the reader's light or dark setting and
prints on paper.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Sequence

from solver import plan as plans
from solver.render import comparison, money, people, svg

NODES_SHOWN = 40
PODS_SHOWN = 200

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5b6570; --paper: #fff; --line: #d5dae0; --card: #f4f6f8;
  --money: #2f6fb5; --first: #2f6fb5; --second: #d98324; --good: #1f7a3f; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --soft: #9aa5b1; --paper: #14171a; --line: #363d45;
  --card: #1d2226; --money: #6ca8e8; --first: #6ca8e8; --second: #eaa75b; --good: #5fc184; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1240px; padding: 24px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 22px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 32px 0 8px; }
p { margin: 4px 0; color: var(--soft); } code, td.code { font-family: ui-monospace, monospace; font-size: 13px; }
code { overflow-wrap: anywhere; }
.good { color: var(--good); } .short { color: var(--second); } .bad { color: var(--bad); }
.cards { display: flex; flex-wrap: wrap; gap: 12px; margin: 16px 0; }
.cards div { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: 8px 14px; min-width: 130px; }
.cards b { display: block; font-size: 20px; } .cards span { color: var(--soft); font-size: 13px; }
section.both { display: grid; grid-template-columns: minmax(320px, 2fr) minmax(360px, 3fr); gap: 24px; align-items: start; }
@media (max-width: 900px) { section.both { grid-template-columns: 1fr; } }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-size: 12px; color: var(--soft); border-bottom: 2px solid var(--line); padding: 4px 8px; }
td { border-bottom: 1px solid var(--line); padding: 4px 8px; vertical-align: top; overflow-wrap: break-word; }
th.n, td.n { text-align: right; white-space: nowrap; } tr.total td { font-weight: 600; }
.wide { overflow-x: auto; }
svg { width: 100%; height: auto; } svg text { fill: var(--ink); font-size: 12px; dominant-baseline: middle; }
.money { fill: var(--money); } .first { fill: var(--first); } .second { fill: var(--second); }
.rule { stroke: var(--line); } .line { fill: none; stroke: var(--money); stroke-width: 2; }
.floor { stroke: var(--second); stroke-dasharray: 5 4; stroke-width: 2; }
@media print { body { max-width: none; padding: 0; font-size: 11px; } h2, tr, svg { break-inside: avoid; }
  h2 { break-after: avoid; } .cards div { background: none; } }
"""

Row = Sequence[object]


def page(plan: plans.Plan, others: Sequence[comparison.Named] = (), again: str = "") -> str:
    """
    The plan as a page.

    Parameters
    ----------
    plan: the plan.
    others: this plan and those of other policies by name, to be compared.
    again: the command that gives this plan again.
    """
    verdict = people.verdict(plan)
    parts = [_head(plan, verdict), _cards(plan)]
    if plan.create:
        parts += [_kinds(plan), _use(plan)]
    parts += [_gone(plan), _frontier(plan), _left_out(plan)]
    if others:
        parts.append(
            _section("Compared with other policies", _table(comparison.HEADS, _compared(others), comparison.RIGHT))
        )
    parts += [_search(plan), _new_nodes(plan), _kept(plan), _foot(plan, again)]
    body = "\n".join(part for part in parts if part)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_e(verdict)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _e(text: object) -> str:
    return html.escape(str(text))


def _section(title: str, table: str, picture: str = "", note: str = "") -> str:
    head = f"<h2>{_e(title)}</h2>" + (f"<p>{_e(note)}</p>" if note else "")
    if not picture:
        return f'{head}<div class="wide">{table}</div>'
    return f'{head}<section class="both"><figure style="margin:0">{picture}</figure><div class="wide">{table}</div></section>'


def _table(heads: Sequence[str], rows: Iterable[Row], right: Sequence[str] = (), *, total: bool = False) -> str:
    """A table; columns in `right` hold numbers, with `total` the last row is a sum."""
    kinds = [' class="n"' if head in right else "" for head in heads]
    lines = ["".join(f"<td{kind}>{_e(cell)}</td>" for kind, cell in zip(kinds, row, strict=True)) for row in rows]
    body = [f"<tr>{line}</tr>" for line in lines]
    if total and body:
        body[-1] = body[-1].replace("<tr>", '<tr class="total">', 1)
    top = "".join(f"<th{kind}>{_e(head)}</th>" for kind, head in zip(kinds, heads, strict=True))
    return f"<table><thead><tr>{top}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _head(plan: plans.Plan, verdict: str) -> str:
    kind = "bad" if not plan.verification.ok else "short" if plan.unschedulable else "good"
    notes = "".join(f"<p>note: {_e(note)}</p>" for note in plan.notes)
    broken = "".join(f'<p class="bad">broken: {_e(v.message)}</p>' for v in plan.verification.violations)
    return f'<h1 class="{kind}">{_e(verdict)}</h1>{notes}{broken}'


def _cards(plan: plans.Plan) -> str:
    cost = plan.cost
    cards = [
        (len(plan.create), "nodes to create"),
        (len(plan.delete), "nodes to delete"),
        (len(plan.placements), "pods placed"),
        (len(plan.unschedulable), "pods left out"),
        (f"{money.text(cost.after)} €", f"per hour, {money.text(cost.before)} € before" if cost.before else "per hour"),
        (f"{money.monthly(cost.after)} €", "per month of 730 h, without tax"),
        ("–" if cost.gap is None else money.gap(cost.gap), "proven gap"),
    ]
    return (
        '<div class="cards">' + "".join(f"<div><b>{_e(b)}</b><span>{_e(s)}</span></div>" for b, s in cards) + "</div>"
    )


def _kinds(plan: plans.Plan) -> str:
    picture = svg.bars(
        [
            (f"{len(same)} × {key[1]} {key[2]}", key[4] * len(same) / 1e6, f"{money.text(key[4] * len(same))} €/h")
            for key, same in people.kinds(plan.create)
        ],
        "EUR per hour by kind of node",
    )
    table = _table(["NODES", *people.BOUGHT], people.bought(plan.create), ["NODES", *people.BOUGHT[3:]], total=True)
    return _section("What to buy, and what it costs", table, picture)


def _use(plan: plans.Plan) -> str:
    """How full the new nodes are: each one, or each kind when there are many."""
    groups: list[tuple[str, Sequence[plans.NewNode]]] = [(_short(n.name), [n]) for n in plan.create]
    note = "Requests of pods and DaemonSets, as a share of what pods may use."
    if len(groups) > NODES_SHOWN:
        groups = [(f"{len(same)} × {key[1]} {key[2]}", same) for key, same in people.kinds(plan.create)]
    shares = [(name, people.share(nodes, "cpu"), people.share(nodes, "memory")) for name, nodes in groups]
    rows = [(name, f"{100 * cpu:.0f}%", f"{100 * memory:.0f}%") for name, cpu, memory in shares]
    table = _table(["NODES", "CPU", "MEMORY"], rows, ["CPU", "MEMORY"])
    return _section("How full they are", table, svg.pairs(shares, "CPU and memory requested", ("CPU", "memory")), note)


def _gone(plan: plans.Plan) -> str:
    if not plan.delete:
        return ""
    text = _section(
        "What goes",
        _table(["NODE", *people.GONE], people.gone(plan, plan.delete), people.GONE[-2:]),
        svg.bars(
            [
                ("before", plan.cost.before / 1e6, f"{money.text(plan.cost.before)} €/h"),
                ("after", plan.cost.after / 1e6, f"{money.text(plan.cost.after)} €/h"),
            ],
            "EUR per hour before and after",
        ),
    )
    if plan.steps:
        steps = [
            (i, ", ".join(s.launch) or "–", len(s.move), ", ".join(s.delete) or "–", f"{s.seconds} s")
            for i, s in enumerate(plan.steps, 1)
        ]
        heads = ["STEP", "LAUNCH", "PODS MOVED", "DELETE", "TAKES"]
        text += _section("In which order", _table(heads, steps, ["STEP", "PODS MOVED", "TAKES"]))
    return text


def _frontier(plan: plans.Plan) -> str:
    if not plan.frontier:
        return ""
    rows = [(money.text(t.saved), t.moved, t.removed, f"--max-evictions {t.moved}") for t in plan.frontier]
    heads = ["SAVES EUR/HOUR", "PODS MOVED", "NODES REMOVED", "PICK WITH"]
    picture = svg.bars(
        [(f"{t.moved} pods moved", t.saved / 1e6, f"{money.text(t.saved)} €/h") for t in plan.frontier],
        "EUR per hour saved against pods moved",
    )
    return _section("Plans worth choosing from", _table(heads, rows, heads[:3]), picture)


def _left_out(plan: plans.Plan) -> str:
    if not plan.unschedulable:
        return ""
    groups = Counter((u.message, u.reasons, u.relaxations) for u in plan.unschedulable)
    first = {(u.message, u.reasons, u.relaxations): u.pod for u in reversed(plan.unschedulable)}
    rows = [
        (
            number,
            first[key],
            key[0],
            "; ".join(f"{r.node_pool}: {r.constraint}, {r.offers} offers" for r in key[1]) or "–",
            "; ".join(f"{r.change} (+{money.text(r.extra_hourly)} €/h)" for r in key[2]) or "–",
        )
        for key, number in groups.most_common(PODS_SHOWN)
    ]
    picture = svg.bars(
        [(_short(first[key]), number, str(number)) for key, number in groups.most_common(8)],
        "Pods left out, by what keeps them out",
        kind="second",
    )
    heads = ["PODS", "FOR INSTANCE", "WHY", "NODEPOOLS", "WOULD FIT"]
    return _section("Who is left out", _table(heads, rows, ["PODS"]), picture)


def _short(name: str, most: int = 26) -> str:
    """A name that fits beside a bar: its end tells pods apart."""
    return name if len(name) <= most else f"…{name[1 - most :]}"


def _compared(others: Sequence[comparison.Named]) -> list[Row]:
    return [comparison.cells(each, others[0]) for each in others]


def _search(plan: plans.Plan) -> str:
    """How the best cost fell while searching; nothing when no time was taken down."""
    points, seconds = [], 0.0
    for phase in plan.solve.phases:
        seconds += phase.seconds
        if phase.cost is not None:
            points.append((seconds, phase.cost / 1e6))
    if len(points) < 2 or not seconds:
        return ""
    rows = [(p.name, f"{p.seconds:.2f}", "–" if p.cost is None else money.text(p.cost)) for p in plan.solve.phases]
    bound = plan.cost.lower_bound
    floor = None if bound is None or plan.cost.before else bound / 1e6
    picture = svg.steps(points, floor, "Best cost while searching", ("best", "bound"))
    return _section(
        "How it was found", _table(["PHASE", "SECONDS", "BEST AFTER IT"], rows, ["SECONDS", "BEST AFTER IT"]), picture
    )


def _new_nodes(plan: plans.Plan) -> str:
    if not plan.create:
        return ""
    rows = [
        (
            n.name,
            n.flavor,
            n.zone,
            n.node_pool,
            n.ovh_pool,
            len(n.pods),
            people.names(n.pods),
            ", ".join(n.flavor_options),
        )
        for n in plan.create[:PODS_SHOWN]
    ]
    note = f"The first {PODS_SHOWN} of {len(plan.create)}; -o wide lists all." if len(plan.create) > PODS_SHOWN else ""
    heads = ["NODE", "FLAVOR", "ZONE", "NODEPOOL", "OVH POOL", "PODS", "FOR INSTANCE", "FLAVORS THAT WOULD DO"]
    return _section("Each new node", _table(heads, rows, ["PODS"]), note=note)


def _kept(plan: plans.Plan) -> str:
    if not plan.keep:
        return ""
    rows = [(k.node, k.node_pool, k.reason) for k in plan.keep]
    return _section("What stays, and why", _table(["NODE", "NODEPOOL", "REASON"], rows))


def _foot(plan: plans.Plan, again: str) -> str:
    of = plan.inputs
    rows = [
        ("input", of.hash),
        ("pods, of which waiting", f"{of.pods}, {of.pending_pods}"),
        ("nodes", of.nodes),
        ("catalogue", of.catalog),
        ("seed, time limit", f"{of.seed}, {of.time_limit_seconds:g} s"),
        ("version", of.version),
        *((f"left aside: flavor {name}", "no known price") for name in plan.cost.unpriced_flavors),
    ]
    command = f"<p>again: <code>{_e(again)}</code></p>" if again else ""
    return _section("What was asked", _table(["WHAT", "VALUE"], rows)) + command
