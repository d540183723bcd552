"""The chart rendered by Helm's own library, which needs neither a cluster nor a helm program."""

from __future__ import annotations

import pathlib
from typing import Any

import helm_python
import yaml

ROOT = pathlib.Path(__file__).parents[2]
CHART = ROOT / "charts" / "karpenter-ovhcloud"
PLACE = {"ovh": {"serviceName": "0123456789abcdef0123456789abcdef", "kubeId": "demo", "region": "GRA11"}}
EVERYTHING = {
    "ovh": {**PLACE["ovh"], "moreSecrets": [{"name": "other", "namespace": "elsewhere"}]},
    "serviceMonitor": {"enabled": True, "additionalLabels": {"release": "prometheus"}, "sampleLimit": 50000},
    "prometheusRule": {"enabled": True, "additionalLabels": {"release": "prometheus"}},
    "networkPolicy": {"enabled": True},
    "settings": {"featureGates": {"StaticCapacity": True, "NodeRepair": False}},
    "serviceAccount": {"annotations": {"a": "b"}},
    "additionalLabels": {"team": "platform"},
    "additionalAnnotations": {"note": "kept"},
    "imagePullSecrets": [{"name": "registry"}],
    "podAnnotations": {"c": "d"},
    "controller": {
        "env": [{"name": "SEED", "value": "1"}],
        "extraVolumeMounts": [{"name": "certificates", "mountPath": "/certificates", "readOnly": True}],
        "sidecarContainer": [{"name": "proxy", "image": "proxy:1"}],
    },
    "extraVolumes": [{"name": "certificates", "configMap": {"name": "certificates"}}],
    "initContainers": [{"name": "wait", "image": "wait:1"}],
    "hostNetwork": True,
    "dnsPolicy": "ClusterFirstWithHostNet",
    "dnsConfig": {"options": [{"name": "ndots", "value": "1"}]},
    "schedulerName": "other",
    "podDisruptionBudget": {"name": "karpenter"},
}
"""Values that make every object and every branch of the templates appear."""


def render(values: dict[str, Any] | None = None, *, name: str = "karpenter-ovhcloud") -> list[dict[str, Any]]:
    """All objects of the chart for some values, CRDs left aside."""
    with helm_python.Chart.load(CHART) as chart:
        chart.validate_schema(values or {})
        texts = chart.render(values, name=name, namespace="karpenter")
    found = [each for path, text in texts.items() if path.endswith(".yaml") for each in yaml.safe_load_all(text)]
    return [each for each in found if each]


def of_kind(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Those of a kind."""
    return [each for each in objects if each["kind"] == kind]
