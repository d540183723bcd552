"""The walk-through, narrated: the controller gets exactly the arguments and environment of the rendered Deployment."""

from __future__ import annotations

import contextlib
import json
import pathlib
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from tests.e2e import chart, controlplane, running


def show(plane: controlplane.ControlPlane, *command: str) -> None:
    """Run a command as a reader would type it, and show both."""
    print(f"\n$ {' '.join(command)}", flush=True)
    print(plane.run(*command) or "No resources found\n", end="", flush=True)


def say(text: str) -> None:
    """A sentence between commands."""
    print(f"\n# {text}", flush=True)


def items(plane: controlplane.ControlPlane, kind: str) -> list[dict[str, Any]]:
    """All objects of a kind."""
    found: list[dict[str, Any]] = json.loads(plane.run("kubectl", "get", kind, "-A", "-o", "json"))["items"]
    return found


def ovh_pools(ovh: Mapping[str, str]) -> dict[str, int]:
    """Names and sizes of the node pools on OVHcloud's side."""
    pools = running.order(ovh, "GET", "/control/state")["pools"].values()
    return {pool["name"]: pool["desired"] for pool in pools}


def bought(ovh: Mapping[str, str]) -> str:
    """What OVHcloud has, and which calls made it so."""
    calls = running.order(ovh, "GET", "/control/calls")
    writes = [call["method"] for call in calls if call["method"] != "GET"]
    pools = [f"{name} ({count})" for name, count in sorted(ovh_pools(ovh).items())]
    return f"OVHcloud's pools and their nodes: {', '.join(pools)}. Calls that changed something: {', '.join(writes)}."


def all_bound(plane: controlplane.ControlPlane) -> bool:
    """Whether all ten pods have a node."""
    return sum(bool(each["spec"].get("nodeName")) for each in items(plane, "pods")) == 10


def walk(plane: controlplane.ControlPlane, ovh: Mapping[str, str]) -> None:
    """From 0 to 10 replicas and back."""
    show(plane, "kubectl", "get", "nodepools,ovhnodeclasses")
    say("Ten pods of one CPU each want room, and there is no node.")
    began = time.monotonic()
    show(plane, "kubectl", "scale", "deployment/inflate", "--replicas=10")
    running.until(lambda: items(plane, "nodeclaims"), "there is a claim")
    show(plane, "kubectl", "karpenter-ovhcloud", "plan")
    say("Why does a pod wait? It says so itself.")
    pod = items(plane, "pods")[0]["metadata"]["name"]
    running.until(
        lambda: any(each["reason"] == "Nominated" for each in items(plane, "events")), "pods are told their node"
    )
    show(plane, "kubectl", "events", "--for", f"pod/{pod}")
    running.until(lambda: all_bound(plane), "ten pods have nodes", 90)
    say(f"All ten have a node after {time.monotonic() - began:.0f} s (OVHcloud's clock runs 60 times as fast).")
    show(plane, "kubectl", "get", "nodeclaims")
    show(plane, "kubectl", "get", "nodes")
    say(bought(ovh))
    say("Nobody needs the nodes any more.")
    began = time.monotonic()
    show(plane, "kubectl", "scale", "deployment/inflate", "--replicas=0")
    running.until(
        lambda: not items(plane, "nodes") and not items(plane, "nodeclaims") and not ovh_pools(ovh),
        "nodes, claims and pools are gone",
        90,
    )
    say(f"Nodes, claims and OVHcloud's pools are gone after {time.monotonic() - began:.0f} s.")
    show(plane, "kubectl", "get", "nodes,nodeclaims")


def main() -> None:
    """Start everything, walk through, end everything."""
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="demo-")))
        say(
            "Starting etcd, kube-apiserver, controller manager, scheduler, kwok for kubelets, and a simulated OVHcloud."
        )
        plane = stack.enter_context(controlplane.ControlPlane())
        ovh = stack.enter_context(running.simulator(plane, folder))
        say(
            "The chart: helm template karpenter-ovhcloud ./charts/karpenter-ovhcloud -n karpenter\n"
            "#   --set ovh.serviceName=… --set ovh.kubeId=… --set ovh.region=GRA11\n"
            "# The controller starts with the Deployment's args and env, the Secret's values and its service account."
        )
        controller = stack.enter_context(chart.installed(plane, ovh, folder))
        plane.run("kubectl", "apply", "-f", "-", stdin=chart.workload())
        try:
            plane.run("kubectl", "wait", "nodepool/general", "--for=condition=Ready", "--timeout=60s", timeout=70)
            walk(plane, ovh)
        except (TimeoutError, RuntimeError) as error:
            sys.exit(f"{error}\n{controller.log.read_text()[-4000:]}")
        took = time.monotonic() - began
    say(f"Done in {took:.0f} s.")


if __name__ == "__main__":
    main()
