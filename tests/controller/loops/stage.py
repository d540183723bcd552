"""A cluster in memory that the loops see and write without threads: what is written is in the mirror at once."""

from __future__ import annotations

import copy
from typing import Any

import yaml

from catalog import catalogue
from catalog import labels as known_labels
from controller import settings, world
from controller.kube import api as apis
from controller.kube import kinds, mirror
from solver.render import document
from tests.controller.kube import memory
from tests.controller.loops import make
from tests.e2e import running

T0 = make.T0_SECONDS


class Killed(BaseException):
    """The process is gone; no loop catches this."""


class Said:
    """Collects events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []

    def event(self, about: make.Object, reason: str, note: str, **_: Any) -> None:
        self.events.append((about["metadata"]["name"], reason, note))


class Stage(memory.Memory):
    """
    The API server of the cluster, its mirror, and the time; `world` is what loops share.

    With `lives` the process is killed right after that many writes. In a dry run (a setting) no write is let through, as
    the real client does it.
    """

    def __init__(self, **given: Any) -> None:
        super().__init__()
        self.now = T0
        self.lives: int | None = None
        self.writes: list[str] = []
        self.settings = settings.Settings(**{"solve_time_limit": 1.0, "workers": 1, **given})
        self.dry_run = self.settings.dry_run
        self.mirror = mirror.Mirror(self)
        for kind in kinds.MIRRORED:
            self.mirror.of(kind).replace([])
        self.said = Said()
        self.world = self.restart()

    def restart(self) -> world.World:
        """What a new process knows: the cluster, and nothing else."""
        self.lives = None
        made = world.World(self, self.mirror, self.said, self.settings, clock=lambda: self.now)  # type: ignore[arg-type]
        made.places["default"] = world.Place(
            name="default",
            client=None,  # type: ignore[arg-type]
            region="GRA11",
            zones=("nova",),
            multi_zone=False,
            monthly=False,
            anti_affinity=False,
            catalogue=catalogue.embedded(),
            ready=True,
        )
        self.world = made
        return made

    def put(self, kind: kinds.Kind, item: make.Object) -> make.Object:
        made = super().put(kind, item)
        store = self.mirror.of(kind) if kind in kinds.MIRRORED else None
        if store is not None:
            store.put(copy.deepcopy(made))
        if made["metadata"].get("deletionTimestamp") and not made["metadata"].get("finalizers"):
            del self.objects[kind.name, mirror.key_of(made)]
            if store is not None:
                store.drop(made)
        return made

    def create(self, kind: kinds.Kind, body: make.Object) -> make.Object:
        self._allow(f"create {kind.name}")
        # Names come back, uids do not.
        body = {**body, "metadata": {**body["metadata"], "uid": f"uid-{self.version + 1}"}}
        made = super().create(kind, body)
        self._written(f"create {kind.name}")
        return made

    def patch(
        self, kind: kinds.Kind, name: str, body: Any, *, namespace: str = "", subresource: str = "", how: str = ""
    ) -> make.Object:
        self._allow(f"patch {kind.name} {name}")
        there = self.get(kind, name, namespace)
        if how == apis.JSON_PATCH:
            (step,) = body
            assert step["op"] == "add"
            assert step["path"] in ("/spec/tolerations/-", "/spec/tolerations")
            added = step["value"] if isinstance(step["value"], list) else [step["value"]]
            body = {"spec": {"tolerations": [*there["spec"].get("tolerations", []), *added]}}
        wanted = body.get("metadata", {}).get("resourceVersion")
        if wanted is not None and wanted != there["metadata"]["resourceVersion"]:
            raise apis.ConflictError("patch", 409, "Conflict", name)
        made = self.put(kind, apis.merged(there, body))
        self._written(f"patch {kind.name} {name} {subresource}".strip())
        return made

    def delete(
        self, kind: kinds.Kind, name: str, *, namespace: str = "", uid: str = "", grace: int | None = None
    ) -> None:
        self._allow(f"delete {kind.name} {name}")
        try:
            there = self.get(kind, name, namespace)
        except apis.NotFoundError:
            return
        if "deletionTimestamp" not in there["metadata"]:
            there["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            self.put(kind, there)
            self._written(f"delete {kind.name} {name}")

    def _allow(self, what: str) -> None:
        if self.dry_run:
            raise apis.DryRunError(what)

    def _written(self, what: str) -> None:
        self.writes.append(what)
        if self.lives is not None:
            self.lives -= 1
            if self.lives <= 0:
                raise Killed(what)

    # What tests put into the cluster

    def node_pool(self, replicas: int | None = None, **disruption: Any) -> None:
        """The example's NodePool and class, ready; a static one with `replicas`."""
        for item in yaml.safe_load_all((running.ROOT / "examples" / "inflate" / "nodepool.yaml").read_text()):
            if item["kind"] == "NodePool":
                item["spec"]["disruption"] = {"budgets": [{"nodes": "100%"}], **disruption}
                item["spec"]["limits"] = {"cpu": "1000"}
                if replicas is not None:
                    item["spec"] |= {"replicas": replicas, "limits": {"nodes": "50"}}
                    item["spec"].pop("weight", None)
            item["metadata"] |= {"generation": 1}
            item["status"] = {"conditions": [make.condition("Ready")]}
            self.put(kinds.NODE_POOL if item["kind"] == "NodePool" else kinds.NODE_CLASS, item)

    def machine(self, name: str, flavor: str, *states: str, pods: int = 0) -> None:
        """A ready node of a flavor with its claim, unless that is there, and pods of one CPU each on it."""
        amounts = document.amounts(catalogue.embedded().flavors[flavor].allocatable)
        labels = {
            **known_labels.flavor_labels(catalogue.embedded().flavors[flavor]),
            **known_labels.offering_labels("GRA11", "nova"),
            "karpenter.sh/nodepool": "general",
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/os": "linux",
            "karpenter.sh/registered": "true",
            "karpenter.sh/initialized": "true",
        }
        claim = make.claim(name, *(make.condition(s) for s in ("Launched", "Registered", "Initialized", *states)))
        claim["metadata"] |= {"labels": labels, "finalizers": ["karpenter.sh/termination"]}
        claim["spec"] |= {"expireAfter": "Never", "requirements": []}
        claim["status"] |= {"nodeName": f"node-{name}", "capacity": amounts, "allocatable": amounts}
        if ("NodeClaim", name) not in self.objects:
            self.put(kinds.NODE_CLAIM, claim)
        node = make.node(f"node-{name}", labels={**labels, "kubernetes.io/hostname": f"node-{name}"})
        node["spec"] |= {"providerID": f"openstack:///{name}"}
        node["status"] |= {"allocatable": amounts, "capacity": amounts}
        self.put(kinds.NODE, node)
        for number in range(pods):
            self.pod(f"{name}-{number}", f"node-{name}")

    def pod(self, name: str, node: str) -> None:
        """A pod of one CPU that runs on a node."""
        made = make.pod(name, node)
        made["spec"]["containers"] = [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}}}]
        self.put(kinds.POD, made)

    def comes_up(self, claim: str, machine: str = "") -> None:
        """The node of a claim is ready; with the machine that it has."""
        there = self.get(kinds.NODE_CLAIM, claim)
        states = ("Launched", "Registered", "Initialized")
        there["status"] = {"conditions": [make.condition(state) for state in states]}
        if machine:
            there["status"] |= {"providerID": f"openstack:///{machine}", "nodeName": f"node-{machine}"}
        self.put(kinds.NODE_CLAIM, there)

    def claims(self) -> dict[str, make.Object]:
        """All claims by name."""
        return {item["metadata"]["name"]: item for item in self.mirror.all(kinds.NODE_CLAIM)}
