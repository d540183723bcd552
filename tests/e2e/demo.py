"""The walk-through, narrated: the controller gets exactly the arguments and environment of the rendered Deployment."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

import yaml

from tests.e2e import controlplane, running

CHART = "charts/karpenter-ovhcloud"
HURRY = {name: value for name, value in running.FAST.items() if name.isupper() and name != "DISABLE_LEADER_ELECTION"}
"""Patience that fits a simulator at sixty times its speed; given to the chart as `controller.env`."""
RENDERED_ELSEWHERE = {"LOG_FORMAT": "logFormat", "SOLVE_TIME_LIMIT": "settings.solveTimeLimit"}


def show(plane: controlplane.ControlPlane, *command: str, stdin: str | None = None) -> str:
    """Run a command as a reader would type it, and show both."""
    print(f"\n$ {' '.join(command)}", flush=True)
    found = plane.run(*command, stdin=stdin)
    print(found, end="", flush=True)
    return found


def say(text: str) -> None:
    """A sentence between commands."""
    print(f"\n# {text}", flush=True)


def items(plane: controlplane.ControlPlane, kind: str) -> list[dict[str, Any]]:
    """All objects of a kind."""
    found: list[dict[str, Any]] = json.loads(plane.run("kubectl", "get", kind, "-A", "-o", "json"))["items"]
    return found


def environment(plane: controlplane.ControlPlane, container: dict[str, Any]) -> dict[str, str]:
    """The variables of a container as kubelet would set them, Secrets read from the cluster."""
    secrets = {each["metadata"]["name"]: each.get("data") or {} for each in items(plane, "secrets")}
    fields = {"metadata.name": "karpenter-ovhcloud-0", "metadata.namespace": "karpenter"}
    found = {}
    for each in container["env"]:
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


def values(ports: tuple[int, int]) -> list[str]:
    """What is set in the chart for this run."""
    chosen = [f"ovh.serviceName={running.PROJECT}", f"ovh.kubeId={running.KUBE}", "ovh.region=GRA11"]
    chosen += [f"controller.metrics.port={ports[0]}", f"controller.healthProbe.port={ports[1]}"]
    chosen += [f"{name}={HURRY[variable]}" for variable, name in RENDERED_ELSEWHERE.items()]
    for index, name in enumerate(sorted(set(HURRY) - set(RENDERED_ELSEWHERE))):
        chosen += [f"controller.env[{index}].name={name}"]
    found = [part for each in chosen for part in ("--set", each)]
    for index, name in enumerate(sorted(set(HURRY) - set(RENDERED_ELSEWHERE))):
        found += ["--set-string", f"controller.env[{index}].value={HURRY[name]}"]
    return found


def secret(ovh: dict[str, str]) -> str:
    """The Secret of the guide, with the simulator's credentials."""
    keys = {
        "endpoint": "OVH_ENDPOINT",
        "applicationKey": "OVH_APPLICATION_KEY",
        "applicationSecret": "OVH_APPLICATION_SECRET",
        "consumerKey": "OVH_CONSUMER_KEY",
    }
    data = {key: ovh[variable] for key, variable in keys.items()}
    metadata = {"name": "ovh-credentials", "namespace": "karpenter"}
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})


def workload(name: str) -> str:
    """A file of examples/inflate, without its node class, from zero replicas and with quick scale-down."""
    found = []
    for each in yaml.safe_load_all((running.ROOT / "examples" / "inflate" / name).read_text()):
        if each["kind"] == "NodePool":
            each["spec"]["disruption"] |= {"consolidateAfter": "2s", "budgets": [{"nodes": "100%"}]}
        if each["kind"] == "Deployment":
            each["spec"]["replicas"] = 0
        if each["kind"] != "OVHNodeClass":
            found.append(each)
    return str(yaml.safe_dump_all(found))


def walk(plane: controlplane.ControlPlane) -> None:
    """From 0 to 10 replicas and back."""
    show(plane, "kubectl", "get", "nodepools,ovhnodeclasses")
    say("Ten pods of one CPU each want room, and there is no node.")
    began = time.monotonic()
    show(plane, "kubectl", "scale", "deployment/inflate", "--replicas=10")
    running.until(
        lambda: sum(bool(each["spec"].get("nodeName")) for each in items(plane, "pods")) == 10,
        "ten pods have nodes",
        90,
    )
    say(f"All ten have a node after {time.monotonic() - began:.0f} s (OVHcloud's clock runs 60 times as fast).")
    show(plane, "kubectl", "get", "nodeclaims")
    show(plane, "kubectl", "get", "nodes")
    say("Nobody needs them any more.")
    began = time.monotonic()
    show(plane, "kubectl", "scale", "deployment/inflate", "--replicas=0")
    running.until(lambda: not items(plane, "nodes") and not items(plane, "nodeclaims"), "the nodes are gone", 90)
    say(f"Nodes and claims are gone after {time.monotonic() - began:.0f} s.")
    show(plane, "kubectl", "get", "nodes,nodeclaims")


def main() -> None:
    """Start everything, walk through, end everything."""
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="demo-")))
        say("A control plane (etcd, kube-apiserver, controller manager, scheduler), kwok for kubelets, an OVHcloud.")
        plane = stack.enter_context(controlplane.ControlPlane())
        ovh = stack.enter_context(running.simulator(plane, folder))
        show(plane, "kubectl", "apply", "-f", f"{CHART}/crds")
        plane.run("kubectl", "create", "namespace", "karpenter")
        plane.run("kubectl", "apply", "-f", "-", stdin=secret(ovh))
        ports = (running.free_port(), running.free_port())
        release = ("karpenter-ovhcloud", CHART, "--namespace", "karpenter", "--kube-version", "1.34.0")
        say(f"helm template {' '.join(release[:4])} --set ovh.serviceName=… --set ovh.kubeId=… --set ovh.region=GRA11")
        objects = [each for each in yaml.safe_load_all(plane.run("helm", "template", *release, *values(ports))) if each]
        container = next(each for each in objects if each["kind"] == "Deployment")["spec"]["template"]["spec"][
            "containers"
        ][0]
        for kind in ("ServiceAccount", "ClusterRole", "Role", "OVHNodeClass"):
            for each in objects:
                if each["kind"] == kind:
                    plane.run("kubectl", "apply", "-f", "-", stdin=json.dumps(each))
        for name in ("nodepool.yaml", "deployment.yaml"):
            plane.run("kubectl", "apply", "-f", "-", stdin=workload(name))
        log = (folder / "controller.log").open("w")
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        given = {**inherited, **environment(plane, container), "KUBECONFIG": str(plane.kubeconfig)}
        command = [running.PROGRAM, *container["args"]]
        process = subprocess.Popen(command, env=given, stdout=log, stderr=log)
        stack.callback(log.close)
        stack.callback(end, process)
        say(f"The controller: karpenter-ovhcloud {' '.join(container['args'])}, with the Deployment's environment.")
        plane.run("kubectl", "wait", "nodepool/general", "--for=condition=Ready", "--timeout=60s", timeout=70)
        try:
            walk(plane)
        except TimeoutError as error:
            sys.exit(f"{error}\n{(folder / 'controller.log').read_text()[-4000:]}")
    say(f"Done in {time.monotonic() - began:.0f} s.")


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop a process that was started here."""
    process.terminate()
    try:
        process.wait(25)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
