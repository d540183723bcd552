"""
The chart as a cluster runs it: its container becomes a process here, with exactly its arguments and environment, the
Secret's values and the token of its service account, since kwok's kubelet runs no containers.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tests.e2e import controlplane, running

PATH = str(running.ROOT / "charts" / "karpenter-ovhcloud")
NAMESPACE = "karpenter"
NAME = "karpenter-ovhcloud"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{NAME}"

ELSEWHERE = {
    "LOG_FORMAT": "logFormat",
    "SOLVE_TIME_LIMIT": "settings.solveTimeLimit",
    "PLACEMENT": "settings.placement",
    "DRY_RUN": "settings.dryRun",
}
"""Variables that the chart has values for; the others are given to it as `controller.env`."""

HURRY = {name: value for name, value in running.FAST.items() if name != "DISABLE_LEADER_ELECTION"}
"""Patience that fits a simulator at sixty times its speed."""


def values(ports: tuple[int, int], settings: Mapping[str, str], region: str) -> list[str]:
    """Arguments of helm: where nodes are bought, free ports, and settings by the names of their variables."""
    chosen = [f"ovh.serviceName={running.PROJECT}", f"ovh.kubeId={running.KUBE}", f"ovh.region={region}"]
    chosen += [f"controller.metrics.port={ports[0]}", f"controller.healthProbe.port={ports[1]}"]
    chosen += [f"{name}={settings[variable]}" for variable, name in ELSEWHERE.items() if variable in settings]
    found = [part for each in chosen for part in ("--set", each)]
    for index, name in enumerate(sorted(set(settings) - set(ELSEWHERE))):
        found += ["--set", f"controller.env[{index}].name={name}"]
        found += ["--set-string", f"controller.env[{index}].value={settings[name]}"]
    return found


def secret(ovh: Mapping[str, str]) -> str:
    """The Secret of the guide, with the simulator's credentials."""
    keys = {
        "endpoint": "OVH_ENDPOINT",
        "applicationKey": "OVH_APPLICATION_KEY",
        "applicationSecret": "OVH_APPLICATION_SECRET",
        "consumerKey": "OVH_CONSUMER_KEY",
    }
    data = {key: ovh[variable] for key, variable in keys.items()}
    metadata = {"name": "ovh-credentials", "namespace": NAMESPACE}
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})


def render(plane: controlplane.ControlPlane, arguments: list[str]) -> list[dict[str, Any]]:
    """All objects of `helm template`, CRDs left aside."""
    release = (NAME, PATH, "--namespace", NAMESPACE, "--kube-version", "1.34.0")
    return [each for each in yaml.safe_load_all(plane.run("helm", "template", *release, *arguments)) if each]


def apply(plane: controlplane.ControlPlane, objects: list[dict[str, Any]]) -> None:
    """Apply what stands around the Deployment: account, rights, node class."""
    wanted = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "OVHNodeClass")
    chosen = [each for kind in wanted for each in objects if each["kind"] == kind]
    plane.run("kubectl", "apply", "-f", "-", stdin=yaml.safe_dump_all(chosen))


def container(deployment: Mapping[str, Any]) -> dict[str, Any]:
    """The only container of the Deployment."""
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(found)


def environment(plane: controlplane.ControlPlane, of: Mapping[str, Any]) -> dict[str, str]:
    """The variables of a container as kubelet would set them, Secrets read from the cluster."""
    listed = json.loads(plane.run("kubectl", "get", "secrets", "-n", NAMESPACE, "-o", "json"))["items"]
    secrets = {each["metadata"]["name"]: each.get("data") or {} for each in listed}
    fields = {"metadata.name": f"{NAME}-0", "metadata.namespace": NAMESPACE}
    found = {}
    for each in of["env"]:
        source = each.get("valueFrom") or {}
        if "value" in each:
            found[each["name"]] = str(each["value"])
        elif "fieldRef" in source:
            found[each["name"]] = fields[source["fieldRef"]["fieldPath"]]
        else:
            key = source["secretKeyRef"]
            value = secrets.get(key["name"], {}).get(key["key"])
            if value is not None:
                found[each["name"]] = base64.b64decode(value).decode()
    return found


def kubeconfig(plane: controlplane.ControlPlane, folder: pathlib.Path) -> pathlib.Path:
    """A kubeconfig with the token of the chart's service account, as a pod finds it mounted."""
    token = plane.run("kubectl", "create", "token", NAME, "-n", NAMESPACE).strip()
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": plane.server, "certificate-authority": str(plane.ca_file)}}],
        "users": [{"name": NAME, "user": {"token": token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": NAME}}],
        "current-context": "c",
    }
    path = folder / "service-account.kubeconfig"
    path.write_text(json.dumps(content))
    return path


@contextlib.contextmanager
def controller(
    plane: controlplane.ControlPlane, deployment: Mapping[str, Any], folder: pathlib.Path
) -> Iterator[running.Controller]:
    """The Deployment's container as a process, with its service account."""
    of = container(deployment)
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    given = {**inherited, **environment(plane, of), "KUBECONFIG": str(kubeconfig(plane, folder))}
    with running.process([running.PROGRAM, *of["args"]], given, folder / "controller.log") as started:
        metrics, probes = (int(given[name]) for name in ("METRICS_PORT", "HEALTH_PROBE_PORT"))
        yield running.Controller(started, folder / "controller.log", metrics, probes)


@contextlib.contextmanager
def installed(
    plane: controlplane.ControlPlane,
    ovh: Mapping[str, str],
    folder: pathlib.Path,
    settings: Mapping[str, str] | None = None,
    region: str = "GRA11",
) -> Iterator[running.Controller]:
    """Definitions, Secret and the chart's objects in the cluster, and the controller beside it."""
    plane.run("kubectl", "apply", "-f", f"{PATH}/crds")
    plane.run("kubectl", "create", "namespace", NAMESPACE)
    plane.run("kubectl", "apply", "-f", "-", stdin=secret(ovh))
    ports = (running.free_port(), running.free_port())
    objects = render(plane, values(ports, HURRY | dict(settings or {}), region))
    apply(plane, objects)
    (deployment,) = (each for each in objects if each["kind"] == "Deployment")
    with controller(plane, deployment, folder) as started:
        yield started


def workload(replicas: int = 0) -> str:
    """examples/inflate without its node class, which the chart makes, with quick scale-down and this many replicas."""
    found = []
    for name in ("nodepool.yaml", "deployment.yaml"):
        for each in yaml.safe_load_all((running.ROOT / "examples" / "inflate" / name).read_text()):
            if each["kind"] == "NodePool":
                each["spec"]["disruption"] |= {"consolidateAfter": "2s", "budgets": [{"nodes": "100%"}]}
            if each["kind"] == "Deployment":
                each["spec"]["replicas"] = replicas
            if each["kind"] != "OVHNodeClass":
                found.append(each)
    return str(yaml.safe_dump_all(found))
