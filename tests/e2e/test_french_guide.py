"""
The French walk-through, command by command, from the directory that holds a checkout called `ovhcloud`.

Only kubelet is missing: the Deployment that helm makes has pods, and its container runs beside the cluster as a process.
"""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess

import pytest
import yaml

from tests.crds import test_guide_examples
from tests.e2e import chart, controlplane, running
from tests.e2e.test_product_faults import pools
from tests.e2e.test_product_troubles import events
from tests.e2e.test_walkthrough import get

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]

KARPENTER = running.ROOT / "bench" / "peers" / "karpenter"

DEV = """
apiVersion: karpenter.sh/v1
kind: NodePool
metadata:
  name: dev-pool
spec:
  template:
    spec:
      nodeClassRef:
        group: karpenter.ovhcloud.sh
        kind: OVHNodeClass
        name: default
      requirements:
        - key: node.kubernetes.io/instance-type
          operator: In
          values: ["b2-7", "b2-15"]  # Petites instances uniquement
  limits:
    cpu: 50
    memory: 100Gi
  disruption:
    consolidationPolicy: WhenEmptyOrUnderutilized
    consolidateAfter: 10s  # Consolidation rapide pour économiser
"""

INFLATE = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: inflate
spec:
  replicas: 0
  selector:
    matchLabels:
      app: inflate
  template:
    metadata:
      labels:
        app: inflate
    spec:
      containers:
        - name: inflate
          image: public.ecr.aws/eks-distro/kubernetes/pause:3.7
          resources:
            requests:
              cpu: "1"
              memory: "1Gi"
"""

SYSTEM_NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "system", "labels": {"kubernetes.io/os": "linux"}},
    "spec": {"taints": [{"key": "CriticalAddonsOnly", "effect": "NoSchedule"}]},
    "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}, "capacity": {"cpu": "4", "pods": "110"}},
}
"""A node of the cluster's own, on which nothing but the controller runs."""


def upstream_crds() -> pathlib.Path:
    """The folder with upstream's own definitions, which the Go module brings along."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("upstream's CRDs come from its Go module, and there is no Go")
    ended = subprocess.run(
        [go, "mod", "download", "-json", "sigs.k8s.io/karpenter"],
        cwd=KARPENTER,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if ended.returncode:
        pytest.skip(f"upstream's CRDs cannot be fetched: {ended.stderr.strip()[:200]}")
    return pathlib.Path(json.loads(ended.stdout)["Dir"]) / "pkg" / "apis" / "crds"


def test_the_walk_through_works_as_written_on_upstreams_own_crds(control_plane_built, tmp_path, monkeypatch):
    """
    Install, configure, scale up, look, scale down; then each entry of the troubleshooting section is reproduced.
    """
    upstream = upstream_crds()
    (tmp_path / "ovhcloud").symlink_to(running.ROOT)
    monkeypatch.chdir(tmp_path)
    with controlplane.ControlPlane() as plane, running.simulator(plane, tmp_path, region="GRA7") as ovh:
        plane.run("kubectl", "apply", "-f", "-", stdin=json.dumps(SYSTEM_NODE))
        # 1. Installer les CRDs
        plane.run("kubectl", "apply", "-f", str(upstream / "karpenter.sh_nodepools.yaml"))
        plane.run("kubectl", "apply", "-f", str(upstream / "karpenter.sh_nodeclaims.yaml"))
        plane.run("kubectl", "apply", "-f", "ovhcloud/charts/karpenter-ovhcloud/crds/ovhnodeclass-crd.yaml")
        # 2. Créer le Secret; the namespace has to be there first, which the original leaves out.
        plane.run("kubectl", "create", "namespace", "karpenter")
        wrong = json.loads(chart.secret(ovh))
        wrong["stringData"]["consumerKey"] = "VOTRE_CONSUMER_KEY"
        plane.run("kubectl", "apply", "-f", "-", stdin=json.dumps(wrong))
        # 3. Installer via Helm
        ports = (running.free_port(), running.free_port())
        hurry = chart.values(ports, chart.HURRY | {"NODE_CLASS_INTERVAL": "2s"}, "GRA7")
        plane.run(
            *("helm", "install", "karpenter-ovhcloud", "./ovhcloud/charts/karpenter-ovhcloud"),
            *("--namespace", "karpenter", "--create-namespace", *hurry),
        )
        node_class = yaml.safe_load(test_guide_examples.NODECLASS)
        node_class["spec"] |= {"serviceName": running.PROJECT, "kubeId": running.KUBE}
        plane.run("kubectl", "apply", "-f", "-", stdin=json.dumps(node_class))
        plane.run("kubectl", "apply", "-f", "-", stdin=test_guide_examples.GENERAL)
        plane.run("kubectl", "apply", "-f", "-", stdin=DEV)
        plane.run("kubectl", "apply", "-f", "-", stdin=INFLATE)
        (deployment,) = (d for d in get(plane, "deployments") if d["metadata"]["name"] == "karpenter-ovhcloud")
        with chart.controller(plane, deployment, tmp_path) as controller:
            running.until(controller.ready, "the controller is ready")
            _credentials(plane, ovh)
            _walk(plane, ovh)
            _too_small(plane)
            _zone(plane)
            _quota(plane, ovh)


def _credentials(plane: controlplane.ControlPlane, ovh: dict[str, str]) -> None:
    """Le NodePool reste "Not Ready": the node class says why, and the right Secret mends it."""
    running.until(lambda: events(plane, "OVHNodeClass", "CredentialsRefused"), "the credentials are refused")
    described = plane.run("kubectl", "describe", "ovhnodeclass", "default")
    assert "CredentialsRefused" in described
    assert "update the Secret" in described
    assert "False" in plane.run("kubectl", "get", "nodepools").split()
    running.until(
        lambda: "CredentialsRefused" in plane.run("kubectl", "get", "events", "-n", "karpenter"),
        "the events of the namespace name the credentials",
    )
    plane.run("kubectl", "apply", "-f", "-", stdin=chart.secret(ovh))
    plane.run("kubectl", "wait", "nodepool/dev-pool", "--for=condition=Ready", "--timeout=60s")
    assert "karpenter-ovhcloud" in plane.run(
        *("kubectl", "get", "pods", "-n", "karpenter", "-l", "app.kubernetes.io/name=karpenter-ovhcloud")
    )


def _walk(plane: controlplane.ControlPlane, ovh: dict[str, str]) -> None:
    """Commandes de test: ten pods come and go; the pool of the first example is tainted, so it gets none of them."""
    for what in ("nodes", "nodepools", "nodeclaims"):
        plane.run("kubectl", "get", what)
    plane.run("kubectl", "scale", "deployment/inflate", "--replicas=10")
    running.until(lambda: _inflated(plane) == 10, "ten pods are bound", 120)
    claims = get(plane, "nodeclaims")
    assert {claim["metadata"]["labels"]["karpenter.sh/nodepool"] for claim in claims} == {"dev-pool"}
    described = plane.run("kubectl", "describe", "nodeclaim", claims[0]["metadata"]["name"])
    assert "karpenter.ovhcloud.sh/plan" in described
    assert "EUR/hour, to hold" in described
    assert "Planned" in described
    assert all(pool["name"].startswith(("karpenter-b2-7-", "karpenter-b2-15-")) for pool in pools(ovh))
    plane.run("kubectl", "scale", "deployment/inflate", "--replicas=0")
    running.until(lambda: [n["metadata"]["name"] for n in get(plane, "nodes")] == ["system"], "the nodes are gone", 120)


def _inflated(plane: controlplane.ControlPlane) -> int:
    pods = [pod for pod in get(plane, "pods") if pod["metadata"]["namespace"] == "default"]
    return sum(bool(pod["spec"].get("nodeName")) for pod in pods)


def _too_small(plane: controlplane.ControlPlane) -> None:
    """Erreur "no instance type has enough resources": only b2-7, and a pod of four CPUs; larger flavors mend it."""

    def allow(*flavors: str) -> None:
        requirement = {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": flavors}
        spec = {"template": {"spec": {"requirements": [requirement]}}}
        plane.run("kubectl", "patch", "nodepool", "dev-pool", "--type=merge", "-p", json.dumps({"spec": spec}))

    allow("b2-7")
    container = {"name": "main", "image": "pause", "resources": {"requests": {"cpu": "4"}}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "large"}, "spec": {"containers": [container]}}
    plane.run("kubectl", "apply", "-f", "-", stdin=json.dumps(pod))
    running.until(
        lambda: "no instance type has enough resources" in plane.run("kubectl", "describe", "pod", "large"),
        "the pod says that no flavor is large enough",
    )
    allow("b2-7", "b2-15", "b2-30")
    running.until(lambda: _inflated(plane) == 1, "the pod is bound", 90)
    plane.run("kubectl", "delete", "pod", "large", "--now")


def _zone(plane: controlplane.ControlPlane) -> None:
    """Erreur "availabilityZones is mandatory": no zone has to be given, and gra7-a is read as the zone nova."""
    zone = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["gra7-a"]}
    flavor = {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["b2-15"]}
    spec = {"template": {"spec": {"requirements": [flavor, zone]}}}
    plane.run("kubectl", "patch", "nodepool", "dev-pool", "--type=merge", "-p", json.dumps({"spec": spec}))
    plane.run("kubectl", "scale", "deployment/inflate", "--replicas=1")
    running.until(lambda: _inflated(plane) == 1, "the pod is bound", 90)
    assert {node["metadata"]["labels"].get("topology.kubernetes.io/zone") for node in get(plane, "nodes")} == {
        None,
        "nova",
    }


def _quota(plane: controlplane.ControlPlane, ovh: dict[str, str]) -> None:
    """Quota OVHcloud atteint: NodePool, pods and the events of the namespace say so, and no request is made in vain."""
    running.order(ovh, "PATCH", "/control/quota/GRA7", {"cores": 4})
    plane.run("kubectl", "scale", "deployment/inflate", "--replicas=20")
    running.until(lambda: events(plane, "NodePool", "QuotaReached"), "the NodePool says so", 90)
    running.until(
        lambda: "QuotaReached" in plane.run("kubectl", "get", "events", "-n", "karpenter"), "so does the namespace"
    )
    said = events(plane, "Pod", "FailedScheduling")
    assert any("project quota" in each for each in said), said
