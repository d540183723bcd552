"""
A control plane that judges one plan after the other.

Between two plans everything is deleted, so that none sees another. Nothing is waited for by the clock: pods are
followed by a watch, and a plan counts as stuck only when its scheduler has bound nothing for a while.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
import types
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Self

import urllib3

from catalog import catalogue
from solver import cluster, options, plan
from tests.e2e import controlplane
from tests.e2e.judge import manifests, scene

Object = dict[str, Any]

SETTINGS: dict[str, Any] = {
    "components": controlplane.JUDGE,
    "scheduler": {"podInitialBackoffSeconds": 1, "podMaxBackoffSeconds": 1, "percentageOfNodesToScore": 100},
    "arguments": {
        "kube-apiserver": [
            "--disable-admission-plugins=StorageObjectInUseProtection",
            "--delete-collection-workers=4",
            "--max-requests-inflight=2000",
        ]
    },
}
"""How a control plane is started for a court."""

PATIENCE = 4.0
"""Seconds without a pod bound after which the waiting ones are made anew; the scheduler retries after a second."""

SILENCE = 60.0
"""Seconds in which the scheduler says something about every pod."""

ORDERS = 2
"""How often pods that were left over are put first."""

BARRIER = "judge-barrier"
"""Namespace of the pod that shows how far the scheduler has read, and name of its node."""

_ZONE = "topology.kubernetes.io/zone"
_CLEARED = (
    ("v1", "PersistentVolumeClaim"),
    ("v1", "PersistentVolume"),
    ("storage.k8s.io/v1", "StorageClass"),
    ("storage.k8s.io/v1", "CSINode"),
    ("v1", "Node"),
)


@dataclasses.dataclass(slots=True)
class Verdict:
    """
    What the scheduler made of a plan.

    `bound` of the `planned` pods are where the plan has them; `wrong` says of the others what became of them.
    `left_out` are pods without a place by plan, `taken` maps those that the scheduler found one for all the same to its
    node. `renewed`: pods had to be made anew before the scheduler looked at them again. `ordered`: pods were bound only
    when some of them were made before the others. `stuck` are keys of planned pods that were not bound.
    """

    planned: int = 0
    bound: int = 0
    left_out: int = 0
    elsewhere: int = 0
    renewed: bool = False
    ordered: bool = False
    stuck: list[str] = dataclasses.field(default_factory=list)
    wrong: list[str] = dataclasses.field(default_factory=list)
    taken: dict[str, str] = dataclasses.field(default_factory=dict)


class Court:
    """
    Judges plans on a running control plane (`SETTINGS`); use as a context manager.

    One plan at a time: use several courts, each with its own control plane, to judge several at once.
    """

    def __init__(self, plane: controlplane.ControlPlane) -> None:
        self._client = plane.client
        self._classes: set[int] = set()
        self._namespaces: dict[str, Object] = {}
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._pods: dict[str, Object] = {}
        self._threads = [
            threading.Thread(target=self._follow, args=(kind, handle), daemon=True)
            for kind, handle in (("Pod", self._note), ("PersistentVolumeClaim", self._provide))
        ]

    def __enter__(self) -> Self:
        self._ensure_namespace(manifests.namespace(BARRIER, {}))
        self._ensure_priority(0)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: types.TracebackType | None
    ) -> None:
        self._stop.set()
        # One more change ends each watch.
        with contextlib.suppress(urllib3.exceptions.HTTPError, controlplane.ApiError):
            self._client.create(_barrier_pod())
            self._client.create(manifests.volume_claim(cluster.VolumeClaim(BARRIER, "end")))
        for thread in self._threads:
            thread.join()

    def judge(
        self, of: cluster.Cluster, known: catalogue.Catalogue, asked: options.Options, answer: plan.Plan
    ) -> Verdict:
        """
        Hand the plan over with every pod kept to its place, then the pods that it leaves out.

        A plan promises that its pods can be placed in some order, those of a later turn after the others. When pods are
        left over they go first the next time.
        """
        shown = scene.of_plan(of, known, answer, asked)
        verdict = self._session(shown)
        for _ in range(ORDERS):
            if not verdict.stuck:
                break
            verdict = self._session(shown, first=verdict.stuck)
            verdict.ordered = True
        return verdict

    def let_loose(
        self, of: cluster.Cluster, known: catalogue.Catalogue, asked: options.Options, answer: plan.Plan
    ) -> Verdict:
        """Hand the plan's nodes and all its pods over at once, with nothing that says which pod belongs where."""
        shown = scene.of_plan(of, known, answer, asked, held=False)
        shown.left_out.clear()
        return self._session(shown, again=False)

    def _session(self, shown: scene.Scene, *, again: bool = True, first: Collection[str] = ()) -> Verdict:
        verdict = Verdict(planned=len(shown.planned), left_out=len(shown.left_out))
        try:
            self._set(shown)
            for turn in shown.turns():
                self._hear(turn, verdict, again, first)
            if not verdict.stuck:
                self._hear_left_out(shown.left_out, verdict)
        finally:
            self._clear(shown)
        return verdict

    # Setting the scene

    def _set(self, shown: scene.Scene) -> None:
        for priority in shown.priorities:
            self._ensure_priority(priority)
        for namespace in shown.namespaces:
            self._ensure_namespace(namespace)
        self._client.create_all(shown.storage)
        self._client.create_all(shown.nodes)
        made = self._client.create_all(shown.running)
        self._claim((pod, shown.ephemeral.get(_key(pod), ())) for pod in made)
        self._client.parallel(self._start_deletion, [pod for pod in made if _key(pod) in shown.leaving])
        self._pass_barrier()

    def _start_deletion(self, pod: Object) -> None:
        self._client.delete("v1", "Pod", pod["metadata"]["name"], namespace=pod["metadata"]["namespace"])

    def _pass_barrier(self) -> None:
        """
        Wait until the scheduler has read all nodes and pods made so far: it binds one more pod to one more node.

        The node has no labels, so that it is in no topology, and is full then.
        """
        one = {"pods": 1}
        self._client.create(manifests.node(cluster.Node(BARRIER, {}, {}, (), one, one)))
        uid = self._client.create(_barrier_pod())["metadata"]["uid"]
        if not self._wait(lambda: bool(self._node_of(uid)), SILENCE):
            raise TimeoutError(f"the scheduler did not bind the pod of {BARRIER}")

    def _ensure_priority(self, value: int) -> None:
        if value not in self._classes:
            self._client.create(scene.priority_class(value))
            self._classes.add(value)

    def _ensure_namespace(self, wanted: Object) -> None:
        name = wanted["metadata"]["name"]
        if self._namespaces.get(name) != wanted:
            self._client.apply(wanted)
            self._namespaces[name] = wanted

    def _claim(self, owners: Iterable[tuple[Object, Sequence[cluster.EphemeralClaim]]]) -> None:
        """The claims of generic ephemeral volumes, which a controller makes elsewhere."""
        claims = [manifests.ephemeral_claim(each, pod) for pod, found in owners for each in found]
        if claims:
            self._client.create_all(claims)

    # Hearing the scheduler

    def _ask(self, pods: Sequence[scene.Asked]) -> dict[str, scene.Asked]:
        """Create pods; what was asked by uid."""
        made = self._client.create_all(each.manifest for each in pods)
        self._claim((pod, each.ephemeral) for pod, each in zip(made, pods, strict=True))
        return {pod["metadata"]["uid"]: each for pod, each in zip(made, pods, strict=True)}

    def _hear(self, pods: Sequence[scene.Asked], verdict: Verdict, again: bool, first: Collection[str]) -> None:
        """
        Make the pods that come `first` and, when they are decided on, the others; wait until all are bound.

        Pods that are not are made anew (unless `again` is off) for as long as that helps: what tells kube-scheduler
        that a waiting pod may fit now misses some cases, such as affinity with a namespaceSelector, and it then looks
        at the pod again after five minutes only.
        """
        asked = self._ask([each for each in pods if each.key in first])
        self._all_decided(asked)
        asked |= self._ask([each for each in pods if each.key not in first])
        bound = -1
        while not self._all_bound(asked) and again:
            before, bound = bound, sum(bool(self._node_of(uid)) for uid in asked)
            if bound == before:
                break
            verdict.renewed = True
            asked = self._renew(asked)
        for uid, each in asked.items():
            node = self._node_of(uid)
            if node == each.place:
                verdict.bound += 1
            elif node:
                verdict.elsewhere += 1
                verdict.wrong.append(f"{each.key}: planned on {each.place}, bound to {node}")
            else:
                verdict.stuck.append(each.key)
                verdict.wrong.append(f"{each.key}: planned on {each.place}, not bound: {self._refusal(uid)}")

    def _all_bound(self, asked: Iterable[str]) -> bool:
        """Wait for the binding of pods for as long as there is any."""
        return self._wait(lambda: all(self._node_of(uid) for uid in asked), PATIENCE, asked)

    def _all_decided(self, asked: Iterable[str]) -> bool:
        """Wait until pods are bound or refused."""
        return self._wait(lambda: all(self._node_of(uid) or self._refusal(uid) for uid in asked), SILENCE)

    def _renew(self, asked: dict[str, scene.Asked]) -> dict[str, scene.Asked]:
        """The pods that were asked about, those without a node made anew."""
        waiting = [each for uid, each in asked.items() if not self._node_of(uid)]
        for each in waiting:
            metadata = each.manifest["metadata"]
            space, name = metadata["namespace"], metadata["name"]
            self._client.delete("v1", "Pod", name, namespace=space, grace_seconds=0)
            for claim in each.ephemeral:
                self._client.delete("v1", "PersistentVolumeClaim", f"{name}-{claim.volume}", namespace=space)
        return {uid: each for uid, each in asked.items() if self._node_of(uid)} | self._ask(waiting[::-1])

    def _hear_left_out(self, pods: Sequence[scene.Asked], verdict: Verdict) -> None:
        asked = self._ask(pods)
        # The scheduler does not even look at pods whose resource claims are missing.
        heard = [uid for uid, each in asked.items() if not each.manifest["spec"].get("resourceClaims")]
        if not self._all_decided(heard):
            silent = [asked[uid].key for uid in heard if not self._node_of(uid) and not self._refusal(uid)]
            raise TimeoutError(f"the scheduler said nothing about {', '.join(silent)}, which the plan leaves out")
        for uid, each in asked.items():
            if self._node_of(uid):
                verdict.taken[each.key] = self._node_of(uid)

    def _node_of(self, uid: str) -> str:
        return str(self._pods.get(uid, {}).get("spec", {}).get("nodeName", ""))

    def _refusal(self, uid: str) -> str:
        """The words with which the scheduler refused a pod, "" when it did not."""
        conditions = self._pods.get(uid, {}).get("status", {}).get("conditions", ())
        return next(
            (
                str(each.get("message") or each.get("reason"))
                for each in conditions
                if each["type"] == "PodScheduled" and each["status"] == "False"
            ),
            "",
        )

    def _wait(self, condition: Callable[[], bool], patience: float, progress: Iterable[str] = ()) -> bool:
        """Whether a condition came true; patience starts anew with each of the pods in `progress` that is bound."""
        followed = tuple(progress)
        with self._changed:
            bound = -1
            while not condition():
                now_bound = sum(bool(self._node_of(uid)) for uid in followed)
                if now_bound != bound:
                    bound, deadline = now_bound, time.monotonic() + patience
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return True

    # Following the cluster

    def _follow(self, kind: str, handle: Callable[[str, Object], None]) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(urllib3.exceptions.HTTPError, controlplane.ApiError):
                for burst in self._client.watch("v1", kind, timeout=600):
                    if self._stop.is_set():
                        return
                    for change, item in burst:
                        handle(change, item)

    def _note(self, change: str, pod: Object) -> None:
        with self._changed:
            if change == "DELETED":
                self._pods.pop(pod["metadata"]["uid"], None)
            else:
                self._pods[pod["metadata"]["uid"]] = pod
            self._changed.notify_all()

    def _provide(self, change: str, claim: Object) -> None:
        """A volume in the zone of the node that the scheduler chose, as a CSI driver's provisioner makes it."""
        metadata, spec = claim["metadata"], claim["spec"]
        chosen = metadata.get("annotations", {}).get(manifests.SELECTED_NODE)
        if change == "DELETED" or not chosen or spec.get("volumeName"):
            return
        zone = self._client.get("v1", "Node", chosen)["metadata"]["labels"].get(_ZONE, "")
        terms = (cluster.NodeTerm((cluster.Expression(_ZONE, "In", (zone,)),)),) if zone else None
        driver = self._client.get("storage.k8s.io/v1", "StorageClass", spec["storageClassName"])["provisioner"]
        name, space = metadata["name"], metadata["namespace"]
        volume = cluster.Volume(f"made-{metadata['uid']}", terms, driver)
        bound = cluster.VolumeClaim(space, name, spec["storageClassName"], volume.name)
        self._client.create(manifests.volume(volume, bound))
        patch = {"metadata": {"annotations": {manifests.BIND_COMPLETED: "yes"}}, "spec": {"volumeName": volume.name}}
        self._client.patch("v1", "PersistentVolumeClaim", name, patch, namespace=space)

    # Clearing

    def _clear(self, shown: scene.Scene) -> None:
        """Delete all that was made, pods first."""
        spaces = [each["metadata"]["name"] for each in shown.namespaces]
        at_once = {"gracePeriodSeconds": 0}
        paths = [self._client.path("v1", "Pod", namespace=space) for space in (*spaces, BARRIER)]
        self._client.parallel(lambda path: self._client.request("DELETE", path, at_once), paths)
        paths = [self._client.path("v1", "PersistentVolumeClaim", namespace=space) for space in spaces]
        paths += [self._client.path(*kind) for kind in _CLEARED if kind != ("v1", "PersistentVolumeClaim")]
        self._client.parallel(lambda path: self._client.request("DELETE", path, at_once), paths)


def _key(pod: Object) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _barrier_pod() -> Object:
    fields = (cluster.Expression("metadata.name", "In", (BARRIER,)),)
    spec = cluster.PodSpec(node_terms=(cluster.NodeTerm((), fields),))
    made = manifests.pod(cluster.Pod(BARRIER, "barrier", spec))
    made["spec"].pop("priority")
    made["spec"]["priorityClassName"] = "never-0"
    return made
