"""
The plan as the published document (`apiVersion: karpenter.ovhcloud.sh/plan.v1alpha1`), and back.

Every key is always present. `docs/plan.schema.json` describes it for other programs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from crds import quantity
from solver import cluster
from solver import plan as plans
from solver.render import money
from solver.snapshot import yamltext

API_VERSION = "karpenter.ovhcloud.sh/plan.v1alpha1"
KIND = "Plan"

Document = dict[str, Any]


def to_document(plan: plans.Plan) -> Document:
    """The plan as plain dictionaries, keys in the published order; `frontier` only where it was asked for."""
    return _whole(plan) | ({"frontier": [_trade(each) for each in plan.frontier]} if plan.frontier else {})


def _trade(each: plans.Trade) -> Document:
    return {"savedHourly": money.hourly(each.saved), "podsMoved": each.moved, "nodesRemoved": each.removed}


def _whole(plan: plans.Plan) -> Document:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "status": plan.status,
        "inputs": {
            "hash": plan.inputs.hash,
            "pods": plan.inputs.pods,
            "pendingPods": plan.inputs.pending_pods,
            "nodes": plan.inputs.nodes,
            "seed": plan.inputs.seed,
            "timeLimitSeconds": plan.inputs.time_limit_seconds,
            "version": plan.inputs.version,
            "catalog": plan.inputs.catalog,
        },
        "create": [_new_node(n) for n in plan.create],
        "delete": [_gone_node(n) for n in plan.delete],
        "keep": [{"node": k.node, "nodePool": k.node_pool, "reason": k.reason} for k in plan.keep],
        "steps": [
            {"launch": list(s.launch), "delete": list(s.delete), "move": dict(s.move), "seconds": s.seconds}
            for s in plan.steps
        ],
        "placements": dict(plan.placements),
        "unschedulable": [_unschedulable(u) for u in plan.unschedulable],
        "cost": _cost(plan.cost),
        "objective": [_term(t) for t in plan.objective],
        "verification": {
            "ok": plan.verification.ok,
            "violations": [
                {"rule": v.rule, "pod": v.pod or None, "node": v.node or None, "message": v.message}
                for v in plan.verification.violations
            ],
        },
        "solve": {
            "wallSeconds": round(plan.solve.wall_seconds, 3),
            "podClasses": plan.solve.pod_classes,
            "columns": plan.solve.columns,
            "phases": [
                {
                    "name": p.name,
                    "seconds": round(p.seconds, 3),
                    "cost": None if p.cost is None else money.hourly(p.cost),
                }
                for p in plan.solve.phases
            ],
        },
        "notes": list(plan.notes),
    }


def to_json(document: Document) -> str:
    """A document as indented JSON with a final newline."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def to_yaml(document: Document) -> str:
    """A document as YAML."""
    return yamltext.dump([document])


def amounts(values: Mapping[str, int]) -> dict[str, str]:
    """Amounts as Kubernetes quantities."""
    return {name: quantity.format_units(name, amount) for name, amount in values.items()}


def taint(value: cluster.Taint) -> dict[str, str]:
    """A taint as Kubernetes writes it; no value, no key."""
    result = {"key": value.key, "value": value.value, "effect": value.effect}
    if not value.value:
        del result["value"]
    return result


def _new_node(node: plans.NewNode) -> Document:
    return {
        "name": node.name,
        "nodePool": node.node_pool,
        "nodeClass": node.node_class,
        "flavor": node.flavor,
        "zone": node.zone,
        "capacityType": node.capacity_type,
        "hourlyEur": money.hourly(node.hourly),
        "monthlyBilled": node.monthly_billed,
        "labels": dict(node.labels),
        "annotations": dict(node.annotations),
        "taints": [taint(t) for t in node.taints],
        "startupTaints": [taint(t) for t in node.startup_taints],
        "flavorOptions": list(node.flavor_options),
        "requests": amounts(node.requests),
        "allocatable": amounts(node.allocatable),
        "pods": list(node.pods),
        "ovhPool": node.ovh_pool,
        "replaces": list(node.replaces),
    }


def _gone_node(node: plans.GoneNode) -> Document:
    return {
        "node": node.node,
        "nodeClaim": node.node_claim,
        "nodePool": node.node_pool,
        "flavor": node.flavor,
        "zone": node.zone,
        "hourlyEur": money.hourly(node.hourly),
        "reason": node.reason,
        "pods": list(node.pods),
    }


def _unschedulable(pod: plans.Unschedulable) -> Document:
    return {
        "pod": pod.pod,
        "message": pod.message,
        "reasons": [
            {"nodePool": r.node_pool, "message": r.message, "constraint": r.constraint, "offers": r.offers}
            for r in pod.reasons
        ],
        "rules": list(pod.rules),
        "relaxations": [{"change": r.change, "extraHourlyEur": money.hourly(r.extra_hourly)} for r in pod.relaxations],
    }


def _cost(cost: plans.Cost) -> Document:
    return {
        "currency": "EUR",
        "beforeHourly": money.hourly(cost.before),
        "afterHourly": money.hourly(cost.after),
        "createHourly": money.hourly(cost.create),
        "deleteHourly": money.hourly(cost.delete),
        "optimumHourly": None if cost.optimum is None else money.hourly(cost.optimum),
        "lowerBoundHourly": None if cost.lower_bound is None else money.hourly(cost.lower_bound),
        "gap": None if cost.gap is None else round(cost.gap, 6),
        "unpricedFlavors": list(cost.unpriced_flavors),
    }


def _term(term: plans.Term) -> Document:
    result: Document = {"term": term.term, "value": term.value}
    if term.unit is not None:
        result["unit"] = term.unit
    return result
