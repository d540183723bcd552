"""
The real Karpenter scheduler as a peer: manifests in, its decision and its time out.

The Go program in this folder links `sigs.k8s.io/karpenter`; README.md describes what it reads and prints.
"""

from __future__ import annotations

import functools
import json
import pathlib
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from catalog import catalogue as catalogues
from catalog import labels

Manifest = Mapping[str, Any]

_SECTIONS = {
    "NodePool": "nodePools",
    "NodeClaim": "nodeClaims",
    "Node": "nodes",
    "Pod": "pods",
    "DaemonSet": "daemonSets",
    "PodDisruptionBudget": "pdbs",
    **dict.fromkeys(
        ("Namespace", "PersistentVolume", "PersistentVolumeClaim", "StorageClass", "CSINode", "PriorityClass"),
        "objects",
    ),
}


@functools.cache
def program() -> pathlib.Path:
    """Where `bench/peers/karpenter/build` puts the program; it may not exist yet."""
    script = pathlib.Path(__file__).with_name("build")
    shown = subprocess.run([script, "--path"], check=True, capture_output=True, text=True)
    return pathlib.Path(shown.stdout.strip())


def missing() -> str | None:
    """Why this peer is left out here, in one line, or None when its program is there."""
    if program().exists():
        return None
    return (
        "real Karpenter not built: run bench/peers/karpenter/build (needs Go 1.26.6 or newer; takes some minutes once)"
    )


def offers(region: str, known: catalogues.Catalogue | None = None) -> list[dict[str, Any]]:
    """All flavors of a region that can be bought by the hour at a known price, as the program wants them."""
    found = []
    for offering in (known or catalogues.embedded()).offerings(region):
        if not offering.available or offering.hourly_micro_eur is None:
            continue
        flavor = offering.flavor
        found.append(
            {
                "flavor": flavor.name,
                "zone": offering.zone,
                "price": offering.hourly_micro_eur / 1_000_000,
                "capacity": _quantities(flavor.capacity),
                "allocatable": _quantities(flavor.allocatable),
                "labels": {**labels.flavor_labels(flavor), labels.REGION: region},
            }
        )
    return found


def problem(
    manifests: Iterable[Manifest], known: catalogues.Catalogue | None = None, **settings: Any
) -> dict[str, Any]:
    """
    The program's input for these manifests, over what the region of their OVHNodeClass offers.

    `settings` are further keys of the input, such as `mode`, `workers` and `runs`. Raises ValueError for a kind that
    upstream's scheduler does not read: give pods, not the workloads that make them.
    """
    sections: dict[str, list[Manifest]] = {section: [] for section in _SECTIONS.values()}
    regions = set()
    for manifest in manifests:
        kind = manifest["kind"]
        if kind == "OVHNodeClass":
            regions.add(manifest["spec"]["region"])
        elif kind in _SECTIONS:
            sections[_SECTIONS[kind]].append(manifest)
        else:
            raise ValueError(
                f"{kind} {manifest['metadata']['name']}: the peer reads no {kind}; give pods and nodes instead"
            )
    if len(regions) != 1:
        raise ValueError(f"the manifests need node classes of one region, they have {len(regions)}")
    return {**sections, "offers": offers(regions.pop(), known), **settings}


def run(question: Mapping[str, Any], timeout: float | None = None) -> dict[str, Any]:
    """The program's answer. Raises RuntimeError with its words, `subprocess.TimeoutExpired` after `timeout` seconds."""
    text = json.dumps(question)
    ended = subprocess.run([program()], input=text, capture_output=True, text=True, timeout=timeout, check=False)
    if ended.returncode:
        raise RuntimeError(ended.stderr.strip())
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


def another_round(question: Mapping[str, Any], claims: Sequence[Manifest], waiting: Collection[str]) -> dict[str, Any]:
    """
    A round more, for a question without nodes: `claims` are nodes by now and their pods are bound, except those `waiting`
    (namespace/name), which kube-scheduler did not let onto their nodes. The plan is that of all rounds together.
    """
    flavors = {offer["flavor"]: offer for offer in question["offers"]}
    bound = {pod: claim["name"] for claim in claims for pod in claim["pods"] if pod not in waiting}
    nodes = [_node(claim, flavors[claim["flavor"]]) for claim in claims]
    pods = [_on(pod, bound) for pod in question["pods"]]
    (result,) = run({**question, "nodes": nodes, "pods": pods, "workers": [1], "runs": 1})["results"]
    more = result["plan"]
    kept = [
        {**claim, "pods": [p for p in claim["pods"] if p in bound] + more["existing"].get(claim["name"], [])}
        for claim in claims
    ]
    hourly = sum(claim["hourlyEur"] for claim in claims) + more["hourlyEur"]
    return {"hourlyEur": hourly, "claims": [*kept, *more["claims"]], "existing": {}, "unplaced": more["unplaced"]}


def _node(claim: Mapping[str, Any], offer: Mapping[str, Any]) -> Manifest:
    """The node that a claim becomes."""
    own = {labels.HOSTNAME: claim["name"], labels.NODEPOOL: claim["nodePool"]}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": claim["name"], "labels": {**claim["labels"], **own}},
        "spec": {"providerID": f"peer:///{claim['name']}"},
        "status": {
            "capacity": offer["capacity"],
            "allocatable": offer["allocatable"],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def _on(pod: Manifest, bound: Mapping[str, str]) -> Manifest:
    """A pod where it is bound, if it is."""
    node = bound.get(f"{pod['metadata'].get('namespace', 'default')}/{pod['metadata']['name']}")
    return pod if node is None else {**pod, "spec": {**pod["spec"], "nodeName": node}}


def _quantities(amounts: Mapping[str, int]) -> dict[str, str]:
    """Amounts of the catalogue, milli-CPU and whole units, as Kubernetes quantities."""
    return {name: f"{amount}m" if name == "cpu" else str(amount) for name, amount in amounts.items()}
