"""
What Karpenter's own consolidation takes back of what its provisioning buys.

    .venv/bin/python -m bench.afterwards [--workloads K2000,R1000/30] [--seeds 3]

Karpenter is asked for nodes, as in the bench; all pods run where it puts them, may be moved, and no budget holds nodes; then
its consolidation goes on until it finds nothing. No time passes and no pod comes or goes in between.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from bench import run, running, workloads
from bench.measured import Results
from bench.peers import karpenter
from catalog import catalogue

Json = dict[str, Any]
DISRUPTION = {
    "consolidateAfter": "0s",
    "consolidationPolicy": "WhenEmptyOrUnderutilized",
    "budgets": [{"nodes": "100%"}],
}


def provisioned(manifests: list[workloads.Manifest], known: catalogue.Catalogue) -> list[workloads.Manifest]:
    """The cluster that Karpenter makes of these manifests: its nodes and claims, and the pods on them."""
    plan = karpenter.run(karpenter.problem(manifests, workers=[1]))["results"][0]["plan"]
    on = {pod: claim["name"] for claim in plan["claims"] for pod in claim["pods"]}
    found = []
    for each in manifests:
        if each["kind"] == "Pod":
            labels = {"app": "bench", **each["metadata"]["labels"]}
            each = {**each, "metadata": {**each["metadata"], "labels": labels}}
            each = running.pod(each, on[f"{each['metadata']['namespace']}/{each['metadata']['name']}"])
        elif each["kind"] == "NodePool":
            each = {**each, "spec": {**each["spec"], "disruption": DISRUPTION}}
        found.append(each)
    for claim in plan["claims"]:
        found += running.node(claim["name"], claim["flavor"], known, claim["nodePool"], zone=claim["zone"])
    return found


def consolidated(objects: list[workloads.Manifest]) -> Json:
    """What Karpenter's consolidation ends with."""
    asked = karpenter.problem(objects, mode="consolidate", now=running.NOW)
    found: Json = karpenter.run(asked)["results"][0]
    return found


def ours(name: str, seed: int) -> float | None:
    """What the bench's last plan for a workload and seed costs, EUR/h, where it has been measured."""
    kept = json.loads(run.KEPT.read_text()) if run.KEPT.exists() else {"results": []}
    search = Results(kept).of.get((name, seed, "search"), {})
    return search["runs"][-1]["cost"] / 1e6 if "runs" in search else None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.afterwards")
    parser.add_argument("--workloads", default="R100/30,R1000/30,K2000,KD2000")
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    known = catalogue.embedded()
    print("| workload | seed | bought, EUR/h | after consolidation | commands | evictions | ours before any |")
    print("| --- " * 7 + "|")
    for name in asked.workloads.split(","):
        for seed in range(1, asked.seeds + 1):
            found = consolidated(provisioned(workloads.WORKLOADS[name](seed), known))
            cost = ours(name, seed)
            fields = [
                name,
                str(seed),
                f"{found['hourlyBefore']:.2f}",
                f"{found['hourlyAfter']:.2f}",
                str(len(found["commands"])),
                str(found["evictions"]),
                "–" if cost is None else f"{cost:.2f}",
            ]
            print(f"| {' | '.join(fields)} |", flush=True)


if __name__ == "__main__":
    main()
