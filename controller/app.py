"""The controller as a whole: who starts what, who wakes whom, and an orderly end."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import platform
import socket
import threading
import uuid
from collections.abc import Callable

from controller import health, metrics, observe, settings, world
from controller.kube import api as apis
from controller.kube import conditions, events, kinds, lease, mirror
from controller.loops import (
    cloud,
    disruption,
    lifecycle,
    nodeclasses,
    nodepools,
    placement,
    provision,
    question,
    runner,
)
from controller.loops import termination as terminations
from controller.observe import podtimes

log = logging.getLogger(__name__)

STOP_SECONDS = 20.0
HUNG_SECONDS = 900.0
"""A pass that takes longer hangs; one over a hundred OVH pools takes minutes at one call a second."""


class App:
    """One replica. `run` returns when stopped; `lost_lead` says whether that was because another one leads."""

    def __init__(self, api: apis.Api, given: settings.Settings) -> None:
        self.settings = given
        self.stop = threading.Event()
        self.lost_lead = False
        self._leads = False
        identity = f"{os.environ.get('POD_NAME') or socket.gethostname()}_{uuid.uuid4().hex[:8]}"
        self.mirror = mirror.Mirror(api)
        recorder = events.Recorder(api, instance=identity, own=_own_pod(given.namespace))
        self.world = world.World(api, self.mirror, recorder, given)
        self._elector = lease.Elector(api, given.leader_election_name, given.namespace, identity)
        self._questions = question.Questions(self.world, self.stop.is_set)
        self._provisioner = provision.Provisioner(self.world, self._questions, self._wake)
        self._node_pools = nodepools.NodePools(self.world)
        self._lifecycle = lifecycle.Lifecycle(self.world, self._wake)
        self._placement = placement.Placement(self.world, self._provisioner.trigger)
        self._termination = terminations.Termination(self.world, self._wake)
        self._disruption = disruption.Disruption(self.world, self._questions, self._wake)
        self._loops = self._make_loops()
        self.mirror.listeners += [self._on_change, podtimes.PodTimes()]

    def _make_loops(self) -> dict[str, runner.Loop]:
        loops = {
            "disruption": runner.Loop("disruption", self._disruption.tick, least=0.5),
            "nodeclass": runner.Loop("nodeclass", nodeclasses.NodeClasses(self.world, self._class_changed).tick),
            "provisioner": runner.Loop("provisioner", self._provisioner.tick, least=0.05),
            "cluster": runner.Loop("cluster", self._cluster_tick),
        }
        if not self.settings.dry_run:
            loops |= {
                "placement": runner.Loop("placement", self._placement_tick),
                "cloud": runner.Loop("cloud", cloud.Cloud(self.world, self._wake).tick, least=0.2),
            }
        return loops

    def run(self) -> None:
        """Start everything and wait until stopped."""
        metrics.REGISTRY.register(observe.Observer(self.world, lambda: self._leads))
        metrics.BUILD_INFO.labels(importlib.metadata.version("karpenter-ovhcloud"), "", platform.machine(), "").set(1)
        pages: dict[str, Callable[[], health.Answer]] = {
            "/healthz": health.probe(self._why_not_alive),
            "/readyz": health.probe(self._why_not_ready),
        }
        servers = [
            health.serve(
                self.settings.metrics_port,
                {"/metrics": health.metrics_page, "/debug/plan": lambda: health.plan_page(self.world.last_plan)},
            ),
            health.serve(self.settings.health_probe_port, pages),
        ]
        self.mirror.start()
        elector = None
        # A dry run writes nothing that two replicas could write differently, and not even the Lease.
        if self.settings.leader_election and not self.settings.dry_run:
            elector = threading.Thread(
                target=self._elector.run, args=(self.stop, self._lose), name="leader-election", daemon=True
            )
            elector.start()
            while not self.stop.wait(0.1) and not self._elector.leading.is_set():
                continue
        if not self.stop.is_set():
            self._leads = True
            metrics.LEADING.set(1)
            for loop in self._loops.values():
                loop.start(self.stop)
        self.stop.wait()
        log.info("stopping")
        ended = [loop.join(STOP_SECONDS) for loop in self._loops.values()]
        metrics.LEADING.set(0)
        if elector is not None:
            # The lease is given up only now, when no loop writes any more.
            elector.join(5.0)
        self.mirror.stop()
        self.world.recorder.close()
        for server in servers:
            server.shutdown()
        log.info("stopped", extra={"cleanly": all(ended)})

    def _lose(self) -> None:
        self.lost_lead = True
        self.stop.set()

    def _why_not_alive(self) -> str:
        hung = [name for name, loop in self._loops.items() if loop.busy() > HUNG_SECONDS]
        return f"hangs for more than {HUNG_SECONDS:.0f} s: {', '.join(hung)}" if hung else ""

    def _why_not_ready(self) -> str:
        missing = self.mirror.unsynced()
        return f"not synced: {', '.join(missing)}" if missing else ""

    def _cluster_tick(self) -> float:
        """Everything that follows from the cluster alone."""
        synced = self.mirror.synced()
        metrics.STATE_SYNCED.set(int(synced))
        if not synced:
            return 0.2
        metrics.STATE_NODES.set(len(self.mirror.all(kinds.NODE)))
        with self.world.lock:
            by_reason: dict[str, int] = {}
            for flavor, zone in self.world.refused():
                reason = self.world.unavailable.reason(flavor, zone, self.world.now()) or ""
                by_reason[reason] = by_reason.get(reason, 0) + 1
        metrics.REFUSED.clear()
        for reason, count in by_reason.items():
            metrics.REFUSED.labels(reason).set(count)
        self._node_pools.reconcile()
        if not self.settings.dry_run:
            self._lifecycle.reconcile()
            self._termination.reconcile()
        return 1.0

    def _placement_tick(self) -> float:
        """Nodes are held from a loop of its own: a node that is ready before it is held fills with other pods."""
        if not self.mirror.synced():
            return 0.2
        return 0.5 if self._placement.reconcile() else 0.0

    def _wake(self) -> None:
        """Something was written that others act on."""
        for name in ("placement", "cluster", "cloud"):
            if name in self._loops:
                self._loops[name].wake()

    def _class_changed(self) -> None:
        self._provisioner.trigger()
        self._wake()

    def _on_change(self, kind: kinds.Kind, change: str, item: world.Object) -> None:
        """Wake whom a change concerns. Runs on the reflectors' threads, so it does nothing else."""
        if kind is kinds.POD:
            self._on_pod(change, item)
        elif kind is kinds.NODE_CLAIM:
            if change == "DELETED" or world.deleting(item):
                # Its pods want another place.
                self._provisioner.trigger()
            if change == "DELETED" and any(map(world.deleting, self.mirror.all(kinds.NODE_CLASS))):
                # It may have been the last one that a class waits for.
                self._loops["nodeclass"].wake()
            self._wake()
        elif kind is kinds.NODE_CLASS and (change != "MODIFIED" or _stale(item)):
            self._loops["nodeclass"].wake()
        elif kind is kinds.NODE_POOL and (change != "MODIFIED" or _stale(item)):
            self._provisioner.trigger()
            self._wake()
        elif kind is kinds.NODE:
            self._wake_cluster()

    def _on_pod(self, change: str, item: world.Object) -> None:
        spec, status = item.get("spec") or {}, item.get("status") or {}
        node = spec.get("nodeName")
        if node:
            daemon = any(each.get("kind") == "DaemonSet" for each in item["metadata"].get("ownerReferences") or [])
            if not daemon and self.mirror.synced():
                self._pod_event(change, item, node)
            if change == "DELETED" or world.deleting(item):
                # A pod that moves is evicted: whoever comes in its stead has its place.
                self.world.slots.release(str(item["metadata"].get("uid")))
            self._wake_cluster()
        elif change == "DELETED" or world.deleting(item) or status.get("phase") in ("Succeeded", "Failed"):
            self.world.slots.release(str(item["metadata"].get("uid")))
            self._wake_cluster()
        elif not spec.get("schedulingGates") and not self.world.slots.has(str(item["metadata"].get("uid"))):
            if placement.take(self.world, item):
                self._wake_cluster()
            else:
                self._provisioner.trigger()

    def _pod_event(self, change: str, item: world.Object, node: str) -> None:
        """A pod that was bound, has ended, or goes: the node was not quiet."""
        now = self.world.now()
        started = conditions.seconds((item.get("status") or {}).get("startTime"))
        going = change == "DELETED" or world.deleting(item)
        ended = (item.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        if going or ended or started is None or now - started < 2:
            with self.world.lock:
                self.world.pod_events[node] = now

    def _wake_cluster(self) -> None:
        for name in ("placement", "cluster"):
            if name in self._loops:
                self._loops[name].wake()


def _own_pod(namespace: str) -> world.Object | None:
    """The Pod that this process runs in, None outside of a cluster."""
    name = os.environ.get("POD_NAME")
    if not name:
        return None
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}}


def _stale(item: world.Object) -> bool:
    """Whether the object's spec is newer than what its conditions speak of; a dry run stores none."""
    generation, found = item["metadata"].get("generation"), conditions.of(item)
    return not found or any(each.get("observedGeneration") != generation for each in found)
