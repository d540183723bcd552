"""The chart: what it renders is valid, runs without privileges, and refuses values that make no sense."""

from __future__ import annotations

import json
import pathlib
import re
from typing import Any

import click
import helm_python
import jsonschema
import kubernetes_validate
import pytest
import yaml

from controller import command, metrics
from crds import ovhnodeclass, validation
from tests.charts import reference, rendering

NOT_KUBERNETES = ("OVHNodeClass", "ServiceMonitor", "PrometheusRule")

STRING: dict[str, Any] = {"type": "string"}
STRINGS: dict[str, Any] = {"type": "object", "additionalProperties": STRING}


def closed(**properties: Any) -> dict[str, Any]:
    """An object with these fields and no others."""
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": list(properties)}


OPERATOR = {
    "ServiceMonitor": closed(
        sampleLimit={"type": "integer"},
        namespaceSelector=closed(matchNames={"type": "array", "items": STRING}),
        selector=closed(matchLabels=STRINGS),
        endpoints={"type": "array", "items": closed(port=STRING, path=STRING)},
    ),
    "PrometheusRule": closed(
        groups={
            "type": "array",
            "items": closed(
                name=STRING,
                rules={
                    "type": "array",
                    "items": {
                        **closed(alert=STRING, expr=STRING, labels=STRINGS, annotations=STRINGS, **{"for": STRING}),
                        "required": ["alert", "expr"],
                    },
                },
            ),
        }
    ),
}
"""The parts that are used of the Prometheus operator's definitions (monitoring.coreos.com/v1)."""


def deployment(values: dict[str, Any] | None = None) -> dict[str, Any]:
    """The pod's spec."""
    (found,) = rendering.of_kind(rendering.render(values), "Deployment")
    spec: dict[str, Any] = found["spec"]["template"]["spec"]
    return spec


def environment(values: dict[str, Any] | None = None) -> dict[str, Any]:
    """The container's variables by name; references as they stand."""
    return {
        each["name"]: each.get("value", each.get("valueFrom")) for each in deployment(values)["containers"][0]["env"]
    }


def test_lint_finds_nothing():
    """`helm lint --strict` has no warning and no error, with few values and with many."""
    for values in ({}, rendering.EVERYTHING):
        report = helm_python.lint(rendering.CHART, values, strict=True, kube_version="v1.34.0")
        assert [each for each in report["messages"] if each["severity"] > 1] == []


@pytest.mark.parametrize("values", [{}, rendering.PLACE, rendering.EVERYTHING], ids=["none", "place", "everything"])
def test_every_object_is_valid(values):
    """Kubernetes' own schemas and the model of OVHNodeClass take every object, unknown fields refused."""
    for item in rendering.render(values):
        if item["kind"] == "OVHNodeClass":
            assert validation.problems(ovhnodeclass.OVHNodeClass, item) == []
        elif item["kind"] not in NOT_KUBERNETES:
            kubernetes_validate.validate(item, "1.34", strict=True)


def test_objects_for_the_prometheus_operator_are_valid():
    """Their fields are those of the operator's definitions, and they carry the labels that it selects by."""
    objects = rendering.render(rendering.EVERYTHING)
    for kind, schema in OPERATOR.items():
        (found,) = rendering.of_kind(objects, kind)
        jsonschema.validate(found["spec"], schema)
        assert found["metadata"]["labels"]["release"] == "prometheus"


def test_alerts_ask_for_metrics_that_are_there():
    """Each name and label in an expression is exported so."""
    known = {each.name: set(each.labels) for each in metrics.scraped()}
    for collector in metrics.REGISTRY._collector_to_names:
        for family in collector.describe() if hasattr(collector, "describe") else ():
            labels: tuple[str, ...] = getattr(collector, "_labelnames", ()) or getattr(collector, "_labels", ())
            known[f"{family.name}_total" if family.type == "counter" else family.name] = set(labels)
    for rule in reference.alerts():
        for name, selected in re.findall(r"\b((?:karpenter|operator)_\w+)(?:\{([^}]*)\})?", rule["expr"]):
            assert name in known, rule["alert"]
            assert {each.split("=")[0].rstrip("!") for each in filter(None, selected.split(","))} <= known[name]


def test_every_template_is_rendered():
    """The values used here leave no template out."""
    with helm_python.Chart.load(rendering.CHART) as chart:
        texts = chart.render(rendering.EVERYTHING, name="x", namespace="karpenter")
    assert [path for path, text in texts.items() if path.endswith(".yaml") and not text.strip()] == []


def test_objects_carry_the_labels_that_people_select_by():
    """`-l app.kubernetes.io/name=karpenter-ovhcloud` finds the pods and every object."""
    for item in rendering.render(rendering.EVERYTHING):
        assert item["metadata"]["labels"]["app.kubernetes.io/name"] == "karpenter-ovhcloud", item["kind"]
        assert item["metadata"]["labels"]["team"] == "platform"


def test_the_container_has_no_privilege():
    """No root, no way to become it, nothing to write but /tmp, no capability, the default seccomp profile."""
    pod = deployment()
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [each["mountPath"] for each in container["volumeMounts"]] == ["/tmp"]


def test_every_variable_is_one_that_the_controller_reads():
    """No name in the Deployment is misspelt; credentials come by reference alone."""
    known = {"POD_NAME"}
    for parameter in command.controller.params:
        assert isinstance(parameter, click.Option)
        names = parameter.envvar or ()
        known |= {names} if isinstance(names, str) else set(names)
    for name, value in environment(rendering.EVERYTHING).items():
        if name.startswith("OVH_"):
            assert value["secretKeyRef"]["name"] == "ovh-credentials"
        else:
            assert name in known


def test_the_rendered_environment_starts_the_command():
    """The command takes what the chart gives it, value by value."""
    plain = {name: value for name, value in environment(rendering.EVERYTHING).items() if isinstance(value, str)}
    for parameter in command.controller.params:
        names = (parameter.envvar,) if isinstance(parameter.envvar, str) else tuple(parameter.envvar or ())
        for name in names:
            if name in plain:
                parameter.type_cast_value(click.Context(command.controller), plain[name])


def test_the_three_ids_make_a_node_class():
    """ovh.serviceName, kubeId and region are an OVHNodeClass with the Secret; without them there is none."""
    (made,) = rendering.of_kind(rendering.render(rendering.PLACE), "OVHNodeClass")
    assert made["metadata"]["name"] == "default"
    assert made["spec"]["serviceName"] == rendering.PLACE["ovh"]["serviceName"]
    assert made["spec"]["credentialsSecretRef"] == {"name": "ovh-credentials", "namespace": "karpenter"}
    assert rendering.of_kind(rendering.render(), "OVHNodeClass") == []


def test_some_of_the_ids_are_refused():
    """One id without the others is a mistake, said in a sentence."""
    with pytest.raises(helm_python.HelmError, match="give serviceName, kubeId and region together"):
        rendering.render({"ovh": {"serviceName": "abc"}})


@pytest.mark.parametrize(
    "values",
    [
        {"ovh": {"region": "GRA 7"}},
        {"ovh": {"servicename": "abc"}},
        {"replicas": "two"},
        {"settings": {"placement": "maybe"}},
        {"settings": {"batchIdleDuration": "soon"}},
        {"settings": {"featureGates": {"StaticCapacity": "yes"}}},
        {"image": {"digest": "sha256:12"}},
        {"logLevel": "loud"},
        {"controller": {"metrics": {"port": 70000}}},
        {"unknown": True},
    ],
    ids=str,
)
def test_wrong_values_are_refused(values):
    """The schema finds misspelt names, wrong types and values that the controller would refuse."""
    with pytest.raises(helm_python.HelmError):
        rendering.render(values)


def test_a_dry_run_has_one_replica():
    """It elects no leader, so a second one would tell everything twice."""
    (found,) = rendering.of_kind(rendering.render({"settings": {"dryRun": True}, "replicas": 3}), "Deployment")

    assert found["spec"]["replicas"] == 1


def test_every_value_is_in_the_schema():
    """A value that the templates know can be set, and the schema knows no other."""

    def paths(schema: dict[str, Any], values: Any, where: str = "") -> None:
        properties = schema.get("properties")
        if properties is None or not isinstance(values, dict):
            return
        assert set(values) == set(properties) - {"global"}, where
        for name, value in values.items():
            paths(properties[name], value, f"{where}.{name}")

    schema = json.loads((rendering.CHART / "values.schema.json").read_text())
    paths(schema, yaml.safe_load((rendering.CHART / "values.yaml").read_text()))


def test_every_value_is_explained():
    """What has no value below it that can be set by itself has a comment in values.yaml."""
    explained = reference.values()

    def paths(schema: dict[str, Any], where: str = "") -> None:
        for name, each in schema["properties"].items():
            path = f"{where}{name}"
            if "properties" in each:
                paths(each, f"{path}.")
            elif path != "global":
                assert path in explained, path

    paths(json.loads((rendering.CHART / "values.schema.json").read_text()))


def test_a_digest_goes_before_the_tag():
    """An image is pinned by its digest when there is one."""
    digest = "sha256:" + "0" * 64
    assert deployment({"image": {"digest": digest}})["containers"][0]["image"] == f"karpenter-ovhcloud@{digest}"
    assert deployment({"image": {"tag": "1"}})["containers"][0]["image"] == "karpenter-ovhcloud:1"


def test_versions_agree():
    """The chart's appVersion is the package's version."""
    package = (rendering.ROOT / "pyproject.toml").read_text()
    chart = yaml.safe_load((rendering.CHART / "Chart.yaml").read_text())
    assert f'version = "{chart["appVersion"]}"' in package


def test_the_image_is_locked_and_runs_as_nobody():
    """Two stages from the same slim Python, packages by hash, no shell in any step, an unprivileged user."""
    text = re.sub(r"\\\n", " ", pathlib.Path(rendering.ROOT / "Dockerfile").read_text())
    steps = [line.split(None, 1) for line in text.splitlines() if line and not line.startswith("#")]
    by_kind: dict[str, list[str]] = {}
    for kind, rest in steps:
        by_kind.setdefault(kind, []).append(rest)
    assert len({each.split()[0] for each in by_kind["FROM"]}) == 1
    assert len(by_kind["FROM"]) == 2
    assert all(re.fullmatch(r"python:3\.\d+-slim-\w+( AS build)?", each) for each in by_kind["FROM"])
    assert all(each.startswith("[") for kind in ("RUN", "ENTRYPOINT", "CMD") for each in by_kind[kind])
    assert any("--require-hashes" in each and "requirements.lock" in each for each in by_kind["RUN"])
    assert by_kind["USER"] == ["65532:65532"]
    assert "ADD" not in by_kind


def test_the_image_gets_all_that_it_copies():
    """Each source of a COPY is let through by .dockerignore, which lets nothing else through."""
    ignore = (rendering.ROOT / ".dockerignore").read_text().splitlines()
    passed = {line[1:].rstrip("/") for line in ignore if line.startswith("!")}
    copied = set()
    for line in (rendering.ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            copied |= {each.rstrip("/") for each in line.split()[1:-1]}
    assert passed == copied
