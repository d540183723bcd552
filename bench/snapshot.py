"""
How long reading takes: pods as `kubectl get pods -A -o yaml` (and json) prints them, from file to cluster.

    .venv/bin/python bench/snapshot.py [PODS]

Forty templates; each pod has a name, a uid and an owner of its own and about a kilobyte of YAML.
"""

from __future__ import annotations

import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time
from typing import Any

import yaml

TEMPLATES = 40
SEED = 1


def pod(number: int) -> dict[str, Any]:
    """A pod that kube-scheduler could not place."""
    template = number % TEMPLATES
    draw = random.Random(f"{SEED}/{template}")
    cpu, memory = draw.choice(["100m", "250m", "500m", "1", "1500m"]), draw.choice(["100Mi", "256Mi", "1Gi", "4Gi"])
    owner = f"app-{template}-5d8f7c9b6d"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "creationTimestamp": "2026-05-01T10:00:00Z",
            "generateName": f"{owner}-",
            "labels": {"app": f"app-{template}", "pod-template-hash": "5d8f7c9b6d"},
            "name": f"{owner}-{number:05x}",
            "namespace": f"team-{template % 7}",
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "blockOwnerDeletion": True,
                    "controller": True,
                    "kind": "ReplicaSet",
                    "name": owner,
                    "uid": f"5b4e6f0a-0000-4000-8000-{template:012d}",
                }
            ],
            "uid": f"5b4e6f0a-1111-4000-8000-{number:012d}",
        },
        "spec": {
            "containers": [
                {
                    "image": f"registry.example.com/team/app-{template}:1.2.3",
                    "name": "app",
                    "resources": {"limits": {"memory": memory}, "requests": {"cpu": cpu, "memory": memory}},
                }
            ],
            "nodeSelector": {"kubernetes.io/arch": "amd64"},
            "priority": 0,
            "tolerations": [
                {"effect": "NoExecute", "key": f"node.kubernetes.io/{key}", "operator": "Exists"}
                for key in ("not-ready", "unreachable")
            ],
        },
        "status": {
            "conditions": [
                {
                    "lastTransitionTime": "2026-05-01T10:00:01Z",
                    "message": "0/3 nodes are available: 3 Insufficient cpu.",
                    "reason": "Unschedulable",
                    "status": "False",
                    "type": "PodScheduled",
                }
            ],
            "phase": "Pending",
        },
    }


def read(path: str) -> None:
    """Reads one file and prints what that took."""
    from solver import snapshot

    size = pathlib.Path(path).stat().st_size / 1e6
    wall, cpu = time.perf_counter(), time.process_time()
    cluster = snapshot.read([path])
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    specs = len({id(found.spec) for found in cluster.pods.values()})
    print(
        f"{pathlib.Path(path).suffix[1:]:5} {size:6.1f} MB {len(cluster.pods):7} pods {specs:4} specs "
        f"{wall:6.2f} s wall {cpu:6.2f} s cpu"
    )


def main() -> None:
    if len(sys.argv) > 2:
        read(sys.argv[2])
        return
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    listing = {"apiVersion": "v1", "kind": "List", "items": [pod(index) for index in range(number)]}
    with tempfile.TemporaryDirectory() as folder:
        files = {"pods.yaml": yaml.dump(listing, Dumper=yaml.CSafeDumper), "pods.json": json.dumps(listing, indent=4)}
        for name, text in files.items():
            path = pathlib.Path(folder, name)
            path.write_text(text)
            for _ in range(3):
                subprocess.run([sys.executable, __file__, "read", str(path)], check=True)


if __name__ == "__main__":
    main()
