"""Keeps a cluster's Node objects as MKS would: joins, enforces, notices what was deleted, removes what is gone."""

from __future__ import annotations

import concurrent.futures
import logging
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from controller import retry
from controller.simulator import cluster as clusters
from controller.simulator import model, nodes, server

log = logging.getLogger(__name__)

_WRITERS = 8


def _now() -> datetime:
    return datetime.now(UTC)


class Joiner:
    """Mirrors the nodes of one simulated cluster into a real one; passes may run at any time, one at a time."""

    def __init__(
        self,
        simulator: server.Simulator,
        cluster_id: str,
        target: clusters.Cluster,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._simulator = simulator
        self._cluster_id = cluster_id
        self._target = target
        self._now = now
        self._pass = threading.Lock()

    def check(self) -> None:
        """Refuse a cluster with nodes of a real OVH cluster; raises ``ClusterError``."""
        for node in self._target.nodes():
            real = str(node.get("spec", {}).get("providerID", "")).startswith("openstack://")
            if real and nodes.ID not in (node["metadata"].get("annotations") or {}):
                name = node["metadata"]["name"]
                raise clusters.ClusterError(
                    f"node {name} belongs to a real OVH cluster: the simulator joins no nodes there; choose another "
                    "--kubeconfig or --context"
                )

    def sync(self) -> int:
        """One pass; the number of changes made. Raises ``ClusterError``."""
        with self._pass:
            present = self._target.nodes()
            with self._simulator.lock:
                self._simulator.advance()
                wanted = self._wanted()
            actions = nodes.plan(wanted, present, self._now())
            with concurrent.futures.ThreadPoolExecutor(_WRITERS) as writers:
                outcomes = [writers.submit(self._do, action) for action in actions]
            self._report(action for action, done in zip(actions, outcomes, strict=True) if done.exception() is None)
            for done in outcomes:
                done.result()
            return len(actions)

    def run(self, stop: threading.Event, period: float = 0.5) -> None:
        """Passes until stopped, ``period`` real seconds apart, less often while the cluster does not answer."""
        failures = 0
        backoff = retry.Backoff(base=1.0, cap=30.0)
        wait = period
        while not stop.wait(wait):
            try:
                self.sync()
                failures, wait = 0, period
            except clusters.ClusterError as error:
                failures += 1
                wait = period + backoff.delay(failures)
                log.warning("the cluster cannot be kept up", extra={"error": str(error), "retryInSeconds": wait})
            except Exception:
                failures += 1
                wait = period + backoff.delay(failures)
                log.exception("a pass over the cluster failed", extra={"retryInSeconds": wait})

    def _do(self, action: nodes.Action) -> None:
        """The part of an action that concerns the cluster."""
        match action:
            case nodes.Create(_, body):
                if self._target.create(body):
                    log.info("node joined", extra={"node": body["metadata"]["name"]})
            case nodes.Patch(name, body, status):
                self._target.patch(name, body, status=status)
            case nodes.Delete(name):
                self._target.delete(name)
                log.info("node removed", extra={"node": name})
            case nodes.Seen() | nodes.Lost():
                pass

    def _report(self, done: Iterable[nodes.Action]) -> None:
        """Tell the simulation which Node objects were there and which were lost.

        One that was just created is reported by the next pass, which sees it.
        """
        facts = [action for action in done if isinstance(action, nodes.Seen | nodes.Lost)]
        if not facts:
            return
        with self._simulator.lock:
            for fact in facts:
                if isinstance(fact, nodes.Seen):
                    self._simulator.sim.object_seen(fact.id)
                else:
                    self._simulator.sim.object_lost(fact.id)
                    log.info("Node object was deleted, the node will be rebuilt", extra={"nodeId": fact.id})
            self._simulator.save(always=True)

    def _wanted(self) -> list[nodes.Wanted]:
        """The nodes that have joined and are not gone."""
        sim = self._simulator.sim
        home = sim.cluster(self._cluster_id)
        return [
            nodes.Wanted(
                id=node.id,
                name=node.name,
                pool=pool.name,
                cluster_id=home.id,
                region=home.region,
                zone=node.zone,
                flavor=sim.shop.flavors[node.flavor],
                version=home.version,
                instance_id=node.instance_id or "",
                template=pool.template,
                ready=node.healthy and (node.status == model.READY or (node.leaving and node.deployed_at is not None)),
                booting=node.deployed_at is None,
                leaving=node.leaving,
                gpus_shown=node.gpus_shown,
                registered=node.registered,
            )
            for pool in sim.pools(home.id)
            for node in sim.nodes(pool.id)
            if node.joined
        ]
