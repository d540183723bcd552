"""The reference, from definitions, command, metrics and reasons: `python -m tests.charts.reference` writes it."""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import click
import yaml

from controller import command, metrics
from controller.kube import reasons
from crds import generate
from tests.charts import rendering

FOLDER = pathlib.Path(__file__).parents[2] / "docs" / "reference"


def rows(schema: dict[str, Any], path: str) -> Iterator[str]:
    """A row for each described field below a schema."""
    for name, field in schema.get("properties", {}).items():
        where = f"{path}.{name}"
        text = " ".join(str(field.get("description", "")).split()).replace("|", "\\|")
        default = f"`{json.dumps(field['default'])}`" if "default" in field else ""
        yield f"| `{where}` | {field.get('type', '')} | {default} | {text} |"
        yield from rows(field, where)
        yield from rows(field.get("items", {}), f"{where}[]")


def pages() -> dict[str, str]:
    """File names and texts."""
    found = {}
    for kind in generate.KINDS:
        top = generate.definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        name = kind.model.__name__
        head = f"# {name}\n\n`{kind.group}/{kind.version}`. {top['description']}\n\n"
        head += "| field | type | default | meaning |\n| --- | --- | --- | --- |\n"
        both = {key: top["properties"][key] for key in ("spec", "status") if key in top["properties"]}
        found[f"{name.lower()}.md"] = head + "\n".join(line for k, v in both.items() for line in rows(v, k)) + "\n"
    lines = ["# Settings of the controller", "", "| flag | variable | default | meaning |", "| --- | --- | --- | --- |"]
    for each in command.controller.params:
        assert isinstance(each, click.Option)
        names = [each.envvar] if isinstance(each.envvar, str) else list(each.envvar or ())
        default = f"`{each.default}`" if isinstance(each.default, (str, int, float)) and each.default != "" else ""
        variables = ", ".join(f"`{name}`" for name in names)
        lines.append(f"| `{'`, `'.join(each.opts)}` | {variables} | {default} | {each.help or ''} |")
    return found | {
        "settings.md": "\n".join(lines) + "\n",
        "metrics.md": metrics_page(),
        "events.md": events_page(),
        "values.md": values_page(),
    }


METRICS_HEAD = """# Metrics

Prometheus metrics on `/metrics` of the metrics port (8080 unless set otherwise; `serviceMonitor.enabled=true` in the chart
makes a ServiceMonitor). Counters count since the start of the replica that leads; the other one exports little more than
`karpenter_ovhcloud_leading`, so that sums over replicas count nothing twice.
`settings.disableClusterStateObservability=true` leaves out those with a series for each pod, node or condition: with
10,000 pods a scrape is 3 MB and takes half a second of CPU.

`prometheusRule.enabled=true` in the chart makes these alerts:

| alert | expression | for | what it means |
| --- | --- | --- | --- |
"""
METRICS_TAIL = """
## What upstream has and this does not export

- `karpenter_pods_provisioning_*`, `karpenter_pods_scheduling_decision_duration_seconds`: one batch decides for all
  waiting pods, so that `karpenter_scheduler_scheduling_duration_seconds` says the same.
- `karpenter_scheduler_queue_depth`, `…_unfinished_work_seconds`: a plan is made as a whole or not at all.
- `karpenter_consolidation_*`: scores of the policy Balanced are not exported.
- `operator_*_status_condition_transitions_total`, `…_transition_seconds`, `operator_*_termination_*`: the ages
  and counts above are exported instead.
- `workqueue_*`, `controller_runtime_*` other than those above: there are no work queues.
- Labels of our own group on `karpenter_nodes_*`: join with `kube_node_labels` where they are needed.
"""


def alerts() -> list[dict[str, Any]]:
    """The rules of the chart's PrometheusRule."""
    (found,) = rendering.of_kind(rendering.render({"prometheusRule": {"enabled": True}}), "PrometheusRule")
    rules: list[dict[str, Any]] = found["spec"]["groups"][0]["rules"]
    return rules


def metrics_page() -> str:
    """Everything that is exported: name, type, labels, help text."""
    known: dict[str, tuple[str, tuple[str, ...], str]] = {}
    for family in metrics.REGISTRY._collector_to_names:
        for each in family.describe() if hasattr(family, "describe") else ():
            name = f"{each.name}_total" if each.type == "counter" else each.name
            known[name] = (
                each.type,
                tuple(getattr(family, "_labelnames", getattr(family, "_labels", ()))),
                each.documentation,
            )
    for scraped in metrics.scraped():
        known[scraped.name] = ("gauge", scraped.labels, scraped.text)
    text = METRICS_HEAD + "\n".join(
        f"| `{each['alert']}` | `{each['expr']}` | {each.get('for', '')} | {each['annotations']['summary']} |"
        for each in alerts()
    )
    text += "\n"
    for title, ours in (("Of this controller alone", True), ("With upstream's names", False)):
        text += f"\n## {title}\n\n| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n"
        for name, (kind, labels, documentation) in sorted(known.items()):
            if name.startswith("karpenter_ovhcloud_") == ours:
                text += f"| `{name}` | {kind} | {', '.join(f'`{each}`' for each in labels)} | {documentation} |\n"
    return text + METRICS_TAIL


EVENTS_HEAD = """# Events

Events are put on the objects that people look at: `kubectl describe pod` says why a pod waits or which node comes,
`kubectl describe nodeclaim` why it is this flavor. Those of pods are in the pod's namespace; those of Nodes, NodePools,
NodeClaims and OVHNodeClasses, which have no namespace, are in `default`. Warnings about these are put on the controller's own
Pod as well, so that `kubectl get events -n karpenter` shows what goes wrong. All of them:
`kubectl get events -A --field-selector reportingComponent=karpenter`. The same event on the same object is not repeated for
two minutes unless said otherwise.

| reason | on | type | upstream | when, and what it says |
| --- | --- | --- | --- | --- |
"""


VALUES_HEAD = """# Values of the chart

`helm show values charts/karpenter-ovhcloud` prints them with these words. A value that the schema does not know is refused,
so that nothing misspelt goes unnoticed. Defaults of more than one field are in
[values.yaml](../../charts/karpenter-ovhcloud/values.yaml).

| value | default | meaning |
| --- | --- | --- |
"""


def values() -> dict[str, tuple[Any, str]]:
    """Each value by its path, with its default and the comment above it; groups count where they have a comment."""
    text = (rendering.CHART / "values.yaml").read_text()
    defaults = yaml.safe_load(text)
    found: dict[str, tuple[Any, str]] = {}
    path: list[str] = []
    words: list[str] = []
    for line in text.splitlines():
        key = re.match(r"( *)([A-Za-z]+):", line)
        if line.strip().startswith("# "):
            words.append(line.strip()[2:])
            continue
        if key:
            path = [*path[: len(key[1]) // 2], key[2]]
            if words:
                default = defaults
                for name in path:
                    default = default[name]
                found[".".join(path)] = default, " ".join(words)
        words = []
    return found


def values_page() -> str:
    """Every value."""
    rows_ = []
    for path, (default, words) in values().items():
        shown = "" if isinstance(default, dict | list) and default else f"`{json.dumps(default)}`"
        rows_.append(f"| `{path}` | {shown} | {words} |")
    return VALUES_HEAD + "\n".join(rows_) + "\n"


def events_page() -> str:
    """Every reason of an event."""
    rows_ = [
        f"| `{each.name}` | {', '.join(each.on)} | {each.type} | {'yes' if each.upstream else 'no'} | {each.text} |"
        for each in reasons.REASONS
    ]
    return EVENTS_HEAD + "\n".join(rows_) + "\n"


if __name__ == "__main__":
    for file, text in pages().items():
        (FOLDER / file).write_text(text)
