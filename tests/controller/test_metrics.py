"""Names that dashboards and alerts rely on, each moved by some code, each told in words; the same for events."""

from __future__ import annotations

import ast
import pathlib

import prometheus_client
import pytest
from prometheus_client import exposition

from controller import metrics, quantiles
from controller.kube import reasons

CODE = [
    path
    for path in (pathlib.Path(__file__).parents[2] / "controller").rglob("*.py")
    if "simulator" not in path.parts and path.name not in ("metrics.py", "reasons.py")
]
TREES = {path: ast.parse(path.read_text()) for path in CODE}

UPSTREAM = {
    "karpenter_nodeclaims_created_total": {"reason", "nodepool", "min_values_relaxed"},
    "karpenter_nodeclaims_terminated_total": {"nodepool", "capacity_type", "zone"},
    "karpenter_nodeclaims_disrupted_total": {
        *("reason", "nodepool", "capacity_type", "consolidation_policy", "termination_mode")
    },
    "karpenter_nodes_created_total": {"nodepool", "zone"},
    "karpenter_nodes_terminated_total": {"nodepool", "zone"},
    "karpenter_nodes_termination_duration_seconds": {"nodepool"},
    "karpenter_nodes_allocatable": set(metrics.AMOUNT_LABELS),
    "karpenter_nodes_total_pod_requests": set(metrics.AMOUNT_LABELS),
    "karpenter_nodes_total_daemon_requests": set(metrics.AMOUNT_LABELS),
    "karpenter_pods_state": set(metrics.POD_LABELS),
    "karpenter_pods_startup_duration_seconds": set(),
    "karpenter_nodepools_limit": {"resource_type", "nodepool"},
    "karpenter_nodepools_usage": {"resource_type", "nodepool"},
    "karpenter_voluntary_disruption_decisions_total": {"decision", "reason", "consolidation_type"},
    "karpenter_voluntary_disruption_eligible_nodes": {"reason"},
    "controller_runtime_reconcile_errors_total": {"controller"},
    "controller_runtime_reconcile_total": {"controller", "result"},
    "controller_runtime_reconcile_time_seconds": {"controller"},
    "karpenter_build_info": {"version", "goversion", "goarch", "commit"},
}
"""What upstream's two dashboards and the seed's guide read (`docs/reference/metrics.md` has all)."""


def declared() -> dict[str, set[str]]:
    """Names as exported, with their labels."""
    found = {each.name: set(each.labels) for each in metrics.scraped()}
    for collector in metrics.REGISTRY._collector_to_names:
        for family in collector.describe() if hasattr(collector, "describe") else ():
            labels: tuple[str, ...] = getattr(collector, "_labelnames", ()) or getattr(collector, "_labels", ())
            found[f"{family.name}_total" if family.type == "counter" else family.name] = set(labels)
    return found


@pytest.mark.parametrize("name", UPSTREAM)
def test_dashboards_of_upstream_find_their_metrics(name):
    """Name and labels are upstream's."""
    assert declared()[name] == UPSTREAM[name]


def test_help_texts_name_every_label():
    """A reader of /metrics needs no other page to know what a label is."""
    for collector in metrics.REGISTRY._collector_to_names:
        for family in collector.describe() if hasattr(collector, "describe") else ():
            for label in getattr(collector, "_labelnames", ()):
                assert label in family.documentation, f"{family.name} does not say what {label} is"


def test_every_metric_is_moved_by_some_code():
    """None of the names in capitals is left over."""
    used = {node.attr for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names = {
        name
        for name, value in vars(metrics).items()
        if name.isupper() and not name.startswith("_") and not name.endswith("_LABELS") and name != "REGISTRY"
        if not isinstance(value, str)
    }

    assert names - used == set()


def test_a_summary_has_quantiles_of_what_was_seen_last():
    """Quantiles as a Go client writes them, besides count and sum of everything."""
    registry = prometheus_client.CollectorRegistry()
    times = quantiles.Quantiles("karpenter_test_seconds", "A test.", ("nodepool",), registry)

    for second in range(1, 1101):
        times.observe(float(second), "general")
    text = exposition.generate_latest(registry).decode()

    assert 'karpenter_test_seconds{nodepool="general",quantile="0.5"} 600.0' in text
    assert 'karpenter_test_seconds{nodepool="general",quantile="1"} 1100.0' in text
    assert 'karpenter_test_seconds_count{nodepool="general"} 1100.0' in text


def test_every_reason_of_an_event_is_declared_and_used():
    """Whoever greps for a reason finds it in the reference, and the other way round."""
    written: set[str] = set()
    for tree in TREES.values():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr in ("event", "fail") and len(node.args) > 1:
                reason = node.args[1]
                if isinstance(reason, ast.Constant) and isinstance(reason.value, str):
                    written.add(reason.value)
    known = {each.name for each in reasons.REASONS}
    texts = {node.value for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.Constant)}

    assert written - known == set()
    assert known - texts == set()
